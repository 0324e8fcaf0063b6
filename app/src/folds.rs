//! Folding of repeated refusals, so that one client in a loop cannot fill the audit log.

use chrono::{DateTime, Utc};
use domain::audit::{Entry, RefusalCount};
use domain::ids::{AgentId, ProjectId, SessionId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many different refusals are counted at once; beyond it every refusal gets its own line.
const COUNTED_MAX: usize = 10_000;

#[derive(PartialEq, Eq, Hash)]
struct Name {
    project: ProjectId,
    agent: AgentId,
    session: Option<SessionId>,
    operation: String,
    outcome: String,
}

struct Counted {
    count: RefusalCount,
    last: Entry,
}

/// The refusals of the current minute, by who got which one.
#[derive(Default)]
pub struct RefusalFolds {
    counted: Mutex<HashMap<Name, Counted>>,
}

impl RefusalFolds {
    /// Counts a refusal; true when it is to be written now, false when it is folded into a line written later.
    pub fn deserves_a_line(&self, entry: &Entry) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let name = Name {
            project: entry.project.clone(),
            agent: entry.agent.clone(),
            session: entry.session.clone(),
            operation: entry.change.operation.clone(),
            outcome: entry.outcome.clone(),
        };
        if let Some(known) = counted.get_mut(&name) {
            if !known.count.is_over(entry.at) || known.count.folded() > 0 {
                known.last = entry.clone();
                return known.count.count();
            }
        } else if counted.len() >= COUNTED_MAX {
            return true;
        }
        counted.insert(name, Counted { count: RefusalCount::new(entry.at), last: entry.clone() });
        true
    }

    /// Takes out the minutes that are over; a line for each that had more refusals than were written.
    pub fn take_over(&self, now: DateTime<Utc>) -> Vec<Entry> {
        self.take(|count| count.is_over(now))
    }

    /// Takes out everything, when the server stops.
    pub fn take_all(&self) -> Vec<Entry> {
        self.take(|_| true)
    }

    fn take(&self, is_due: impl Fn(&RefusalCount) -> bool) -> Vec<Entry> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = Vec::new();
        counted.retain(|_, Counted { count, last }| {
            let due = is_due(count);
            if due && count.folded() > 0 {
                lines.push(Entry { repeats: count.folded(), ..last.clone() });
            }
            !due
        });
        lines
    }
}
