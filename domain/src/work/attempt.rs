//! Attempts that are over: the history of a task. One row each, written once.

use crate::ids::{HandoffId, TaskId};
use crate::locks::lease::{Holder, Reason, Token};
use crate::work::content::{Fault, Payload};
use crate::work::task::Status;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An attempt that is over, or the part of one that its agent made before handing it over: then the attempt goes on under
/// the same number and another token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The task.
    pub task: TaskId,
    /// The number of the attempt, from 1.
    pub number: u32,
    /// The token it was made under.
    pub token: Token,
    /// Who made it.
    pub holder: Holder,
    /// When it began.
    pub since: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How it ended.
    pub end: AttemptEnd,
    /// What the task was in afterwards.
    pub left: Status,
    /// When the task can be claimed again, if it waits for an instant.
    pub next_at: Option<DateTime<Utc>>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum AttemptEnd {
    /// The work was done.
    Succeeded {
        /// What came of it.
        result: Option<Payload>,
    },
    /// The agent said that it failed.
    Failed {
        /// What went wrong.
        error: Fault,
        /// Whether another attempt may mend it.
        retryable: bool,
    },
    /// The agent handed it back unharmed.
    Released {
        /// Why.
        reason: Option<Reason>,
    },
    /// The agent put it off.
    Snoozed {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The agent handed the task over, and the taker goes on with the attempt under a greater token.
    HandedOver {
        /// Who goes on.
        to: Holder,
        /// With which handoff.
        handoff: HandoffId,
    },
    /// Nothing was heard in time.
    Lapsed,
    /// The session it was made in was ended in good order.
    SessionClosed,
    /// The session it was made in died.
    SessionDied,
}

impl AttemptEnd {
    /// The name on the wire and in stores.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Released { .. } => "released",
            Self::Snoozed { .. } => "snoozed",
            Self::HandedOver { .. } => "handed_over",
            Self::Lapsed => "lapsed",
            Self::SessionClosed => "session_closed",
            Self::SessionDied => "session_died",
        }
    }

    /// Whether it leaves the number of attempts still to come as it was.
    pub const fn is_unharmed(&self) -> bool {
        match self {
            Self::Released { .. } | Self::Snoozed { .. } | Self::HandedOver { .. } | Self::SessionClosed => true,
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Lapsed | Self::SessionDied => false,
        }
    }
}

/// How the session of an attempt came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// Its agent ended it: the work goes back unharmed.
    Closed,
    /// It was not heard from: the attempt counts, because the work may have killed it.
    Died,
}
