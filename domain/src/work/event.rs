//! What happens to tasks, told once for the audit log and for followers.

use crate::audit::Change;
use crate::ids::TaskId;
use crate::work::attempt::{Attempt, AttemptEnd};
use crate::work::task::{Task, TaskState};
use serde::Serialize;
use serde_json::{Value, json};

/// One thing that happened to one task.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkEvent {
    /// What.
    pub what: What,
    /// The task before; `None` for a new one.
    pub before: Option<Task>,
    /// The task afterwards.
    pub after: Task,
    /// The attempt that ended with it.
    pub attempt: Option<Attempt>,
}

/// What can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was handed in.
    Submitted,
    /// It can be claimed: what it waited for has come.
    Readied,
    /// Somebody took it on.
    Claimed,
    /// Its agent was heard from.
    Heard,
    /// It was done.
    Completed,
    /// An attempt failed.
    Failed,
    /// It was handed back.
    Released,
    /// It was put off by its agent.
    Snoozed,
    /// Another session goes on with it.
    HandedOver,
    /// Nothing was heard from its agent in time.
    Lapsed,
    /// The session of its agent was ended in good order.
    SessionClosed,
    /// The session of its agent died.
    SessionDied,
    /// Somebody asked its agent to stop.
    CancelRequested,
    /// Nobody is to do it any more.
    Cancelled,
    /// Nobody is to do it any more, because of another task.
    CancelledWith,
    /// Its deadline came.
    Expired,
    /// It was put off or brought forward.
    Rescheduled,
    /// Its priority changed.
    Reprioritized,
    /// A dead letter is tried again.
    Retried,
    /// A dead letter was thrown away.
    Discarded,
}

impl What {
    /// The kind for followers.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Submitted => "task.submitted",
            Self::Readied => "task.ready",
            Self::Claimed => "task.claimed",
            Self::Heard => "task.progress",
            Self::Completed => "task.completed",
            Self::Failed => "task.failed",
            Self::Released => "task.released",
            Self::Snoozed => "task.snoozed",
            Self::HandedOver => "task.handed_over",
            Self::Lapsed => "task.lapsed",
            Self::SessionClosed => "task.session_ended",
            Self::SessionDied => "task.session_died",
            Self::CancelRequested => "task.cancel_requested",
            Self::Cancelled | Self::CancelledWith => "task.cancelled",
            Self::Expired => "task.expired",
            Self::Rescheduled => "task.rescheduled",
            Self::Reprioritized => "task.reprioritized",
            Self::Retried => "task.retried",
            Self::Discarded => "task.discarded",
        }
    }

    /// The operation for the audit log.
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Submitted => "task.submit",
            Self::Readied => "task.ready",
            Self::Claimed => "task.claim",
            Self::Heard => "task.heartbeat",
            Self::Completed => "task.complete",
            Self::Failed => "task.fail",
            Self::Released => "task.release",
            Self::Snoozed => "task.snooze",
            Self::HandedOver => "task.hand_over",
            Self::Lapsed => "task.lapse",
            Self::SessionClosed => "task.session_end",
            Self::SessionDied => "task.session_die",
            Self::CancelRequested => "task.request_cancel",
            Self::Cancelled | Self::CancelledWith => "task.cancel",
            Self::Expired => "task.expire",
            Self::Rescheduled => "task.reschedule",
            Self::Reprioritized => "task.reprioritize",
            Self::Retried => "task.retry",
            Self::Discarded => "task.discard",
        }
    }

    /// Whether it happens by itself, and not because the caller asked for it of this very task.
    pub const fn is_by_itself(self) -> bool {
        matches!(self, Self::Readied | Self::Lapsed | Self::SessionDied | Self::CancelledWith | Self::Expired)
    }
}

impl WorkEvent {
    /// The task it is about.
    pub fn task(&self) -> TaskId {
        self.after.id
    }

    /// From what to what.
    pub fn change(&self) -> Change {
        Change {
            operation: self.what.operation().to_owned(),
            target: self.after.id.to_string(),
            before: self.before.as_ref().map(moving),
            after: Some(self.told()),
        }
    }

    /// Everything a follower needs.
    pub fn body(&self) -> Value {
        let mut body = self.told();
        if let Value::Object(fields) = &mut body {
            fields.insert("id".to_owned(), value(&self.after.id));
            fields.insert("type".to_owned(), value(&self.after.terms.task_type));
        }
        body
    }

    fn told(&self) -> Value {
        let mut told = if self.before.is_none() { whole(&self.after) } else { moving(&self.after) };
        if let (Value::Object(fields), Some(attempt)) = (&mut told, &self.attempt) {
            fields.insert("attempt".to_owned(), attempt_in_short(attempt));
        }
        told
    }
}

/// What changes of a task.
fn moving(task: &Task) -> Value {
    let mut state = value(&task.state);
    if let Value::Object(fields) = &mut state {
        if let TaskState::Leased(lease) = &task.state {
            fields.insert("token".to_owned(), value(&lease.token));
        }
        fields.insert("status".to_owned(), value(&task.status()));
        fields.insert("priority".to_owned(), value(&task.priority));
        fields.insert("not_before".to_owned(), value(&task.not_before));
        fields.insert("attempts_made".to_owned(), value(&task.attempts_made));
        fields.insert("attempts_allowed".to_owned(), value(&task.attempts_allowed));
    }
    state
}

/// A task with its terms.
fn whole(task: &Task) -> Value {
    let mut all = moving(task);
    if let Value::Object(fields) = &mut all {
        fields.insert("terms".to_owned(), value(task.terms.as_ref()));
        fields.insert("deadline".to_owned(), value(&task.deadline));
    }
    all
}

/// An attempt without its result, which can be long and is kept with the attempt.
fn attempt_in_short(attempt: &Attempt) -> Value {
    let end = match &attempt.end {
        AttemptEnd::Succeeded { .. } => json!({ "how": attempt.end.as_str() }),
        end => value(end),
    };
    json!({
        "number": attempt.number,
        "token": attempt.token,
        "holder": attempt.holder,
        "since": attempt.since,
        "ended_at": attempt.ended_at,
        "end": end,
    })
}

fn value(of: &impl Serialize) -> Value {
    // These types have string keys only, so this cannot fail; null would show in the log all the same.
    serde_json::to_value(of).unwrap_or(Value::Null)
}
