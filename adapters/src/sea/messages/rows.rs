//! Rows of messages and deliveries, and what they stand for.

use super::{BODIES, DELIVERIES, MESSAGES};
use crate::sea::clock::{instant, instant_maybe, to_us};
use crate::sea::dialect::{Column, Kind, hex_uuid};
use crate::sea::error::{UnknownValue, corrupt};
use domain::ids::{AgentId, InvalidId, MessageId, SessionId};
use domain::messages::content::{Body, Content, Subject};
use domain::messages::delivery::{Delivery, DeliveryState, DeliveryStatus, FailCause};
use domain::messages::message::{Ack, Message, Number};
use domain::work::rank::Priority;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// A message as JSON.
#[derive(FromQueryResult)]
pub(super) struct MessageRow {
    pub(super) number: i64,
    pub(super) message: String,
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        serde_json::from_str(&row.message).map_err(|error| corrupt(MESSAGES, "message", row.number, error))
    }
}

/// What agents read of a message.
#[derive(FromQueryResult)]
pub(super) struct ContentRow {
    id: Uuid,
    subject: String,
    body: Option<String>,
    data: Option<String>,
    links: String,
}

impl TryFrom<ContentRow> for (MessageId, Content) {
    type Error = StoreError;

    fn try_from(row: ContentRow) -> Result<Self, StoreError> {
        let ContentRow { id, subject, body, data, links } = row;
        let id = MessageId::new(id);
        let body = body.map(|body| Body::parse(&body)).transpose();
        let data = data.map(|data| serde_json::from_str(&data)).transpose();
        let content = Content {
            subject: Subject::parse(&subject).map_err(|error| corrupt(BODIES, "subject", id, error))?,
            body: body.map_err(|error| corrupt(BODIES, "body", id, error))?,
            data: data.map_err(|error| corrupt(BODIES, "data", id, error))?,
            links: serde_json::from_str(&links).map_err(|error| corrupt(BODIES, "links", id, error))?,
        };
        Ok((id, content))
    }
}

/// What stands behind SELECT for a [`DeliveryRow`].
pub(super) const DELIVERY_FIELDS: &str = "recipient, number, message_id, sent_at_us, priority, is_counted, needs_ack, \
    ack_deadline_us, expires_at_us, attempts, read_at_us, acknowledged_at_us, free_at_us, due_us, ended_at_us, \
    answered_by, sender, session_id, status, cause";

/// The columns of a delivery.
pub(super) const DELIVERY_COLUMNS: [Column; 21] = [
    ("project_id", Kind::Text),
    ("recipient", Kind::Text),
    ("number", Kind::Int),
    ("message_id", Kind::Uuid),
    ("sent_at_us", Kind::Int),
    ("priority", Kind::Int),
    ("is_counted", Kind::Bool),
    ("needs_ack", Kind::Bool),
    ("ack_deadline_us", Kind::Int),
    ("expires_at_us", Kind::Int),
    ("attempts", Kind::Int),
    ("read_at_us", Kind::Int),
    ("acknowledged_at_us", Kind::Int),
    ("free_at_us", Kind::Int),
    ("due_us", Kind::Int),
    ("ended_at_us", Kind::Int),
    ("answered_by", Kind::Uuid),
    ("sender", Kind::Text),
    ("session_id", Kind::Text),
    ("status", Kind::Text),
    ("cause", Kind::Text),
];

/// A delivery.
#[derive(Debug, FromQueryResult, Serialize)]
pub(super) struct DeliveryRow {
    recipient: String,
    number: i64,
    #[serde(serialize_with = "hex_uuid")]
    message_id: Uuid,
    sent_at_us: i64,
    priority: i64,
    is_counted: bool,
    needs_ack: bool,
    ack_deadline_us: Option<i64>,
    expires_at_us: Option<i64>,
    pub(super) attempts: i64,
    pub(super) read_at_us: Option<i64>,
    acknowledged_at_us: Option<i64>,
    pub(super) free_at_us: Option<i64>,
    due_us: Option<i64>,
    pub(super) ended_at_us: Option<i64>,
    #[serde(serialize_with = "hex_uuid_maybe")]
    answered_by: Option<Uuid>,
    sender: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) status: String,
    cause: Option<String>,
}

#[expect(clippy::ref_option, reason = "serde asks for this shape")]
fn hex_uuid_maybe<S: Serializer>(id: &Option<Uuid>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => hex_uuid(id, serializer),
        None => serializer.serialize_none(),
    }
}

impl From<&Delivery> for DeliveryRow {
    fn from(delivery: &Delivery) -> Self {
        let (free_at, session) = match &delivery.state {
            DeliveryState::Waiting { visible_at } => (Some(*visible_at), None),
            DeliveryState::Offered { session, until } => (Some(*until), Some(session)),
            _ => (None, None),
        };
        let (answered_by, cause) = match &delivery.state {
            DeliveryState::Answered { by, .. } => (Some(by.uuid()), None),
            DeliveryState::Failed { cause, .. } => (None, Some(cause.as_str().to_owned())),
            _ => (None, None),
        };
        Self {
            recipient: delivery.recipient.as_str().to_owned(),
            number: delivery.number.value(),
            message_id: delivery.message.uuid(),
            sent_at_us: to_us(delivery.sent_at),
            priority: i64::from(delivery.priority.number()),
            is_counted: delivery.is_counted,
            needs_ack: delivery.ack.is_some(),
            ack_deadline_us: delivery.ack.and_then(|ack| ack.deadline).map(to_us),
            expires_at_us: delivery.expires_at.map(to_us),
            attempts: i64::from(delivery.attempts),
            read_at_us: delivery.read_at.map(to_us),
            acknowledged_at_us: delivery.acknowledged_at.map(to_us),
            free_at_us: free_at.map(to_us),
            due_us: delivery.time_out().map(|(at, _)| to_us(at)),
            ended_at_us: delivery.ended_at().map(to_us),
            answered_by,
            sender: delivery.sender.as_ref().map(|sender| sender.as_str().to_owned()),
            session_id: session.map(|session| session.as_str().to_owned()),
            status: delivery.status().as_str().to_owned(),
            cause,
        }
    }
}

/// A column that is empty where it must not be.
#[derive(Debug, thiserror::Error)]
#[error("it is missing")]
struct Missing;

impl DeliveryRow {
    fn name(&self) -> String {
        format!("{}/{}", self.number, self.recipient)
    }

    fn corrupt(&self, column: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        corrupt(DELIVERIES, column, self.name(), error)
    }

    fn state(&self) -> Result<DeliveryState, StoreError> {
        let name = self.name();
        let status = DeliveryStatus::parse(&self.status)
            .ok_or_else(|| self.corrupt("status", UnknownValue(self.status.clone())))?;
        let Some(ended_at) = instant_maybe(self.ended_at_us, DELIVERIES, "ended_at_us", &name)? else {
            let free_at = instant_maybe(self.free_at_us, DELIVERIES, "free_at_us", &name)?;
            let free_at = free_at.ok_or_else(|| self.corrupt("free_at_us", Missing))?;
            let session = self.session_id.as_deref().map(SessionId::parse).transpose();
            return Ok(match session.map_err(|error| self.corrupt("session_id", error))? {
                Some(session) => DeliveryState::Offered { session, until: free_at },
                None => DeliveryState::Waiting { visible_at: free_at },
            });
        };
        match status {
            DeliveryStatus::Read => Ok(DeliveryState::Read { at: ended_at }),
            DeliveryStatus::Acknowledged => Ok(DeliveryState::Acknowledged { at: ended_at }),
            DeliveryStatus::Expired => Ok(DeliveryState::Expired { at: ended_at }),
            DeliveryStatus::Answered => {
                let by = self.answered_by.ok_or_else(|| self.corrupt("answered_by", Missing))?;
                Ok(DeliveryState::Answered { at: ended_at, by: MessageId::new(by) })
            }
            DeliveryStatus::Failed => {
                let cause = self.cause.as_deref().and_then(FailCause::parse);
                let cause = cause.ok_or_else(|| self.corrupt("cause", Missing))?;
                Ok(DeliveryState::Failed { at: ended_at, cause })
            }
            DeliveryStatus::Stored | DeliveryStatus::Offered => {
                Err(self.corrupt("status", UnknownValue(self.status.clone())))
            }
        }
    }
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = StoreError;

    fn try_from(row: DeliveryRow) -> Result<Self, StoreError> {
        let name = row.name();
        let at = |us, column| instant_maybe(us, DELIVERIES, column, &name);
        let agent = |text: &str, column| {
            AgentId::parse(text).map_err(|error: InvalidId| corrupt(DELIVERIES, column, &name, error))
        };
        let priority = u8::try_from(row.priority).unwrap_or(u8::MAX);
        let deadline = at(row.ack_deadline_us, "ack_deadline_us")?;
        Ok(Self {
            message: MessageId::new(row.message_id),
            number: Number::new(row.number),
            recipient: agent(&row.recipient, "recipient")?,
            sender: row.sender.as_deref().map(|sender| agent(sender, "sender")).transpose()?,
            sent_at: instant(row.sent_at_us, DELIVERIES, "sent_at_us", &name)?,
            priority: Priority::try_new(priority).map_err(|error| row.corrupt("priority", error))?,
            ack: row.needs_ack.then_some(Ack { deadline }),
            expires_at: at(row.expires_at_us, "expires_at_us")?,
            is_counted: row.is_counted,
            attempts: u32::try_from(row.attempts).map_err(|error| row.corrupt("attempts", error))?,
            read_at: at(row.read_at_us, "read_at_us")?,
            acknowledged_at: at(row.acknowledged_at_us, "acknowledged_at_us")?,
            state: row.state()?,
        })
    }
}
