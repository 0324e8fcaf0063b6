//! Handing in and handing out.

use super::{Grant, Ledger};
use crate::model::ledger::clash;
use crate::model::work::stored::Stored;
use chrono::TimeDelta;
use domain::ids::TaskId;
use domain::locks::lease::{Holder, Lease, Mode};
use domain::locks::refusal::LockRefusal;
use domain::work::claim::{Claim, Claimed};
use domain::work::refusal::{SubmissionFault, WorkRefusal};
use domain::work::requires::Claimant;
use domain::work::submission::{Submit, TaskRef};
use domain::work::task::{Status, Task};
use domain::work::terms::OnDependencyFailure;
use std::collections::BTreeSet;

impl Ledger {
    pub(super) fn judge_submitted(
        &mut self,
        submit: &Submit,
        answer: &Result<Vec<Result<Task, SubmissionFault>>, WorkRefusal>,
        after: &Stored,
    ) {
        match answer {
            Ok(answers) => {
                assert_eq!(answers.len(), submit.items().len(), "each task has its answer");
                for (item, answer) in submit.items().iter().zip(answers) {
                    match answer {
                        Ok(task) => {
                            assert_eq!((task.id, Some(task)), (item.id, after.tasks.get(&item.id)));
                            self.add(submit, item.id, after);
                        }
                        Err(fault) => self.judge_fault(submit, fault),
                    }
                }
            }
            Err(WorkRefusal::Submission { faults }) => {
                for at in faults {
                    self.judge_fault(submit, &at.fault);
                }
                self.assert_unchanged(after);
            }
            Err(refusal) => panic!("{submit:?} was refused: {refusal:?}"),
        }
    }

    /// The only things that can be wrong with what is handed in here: it names something that is gone, or itself.
    fn judge_fault(&self, submit: &Submit, fault: &SubmissionFault) {
        match fault {
            SubmissionFault::Cycle { cycle } => {
                let next = cycle.iter().cycle().skip(1).map(|name| TaskRef::Local(name.clone()));
                for (name, next) in cycle.iter().zip(next) {
                    let item = submit.items().iter().find(|item| item.name.as_ref() == Some(name)).unwrap();
                    assert!(item.depends_on.iter().any(|on| *on == next), "{cycle:?} is no circle");
                }
            }
            SubmissionFault::UnknownDependency { on: TaskRef::Known(id) }
            | SubmissionFault::UnknownParent { parent: TaskRef::Known(id) } => assert!(self.is_gone(*id), "{fault:?}"),
            SubmissionFault::DependencyRefused { .. } => {}
            fault => panic!("{fault:?}"),
        }
    }

    pub(super) fn judge_locked(&mut self, answer: &Result<Vec<Lease>, LockRefusal>) {
        for lease in answer.iter().flatten() {
            // One that was held already may be given once more.
            if !self.locks.contains(&lease.token) {
                self.is_drawn(lease.token);
                self.locks.insert(lease.token);
            }
        }
    }

    pub(super) fn judge_claimed(&mut self, claim: &Claim, claimed: &Claimed, after: &Stored) {
        assert!(!claimed.is_cut, "every candidate was loaded");
        assert!(claimed.tasks.len() <= claim.size.tasks() as usize);
        for one in &claimed.tasks {
            assert_eq!(Some(&one.task), after.tasks.get(&one.task.id), "what was given is what is stored");
            self.judge_given(claim, &one.task, after);
            let lease = one.task.lease().unwrap();
            self.is_drawn(lease.token);
            for lock in &one.locks {
                self.is_drawn(lock.token);
            }
            assert_eq!(lease.locks, one.locks.iter().map(|lock| lock.token).collect::<Vec<_>>());
            let (task, holder) = (one.task.id, lease.holder.clone());
            let grant = Grant { task, holder, until: lease.until, asked_at: None, is_over: false, told: None };
            self.grants.insert(lease.token, grant);
        }
        self.order(claim, claimed, after);
    }

    /// Claims go by rank, then id, past nobody who could be had.
    fn order(&self, claim: &Claim, claimed: &Claimed, after: &Stored) {
        let places: Vec<_> = claimed.tasks.iter().map(|one| one.task.place()).collect();
        assert!(places.is_sorted(), "first things first: {places:?}");
        let last = places.last().copied();
        let is_full = claimed.tasks.len() == claim.size.tasks() as usize;
        let ready = after.tasks.values().filter(|task| task.status() == Status::Ready);
        for task in ready.filter(|task| !is_full || Some(task.place()) < last) {
            let behind: BTreeSet<TaskId> =
                claimed.tasks.iter().filter(|one| one.task.place() > task.place()).map(|one| one.task.id).collect();
            assert!(!self.could_be_had(claim, task, after, &behind), "{task:?} was passed over for nothing");
        }
    }

    fn judge_given(&self, claim: &Claim, task: &Task, after: &Stored) {
        let lease = task.lease().unwrap();
        self.expiry_safety(task.id);
        let length = claim.lease.unwrap_or(task.terms.lease);
        let until = self.now + TimeDelta::seconds(i64::from(length.seconds()));
        assert_eq!(lease.until, task.deadline.map_or(until, |deadline| deadline.min(until)));
        assert_eq!((&lease.holder, lease.since), (&claim.claimant.holder, self.now));
        assert_eq!(lease.attempt, self.seen.tasks[&task.id].attempts_made + 1, "attempts rise by one");
        assert!(task.deadline.is_none_or(|deadline| self.now < deadline), "it was given after its deadline");
        assert!(suits(claim, task));
        for on in &self.tasks[&task.id].depends_on {
            let is_over = after.tasks.get(on).is_none_or(|on| on.status().is_ended() && !on.untold);
            // What runs in spite of a dead letter does not stop when that is tried again.
            let is_let_go =
                task.terms.on_dependency_failure == OnDependencyFailure::Run && self.tasks[on].forgotten > 0;
            assert!(is_over || is_let_go, "nobody comes before those it waits for");
        }
    }

    /// Nobody is given what somebody has, until the very instant at which that one's time is up.
    fn expiry_safety(&self, task: TaskId) {
        assert_eq!(self.live_grant_of(&self.seen, task).map(|(token, _)| token), None, "somebody had it");
    }

    /// Whether nothing stood in the way of a task when it was its turn: what was given later did not yet.
    fn could_be_had(&self, claim: &Claim, task: &Task, after: &Stored, later: &BTreeSet<TaskId>) -> bool {
        let earlier = |task: &&Task| task.lease().is_some() && !later.contains(&task.id);
        let has_room = task.terms.concurrency.as_ref().is_none_or(|concurrency| {
            let of_key =
                |other: &&Task| other.terms.concurrency.as_ref().is_some_and(|other| other.key == concurrency.key);
            after.tasks.values().filter(earlier).filter(of_key).count() < concurrency.limit.number() as usize
        });
        let not_yet: BTreeSet<_> = later
            .iter()
            .filter_map(|id| after.tasks[id].lease())
            .flat_map(|lease| lease.locks.iter().copied())
            .collect();
        let held = after.leases.iter().filter(|stored| stored.is_live(self.now)).map(|stored| &stored.lease);
        let held: Vec<&Lease> = held.filter(|lease| !not_yet.contains(&lease.token)).collect();
        let is_free = task.terms.resources.as_ref().is_none_or(|wants| {
            wants.iter().all(|want| {
                let wanted = (want.key.as_str(), want.mode);
                !held.iter().any(|lease| stands_in_the_way(wanted, lease, &claim.claimant.holder))
            })
        });
        suits(claim, task) && has_room && is_free
    }
}

/// Whether a task is what somebody asks for and may have.
fn suits(claim: &Claim, task: &Task) -> bool {
    let terms = &task.terms;
    let kinds = claim.filter.types();
    (kinds.is_empty() || kinds.contains(&terms.task_type))
        && claim.filter.labels().iter().all(|label| terms.labels.iter().any(|other| other == label))
        && may_have(&claim.claimant, task)
}

/// Whether somebody is what a task asks for.
pub(super) fn may_have(claimant: &Claimant, task: &Task) -> bool {
    let asked = task.terms.requires.asked();
    asked.capabilities.iter().all(|needed| claimant.capabilities.contains(needed))
        && !(asked.not_submitter && task.terms.submitted_by == claimant.holder.agent)
}

/// A session never holds one key for two things at once, not even shared.
fn stands_in_the_way(wanted: (&str, Mode), lease: &Lease, holder: &Holder) -> bool {
    let is_own = lease.holder.session == holder.session && lease.key.as_str() == wanted.0;
    is_own || clash(wanted, (lease.key.as_str(), lease.mode))
}
