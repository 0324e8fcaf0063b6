//! Lists of messages and deliveries.

use super::deliveries::LISTENING_COLUMNS;
use super::rows::MessageRow;
use super::{DELIVERIES, MESSAGES};
use crate::sea::clock::to_us;
use crate::sea::error::{UnknownValue, corrupt};
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId, ProjectId};
use domain::messages::delivery::{Delivery, DeliveryStatus};
use domain::messages::listing::{Direction, InboxEntry, MessageFilter, Unread, UnreadAsk};
use domain::messages::message::{Message, Number};
use domain::page::{Page, PageSize};
use ports::messages::{InboxAsk, MailListing};
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use std::collections::BTreeMap;

#[derive(FromQueryResult)]
struct StatusRow {
    status: String,
    n: i64,
}

/// Conditions and their arguments.
struct Conditions {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition on an argument, which stands where `?` is.
    fn add(&mut self, sql: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.sql.push(sql.replace('?', &format!("${}", self.values.len())));
    }
}

impl SeaUnitOfWork {
    /// What a filter asks of a message `m` of project `$1` and its content `b`.
    fn conditions(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
        after: Option<Number>,
    ) -> Result<Conditions, StoreError> {
        let mut conditions =
            Conditions { sql: vec!["m.project_id = $1".into()], values: vec![project.as_str().into()] };
        if let Some(viewer) = &filter.visible_to {
            let listenings = self.listenings(viewer.listenings.iter())?;
            conditions.values.push(listenings);
            let records = self.dialect.records(&format!("${}", conditions.values.len()), &LISTENING_COLUMNS);
            conditions.add(
                &format!(
                    "(m.sender = ? OR EXISTS (SELECT 1 FROM deliveries AS d \
                     WHERE d.project_id = $1 AND d.recipient = ? AND d.number = m.number) \
                     OR EXISTS (SELECT 1 FROM {records} WHERE m.audience_key = r.key AND m.number > r.after_number \
                     AND m.at_us >= r.since_us AND (m.sender IS NULL OR m.sender <> r.agent)))"
                ),
                viewer.agent.as_str(),
            );
        }
        if let Some(words) = &filter.search {
            conditions.add(&self.dialect.has_words("?"), self.dialect.search(words));
        }
        if let Some(sender) = &filter.sender {
            conditions.add("m.sender = ?", sender.as_str());
        }
        if let Some(thread) = filter.thread {
            conditions.add("m.thread_id = ?", thread.uuid());
        }
        if let Some(message_type) = filter.message_type {
            conditions.add("m.message_type = ?", message_type.as_str());
        }
        if let Some(mark) = &filter.correlation_id {
            conditions.add("m.correlation_id = ?", mark.as_str());
        }
        if let Some(since) = filter.since {
            conditions.add("m.at_us >= ?", to_us(since));
        }
        if let Some(before) = filter.before {
            conditions.add("m.at_us < ?", to_us(before));
        }
        if let Some(after) = after {
            let is_behind = match filter.direction {
                Direction::NewestFirst => "m.number < ?",
                Direction::OldestFirst => "m.number > ?",
            };
            conditions.add(is_behind, after.value());
        }
        Ok(conditions)
    }
}

#[async_trait]
impl MailListing for SeaUnitOfWork {
    async fn message_list(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<Page<Message, Number>, StoreError> {
        let Conditions { sql, mut values } = self.conditions(project, filter, after)?;
        values.push((i64::from(size.rows()) + 1).into());
        let order = match filter.direction {
            Direction::NewestFirst => "DESC",
            Direction::OldestFirst => "ASC",
        };
        let bodies = match &filter.search {
            Some(_) => "JOIN message_bodies AS b ON b.project_id = m.project_id AND b.number = m.number",
            None => "",
        };
        let sql = format!(
            "SELECT m.number, m.message FROM messages AS m {bodies} WHERE {} ORDER BY m.number {order} LIMIT ${}",
            sql.join(" AND "),
            values.len()
        );
        let statement = self.statement(sql, values);
        let rows: Vec<MessageRow> = self.rows(statement, MESSAGES).await?;
        let messages = self.read_rows(rows)?;
        Ok(Page::cut(messages, size, |message: &Message| message.number))
    }

    async fn inbox_list(
        &mut self,
        project: &ProjectId,
        ask: InboxAsk<'_>,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<Page<InboxEntry, Number>, StoreError> {
        self.list_inbox(project, ask, after, size).await
    }

    async fn delivery_list(
        &mut self,
        project: &ProjectId,
        message: MessageId,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<Delivery, AgentId>, StoreError> {
        let condition = "project_id = $1 AND number = \
             (SELECT m.number FROM messages AS m WHERE m.project_id = $1 AND m.id = $2) \
             AND recipient > $3 ORDER BY recipient LIMIT $4";
        let values = [
            project.as_str().into(),
            message.uuid().into(),
            after.map_or("", AgentId::as_str).into(),
            (i64::from(size.rows()) + 1).into(),
        ];
        let deliveries = self.deliveries(condition, values).await?;
        Ok(Page::cut(deliveries, size, |delivery: &Delivery| delivery.recipient.clone()))
    }

    async fn delivery_counts(
        &mut self,
        project: &ProjectId,
        message: MessageId,
    ) -> Result<BTreeMap<DeliveryStatus, u64>, StoreError> {
        let sql = "SELECT status, count(*) AS n FROM deliveries WHERE project_id = $1 AND number = \
             (SELECT m.number FROM messages AS m WHERE m.project_id = $1 AND m.id = $2) GROUP BY status";
        let statement = self.statement(sql, [project.as_str().into(), message.uuid().into()]);
        let rows: Vec<StatusRow> = self.rows(statement, DELIVERIES).await?;
        let read = |row: StatusRow| match DeliveryStatus::parse(&row.status) {
            Some(status) => Ok((status, row.n.unsigned_abs())),
            None => Err(corrupt(DELIVERIES, "status", message, UnknownValue(row.status))),
        };
        let counts = rows.into_iter().map(read).collect();
        self.check(counts)
    }

    async fn unread_counts(
        &mut self,
        project: &ProjectId,
        asks: &[UnreadAsk],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AgentId, Unread>, StoreError> {
        self.count_unread(project, asks, now).await
    }
}
