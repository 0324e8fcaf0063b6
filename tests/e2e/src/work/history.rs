//! From lines of the audit log to the life of each task.

use chrono::DateTime;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// What a task was in between two lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// In a word.
    pub status: String,
    /// How often it had been claimed.
    pub made: u64,
    /// How often it may be.
    pub allowed: u64,
    /// The claim it was under.
    pub lease: Option<Lease>,
}

/// A claim as a line tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Under which token.
    pub token: i64,
    /// To which session.
    pub session: String,
    /// From when, in microseconds.
    pub since_us: i64,
    /// Until when without a word, in microseconds.
    pub until_us: i64,
    /// Whether somebody asked to stop.
    pub is_asked_to_stop: bool,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Step {
    /// When it happened, in microseconds.
    pub at_us: i64,
    /// What, such as `claim`.
    pub what: String,
    /// In which session; none if it happened by itself.
    pub session: Option<String>,
    /// The task before; none for a new one.
    pub before: Option<State>,
    /// The task afterwards.
    pub after: State,
    /// The token and the end, in microseconds, of the attempt that ended with it.
    pub attempt: Option<(i64, i64)>,
    raw_before: Value,
    raw_after: Value,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, at_us, raw_before, raw_after, session, .. } = self;
        write!(f, "{what} at {at_us} in {session:?} from {raw_before} to {raw_after}")
    }
}

/// All tasks a log tells of, each with its steps in order, and what in the log cannot be true.
#[derive(Debug, Clone, Default)]
pub struct Lives {
    /// The steps, by task.
    pub of: BTreeMap<String, Vec<Step>>,
    /// Lines that cannot be read or follow no other.
    pub faults: Vec<String>,
}

impl Lives {
    /// Reads the lines of a log in any order.
    pub fn read(lines: &[Value]) -> Self {
        let mut all = Self::default();
        let mut by_task: BTreeMap<&str, Vec<Step>> = BTreeMap::new();
        let is_told = |line: &&Value| line["outcome"] == "ok" && line["target"].is_string();
        for line in lines.iter().filter(is_told) {
            let Some(what) = line["operation"].as_str().and_then(|word| word.strip_prefix("task.")) else { continue };
            match step(line, what) {
                Some(step) => by_task.entry(line["target"].as_str().unwrap_or_default()).or_default().push(step),
                None => all.faults.push(format!("a line that cannot be read: {line}")),
            }
        }
        for (task, mut steps) in by_task {
            steps.sort_by_key(|step| step.at_us);
            let mut life: Vec<Step> = Vec::with_capacity(steps.len());
            while !steps.is_empty() {
                // Lines of one commit have no order but that each goes on where another one ended.
                let first_at = steps[0].at_us;
                let last = life.last().map_or(Value::Null, |step| step.raw_after.clone());
                let next =
                    steps.iter().take_while(|step| step.at_us == first_at).position(|step| step.raw_before == last);
                let step = steps.remove(next.unwrap_or(0));
                if next.is_none() {
                    all.faults.push(format!("{task}: {step}, which does not follow {last}"));
                }
                life.push(step);
            }
            all.of.insert(task.to_owned(), life);
        }
        all
    }

    /// How many tasks ended up in each state.
    pub fn statuses(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for last in self.of.values().filter_map(|life| life.last()) {
            *counts.entry(last.after.status.clone()).or_default() += 1;
        }
        counts
    }

    /// How many steps of this kind there were.
    pub fn count(&self, what: &str) -> usize {
        self.of.values().flatten().filter(|step| step.what == what).count()
    }
}

fn step(line: &Value, what: &str) -> Option<Step> {
    let attempt = &line["after"]["attempt"];
    let attempt =
        if attempt.is_object() { Some((attempt["token"].as_i64()?, instant(&attempt["ended_at"])?)) } else { None };
    Some(Step {
        at_us: instant(&line["at"])?,
        what: what.to_owned(),
        session: line["session"].as_str().map(str::to_owned),
        before: if line["before"].is_null() { None } else { Some(state(&line["before"])?) },
        after: state(&line["after"])?,
        attempt,
        raw_before: comparable(&line["before"]),
        raw_after: comparable(&line["after"]),
    })
}

fn instant(value: &Value) -> Option<i64> {
    value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.timestamp_micros())
}

fn state(told: &Value) -> Option<State> {
    let status = told["status"].as_str()?.to_owned();
    let lease = if status == "leased" {
        Some(Lease {
            token: told["token"].as_i64()?,
            session: told["holder"]["session"].as_str()?.to_owned(),
            since_us: instant(&told["since"])?,
            until_us: instant(&told["until"])?,
            is_asked_to_stop: !told["cancel"].is_null(),
        })
    } else {
        None
    };
    Some(State { status, made: told["attempts_made"].as_u64()?, allowed: told["attempts_allowed"].as_u64()?, lease })
}

/// What the end of one line and the beginning of the next have in common. How many tasks are waited for changes
/// without a line.
fn comparable(told: &Value) -> Value {
    let mut told = told.clone();
    if let Some(fields) = told.as_object_mut() {
        fields.retain(|name, value| {
            let is_beside = matches!(name.as_str(), "terms" | "deadline" | "pending");
            !(is_beside || name == "attempt" && value.is_object())
        });
    }
    told
}
