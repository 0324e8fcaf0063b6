//! The work table of a project: everything a batch of commands touches, and the decisions on it.
//!
//! Every command is decided on what those before it left, and checks everything before it changes anything, so a
//! refusal never touches its neighbours. Times and tokens come from the lock table of the same unit of work.
//!
//! A claim is as long as its lease, and no longer than its session: from then on the task is anybody's, whether somebody
//! has tidied up or not, and what its agent says is stale. There is no grace.

mod claim;
mod finish;
mod handing;
mod run;
mod steer;
mod submit;

pub use run::{Beat, ClaimRef, Finished};
pub use steer::{Cancel, CancelOutcome};

use crate::ids::{SessionId, TaskId};
use crate::locks::lease::Ending;
use crate::locks::table::LockTable;
use crate::work::attempt::{Attempt, AttemptEnd, SessionEnd};
use crate::work::changes::{ChangedTask, Changes, Loaded, NewTask};
use crate::work::content::Content;
use crate::work::event::{What, WorkEvent};
use crate::work::name::ConcurrencyKey;
use crate::work::rank::Place;
use crate::work::refusal::WorkRefusal;
use crate::work::task::{Delay, Task, TaskState};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// The work table of one project, as far as a batch needs it.
#[derive(Debug, Clone)]
pub struct WorkTable {
    now: DateTime<Utc>,
    tasks: BTreeMap<TaskId, Task>,
    /// The tasks that can be claimed, in order.
    ready: BTreeSet<Place>,
    dependents: BTreeMap<TaskId, Vec<TaskId>>,
    dependent_counts: BTreeMap<TaskId, u32>,
    running: BTreeMap<ConcurrencyKey, u32>,
    attempts: Vec<Attempt>,
    /// The tasks that came up in this batch: what agents read, and what they depend on.
    new: BTreeMap<TaskId, (Content, Vec<TaskId>)>,
    /// The tasks that changed, as they were loaded.
    before: BTreeMap<TaskId, Task>,
    attempts_new: Vec<Attempt>,
    events: Vec<WorkEvent>,
}

impl WorkTable {
    /// Takes what was loaded. What has run out meanwhile ends here, what has come due is ready, and what ended without
    /// telling those that depend on it tells them now.
    pub fn new(loaded: Loaded, locks: &mut LockTable) -> Self {
        let Loaded { tasks, dependents, dependent_counts, running, attempts, session_ends } = loaded;
        let tasks: BTreeMap<TaskId, Task> = tasks.into_iter().map(|task| (task.id, task)).collect();
        let ready = tasks.values().filter(|task| is_ready(task)).map(Task::place).collect();
        let mut table = Self {
            now: locks.now(),
            tasks,
            ready,
            dependents,
            dependent_counts,
            running,
            attempts,
            new: BTreeMap::new(),
            before: BTreeMap::new(),
            attempts_new: Vec::new(),
            events: Vec::new(),
        };
        let ids: Vec<TaskId> = table.tasks.keys().copied().collect();
        // First all of these, so that nothing is told to a task that is past its deadline.
        let expired: Vec<TaskId> = ids.iter().copied().filter(|id| table.expire(*id)).collect();
        for id in expired {
            table.tell(id);
        }
        for id in ids {
            table.settle(locks, id, &session_ends);
        }
        table
    }

    /// The store's clock as loaded.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// A loaded task, as it is now.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id)
    }

    /// What has happened so far.
    pub fn events(&self) -> &[WorkEvent] {
        &self.events
    }

    /// What has to be saved.
    pub fn into_changes(self) -> Changes {
        let Self { mut tasks, new, before, attempts_new, events, .. } = self;
        let mut changes = Changes { attempts: attempts_new, events, ..Changes::default() };
        for (id, (content, depends_on)) in new {
            changes.new.extend(tasks.remove(&id).map(|task| NewTask { task, content, depends_on }));
        }
        for (id, before) in before {
            let after = tasks.remove(&id).filter(|after| *after != before);
            changes.changed.extend(after.map(|after| ChangedTask { before, after }));
        }
        changes
    }

    /// Everything a session works on goes back: unharmed if it was closed in good order, and as a failed attempt if it
    /// died. Answers the attempts that ended.
    pub fn return_session(&mut self, locks: &mut LockTable, session: &SessionId, end: SessionEnd) -> Vec<Attempt> {
        let held = |task: &&Task| task.lease().is_some_and(|lease| lease.holder.session == *session);
        let ids: Vec<TaskId> = self.tasks.values().filter(held).map(|task| task.id).collect();
        let (how, what) = match end {
            SessionEnd::Closed => (AttemptEnd::SessionClosed, What::SessionClosed),
            SessionEnd::Died => (AttemptEnd::SessionDied, What::SessionDied),
        };
        let since = self.now;
        let close = finish::Close { what, at: since, locks_end: Ending::SessionEnded };
        ids.into_iter()
            .filter_map(|id| self.close(locks, id, how.clone(), TaskState::Ready { since }, &close))
            .collect()
    }

    /// Ends a waiting task whose deadline has come; true if it did.
    fn expire(&mut self, id: TaskId) -> bool {
        let Some(task) = self.tasks.get(&id).filter(|task| task.is_overdue(self.now)) else { return false };
        if task.lease().is_some() || task.status().is_ended() {
            return false;
        }
        let at = task.deadline.unwrap_or(self.now);
        self.move_to(What::Expired, id, TaskState::Expired { at });
        true
    }

    fn settle(&mut self, locks: &mut LockTable, id: TaskId, session_ends: &BTreeMap<SessionId, DateTime<Utc>>) {
        let Some(task) = self.tasks.get(&id) else { return };
        let session_end = task.lease().and_then(|lease| session_ends.get(&lease.holder.session)).copied();
        match &task.state {
            TaskState::Leased(lease) if session_end.is_some_and(|end| end <= self.now && end < lease.until) => {
                let since = session_end.unwrap_or(self.now);
                let close = finish::Close { what: What::SessionDied, at: since, locks_end: Ending::SessionEnded };
                self.close(locks, id, AttemptEnd::SessionDied, TaskState::Ready { since }, &close);
            }
            TaskState::Leased(lease) if lease.until <= self.now => {
                let since = lease.until;
                let close = finish::Close { what: What::Lapsed, at: since, locks_end: Ending::Expired };
                self.close(locks, id, AttemptEnd::Lapsed, TaskState::Ready { since }, &close);
            }
            TaskState::Scheduled { until, .. } if *until <= self.now => {
                let since = *until;
                self.move_to(What::Readied, id, TaskState::Ready { since });
            }
            _ if task.untold => self.tell(id),
            _ => {}
        }
    }

    fn known(&self, id: TaskId) -> Result<&Task, WorkRefusal> {
        self.tasks.get(&id).ok_or(WorkRefusal::UnknownTask { task: id })
    }

    /// What a task is in that waits for nothing but perhaps an instant.
    fn waiting(&self, task: &Task) -> TaskState {
        match task.not_before {
            Some(until) if until > self.now => TaskState::Scheduled { until, delay: Delay::NotBefore },
            _ => TaskState::Ready { since: self.now },
        }
    }

    /// Puts a task into another state and tells it.
    fn move_to(&mut self, what: What, id: TaskId, state: TaskState) {
        if let Some(before) = self.tasks.get(&id) {
            let after = Task { state, ..before.clone() };
            self.change(what, after, None);
        }
    }

    /// Puts a changed task in place of the one before and tells it.
    fn change(&mut self, what: What, after: Task, attempt: Option<Attempt>) {
        let before = self.put(after.clone());
        self.events.push(WorkEvent { what, before, after, attempt });
    }

    /// Puts a task into the table, and keeps the lines and counts that hang on it.
    fn put(&mut self, after: Task) -> Option<Task> {
        let before = self.tasks.get(&after.id).cloned();
        if let Some(before) = before.as_ref().filter(|before| is_ready(before)) {
            self.ready.remove(&before.place());
        }
        if is_ready(&after) {
            self.ready.insert(after.place());
        }
        if let Some(concurrency) = &after.terms.concurrency {
            let was = before.as_ref().is_some_and(|before| before.lease().is_some());
            let is = after.lease().is_some();
            let running = self.running.entry(concurrency.key.clone()).or_default();
            *running = running.saturating_add(u32::from(is && !was)).saturating_sub(u32::from(was && !is));
        }
        if let Some(before) = &before
            && !self.new.contains_key(&after.id)
        {
            self.before.entry(after.id).or_insert_with(|| before.clone());
        }
        self.tasks.insert(after.id, after);
        before
    }
}

fn is_ready(task: &Task) -> bool {
    matches!(task.state, TaskState::Ready { .. })
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
