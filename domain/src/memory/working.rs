//! Working memory: what a session has in its head, under keys.
//!
//! It has a budget of tokens. What is written over it makes the oldest entries that are not pinned give way, in the same
//! breath, to one entry under [`EntryKey::SUMMARY`] that says the gist of them. An entry is gone at its end, whether
//! anybody notices or not; so are the lines that a summary has of it.

pub mod content;
mod reading;
mod refusal;
mod summary;

pub use reading::{InvalidKept, Kept, Reader, Terms, end_of};
pub use refusal::WorkingRefusal;
pub use summary::{Gist, GistLine};

use crate::ids::{AgentId, SessionId};
use crate::memory::working::content::{EntryKey, EntryTtl, EntryValue, TokenBudget};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most entries of a session, the summary included.
pub const ENTRIES_MAX: usize = 256;

/// What a session keeps under a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: EntryKey,
    /// What is kept.
    pub value: EntryValue,
    /// Rises with each writing in the session, under any key: none ever comes twice.
    pub version: u64,
    /// What it costs, key and value.
    pub tokens: u32,
    /// Whether it never gives way.
    pub pinned: bool,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// From when on it is gone; `None` if it stays as long as the working memory.
    pub expires_at: Option<DateTime<Utc>>,
}

/// An entry to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Under which key.
    pub key: EntryKey,
    /// What.
    pub value: EntryValue,
    /// For how long; as long as the working memory if `None`.
    pub ttl: Option<EntryTtl>,
    /// Whether it never gives way.
    pub pinned: bool,
    /// The version it takes the place of, 0 for none; any if `None`.
    pub if_version: Option<u64>,
}

/// All that a session keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Scratchpad {
    /// Whose it is.
    pub session: SessionId,
    /// The agent of that session.
    pub agent: AgentId,
    /// How many tokens its entries may have together.
    pub budget: TokenBudget,
    /// Rises with each change: whoever saves must have read the latest. 0 while it is stored nowhere.
    pub revision: u64,
    /// When it was changed last.
    pub written_at: DateTime<Utc>,
    /// What is in it, by key.
    pub entries: BTreeMap<EntryKey, Entry>,
}

/// An entry that gave way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compacted {
    /// Its key.
    pub key: EntryKey,
    /// What it cost.
    pub tokens: u32,
}

/// A scratchpad after a change, and what is to be stored of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// As it is now.
    pub pad: Scratchpad,
    /// The entries that are new or others than before.
    pub written: Vec<Entry>,
    /// The keys of those that are gone.
    pub removed: Vec<EntryKey>,
    /// Those that gave way, the oldest first.
    pub compacted: Vec<Compacted>,
}

impl Scratchpad {
    /// An empty one.
    pub fn new(session: SessionId, agent: AgentId, budget: TokenBudget, now: DateTime<Utc>) -> Self {
        Self { session, agent, budget, revision: 0, written_at: now, entries: BTreeMap::new() }
    }

    /// As it is at an instant: without what has expired.
    #[must_use]
    pub fn as_of(&self, now: DateTime<Utc>) -> Self {
        let live = self.entries.values().filter_map(|entry| entry.as_of(now));
        Self { entries: live.map(|entry| (entry.key.clone(), entry)).collect(), ..self.clone() }
    }

    /// What all entries cost together.
    pub fn tokens(&self) -> u32 {
        sum(self.entries.values())
    }

    /// The entries in the order to read them in: the summary of what was first, then the oldest first.
    pub fn in_order(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_by_key(|entry| (!entry.key.is_summary(), entry.version));
        entries
    }

    /// Writes an entry. What does not fit any more gives way.
    pub fn write(&self, note: Note, now: DateTime<Utc>) -> Result<Changed, WorkingRefusal> {
        if note.key.is_summary() {
            return Err(WorkingRefusal::Reserved { key: note.key });
        }
        let mut after = self.next(now);
        after.expect(&note.key, note.if_version)?;
        let Note { key, value, ttl, pinned, if_version: _ } = note;
        let entry = Entry {
            tokens: value.tokens_under(&key),
            key: key.clone(),
            value,
            version: after.revision,
            pinned,
            written_at: now,
            expires_at: ttl.map(|ttl| ttl.end(now)),
        };
        after.entries.insert(key.clone(), entry);
        let compacted = after.fit(Some(&key), now)?;
        Ok(self.changed(after, compacted))
    }

    /// Takes an entry out.
    pub fn remove(
        &self,
        key: &EntryKey,
        if_version: Option<u64>,
        now: DateTime<Utc>,
    ) -> Result<Changed, WorkingRefusal> {
        let mut after = self.next(now);
        if !after.entries.contains_key(key) {
            return Err(WorkingRefusal::Unknown { key: key.clone() });
        }
        after.expect(key, if_version)?;
        after.entries.remove(key);
        Ok(self.changed(after, Vec::new()))
    }

    /// Gives it another budget. What does not fit any more gives way.
    pub fn limit(&self, budget: TokenBudget, now: DateTime<Utc>) -> Result<Changed, WorkingRefusal> {
        let mut after = Self { budget, ..self.next(now) };
        let compacted = after.fit(None, now)?;
        Ok(self.changed(after, compacted))
    }

    /// As it is now, ready to be changed.
    fn next(&self, now: DateTime<Utc>) -> Self {
        Self { revision: self.revision.saturating_add(1), written_at: now, ..self.as_of(now) }
    }

    fn expect(&self, key: &EntryKey, if_version: Option<u64>) -> Result<(), WorkingRefusal> {
        let current = self.entries.get(key).map(|entry| entry.version);
        match if_version {
            Some(given) if given != current.unwrap_or(0) => {
                Err(WorkingRefusal::Changed { key: key.clone(), given, current })
            }
            _ => Ok(()),
        }
    }

    /// Compacts the oldest entries until all fits, but for pinned ones and the one that is being written.
    fn fit(&mut self, writing: Option<&EntryKey>, now: DateTime<Utc>) -> Result<Vec<Compacted>, WorkingRefusal> {
        let budget = self.budget.tokens();
        if self.tokens() <= budget && self.entries.len() <= ENTRIES_MAX {
            return Ok(Vec::new());
        }
        let stays = |entry: &Entry| entry.pinned || Some(&entry.key) == writing;
        let (fixed, loose): (Vec<&Entry>, Vec<&Entry>) = self.entries.values().partition(|entry| stays(entry));
        let needed = sum(fixed.iter().copied());
        let room = budget.checked_sub(needed).filter(|room| *room >= TokenBudget::SUMMARY_MIN);
        let Some(room) = room.filter(|_| fixed.len() < ENTRIES_MAX) else {
            let pinned = sum(self.entries.values().filter(|entry| entry.pinned));
            return Err(WorkingRefusal::Full { budget, pinned, needed, entries: fixed.len() });
        };
        let room = room.min(self.budget.summary_tokens());
        let mut oldest: Vec<&Entry> = loose.into_iter().filter(|entry| !entry.key.is_summary()).collect();
        oldest.sort_by_key(|entry| entry.version);
        let (mut tokens, mut count) = (needed.saturating_add(sum(oldest.iter().copied())), fixed.len() + oldest.len());
        let goes = |entry: &&&Entry| {
            let over = tokens.saturating_add(room) > budget || count >= ENTRIES_MAX;
            (tokens, count) = if over { (tokens.saturating_sub(entry.tokens), count - 1) } else { (tokens, count) };
            over
        };
        let going: Vec<Entry> = oldest.iter().take_while(goes).map(|entry| (*entry).clone()).collect();
        let before = self.entries.remove(&EntryKey::summary()).and_then(|entry| Gist::read(entry.value.value()));
        let gist = Gist::of(before, &going, room);
        for entry in &going {
            self.entries.remove(&entry.key);
        }
        self.entries.insert(EntryKey::summary(), gist.entry(self.revision, now));
        Ok(going.into_iter().map(|entry| Compacted { key: entry.key, tokens: entry.tokens }).collect())
    }

    /// What is to be stored for this to become that.
    fn changed(&self, after: Self, compacted: Vec<Compacted>) -> Changed {
        let is_new = |entry: &&Entry| self.entries.get(&entry.key) != Some(*entry);
        let written = after.entries.values().filter(is_new).cloned().collect();
        let removed = self.entries.keys().filter(|key| !after.entries.contains_key(key)).cloned().collect();
        Changed { pad: after, written, removed, compacted }
    }
}

impl Entry {
    /// As it is at an instant; `None` if it has expired.
    pub fn as_of(&self, now: DateTime<Utc>) -> Option<Self> {
        if self.expires_at.is_some_and(|end| end <= now) {
            return None;
        }
        match Gist::read(self.value.value()).filter(|_| self.key.is_summary()) {
            Some(gist) if gist.has_expired_lines(now) => {
                let left = gist.as_of(now).entry(self.version, self.written_at);
                Some(Self { expires_at: self.expires_at, ..left })
            }
            _ => Some(self.clone()),
        }
    }
}

fn sum<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> u32 {
    entries.into_iter().fold(0, |sum, entry| sum.saturating_add(entry.tokens))
}

#[cfg(test)]
#[path = "working_tests.rs"]
mod tests;
