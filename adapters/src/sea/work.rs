//! The work queue.

use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, ScheduleId, SessionId, TaskId};
use domain::locks::lease::Token;
use domain::page::{Page, PageSize};
use domain::work::attempt::Attempt;
use domain::work::changes::Changes;
use domain::work::content::{Content, Payload};
use domain::work::graph::Edge;
use domain::work::listing::{StatusCount, TaskCursor, TaskFilter};
use domain::work::name::{ConcurrencyKey, ScheduleName};
use domain::work::rank::Place;
use domain::work::schedule::Schedule;
use domain::work::task::Task;
use ports::store::StoreError;
use std::collections::BTreeMap;

use ports::work::{Candidates, ScheduleRepository, TaskRepository};

#[async_trait]
impl TaskRepository for SeaUnitOfWork {
    async fn tasks_load(&mut self, _project: &ProjectId, _ids: &[TaskId]) -> Result<Vec<Task>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn tasks_load_by_session(
        &mut self,
        _project: &ProjectId,
        _sessions: &[SessionId],
    ) -> Result<Vec<Task>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn tasks_claimable(
        &mut self,
        _project: &ProjectId,
        _candidates: Candidates<'_>,
    ) -> Result<Vec<Task>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn tasks_due(
        &mut self,
        _project: &ProjectId,
        _now: DateTime<Utc>,
        _rows_max: u32,
    ) -> Result<Vec<Task>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn projects_with_tasks_due(
        &mut self,
        _now: DateTime<Utc>,
        _rows_max: u32,
    ) -> Result<Vec<ProjectId>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn tasks_next_due(&mut self, _project: &ProjectId) -> Result<Option<DateTime<Utc>>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn tasks_running(&mut self, _project: &ProjectId) -> Result<BTreeMap<ConcurrencyKey, u32>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn tasks_running_of(
        &mut self,
        _project: &ProjectId,
        _key: &ConcurrencyKey,
        _rows_max: u32,
    ) -> Result<Vec<Task>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn tasks_ahead(&mut self, _project: &ProjectId, _place: Place) -> Result<u64, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn dependencies_load(&mut self, _project: &ProjectId, _ids: &[TaskId]) -> Result<Vec<Edge>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn dependents_load(&mut self, _project: &ProjectId, _ids: &[TaskId]) -> Result<Vec<Edge>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn dependents_count(
        &mut self,
        _project: &ProjectId,
        _ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, u32>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn contents_load(
        &mut self,
        _project: &ProjectId,
        _ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Content>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn results_load(
        &mut self,
        _project: &ProjectId,
        _ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Payload>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn attempts_load(&mut self, _project: &ProjectId, _tokens: &[Token]) -> Result<Vec<Attempt>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn attempts_list(
        &mut self,
        _project: &ProjectId,
        _task: TaskId,
        _rows_max: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn task_list(
        &mut self,
        _project: &ProjectId,
        _filter: &TaskFilter,
        _after: Option<TaskCursor>,
        _size: PageSize,
    ) -> Result<Page<Task, TaskCursor>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn task_counts(&mut self, _project: &ProjectId) -> Result<Vec<StatusCount>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn tasks_save(&mut self, _project: &ProjectId, _changes: &Changes) -> Result<(), StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }
    async fn tasks_prune(&mut self, _before: DateTime<Utc>, _rows_max: u32) -> Result<u64, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }
}

#[async_trait]
impl ScheduleRepository for SeaUnitOfWork {
    async fn schedule_find(&mut self, _project: &ProjectId, _id: ScheduleId) -> Result<Option<Schedule>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn schedule_find_named(
        &mut self,
        _project: &ProjectId,
        _name: &ScheduleName,
    ) -> Result<Option<Schedule>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn schedule_list(
        &mut self,
        _project: &ProjectId,
        _after: Option<&ScheduleName>,
        _size: PageSize,
    ) -> Result<Page<Schedule, ScheduleName>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn schedule_count(&mut self, _project: &ProjectId) -> Result<u32, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn schedules_due(
        &mut self,
        _now: DateTime<Utc>,
        _rows_max: u32,
    ) -> Result<Vec<(ProjectId, Schedule)>, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn schedule_add(&mut self, _project: &ProjectId, _schedule: &Schedule) -> Result<(), StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }

    async fn schedule_save(&mut self, _project: &ProjectId, _schedule: &Schedule) -> Result<(), StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }
    async fn schedule_remove(&mut self, _project: &ProjectId, _id: ScheduleId) -> Result<bool, StoreError> {
        Err(StoreError::Failed("not stored yet".into()))
    }
}
