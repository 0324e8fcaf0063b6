//! Saving what a decision changed.

use super::rows::{DELIVERY_COLUMNS, DeliveryRow};
use super::{BODIES, CONVERSATIONS, DELIVERIES, HEADS, MAILBOXES, MESSAGES};
use crate::sea::clock::to_us;
use crate::sea::dialect::{Column, Kind, hex_uuid};
use crate::sea::error::failed;
use crate::sea::unit::SeaUnitOfWork;
use domain::ids::ProjectId;
use domain::messages::audience::AudienceKey;
use domain::messages::changes::{ChangedDelivery, Changes, NewMessage};
use domain::messages::content::{Body, Data};
use domain::messages::conversation::Conversation;
use domain::messages::delivery::Delivery;
use domain::messages::inbox::Mailbox;
use domain::messages::message::Number;
use ports::store::StoreError;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

const MESSAGE_COLUMNS: [Column; 12] = [
    ("project_id", Kind::Text),
    ("number", Kind::Int),
    ("id", Kind::Uuid),
    ("at_us", Kind::Int),
    ("expires_at_us", Kind::Int),
    ("priority", Kind::Int),
    ("thread_id", Kind::Uuid),
    ("sender", Kind::Text),
    ("message_type", Kind::Text),
    ("correlation_id", Kind::Text),
    ("audience_key", Kind::Text),
    ("message", Kind::Text),
];

#[derive(Serialize)]
struct MessageRow {
    project_id: String,
    number: i64,
    #[serde(serialize_with = "hex_uuid")]
    id: Uuid,
    at_us: i64,
    expires_at_us: Option<i64>,
    priority: u8,
    #[serde(serialize_with = "hex_uuid")]
    thread_id: Uuid,
    sender: Option<String>,
    message_type: &'static str,
    correlation_id: Option<String>,
    audience_key: Option<String>,
    message: String,
}

/// What [`crate::sea::dialect::Dialect::insert_bodies`] takes.
pub(super) const BODY_COLUMNS: [Column; 7] = [
    ("project_id", Kind::Text),
    ("number", Kind::Int),
    ("subject", Kind::Text),
    ("body", Kind::Text),
    ("data", Kind::Text),
    ("links", Kind::Text),
    ("words", Kind::Text),
];

#[derive(Serialize)]
struct BodyRow {
    project_id: String,
    number: i64,
    subject: String,
    body: Option<String>,
    data: Option<String>,
    links: String,
    words: String,
}

#[derive(Serialize)]
struct NewDeliveryRow {
    project_id: String,
    #[serde(flatten)]
    row: DeliveryRow,
}

/// What a delivery must still be when it is changed.
const BEFORE_COLUMNS: [Column; 6] = [
    ("old_attempts", Kind::Int),
    ("old_read_at_us", Kind::Int),
    ("old_free_at_us", Kind::Int),
    ("old_ended_at_us", Kind::Int),
    ("old_session_id", Kind::Text),
    ("old_status", Kind::Text),
];

#[derive(Serialize)]
struct ChangedRow {
    old_attempts: i64,
    old_read_at_us: Option<i64>,
    old_free_at_us: Option<i64>,
    old_ended_at_us: Option<i64>,
    old_session_id: Option<String>,
    old_status: String,
    #[serde(flatten)]
    row: DeliveryRow,
}

impl From<&ChangedDelivery> for ChangedRow {
    fn from(changed: &ChangedDelivery) -> Self {
        let before = DeliveryRow::from(&changed.before);
        Self {
            old_attempts: before.attempts,
            old_read_at_us: before.read_at_us,
            old_free_at_us: before.free_at_us,
            old_ended_at_us: before.ended_at_us,
            old_session_id: before.session_id,
            old_status: before.status,
            row: DeliveryRow::from(&changed.after),
        }
    }
}

/// The columns of a delivery that change.
const CHANGING: [&str; 10] = [
    "attempts",
    "read_at_us",
    "acknowledged_at_us",
    "free_at_us",
    "due_us",
    "ended_at_us",
    "answered_by",
    "session_id",
    "status",
    "cause",
];

impl SeaUnitOfWork {
    pub(super) async fn save_mail(&mut self, project: &ProjectId, changes: &Changes) -> Result<(), StoreError> {
        self.hold().await?;
        self.draw_numbers(project, &changes.new).await?;
        self.add_messages(project, &changes.new).await?;
        let at_once = changes.new.iter().flat_map(|new| &new.deliveries);
        self.add_deliveries(project, at_once.chain(&changes.made)).await?;
        self.change_deliveries(project, &changes.changed).await?;
        for conversation in &changes.conversations {
            self.put_conversation(project, conversation).await?;
        }
        match &changes.mailbox {
            Some(mailbox) => self.put_mailbox(project, mailbox).await,
            None => Ok(()),
        }
    }

    async fn draw_numbers(&mut self, project: &ProjectId, new: &[NewMessage]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (new.first(), new.last()) else { return Ok(()) };
        let (first, last) = (first.message.number, last.message.number);
        let follows =
            |pair: &[NewMessage]| matches!(pair, [one, next] if next.message.number == one.message.number.next());
        if !new.windows(2).all(follows) || first == Number::ZERO {
            return Err(self.spoil(StoreError::Conflict { what: HEADS }));
        }
        let sql = "UPDATE mail_heads SET last_number = $3 WHERE project_id = $1 AND last_number = $2";
        let values = [project.as_str().into(), (first.value() - 1).into(), last.value().into()];
        let statement = self.statement(sql, values);
        let written = self.run(statement, HEADS).await?;
        self.expect_rows(written, 1, HEADS)
    }

    async fn add_messages(&mut self, project: &ProjectId, new: &[NewMessage]) -> Result<(), StoreError> {
        if new.is_empty() {
            return Ok(());
        }
        let rows: Result<Vec<MessageRow>, StoreError> = new.iter().map(|new| message_row(project, new)).collect();
        let rows = self.check(rows)?;
        self.insert_rows(MESSAGES, &MESSAGE_COLUMNS, "", &rows).await?;
        let rows: Result<Vec<BodyRow>, StoreError> = new.iter().map(|new| body_row(project, new)).collect();
        let rows = self.check(rows)?;
        let rows = self.check(serde_json::to_string(&rows).map_err(failed))?;
        let records = self.dialect.records("$1", &BODY_COLUMNS);
        let statement = self.statement(self.dialect.insert_bodies(&records), [rows.clone().into()]);
        self.run(statement, BODIES).await?;
        if let Some(sql) = self.dialect.insert_words(&records) {
            let statement = self.statement(sql, [rows.into()]);
            self.run(statement, BODIES).await?;
        }
        Ok(())
    }

    async fn add_deliveries(
        &mut self,
        project: &ProjectId,
        deliveries: impl Iterator<Item = &Delivery> + Send,
    ) -> Result<(), StoreError> {
        let row =
            |delivery| NewDeliveryRow { project_id: project.as_str().to_owned(), row: DeliveryRow::from(delivery) };
        let rows: Vec<NewDeliveryRow> = deliveries.map(row).collect();
        self.insert_rows(DELIVERIES, &DELIVERY_COLUMNS, "", &rows).await
    }

    async fn change_deliveries(&mut self, project: &ProjectId, changed: &[ChangedDelivery]) -> Result<(), StoreError> {
        if changed.is_empty() {
            return Ok(());
        }
        let rows: Vec<ChangedRow> = changed.iter().map(ChangedRow::from).collect();
        let rows = self.check(serde_json::to_string(&rows).map_err(failed))?;
        let columns: Vec<Column> = DELIVERY_COLUMNS.iter().skip(1).chain(&BEFORE_COLUMNS).copied().collect();
        let set: Vec<String> = CHANGING.iter().map(|column| format!("{column} = r.{column}")).collect();
        let is_as_before =
            |(column, _): &Column| format!("d.{} IS NOT DISTINCT FROM r.{column}", column.trim_start_matches("old_"));
        let before: Vec<String> = BEFORE_COLUMNS.iter().map(is_as_before).collect();
        let sql = format!(
            "UPDATE deliveries AS d SET {} FROM {} \
             WHERE d.project_id = $1 AND d.recipient = r.recipient AND d.number = r.number AND {}",
            set.join(", "),
            self.dialect.records("$2", &columns),
            before.join(" AND ")
        );
        let statement = self.statement(sql, [project.as_str().into(), rows.into()]);
        let written = self.run(statement, DELIVERIES).await?;
        self.expect_rows(written, changed.len() as u64, DELIVERIES)
    }

    async fn put_conversation(&mut self, project: &ProjectId, conversation: &Conversation) -> Result<(), StoreError> {
        let sql = "INSERT INTO conversations (project_id, first_agent, second_agent, stale_at_us, conversation) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project_id, first_agent, second_agent) \
             DO UPDATE SET stale_at_us = excluded.stale_at_us, conversation = excluded.conversation";
        let text = self.check(serde_json::to_string(conversation).map_err(failed))?;
        let values = [
            project.as_str().into(),
            conversation.pair.first().as_str().into(),
            conversation.pair.second().as_str().into(),
            to_us(conversation.stale_at()).into(),
            text.into(),
        ];
        let statement = self.statement(sql, values);
        self.run(statement, CONVERSATIONS).await.map(|_| ())
    }

    async fn put_mailbox(&mut self, project: &ProjectId, mailbox: &Mailbox) -> Result<(), StoreError> {
        let greater = self.dialect.greater("mailboxes.looked_to", "excluded.looked_to");
        let sql = format!(
            "INSERT INTO mailboxes (project_id, agent_id, looked_to) VALUES ($1, $2, $3) \
             ON CONFLICT (project_id, agent_id) DO UPDATE SET looked_to = {greater}"
        );
        let values = [project.as_str().into(), mailbox.agent.as_str().into(), mailbox.looked_to.value().into()];
        let statement = self.statement(sql, values);
        self.run(statement, MAILBOXES).await.map(|_| ())
    }
}

fn message_row(project: &ProjectId, new: &NewMessage) -> Result<MessageRow, StoreError> {
    let message = &new.message;
    let key = message.audience.key().filter(|_| message.is_broadcast);
    Ok(MessageRow {
        project_id: project.as_str().to_owned(),
        number: message.number.value(),
        id: message.id.uuid(),
        at_us: to_us(message.at),
        expires_at_us: message.expires_at.map(to_us),
        priority: message.priority.number(),
        thread_id: message.thread.uuid(),
        sender: message.sender.agent().map(|sender| sender.as_str().to_owned()),
        message_type: message.message_type.as_str(),
        correlation_id: message.correlation_id.as_ref().map(|mark| mark.as_str().to_owned()),
        audience_key: key.as_ref().map(AudienceKey::as_str).map(str::to_owned),
        message: serde_json::to_string(message).map_err(failed)?,
    })
}

fn body_row(project: &ProjectId, new: &NewMessage) -> Result<BodyRow, StoreError> {
    let content = &new.content;
    Ok(BodyRow {
        project_id: project.as_str().to_owned(),
        number: new.message.number.value(),
        subject: content.subject.as_str().to_owned(),
        body: content.body.as_ref().map(Body::as_str).map(str::to_owned),
        data: content.data.as_ref().map(Data::value).map(|value| json!(value).to_string()),
        links: serde_json::to_string(&content.links).map_err(failed)?,
        words: content.words().join(" "),
    })
}
