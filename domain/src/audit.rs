//! The audit log: who did what to what, from what to what, and how it came out. It is only ever appended to; lines may
//! be removed for their age alone.

use crate::ids::{AgentId, AuditEntryId, KeyId, ProjectId, SessionId};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The outcome of an operation that went through; every other outcome is the slug of a problem.
pub const OUTCOME_OK: &str = "ok";

/// How old a line must be before it can be removed, in days.
pub const KEPT_DAYS_MIN: u32 = 1;

/// What one command changed in one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The operation, such as `lock.acquire`.
    pub operation: String,
    /// The thing, such as a lock key.
    pub target: String,
    /// What it was before; `None` when it did not exist.
    pub before: Option<Value>,
    /// What it is now; `None` when it is gone.
    pub after: Option<Value>,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The line's own id.
    pub id: AuditEntryId,
    /// The project it happened in.
    pub project: ProjectId,
    /// The store's time of the commit it belongs to.
    pub at: DateTime<Utc>,
    /// Who acted.
    pub agent: AgentId,
    /// In which session, where one was needed.
    pub session: Option<SessionId>,
    /// With which key.
    pub key: KeyId,
    /// What was done or refused.
    pub change: Change,
    /// [`OUTCOME_OK`] or the slug of the refusal.
    pub outcome: String,
    /// How many times this happened; more than one only for folded refusals.
    pub repeats: u32,
    /// The request it came with.
    pub request_id: String,
    /// The trace it belongs to, if the caller sent one.
    pub trace_id: Option<String>,
    /// How long the call had taken when the line was written, in microseconds.
    pub duration_us: i64,
}

/// Where a listing of the log goes on: strictly older than this line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Time of the last line shown.
    pub at: DateTime<Utc>,
    /// Id of the last line shown.
    pub id: AuditEntryId,
}

/// Which lines to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Lines of this agent.
    pub agent: Option<AgentId>,
    /// Lines of this operation.
    pub operation: Option<String>,
    /// Lines about this thing.
    pub target: Option<String>,
    /// Lines with this outcome.
    pub outcome: Option<String>,
    /// Lines at or after this instant.
    pub since: Option<DateTime<Utc>>,
    /// Lines before this instant.
    pub until: Option<DateTime<Utc>>,
}

impl Filter {
    /// Whether a line passes.
    pub fn accepts(&self, entry: &Entry) -> bool {
        self.agent.as_ref().is_none_or(|agent| *agent == entry.agent)
            && self.operation.as_ref().is_none_or(|operation| *operation == entry.change.operation)
            && self.target.as_ref().is_none_or(|target| *target == entry.change.target)
            && self.outcome.as_ref().is_none_or(|outcome| *outcome == entry.outcome)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
    }
}

/// How often one refusal of one session is written out before repeats are folded.
pub const REFUSALS_PER_WINDOW_MAX: u32 = 10;

/// The window of [`REFUSALS_PER_WINDOW_MAX`], in seconds.
pub const REFUSAL_WINDOW_SECONDS: i64 = 60;

/// The repeats of one refusal by one session in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalCount {
    window_start: DateTime<Utc>,
    seen: u32,
}

impl RefusalCount {
    /// The first refusal of a window.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { window_start: now, seen: 1 }
    }

    /// Counts another one; true when it deserves its own line.
    pub fn count(&mut self) -> bool {
        self.seen = self.seen.saturating_add(1);
        self.seen <= REFUSALS_PER_WINDOW_MAX
    }

    /// Whether the window has passed.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        now - self.window_start >= TimeDelta::seconds(REFUSAL_WINDOW_SECONDS)
    }

    /// How many repeats were not written out.
    pub fn folded(&self) -> u32 {
        self.seen.saturating_sub(REFUSALS_PER_WINDOW_MAX)
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
