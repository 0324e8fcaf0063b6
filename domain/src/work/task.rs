//! A task and the state it is in.

use crate::ids::{AgentId, TaskId};
use crate::locks::lease::{Holder, Reason, Token};
use crate::work::content::{Note, Progress};
use crate::work::rank::{Place, Priority, Rank};
use crate::work::terms::{LeaseLength, Terms};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A task: its unchanging terms, and what changes. What agents read of it, its content, stands apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its terms.
    #[serde(with = "shared")]
    pub terms: Arc<Terms>,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it stands in the order.
    pub rank: Rank,
    /// It is not to be claimed before; kept while it is blocked.
    pub not_before: Option<DateTime<Utc>>,
    /// It is to be finished before; at this instant it expires.
    pub deadline: Option<DateTime<Utc>>,
    /// How many times it was claimed; also the number of its latest attempt.
    pub attempts_made: u32,
    /// How many times it may be claimed in all. Rises when an attempt is handed back unharmed and on a retry by hand,
    /// so that attempts are numbered through and never exceed it.
    pub attempts_allowed: u32,
    /// What it is in.
    pub state: TaskState,
    /// Whether it has ended, and the tasks that depend on it have yet to be told.
    pub untold: bool,
}

/// How long a task that is being worked on goes on after somebody asked to cancel it, in seconds.
pub const CANCEL_GRACE_SECONDS: i64 = 60;

/// How many claims a task can have in all before handing it back counts as a failed attempt: a task that is handed
/// round for ever ends among the dead letters too.
pub const CLAIMS_MAX: u32 = 10_000;

impl Task {
    /// Its place in the order.
    pub fn place(&self) -> Place {
        Place { rank: self.rank, task: self.id }
    }

    /// What it is in, in a word.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// The claim it is under.
    pub fn lease(&self) -> Option<&TaskLease> {
        match &self.state {
            TaskState::Leased(lease) => Some(lease),
            _ => None,
        }
    }

    /// The number of attempts that did harm, since the last retry by hand: what the retry policy counts.
    pub fn failures(&self) -> u32 {
        let spared = self.attempts_allowed.saturating_sub(self.terms.retry.attempts_max());
        self.attempts_made.saturating_sub(spared)
    }

    /// Whether its deadline has come.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

/// What a task is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TaskState {
    /// Whoever fits may claim it.
    Ready {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Nobody may claim it before an instant; from then on it is as good as ready.
    Scheduled {
        /// The instant.
        until: DateTime<Utc>,
        /// Why it waits.
        delay: Delay,
    },
    /// It waits for others to finish.
    Blocked {
        /// For how many, at least 1.
        pending: u32,
    },
    /// Somebody works on it.
    Leased(TaskLease),
    /// It was done.
    Succeeded {
        /// When.
        at: DateTime<Utc>,
    },
    /// It failed for good: a dead letter.
    Dead {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        cause: DeathCause,
    },
    /// Nobody is to do it any more.
    Cancelled {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        cause: CancelCause,
    },
    /// Its deadline came first.
    Expired {
        /// When.
        at: DateTime<Utc>,
    },
}

impl TaskState {
    /// In a word.
    pub const fn status(&self) -> Status {
        match self {
            Self::Ready { .. } => Status::Ready,
            Self::Scheduled { delay: Delay::Retry, .. } => Status::Failed,
            Self::Scheduled { delay: Delay::NotBefore | Delay::Snooze, .. } => Status::Scheduled,
            Self::Blocked { .. } => Status::Blocked,
            Self::Leased(_) => Status::Leased,
            Self::Succeeded { .. } => Status::Succeeded,
            Self::Dead { .. } => Status::Dead,
            Self::Cancelled { .. } => Status::Cancelled,
            Self::Expired { .. } => Status::Expired,
        }
    }
}

/// Why a task waits for an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delay {
    /// It was submitted or rescheduled so.
    NotBefore,
    /// It rests after a failed attempt.
    Retry,
    /// The agent that had it put it off.
    Snooze,
}

/// Why a task is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeathCause {
    /// Every attempt was used up.
    AttemptsUsedUp,
    /// An attempt failed in a way that another will not mend.
    NotRetryable,
}

/// Why a task was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum CancelCause {
    /// Somebody asked for it.
    Asked(CancelRequest),
    /// One it depends on did not succeed, or was cancelled together with all that depends on it.
    Dependency {
        /// That one.
        task: TaskId,
        /// Whether all that depends on this one is cancelled too.
        with_dependents: bool,
    },
    /// It was a dead letter, and somebody threw it away.
    Discarded {
        /// Who.
        by: AgentId,
    },
}

impl CancelCause {
    /// Whether all that depends on the task is cancelled too, whatever its own policy.
    pub const fn takes_dependents(&self) -> bool {
        match self {
            Self::Asked(request) => request.with_dependents,
            Self::Dependency { with_dependents, .. } => *with_dependents,
            Self::Discarded { .. } => false,
        }
    }
}

/// Somebody's wish to cancel a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// Who.
    pub by: AgentId,
    /// Why.
    pub reason: Option<Reason>,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether all that depends on it is cancelled too.
    pub with_dependents: bool,
}

/// A claim of a task that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLease {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The fencing token that every word about the attempt must carry.
    pub token: Token,
    /// Who works on it.
    pub holder: Holder,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when, exclusive: at this instant anybody may have it. Never after the deadline of the task.
    pub until: DateTime<Utc>,
    /// How long a heartbeat lets it last.
    pub length: LeaseLength,
    /// The tokens of the locks that were taken with it.
    pub locks: Vec<Token>,
    /// How far it has come.
    pub progress: Option<Progress>,
    /// How it is getting on, in words.
    pub note: Option<Note>,
    /// Whether somebody asked to cancel it. From then on `until` does not move any more.
    pub cancel: Option<CancelRequest>,
}

/// The nine words for what a task is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// To be claimed.
    Ready,
    /// Not before an instant.
    Scheduled,
    /// Waiting for others.
    Blocked,
    /// Being worked on.
    Leased,
    /// Failed, and resting before the next attempt.
    Failed,
    /// Done.
    Succeeded,
    /// Failed for good.
    Dead,
    /// Not to be done any more.
    Cancelled,
    /// Past its deadline.
    Expired,
}

impl Status {
    /// All of them, in the order of a task's life.
    pub const ALL: [Self; 9] = [
        Self::Ready,
        Self::Scheduled,
        Self::Blocked,
        Self::Leased,
        Self::Failed,
        Self::Succeeded,
        Self::Dead,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Scheduled => "scheduled",
            Self::Blocked => "blocked",
            Self::Leased => "leased",
            Self::Failed => "failed",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the task has ended. Only a dead one can come back, by hand.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Dead | Self::Cancelled | Self::Expired)
    }
}

/// The terms are shared by all copies of a task.
mod shared {
    use crate::work::terms::Terms;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(terms: &Arc<Terms>, to: S) -> Result<S::Ok, S::Error> {
        terms.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Terms>, D::Error> {
        Terms::deserialize(from).map(Arc::new)
    }
}
