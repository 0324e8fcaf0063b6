//! The work queue.
//!
//! What is held and what is due is found by partial indexes, and everything else by keys that are asked for one by one:
//! PostgreSQL keeps its plans, and those it made while the tables were empty would read them whole.

mod attempts;
mod content;
mod prune;
mod queue;
mod rows;
mod save;
mod schedules;

use crate::sea::clock::{StoreClock, from_us, to_us};
use crate::sea::dialect::Kind;
use crate::sea::error::corrupt;
use crate::sea::optimistic::NOW_US;
use crate::sea::unit::SeaUnitOfWork;
use crate::sea::work::attempts::{ATTEMPTS, AttemptRow, ResultRow};
use crate::sea::work::content::{ContentRow, TASKS, TitleRow};
use crate::sea::work::rows::{DEPENDENCIES, EdgeRow, STATES, TaskRow};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, SessionId, TaskId};
use domain::locks::lease::Token;
use domain::page::{Page, PageSize};
use domain::work::attempt::Attempt;
use domain::work::changes::Changes;
use domain::work::content::{Content, Payload, Title};
use domain::work::graph::Edge;
use domain::work::listing::{StatusCount, TaskCursor, TaskFilter};
use domain::work::name::ConcurrencyKey;
use domain::work::rank::Place;
use domain::work::task::Task;
use ports::store::StoreError;
use ports::work::{Candidates, TaskRepository};
use sea_orm::{FromQueryResult, Statement, Value};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Stands for the instant at which the lock table is read, where that is not known yet.
const OF_HEAD_US: i64 = i64::MIN;

/// A query for tasks out of one for their `id` and `state`. `$1` is the project.
fn with_terms(source: &str) -> String {
    format!(
        "SELECT s.id, s.state, (SELECT t.terms FROM tasks AS t WHERE t.project_id = $1 AND t.id = s.id) AS terms \
         FROM ({source}) AS s"
    )
}

/// Ids, each once.
fn uuids_of(ids: &[TaskId]) -> Vec<Uuid> {
    let ids: BTreeSet<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    ids.into_iter().collect()
}

#[derive(FromQueryResult)]
struct CountRow {
    n: i64,
}

#[derive(FromQueryResult)]
struct DependentsRow {
    id: Uuid,
    n: i64,
}

#[derive(FromQueryResult)]
struct AtRow {
    at_us: Option<i64>,
}

impl SeaUnitOfWork {
    /// The tasks whose `id` and `state` a query finds. `$1` is the project.
    async fn tasks(&mut self, source: &str, values: impl IntoIterator<Item = Value>) -> Result<Vec<Task>, StoreError> {
        let statement = self.statement(with_terms(source), values);
        let rows: Vec<TaskRow> = self.rows_ahead(statement, STATES).await?;
        self.read_rows(rows)
    }

    fn due_query(&self, project: &ProjectId, source: &str, now_us: i64, rows_max: u32) -> Statement {
        let values = [project.as_str().into(), now_us.into(), i64::from(rows_max).into()];
        self.statement(with_terms(source), values)
    }

    /// Notes the question for the tasks due at the instant at which the lock table is read.
    pub(super) fn note_tasks_due(&mut self, project: &ProjectId, rows_max: u32) {
        let source = queue::due(self.dialect);
        let query = self.due_query(project, &source, OF_HEAD_US, rows_max);
        let asked = match &self.clock {
            // The argument is named once more, or its type would not be known.
            StoreClock::Database => {
                let now = format!("({NOW_US} + 0 * $2)");
                self.due_query(project, &source.replace("$2", &now), 0, rows_max)
            }
            StoreClock::Given(clock) => self.due_query(project, &source, to_us(clock.now()), rows_max),
        };
        self.note_as(query, asked);
    }

    /// Reads rows of a table that stand beside some tasks.
    async fn beside_tasks<R: FromQueryResult + DeserializeOwned>(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
        table: &'static str,
        fields: &str,
        condition: &str,
    ) -> Result<Vec<R>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = uuids_of(ids);
        let records = self.dialect.elements("$2", Kind::Uuid);
        let condition = format!("found.project_id = $1 AND {condition}");
        let found = self.dialect.beside(&records, table, fields, &condition);
        let named: Vec<String> = fields.split(", ").map(|field| format!("found.{field}")).collect();
        let sql = format!("SELECT {} FROM {found}", named.join(", "));
        let statement = self.statement(sql, [project.as_str().into(), self.dialect.uuids(&ids)]);
        self.rows_ahead(statement, table).await
    }
}

#[async_trait]
impl TaskRepository for SeaUnitOfWork {
    async fn tasks_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Task>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = uuids_of(ids);
        let records = self.dialect.elements("$2", Kind::Uuid);
        let condition = "found.project_id = $1 AND found.id = r.value";
        let found = self.dialect.beside(&records, STATES, "id, state", condition);
        let values = [project.as_str().into(), self.dialect.uuids(&ids)];
        self.tasks(&format!("SELECT found.id, found.state FROM {found}"), values).await
    }

    async fn tasks_load_by_session(
        &mut self,
        project: &ProjectId,
        sessions: &[SessionId],
    ) -> Result<Vec<Task>, StoreError> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let sessions: BTreeSet<String> = sessions.iter().map(ToString::to_string).collect();
        let sessions: Vec<String> = sessions.into_iter().collect();
        let records = self.dialect.elements("$2", Kind::Text);
        let condition = "found.project_id = $1 AND found.session_id IS NOT NULL AND found.session_id = r.value";
        let found = self.dialect.beside(&records, STATES, "id, state", condition);
        let values = [project.as_str().into(), self.dialect.texts(&sessions)];
        self.tasks(&format!("SELECT found.id, found.state FROM {found}"), values).await
    }

    async fn tasks_claimable(
        &mut self,
        project: &ProjectId,
        candidates: Candidates<'_>,
    ) -> Result<Vec<Task>, StoreError> {
        let (source, values) = queue::claimable(self.dialect, project, candidates);
        let mut tasks = self.tasks(&source, values).await?;
        tasks.sort_unstable_by_key(Task::place);
        Ok(tasks)
    }

    async fn tasks_due(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Task>, StoreError> {
        let is_of_head = self.tables.get(project).is_some_and(|head| head.now == now);
        if is_of_head && self.has_ahead() {
            let query = self.due_query(project, &queue::due(self.dialect), OF_HEAD_US, rows_max);
            if let Some(rows) = self.take_ahead::<TaskRow>(&query, STATES)? {
                return self.read_rows(rows);
            }
        }
        let query = self.due_query(project, &queue::due(self.dialect), to_us(now), rows_max);
        let rows: Vec<TaskRow> = self.rows(query, STATES).await?;
        self.read_rows(rows)
    }

    async fn projects_with_tasks_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<ProjectId>, StoreError> {
        let values = [to_us(now).into(), i64::from(rows_max).into()];
        let statement = self.statement(queue::PROJECTS_DUE, values);
        let rows: Vec<queue::ProjectRow> = self.rows(statement, STATES).await?;
        self.read_rows(rows)
    }

    async fn tasks_next_due(&mut self, project: &ProjectId) -> Result<Option<DateTime<Utc>>, StoreError> {
        let statement = self.statement(queue::NEXT_DUE, [project.as_str().into()]);
        let row: Option<AtRow> = self.row(statement, STATES).await?;
        let Some(at_us) = row.and_then(|row| row.at_us) else { return Ok(None) };
        let at = from_us(at_us).ok_or_else(|| corrupt(STATES, "due_us", project, format!("{at_us} µs is no instant")));
        self.check(at).map(Some)
    }

    async fn tasks_running(&mut self, project: &ProjectId) -> Result<BTreeMap<ConcurrencyKey, u32>, StoreError> {
        let sql = "SELECT concurrency_key, count(*) AS n FROM task_states \
             WHERE project_id = $1 AND session_id IS NOT NULL AND concurrency_key IS NOT NULL GROUP BY concurrency_key";
        let statement = self.statement(sql, [project.as_str().into()]);
        let rows: Vec<queue::RunningRow> = self.rows_ahead(statement, STATES).await?;
        let running: Vec<(ConcurrencyKey, u32)> = self.read_rows(rows)?;
        Ok(running.into_iter().collect())
    }

    async fn tasks_running_of(
        &mut self,
        project: &ProjectId,
        key: &ConcurrencyKey,
        rows_max: u32,
    ) -> Result<Vec<Task>, StoreError> {
        let source = "SELECT id, state FROM task_states \
             WHERE project_id = $1 AND session_id IS NOT NULL AND concurrency_key IS NOT NULL AND concurrency_key = $2 \
             ORDER BY since_us LIMIT $3";
        let values = [project.as_str().into(), key.as_str().into(), i64::from(rows_max).into()];
        let mut tasks = self.tasks(source, values).await?;
        tasks.sort_by_key(|task| task.lease().map(|lease| lease.since));
        Ok(tasks)
    }

    async fn tasks_ahead(&mut self, project: &ProjectId, place: Place) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) AS n FROM task_states \
             WHERE project_id = $1 AND ready_rank_us IS NOT NULL AND (ready_rank_us, id) < ($2, $3)";
        let values = [project.as_str().into(), place.rank.micros().into(), place.task.uuid().into()];
        let statement = self.statement(sql, values);
        let row: Option<CountRow> = self.row(statement, STATES).await?;
        Ok(row.map_or(0, |row| row.n.unsigned_abs()))
    }

    async fn dependencies_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Edge>, StoreError> {
        let (fields, condition) = ("task_id, depends_on", "found.task_id = r.value");
        let rows: Vec<EdgeRow> = self.beside_tasks(project, ids, DEPENDENCIES, fields, condition).await?;
        Ok(rows.into_iter().map(Edge::from).collect())
    }

    async fn dependents_load(&mut self, project: &ProjectId, ids: &[TaskId]) -> Result<Vec<Edge>, StoreError> {
        let (fields, condition) = ("task_id, depends_on", "found.depends_on = r.value");
        let rows: Vec<EdgeRow> = self.beside_tasks(project, ids, DEPENDENCIES, fields, condition).await?;
        Ok(rows.into_iter().map(Edge::from).collect())
    }

    async fn dependents_count(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, u32>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!(
            "SELECT r.value AS id, (SELECT count(*) FROM task_dependencies AS d \
             WHERE d.project_id = $1 AND d.depends_on = r.value) AS n FROM {}",
            self.dialect.elements("$2", Kind::Uuid)
        );
        let statement = self.statement(sql, [project.as_str().into(), self.dialect.uuids(&uuids_of(ids))]);
        let rows: Vec<DependentsRow> = self.rows(statement, DEPENDENCIES).await?;
        let counts = rows.into_iter().map(|DependentsRow { id, n }| {
            u32::try_from(n).map(|n| (TaskId::new(id), n)).map_err(|error| corrupt(DEPENDENCIES, "count", id, error))
        });
        let counts: Result<BTreeMap<TaskId, u32>, StoreError> = counts.collect();
        let mut counts = self.check(counts)?;
        counts.retain(|_, n| *n > 0);
        Ok(counts)
    }

    async fn contents_load(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Content>, StoreError> {
        let (fields, condition) = ("id, title, description, input", "found.id = r.value");
        let rows: Vec<ContentRow> = self.beside_tasks(project, ids, TASKS, fields, condition).await?;
        let contents: Vec<(TaskId, Content)> = self.read_rows(rows)?;
        Ok(contents.into_iter().collect())
    }

    async fn titles_load(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Title>, StoreError> {
        let rows: Vec<TitleRow> = self.beside_tasks(project, ids, TASKS, "id, title", "found.id = r.value").await?;
        let titles: Vec<(TaskId, Title)> = self.read_rows(rows)?;
        Ok(titles.into_iter().collect())
    }

    async fn results_load(
        &mut self,
        project: &ProjectId,
        ids: &[TaskId],
    ) -> Result<BTreeMap<TaskId, Payload>, StoreError> {
        let (fields, condition) = ("task_id, result", "found.task_id = r.value AND found.result IS NOT NULL");
        let rows: Vec<ResultRow> = self.beside_tasks(project, ids, ATTEMPTS, fields, condition).await?;
        let results: Vec<(TaskId, Payload)> = self.read_rows(rows)?;
        Ok(results.into_iter().collect())
    }

    async fn attempts_load(&mut self, project: &ProjectId, tokens: &[Token]) -> Result<Vec<Attempt>, StoreError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let tokens: BTreeSet<i64> = tokens.iter().map(|token| token.value()).collect();
        let tokens: Vec<i64> = tokens.into_iter().collect();
        let records = self.dialect.elements("$2", Kind::Int);
        let condition = "found.project_id = $1 AND found.token = r.value";
        let found = self.dialect.beside(&records, ATTEMPTS, "token, attempt, result", condition);
        let values = [project.as_str().into(), self.dialect.ints(&tokens)];
        let statement = self.statement(format!("SELECT found.token, found.attempt, found.result FROM {found}"), values);
        let rows: Vec<AttemptRow> = self.rows(statement, ATTEMPTS).await?;
        self.read_rows(rows)
    }

    async fn attempts_list(
        &mut self,
        project: &ProjectId,
        task: TaskId,
        rows_max: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let sql = "SELECT token, attempt, result FROM task_attempts \
             WHERE project_id = $1 AND task_id = $2 ORDER BY number DESC, token DESC LIMIT $3";
        let values = [project.as_str().into(), task.uuid().into(), i64::from(rows_max).into()];
        let statement = self.statement(sql, values);
        let rows: Vec<AttemptRow> = self.rows(statement, ATTEMPTS).await?;
        self.read_rows(rows)
    }

    async fn task_list(
        &mut self,
        project: &ProjectId,
        filter: &TaskFilter,
        after: Option<TaskCursor>,
        size: PageSize,
    ) -> Result<Page<Task, TaskCursor>, StoreError> {
        let Some((source, values)) = queue::listed(self.dialect, project, filter, after, size) else {
            return Ok(Page { rows: Vec::new(), next: None });
        };
        let mut tasks = self.tasks(&source, values).await?;
        tasks.sort_unstable_by_key(|task| std::cmp::Reverse((task.terms.submitted_at, task.id)));
        Ok(Page::cut(tasks, size, TaskCursor::after))
    }

    async fn task_counts(&mut self, project: &ProjectId) -> Result<Vec<StatusCount>, StoreError> {
        let statement = self.statement(queue::COUNTS, [project.as_str().into()]);
        let rows: Vec<queue::StatusCountRow> = self.rows(statement, STATES).await?;
        self.read_rows(rows)
    }

    async fn tasks_save(&mut self, project: &ProjectId, changes: &Changes) -> Result<(), StoreError> {
        self.change_tasks(project, &changes.changed).await?;
        self.add_tasks(project, &changes.new).await?;
        self.add_attempts(project, &changes.attempts).await
    }

    async fn tasks_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        self.prune_tasks(before, rows_max).await
    }
}
