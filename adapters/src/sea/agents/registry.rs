//! The records of agents.

use super::rows::{AGENTS, COLUMNS, FIELDS, Row, capability_text};
use super::texts;
use crate::sea::dialect::{IF_STILL, Kind};
use crate::sea::error::failed;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::agents::record::AgentRecord;
use domain::agents::status::Signs;
use domain::agents::uptime::Span;
use domain::identity::principal::Role;
use domain::ids::{AgentId, ProjectId};
use domain::page::{Page, PageSize};
use ports::agents::{AgentFilter, AgentRepository};
use ports::store::StoreError;
use sea_orm::Value;
use std::collections::BTreeMap;

impl SeaUnitOfWork {
    async fn agents(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<AgentRecord>, StoreError> {
        let statement = self.statement(format!("SELECT {FIELDS} FROM {AGENTS} WHERE {condition}"), values);
        let rows: Vec<Row> = self.rows(statement, AGENTS).await?;
        self.read_rows(rows)
    }

    async fn agents_named(
        &mut self,
        project: &ProjectId,
        ids: &[AgentId],
        tail: &str,
    ) -> Result<Vec<AgentRecord>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // Locked in the order of their names, so that two who lock the same ones never wait for each other.
        let condition = format!("project_id = $1 AND id {} ORDER BY id{tail}", self.dialect.any("$2", Kind::Text));
        let values = [project.as_str().into(), self.dialect.texts(&texts(ids))];
        self.agents(&condition, values).await
    }

    fn agent_rows(&mut self, records: &[AgentRecord]) -> Result<Vec<Row>, StoreError> {
        let rows = records.iter().map(Row::try_from).collect();
        self.check(rows)
    }
}

#[async_trait]
impl AgentRepository for SeaUnitOfWork {
    async fn agents_load(&mut self, project: &ProjectId, ids: &[AgentId]) -> Result<Vec<AgentRecord>, StoreError> {
        let tail = self.for_update();
        if !tail.is_empty() {
            self.hold().await?;
        }
        self.agents_named(project, ids, tail).await
    }

    async fn agents_look(&mut self, project: &ProjectId, ids: &[AgentId]) -> Result<Vec<AgentRecord>, StoreError> {
        self.agents_named(project, ids, "").await
    }

    async fn agent_list(
        &mut self,
        project: &ProjectId,
        filter: &AgentFilter,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<AgentRecord, AgentId>, StoreError> {
        let AgentFilter { agent_type, capability, environment, tag, least_role, is_registered } = filter;
        let dialect = self.dialect;
        let mut values: Vec<Value> = Vec::new();
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let mut conditions = vec![format!("project_id = {}", bind(project.as_str().into()))];
        if let Some(agent_type) = agent_type {
            conditions.push(format!("agent_type = {}", bind(agent_type.as_str().into())));
        }
        if let Some(capability) = capability {
            let wanted = bind(capability_text([capability]).into());
            conditions.push(format!("{}(capabilities, {wanted}) > 0", dialect.position()));
        }
        if let Some(environment) = environment {
            conditions.push(format!("environment = {}", bind(environment.as_str().into())));
        }
        if let Some(tag) = tag {
            conditions.push(format!("tag = {}", bind(tag.as_str().into())));
        }
        if let Some(least) = least_role {
            let roles = Role::ALL.into_iter().filter(|role| role >= least).map(|role| role.as_str().to_owned());
            let roles = bind(dialect.texts(&roles.collect::<Vec<_>>()));
            conditions.push(format!("role {}", dialect.any(&roles, Kind::Text)));
        }
        match is_registered {
            None => {}
            Some(true) => conditions.push("deregistered_at_us IS NULL".to_owned()),
            Some(false) => conditions.push("deregistered_at_us IS NOT NULL".to_owned()),
        }
        if let Some(id) = after {
            conditions.push(format!("id > {}", bind(id.as_str().into())));
        }
        let rows_max = bind((i64::from(size.rows()) + 1).into());
        let condition = format!("{} ORDER BY id LIMIT {rows_max}", conditions.join(" AND "));
        let found = self.agents(&condition, values).await?;
        Ok(Page::cut(found, size, |record| record.id.clone()))
    }

    async fn agents_add_missing(&mut self, records: &[AgentRecord]) -> Result<(), StoreError> {
        let rows = self.agent_rows(records)?;
        self.insert_rows(AGENTS, &COLUMNS, "ON CONFLICT DO NOTHING", &rows).await
    }

    async fn agents_save(&mut self, records: &[AgentRecord]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let rows = serde_json::to_string(&self.agent_rows(records)?).map_err(failed);
        let rows = self.check(rows)?;
        let set: Vec<String> = COLUMNS[2..].iter().map(|(column, _)| format!("{column} = r.{column}")).collect();
        let sql = format!(
            "UPDATE {AGENTS} AS a SET {} FROM {} WHERE {IF_STILL} AND a.project_id = r.project_id AND a.id = r.id",
            set.join(", "),
            self.dialect.records("$1", &COLUMNS)
        );
        let statement = self.statement(sql, [rows.into()]);
        self.write(statement, Some(records.len() as u64), AGENTS).await
    }

    async fn agents_signs(
        &mut self,
        project: &ProjectId,
        ids: &[AgentId],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AgentId, Signs>, StoreError> {
        self.signs(project, ids, now).await
    }

    async fn session_spans(
        &mut self,
        project: &ProjectId,
        agent: &AgentId,
        after: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Span>, StoreError> {
        self.spans(project, agent, after, rows_max).await
    }
}
