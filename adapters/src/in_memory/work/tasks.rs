//! Tasks, with contents, edges and attempts.

use super::next_at;
use crate::in_memory::{InMemoryUnitOfWork, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, SessionId, TaskId};
use domain::locks::lease::Token;
use domain::page::{Page, PageSize};
use domain::work::attempt::{Attempt, AttemptEnd};
use domain::work::changes::Changes;
use domain::work::content::{Content, Payload, Title};
use domain::work::graph::Edge;
use domain::work::listing::{StatusCount, TaskCursor, TaskFilter};
use domain::work::name::ConcurrencyKey;
use domain::work::rank::Place;
use domain::work::task::{Status, Task};
use ports::store::StoreError;
use ports::work::{Candidates, TaskRepository};
use std::collections::BTreeMap;
use std::sync::Arc;

fn key_of(task: &Task) -> Option<&ConcurrencyKey> {
    task.terms.concurrency.as_ref().map(|concurrency| &concurrency.key)
}

fn is_candidate(task: &Task, candidates: Candidates<'_>) -> bool {
    let Candidates { filter, running, after, rows_max: _ } = candidates;
    let has_room = task.terms.concurrency.as_ref().is_none_or(|concurrency| {
        running.get(&concurrency.key).copied().unwrap_or_default() < concurrency.limit.number()
    });
    task.status() == Status::Ready
        && after.is_none_or(|after| task.place() > after)
        && filter.accepts(&task.terms)
        && has_room
}

#[async_trait]
impl TaskRepository for InMemoryUnitOfWork {
    async fn tasks_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Task>, StoreError> {
        Ok(self.read().work.tasks(project).filter(|task| ids.contains(&task.id)).cloned().collect())
    }

    async fn tasks_load_by_session(
        &mut self,
        project: &ProjectId,
        sessions: &[SessionId],
    ) -> Result<Vec<Task>, StoreError> {
        let is_theirs = |task: &&Task| task.lease().is_some_and(|lease| sessions.contains(&lease.holder.session));
        Ok(self.read().work.tasks(project).filter(is_theirs).cloned().collect())
    }

    async fn tasks_claimable(
        &mut self,
        project: &ProjectId,
        candidates: Candidates<'_>,
    ) -> Result<Vec<Task>, StoreError> {
        let work = &self.read().work;
        let mut found: Vec<&Task> = work.tasks(project).filter(|task| is_candidate(task, candidates)).collect();
        found.sort_by_key(|task| task.place());
        Ok(found.into_iter().take(rows(candidates.rows_max)).cloned().collect())
    }

    async fn tasks_due(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Task>, StoreError> {
        let state = self.read();
        let due_at = |task| state.task_due_at(project, task).filter(|at| *at <= now);
        let mut due: Vec<(DateTime<Utc>, &Task)> =
            state.work.tasks(project).filter_map(|task| Some((due_at(task)?, task))).collect();
        due.sort_by_key(|(at, task)| (*at, task.id));
        Ok(due.into_iter().take(rows(rows_max)).map(|(_, task)| task.clone()).collect())
    }

    async fn projects_with_tasks_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<ProjectId>, StoreError> {
        let state = self.read();
        let is_due = |id, task| state.task_due_at(id, task).is_some_and(|at| at <= now);
        let projects =
            state.work.projects.iter().filter(|(id, table)| table.tasks.values().any(|task| is_due(id, task)));
        Ok(projects.take(rows(rows_max)).map(|(id, _)| id.clone()).collect())
    }

    async fn tasks_next_due(&mut self, project: &ProjectId) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(self.read().work.tasks(project).filter_map(next_at).min())
    }

    async fn tasks_running(&mut self, project: &ProjectId) -> Result<BTreeMap<ConcurrencyKey, u32>, StoreError> {
        let mut running: BTreeMap<ConcurrencyKey, u32> = BTreeMap::new();
        for key in self.read().work.tasks(project).filter(|task| task.lease().is_some()).filter_map(key_of) {
            *running.entry(key.clone()).or_default() += 1;
        }
        Ok(running)
    }

    async fn tasks_running_of(
        &mut self,
        project: &ProjectId,
        key: &ConcurrencyKey,
        rows_max: u32,
    ) -> Result<Vec<Task>, StoreError> {
        let of_key = self.read().work.tasks(project).filter(|task| task.lease().is_some() && key_of(task) == Some(key));
        let mut running: Vec<&Task> = of_key.collect();
        running.sort_by_key(|task| task.lease().map(|lease| (lease.since, lease.token)));
        Ok(running.into_iter().take(rows(rows_max)).cloned().collect())
    }

    async fn tasks_ahead(&mut self, project: &ProjectId, place: Place) -> Result<u64, StoreError> {
        let ready = self.read().work.tasks(project).filter(|task| task.status() == Status::Ready);
        Ok(ready.filter(|task| task.place() < place).count() as u64)
    }

    async fn dependencies_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Edge>, StoreError> {
        Ok(self.read().work.edges(project).filter(|edge| ids.contains(&edge.task)).copied().collect())
    }

    async fn dependents_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Edge>, StoreError> {
        Ok(self.read().work.edges(project).filter(|edge| ids.contains(&edge.depends_on)).copied().collect())
    }

    async fn dependents_count(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, u32>, StoreError> {
        let mut counts: BTreeMap<TaskId, u32> = BTreeMap::new();
        for edge in self.read().work.edges(project).filter(|edge| ids.contains(&edge.depends_on)) {
            *counts.entry(edge.depends_on).or_default() += 1;
        }
        Ok(counts)
    }

    async fn contents_load(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Content>, StoreError> {
        let table = self.read().work.projects.get(project);
        let contents = table.into_iter().flat_map(|table| &table.contents).filter(|(id, _)| ids.contains(id));
        Ok(contents.map(|(id, content)| (*id, content.as_ref().clone())).collect())
    }

    async fn titles_load(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Title>, StoreError> {
        let table = self.read().work.projects.get(project);
        let contents = table.into_iter().flat_map(|table| &table.contents).filter(|(id, _)| ids.contains(id));
        Ok(contents.map(|(id, content)| (*id, content.title.clone())).collect())
    }

    async fn results_load(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Payload>, StoreError> {
        let attempts = self.read().work.attempts(project).filter(|attempt| ids.contains(&attempt.task));
        let results = attempts.filter_map(|attempt| match &attempt.end {
            AttemptEnd::Succeeded { result } => Some((attempt.task, result.clone()?)),
            _ => None,
        });
        Ok(results.collect())
    }

    async fn attempts_load(&mut self, project: &ProjectId, tokens: &[Token]) -> Result<Vec<Attempt>, StoreError> {
        Ok(self.read().work.attempts(project).filter(|attempt| tokens.contains(&attempt.token)).cloned().collect())
    }

    async fn attempts_list(
        &mut self,
        project: &ProjectId,
        task: TaskId,
        rows_max: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let of_task = self.read().work.attempts(project).rev().filter(|attempt| attempt.task == task);
        Ok(of_task.take(rows(rows_max)).cloned().collect())
    }

    async fn task_list(
        &mut self,
        project: &ProjectId,
        filter: &TaskFilter,
        after: Option<TaskCursor>,
        size: PageSize,
    ) -> Result<Page<Task, TaskCursor>, StoreError> {
        let age = |cursor: TaskCursor| (cursor.submitted_at, cursor.id);
        let is_older = |task: &Task| after.is_none_or(|after| age(TaskCursor::after(task)) < age(after));
        let tasks = self.read().work.tasks(project).filter(|task| filter.accepts(task) && is_older(task));
        let mut found: Vec<&Task> = tasks.collect();
        found.sort_by_key(|task| std::cmp::Reverse(age(TaskCursor::after(task))));
        let found = found.into_iter().take(rows(size.rows()) + 1).cloned().collect();
        Ok(Page::cut(found, size, TaskCursor::after))
    }

    async fn task_counts(&mut self, project: &ProjectId) -> Result<Vec<StatusCount>, StoreError> {
        let mut counts = BTreeMap::new();
        for task in self.read().work.tasks(project) {
            *counts.entry((&task.terms.task_type, task.status())).or_default() += 1;
        }
        let count = |((task_type, status), tasks): ((&_, _), _)| StatusCount {
            task_type: Clone::clone(task_type),
            status,
            tasks,
        };
        Ok(counts.into_iter().map(count).collect())
    }

    async fn tasks_save(&mut self, project: &ProjectId, changes: &Changes) -> Result<(), StoreError> {
        let is_locked = self.locked.contains_key(project);
        let table = Arc::make_mut(&mut self.write()?.work).projects.entry(project.clone()).or_default();
        if !is_locked && !changes.changed.is_empty() {
            let why = "a project's lock table must be locked before a task of it is changed";
            return Err(StoreError::Failed(why.into()));
        }
        Arc::make_mut(table).apply(changes)?;
        self.wrote();
        Ok(())
    }

    async fn tasks_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let mut pruned = 0;
        for table in Arc::make_mut(&mut self.write()?.work).projects.values_mut() {
            let old = table.prunable(before, rows(rows_max) - pruned);
            pruned += old.len();
            if !old.is_empty() {
                Arc::make_mut(table).remove(&old);
            }
        }
        self.wrote();
        Ok(pruned as u64)
    }
}
