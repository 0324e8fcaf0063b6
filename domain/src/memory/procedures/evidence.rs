//! How well a procedure works, as far as reports tell, and how sure that is.
//!
//! Each report is a trial that succeeds with an unknown chance. Before the first report every chance is as likely as any
//! other (the uniform prior of Bayes and Laplace, Beta(1, 1)), so after `s` successes and `f` failures the chance is
//! distributed as Beta(1 + s, 1 + f). The estimate is the mean of that, (s + 1) / (s + f + 2), and the interval its central
//! 95 %: from the quantile of 2.5 % to that of 97.5 % (Gelman and others, Bayesian Data Analysis, third edition, 2.4).
//!
//! Procedures are ordered by the lower end, so that few reports never outrank many that say the same. What was reported of
//! earlier versions counts half with each version since (a power prior: Ibrahim and Chen, Statistical Science 15, 2000).

mod beta;

use crate::memory::procedures::Verdict;
use serde::{Deserialize, Serialize};

/// How often something went well, and how often it did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often it went well.
    pub successes: u32,
    /// How often it did not.
    pub failures: u32,
}

impl Tally {
    /// With one more of these.
    #[must_use]
    pub fn with(mut self, verdict: Verdict) -> Self {
        let count = self.of(verdict);
        *count = count.saturating_add(1);
        self
    }

    /// With one less of these.
    #[must_use]
    pub fn without(mut self, verdict: Verdict) -> Self {
        let count = self.of(verdict);
        *count = count.saturating_sub(1);
        self
    }

    /// What it tells.
    pub fn estimate(self) -> Estimate {
        Estimate::of(f64::from(self.successes), f64::from(self.failures))
    }

    fn of(&mut self, verdict: Verdict) -> &mut u32 {
        match verdict {
            Verdict::Success => &mut self.successes,
            Verdict::Failure => &mut self.failures,
        }
    }
}

/// The chance that something goes well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// It is less than this with a chance of 2.5 %.
    pub lower: f64,
    /// It is more than this with a chance of 2.5 %.
    pub upper: f64,
}

/// How likely the chance lies outside of the interval, on either side.
const TAIL: f64 = 0.025;

impl Estimate {
    /// After so many successes and failures.
    fn of(successes: f64, failures: f64) -> Self {
        let (a, b) = (successes + 1.0, failures + 1.0);
        Self { mean: a / (a + b), lower: beta::quantile(TAIL, a, b), upper: beta::quantile(1.0 - TAIL, a, b) }
    }
}

/// Successes and failures in millionths, for counts that are halved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Weighted {
    successes: u64,
    failures: u64,
}

/// Reports in millionths.
const WHOLE: u64 = 1_000_000;

/// All that was reported of a procedure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Of all versions.
    pub all: Tally,
    /// Of the latest version.
    pub latest: Tally,
    /// Of earlier versions, halved with each version since.
    earlier: Weighted,
}

impl Evidence {
    /// As another version begins.
    #[must_use]
    pub fn of_next_version(self) -> Self {
        let half = |earlier: u64, latest: u32| earlier.midpoint(u64::from(latest) * WHOLE);
        let earlier = Weighted {
            successes: half(self.earlier.successes, self.latest.successes),
            failures: half(self.earlier.failures, self.latest.failures),
        };
        Self { all: self.all, latest: Tally::default(), earlier }
    }

    /// With one report more, of a version that is so many versions old.
    #[must_use]
    pub fn with(self, verdict: Verdict, age: u32) -> Self {
        self.changed(age, |tally| tally.with(verdict), verdict, u64::saturating_add)
    }

    /// With one report less, of a version that is so many versions old.
    #[must_use]
    pub fn without(self, verdict: Verdict, age: u32) -> Self {
        self.changed(age, |tally| tally.without(verdict), verdict, u64::saturating_sub)
    }

    fn changed(
        mut self,
        age: u32,
        count: impl Fn(Tally) -> Tally,
        verdict: Verdict,
        add: impl Fn(u64, u64) -> u64,
    ) -> Self {
        self.all = count(self.all);
        if age == 0 {
            self.latest = count(self.latest);
            return self;
        }
        let weight = WHOLE.checked_shr(age).unwrap_or(0);
        let earlier = match verdict {
            Verdict::Success => &mut self.earlier.successes,
            Verdict::Failure => &mut self.earlier.failures,
        };
        *earlier = add(*earlier, weight);
        self
    }

    /// What procedures are ordered by: the lower end of the estimate in millionths, where earlier versions count less.
    pub fn rank(self) -> u32 {
        let sum = |latest: u32, earlier: u64| f64::from(latest) + millionths(earlier);
        let estimate = Estimate::of(
            sum(self.latest.successes, self.earlier.successes),
            sum(self.latest.failures, self.earlier.failures),
        );
        finish(estimate.lower)
    }
}

#[expect(clippy::cast_precision_loss, reason = "more than 2^53 millionths of a report are not to be expected")]
fn millionths(count: u64) -> f64 {
    count as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a chance")]
fn finish(chance: f64) -> u32 {
    (chance.clamp(0.0, 1.0) * 1e6).round() as u32
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
