//! Handing work in.

use super::WorkTable;
use crate::ids::TaskId;
use crate::work::event::{What, WorkEvent};
use crate::work::name::LocalName;
use crate::work::order::in_order;
use crate::work::rank::{Rank, is_within_reach};
use crate::work::refusal::{FaultAt, SubmissionFault, WorkRefusal};
use crate::work::submission::{Dependencies, Submission, Submit, TaskDraft, TaskRef, Together};
use crate::work::task::{CancelCause, Status, Task, TaskState};
use crate::work::terms::OnDependencyFailure;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tasks of a call, and what is wrong with each.
struct Call<'a> {
    items: &'a [Submission],
    at: BTreeMap<&'a LocalName, usize>,
    faults: Vec<Option<SubmissionFault>>,
}

impl WorkTable {
    /// Hands tasks in: all or nothing, or each for itself. Answers them in the order given.
    ///
    /// A task that depends on one that failed already is treated as if that one had failed a moment later: by its own
    /// policy.
    pub fn submit(&mut self, submit: &Submit) -> Result<Vec<Result<Task, SubmissionFault>>, WorkRefusal> {
        let mut call = Call::new(submit.items());
        for (index, item) in call.items.iter().enumerate() {
            if let Some(fault) = self.fault(&call, item) {
                call.blame(index, fault);
            }
        }
        self.limit_dependents(&mut call);
        let order = call.straighten();
        call.spread();
        if submit.together() == Together::AllOrNothing {
            let faults = call.faults.iter().enumerate();
            let faults: Vec<FaultAt> =
                faults.filter_map(|(index, fault)| fault.clone().map(|fault| FaultAt { index, fault })).collect();
            if !faults.is_empty() {
                return Err(WorkRefusal::Submission { faults });
            }
        }
        for index in order {
            if let (Some(item), Some(None)) = (call.items.get(index), call.faults.get(index)) {
                self.add(&call, item, submit);
            }
        }
        let Call { items, faults, .. } = call;
        let answers = items.iter().zip(faults).map(|(item, fault)| match fault {
            Some(fault) => Ok(Err(fault)),
            None => self.known(item.id).cloned().map(Ok),
        });
        answers.collect()
    }

    /// What is wrong with a task by itself.
    fn fault(&self, call: &Call<'_>, item: &Submission) -> Option<SubmissionFault> {
        let is_there = |other: &&TaskRef| match other {
            TaskRef::Known(id) => self.tasks.contains_key(id) && !self.new.contains_key(id),
            TaskRef::Local(name) => call.at.contains_key(name),
        };
        let is_missing = |other: &&TaskRef| !is_there(other);
        if let Some(on) = item.depends_on.iter().find(is_missing) {
            return Some(SubmissionFault::UnknownDependency { on: on.clone() });
        }
        if let Some(parent) = item.parent.as_ref().filter(is_missing) {
            return Some(SubmissionFault::UnknownParent { parent: parent.clone() });
        }
        times_fault(&item.draft, self.now)
    }

    fn limit_dependents(&self, call: &mut Call<'_>) {
        let mut counts: BTreeMap<TaskId, usize> = BTreeMap::new();
        for (index, item) in call.items.iter().enumerate() {
            let known: Vec<TaskId> = item.depends_on.iter().filter_map(known_id).collect();
            if call.faults.get(index).is_some_and(Option::is_some) {
                continue;
            }
            let count = |id: &TaskId| counts.get(id).copied().unwrap_or_else(|| self.count_dependents(*id));
            if let Some(full) = known.iter().find(|id| count(id) >= Dependencies::DEPENDENTS_MAX) {
                call.blame(index, SubmissionFault::TooManyDependents { on: TaskRef::Known(*full) });
                continue;
            }
            let raised: Vec<(TaskId, usize)> = known.iter().map(|id| (*id, count(id) + 1)).collect();
            counts.extend(raised);
        }
    }

    fn count_dependents(&self, id: TaskId) -> usize {
        let counted = || self.dependent_counts.get(&id).map_or(0, |count| *count as usize);
        self.dependents.get(&id).map_or_else(counted, Vec::len)
    }

    /// Adds a task whose dependencies are all in the table.
    fn add(&mut self, call: &Call<'_>, item: &Submission, submit: &Submit) {
        let depends_on: Vec<TaskId> = item.depends_on.iter().filter_map(|other| call.resolve(other)).collect();
        let parent = item.parent.as_ref().and_then(|parent| call.resolve(parent));
        let draft = &item.draft;
        let terms = Arc::new(draft.terms(parent, submit.by(), self.now));
        let waits_from = draft.not_before.map_or(self.now, |at| at.max(self.now));
        let mut task = Task {
            id: item.id,
            priority: draft.priority,
            rank: Rank::new(waits_from, draft.priority),
            not_before: draft.not_before,
            deadline: draft.deadline,
            attempts_made: 0,
            attempts_allowed: terms.retry.attempts_max(),
            state: TaskState::Ready { since: self.now },
            untold: false,
            terms,
        };
        task.state = self.first_state(&task, &depends_on);
        for id in &depends_on {
            match self.dependents.get_mut(id) {
                Some(dependents) => dependents.push(item.id),
                None => *self.dependent_counts.entry(*id).or_default() += 1,
            }
        }
        self.dependents.insert(item.id, Vec::new());
        self.new.insert(item.id, (draft.content.clone(), depends_on));
        self.put(task.clone());
        self.events.push(WorkEvent { what: What::Submitted, before: None, after: task, attempt: None });
    }

    fn first_state(&self, task: &Task, depends_on: &[TaskId]) -> TaskState {
        let mut pending = 0;
        for other in depends_on.iter().filter_map(|id| self.tasks.get(id)) {
            // One that ended and has yet to tell will tell this one too.
            let is_over = other.status().is_ended() && !other.untold;
            match task.terms.on_dependency_failure {
                _ if is_over && other.status() == Status::Succeeded => {}
                OnDependencyFailure::Run if is_over => {}
                OnDependencyFailure::Cancel if is_over => {
                    let cause = CancelCause::Dependency { task: other.id, with_dependents: false };
                    return TaskState::Cancelled { at: self.now, cause };
                }
                OnDependencyFailure::Run | OnDependencyFailure::Cancel | OnDependencyFailure::Block => pending += 1,
            }
        }
        if pending > 0 { TaskState::Blocked { pending } } else { self.waiting(task) }
    }
}

impl<'a> Call<'a> {
    fn new(items: &'a [Submission]) -> Self {
        let mut call = Self { items, at: BTreeMap::new(), faults: vec![None; items.len()] };
        for (index, item) in items.iter().enumerate() {
            let Some(name) = &item.name else { continue };
            if call.at.contains_key(name) {
                call.blame(index, SubmissionFault::NameTaken { name: name.clone() });
            } else {
                call.at.insert(name, index);
            }
        }
        call
    }

    /// Remembers the first fault of a task.
    fn blame(&mut self, index: usize, fault: SubmissionFault) {
        if let Some(slot) = self.faults.get_mut(index) {
            slot.get_or_insert(fault);
        }
    }

    fn resolve(&self, other: &TaskRef) -> Option<TaskId> {
        match other {
            TaskRef::Known(id) => Some(*id),
            TaskRef::Local(name) => self.index(name).and_then(|index| self.items.get(index)).map(|item| item.id),
        }
    }

    fn index(&self, name: &LocalName) -> Option<usize> {
        self.at.get(name).copied()
    }

    fn local<'b>(&'b self, others: impl Iterator<Item = &'b TaskRef>) -> Vec<usize> {
        let local = others.filter_map(|other| match other {
            TaskRef::Local(name) => self.index(name),
            TaskRef::Known(_) => None,
        });
        local.collect()
    }

    /// Finds every circle, blames those in it, and answers the order of the rest: needs first.
    fn straighten(&mut self) -> Vec<usize> {
        let parents: Vec<Vec<usize>> = self.items.iter().map(|item| self.local(item.parent.iter())).collect();
        self.open_circles(parents, |cycle| SubmissionFault::ParentCycle { cycle });
        let needs: Vec<Vec<usize>> = self.items.iter().map(|item| self.local(item.depends_on.iter())).collect();
        self.open_circles(needs, |cycle| SubmissionFault::Cycle { cycle })
    }

    fn open_circles(
        &mut self,
        mut edges: Vec<Vec<usize>>,
        fault: impl Fn(Vec<LocalName>) -> SubmissionFault,
    ) -> Vec<usize> {
        loop {
            match in_order(&edges) {
                Ok(order) => return order,
                Err(circle) => {
                    let name = |index: &usize| self.items.get(*index).and_then(|item| item.name.clone());
                    let names: Vec<LocalName> = circle.iter().filter_map(name).collect();
                    for (turn, index) in circle.into_iter().enumerate() {
                        let mut cycle = names.clone();
                        cycle.rotate_left(turn.min(names.len()));
                        self.blame(index, fault(cycle));
                        if let Some(needs) = edges.get_mut(index) {
                            needs.clear();
                        }
                    }
                }
            }
        }
    }

    /// Whatever names a refused task is refused too.
    fn spread(&mut self) {
        let mut named_by: Vec<Vec<usize>> = vec![Vec::new(); self.items.len()];
        for (index, item) in self.items.iter().enumerate() {
            for named in self.local(item.depends_on.iter().chain(&item.parent)) {
                if let Some(names) = named_by.get_mut(named) {
                    names.push(index);
                }
            }
        }
        let mut refused: Vec<usize> = (0..self.items.len()).filter(|index| self.faults[*index].is_some()).collect();
        while let Some(index) = refused.pop() {
            let Some(name) = self.items.get(index).and_then(|item| item.name.clone()) else { continue };
            // A second task of the same name is refused, but nobody means that one.
            if self.index(&name) != Some(index) {
                continue;
            }
            for other in named_by.get(index).cloned().unwrap_or_default() {
                if self.faults.get(other).is_some_and(Option::is_none) {
                    self.blame(other, SubmissionFault::DependencyRefused { name: name.clone() });
                    refused.push(other);
                }
            }
        }
    }
}

fn known_id(other: &TaskRef) -> Option<TaskId> {
    match other {
        TaskRef::Known(id) => Some(*id),
        TaskRef::Local(_) => None,
    }
}

fn times_fault(draft: &TaskDraft, now: DateTime<Utc>) -> Option<SubmissionFault> {
    let times = [draft.not_before, draft.deadline];
    if let Some(at) = times.into_iter().flatten().find(|at| !is_within_reach(*at, now)) {
        return Some(SubmissionFault::TooFarAhead { at });
    }
    let start = draft.not_before.map_or(now, |at| at.max(now));
    draft.deadline.filter(|deadline| *deadline <= start).map(|deadline| SubmissionFault::DeadlineTooEarly { deadline })
}
