//! What an agent says about a task it has: it is at it, it is done, it failed, it gives it back, it puts it off.
//!
//! Each word carries the token of the claim. Under a token that is over nothing changes; saying once more what ended
//! the attempt gets the first answer.

use super::{WorkTable, claim, finish::Close};
use crate::ids::TaskId;
use crate::locks::lease::{Ending, Holder, Reason, Token};
use crate::locks::table::LockTable;
use crate::work::attempt::{Attempt, AttemptEnd};
use crate::work::content::{Fault, Note, Payload, Progress};
use crate::work::event::What;
use crate::work::rank::is_within_reach;
use crate::work::refusal::{Has, StaleClaim, WorkRefusal};
use crate::work::retry::Chance;
use crate::work::task::{CancelRequest, DeathCause, Delay, Task, TaskLease, TaskState};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Which claim an agent speaks about, and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRef {
    /// The task.
    pub task: TaskId,
    /// The token of the claim.
    pub token: Token,
    /// Who speaks.
    pub holder: Holder,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The task.
    pub task: Task,
    /// Until when the claim lasts now.
    pub until: DateTime<Utc>,
    /// Whether somebody asked to stop; then `until` is when the task will be taken.
    pub cancel: Option<CancelRequest>,
    /// Locks of the task that are not held any more: somebody took them away, or the agent gave them back.
    pub locks_lost: Vec<Token>,
}

/// The answer to the end of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The attempt as it ended.
    pub attempt: Attempt,
    /// Whether it had been ended so already; then nothing changed.
    pub already: bool,
}

enum Found {
    Live(Box<Task>, TaskLease),
    Past(Attempt),
}

impl WorkTable {
    /// Lets a claim last longer, with word of how it is getting on. `None` leaves what was said before.
    pub fn heartbeat(
        &mut self,
        locks: &mut LockTable,
        claim: &ClaimRef,
        progress: Option<Progress>,
        note: Option<Note>,
    ) -> Result<Beat, WorkRefusal> {
        let (task, mut lease) = match self.find(claim)? {
            Found::Live(task, lease) => (*task, lease),
            Found::Past(attempt) => return Err(self.stale(claim, attempt)),
        };
        lease.progress = progress.or(lease.progress);
        lease.note = note.or(lease.note);
        if lease.cancel.is_none() {
            let longer = claim::until(&task, lease.length.ttl().end(self.now));
            lease.until = lease.until.max(longer);
        }
        let locks_lost = locks.extend_for_task(&lease.locks, lease.length.ttl());
        let (until, cancel) = (lease.until, lease.cancel.clone());
        let after = Task { state: TaskState::Leased(lease), ..task };
        self.change(What::Heard, after.clone(), None);
        Ok(Beat { task: after, until, cancel, locks_lost })
    }

    /// The work is done.
    pub fn complete(
        &mut self,
        locks: &mut LockTable,
        claim: &ClaimRef,
        result: Option<Payload>,
    ) -> Result<Finished, WorkRefusal> {
        let end = AttemptEnd::Succeeded { result };
        self.finish(locks, claim, What::Completed, end, |_, now| TaskState::Succeeded { at: now })
    }

    /// The work went wrong. If another attempt may mend it, the task rests and is tried again as often as it may be.
    pub fn fail(
        &mut self,
        locks: &mut LockTable,
        claim: &ClaimRef,
        error: Fault,
        retryable: bool,
        chance: Chance,
    ) -> Result<Finished, WorkRefusal> {
        let end = AttemptEnd::Failed { error, retryable };
        self.finish(locks, claim, What::Failed, end, |task, now| {
            if !retryable {
                return TaskState::Dead { at: now, cause: DeathCause::NotRetryable };
            }
            let until = now + task.terms.retry.rest(task.failures(), chance);
            if until > now {
                TaskState::Scheduled { until, delay: Delay::Retry }
            } else {
                TaskState::Ready { since: now }
            }
        })
    }

    /// The agent gives the task back and no harm was done: others may have it at once, and the attempt does not count.
    pub fn release(
        &mut self,
        locks: &mut LockTable,
        claim: &ClaimRef,
        reason: Option<Reason>,
    ) -> Result<Finished, WorkRefusal> {
        let end = AttemptEnd::Released { reason };
        self.finish(locks, claim, What::Released, end, |_, since| TaskState::Ready { since })
    }

    /// The agent puts the task off: nobody has it before an instant, and the attempt does not count.
    pub fn snooze(
        &mut self,
        locks: &mut LockTable,
        claim: &ClaimRef,
        until: DateTime<Utc>,
    ) -> Result<Finished, WorkRefusal> {
        let end = AttemptEnd::Snoozed { until };
        // A snooze said once more may well name an instant that has come meanwhile.
        let is_live = matches!(self.find(claim)?, Found::Live(..));
        if is_live && (until <= self.now || !is_within_reach(until, self.now)) {
            return Err(WorkRefusal::OutOfReach { at: until });
        }
        self.finish(locks, claim, What::Snoozed, end, |_, _| TaskState::Scheduled { until, delay: Delay::Snooze })
    }

    fn finish(
        &mut self,
        locks: &mut LockTable,
        claim: &ClaimRef,
        what: What,
        end: AttemptEnd,
        wanted: impl FnOnce(&Task, DateTime<Utc>) -> TaskState,
    ) -> Result<Finished, WorkRefusal> {
        match self.find(claim)? {
            Found::Live(task, _) => {
                let wanted = wanted(&task, self.now);
                let close = Close { what, at: self.now, locks_end: Ending::Released };
                let attempt = self.close(locks, claim.task, end, wanted, &close);
                // It was found leased above.
                let attempt = attempt.ok_or(WorkRefusal::NotPrepared { task: claim.task })?;
                Ok(Finished { attempt, already: false })
            }
            Found::Past(attempt) if attempt.holder.session == claim.holder.session && attempt.end == end => {
                Ok(Finished { attempt, already: true })
            }
            Found::Past(attempt) => Err(self.stale(claim, attempt)),
        }
    }

    fn find(&self, claim: &ClaimRef) -> Result<Found, WorkRefusal> {
        let task = self.known(claim.task)?;
        if let Some(lease) = task.lease()
            && lease.token == claim.token
        {
            let Holder { agent, session } = lease.holder.clone();
            if session != claim.holder.session {
                return Err(WorkRefusal::NotHolder { task: claim.task, agent, session });
            }
            return Ok(Found::Live(Box::new(task.clone()), lease.clone()));
        }
        let past = |attempt: &&Attempt| attempt.token == claim.token && attempt.task == claim.task;
        let attempt = self.attempts.iter().find(past).cloned();
        attempt.map(Found::Past).ok_or(WorkRefusal::UnknownToken { task: claim.task, token: claim.token })
    }

    fn stale(&self, claim: &ClaimRef, attempt: Attempt) -> WorkRefusal {
        let status = self.tasks.get(&claim.task).map_or(attempt.left, Task::status);
        let now_with = self.tasks.get(&claim.task).and_then(has);
        let claim = StaleClaim { task: claim.task, token: claim.token, attempt, status, now_with };
        WorkRefusal::Stale { claim: Box::new(claim) }
    }
}

/// Who has a task.
pub(super) fn has(task: &Task) -> Option<Has> {
    task.lease().map(|lease| Has { holder: lease.holder.clone(), token: lease.token, until: lease.until })
}
