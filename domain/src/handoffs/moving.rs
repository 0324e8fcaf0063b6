//! What goes over from one session to another with a handoff, and what does not.

use crate::ids::{HandoffId, SessionId, TaskId};
use crate::locks::key::LockKey;
use crate::locks::lease::{Holder, Lease, Mode, Token};
use crate::locks::stored::StoredLease;
use crate::work::requires::{Claimant, Lack};
use crate::work::task::Task;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is to go over, by token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToMove {
    /// Locks.
    pub locks: BTreeSet<Token>,
    /// Claimed tasks, each with all its locks.
    pub tasks: BTreeMap<TaskId, Token>,
}

/// Too much for one handoff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` has {given} entries: it may have {max}")]
pub struct InvalidToMove {
    /// Which list.
    pub field: &'static str,
    /// How many entries it has.
    pub given: usize,
    /// How many it may have.
    pub max: usize,
}

impl ToMove {
    /// The most locks, those of tasks apart.
    pub const LOCKS_MAX: usize = 64;
    /// The most tasks.
    pub const TASKS_MAX: usize = 20;

    /// Counts.
    pub fn try_new(locks: BTreeSet<Token>, tasks: BTreeMap<TaskId, Token>) -> Result<Self, InvalidToMove> {
        let counts = [("locks", locks.len(), Self::LOCKS_MAX), ("tasks", tasks.len(), Self::TASKS_MAX)];
        match counts.into_iter().find(|(_, given, max)| given > max) {
            Some((field, given, max)) => Err(InvalidToMove { field, given, max }),
            None => Ok(Self { locks, tasks }),
        }
    }

    /// Whether nothing is to go over.
    pub fn is_empty(&self) -> bool {
        self.locks.is_empty() && self.tasks.is_empty()
    }
}

/// One thing that was named to go over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Named {
    /// A lock.
    Lock {
        /// Its token.
        token: Token,
    },
    /// A claimed task.
    Task {
        /// Its id.
        task: TaskId,
        /// The token of the claim.
        token: Token,
    },
}

/// Why something stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Stays {
    /// Nothing was ever held under the token, or that was long ago.
    #[error("nothing is known under this token")]
    Unknown,
    /// It is not held under the token any more.
    #[error("it is not held under this token any more")]
    Ended,
    /// Another session has it.
    #[error("session `{}` of `{}` has it", holder.session, holder.agent)]
    WithOther {
        /// Who.
        holder: Holder,
    },
    /// It was locked for a task, and goes over only with that.
    #[error("it was locked for {task}: hand that over")]
    OfTask {
        /// The task.
        task: TaskId,
    },
    /// The taker has locked the same key already, and no session holds one key twice.
    #[error("the taker has locked `{key}` already, under token {}", token.value())]
    TakerHolds {
        /// The key.
        key: LockKey,
        /// The taker's token.
        token: Token,
    },
    /// The giver keeps something that overlaps it, and both can only be held by one session.
    #[error("the giver keeps `{key}`, under token {}, which overlaps it: hand both over", token.value())]
    Tied {
        /// The key that stays.
        key: LockKey,
        /// The giver's token.
        token: Token,
    },
    /// The taker may not have the task.
    #[error("the taker lacks what the task requires")]
    TakerLacks {
        /// Everything it lacks.
        lacks: Vec<Lack>,
    },
}

impl Stays {
    /// In a word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ended => "ended",
            Self::WithOther { .. } => "with_other",
            Self::OfTask { .. } => "of_task",
            Self::TakerHolds { .. } => "taker_holds",
            Self::Tied { .. } => "tied",
            Self::TakerLacks { .. } => "taker_lacks",
        }
    }
}

/// One thing that stays where it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotMoved {
    /// What.
    pub named: Named,
    /// Why.
    pub stays: Stays,
}

/// A lock that went over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedLock {
    /// What is locked.
    pub key: LockKey,
    /// How.
    pub mode: Mode,
    /// The giver's token, which is stale now.
    pub from: Token,
    /// The taker's token.
    pub token: Token,
    /// Until when, when it went over.
    pub until: DateTime<Utc>,
}

impl MovedLock {
    /// The lock as the taker has it, and the token it had before.
    pub fn new(from: Token, lease: &Lease) -> Self {
        let Lease { key, mode, holder: _, token, granted_at: _, expires_at, reason: _ } = lease;
        Self { key: key.clone(), mode: *mode, from, token: *token, until: *expires_at }
    }
}

/// A claimed task that went over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedTask {
    /// Which.
    pub task: TaskId,
    /// The number of the attempt, which goes on.
    pub attempt: u32,
    /// The giver's token, which is stale now.
    pub from: Token,
    /// The taker's token.
    pub token: Token,
    /// Until when, when it went over.
    pub until: DateTime<Utc>,
    /// Its locks that went over with it.
    pub locks: Vec<MovedLock>,
}

/// The way from a giver to a taker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The handoff.
    pub handoff: HandoffId,
    /// The giver's session.
    pub from: SessionId,
    /// The taker.
    pub to: Claimant,
    /// All locks that leave the giver by it, those of tasks among them.
    pub leaving: BTreeSet<Token>,
}

/// What became of everything that was named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Locks the taker has now, those of tasks apart.
    pub locks: Vec<MovedLock>,
    /// Tasks the taker has now.
    pub tasks: Vec<MovedTask>,
    /// What stayed where it was.
    pub not_moved: Vec<NotMoved>,
}

/// What a giver has, as far as it is known when a handoff is written.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The leases under the tokens that were named.
    pub locks: Vec<StoredLease>,
    /// The tasks that were named, and all that the giver's session works on.
    pub tasks: Vec<Task>,
}

impl Held {
    /// Everything of `wanted` that `session` does not have, or cannot hand over so.
    pub(super) fn missing(&self, wanted: &ToMove, session: Option<&SessionId>, now: DateTime<Utc>) -> Vec<NotMoved> {
        let locks = wanted.locks.iter().filter_map(|token| {
            let stays = self.lock(*token, session, wanted, now)?;
            Some(NotMoved { named: Named::Lock { token: *token }, stays })
        });
        let tasks = wanted.tasks.iter().filter_map(|(task, token)| {
            let stays = self.task(*task, *token, session, now)?;
            Some(NotMoved { named: Named::Task { task: *task, token: *token }, stays })
        });
        locks.chain(tasks).collect()
    }

    fn lock(&self, token: Token, session: Option<&SessionId>, wanted: &ToMove, now: DateTime<Utc>) -> Option<Stays> {
        let Some(stored) = self.locks.iter().find(|stored| stored.lease.token == token) else {
            return Some(Stays::Unknown);
        };
        if !stored.is_live(now) {
            return Some(Stays::Ended);
        }
        let holder = &stored.lease.holder;
        if Some(&holder.session) != session {
            return Some(Stays::WithOther { holder: holder.clone() });
        }
        let task = self.tasks.iter().find(|task| task.lease().is_some_and(|lease| lease.locks.contains(&token)))?;
        (!wanted.tasks.contains_key(&task.id)).then_some(Stays::OfTask { task: task.id })
    }

    fn task(&self, id: TaskId, token: Token, session: Option<&SessionId>, now: DateTime<Utc>) -> Option<Stays> {
        let Some(task) = self.tasks.iter().find(|task| task.id == id) else { return Some(Stays::Unknown) };
        match task.lease().filter(|lease| now < lease.until) {
            None => Some(Stays::Ended),
            Some(lease) if Some(&lease.holder.session) != session => {
                Some(Stays::WithOther { holder: lease.holder.clone() })
            }
            Some(lease) => (lease.token != token).then_some(Stays::Ended),
        }
    }

    /// The locks of `wanted` that go over with one of its tasks in any case.
    pub(super) fn of_tasks(&self, wanted: &ToMove) -> BTreeSet<Token> {
        let named = self.tasks.iter().filter(|task| wanted.tasks.contains_key(&task.id));
        named.filter_map(Task::lease).flat_map(|lease| lease.locks.iter().copied()).collect()
    }
}
