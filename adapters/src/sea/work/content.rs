//! What never changes about a task: its terms, and what agents read of it.

use crate::sea::clock::to_us;
use crate::sea::dialect::batch::Cell;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::corrupt;
use crate::sea::work::rows::to_text;
use domain::ids::{ProjectId, TaskId};
use domain::work::changes::NewTask;
use domain::work::content::{Content, Description, Payload, Title};
use domain::work::task::Task;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::Deserialize;
use uuid::Uuid;

pub(super) const TASKS: &str = "tasks";

pub(super) const TASK_COLUMNS: [Column; 9] = [
    ("project_id", Kind::Text),
    ("id", Kind::Uuid),
    ("submitted_at_us", Kind::Int),
    ("parent_id", Kind::Uuid),
    ("submitted_by", Kind::Text),
    ("terms", Kind::Text),
    ("title", Kind::Text),
    ("description", Kind::Text),
    ("input", Kind::Text),
];

/// A row of `tasks`, in the order of [`TASK_COLUMNS`].
pub(super) fn task_cells<'a>(
    project: &'a ProjectId,
    new: &'a NewTask,
) -> Result<[Cell<'a>; TASK_COLUMNS.len()], StoreError> {
    let NewTask { task: Task { id, terms, .. }, content: Content { title, description, input }, .. } = new;
    Ok([
        project.as_str().into(),
        id.uuid().into(),
        to_us(terms.submitted_at).into(),
        terms.parent.map(TaskId::uuid).into(),
        terms.submitted_by.as_str().into(),
        to_text(&**terms)?.into(),
        title.as_str().into(),
        description.as_ref().map(Description::as_str).into(),
        input.as_ref().map(|input| to_text(input.value())).transpose()?.into(),
    ])
}

/// What agents read of a task, as it is read.
#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct ContentRow {
    id: Uuid,
    title: String,
    description: Option<String>,
    input: Option<String>,
}

impl TryFrom<ContentRow> for (TaskId, Content) {
    type Error = StoreError;

    fn try_from(row: ContentRow) -> Result<Self, StoreError> {
        let ContentRow { id, title, description, input } = row;
        let id = TaskId::new(id);
        let description = description.map(|text| Description::parse(&text)).transpose();
        let input = input.map(|text| serde_json::from_str::<Payload>(&text)).transpose();
        let content = Content {
            title: Title::parse(&title).map_err(|error| corrupt(TASKS, "title", id, error))?,
            description: description.map_err(|error| corrupt(TASKS, "description", id, error))?,
            input: input.map_err(|error| corrupt(TASKS, "input", id, error))?,
        };
        Ok((id, content))
    }
}

/// What a task is called, as it is read.
#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct TitleRow {
    id: Uuid,
    title: String,
}

impl TryFrom<TitleRow> for (TaskId, Title) {
    type Error = StoreError;

    fn try_from(TitleRow { id, title }: TitleRow) -> Result<Self, StoreError> {
        let id = TaskId::new(id);
        Ok((id, Title::parse(&title).map_err(|error| corrupt(TASKS, "title", id, error))?))
    }
}
