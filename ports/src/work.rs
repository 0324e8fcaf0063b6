//! The work queue.
//!
//! Whatever decides on tasks first locks the project's lock table ([`crate::locks::LockRepository::lock_table_lock`]):
//! claims draw their tokens from its counter and take their locks with the task, and what is read here after that stays
//! true until commit. In a unit of work that only reads, nothing is locked and everything is as of one instant.
//!
//! Tasks are loaded without their content (title, description, input) and without results: those are long, never
//! change, and have methods of their own. Wherever ids or tokens are given, unknown ones are passed over, and rows come
//! in no particular order unless one is promised.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, ScheduleId, SessionId, TaskId};
use domain::locks::lease::Token;
use domain::page::{Page, PageSize};
use domain::work::attempt::Attempt;
use domain::work::changes::Changes;
use domain::work::claim::ClaimFilter;
use domain::work::content::{Content, Payload, Title};
use domain::work::graph::Edge;
use domain::work::listing::{StatusCount, TaskCursor, TaskFilter};
use domain::work::name::{ConcurrencyKey, ScheduleName};
use domain::work::rank::Place;
use domain::work::schedule::Schedule;
use domain::work::task::Task;
use std::collections::BTreeMap;

/// Which ready tasks to look at for a claim.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    /// Which are wanted.
    pub filter: &'a ClaimFilter,
    /// How many of each concurrency key run, as [`TaskRepository::tasks_running`] has it: tasks whose key has reached
    /// their limit are left out, so that a long line of them hides nobody.
    pub running: &'a BTreeMap<ConcurrencyKey, u32>,
    /// Strictly behind this place; `None` from the beginning.
    pub after: Option<Place>,
    /// How many at most.
    pub rows_max: u32,
}

/// The tasks of every project.
#[async_trait]
pub trait TaskRepository {
    /// The tasks of these ids.
    async fn tasks_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Task>, StoreError>;

    /// The leased tasks of these sessions, lapsed ones included.
    async fn tasks_load_by_session(
        &mut self,
        project: &ProjectId,
        sessions: &[SessionId],
    ) -> Result<Vec<Task>, StoreError>;

    /// The ready tasks that a claim may take, by place, lowest first. MUST leave out none in between that the filter
    /// accepts and whose concurrency key has room, and MUST find its rows in that order by an index: neither finished
    /// nor scheduled nor blocked tasks may make it slower.
    async fn tasks_claimable(
        &mut self,
        project: &ProjectId,
        candidates: Candidates<'_>,
    ) -> Result<Vec<Task>, StoreError>;

    /// The tasks for which time has run out or come at an instant, at most `rows_max`: leased ones whose lease is over
    /// or whose session has ended by then, scheduled ones that may be claimed, waiting ones whose deadline has come, and
    /// ended ones that have yet to tell those that depend on them. MUST NOT pass any over for ever while others keep
    /// coming. An empty answer MUST cost next to nothing.
    async fn tasks_due(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Task>, StoreError>;

    /// The projects for which [`Self::tasks_due`] has something, at most `rows_max`: work for the sweeper.
    async fn projects_with_tasks_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<ProjectId>, StoreError>;

    /// When the next scheduled task of a project may be claimed, lease lapses or deadline comes, past instants
    /// included: how long whoever waits for work can sleep.
    async fn tasks_next_due(&mut self, project: &ProjectId) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// How many tasks of each concurrency key are leased, lapsed ones included. Keys with none are left out.
    async fn tasks_running(&mut self, project: &ProjectId) -> Result<BTreeMap<ConcurrencyKey, u32>, StoreError>;

    /// The leased tasks of a concurrency key, at most `rows_max`, longest held first.
    async fn tasks_running_of(
        &mut self,
        project: &ProjectId,
        key: &ConcurrencyKey,
        rows_max: u32,
    ) -> Result<Vec<Task>, StoreError>;

    /// How many ready tasks of a project stand before a place.
    async fn tasks_ahead(&mut self, project: &ProjectId, place: Place) -> Result<u64, StoreError>;

    /// What these tasks wait for.
    async fn dependencies_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Edge>, StoreError>;

    /// Who waits for these tasks: the edges alone. Every one of each task, of which there are at most
    /// `Dependencies::DEPENDENTS_MAX`.
    async fn dependents_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Edge>, StoreError>;

    /// How many wait for each of these tasks. Those for which nobody does may be left out.
    async fn dependents_count(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, u32>, StoreError>;

    /// What agents read of these tasks.
    async fn contents_load(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Content>, StoreError>;

    /// What these tasks are called, without the rest of their content, which can be long.
    async fn titles_load(&mut self, project: &ProjectId, ids: &[TaskId])
    -> Result<BTreeMap<TaskId, Title>, StoreError>;

    /// What came of these tasks: the results of those that succeeded with one.
    async fn results_load(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Payload>, StoreError>;

    /// The past attempts under these tokens, with their results.
    async fn attempts_load(&mut self, project: &ProjectId, tokens: &[Token]) -> Result<Vec<Attempt>, StoreError>;

    /// The past attempts of a task, newest first, with their results.
    async fn attempts_list(
        &mut self,
        project: &ProjectId,
        task: TaskId,
        rows_max: u32,
    ) -> Result<Vec<Attempt>, StoreError>;

    /// Lists tasks, newest first (by time of submission, then id), strictly older than the cursor.
    async fn task_list(
        &mut self,
        project: &ProjectId,
        filter: &TaskFilter,
        after: Option<TaskCursor>,
        size: PageSize,
    ) -> Result<Page<Task, TaskCursor>, StoreError>;

    /// How many tasks of each kind are in each state. Pairs with none are left out.
    async fn task_counts(&mut self, project: &ProjectId) -> Result<Vec<StatusCount>, StoreError>;

    /// Saves what a batch of decisions changed: new tasks with contents and edges, changed tasks, attempts. Of a changed
    /// task only what is not in its terms is written. MUST be [`StoreError::Conflict`] if a new id is taken, or if a
    /// changed task is not as it was loaded any more; MUST be [`StoreError::Failed`] if a task changes and the project's
    /// lock table was not locked before; and MUST keep two leases of one task impossible. To be called in the same unit
    /// of work as [`crate::locks::LockRepository::lock_table_save`], which guards the tokens.
    async fn tasks_save(&mut self, project: &ProjectId, changes: &Changes) -> Result<(), StoreError>;

    /// Deletes at most `rows_max` tasks that succeeded or were cancelled or expired before an instant, each with content,
    /// attempts and edges to what it waited for; answers how many. MUST pass over a task that one that has not ended or is
    /// a dead letter waits for or is part of, and one that has yet to tell those that wait for it. Dead letters stay until
    /// somebody looks after them, with what they need to be tried again.
    async fn tasks_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}

/// The schedules of every project.
#[async_trait]
pub trait ScheduleRepository {
    /// The schedule of this id. In a unit of work that may write, it stays as read until commit.
    async fn schedule_find(&mut self, project: &ProjectId, id: ScheduleId) -> Result<Option<Schedule>, StoreError>;

    /// The schedule of this name, if any.
    async fn schedule_find_named(
        &mut self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Option<Schedule>, StoreError>;

    /// Lists schedules by name, strictly after the cursor.
    async fn schedule_list(
        &mut self,
        project: &ProjectId,
        after: Option<&ScheduleName>,
        size: PageSize,
    ) -> Result<Page<Schedule, ScheduleName>, StoreError>;

    /// How many schedules a project has.
    async fn schedule_count(&mut self, project: &ProjectId) -> Result<u32, StoreError>;

    /// The schedules of all projects that are to fire by an instant, at most `rows_max`, longest due first. Those that
    /// rest are left out.
    async fn schedules_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, Schedule)>, StoreError>;

    /// Stores a new schedule. MUST be [`StoreError::Conflict`] if its id or its name is taken in the project.
    async fn schedule_add(&mut self, project: &ProjectId, schedule: &Schedule) -> Result<(), StoreError>;

    /// Stores a changed schedule. MUST be [`StoreError::Conflict`] unless the stored one has the revision right before:
    /// that is what lets each fire happen once, however many servers there are.
    async fn schedule_save(&mut self, project: &ProjectId, schedule: &Schedule) -> Result<(), StoreError>;

    /// Deletes a schedule; its tasks stay. False if there was none.
    async fn schedule_remove(&mut self, project: &ProjectId, id: ScheduleId) -> Result<bool, StoreError>;
}
