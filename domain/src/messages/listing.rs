//! Lists of messages, searches, and counts of what is unread.

use crate::ids::{AgentId, MessageId};
use crate::messages::audience::Listening;
use crate::messages::content::{CorrelationId, words};
use crate::messages::delivery::Delivery;
use crate::messages::message::{Message, MessageType, Number};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Words that a message must have, each of them, in its subject or body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SearchWords(BTreeSet<String>);

/// Nothing to search for, or too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`search` must have 1 to {} words of letters and digits, in {} bytes",
    SearchWords::COUNT_MAX,
    SearchWords::BYTES_MAX
)]
pub struct InvalidSearch;

impl SearchWords {
    /// The most words.
    pub const COUNT_MAX: usize = 16;
    /// The greatest length of the text in bytes.
    pub const BYTES_MAX: usize = 512;

    /// Takes the words out of a text.
    pub fn parse(text: &str) -> Result<Self, InvalidSearch> {
        if text.len() > Self::BYTES_MAX {
            return Err(InvalidSearch);
        }
        let found: BTreeSet<String> = words(text).collect();
        if (1..=Self::COUNT_MAX).contains(&found.len()) { Ok(Self(found)) } else { Err(InvalidSearch) }
    }

    /// The words, in lower case, each once.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl From<SearchWords> for String {
    fn from(search: SearchWords) -> Self {
        search.0.into_iter().collect::<Vec<_>>().join(" ")
    }
}

impl TryFrom<String> for SearchWords {
    type Error = InvalidSearch;
    fn try_from(text: String) -> Result<Self, InvalidSearch> {
        Self::parse(&text)
    }
}

/// Whose eyes a list is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub agent: AgentId,
    /// What it listens to; empty if it has no record.
    pub listenings: Vec<Listening>,
}

impl Viewer {
    /// Whether it may see a message: what it sent, what was delivered to it, and the broadcasts it is to get.
    pub fn sees(&self, message: &Message, was_delivered: bool) -> bool {
        message.sender.agent() == Some(&self.agent)
            || was_delivered
            || self.listenings.iter().any(|listening| listening.brings(message))
    }
}

/// In which order messages are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The greatest number first.
    #[default]
    NewestFirst,
    /// The least number first.
    OldestFirst,
}

/// Which messages to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Those that this agent may see; `None` are all of the project.
    pub visible_to: Option<Viewer>,
    /// With these words.
    pub search: Option<SearchWords>,
    /// Sent by this agent.
    pub sender: Option<AgentId>,
    /// Of this thread.
    pub thread: Option<MessageId>,
    /// Of this type.
    pub message_type: Option<MessageType>,
    /// With this mark.
    pub correlation_id: Option<CorrelationId>,
    /// Sent at this instant or later.
    pub since: Option<DateTime<Utc>>,
    /// Sent before this instant.
    pub before: Option<DateTime<Utc>>,
    /// In which order.
    pub direction: Direction,
}

impl MessageFilter {
    /// Whether a message passes, given its words and whether it was delivered to the viewer.
    pub fn accepts(&self, message: &Message, words: &[String], was_delivered: bool) -> bool {
        let has_all = |search: &SearchWords| search.iter().all(|word| words.iter().any(|other| other == word));
        self.visible_to.as_ref().is_none_or(|viewer| viewer.sees(message, was_delivered))
            && self.search.as_ref().is_none_or(has_all)
            && self.sender.as_ref().is_none_or(|sender| message.sender.agent() == Some(sender))
            && self.thread.is_none_or(|thread| thread == message.thread)
            && self.message_type.is_none_or(|message_type| message_type == message.message_type)
            && self.correlation_id.as_ref().is_none_or(|mark| message.correlation_id.as_ref() == Some(mark))
            && self.since.is_none_or(|since| since <= message.at)
            && self.before.is_none_or(|before| message.at < before)
    }

    /// Whether a message stands behind the cursor, in the direction of this list.
    pub fn is_after(&self, message: Number, cursor: Option<Number>) -> bool {
        cursor.is_none_or(|cursor| match self.direction {
            Direction::NewestFirst => message < cursor,
            Direction::OldestFirst => message > cursor,
        })
    }
}

/// A message in an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEntry {
    /// The message.
    pub message: Message,
    /// What became of it; `None` of a broadcast that the agent has not looked at.
    pub delivery: Option<Delivery>,
}

/// Who asks how much there is to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadAsk {
    /// Who.
    pub agent: AgentId,
    /// What it listens to; empty if it has no record.
    pub listenings: Vec<Listening>,
}

/// How many messages an agent has not marked as read, nor acknowledged or answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// All, broadcasts included. Of each audience it belongs to at most [`UNREAD_BROADCASTS_MAX`] are counted.
    pub unread: u32,
    /// Those of a priority up to [`URGENT_PRIORITY_MAX`].
    pub urgent: u32,
}

/// How many broadcasts to one audience are counted.
pub const UNREAD_BROADCASTS_MAX: u32 = 1_000;
/// The least urgent priority that counts as urgent.
pub const URGENT_PRIORITY_MAX: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_has_1_to_16_words() {
        let search = SearchWords::parse("Fix the FIX, please!").unwrap();
        assert_eq!(search.iter().collect::<Vec<_>>(), ["fix", "please", "the"]);
        assert_eq!(SearchWords::parse("… -"), Err(InvalidSearch));
        let many = |count: usize| (0..count).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ");
        assert!(SearchWords::parse(&many(16)).is_ok());
        assert_eq!(SearchWords::parse(&many(17)), Err(InvalidSearch));
        assert_eq!(SearchWords::parse(&"x".repeat(513)), Err(InvalidSearch));
    }
}
