//! What must hold of what is stored, after every step.

use super::{Ledger, Sent};
use crate::model::ledger::clash;
use crate::model::work::stored::{LINES, Stored};
use chrono::TimeDelta;
use domain::ids::TaskId;
use domain::locks::lease::{Lease, Token};
use domain::work::attempt::{Attempt, AttemptEnd};
use domain::work::graph::Edge;
use domain::work::task::{DeathCause, Status, Task, TaskState};
use domain::work::terms::OnDependencyFailure;
use std::collections::{BTreeMap, BTreeSet};

impl Ledger {
    /// Looks at everything that must hold at every committed state.
    pub(crate) fn check(&self) {
        self.conservation();
        self.single_live_lease();
        self.token_monotonicity();
        self.dependency();
        for task in self.seen.tasks.values() {
            self.finish_once(task);
            self.attempts(task);
            self.history(task);
        }
        self.atomic_side_effects();
    }

    /// Every task handed in is in one state, or was removed for its age. None comes from nowhere.
    fn conservation(&self) {
        let stored = &self.seen;
        let kept = self.tasks.iter().filter(|(_, sent)| !sent.is_gone).map(|(id, _)| *id);
        let there: BTreeSet<TaskId> = stored.tasks.keys().copied().collect();
        assert_eq!(there, kept.collect(), "nothing is lost, nothing comes up");
        let mut counts: BTreeMap<(String, Status), u64> = BTreeMap::new();
        for task in stored.tasks.values() {
            *counts.entry((task.terms.task_type.to_string(), task.status())).or_default() += 1;
        }
        let counts: Vec<_> = counts.into_iter().map(|((kind, status), tasks)| (kind, status, tasks)).collect();
        assert_eq!(stored.counts, counts, "each task is in one state");
        assert_eq!(stored.is_work_for_the_sweeper, !stored.due.is_empty());
    }

    /// No task, no key that one alone may have, and no more of a concurrency key than may, is anybody's twice.
    fn single_live_lease(&self) {
        self.check_claims();
        self.check_locks();
    }

    /// The counter is never below what it was drawn from: see [`Ledger::is_drawn`] for the rest.
    fn token_monotonicity(&self) {
        assert!(self.seen.last_token >= self.greatest, "the counter fell behind what was drawn");
    }

    /// A task was done once, or not at all.
    fn finish_once(&self, task: &Task) {
        let past = self.seen.attempts.values().filter(|past| past.task == task.id);
        let done = past.filter(|past| matches!(past.end, AttemptEnd::Succeeded { .. })).count();
        assert_eq!(done, usize::from(task.status() == Status::Succeeded), "done once or not at all: {task:?}");
    }

    /// Attempts rise by one with each claim, never beyond what is allowed; whoever has used them up is dead. The rank,
    /// by which claims go, is what priority and waiting make it.
    fn attempts(&self, task: &Task) {
        let sent = &self.tasks[&task.id];
        assert_eq!((task.priority, task.rank), (sent.priority, Self::rank_of(sent)), "{task:?} stands elsewhere");
        assert!(task.attempts_made <= task.attempts_allowed, "nothing is tried more often than it may be");
        // Past ones come by their tokens, so that these rise with the numbers.
        // One that was handed over goes on.
        let is_whole = |past: &&Attempt| !matches!(past.end, AttemptEnd::HandedOver { .. });
        let past = self.seen.attempts.values().filter(|past| past.task == task.id).filter(is_whole);
        let made = past.map(|past| past.number).chain(task.lease().map(|lease| lease.attempt));
        assert_eq!(made.collect::<Vec<_>>(), (1..=task.attempts_made).collect::<Vec<_>>(), "attempts rise by one");
        let harmful = self.harmful(&self.seen, task.id);
        match &task.state {
            TaskState::Dead { cause: DeathCause::AttemptsUsedUp, .. } => {
                assert_eq!(harmful, task.terms.retry.attempts_max(), "{task:?} was given up too early or too late");
            }
            TaskState::Ready { .. } | TaskState::Scheduled { .. } | TaskState::Leased(_) => {
                assert!(harmful < task.terms.retry.attempts_max(), "{task:?} was tried as often as it may be");
            }
            _ => {}
        }
    }

    /// What is written down of the past is what happened, and when it happened: nothing ended before its time, and what
    /// an agent was told stays so.
    fn history(&self, task: &Task) {
        if let Some(lease) = task.lease() {
            assert!(task.deadline.is_none_or(|deadline| lease.until <= deadline));
        }
        for past in self.seen.attempts.values().filter(|past| past.task == task.id) {
            let grant = &self.grants[&past.token];
            assert_eq!((past.task, &past.holder), (grant.task, &grant.holder));
            let session_until = self.seen.sessions[&past.holder.session];
            match past.end {
                AttemptEnd::Lapsed => assert_eq!(past.ended_at, grant.until),
                AttemptEnd::SessionDied => {
                    assert!(past.ended_at == session_until && session_until < grant.until, "{past:?}");
                }
                AttemptEnd::SessionClosed => assert_eq!(past.ended_at, session_until),
                _ => assert_eq!(grant.told.as_ref(), Some(past), "what was told stays"),
            }
        }
    }

    /// A task can be had only when everything it waits for has ended as it may; the number of those that have not is
    /// true; nothing waits for itself; and of those that have ended none keeps it to itself for ever.
    fn dependency(&self) {
        for task in self.seen.tasks.values() {
            assert!(!task.untold || task.status().is_ended(), "only what has ended has something to tell");
            self.check_dependencies(task);
        }
        let kept = self.tasks.iter().filter(|(_, sent)| !sent.is_gone);
        let edges = kept.flat_map(|(id, sent)| sent.depends_on.iter().map(|on| Edge { task: *id, depends_on: *on }));
        assert_eq!(self.seen.edges, edges.collect::<Vec<_>>());
        let mut open = self.seen.edges.clone();
        while !open.is_empty() {
            let waiting: BTreeSet<TaskId> = open.iter().map(|edge| edge.task).collect();
            let count = open.len();
            open.retain(|edge| waiting.contains(&edge.depends_on));
            assert!(open.len() < count, "nothing waits for itself: {open:?}");
        }
    }

    fn check_dependencies(&self, task: &Task) {
        let policy = task.terms.on_dependency_failure;
        let on: Vec<&Task> = self.tasks[&task.id].depends_on.iter().filter_map(|id| self.seen.tasks.get(id)).collect();
        if task.status().is_ended() && task.attempts_made == 0 {
            return;
        }
        let is_met = |on: &Task| {
            let is_over = on.status().is_ended() && !on.untold;
            is_over && (on.status() == Status::Succeeded || policy == OnDependencyFailure::Run)
        };
        let open = on.iter().filter(|on| !is_met(on)).count();
        match &task.state {
            TaskState::Blocked { pending } => {
                assert_eq!(*pending as usize, open, "{task:?} waits for {on:?}");
                assert!(open > 0);
                if policy == OnDependencyFailure::Cancel {
                    let has_failed = |on: &&&Task| on.status().is_ended() && on.status() != Status::Succeeded;
                    assert!(!on.iter().filter(has_failed).any(|on| !on.untold), "{task:?} was not told");
                }
            }
            // What runs in spite of a dead letter does not stop when that is tried again.
            _ if policy == OnDependencyFailure::Run => {}
            _ => assert_eq!(open, 0, "{task:?} comes before {on:?}"),
        }
        if !task.status().is_ended() {
            assert_eq!(on.len(), self.tasks[&task.id].depends_on.len(), "what it waits for was removed");
            assert!(task.terms.parent.is_none_or(|parent| self.seen.tasks.contains_key(&parent)));
        }
    }

    /// What is held is what was granted: no more, no less, each claim once.
    fn check_claims(&self) {
        let live: BTreeMap<TaskId, Token> =
            self.live_grants(&self.seen).map(|(token, grant)| (grant.task, token)).collect();
        assert_eq!(live.len(), self.live_grants(&self.seen).count(), "two have one task");
        let mut running: BTreeMap<_, u32> = BTreeMap::new();
        for task in self.seen.tasks.values() {
            let Some(lease) = task.lease() else {
                assert_eq!(live.get(&task.id), None, "a claim was lost: {task:?}");
                continue;
            };
            if let Some(concurrency) = &task.terms.concurrency {
                *running.entry(concurrency.key.clone()).or_default() += 1;
                assert!(running[&concurrency.key] <= concurrency.limit.number(), "more of a key than may");
            }
            let is_live = self.now < lease.until && self.seen.lives(&lease.holder.session, self.now);
            assert_eq!(live.get(&task.id), is_live.then_some(&lease.token), "{task:?} is held as was told");
            assert_eq!(self.grants[&lease.token].until, lease.until);
            assert!(!self.seen.attempts.contains_key(&lease.token), "one token, one claim");
        }
        assert_eq!(self.seen.running, running);
    }

    /// A task has all its locks while somebody works on it, and none afterwards.
    fn check_locks(&self) {
        let live: Vec<&Lease> =
            self.seen.leases.iter().filter(|stored| stored.is_live(self.now)).map(|stored| &stored.lease).collect();
        let mut of_tasks: BTreeSet<Token> = BTreeSet::new();
        for task in self.seen.tasks.values() {
            let (Some(lease), Some(wants)) = (task.lease(), &task.terms.resources) else { continue };
            of_tasks.extend(&lease.locks);
            if self.live_grant_of(&self.seen, task.id).is_none() {
                continue;
            }
            for want in wants.iter() {
                let is_it = |lock: &&&Lease| (&lock.key, lock.mode) == (&want.key, want.mode);
                let held = live.iter().filter(is_it).find(|lock| lease.locks.contains(&lock.token));
                let held = held.unwrap_or_else(|| panic!("{task:?} goes on without {want:?}"));
                assert_eq!(held.holder, lease.holder);
            }
        }
        for (at, one) in live.iter().enumerate() {
            let is_of_task = of_tasks.contains(&one.token);
            assert!(is_of_task || self.locks.contains(&one.token), "{one:?} outlives its task");
            for other in &live[at + 1..] {
                let is_apart = one.holder.session != other.holder.session;
                if is_apart || is_of_task || of_tasks.contains(&other.token) {
                    let (one, other) = ((one.key.as_str(), one.mode), (other.key.as_str(), other.mode));
                    assert!(!clash(one, other), "two hold what only one may: {one:?} and {other:?}");
                }
            }
        }
    }

    /// Whatever was committed has its line in the audit log and its fact, once, in order.
    fn atomic_side_effects(&self) {
        let newest = self.lines.iter().rev().take(LINES as usize);
        assert_eq!(self.seen.lines, newest.clone().cloned().collect::<Vec<_>>());
        assert_eq!(self.seen.subjects, newest.map(|(_, target)| target.clone()).collect::<Vec<_>>());
    }

    /// Nothing that time has changed is left as it was: what ran out is anybody's.
    pub(super) fn expiry_liveness(&self, stored: &Stored) {
        for task in stored.tasks.values() {
            let is_settled = match &task.state {
                TaskState::Leased(lease) => self.now < lease.until && stored.lives(&lease.holder.session, self.now),
                TaskState::Scheduled { until, .. } => *until > self.now && !task.is_overdue(self.now),
                TaskState::Ready { .. } | TaskState::Blocked { .. } => !task.is_overdue(self.now),
                _ => true,
            };
            assert!(is_settled, "nobody saw to {task:?}");
        }
    }

    /// Judges what was removed for its age.
    pub(crate) fn judge_pruned(&mut self, age: TimeDelta, after: Stored) {
        let before = self.now - age;
        let needed: BTreeSet<TaskId> = self
            .seen
            .tasks
            .values()
            .filter(|task| !task.status().is_ended() || task.status() == Status::Dead)
            .flat_map(|task| self.tasks[&task.id].depends_on.iter().copied().chain(task.terms.parent))
            .collect();
        for task in self.seen.tasks.values() {
            let is_old = match &task.state {
                TaskState::Succeeded { at } | TaskState::Cancelled { at, .. } | TaskState::Expired { at } => {
                    *at < before
                }
                _ => false,
            };
            if is_old && !task.untold && !needed.contains(&task.id) {
                self.tasks.get_mut(&task.id).unwrap().is_gone = true;
            }
        }
        let is_kept = |id: &TaskId| self.tasks.get(id).is_some_and(|sent| !sent.is_gone);
        let mut expected = self.seen.clone();
        expected.tasks.retain(|id, _| is_kept(id));
        expected.edges.retain(|edge| is_kept(&edge.task));
        expected.attempts.retain(|_, past| is_kept(&past.task));
        expected.counts.clone_from(&after.counts);
        assert_eq!(after, expected, "what is over goes, and nothing else");
        self.seen = after;
    }

    /// In the end everything has ended, but what waits for something that never came.
    pub(crate) fn check_drained(&self) {
        for task in self.seen.tasks.values() {
            assert!(!task.untold);
            if !task.status().is_ended() {
                let Sent { depends_on, .. } = &self.tasks[&task.id];
                let waits = depends_on.iter().any(|on| self.seen.tasks[on].status() != Status::Succeeded);
                assert!(task.status() == Status::Blocked && waits, "{task:?} is stuck");
            }
        }
        let of_tasks = self.seen.leases.iter().filter(|stored| !self.locks.contains(&stored.lease.token));
        assert_eq!(of_tasks.count(), 0, "no lock outlives its task");
    }
}
