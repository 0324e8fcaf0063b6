//! Ends: of attempts, of tasks, and what they mean for those that depend on them.

use super::WorkTable;
use crate::ids::TaskId;
use crate::locks::lease::Ending;
use crate::locks::table::LockTable;
use crate::work::attempt::{Attempt, AttemptEnd};
use crate::work::event::What;
use crate::work::rank::Rank;
use crate::work::task::{CLAIMS_MAX, CancelCause, DeathCause, Delay, Task, TaskState};
use crate::work::terms::OnDependencyFailure;
use chrono::{DateTime, Utc};
use std::collections::VecDeque;

/// How the end of an attempt is told.
#[derive(Debug, Clone)]
pub(super) struct Close {
    pub(super) what: What,
    pub(super) at: DateTime<Utc>,
    pub(super) locks_end: Ending,
}

impl WorkTable {
    /// Ends the attempt a task is in and frees its locks. The task goes on as `wanted`, unless somebody asked to cancel
    /// it, its deadline has come, or it has been tried as often as it may be.
    pub(super) fn close(
        &mut self,
        locks: &mut LockTable,
        id: TaskId,
        end: AttemptEnd,
        wanted: TaskState,
        close: &Close,
    ) -> Option<Attempt> {
        let mut after = self.tasks.get(&id)?.clone();
        let lease = after.lease()?.clone();
        if end.is_unharmed() && after.attempts_made < CLAIMS_MAX {
            after.attempts_allowed = after.attempts_allowed.saturating_add(1);
        }
        let at = close.at;
        let goes_on = matches!(wanted, TaskState::Ready { .. } | TaskState::Scheduled { .. });
        after.state = match (wanted, lease.cancel.clone()) {
            (TaskState::Succeeded { at }, _) => TaskState::Succeeded { at },
            (_, Some(request)) => TaskState::Cancelled { at, cause: CancelCause::Asked(request) },
            (_, None) if after.is_overdue(self.now) => TaskState::Expired { at: after.deadline.unwrap_or(at) },
            (_, None) if goes_on && after.attempts_made >= after.attempts_allowed => {
                TaskState::Dead { at, cause: DeathCause::AttemptsUsedUp }
            }
            (wanted, None) => wanted,
        };
        let next_at = match &after.state {
            TaskState::Scheduled { until, delay } => {
                if *delay == Delay::Snooze {
                    after.rank = Rank::new(*until, after.priority);
                }
                Some(*until)
            }
            _ => None,
        };
        let attempt = Attempt {
            task: id,
            number: lease.attempt,
            token: lease.token,
            holder: lease.holder.clone(),
            since: lease.since,
            ended_at: at,
            end,
            left: after.status(),
            next_at,
        };
        locks.free_for_task(&lease.locks, &close.locks_end);
        self.attempts_new.push(attempt.clone());
        self.attempts.push(attempt.clone());
        let is_ended = after.status().is_ended();
        self.change(close.what, after, Some(attempt.clone()));
        if is_ended {
            self.tell(id);
        }
        Some(attempt)
    }

    /// Tells those that depend on a task that has ended, and those that depend on them if they end by it. Whoever is
    /// not loaded is left to a later batch: the task is marked.
    pub(super) fn tell(&mut self, first: TaskId) {
        let mut ended = VecDeque::from([first]);
        while let Some(id) = ended.pop_front() {
            let Some(task) = self.tasks.get(&id).cloned() else { continue };
            let dependents = self.loaded_dependents(id);
            if task.untold != dependents.is_none() {
                self.put(Task { untold: dependents.is_none(), ..task.clone() });
            }
            for dependent in dependents.unwrap_or_default() {
                if self.tell_one(&task, dependent) {
                    ended.push_back(dependent);
                }
            }
        }
    }

    /// Those that depend on a task, if every one of them is here.
    pub(super) fn loaded_dependents(&self, id: TaskId) -> Option<Vec<TaskId>> {
        let dependents = self.dependents.get(&id)?;
        dependents.iter().all(|dependent| self.tasks.contains_key(dependent)).then(|| dependents.clone())
    }

    /// Tells one of them; true if it ended by it.
    fn tell_one(&mut self, ended: &Task, id: TaskId) -> bool {
        if let TaskState::Cancelled { cause, .. } = &ended.state
            && cause.takes_dependents()
        {
            return self.cancel_with(id, ended.id, true);
        }
        let Some(task) = self.tasks.get(&id).cloned() else { return false };
        let TaskState::Blocked { pending } = task.state else { return false };
        let is_satisfied = matches!(ended.state, TaskState::Succeeded { .. })
            || task.terms.on_dependency_failure == OnDependencyFailure::Run;
        match (is_satisfied, task.terms.on_dependency_failure) {
            (true, _) if pending > 1 => {
                self.put(Task { state: TaskState::Blocked { pending: pending - 1 }, ..task });
                false
            }
            (true, _) => {
                let state = self.waiting(&task);
                self.move_to(What::Readied, id, state);
                false
            }
            (false, OnDependencyFailure::Cancel) => self.cancel_with(id, ended.id, false),
            (false, OnDependencyFailure::Block | OnDependencyFailure::Run) => false,
        }
    }

    /// Cancels a task because of another one, unless somebody works on it or it has ended; true if it did.
    pub(super) fn cancel_with(&mut self, id: TaskId, because_of: TaskId, with_dependents: bool) -> bool {
        let Some(task) = self.tasks.get(&id) else { return false };
        if task.lease().is_some() || task.status().is_ended() {
            return false;
        }
        let cause = CancelCause::Dependency { task: because_of, with_dependents };
        self.move_to(What::CancelledWith, id, TaskState::Cancelled { at: self.now, cause });
        true
    }
}
