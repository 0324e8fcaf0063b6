//! Handing claimed tasks over, with their locks.
//!
//! The attempt goes on under its number: handing over is neither a failure nor a new try, so nothing of what the task may
//! still cost is used up, and whoever reads its history sees one attempt that two sessions made. What the giver made of it
//! is told under the giver's token, which is stale from then on.

use super::{WorkTable, claim};
use crate::handoffs::{MovedLock, MovedTask, Stays};
use crate::ids::{HandoffId, SessionId, TaskId};
use crate::locks::lease::Token;
use crate::locks::refusal::LockRefusal;
use crate::locks::table::LockTable;
use crate::work::attempt::{Attempt, AttemptEnd};
use crate::work::event::What;
use crate::work::requires::Claimant;
use crate::work::task::{Status, Task, TaskLease, TaskState};

impl WorkTable {
    /// How many tokens it takes to hand a task over; none if nobody works on it.
    pub fn tokens_to_hand_over(&self, id: TaskId) -> usize {
        self.tasks.get(&id).and_then(Task::lease).map_or(0, |lease| lease.locks.len() + 1)
    }

    /// Hands a claimed task over, with those of its locks that are still held. The claim lasts for its whole length from
    /// now, unless somebody asked to cancel the task; progress and note stay until the taker says others.
    pub fn hand_over(
        &mut self,
        locks: &mut LockTable,
        (id, token): (TaskId, Token),
        from: &SessionId,
        to: &Claimant,
        handoff: HandoffId,
    ) -> Result<Result<MovedTask, Stays>, LockRefusal> {
        let (task, lease) = match self.handable(locks, (id, token), from, to) {
            Ok((task, lease)) => (task.clone(), lease.clone()),
            Err(stays) => return Ok(Err(stays)),
        };
        let after_token = locks.draw_for_claim()?;
        let mut moved = Vec::new();
        let mut tokens = Vec::with_capacity(lease.locks.len());
        for lock in &lease.locks {
            match locks.hand_over(*lock, from, &to.holder, lease.length.ttl(), handoff)? {
                Ok(lease) => {
                    tokens.push(lease.token);
                    moved.push(MovedLock::new(*lock, &lease));
                }
                // It was lost before: the taker hears so with its first heartbeat, as the giver would have.
                Err(_) => tokens.push(*lock),
            }
        }
        let longer = claim::until(&task, lease.length.ttl().end(self.now));
        let until = if lease.cancel.is_none() { lease.until.max(longer) } else { lease.until };
        let after = TaskLease {
            token: after_token,
            holder: to.holder.clone(),
            since: self.now,
            until,
            locks: tokens,
            ..lease.clone()
        };
        let attempt = Attempt {
            task: id,
            number: lease.attempt,
            token,
            holder: lease.holder,
            since: lease.since,
            ended_at: self.now,
            end: AttemptEnd::HandedOver { to: to.holder.clone(), handoff },
            left: Status::Leased,
            next_at: None,
        };
        self.attempts_new.push(attempt.clone());
        self.attempts.push(attempt.clone());
        let told = MovedTask { task: id, attempt: after.attempt, from: token, token: after_token, until, locks: moved };
        self.change(What::HandedOver, Task { state: TaskState::Leased(after), ..task }, Some(attempt));
        Ok(Ok(told))
    }

    fn handable(
        &self,
        locks: &LockTable,
        (id, token): (TaskId, Token),
        from: &SessionId,
        to: &Claimant,
    ) -> Result<(&Task, &TaskLease), Stays> {
        let task = self.tasks.get(&id).ok_or(Stays::Unknown)?;
        let lease = task.lease().ok_or(Stays::Ended)?;
        if lease.holder.session != *from {
            return Err(Stays::WithOther { holder: lease.holder.clone() });
        }
        if lease.token != token {
            return Err(Stays::Ended);
        }
        let lacks = task.terms.requires.lacks(to, &task.terms.submitted_by);
        if !lacks.is_empty() {
            return Err(Stays::TakerLacks { lacks });
        }
        for lock in &lease.locks {
            if let Err(stays @ Stays::TakerHolds { .. }) = locks.handable(*lock, from, &to.holder.session) {
                return Err(stays);
            }
        }
        Ok((task, lease))
    }
}
