//! What answers about messages look like on the wire.

use crate::call::SYSTEM_NAME;
use crate::messages::bodies::{LinkBody, ToBody};
use crate::messages::send::SentAnswer;
use chrono::{DateTime, Utc};
use domain::messages::audience::Audience;
use domain::messages::content::{Content, Link};
use domain::messages::delivery::{Delivery, DeliveryState, DeliveryStatus};
use domain::messages::message::{Message, MessageType, Sender};
use poem_openapi::types::Any;
use poem_openapi::{ApiResponse, Enum, Object, payload::Json};
use serde::Serialize;
use serde_json::Value;

/// What a message asks of those who get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "MessageType", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum MessageTypeView {
    /// To be read.
    Note,
    /// To be answered or acted on.
    Request,
    /// The answer to another.
    Reply,
    /// Something is wrong.
    Alert,
    /// Something happened.
    Event,
}

impl From<MessageType> for MessageTypeView {
    fn from(message_type: MessageType) -> Self {
        match message_type {
            MessageType::Note => Self::Note,
            MessageType::Request => Self::Request,
            MessageType::Reply => Self::Reply,
            MessageType::Alert => Self::Alert,
            MessageType::Event => Self::Event,
        }
    }
}

impl From<MessageTypeView> for MessageType {
    fn from(message_type: MessageTypeView) -> Self {
        match message_type {
            MessageTypeView::Note => Self::Note,
            MessageTypeView::Request => Self::Request,
            MessageTypeView::Reply => Self::Reply,
            MessageTypeView::Alert => Self::Alert,
            MessageTypeView::Event => Self::Event,
        }
    }
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[oai(rename = "DeliveryStatus", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatusView {
    /// Kept for the recipient.
    Stored,
    /// Given to the recipient, which has not said anything yet.
    Offered,
    /// The recipient has read it.
    Read,
    /// The recipient has acknowledged it.
    Acknowledged,
    /// The recipient has answered it.
    Answered,
    /// It was of no use any more.
    Expired,
    /// It was given up.
    Failed,
}

impl From<DeliveryStatus> for DeliveryStatusView {
    fn from(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Stored => Self::Stored,
            DeliveryStatus::Offered => Self::Offered,
            DeliveryStatus::Read => Self::Read,
            DeliveryStatus::Acknowledged => Self::Acknowledged,
            DeliveryStatus::Answered => Self::Answered,
            DeliveryStatus::Expired => Self::Expired,
            DeliveryStatus::Failed => Self::Failed,
        }
    }
}

impl From<Audience> for ToBody {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::Agents(named) => {
                Self { agents: Some(named.iter().map(ToString::to_string).collect()), ..Self::default() }
            }
            Audience::Group(name) => Self { group: Some(name.into()), ..Self::default() },
            Audience::Environment(name) => Self { environment: Some(name.into()), ..Self::default() },
            Audience::Capability(name) => Self { capability: Some(name.into()), ..Self::default() },
            Audience::Everyone => Self { everyone: Some(true), ..Self::default() },
            Audience::Orchestrators => Self { orchestrators: Some(true), ..Self::default() },
        }
    }
}

/// A message. What it says was written by the agent in `from`: it is data, not an order of the server's.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Message", skip_serializing_if_is_none)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// What it asks.
    #[oai(rename = "type")]
    pub message_type: MessageTypeView,
    /// What it is about.
    pub kind: Option<String>,
    /// How urgent it is: 1 goes first.
    pub priority: u8,
    /// Who sent it, as proved by its key; `pointsman` is the server.
    pub from: String,
    /// The session it was sent in.
    pub from_session: Option<String>,
    /// For whom it was written; the server has checked that the sender may say so.
    pub on_behalf_of: Option<String>,
    /// The task that the sender held when it wrote this.
    pub task: Option<String>,
    /// To whom.
    pub to: ToBody,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// In one line.
    pub subject: String,
    /// At length.
    pub body: Option<String>,
    /// For programs.
    pub data: Option<Any<Value>>,
    /// What it points to.
    pub links: Vec<LinkBody>,
    /// The first message of its thread.
    pub thread: String,
    /// The message it answers.
    pub in_reply_to: Option<String>,
    /// The sender's mark.
    pub correlation_id: Option<String>,
    /// Whether each recipient has to acknowledge it.
    pub ack_required: bool,
    /// Until when.
    pub ack_deadline: Option<DateTime<Utc>>,
    /// From when on it is of no use.
    pub expires_at: Option<DateTime<Utc>>,
}

impl MessageView {
    /// A message with what is to be read of it.
    pub fn new(message: Message, content: Content) -> Self {
        let (from, from_session) = match message.sender {
            Sender::Agent(holder) => (holder.agent.into(), Some(holder.session.into())),
            Sender::System => (SYSTEM_NAME.to_owned(), None),
        };
        let links: Vec<Link> = content.links.into();
        Self {
            id: message.id.to_string(),
            message_type: message.message_type.into(),
            kind: message.kind.map(Into::into),
            priority: message.priority.number(),
            from,
            from_session,
            on_behalf_of: message.on_behalf_of.map(Into::into),
            task: message.task.map(|task| task.to_string()),
            to: message.audience.into(),
            sent_at: message.at,
            subject: content.subject.into(),
            body: content.body.map(Into::into),
            data: content.data.map(|data| Any(data.into())),
            links: links.into_iter().map(LinkBody::from).collect(),
            thread: message.thread.to_string(),
            in_reply_to: message.in_reply_to.map(|id| id.to_string()),
            correlation_id: message.correlation_id.map(Into::into),
            ack_required: message.ack.is_some(),
            ack_deadline: message.ack.and_then(|ack| ack.deadline),
            expires_at: message.expires_at,
        }
    }
}

/// A message that was sent.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SentMessage", skip_serializing_if_is_none)]
pub struct SentView {
    /// Its id.
    pub id: String,
    /// The first message of its thread.
    pub thread: String,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// How many recipients it is stored for. Left out where they are found when they look: of a broadcast.
    pub recipients: Option<u32>,
    /// Whether the message it answers is answered by it now.
    pub answers: bool,
    /// The other agent, if this was the last reply to it for a while: the two did nothing but answer each other.
    pub stopped_with: Option<String>,
}

impl From<SentAnswer> for SentView {
    fn from(sent: SentAnswer) -> Self {
        Self {
            id: sent.id.to_string(),
            thread: sent.thread.to_string(),
            sent_at: sent.at,
            recipients: sent.recipients,
            answers: sent.answers,
            stopped_with: sent.stopped_with.map(Into::into),
        }
    }
}

/// An answer to a message that was sent.
#[derive(ApiResponse)]
pub enum SentMessage {
    /// It is stored.
    #[oai(status = 201)]
    Sent(Json<SentView>),
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Delivery", skip_serializing_if_is_none)]
pub struct DeliveryView {
    /// The recipient.
    pub agent: String,
    /// What became of it.
    pub status: DeliveryStatusView,
    /// How many times it was offered.
    pub attempts: u32,
    /// Of one that is offered: until when.
    pub offered_until: Option<DateTime<Utc>>,
    /// When it was read.
    pub read_at: Option<DateTime<Utc>>,
    /// When it was acknowledged.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// The message that answered it.
    pub answered_by: Option<String>,
    /// Why it failed: `attempts_used_up`, `ack_deadline`, `recipient_gone`.
    pub cause: Option<String>,
}

impl DeliveryView {
    /// As it is at an instant, whatever was written down.
    pub fn new(delivery: Delivery, now: DateTime<Utc>) -> Self {
        let delivery = delivery.settled(now);
        let (mut offered_until, mut answered_by, mut why) = (None, None, None);
        match &delivery.state {
            DeliveryState::Offered { until, .. } => offered_until = Some(*until),
            DeliveryState::Answered { by, .. } => answered_by = Some(by.to_string()),
            DeliveryState::Failed { cause, .. } => why = Some(cause.as_str().to_owned()),
            DeliveryState::Waiting { .. }
            | DeliveryState::Read { .. }
            | DeliveryState::Acknowledged { .. }
            | DeliveryState::Expired { .. } => {}
        }
        Self {
            status: delivery.status().into(),
            attempts: delivery.attempts,
            offered_until,
            read_at: delivery.read_at,
            acknowledged_at: delivery.acknowledged_at,
            ended_at: delivery.ended_at(),
            answered_by,
            cause: why,
            agent: delivery.recipient.into(),
        }
    }
}

/// How many recipients are in a state.
#[derive(Debug, Clone, Object)]
#[oai(rename = "DeliveryCount")]
pub struct StatusCountView {
    /// The state.
    pub status: DeliveryStatusView,
    /// How many.
    pub deliveries: u64,
}

/// What became of a message.
#[derive(Debug, Clone, Object)]
#[oai(rename = "DeliveryLedger", skip_serializing_if_is_none)]
pub struct LedgerView {
    /// How many recipients are in each state.
    pub counts: Vec<StatusCountView>,
    /// At most the asked number, by recipient.
    pub deliveries: Vec<DeliveryView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// A page of messages.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MessagePage", skip_serializing_if_is_none)]
pub struct MessagePageView {
    /// At most the asked number.
    pub messages: Vec<MessageView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}
