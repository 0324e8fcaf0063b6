//! Deliveries, and the broadcasts that become some.

use super::rows::{DELIVERY_FIELDS, DeliveryRow, MessageRow};
use super::{DELIVERIES, MESSAGES};
use crate::sea::clock::to_us;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{corrupt, failed};
use crate::sea::unit::SeaUnitOfWork;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId, ProjectId};
use domain::messages::audience::Listening;
use domain::messages::delivery::Delivery;
use domain::messages::message::{Message, Number};
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde_json::json;
use std::collections::BTreeMap;

/// The fields of a listening.
pub(super) const LISTENING_COLUMNS: [Column; 4] =
    [("agent", Kind::Text), ("key", Kind::Text), ("after_number", Kind::Int), ("since_us", Kind::Int)];

/// That a broadcast `s` of project `$1` is brought by a listening `r`, and was not delivered yet.
pub(super) const IS_BROUGHT: &str = "s.project_id = $1 AND s.audience_key IS NOT NULL AND s.audience_key = r.key \
    AND s.number > r.after_number AND s.at_us >= r.since_us AND (s.sender IS NULL OR s.sender <> r.agent) \
    AND NOT EXISTS (SELECT 1 FROM deliveries AS d \
    WHERE d.project_id = $1 AND d.recipient = r.agent AND d.number = s.number)";

#[derive(FromQueryResult)]
struct CountRow {
    recipient: String,
    n: i64,
}

#[derive(FromQueryResult)]
struct ProjectRow {
    project_id: String,
}

impl TryFrom<ProjectRow> for ProjectId {
    type Error = StoreError;

    fn try_from(row: ProjectRow) -> Result<Self, StoreError> {
        let id = row.project_id;
        Self::parse(&id).map_err(|error| corrupt(DELIVERIES, "project_id", &id, error))
    }
}

impl SeaUnitOfWork {
    /// Listenings as one argument, with the fields of [`LISTENING_COLUMNS`].
    pub(super) fn listenings<'a>(
        &mut self,
        listenings: impl Iterator<Item = &'a Listening>,
    ) -> Result<Value, StoreError> {
        let rows: Vec<_> = listenings
            .map(|Listening { agent, key, after, since }| {
                json!({ "agent": agent, "key": key, "after_number": after, "since_us": to_us(*since) })
            })
            .collect();
        let text = self.check(serde_json::to_string(&rows).map_err(failed))?;
        Ok(text.into())
    }

    pub(super) async fn broadcasts(
        &mut self,
        project: &ProjectId,
        listenings: &[Listening],
        numbers: (Number, Number),
        rows_max: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let (after, up_to) = numbers;
        let listenings = self.listenings(listenings.iter())?;
        let sql = format!(
            "SELECT s.number, s.message FROM {} ORDER BY s.number LIMIT $5",
            self.dialect.first_of_each(
                &self.dialect.records("$2", &LISTENING_COLUMNS),
                MESSAGES,
                "s.number, s.message",
                &format!("{IS_BROUGHT} AND s.number > $3 AND s.number <= $4"),
                "ORDER BY s.number LIMIT $5",
            )
        );
        let values = [
            project.as_str().into(),
            listenings,
            after.value().into(),
            up_to.value().into(),
            i64::from(rows_max).into(),
        ];
        let statement = self.statement(sql, values);
        let rows: Vec<MessageRow> = self.rows(statement, MESSAGES).await?;
        self.read_rows(rows)
    }

    pub(super) async fn deliveries(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!("SELECT {DELIVERY_FIELDS} FROM deliveries WHERE {condition}");
        let statement = self.statement(sql, values);
        let rows: Vec<DeliveryRow> = self.rows(statement, DELIVERIES).await?;
        self.read_rows(rows)
    }

    pub(super) async fn load_deliveries(
        &mut self,
        project: &ProjectId,
        recipient: &AgentId,
        messages: &[MessageId],
    ) -> Result<Vec<Delivery>, StoreError> {
        let condition = format!(
            "project_id = $1 AND recipient = $2 AND number IN \
             (SELECT m.number FROM messages AS m WHERE m.project_id = $1 AND m.id {})",
            self.dialect.any("$3", Kind::Uuid)
        );
        let ids = self.dialect.uuids(&Self::message_uuids(messages));
        self.deliveries(&condition, [project.as_str().into(), recipient.as_str().into(), ids]).await
    }

    pub(super) async fn due_deliveries(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let condition = "project_id = $1 AND due_us IS NOT NULL AND due_us <= $2 ORDER BY due_us, number LIMIT $3";
        let values = [project.as_str().into(), to_us(now).into(), i64::from(rows_max).into()];
        self.deliveries(condition, values).await
    }

    pub(super) async fn projects_with_due_deliveries(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<ProjectId>, StoreError> {
        let sql = "SELECT h.project_id FROM mail_heads AS h WHERE EXISTS (SELECT 1 FROM deliveries AS d \
             WHERE d.project_id = h.project_id AND d.due_us IS NOT NULL AND d.due_us <= $1) \
             ORDER BY h.project_id LIMIT $2";
        let statement = self.statement(sql, [to_us(now).into(), i64::from(rows_max).into()]);
        let rows: Vec<ProjectRow> = self.rows(statement, DELIVERIES).await?;
        self.read_rows(rows)
    }

    pub(super) async fn count_open(
        &mut self,
        project: &ProjectId,
        agents: &[AgentId],
    ) -> Result<BTreeMap<AgentId, u32>, StoreError> {
        let sql = format!(
            "SELECT recipient, count(*) AS n FROM deliveries \
             WHERE project_id = $1 AND recipient {} AND ended_at_us IS NULL AND is_counted GROUP BY recipient",
            self.dialect.any("$2", Kind::Text)
        );
        let names: Vec<String> = agents.iter().map(|agent| agent.as_str().to_owned()).collect();
        let statement = self.statement(sql, [project.as_str().into(), self.dialect.texts(&names)]);
        let rows: Vec<CountRow> = self.rows(statement, DELIVERIES).await?;
        let read = |row: CountRow| {
            let agent = AgentId::parse(&row.recipient);
            let agent = agent.map_err(|error| corrupt(DELIVERIES, "recipient", &row.recipient, error))?;
            Ok((agent, u32::try_from(row.n).unwrap_or(u32::MAX)))
        };
        let counts = rows.into_iter().map(read).collect();
        self.check(counts)
    }
}
