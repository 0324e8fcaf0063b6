//! Rows of past attempts. The result stands apart: it can be long, and `null` is one.

use crate::sea::dialect::batch::Cell;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::corrupt;
use crate::sea::work::rows::to_text;
use domain::ids::{ProjectId, TaskId};
use domain::work::attempt::{Attempt, AttemptEnd};
use domain::work::content::Payload;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::Deserialize;
use uuid::Uuid;

pub(super) const ATTEMPTS: &str = "task_attempts";

pub(super) const ATTEMPT_COLUMNS: [Column; 7] = [
    ("project_id", Kind::Text),
    ("token", Kind::Int),
    ("task_id", Kind::Uuid),
    ("number", Kind::Int),
    ("how", Kind::Text),
    ("attempt", Kind::Text),
    ("result", Kind::Text),
];

/// An attempt as it is written, in the order of [`ATTEMPT_COLUMNS`].
pub(super) fn attempt_cells<'a>(
    project: &'a ProjectId,
    attempt: &'a Attempt,
) -> Result<[Cell<'a>; ATTEMPT_COLUMNS.len()], StoreError> {
    let (attempt_text, result) = match &attempt.end {
        AttemptEnd::Succeeded { result: Some(result) } => {
            let end = AttemptEnd::Succeeded { result: None };
            (to_text(&Attempt { end, ..attempt.clone() })?, Some(to_text(result.value())?))
        }
        _ => (to_text(attempt)?, None),
    };
    Ok([
        project.as_str().into(),
        attempt.token.value().into(),
        attempt.task.uuid().into(),
        attempt.number.into(),
        attempt.end.as_str().into(),
        attempt_text.into(),
        result.into(),
    ])
}

/// An attempt as it is read.
#[derive(Debug, FromQueryResult)]
pub(super) struct AttemptRow {
    token: i64,
    attempt: String,
    result: Option<String>,
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = StoreError;

    fn try_from(row: AttemptRow) -> Result<Self, StoreError> {
        let AttemptRow { token, attempt, result } = row;
        let mut attempt: Self =
            serde_json::from_str(&attempt).map_err(|error| corrupt(ATTEMPTS, "attempt", token, error))?;
        if let (AttemptEnd::Succeeded { result: found }, Some(text)) = (&mut attempt.end, result) {
            let payload = serde_json::from_str(&text).map_err(|error| corrupt(ATTEMPTS, "result", token, error))?;
            *found = Some(payload);
        }
        Ok(attempt)
    }
}

/// A result as it is read.
#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct ResultRow {
    task_id: Uuid,
    result: String,
}

impl TryFrom<ResultRow> for (TaskId, Payload) {
    type Error = StoreError;

    fn try_from(row: ResultRow) -> Result<Self, StoreError> {
        let id = TaskId::new(row.task_id);
        let payload = serde_json::from_str(&row.result).map_err(|error| corrupt(ATTEMPTS, "result", id, error))?;
        Ok((id, payload))
    }
}
