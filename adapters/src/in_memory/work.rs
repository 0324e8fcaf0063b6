//! The work queue, by project.

mod schedules;
mod tasks;

use super::{State, conflict};
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, ScheduleId, TaskId};
use domain::locks::lease::Token;
use domain::work::attempt::Attempt;
use domain::work::changes::{ChangedTask, Changes, NewTask};
use domain::work::content::Content;
use domain::work::graph::Edge;
use domain::work::schedule::Schedule;
use domain::work::task::{Status, Task, TaskState};
use ports::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Default)]
pub(super) struct Table {
    projects: BTreeMap<ProjectId, Arc<ProjectTable>>,
    schedules: BTreeMap<ProjectId, BTreeMap<ScheduleId, Schedule>>,
}

#[derive(Clone, Default)]
struct ProjectTable {
    tasks: BTreeMap<TaskId, Task>,
    contents: BTreeMap<TaskId, Arc<Content>>,
    edges: BTreeSet<Edge>,
    attempts: BTreeMap<Token, Attempt>,
}

impl Table {
    pub(super) fn tasks(&self, project: &ProjectId) -> impl Iterator<Item = &Task> {
        self.projects.get(project).into_iter().flat_map(|table| table.tasks.values())
    }

    fn edges(&self, project: &ProjectId) -> impl Iterator<Item = &Edge> {
        self.projects.get(project).into_iter().flat_map(|table| &table.edges)
    }

    fn attempts(&self, project: &ProjectId) -> impl DoubleEndedIterator<Item = &Attempt> {
        self.projects.get(project).into_iter().flat_map(|table| table.attempts.values())
    }

    fn schedules(&self, project: &ProjectId) -> impl Iterator<Item = &Schedule> {
        self.schedules.get(project).into_iter().flat_map(BTreeMap::values)
    }
}

impl ProjectTable {
    fn apply(&mut self, changes: &Changes) -> Result<(), StoreError> {
        for NewTask { task, content, depends_on } in &changes.new {
            if self.tasks.insert(task.id, task.clone()).is_some() {
                return conflict("task");
            }
            self.contents.insert(task.id, Arc::new(content.clone()));
            self.edges.extend(depends_on.iter().map(|on| Edge { task: task.id, depends_on: *on }));
        }
        for ChangedTask { before, after } in &changes.changed {
            match self.tasks.get_mut(&after.id) {
                Some(stored) if stored == before => {
                    *stored = Task { terms: Arc::clone(&stored.terms), ..after.clone() };
                }
                Some(_) | None => return conflict("task"),
            }
        }
        for attempt in &changes.attempts {
            if self.attempts.insert(attempt.token, attempt.clone()).is_some() {
                return conflict("attempt");
            }
        }
        Ok(())
    }

    /// The tasks that ended longest ago, before an instant, and that nobody needs any more.
    fn prunable(&self, before: DateTime<Utc>, rows_max: usize) -> BTreeSet<TaskId> {
        // A dead letter may be tried again, and then needs the results of what it waited for.
        let may_run = |task: &Task| !task.status().is_ended() || task.status() == Status::Dead;
        let needs = |id: &TaskId| self.tasks.get(id).is_some_and(may_run);
        let awaited = self.edges.iter().filter(|edge| needs(&edge.task)).map(|edge| edge.depends_on);
        let parents = self.tasks.values().filter(|task| may_run(task)).filter_map(|task| task.terms.parent);
        let needed: BTreeSet<TaskId> = awaited.chain(parents).collect();
        let is_over = |task: &&Task| task.status() != Status::Dead && !task.untold && !needed.contains(&task.id);
        let ends = self.tasks.values().filter(is_over).filter_map(|task| Some((ended_at(task)?, task.id)));
        let mut old: Vec<(DateTime<Utc>, TaskId)> = ends.filter(|(at, _)| *at < before).collect();
        old.sort_unstable();
        old.into_iter().take(rows_max).map(|(_, id)| id).collect()
    }

    fn remove(&mut self, ids: &BTreeSet<TaskId>) {
        self.tasks.retain(|id, _| !ids.contains(id));
        self.contents.retain(|id, _| !ids.contains(id));
        self.edges.retain(|edge| !ids.contains(&edge.task));
        self.attempts.retain(|_, attempt| !ids.contains(&attempt.task));
    }
}

impl State {
    /// Since when a task waits for somebody to see to it, or from when on it will.
    fn task_due_at(&self, project: &ProjectId, task: &Task) -> Option<DateTime<Utc>> {
        match &task.state {
            TaskState::Leased(lease) => {
                let session_until = self.session_until(project, &lease.holder.session);
                Some(session_until.map_or(lease.until, |end| end.min(lease.until)))
            }
            _ if task.untold => ended_at(task),
            _ => next_at(task),
        }
    }
}

/// When a task will be changed by time alone.
fn next_at(task: &Task) -> Option<DateTime<Utc>> {
    match &task.state {
        TaskState::Leased(lease) => Some(lease.until),
        TaskState::Scheduled { until, .. } => Some(task.deadline.map_or(*until, |deadline| deadline.min(*until))),
        TaskState::Ready { .. } | TaskState::Blocked { .. } => task.deadline,
        TaskState::Succeeded { .. }
        | TaskState::Dead { .. }
        | TaskState::Cancelled { .. }
        | TaskState::Expired { .. } => None,
    }
}

fn ended_at(task: &Task) -> Option<DateTime<Utc>> {
    match &task.state {
        TaskState::Succeeded { at }
        | TaskState::Dead { at, .. }
        | TaskState::Cancelled { at, .. }
        | TaskState::Expired { at } => Some(*at),
        TaskState::Ready { .. } | TaskState::Scheduled { .. } | TaskState::Blocked { .. } | TaskState::Leased(_) => {
            None
        }
    }
}
