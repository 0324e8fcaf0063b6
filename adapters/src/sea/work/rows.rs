//! Rows of tasks: the texts that hold the truth, and the columns that are searched by.

use crate::sea::clock::to_us;
use crate::sea::dialect::batch::Cell;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{corrupt, failed};
use crate::sea::work::content::TASKS;
use chrono::{DateTime, Utc};
use domain::ids::TaskId;
use domain::work::changes::ChangedTask;
use domain::work::graph::Edge;
use domain::work::name::Label;
use domain::work::rank::{Priority, Rank};
use domain::work::task::{Task, TaskState};
use domain::work::terms::{Labels, Terms};
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

pub(super) const STATES: &str = "task_states";
pub(super) const DEPENDENCIES: &str = "task_dependencies";

/// A text of JSON.
pub(super) fn to_text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(failed)
}

/// What changes about a task.
///
/// The written form of a task as it was loaded is compared with the stored one before it is replaced. So whatever is
/// added here one day has to be left out of the text where it says nothing, or the rows there are can never be changed
/// again.
#[derive(Serialize, Deserialize)]
struct Changing<S> {
    priority: Priority,
    rank: Rank,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<DateTime<Utc>>,
    attempts_made: u32,
    attempts_allowed: u32,
    #[serde(default, skip_serializing_if = "is_false")]
    untold: bool,
    state: S,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this shape")]
fn is_false(value: &bool) -> bool {
    !*value
}

fn state_text(task: &Task) -> Result<String, StoreError> {
    let Task { id: _, terms: _, priority, rank, not_before, deadline, attempts_made, attempts_allowed, state, untold } =
        task;
    to_text(&Changing {
        priority: *priority,
        rank: *rank,
        not_before: *not_before,
        deadline: *deadline,
        attempts_made: *attempts_made,
        attempts_allowed: *attempts_allowed,
        untold: *untold,
        state,
    })
}

/// A task as it is read.
#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct TaskRow {
    id: Uuid,
    state: String,
    terms: Option<String>,
}

/// A state without the task it is of.
#[derive(Debug, thiserror::Error)]
#[error("there is a row in task_states, but none in tasks")]
struct NoTerms;

impl TryFrom<TaskRow> for Task {
    type Error = StoreError;

    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        let TaskRow { id, state, terms } = row;
        let id = TaskId::new(id);
        let terms = terms.ok_or_else(|| corrupt(TASKS, "terms", id, NoTerms))?;
        let terms: Terms = serde_json::from_str(&terms).map_err(|error| corrupt(TASKS, "terms", id, error))?;
        let changing: Changing<TaskState> =
            serde_json::from_str(&state).map_err(|error| corrupt(STATES, "state", id, error))?;
        let Changing { priority, rank, not_before, deadline, attempts_made, attempts_allowed, untold, state } =
            changing;
        Ok(Self {
            id,
            terms: Arc::new(terms),
            priority,
            rank,
            not_before,
            deadline,
            attempts_made,
            attempts_allowed,
            state,
            untold,
        })
    }
}

/// What changes in a row of `task_states`.
struct Moving<'a> {
    ready_rank_us: Option<i64>,
    due_us: Option<i64>,
    since_us: Option<i64>,
    status: &'static str,
    agent_id: Option<&'a str>,
    session_id: Option<&'a str>,
    state: String,
}

impl<'a> Moving<'a> {
    fn of(task: &'a Task) -> Result<Self, StoreError> {
        let since = match &task.state {
            TaskState::Ready { since } => Some(*since),
            TaskState::Leased(lease) => Some(lease.since),
            TaskState::Scheduled { .. } | TaskState::Blocked { .. } => None,
            TaskState::Succeeded { at }
            | TaskState::Dead { at, .. }
            | TaskState::Cancelled { at, .. }
            | TaskState::Expired { at } => Some(*at),
        };
        let due = match &task.state {
            TaskState::Ready { .. } | TaskState::Blocked { .. } => task.deadline,
            TaskState::Scheduled { until, .. } => Some(task.deadline.map_or(*until, |deadline| deadline.min(*until))),
            TaskState::Leased(lease) => Some(lease.until),
            // Those that depend on it should have been told when it ended.
            _ => since.filter(|_| task.untold),
        };
        let is_ready = matches!(task.state, TaskState::Ready { .. });
        let holder = task.lease().map(|lease| &lease.holder);
        Ok(Self {
            ready_rank_us: is_ready.then(|| task.rank.micros()),
            due_us: due.map(to_us),
            since_us: since.map(to_us),
            status: task.status().as_str(),
            agent_id: holder.map(|holder| holder.agent.as_str()),
            session_id: holder.map(|holder| holder.session.as_str()),
            state: state_text(task)?,
        })
    }
}

/// Labels as one text with a blank around each, so that one is found by looking for it with its blanks.
pub(super) fn label_text<'a>(labels: impl Iterator<Item = &'a Label>) -> String {
    let mut text = String::new();
    for label in labels {
        text.push_str(if text.is_empty() { " " } else { "" });
        text.push_str(label.as_str());
        text.push(' ');
    }
    text
}

pub(super) const STATE_FIELDS: &str = "project_id, id, submitted_at_us, ready_rank_us, due_us, since_us, \
     concurrency_limit, status, task_type, labels, concurrency_key, agent_id, session_id, state";

pub(super) const STATE_COLUMNS: [Column; 13] = [
    ("id", Kind::Uuid),
    ("submitted_at_us", Kind::Int),
    ("ready_rank_us", Kind::Int),
    ("due_us", Kind::Int),
    ("since_us", Kind::Int),
    ("concurrency_limit", Kind::Int),
    ("status", Kind::Text),
    ("task_type", Kind::Text),
    ("labels", Kind::Text),
    ("concurrency_key", Kind::Text),
    ("agent_id", Kind::Text),
    ("session_id", Kind::Text),
    ("state", Kind::Text),
];

/// A row of `task_states` as it is first written, in the order of [`STATE_COLUMNS`].
pub(super) fn state_cells(task: &Task) -> Result<[Cell<'_>; STATE_COLUMNS.len()], StoreError> {
    let Terms { task_type, labels, concurrency, submitted_at, .. } = &*task.terms;
    let Moving { ready_rank_us, due_us, since_us, status, agent_id, session_id, state } = Moving::of(task)?;
    Ok([
        task.id.uuid().into(),
        to_us(*submitted_at).into(),
        ready_rank_us.into(),
        due_us.into(),
        since_us.into(),
        concurrency.as_ref().map(|concurrency| concurrency.limit.number()).into(),
        status.into(),
        task_type.as_str().into(),
        label_text(Labels::iter(labels)).into(),
        concurrency.as_ref().map(|concurrency| concurrency.key.as_str()).into(),
        agent_id.into(),
        session_id.into(),
        state.into(),
    ])
}

pub(super) const CHANGED_COLUMNS: [Column; 9] = [
    ("id", Kind::Uuid),
    ("before", Kind::Text),
    ("ready_rank_us", Kind::Int),
    ("due_us", Kind::Int),
    ("since_us", Kind::Int),
    ("status", Kind::Text),
    ("agent_id", Kind::Text),
    ("session_id", Kind::Text),
    ("state", Kind::Text),
];

/// What becomes of a row of `task_states`, and what it must have been, in the order of [`CHANGED_COLUMNS`].
pub(super) fn changed_cells(changed: &ChangedTask) -> Result<[Cell<'_>; CHANGED_COLUMNS.len()], StoreError> {
    let ChangedTask { before, after } = changed;
    let Moving { ready_rank_us, due_us, since_us, status, agent_id, session_id, state } = Moving::of(after)?;
    Ok([
        before.id.uuid().into(),
        state_text(before)?.into(),
        ready_rank_us.into(),
        due_us.into(),
        since_us.into(),
        status.into(),
        agent_id.into(),
        session_id.into(),
        state.into(),
    ])
}

pub(super) const DEPENDENCY_COLUMNS: [Column; 3] =
    [("project_id", Kind::Text), ("task_id", Kind::Uuid), ("depends_on", Kind::Uuid)];

/// A dependency as it is read.
#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct EdgeRow {
    task_id: Uuid,
    depends_on: Uuid,
}

impl From<EdgeRow> for Edge {
    fn from(row: EdgeRow) -> Self {
        Self { task: TaskId::new(row.task_id), depends_on: TaskId::new(row.depends_on) }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
