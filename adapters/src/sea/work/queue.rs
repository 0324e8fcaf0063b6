//! The questions whose answers stand in an order: what can be claimed, what is due, what is listed.

use crate::sea::clock::to_us;
use crate::sea::dialect::{Dialect, Kind};
use crate::sea::error::{UnknownValue, corrupt};
use crate::sea::work::rows::{STATES, label_text};
use domain::ids::ProjectId;
use domain::page::PageSize;
use domain::work::listing::{StatusCount, TaskCursor, TaskFilter};
use domain::work::name::{ConcurrencyKey, TaskType};
use domain::work::task::Status;
use ports::store::StoreError;
use ports::work::Candidates;
use sea_orm::{FromQueryResult, Value};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// Binds values one after another.
#[derive(Default)]
struct Binder(Vec<Value>);

impl Binder {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }
}

/// The ready tasks that a claim may take, by place. The text depends on what is asked for, never on how much.
pub(super) fn claimable(dialect: Dialect, project: &ProjectId, candidates: Candidates<'_>) -> (String, Vec<Value>) {
    let Candidates { filter, running, after, rows_max } = candidates;
    let mut binder = Binder::default();
    let project = binder.bind(project.as_str());
    let (rank, task) = after.map_or((i64::MIN, Uuid::nil()), |place| (place.rank.micros(), place.task.uuid()));
    let (rank, task, rows_max) = (binder.bind(rank), binder.bind(task), binder.bind(i64::from(rows_max)));
    let mut conditions = vec![format!(
        "s.project_id = {project} AND s.ready_rank_us IS NOT NULL AND (s.ready_rank_us, s.id) > ({rank}, {task})"
    )];
    if !filter.labels().is_empty() {
        let labels: Vec<String> = filter.labels().iter().map(|label| label_text([label].into_iter())).collect();
        let labels = dialect.elements(&binder.bind(dialect.texts(&labels)), Kind::Text);
        let position = dialect.position();
        conditions.push(format!("(SELECT count(*) FROM {labels} WHERE {position}(s.labels, r.value) = 0) = 0"));
    }
    if !running.is_empty() {
        let running = binder.bind(json!(running));
        conditions.push(format!(
            "(s.concurrency_key IS NULL \
             OR COALESCE(CAST({running} ->> s.concurrency_key AS bigint), 0) < s.concurrency_limit)"
        ));
    }
    let condition = conditions.join(" AND ");
    let order = format!("ORDER BY s.ready_rank_us, s.id LIMIT {rows_max}");
    let source = if filter.types().is_empty() {
        format!("SELECT s.id, s.state FROM task_states AS s WHERE {condition} {order}")
    } else {
        let types: Vec<String> = filter.types().iter().map(ToString::to_string).collect();
        let types = binder.bind(dialect.texts(&types));
        let each = dialect.first_of_each(
            &dialect.elements(&types, Kind::Text),
            STATES,
            "s.id, s.state, s.ready_rank_us",
            &format!("{condition} AND s.task_type = r.value"),
            &order,
        );
        format!("SELECT s.id, s.state FROM {each} {order}")
    };
    (source, binder.0)
}

/// The tasks for which time has run out or come by `$2`, at most `$3`, longest due first. The sessions that have died
/// are looked for among those whose end is not written down, of which there are as many as agents.
pub(super) fn due(dialect: Dialect) -> String {
    let dead = "(SELECT id, live_until_us FROM sessions \
         WHERE project_id = $1 AND ended_at_us IS NULL AND live_until_us <= $2) AS r";
    // Said the other way round, `due_us > $2`, SQLite would look through all that is due later.
    let theirs = "found.project_id = $1 AND found.session_id IS NOT NULL AND found.session_id = r.id \
         AND NOT (found.due_us <= $2)";
    let orphaned = dialect.beside(dead, STATES, "id, state, due_us", theirs);
    format!(
        "SELECT id, state FROM (\
         SELECT * FROM (SELECT id, state, due_us AS at_us FROM task_states \
         WHERE project_id = $1 AND due_us IS NOT NULL AND due_us <= $2 ORDER BY due_us, id LIMIT $3) AS timed \
         UNION ALL SELECT * FROM (SELECT found.id, found.state, r.live_until_us AS at_us FROM {orphaned} \
         ORDER BY r.live_until_us, found.id LIMIT $3) AS orphaned\
         ) AS due ORDER BY at_us, id LIMIT $3"
    )
}

/// The projects for which [`due`] finds something by `$1`, at most `$2`. Each is asked with two looks into indexes.
pub(super) const PROJECTS_DUE: &str = "SELECT p.project_id FROM lock_tables AS p WHERE (SELECT min(s.due_us) \
     FROM task_states AS s WHERE s.project_id = p.project_id AND s.due_us IS NOT NULL) <= $1 \
     UNION SELECT d.project_id FROM sessions AS d WHERE d.ended_at_us IS NULL AND d.live_until_us <= $1 \
     AND (SELECT count(*) FROM task_states AS s \
     WHERE s.project_id = d.project_id AND s.session_id IS NOT NULL AND s.session_id = d.id) > 0 \
     ORDER BY project_id LIMIT $2";

/// The instant at which something comes due next. Ended tasks that have yet to tell so have no instant.
pub(super) const NEXT_DUE: &str = "SELECT due_us AS at_us FROM task_states \
     WHERE project_id = $1 AND due_us IS NOT NULL \
     AND status NOT IN ('succeeded', 'dead', 'cancelled', 'expired') ORDER BY due_us, id LIMIT 1";

/// How many there are of each kind and state, out of the index alone.
pub(super) const COUNTS: &str = "SELECT task_type, status, count(*) AS n FROM task_states WHERE project_id = $1 \
     AND status IN ('ready', 'scheduled', 'blocked', 'leased', 'failed', 'succeeded', 'dead', 'cancelled', 'expired') \
     GROUP BY task_type, status";

/// The tasks of a listing, newest first, one too many; `None` if there can be none.
pub(super) fn listed(
    dialect: Dialect,
    project: &ProjectId,
    filter: &TaskFilter,
    after: Option<TaskCursor>,
    size: PageSize,
) -> Option<(String, Vec<Value>)> {
    let TaskFilter { statuses, task_type, label, submitted_by, held_by, parent } = filter;
    let mut binder = Binder::default();
    let project = binder.bind(project.as_str());
    let rows_max = binder.bind(i64::from(size.rows()) + 1);
    let mut conditions = vec![format!("s.project_id = {project}")];
    if let Some(task_type) = task_type {
        conditions.push(format!("s.task_type = {}", binder.bind(task_type.as_str())));
    }
    if let Some(label) = label {
        let label = binder.bind(label_text([label].into_iter()));
        conditions.push(format!("{}(s.labels, {label}) > 0", dialect.position()));
    }
    if let Some(agent) = held_by {
        conditions.push(format!("s.agent_id = {}", binder.bind(agent.as_str())));
    }
    if let Some(agent) = submitted_by {
        let by = "(SELECT t.submitted_by FROM tasks AS t WHERE t.project_id = s.project_id AND t.id = s.id)";
        conditions.push(format!("{by} = {}", binder.bind(agent.as_str())));
    }
    if let Some(TaskCursor { submitted_at, id }) = after {
        let (at, id) = (binder.bind(to_us(submitted_at)), binder.bind(id.uuid()));
        conditions.push(format!("(s.submitted_at_us, s.id) < ({at}, {id})"));
    }
    let condition = conditions.join(" AND ");
    let order = format!("ORDER BY submitted_at_us DESC, id DESC LIMIT {rows_max}");
    let wanted = Status::ALL.into_iter().filter(|status| statuses.is_empty() || statuses.contains(status));
    if let Some(parent) = parent {
        let statuses: Vec<String> = wanted.map(|status| binder.bind(status.as_str())).collect();
        let parent = binder.bind(parent.uuid());
        let children = format!(
            "(SELECT id FROM tasks WHERE project_id = {project} AND parent_id IS NOT NULL AND parent_id = {parent}) AS r"
        );
        let condition = format!("{condition} AND s.id = r.id AND s.status IN ({})", statuses.join(", "));
        let each = dialect.first_of_each(&children, STATES, "s.id, s.state, s.submitted_at_us", &condition, "");
        let source = format!("SELECT id, state FROM (SELECT s.* FROM {each}) AS children {order}");
        return Some((source, binder.0));
    }
    // A task that is held is leased.
    let wanted = wanted.filter(|status| held_by.is_none() || *status == Status::Leased);
    let each: Vec<String> = wanted
        .map(|status| {
            let status = binder.bind(status.as_str());
            format!(
                "SELECT * FROM (SELECT s.id, s.state, s.submitted_at_us FROM task_states AS s \
                 WHERE {condition} AND s.status = {status} {order}) AS one"
            )
        })
        .collect();
    let source = format!("SELECT id, state FROM ({}) AS any_of_them {order}", each.join(" UNION ALL "));
    (!each.is_empty()).then_some((source, binder.0))
}

#[derive(FromQueryResult)]
pub(super) struct ProjectRow {
    project_id: String,
}

impl TryFrom<ProjectRow> for ProjectId {
    type Error = StoreError;

    fn try_from(row: ProjectRow) -> Result<Self, StoreError> {
        let id = row.project_id;
        Self::parse(&id).map_err(|error| corrupt(STATES, "project_id", &id, error))
    }
}

#[derive(FromQueryResult, Deserialize)]
pub(super) struct RunningRow {
    concurrency_key: String,
    n: i64,
}

impl TryFrom<RunningRow> for (ConcurrencyKey, u32) {
    type Error = StoreError;

    fn try_from(row: RunningRow) -> Result<Self, StoreError> {
        let RunningRow { concurrency_key: key, n } = row;
        let tasks = u32::try_from(n).map_err(|error| corrupt(STATES, "count", &key, error))?;
        Ok((ConcurrencyKey::parse(&key).map_err(|error| corrupt(STATES, "concurrency_key", &key, error))?, tasks))
    }
}

#[derive(FromQueryResult)]
pub(super) struct StatusCountRow {
    task_type: String,
    status: String,
    n: i64,
}

impl TryFrom<StatusCountRow> for StatusCount {
    type Error = StoreError;

    fn try_from(row: StatusCountRow) -> Result<Self, StoreError> {
        let StatusCountRow { task_type, status, n } = row;
        let name = format!("{task_type}/{status}");
        Ok(Self {
            task_type: TaskType::parse(&task_type).map_err(|error| corrupt(STATES, "task_type", &name, error))?,
            status: Status::parse(&status).ok_or_else(|| corrupt(STATES, "status", &name, UnknownValue(status)))?,
            tasks: n.unsigned_abs(),
        })
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
