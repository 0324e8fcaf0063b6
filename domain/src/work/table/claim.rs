//! Handing work out.

use super::WorkTable;
use crate::ids::TaskId;
use crate::locks::conflict::Conflict;
use crate::locks::lease::{Lease, Reason};
use crate::locks::refusal::LockRefusal;
use crate::locks::table::LockTable;
use crate::locks::table::tasks::TaskLocks;
use crate::work::claim::{Claim, Claimed, ClaimedTask, PassedOver};
use crate::work::event::What;
use crate::work::rank::Place;
use crate::work::refusal::WorkRefusal;
use crate::work::task::{Task, TaskLease, TaskState};
use chrono::{DateTime, Utc};
use std::ops::Bound;

/// How it went with one candidate.
enum Taken {
    Yes(Box<ClaimedTask>),
    No(Pass),
}

/// Why a candidate is passed over.
enum Pass {
    Lacking,
    Withheld,
    Concurrency,
    Resources,
}

impl WorkTable {
    /// Hands the first tasks that fit to an agent, each with all its locks or not at all. Finding none is an answer,
    /// not a refusal.
    pub fn claim(&mut self, locks: &mut LockTable, claim: &Claim) -> Result<Claimed, WorkRefusal> {
        let wanted = claim.size.tasks() as usize;
        let mut claimed = Claimed { tasks: Vec::new(), passed_over: PassedOver::default(), is_cut: false };
        let mut last = None;
        while claimed.tasks.len() < wanted {
            let Some(place) = self.next_ready(last) else { break };
            if claim.horizon.is_some_and(|horizon| place > horizon) {
                break;
            }
            last = Some(place);
            let Some(task) = self.tasks.get(&place.task).filter(|task| claim.filter.accepts(&task.terms)).cloned()
            else {
                continue;
            };
            match self.take(locks, claim, task) {
                Ok(Taken::Yes(task)) => claimed.tasks.push(*task),
                Ok(Taken::No(pass)) => {
                    let passed = &mut claimed.passed_over;
                    *match pass {
                        Pass::Lacking => &mut passed.lacking,
                        Pass::Withheld => &mut passed.withheld,
                        Pass::Concurrency => &mut passed.concurrency,
                        Pass::Resources => &mut passed.resources,
                    } += 1;
                }
                // What was handed out before stays handed out.
                Err(refusal) if claimed.tasks.is_empty() => return Err(refusal.into()),
                Err(_) => break,
            }
        }
        claimed.is_cut = claimed.tasks.len() < wanted && claim.horizon.is_some();
        Ok(claimed)
    }

    fn next_ready(&self, last: Option<Place>) -> Option<Place> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.ready.range((from, Bound::Unbounded)).next().copied()
    }

    fn take(&mut self, locks: &mut LockTable, claim: &Claim, task: Task) -> Result<Taken, LockRefusal> {
        if claim.withheld.contains(&task.id) {
            return Ok(Taken::No(Pass::Withheld));
        }
        if !task.terms.requires.lacks(&claim.claimant, &task.terms.submitted_by).is_empty() {
            return Ok(Taken::No(Pass::Lacking));
        }
        if let Some(concurrency) = &task.terms.concurrency
            && self.running.get(&concurrency.key).copied().unwrap_or_default() >= concurrency.limit.number()
        {
            return Ok(Taken::No(Pass::Concurrency));
        }
        let length = claim.lease.unwrap_or(task.terms.lease);
        let reason = Reason::parse(&format!("task {}", task.id)).ok();
        let wants = task.terms.resources.as_ref();
        match locks.take_for_task(&claim.claimant.holder, wants, length.ttl(), reason.as_ref())? {
            TaskLocks::InTheWay(_) => Ok(Taken::No(Pass::Resources)),
            TaskLocks::Taken { token, leases } => {
                let attempt = task.attempts_made.saturating_add(1);
                let lease = TaskLease {
                    attempt,
                    token,
                    holder: claim.claimant.holder.clone(),
                    since: self.now,
                    until: until(&task, length.ttl().end(self.now)),
                    length,
                    locks: leases.iter().map(|lease: &Lease| lease.token).collect(),
                    progress: None,
                    note: None,
                    cancel: None,
                };
                let after = Task { attempts_made: attempt, state: TaskState::Leased(lease), ..task };
                self.change(What::Claimed, after.clone(), None);
                Ok(Taken::Yes(Box::new(ClaimedTask { task: after, locks: leases })))
            }
        }
    }

    /// What is in the way of the locks of a task, for anybody.
    pub fn obstacles(&self, locks: &LockTable, id: TaskId) -> Result<Vec<Conflict>, WorkRefusal> {
        let wants = self.known(id)?.terms.resources.as_ref();
        Ok(wants.map(|wants| locks.task_obstacles(None, wants)).unwrap_or_default())
    }
}

/// A lease never reaches past the deadline of its task.
pub(super) fn until(task: &Task, until: DateTime<Utc>) -> DateTime<Utc> {
    task.deadline.map_or(until, |deadline| deadline.min(until))
}
