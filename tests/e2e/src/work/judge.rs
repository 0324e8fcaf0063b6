//! Judges the lives of tasks from the audit log alone, and against what clients were told.
//!
//! It knows nothing of how the server decides: what may follow what is said here a second time, in other words.

use super::history::{Lease, Lives, State, Step};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// This task is there now.
    Submitted {
        /// Its id.
        id: String,
        /// What it depends on.
        after: Vec<String>,
        /// Whether it runs also when those fail.
        runs_anyway: bool,
        /// Its concurrency key, and how many of that may run at once.
        narrow: Option<(String, usize)>,
    },
    /// This task is the session's.
    Claimed {
        /// Its id.
        id: String,
        /// Under which token.
        token: i64,
        /// The number of the attempt.
        attempt: u32,
        /// The session.
        session: String,
    },
    /// The attempt has ended so.
    Ended {
        /// The task.
        id: String,
        /// The token of the attempt.
        token: i64,
        /// The word that ended it, such as `complete`.
        word: String,
        /// The result that was handed over with it.
        result: Option<Value>,
    },
    /// The attempt had ended before.
    Stale {
        /// The task.
        id: String,
        /// The token of the attempt.
        token: i64,
    },
}

/// Everything that is wrong. Nothing if all is well.
pub fn judge(lives: &Lives, told: &[Told]) -> Vec<String> {
    let mut wrong = lives.faults.clone();
    for (task, life) in &lives.of {
        let mut judge = Judge { wrong: Vec::new(), lease: None, tokens: Vec::new(), ended: None };
        for step in life {
            judge.step(step);
        }
        wrong.extend(judge.wrong.into_iter().map(|what| format!("{task}: {what}")));
    }
    wrong.extend(tokens(lives));
    wrong.extend(dependencies(lives, told));
    wrong.extend(crowded(lives, told));
    wrong.extend(forgotten(lives, told));
    wrong
}

struct Judge {
    wrong: Vec<String>,
    /// When the last claim ended.
    lease: Option<i64>,
    tokens: Vec<i64>,
    ended: Option<String>,
}

impl Judge {
    fn hold(&mut self, holds: bool, what: &str, step: &Step) {
        if !holds {
            self.wrong.push(format!("{what}: {step}"));
        }
    }

    fn step(&mut self, step: &Step) {
        let revives = self.ended.as_deref() == Some("dead") && matches!(step.what.as_str(), "retry" | "discard");
        self.hold(self.ended.is_none() || revives, "something happened after the end", step);
        match (&step.before, step.what.as_str()) {
            (None, "submit") => {
                self.hold(step.after.lease.is_none() && step.after.made == 0, "a used task is new", step);
            }
            (Some(before), "claim") => self.claim(before, step),
            (Some(State { lease: Some(lease), .. }), what) => self.word(&lease.clone(), what, step),
            (Some(before), what) => self.without_claim(before, what, step),
            (None, _) => self.hold(false, "a task came up from nothing", step),
        }
        let is_over = ["succeeded", "dead", "cancelled", "expired"].contains(&step.after.status.as_str());
        self.ended = is_over.then(|| step.after.status.clone());
        self.hold(step.after.made <= step.after.allowed, "more attempts than allowed", step);
    }

    fn claim(&mut self, before: &State, step: &Step) {
        self.hold(before.status == "ready", "what was not ready was claimed", step);
        self.hold(step.after.made == before.made + 1, "attempts do not rise by one", step);
        let Some(lease) = &step.after.lease else { return self.hold(false, "a claim without a lease", step) };
        self.hold(Some(&lease.session) == step.session.as_ref(), "claimed for another session", step);
        self.hold(lease.since_us == step.at_us && lease.until_us > lease.since_us, "a claim of another time", step);
        self.hold(self.lease.is_none_or(|end| lease.since_us >= end), "two had it at once", step);
        self.hold(self.tokens.iter().all(|token| *token < lease.token), "tokens do not rise", step);
        self.tokens.push(lease.token);
    }

    /// Something happened to a task that somebody had.
    fn word(&mut self, lease: &Lease, what: &str, step: &Step) {
        let by_holder = step.session.as_ref() == Some(&lease.session);
        let in_time = step.at_us < lease.until_us;
        if let Some(after) = &step.after.lease {
            self.hold(step.attempt.is_none() && after.token == lease.token, "a claim changed hands", step);
            match what {
                "heartbeat" => {
                    self.hold(by_holder && in_time, "a late heartbeat, or by another", step);
                    let is_cut = lease.is_asked_to_stop && after.until_us == lease.until_us;
                    self.hold(after.until_us >= lease.until_us || is_cut, "a heartbeat that shortens", step);
                }
                "request_cancel" | "reprioritize" => {}
                _ => self.hold(false, "not what happens to a claimed task", step),
            }
            return;
        }
        let Some((token, ended_us)) = step.attempt else {
            return self.hold(false, "a claim ended without its attempt", step);
        };
        self.hold(token == lease.token, "the attempt of another claim ended", step);
        match what {
            "complete" | "fail" | "release" | "snooze" => {
                self.hold(by_holder && in_time && ended_us == step.at_us, "the word of somebody else, or late", step);
            }
            "lapse" => {
                let on_time = ended_us == lease.until_us && step.at_us >= lease.until_us;
                self.hold(on_time && step.session.is_none(), "lapsed before its time", step);
            }
            "session_end" | "session_die" => self.hold(ended_us <= step.at_us, "ended in the future", step),
            _ => self.hold(false, "not what ends a claim", step),
        }
        let used_up = step.after.made >= step.after.allowed;
        let goes_on = ["ready", "scheduled", "failed"].contains(&step.after.status.as_str());
        self.hold(!(used_up && goes_on), "it goes on though its attempts are used up", step);
        self.hold((what == "complete") == (step.after.status == "succeeded"), "success without completion", step);
        self.lease = Some(ended_us);
    }

    /// Something happened to a task that nobody had.
    fn without_claim(&mut self, before: &State, what: &str, step: &Step) {
        let waits = ["ready", "scheduled", "failed", "blocked"].contains(&before.status.as_str());
        let fits = match what {
            "ready" => ["scheduled", "failed", "blocked"].contains(&before.status.as_str()),
            "cancel" | "expire" | "reschedule" | "reprioritize" => waits,
            "retry" | "discard" => before.status == "dead",
            _ => false,
        };
        self.hold(fits && step.after.lease.is_none() && step.attempt.is_none(), "not what can happen", step);
        self.hold(step.after.made == before.made, "an attempt without a claim", step);
    }
}

/// No token is given twice, and whoever came later has the greater one.
fn tokens(lives: &Lives) -> Vec<String> {
    let claims = lives.of.values().flatten().filter(|step| step.what == "claim");
    let mut given: Vec<(i64, i64)> =
        claims.filter_map(|step| step.after.lease.as_ref().map(|lease| (lease.token, lease.since_us))).collect();
    given.sort_unstable();
    let pairs = given.windows(2);
    let wrong = pairs.filter(|pair| pair[0].0 == pair[1].0 || pair[0].1 > pair[1].1);
    wrong
        .map(|pair| format!("tokens out of order: {} at {}, {} at {}", pair[0].0, pair[0].1, pair[1].0, pair[1].1))
        .collect()
}

/// No more tasks of a concurrency key are under a claim at once than the one that starts allows.
fn crowded(lives: &Lives, told: &[Told]) -> Vec<String> {
    let mut by_key: BTreeMap<&str, Vec<(i64, i64, usize)>> = BTreeMap::new();
    for one in told {
        let Told::Submitted { id, narrow: Some((key, limit)), .. } = one else { continue };
        let life = lives.of.get(id).into_iter().flatten();
        let ends: BTreeMap<i64, i64> = life.clone().filter_map(|step| step.attempt).collect();
        let claims = life.filter(|step| step.what == "claim").filter_map(|step| step.after.lease.as_ref());
        let spans = claims.map(|lease| (lease.since_us, *ends.get(&lease.token).unwrap_or(&i64::MAX), *limit));
        by_key.entry(key).or_default().extend(spans);
    }
    let mut wrong = Vec::new();
    for (key, mut spans) in by_key {
        spans.sort_unstable();
        for (at, (since, _, limit)) in spans.iter().enumerate() {
            // What started at the same instant counts once: for the last of them.
            let running = spans[..=at].iter().filter(|(_, until, _)| until > since).count();
            if running > *limit {
                wrong.push(format!("{running} of {key} run at {since}, and {limit} may"));
            }
        }
    }
    wrong
}

/// A task starts only when all it depends on has ended as it must, and waits no longer than that.
fn dependencies(lives: &Lives, told: &[Told]) -> Vec<String> {
    let mut wrong = Vec::new();
    let succeeded_at = |id: &String| {
        let life = lives.of.get(id).into_iter().flatten();
        life.filter(|step| step.after.status == "succeeded").map(|step| step.at_us).next()
    };
    let first_end = |id: &String| {
        let mut life = lives.of.get(id).into_iter().flatten();
        let end = |step: &&Step| ["succeeded", "dead", "cancelled", "expired"].contains(&step.after.status.as_str());
        life.find(end).map(|step| step.at_us)
    };
    for one in told {
        let Told::Submitted { id, after, runs_anyway, .. } = one else { continue };
        let Some(life) = lives.of.get(id) else { continue };
        for step in life.iter().filter(|step| step.what == "claim") {
            for parent in after {
                let end = if *runs_anyway { first_end(parent) } else { succeeded_at(parent) };
                if end.is_none_or(|end| end > step.at_us) {
                    wrong.push(format!("{id} was claimed before {parent} had ended as it must: {step}"));
                }
            }
        }
        let is_blocked = life.last().is_some_and(|step| step.after.status == "blocked");
        if is_blocked && after.iter().all(|parent| succeeded_at(parent).is_some()) {
            wrong.push(format!("{id} waits for ever: all it depends on has succeeded"));
        }
    }
    wrong
}

/// What a client was told has happened, has happened, and once.
fn forgotten(lives: &Lives, told: &[Told]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut claimed = BTreeSet::new();
    let ends: BTreeMap<i64, &Step> =
        lives.of.values().flatten().filter_map(|step| step.attempt.map(|(token, _)| (token, step))).collect();
    for one in told {
        let holds = match one {
            Told::Submitted { id, .. } => lives.of.contains_key(id),
            Told::Claimed { id, token, attempt, session } => {
                let is_new = claimed.insert(*token);
                let mut life = lives.of.get(id).into_iter().flatten();
                is_new
                    && life.any(|step| {
                        let lease = step.after.lease.as_ref();
                        step.what == "claim"
                            && lease.is_some_and(|lease| lease.token == *token && lease.session == *session)
                            && step.after.made == u64::from(*attempt)
                    })
            }
            Told::Ended { token, word, .. } => ends.get(token).is_some_and(|step| step.what == *word),
            Told::Stale { token, .. } => ends.contains_key(token),
        };
        if !holds {
            wrong.push(format!("a client was told what is not in the log, or twice: {one:?}"));
        }
    }
    wrong
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
