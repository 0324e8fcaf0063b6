//! Moves what a handoff names, as far as it can go: all that can goes together, the rest stays, and each is told why.

use super::moving::{Moved, MovedLock, Named, NotMoved, Passage, ToMove};
use crate::handoffs::Handoff;
use crate::locks::lease::Ttl;
use crate::locks::refusal::LockRefusal;
use crate::locks::table::LockTable;
use crate::work::requires::Claimant;
use crate::work::table::WorkTable;

impl Handoff {
    /// Hands everything that was named over to whoever takes it. Locks last for at least `ttl` from now, tasks for their
    /// own length. A refusal leaves the tables as they were.
    pub fn hand_over(
        &self,
        to: &Claimant,
        ttl: Ttl,
        locks: &mut LockTable,
        work: &mut WorkTable,
    ) -> Result<Moved, LockRefusal> {
        // Without a session nobody has anything to hand over.
        let Some(from) = self.from.session.clone() else { return Ok(Moved::default()) };
        let mut passage = Passage { handoff: self.id, from, to: to.clone(), leaving: self.to_move.locks.clone() };
        let mut going = self.to_move.clone();
        let mut moved = Moved::default();
        loop {
            passage.leaving.clone_from(&going.locks);
            passage.leaving.extend(going.tasks.keys().flat_map(|task| work.locks_of(*task)));
            let staying = staying(&going, &passage, locks, work);
            if staying.is_empty() {
                break;
            }
            // Whatever overlaps one that stays may have to stay too.
            for NotMoved { named, .. } in &staying {
                match named {
                    Named::Lock { token } => drop(going.locks.remove(token)),
                    Named::Task { task, .. } => drop(going.tasks.remove(task)),
                }
            }
            moved.not_moved.extend(staying);
        }
        let of_tasks = going.tasks.keys().map(|task| work.locks_of(*task).count() + 1);
        locks.has_room_for(going.locks.len() + of_tasks.sum::<usize>())?;
        for token in going.locks {
            let lease = locks.hand_over(token, ttl, &passage)?;
            moved.locks.extend(lease.map(|lease| MovedLock::new(token, &lease)));
        }
        for (task, token) in going.tasks {
            moved.tasks.extend(work.hand_over(locks, task, token, &passage)?);
        }
        Ok(moved)
    }
}

fn staying(going: &ToMove, passage: &Passage, locks: &LockTable, work: &WorkTable) -> Vec<NotMoved> {
    let of_locks = going.locks.iter().filter_map(|token| {
        let stays = locks.handable(*token, passage).err()?;
        Some(NotMoved { named: Named::Lock { token: *token }, stays })
    });
    let of_tasks = going.tasks.iter().filter_map(|(task, token)| {
        let stays = work.handable(locks, *task, *token, passage).err()?;
        Some(NotMoved { named: Named::Task { task: *task, token: *token }, stays })
    });
    of_locks.chain(of_tasks).collect()
}

#[cfg(test)]
#[path = "handing_tests.rs"]
mod tests;
