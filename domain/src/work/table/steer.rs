//! What others do to tasks: cancel them, move them, and look after dead letters.

use super::WorkTable;
use super::run::has;
use crate::ids::{AgentId, TaskId};
use crate::locks::lease::Reason;
use crate::work::event::What;
use crate::work::rank::{Priority, Rank, is_within_reach};
use crate::work::refusal::WorkRefusal;
use crate::work::task::{CANCEL_GRACE_SECONDS, CancelCause, CancelRequest, Status, Task, TaskState};
use crate::work::terms::OnDependencyFailure;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The command to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// Who asks.
    pub by: AgentId,
    /// Why.
    pub reason: Option<Reason>,
    /// Whether all that depends on the task is cancelled too, whatever its own policy.
    pub with_dependents: bool,
}

/// How a cancel came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOutcome {
    /// The task now: cancelled, or leased and told to stop.
    pub task: Task,
    /// Everything that was cancelled at once.
    pub cancelled: Vec<TaskId>,
    /// Whether it was cancelled, or told to stop, before.
    pub already: bool,
    /// Whether more that depends on it will follow.
    pub more_to_come: bool,
}

impl WorkTable {
    /// Cancels a task. An agent that works on it learns so with its next heartbeat, and has
    /// [`CANCEL_GRACE_SECONDS`] to stop; then the task is taken. What depends on it and runs already is left alone.
    pub fn cancel(&mut self, id: TaskId, cancel: Cancel) -> Result<CancelOutcome, WorkRefusal> {
        let first = self.events.len();
        let task = self.known(id)?.clone();
        let Cancel { by, reason, with_dependents } = cancel;
        let request = CancelRequest { by, reason, at: self.now, with_dependents };
        let already = match &task.state {
            TaskState::Leased(lease) => {
                let already = lease.cancel.is_some();
                let is_more = lease.cancel.as_ref().is_none_or(|before| with_dependents && !before.with_dependents);
                if is_more {
                    let mut lease = lease.clone();
                    let first_asked = lease.cancel.as_ref().map_or(self.now, |before| before.at);
                    lease.until = lease.until.min(first_asked + TimeDelta::seconds(CANCEL_GRACE_SECONDS));
                    lease.cancel = Some(request);
                    let after = Task { state: TaskState::Leased(lease), ..task };
                    self.change(What::CancelRequested, after, None);
                }
                if with_dependents {
                    self.cancel_dependents(id);
                }
                already
            }
            TaskState::Ready { .. } | TaskState::Scheduled { .. } | TaskState::Blocked { .. } => {
                let cause = CancelCause::Asked(request);
                self.move_to(What::Cancelled, id, TaskState::Cancelled { at: self.now, cause });
                self.tell(id);
                false
            }
            TaskState::Cancelled { .. } => {
                if with_dependents {
                    self.cancel_dependents(id);
                }
                true
            }
            TaskState::Succeeded { .. } | TaskState::Dead { .. } | TaskState::Expired { .. } => {
                return Err(WorkRefusal::Ended { task: id, status: task.status() });
            }
        };
        let events = self.events.get(first..).unwrap_or_default();
        let ended = events.iter().filter(|event| matches!(event.what, What::Cancelled | What::CancelledWith));
        let cancelled: Vec<TaskId> = ended.map(crate::work::event::WorkEvent::task).collect();
        let is_untold = |id: &TaskId| self.tasks.get(id).is_some_and(|task| task.untold);
        let more_to_come = cancelled.iter().any(is_untold) || (with_dependents && self.loaded_dependents(id).is_none());
        Ok(CancelOutcome { task: self.known(id)?.clone(), cancelled, already, more_to_come })
    }

    fn cancel_dependents(&mut self, id: TaskId) {
        for dependent in self.loaded_dependents(id).unwrap_or_default() {
            if self.cancel_with(dependent, id, true) {
                self.tell(dependent);
            }
        }
    }

    /// Puts a task off until an instant, or with `None` brings it forward to now. Its wait counts from then on.
    pub fn reschedule(&mut self, id: TaskId, not_before: Option<DateTime<Utc>>) -> Result<Task, WorkRefusal> {
        let task = self.waits(id)?.clone();
        if let Some(at) = not_before {
            if at <= self.now || !is_within_reach(at, self.now) {
                return Err(WorkRefusal::OutOfReach { at });
            }
            if let Some(deadline) = task.deadline.filter(|deadline| *deadline <= at) {
                return Err(WorkRefusal::PastDeadline { task: id, deadline });
            }
        }
        let mut after = Task { not_before, ..task };
        match (not_before, &after.state) {
            (Some(at), _) => after.rank = Rank::new(at, after.priority),
            // Whoever would have waited until later has waited from now on.
            (None, _) => after.rank = after.rank.min(Rank::new(self.now, after.priority)),
        }
        if !matches!(after.state, TaskState::Blocked { .. }) {
            after.state = match (&after.state, self.waiting(&after)) {
                (TaskState::Ready { since }, TaskState::Ready { .. }) => TaskState::Ready { since: *since },
                (_, waiting) => waiting,
            };
        }
        self.change(What::Rescheduled, after.clone(), None);
        Ok(after)
    }

    /// Changes how urgent a task is. What it has waited so far stays with it.
    pub fn reprioritize(&mut self, id: TaskId, priority: Priority) -> Result<Task, WorkRefusal> {
        let task = self.known(id)?;
        if task.status().is_ended() {
            return Err(WorkRefusal::Ended { task: id, status: task.status() });
        }
        let rank = task.rank.with_priority(task.priority, priority);
        let after = Task { priority, rank, ..task.clone() };
        if after.priority != task.priority {
            self.change(What::Reprioritized, after.clone(), None);
        }
        Ok(after)
    }

    /// Tries a dead letter again, as often as at first. It waits from now on. What was cancelled because of it stays
    /// so; what runs in spite of it and still waits for others waits for it again.
    pub fn retry(&mut self, id: TaskId) -> Result<Task, WorkRefusal> {
        let task = self.dead(id)?.clone();
        if let Some(deadline) = task.deadline.filter(|deadline| *deadline <= self.now) {
            return Err(WorkRefusal::PastDeadline { task: id, deadline });
        }
        if !task.untold {
            let dependents = self.loaded_dependents(id).ok_or(WorkRefusal::NotPrepared { task: id })?;
            for dependent in dependents {
                self.block_again(dependent);
            }
        }
        let after = Task {
            attempts_allowed: task.attempts_made.saturating_add(task.terms.retry.attempts_max()),
            rank: Rank::new(self.now, task.priority),
            state: TaskState::Ready { since: self.now },
            untold: false,
            ..task
        };
        self.change(What::Retried, after.clone(), None);
        Ok(after)
    }

    /// Throws a dead letter away. Those that depend on it were told when it died.
    pub fn discard(&mut self, id: TaskId, by: AgentId) -> Result<Task, WorkRefusal> {
        let task = self.dead(id)?.clone();
        let cause = CancelCause::Discarded { by };
        let after = Task { state: TaskState::Cancelled { at: self.now, cause }, ..task };
        self.change(What::Discarded, after.clone(), None);
        Ok(after)
    }

    fn block_again(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get(&id).cloned()
            && task.terms.on_dependency_failure == OnDependencyFailure::Run
            && let TaskState::Blocked { pending } = task.state
        {
            self.put(Task { state: TaskState::Blocked { pending: pending.saturating_add(1) }, ..task });
        }
    }

    fn waits(&self, id: TaskId) -> Result<&Task, WorkRefusal> {
        let task = self.known(id)?;
        match has(task) {
            Some(with) => Err(WorkRefusal::Running { task: id, with }),
            None if task.status().is_ended() => Err(WorkRefusal::Ended { task: id, status: task.status() }),
            None => Ok(task),
        }
    }

    fn dead(&self, id: TaskId) -> Result<&Task, WorkRefusal> {
        let task = self.known(id)?;
        if task.status() == Status::Dead {
            Ok(task)
        } else {
            Err(WorkRefusal::NotDead { task: id, status: task.status() })
        }
    }
}
