//! How often a task is tried, and how long it rests in between.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// How often, and how long in between: exponential with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub struct RetryPolicy {
    attempts_max: u32,
    backoff_first_seconds: u32,
    backoff_cap_seconds: u32,
}

/// A retry policy out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetryPolicy {
    /// Too few or too many attempts.
    #[error("`max_attempts` is {0}: it must be 1 to {max}", max = RetryPolicy::ATTEMPTS_MAX)]
    Attempts(u32),
    /// The first rest is too long.
    #[error("`backoff_first_seconds` is {0}: it must be 0 to {max}", max = RetryPolicy::BACKOFF_SECONDS_MAX)]
    First(u32),
    /// The longest rest is too long, or shorter than the first.
    #[error(
        "`backoff_cap_seconds` is {0}: it must be at least `backoff_first_seconds` and at most {max}",
        max = RetryPolicy::BACKOFF_SECONDS_MAX
    )]
    Cap(u32),
}

impl RetryPolicy {
    /// The most attempts a task may be given.
    pub const ATTEMPTS_MAX: u32 = 100;
    /// The longest rest: a week.
    pub const BACKOFF_SECONDS_MAX: u32 = 7 * 24 * 3600;
    /// Three attempts; rests of up to 10 s, then 20 s, 40 s… up to an hour.
    pub const DEFAULT: Self = Self { attempts_max: 3, backoff_first_seconds: 10, backoff_cap_seconds: 3600 };

    /// Checks the bounds.
    pub fn try_new(
        attempts_max: u32,
        backoff_first_seconds: u32,
        backoff_cap_seconds: u32,
    ) -> Result<Self, InvalidRetryPolicy> {
        if !(1..=Self::ATTEMPTS_MAX).contains(&attempts_max) {
            return Err(InvalidRetryPolicy::Attempts(attempts_max));
        }
        if backoff_first_seconds > Self::BACKOFF_SECONDS_MAX {
            return Err(InvalidRetryPolicy::First(backoff_first_seconds));
        }
        if !(backoff_first_seconds..=Self::BACKOFF_SECONDS_MAX).contains(&backoff_cap_seconds) {
            return Err(InvalidRetryPolicy::Cap(backoff_cap_seconds));
        }
        Ok(Self { attempts_max, backoff_first_seconds, backoff_cap_seconds })
    }

    /// How many attempts there are.
    pub const fn attempts_max(self) -> u32 {
        self.attempts_max
    }

    /// The longest rest after the first failure, in seconds.
    pub const fn backoff_first_seconds(self) -> u32 {
        self.backoff_first_seconds
    }

    /// The longest rest after any failure, in seconds.
    pub const fn backoff_cap_seconds(self) -> u32 {
        self.backoff_cap_seconds
    }

    /// The longest rest after the `failures`-th failure in a row.
    pub fn ceiling(self, failures: u32) -> TimeDelta {
        let doublings = failures.saturating_sub(1).min(32);
        let seconds = (u64::from(self.backoff_first_seconds) << doublings).min(u64::from(self.backoff_cap_seconds));
        TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::from(Self::BACKOFF_SECONDS_MAX)))
    }

    /// The rest after the `failures`-th failure: anything from nothing to the ceiling, as `chance` will have it.
    pub fn rest(self, failures: u32, chance: Chance) -> TimeDelta {
        let ceiling_us = self.ceiling(failures).num_microseconds().unwrap_or(i64::MAX);
        let share = (i128::from(ceiling_us) * i128::from(chance.0)) >> 64;
        TimeDelta::microseconds(i64::try_from(share).unwrap_or(ceiling_us))
    }
}

/// 64 random bits, drawn by whoever calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance(pub u64);

/// The policy on the wire and in stores.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Named {
    max_attempts: u32,
    backoff_first_seconds: u32,
    backoff_cap_seconds: u32,
}

impl From<RetryPolicy> for Named {
    fn from(policy: RetryPolicy) -> Self {
        let RetryPolicy { attempts_max, backoff_first_seconds, backoff_cap_seconds } = policy;
        Self { max_attempts: attempts_max, backoff_first_seconds, backoff_cap_seconds }
    }
}

impl TryFrom<Named> for RetryPolicy {
    type Error = InvalidRetryPolicy;
    fn try_from(named: Named) -> Result<Self, InvalidRetryPolicy> {
        Self::try_new(named.max_attempts, named.backoff_first_seconds, named.backoff_cap_seconds)
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
