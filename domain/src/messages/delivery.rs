//! What became of a message for one recipient.
//!
//! A delivery ends once: read (if that is all that is asked), acknowledged, answered, expired or failed. Time alone can end
//! it, at an instant that is known beforehand, and from then on it has ended, whether anybody has written that down or not:
//! every rule first asks for [`Delivery::settled`].

use crate::ids::{AgentId, MessageId, SessionId};
use crate::messages::message::{Ack, Message, Number};
use crate::work::rank::{Priority, Rank};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How many times a message is offered to a recipient that does not take it.
pub const ATTEMPTS_MAX: u32 = 5;

/// A message on its way to one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The message.
    pub message: MessageId,
    /// Its number.
    pub number: Number,
    /// To whom.
    pub recipient: AgentId,
    /// From whom; `None` is Pointsman itself.
    pub sender: Option<AgentId>,
    /// When the message was sent.
    pub sent_at: DateTime<Utc>,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether it has to be acknowledged.
    pub ack: Option<Ack>,
    /// When it is of no use any more.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it takes one of the places of the recipient's inbox, as long as it has not ended: what is sent to
    /// recipients known beforehand does, broadcasts and notices do not.
    pub is_counted: bool,
    /// How many times it was offered.
    pub attempts: u32,
    /// When it was first marked as read.
    pub read_at: Option<DateTime<Utc>>,
    /// When it was acknowledged.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// What it is in.
    pub state: DeliveryState,
}

/// What a delivery is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be offered.
    Waiting {
        /// Not before.
        visible_at: DateTime<Utc>,
    },
    /// In a recipient's hands.
    Offered {
        /// The session it was given to.
        session: SessionId,
        /// Until when, exclusive: at this instant it can be offered again.
        until: DateTime<Utc>,
    },
    /// Read, and more was not asked.
    Read {
        /// When.
        at: DateTime<Utc>,
    },
    /// Acknowledged.
    Acknowledged {
        /// When.
        at: DateTime<Utc>,
    },
    /// Answered.
    Answered {
        /// When.
        at: DateTime<Utc>,
        /// By which message.
        by: MessageId,
    },
    /// Of no use any more.
    Expired {
        /// When.
        at: DateTime<Utc>,
    },
    /// Given up.
    Failed {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        cause: FailCause,
    },
}

/// Why a delivery failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailCause {
    /// It was offered [`ATTEMPTS_MAX`] times and not taken.
    AttemptsUsedUp,
    /// It was not acknowledged in time.
    AckDeadline,
    /// The recipient was deregistered.
    RecipientGone,
}

impl FailCause {
    /// All causes.
    pub const ALL: [Self; 3] = [Self::AttemptsUsedUp, Self::AckDeadline, Self::RecipientGone];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AttemptsUsedUp => "attempts_used_up",
            Self::AckDeadline => "ack_deadline",
            Self::RecipientGone => "recipient_gone",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// The seven words for what a delivery is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
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

impl DeliveryStatus {
    /// All of them, in the order of a delivery's life.
    pub const ALL: [Self; 7] =
        [Self::Stored, Self::Offered, Self::Read, Self::Acknowledged, Self::Answered, Self::Expired, Self::Failed];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Offered => "offered",
            Self::Read => "read",
            Self::Acknowledged => "acknowledged",
            Self::Answered => "answered",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl Delivery {
    /// A message for a recipient that has not been offered it yet.
    pub fn new(message: &Message, recipient: AgentId, is_counted: bool) -> Self {
        Self {
            message: message.id,
            number: message.number,
            recipient,
            sender: message.sender.agent().cloned(),
            sent_at: message.at,
            priority: message.priority,
            ack: message.ack,
            expires_at: message.expires_at,
            is_counted,
            attempts: 0,
            read_at: None,
            acknowledged_at: None,
            state: DeliveryState::Waiting { visible_at: message.at },
        }
    }

    /// When it ended, if it has been written down.
    pub const fn ended_at(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            DeliveryState::Waiting { .. } | DeliveryState::Offered { .. } => None,
            DeliveryState::Read { at }
            | DeliveryState::Acknowledged { at }
            | DeliveryState::Answered { at, .. }
            | DeliveryState::Expired { at }
            | DeliveryState::Failed { at, .. } => Some(*at),
        }
    }

    /// Whether its end is yet to come, or yet to be written down.
    pub const fn is_open(&self) -> bool {
        self.ended_at().is_none()
    }

    /// What it is in, in a word, as written down.
    pub const fn status(&self) -> DeliveryStatus {
        match &self.state {
            DeliveryState::Waiting { .. } | DeliveryState::Offered { .. } if self.read_at.is_some() => {
                DeliveryStatus::Read
            }
            DeliveryState::Waiting { .. } => DeliveryStatus::Stored,
            DeliveryState::Offered { .. } => DeliveryStatus::Offered,
            DeliveryState::Read { .. } => DeliveryStatus::Read,
            DeliveryState::Acknowledged { .. } => DeliveryStatus::Acknowledged,
            DeliveryState::Answered { .. } => DeliveryStatus::Answered,
            DeliveryState::Expired { .. } => DeliveryStatus::Expired,
            DeliveryState::Failed { .. } => DeliveryStatus::Failed,
        }
    }

    /// Where it stands in the order by itself: priority, ageing as in the work queue, before its number.
    pub fn rank(&self) -> Rank {
        Rank::new(self.sent_at, self.priority)
    }

    /// When time alone ends it, and how. Who has it in hand when it expires may still finish it until the offer lapses.
    pub fn time_out(&self) -> Option<(DateTime<Utc>, DeliveryState)> {
        let (free_at, held_until) = match &self.state {
            DeliveryState::Waiting { visible_at } => (*visible_at, None),
            DeliveryState::Offered { until, .. } => (*until, Some(*until)),
            _ => return None,
        };
        let failed = |at, cause| (at, DeliveryState::Failed { at, cause });
        let used_up = (self.attempts >= ATTEMPTS_MAX).then(|| failed(free_at, FailCause::AttemptsUsedUp));
        let late = self.ack.and_then(|ack| ack.deadline).map(|at| failed(at, FailCause::AckDeadline));
        let expiry = self.expires_at.map(|at| held_until.map_or(at, |until| at.max(until)));
        let expired = expiry.map(|at| (at, DeliveryState::Expired { at }));
        // Of several at one instant the first one named counts.
        [late, expired, used_up].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// What it is at an instant: ended if its time is over, and to be offered again if the offer has lapsed.
    #[must_use]
    pub fn settled(mut self, now: DateTime<Utc>) -> Self {
        match self.time_out() {
            Some((at, state)) if at <= now => self.state = state,
            _ => {
                if let DeliveryState::Offered { until, .. } = self.state
                    && until <= now
                {
                    self.state = DeliveryState::Waiting { visible_at: until };
                }
            }
        }
        self
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
