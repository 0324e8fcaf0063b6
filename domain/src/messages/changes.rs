//! What decisions on messages change.

use crate::messages::content::Content;
use crate::messages::conversation::Conversation;
use crate::messages::delivery::Delivery;
use crate::messages::inbox::Mailbox;
use crate::messages::message::Message;

/// A new message with its content and the deliveries that are made at once.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// The message.
    pub message: Message,
    /// What agents read of it.
    pub content: Content,
    /// Its deliveries; none of a broadcast.
    pub deliveries: Vec<Delivery>,
}

/// A delivery as it was loaded and as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedDelivery {
    /// As loaded.
    pub before: Delivery,
    /// As it is now.
    pub after: Delivery,
}

/// Everything that has to be saved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// New messages, by number, without gaps, the first right after the last number that was loaded.
    pub new: Vec<NewMessage>,
    /// Deliveries of broadcasts that are made now.
    pub made: Vec<Delivery>,
    /// Deliveries that were there before.
    pub changed: Vec<ChangedDelivery>,
    /// Pairs of agents, as they are now.
    pub conversations: Vec<Conversation>,
    /// How far an agent has come, if that has changed.
    pub mailbox: Option<Mailbox>,
}

impl Changes {
    /// Whether there is nothing to save.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes that a delivery has changed, if it has.
    pub fn change(&mut self, before: Delivery, after: Delivery) {
        if before != after {
            self.changed.push(ChangedDelivery { before, after });
        }
    }
}
