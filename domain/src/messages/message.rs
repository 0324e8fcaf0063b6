//! A message, without what agents read of it.

use crate::ids::{AgentId, MessageId, TaskId};
use crate::locks::lease::Holder;
use crate::messages::audience::Audience;
use crate::messages::content::{CorrelationId, MessageKind};
use crate::work::rank::Priority;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The place of a message in its project: 1, 2, 3, … in the order of commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Number(i64);

impl Number {
    /// Before all messages.
    pub const ZERO: Self = Self(0);
    /// After all messages.
    pub const MAX: Self = Self(i64::MAX);

    /// A number as a store keeps it.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn value(self) -> i64 {
        self.0
    }

    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What a message asks of those who get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageType {
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

impl MessageType {
    /// All types.
    pub const ALL: [Self; 5] = [Self::Note, Self::Request, Self::Reply, Self::Alert, Self::Event];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Request => "request",
            Self::Reply => "reply",
            Self::Alert => "alert",
            Self::Event => "event",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|message_type| message_type.as_str() == text)
    }
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sender {
    /// An agent, in a session.
    Agent(Holder),
    /// Pointsman itself.
    System,
}

impl Sender {
    /// The agent, if it is one.
    pub const fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::Agent(holder) => Some(&holder.agent),
            Self::System => None,
        }
    }
}

/// That every recipient has to acknowledge a message: having read it is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Until when, exclusive: at this instant a delivery has failed.
    pub deadline: Option<DateTime<Utc>>,
}

/// A message, without its content. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its place in the project.
    pub number: Number,
    /// When it was sent, by the store's clock.
    pub at: DateTime<Utc>,
    /// Who sent it.
    pub sender: Sender,
    /// For whom the sender wrote, if that was true.
    pub on_behalf_of: Option<AgentId>,
    /// The task that the sender's session held.
    pub task: Option<TaskId>,
    /// To whom.
    pub audience: Audience,
    /// What it asks.
    pub message_type: MessageType,
    /// What it is about.
    pub kind: Option<MessageKind>,
    /// How urgent it is.
    pub priority: Priority,
    /// The first message of its thread; its own id if it is that.
    pub thread: MessageId,
    /// The message it answers.
    pub in_reply_to: Option<MessageId>,
    /// The sender's mark.
    pub correlation_id: Option<CorrelationId>,
    /// Whether it has to be acknowledged.
    pub ack: Option<Ack>,
    /// From when on it is of no use: a delivery that is not over by then, and not in the recipient's hands, has expired.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether its deliveries are made when recipients first receive it.
    pub is_broadcast: bool,
}

impl Message {
    /// Whether it is of no use any more.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
