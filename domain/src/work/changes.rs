//! What goes into decisions on tasks, and what comes out of them.

use crate::ids::{SessionId, TaskId};
use crate::locks::key::LockKey;
use crate::locks::lease::Token;
use crate::work::attempt::Attempt;
use crate::work::content::Content;
use crate::work::event::WorkEvent;
use crate::work::name::{ConcurrencyKey, TaskType};
use crate::work::task::{Status, Task, TaskState};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// What a store loads for a batch of commands, all read under the project's lock.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The tasks: named ones, those they depend on, candidates for claims, those that depend on tasks that may end,
    /// and whatever has run out or come due. Each once, in any order.
    pub tasks: Vec<Task>,
    /// Who depends on a task. An entry, be it empty, says that all of them are here; without one nobody was asked.
    pub dependents: BTreeMap<TaskId, Vec<TaskId>>,
    /// How many depend on a task that is named as a dependency, where [`Self::dependents`] has no entry. None is zero.
    pub dependent_counts: BTreeMap<TaskId, u32>,
    /// How many tasks of each concurrency key are leased, every such key of the project.
    pub running: BTreeMap<ConcurrencyKey, u32>,
    /// The past attempts of tokens the commands name.
    pub attempts: Vec<Attempt>,
    /// When the sessions that have a loaded task end, or ended, unless they are heard from. A session that is not here
    /// ends nothing.
    pub session_ends: BTreeMap<SessionId, DateTime<Utc>>,
}

impl Loaded {
    /// The keys that claims may want to lock: to be loaded into the lock table with all that overlaps them.
    pub fn lock_keys(&self) -> BTreeSet<LockKey> {
        // A dead one may be ready again within the batch.
        let may_run = |task: &&Task| !task.status().is_ended() || task.status() == Status::Dead;
        let wants = self.tasks.iter().filter(may_run).filter_map(|task| task.terms.resources.as_ref());
        wants.flat_map(|wants| wants.keys().cloned()).collect()
    }

    /// The tokens of locks that are held for the tasks: to be loaded into the lock table.
    pub fn lock_tokens(&self) -> BTreeSet<Token> {
        self.tasks.iter().filter_map(Task::lease).flat_map(|lease| lease.locks.iter().copied()).collect()
    }
}

/// A task that did not exist before.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// The task as it is after the whole batch.
    pub task: Task,
    /// What agents read.
    pub content: Content,
    /// What it depends on, each once. Those that were finished at submission too.
    pub depends_on: Vec<TaskId>,
}

/// A task that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedTask {
    /// As it was loaded.
    pub before: Task,
    /// As it is after the whole batch.
    pub after: Task,
}

/// What has to be saved after a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Tasks to insert, by id.
    pub new: Vec<NewTask>,
    /// Tasks to update, by id. The terms are never different.
    pub changed: Vec<ChangedTask>,
    /// Attempts to append, in order.
    pub attempts: Vec<Attempt>,
    /// What happened, in order.
    pub events: Vec<WorkEvent>,
}

impl Changes {
    /// The kinds of tasks that somebody could claim now and could not before, in this respect or another: whoever
    /// waits for one of them should look again.
    pub fn readied(&self) -> BTreeSet<TaskType> {
        let is_ready = |task: &&Task| task.status() == Status::Ready;
        let new = self.new.iter().map(|new| &new.task).filter(is_ready);
        let changed = self
            .changed
            .iter()
            .filter(|changed| changed.before.status() != Status::Ready || changed.before.rank != changed.after.rank);
        new.chain(changed.map(|changed| &changed.after).filter(is_ready))
            .map(|task| task.terms.task_type.clone())
            .collect()
    }

    /// The concurrency keys that fewer tasks may be running under than before: whoever waits for work should look
    /// again.
    pub fn freed_keys(&self) -> BTreeSet<ConcurrencyKey> {
        let ended = self.changed.iter().filter(|changed| {
            changed
                .before
                .lease()
                .is_some_and(|before| changed.after.lease().is_none_or(|after| after.token != before.token))
        });
        ended
            .filter_map(|changed| changed.after.terms.concurrency.as_ref())
            .map(|concurrency| concurrency.key.clone())
            .collect()
    }

    /// When the first of these tasks that wait for their time may be claimed.
    pub fn first_due(&self) -> Option<DateTime<Utc>> {
        let tasks = self.new.iter().map(|new| &new.task).chain(self.changed.iter().map(|changed| &changed.after));
        let due = tasks.filter_map(|task| match task.state {
            TaskState::Scheduled { until, .. } => Some(until),
            _ => None,
        });
        due.min()
    }

    /// Whether nothing has to be saved.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.attempts.is_empty() && self.events.is_empty()
    }
}
