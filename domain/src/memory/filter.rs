//! Which memories somebody wants to see.

use crate::ids::{AgentId, MemoryId};
use crate::memory::content::{EventType, Stream, Tag};
use crate::memory::realm::Realm;
use crate::memory::record::Memory;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which memories to look at. An empty set lets everything through.
///
/// It names its realms, so that nothing is read from anywhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryFilter {
    /// Where to look.
    pub realms: Vec<Realm>,
    /// At which instant they must hold.
    pub as_of: DateTime<Utc>,
    /// Whether those that hold no longer at that instant are shown too, because another took their place or their time
    /// is over.
    pub ended_too: bool,
    /// One of these tags, at least.
    pub tags_any: BTreeSet<Tag>,
    /// All of these tags.
    pub tags_all: BTreeSet<Tag>,
    /// Of one of these types.
    pub event_types: BTreeSet<EventType>,
    /// By one of these agents.
    pub agents: BTreeSet<AgentId>,
    /// Of this row.
    pub stream: Option<Stream>,
    /// Happened at or after.
    pub happened_from: Option<DateTime<Utc>>,
    /// Happened before.
    pub happened_until: Option<DateTime<Utc>>,
    /// Pinned ones only.
    pub pinned_only: bool,
}

impl MemoryFilter {
    /// The most tags, types and agents each.
    pub const NAMES_MAX: usize = 50;

    /// Everything in these realms that holds at an instant.
    pub fn all(realms: Vec<Realm>, as_of: DateTime<Utc>) -> Self {
        Self {
            realms,
            as_of,
            ended_too: false,
            tags_any: BTreeSet::new(),
            tags_all: BTreeSet::new(),
            event_types: BTreeSet::new(),
            agents: BTreeSet::new(),
            stream: None,
            happened_from: None,
            happened_until: None,
            pinned_only: false,
        }
    }

    /// Whether a memory is shown. Redacted ones never are.
    pub fn shows(&self, memory: &Memory) -> bool {
        let Some(content) = &memory.content else { return false };
        let tags = &content.words().tags;
        self.realms.contains(&memory.realm())
            && (memory.holds_at(self.as_of) || (self.ended_too && memory.valid_from <= self.as_of))
            && (self.tags_any.is_empty() || !self.tags_any.is_disjoint(tags))
            && self.tags_all.is_subset(tags)
            && (self.event_types.is_empty() || self.event_types.contains(&memory.event_type))
            && (self.agents.is_empty() || self.agents.contains(&memory.author.agent))
            && self.stream.as_ref().is_none_or(|stream| *stream == memory.place.stream)
            && self.happened_from.is_none_or(|from| memory.happened_at >= from)
            && self.happened_until.is_none_or(|until| memory.happened_at < until)
            && (!self.pinned_only || memory.pinned)
    }
}

/// Which memories of a list come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Those that happened last.
    NewestFirst,
    /// Those that happened first.
    OldestFirst,
}

/// Where a list of memories goes on: after this one, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemoryCursor {
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// Its id.
    pub id: MemoryId,
}
