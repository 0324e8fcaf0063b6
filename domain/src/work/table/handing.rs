//! Handing claimed tasks over, with their locks.
//!
//! The attempt goes on under its number: handing over is neither a failure nor a new try, so nothing of what the task may
//! still cost is used up, and whoever reads its history sees one attempt that two sessions made. What the giver made of it
//! is told under the giver's token, which is stale from then on.

use super::{WorkTable, claim};
use crate::handoffs::{MovedLock, MovedTask, Passage, Stays};
use crate::ids::TaskId;
use crate::locks::lease::Token;
use crate::locks::refusal::LockRefusal;
use crate::locks::table::LockTable;
use crate::work::attempt::{Attempt, AttemptEnd};
use crate::work::event::What;
use crate::work::task::{Status, Task, TaskLease, TaskState};

impl WorkTable {
    /// The tokens of the locks of a task that somebody works on.
    pub fn locks_of(&self, id: TaskId) -> impl Iterator<Item = Token> {
        self.tasks.get(&id).and_then(Task::lease).into_iter().flat_map(|lease| lease.locks.iter().copied())
    }

    /// A task and its claim, if it can go over: its giver has it under this token, the taker could have claimed it, and
    /// its locks can go with it.
    pub fn handable(
        &self,
        locks: &LockTable,
        id: TaskId,
        token: Token,
        passage: &Passage,
    ) -> Result<(&Task, &TaskLease), Stays> {
        let Passage { from, to, .. } = passage;
        let task = self.tasks.get(&id).ok_or(Stays::Unknown)?;
        let lease = task.lease().ok_or(Stays::Ended)?;
        if lease.holder.session != *from {
            return Err(Stays::WithOther { holder: lease.holder.clone() });
        }
        if lease.token != token {
            return Err(Stays::Ended);
        }
        let missing = task.terms.requires.lacks(to, &task.terms.submitted_by);
        if !missing.is_empty() {
            return Err(Stays::TakerLacks { lacks: missing });
        }
        for lock in &lease.locks {
            if let Err(stays @ (Stays::TakerHolds { .. } | Stays::Tied { .. })) = locks.handable(*lock, passage) {
                return Err(stays);
            }
        }
        Ok((task, lease))
    }

    /// Hands a claimed task over, with those of its locks that are still held; nothing if it cannot go. The claim lasts for
    /// its whole length from now, unless somebody asked to cancel the task; progress and note stay until the taker says
    /// others.
    pub fn hand_over(
        &mut self,
        locks: &mut LockTable,
        id: TaskId,
        token: Token,
        passage: &Passage,
    ) -> Result<Option<MovedTask>, LockRefusal> {
        let Ok((task, lease)) = self.handable(locks, id, token, passage) else { return Ok(None) };
        let (task, lease) = (task.clone(), lease.clone());
        let to = &passage.to.holder;
        let after_token = locks.draw_for_claim()?;
        let mut moved = Vec::new();
        let mut tokens = Vec::with_capacity(lease.locks.len());
        for lock in &lease.locks {
            match locks.hand_over(*lock, lease.length.ttl(), passage)? {
                Some(lease) => {
                    tokens.push(lease.token);
                    moved.push(MovedLock::new(*lock, &lease));
                }
                // It was lost before: the taker hears so with its first heartbeat, as the giver would have.
                None => tokens.push(*lock),
            }
        }
        let longer = claim::until(&task, lease.length.ttl().end(self.now));
        let until = if lease.cancel.is_none() { lease.until.max(longer) } else { lease.until };
        let after = TaskLease {
            token: after_token,
            holder: to.clone(),
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
            end: AttemptEnd::HandedOver { to: to.clone(), handoff: passage.handoff },
            left: Status::Leased,
            next_at: None,
        };
        self.attempts_new.push(attempt.clone());
        self.attempts.push(attempt.clone());
        let told = MovedTask { task: id, attempt: after.attempt, from: token, token: after_token, until, locks: moved };
        self.change(What::HandedOver, Task { state: TaskState::Leased(after), ..task }, Some(attempt));
        Ok(Some(told))
    }
}
