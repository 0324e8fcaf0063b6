//! Handoffs: few, each row with the truth as JSON beside the columns that are searched by. The lists stand apart, since
//! they can be long and only readers of one handoff want them.

mod query;

use crate::sea::clock::to_us;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{corrupt, failed};
use crate::sea::handoffs::query::Query;
use crate::sea::unit::{Access, SeaUnitOfWork};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::handoffs::content::Content;
use domain::handoffs::listing::{HandoffCursor, HandoffFilter, search_text};
use domain::handoffs::{Handoff, Offer, Status};
use domain::ids::{AgentId, HandoffId, ProjectId};
use domain::page::{Page, PageSize};
use ports::handoffs::HandoffRepository;
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;
use uuid::fmt::Simple;

const HANDOFFS: &str = "handoffs";
const FILES: &str = "handoff_files";
const DECLINES: &str = "handoff_declines";

const FILE_COLUMNS: [Column; 3] = [("project_id", Kind::Text), ("handoff_id", Kind::Uuid), ("path", Kind::Text)];

#[derive(Debug, FromQueryResult)]
struct Row {
    id: Uuid,
    handoff: String,
}

impl TryFrom<Row> for Handoff {
    type Error = StoreError;

    fn try_from(Row { id, handoff }: Row) -> Result<Self, StoreError> {
        serde_json::from_str(&handoff).map_err(|error| corrupt(HANDOFFS, "handoff", HandoffId::new(id), error))
    }
}

#[derive(Debug, FromQueryResult)]
struct ContentRow {
    content: String,
}

#[derive(Debug, FromQueryResult)]
struct NameRow {
    project_id: String,
    id: Uuid,
}

impl TryFrom<NameRow> for (ProjectId, HandoffId) {
    type Error = StoreError;

    fn try_from(NameRow { project_id, id }: NameRow) -> Result<Self, StoreError> {
        let id = HandoffId::new(id);
        let project = ProjectId::parse(&project_id).map_err(|error| corrupt(HANDOFFS, "project_id", id, error))?;
        Ok((project, id))
    }
}

#[derive(Serialize)]
struct FileRow<'a> {
    project_id: &'a str,
    handoff_id: Simple,
    path: &'a str,
}

/// A revision beyond what a database can count.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no revision")]
struct RevisionTooHigh(u64);

fn to_text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(failed)
}

/// What changes of a handoff, behind the columns of its project and its id.
fn changing(handoff: &Handoff) -> Result<[Value; 6], StoreError> {
    let revision = i64::try_from(handoff.revision).map_err(|_| failed(RevisionTooHigh(handoff.revision)))?;
    let due = handoff.expires_at.filter(|_| handoff.status() == Status::Offered).map(to_us);
    Ok([
        revision.into(),
        due.into(),
        handoff.over_since().map(to_us).into(),
        handoff.status().as_str().into(),
        handoff.taker().map(|agent| agent.as_str().to_owned()).into(),
        to_text(handoff)?.into(),
    ])
}

/// What never changes of a handoff, behind that.
fn lasting(handoff: &Handoff, content: &Content) -> Result<[Value; 7], StoreError> {
    let (kind, name) = match &handoff.offer {
        Offer::Nobody => (query::NOBODY, None),
        Offer::Agent { agent } => (query::AGENT, Some(agent.as_str())),
        Offer::Capability { capability } => (query::CAPABILITY, Some(capability.as_str())),
        Offer::Next => (query::NEXT, None),
    };
    Ok([
        to_us(handoff.written_at).into(),
        handoff.from.agent.as_str().into(),
        handoff.from.session.as_ref().map(|session| session.as_str().to_owned()).into(),
        kind.into(),
        name.map(str::to_owned).into(),
        to_text(content)?.into(),
        search_text(handoff, content).into(),
    ])
}

impl SeaUnitOfWork {
    async fn handoffs(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Handoff>, StoreError> {
        let statement = self.statement(format!("SELECT id, handoff FROM {HANDOFFS} WHERE {condition}"), values);
        let rows: Vec<Row> = self.rows(statement, HANDOFFS).await?;
        self.read_rows(rows)
    }

    async fn forget_handoffs(&mut self, project: &ProjectId, ids: &[Uuid]) -> Result<(), StoreError> {
        let any = self.dialect.any("$2", Kind::Uuid);
        for (table, column) in [(FILES, "handoff_id"), (DECLINES, "handoff_id"), (HANDOFFS, "id")] {
            let sql = format!("DELETE FROM {table} WHERE project_id = $1 AND {column} {any}");
            let statement = self.statement(sql, [project.as_str().into(), self.dialect.uuids(ids)]);
            self.run(statement, table).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl HandoffRepository for SeaUnitOfWork {
    async fn handoffs_load(&mut self, project: &ProjectId, ids: &[HandoffId]) -> Result<Vec<Handoff>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if self.access == Access::Write {
            self.hold().await?;
        }
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let any = self.dialect.any("$2", Kind::Uuid);
        // In one order, so that nobody waits for each other.
        let condition = format!("project_id = $1 AND id {any} ORDER BY id{}", self.for_update());
        self.handoffs(&condition, [project.as_str().into(), self.dialect.uuids(&ids)]).await
    }

    async fn handoff_content(&mut self, project: &ProjectId, id: HandoffId) -> Result<Option<Content>, StoreError> {
        let sql = "SELECT content FROM handoffs WHERE project_id = $1 AND id = $2";
        let statement = self.statement(sql, [project.as_str().into(), id.uuid().into()]);
        let row: Option<ContentRow> = self.row(statement, HANDOFFS).await?;
        let read = row.map(|row| serde_json::from_str(&row.content)).transpose();
        self.check(read.map_err(|error| corrupt(HANDOFFS, "content", id, error)))
    }

    async fn handoff_list(
        &mut self,
        project: &ProjectId,
        filter: &HandoffFilter,
        now: DateTime<Utc>,
        after: Option<HandoffCursor>,
        size: PageSize,
    ) -> Result<Page<Handoff, HandoffCursor>, StoreError> {
        let Query { condition, values } = Query::listing(self.dialect, project, filter, now, after, size);
        let found = self.handoffs(&condition, values).await?;
        Ok(Page::cut(found, size, |handoff: &Handoff| HandoffCursor { at: handoff.written_at, id: handoff.id }))
    }

    async fn handoffs_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, HandoffId)>, StoreError> {
        let sql = "SELECT project_id, id FROM handoffs \
             WHERE due_us IS NOT NULL AND due_us <= $1 ORDER BY due_us LIMIT $2";
        let statement = self.statement(sql, [to_us(now).into(), i64::from(rows_max).into()]);
        let rows: Vec<NameRow> = self.rows(statement, HANDOFFS).await?;
        self.read_rows(rows)
    }

    async fn handoff_add(
        &mut self,
        project: &ProjectId,
        handoff: &Handoff,
        content: &Content,
    ) -> Result<(), StoreError> {
        let (changing, lasting) = (self.check(changing(handoff))?, self.check(lasting(handoff, content))?);
        let sql = "INSERT INTO handoffs (project_id, id, revision, due_us, over_us, status, taken_by, handoff, \
             written_at_us, from_agent, from_session, offer_kind, offer_name, content, words) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
        let named: [Value; 2] = [project.as_str().into(), handoff.id.uuid().into()];
        let statement = self.statement(sql, named.into_iter().chain(changing).chain(lasting));
        let written = self.run(statement, HANDOFFS).await?;
        self.expect_rows(written, 1, HANDOFFS)?;
        let (project_id, handoff_id) = (project.as_str(), handoff.id.uuid().simple());
        let files = content.lists().files.iter();
        let rows: Vec<FileRow<'_>> =
            files.map(|file| FileRow { project_id, handoff_id, path: file.as_str() }).collect();
        self.insert_rows(FILES, &FILE_COLUMNS, "", &rows).await
    }

    async fn handoff_save(&mut self, project: &ProjectId, handoff: &Handoff) -> Result<(), StoreError> {
        let changing = self.check(changing(handoff))?;
        let sql = "UPDATE handoffs SET revision = $3, due_us = $4, over_us = $5, status = $6, taken_by = $7, \
             handoff = $8 WHERE project_id = $1 AND id = $2 AND revision = $3 - 1";
        let named: [Value; 2] = [project.as_str().into(), handoff.id.uuid().into()];
        let statement = self.statement(sql, named.into_iter().chain(changing));
        let written = self.run(statement, HANDOFFS).await?;
        self.expect_rows(written, 1, HANDOFFS)
    }

    async fn handoff_declined(
        &mut self,
        project: &ProjectId,
        id: HandoffId,
        by: &AgentId,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO handoff_declines (project_id, handoff_id, agent_id, declined_at_us) \
             SELECT project_id, id, $3, $4 FROM handoffs WHERE project_id = $1 AND id = $2 ON CONFLICT DO NOTHING";
        let values = [project.as_str().into(), id.uuid().into(), by.as_str().into(), to_us(at).into()];
        let statement = self.statement(sql, values);
        Ok(self.run(statement, DECLINES).await? > 0)
    }

    async fn handoffs_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = "SELECT project_id, id FROM handoffs \
             WHERE over_us IS NOT NULL AND over_us < $1 ORDER BY over_us, project_id, id LIMIT $2";
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        let rows: Vec<NameRow> = self.rows(statement, HANDOFFS).await?;
        let old: Vec<(ProjectId, HandoffId)> = self.read_rows(rows)?;
        let mut by_project: BTreeMap<&ProjectId, Vec<Uuid>> = BTreeMap::new();
        for (project, id) in &old {
            by_project.entry(project).or_default().push(id.uuid());
        }
        for (project, ids) in by_project {
            self.forget_handoffs(project, &ids).await?;
        }
        Ok(old.len() as u64)
    }
}
