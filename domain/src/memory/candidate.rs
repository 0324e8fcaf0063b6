//! What ranking needs to know of a memory, and how stores are asked for it.

use crate::ids::MemoryId;
use crate::memory::content::{EventType, Importance};
use crate::memory::realm::Realm;
use crate::memory::record::{Feedback, Memory, Place};
use crate::memory::terms::{PackedTerms, TermHash};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A memory that may be an answer, without its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub id: MemoryId,
    /// Where it lies.
    pub realm: Realm,
    /// Where it stands.
    pub place: Place,
    /// Its words, for scoring.
    pub terms: PackedTerms,
    /// How many words it has in all.
    pub length: u32,
    /// What kind of thing it is.
    pub event_type: EventType,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// How much it matters.
    pub importance: Importance,
    /// Whether it is pinned.
    pub pinned: bool,
    /// What others found of it.
    pub feedback: Feedback,
}

impl Candidate {
    /// Of a memory and what an index knows of it.
    pub fn of(memory: &Memory, indexed: &Indexed) -> Self {
        Self {
            id: memory.id,
            realm: memory.realm(),
            place: memory.place.clone(),
            terms: indexed.terms.clone(),
            length: indexed.length,
            event_type: memory.event_type.clone(),
            happened_at: memory.happened_at,
            importance: memory.importance,
            pinned: memory.pinned,
            feedback: memory.feedback,
        }
    }
}

/// What an index knows of a memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Its words, each once: what is counted in how many memories it occurs.
    pub words: BTreeSet<TermHash>,
    /// Its tags.
    pub tags: BTreeSet<TermHash>,
    /// Its words for scoring.
    pub terms: PackedTerms,
    /// How many words it has in all.
    pub length: u32,
}

impl Indexed {
    /// The tokens of a full-text index.
    pub fn tokens(&self) -> String {
        let tokens: Vec<String> = self.words.iter().chain(&self.tags).map(|term| term.token()).collect();
        tokens.join(" ")
    }
}

/// Which candidates to look for in a realm: those that have all the terms of one of the sets, at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The realm. The terms are its own.
    pub realm: Realm,
    /// The sets of terms; none is empty.
    pub any_of: Vec<Vec<TermHash>>,
    /// The most candidates. If there are more, which of them are found is left to the store.
    pub rows_max: u32,
}

/// What is counted in a realm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many memories an index knows.
    pub memories: u64,
    /// How many words they have in all.
    pub length: u64,
}

/// What a search in one realm is planned and scored by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// What is counted in the realm.
    pub totals: Totals,
    /// In how many memories each term occurs; terms that occur in none are left out.
    pub frequencies: BTreeMap<TermHash, u64>,
}
