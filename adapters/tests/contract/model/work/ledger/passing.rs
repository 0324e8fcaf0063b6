//! Handing claimed tasks over.

use super::handing::may_have;
use super::{Grant, Ledger};
use crate::model::work::command::HANDOFF;
use crate::model::work::stored::Stored;
use chrono::TimeDelta;
use domain::handoffs::{MovedTask, Stays};
use domain::locks::key::LockKey;
use domain::locks::wants::Wants;
use domain::work::attempt::AttemptEnd;
use domain::work::requires::Claimant;
use domain::work::table::ClaimRef;
use domain::work::task::Status;
use std::collections::BTreeSet;

impl Ledger {
    /// It goes over if its giver has it and the taker may; then the same attempt goes on under greater tokens, and
    /// nothing is used up.
    pub(super) fn judge_handed_over(
        &mut self,
        claim: &ClaimRef,
        to: &Claimant,
        answer: &Result<MovedTask, Stays>,
        after: &Stored,
    ) {
        let live = self.live_grant_of(&self.seen, claim.task).map(|(token, grant)| (token, grant.clone()));
        let moved = match (live, answer) {
            (_, Err(Stays::Unknown)) => return assert!(self.is_gone(claim.task)),
            (None, answer) => return assert_eq!(*answer, Err(Stays::Ended)),
            (Some((_, grant)), answer) if grant.holder.session != claim.holder.session => {
                return assert_eq!(*answer, Err(Stays::WithOther { holder: grant.holder }));
            }
            (Some((token, _)), answer) if token != claim.token => return assert_eq!(*answer, Err(Stays::Ended)),
            (Some(_), Err(stays)) => return self.judge_stays(claim, to, stays, after),
            (Some((_, grant)), Ok(moved)) => (grant, moved),
        };
        let (grant, moved) = moved;
        let (before, task) = (&self.seen.tasks[&claim.task], &after.tasks[&claim.task]);
        let lease = task.lease().unwrap().clone();
        assert!(may_have(to, task), "{to:?} could not have claimed {task:?}");
        assert_eq!((task.attempts_made, task.attempts_allowed), (before.attempts_made, before.attempts_allowed));
        assert_eq!((lease.attempt, moved.attempt), (before.attempts_made, before.attempts_made), "the attempt goes on");
        assert_eq!((moved.from, moved.token, moved.until), (claim.token, lease.token, lease.until));
        assert_eq!((&lease.holder, lease.since), (&to.holder, self.now));
        let longer = self.now + TimeDelta::seconds(i64::from(lease.length.seconds()));
        let longer = task.deadline.map_or(longer, |deadline| deadline.min(longer));
        let expected = if grant.asked_at.is_some() { grant.until } else { grant.until.max(longer) };
        assert_eq!(lease.until, expected, "it lasts as long again");
        let kept = before.lease().map(|lease| (lease.progress, lease.note.clone(), lease.cancel.clone()));
        assert_eq!(kept, Some((lease.progress, lease.note.clone(), lease.cancel.clone())));
        self.is_drawn(moved.token);
        for lock in &moved.locks {
            assert!(lock.token > lock.from);
            self.is_drawn(lock.token);
        }
        assert_eq!(
            lease.locks,
            moved.locks.iter().map(|lock| lock.token).collect::<Vec<_>>(),
            "all its locks go with it"
        );
        let told = after.attempts[&claim.token].clone();
        let end = AttemptEnd::HandedOver { to: to.holder.clone(), handoff: HANDOFF };
        assert_eq!((&told.end, told.left, told.number, told.ended_at), (&end, Status::Leased, lease.attempt, self.now));
        let old = self.grants.get_mut(&claim.token).unwrap();
        (old.is_over, old.told) = (true, Some(told));
        let grant = Grant { holder: to.holder.clone(), until: lease.until, is_over: false, told: None, ..grant };
        self.grants.insert(moved.token, grant);
    }

    fn judge_stays(&self, claim: &ClaimRef, to: &Claimant, stays: &Stays, after: &Stored) {
        let task = &self.seen.tasks[&claim.task];
        match stays {
            Stays::TakerLacks { .. } => assert!(!may_have(to, task), "{to:?} lacks nothing for {task:?}"),
            Stays::TakerHolds { key, token } => {
                let of_task: BTreeSet<&LockKey> = task.terms.resources.iter().flat_map(Wants::keys).collect();
                assert!(of_task.contains(key));
                let held = self.seen.leases.iter().find(|stored| stored.lease.token == *token).unwrap();
                assert!(held.is_live(self.now) && held.lease.holder == to.holder && held.lease.key == *key);
            }
            Stays::Tied { key, token } => {
                let held = self.seen.leases.iter().find(|stored| stored.lease.token == *token).unwrap();
                assert!(held.is_live(self.now) && held.lease.holder == claim.holder && held.lease.key == *key);
                assert!(self.locks.contains(token), "the locks of two tasks are never tied");
            }
            stays => panic!("{claim:?} stays: {stays:?}"),
        }
        self.assert_unchanged(after);
    }
}
