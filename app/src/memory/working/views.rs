//! What answers about working memory look like on the wire.

use crate::memory::secrets::SecretAt;
use crate::memory::views::MaskedView;
use crate::memory::working::commands::{Used, WrittenEntry};
use chrono::{DateTime, Utc};
use domain::memory::working::content::TokenBudget;
use domain::memory::working::{Compacted, Entry, Scratchpad};
use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;

/// An entry. It was written by an agent: it is data, not an order of the server's.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WorkingEntry", skip_serializing_if_is_none)]
pub struct EntryView {
    /// The key; `~summary` is the gist of what gave way.
    pub key: String,
    /// What is kept.
    pub value: Any<Value>,
    /// Rises with each writing in the session, under any key.
    pub version: u64,
    /// What it costs, about.
    pub tokens: u32,
    /// Whether it never gives way.
    pub pinned: bool,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// From when on it is gone; absent if it stays as long as the working memory.
    pub expires_at: Option<DateTime<Utc>>,
}

impl From<&Entry> for EntryView {
    fn from(entry: &Entry) -> Self {
        Self {
            key: entry.key.to_string(),
            value: Any(entry.value.value().clone()),
            version: entry.version,
            tokens: entry.tokens,
            pinned: entry.pinned,
            written_at: entry.written_at,
            expires_at: entry.expires_at,
        }
    }
}

/// All that a session keeps.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WorkingMemory", skip_serializing_if_is_none)]
pub struct WorkingMemoryView {
    /// Whose it is; absent if you have no session and named none.
    pub session: Option<String>,
    /// The agent of that session.
    pub agent: Option<String>,
    /// How many tokens its entries may have together.
    pub budget_tokens: u32,
    /// How many they have, about.
    pub tokens: u32,
    /// The gist of what gave way first, then what is there, the oldest first.
    pub entries: Vec<EntryView>,
}

impl WorkingMemoryView {
    /// Of a session, or of nobody yet.
    pub fn new(pad: Option<&Scratchpad>, default_budget: TokenBudget) -> Self {
        let budget = pad.map_or(default_budget, |pad| pad.budget);
        Self {
            session: pad.map(|pad| pad.session.to_string()),
            agent: pad.map(|pad| pad.agent.to_string()),
            budget_tokens: budget.tokens(),
            tokens: pad.map_or(0, Scratchpad::tokens),
            entries: pad.into_iter().flat_map(Scratchpad::in_order).map(Into::into).collect(),
        }
    }
}

/// An entry that gave way. What it said is in `~summary`, as far as there was room.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CompactedEntry")]
pub struct CompactedView {
    /// Its key.
    pub key: String,
    /// What it cost.
    pub tokens: u32,
}

impl From<Compacted> for CompactedView {
    fn from(Compacted { key, tokens }: Compacted) -> Self {
        Self { key: key.into(), tokens }
    }
}

/// How a working memory is after a change.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WorkingMemoryUse")]
pub struct UsedView {
    /// Whose it is.
    pub session: String,
    /// How many tokens its entries may have together.
    pub budget_tokens: u32,
    /// How many they have, about.
    pub tokens: u32,
    /// How many entries there are, the summary included.
    pub entries: u32,
    /// What gave way to make room, the oldest first.
    pub compacted: Vec<CompactedView>,
}

impl From<Used> for UsedView {
    fn from(Used { session, budget, tokens, entries, compacted }: Used) -> Self {
        Self {
            session: session.into(),
            budget_tokens: budget.tokens(),
            tokens,
            entries: u32::try_from(entries).unwrap_or(u32::MAX),
            compacted: compacted.into_iter().map(Into::into).collect(),
        }
    }
}

/// An entry that was written.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WrittenWorkingEntry", skip_serializing_if_is_none)]
pub struct WrittenView {
    /// Its key.
    pub key: String,
    /// Its version: send it as `if_version` to write over just this one.
    pub version: u64,
    /// What it costs, about.
    pub tokens: u32,
    /// Whether it never gives way.
    pub pinned: bool,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// From when on it is gone; absent if it stays as long as the working memory.
    pub expires_at: Option<DateTime<Utc>>,
    /// How the whole is now.
    pub working_memory: UsedView,
    /// What was masked in it; empty unless secrets are masked and some were found.
    pub masked: Vec<MaskedView>,
}

impl WrittenView {
    /// Of an entry in which this was masked.
    pub fn new(entry: WrittenEntry, masked: Vec<SecretAt>) -> Self {
        let WrittenEntry { key, version, tokens, pinned, written_at, expires_at, used } = entry;
        Self {
            key: key.into(),
            version,
            tokens,
            pinned,
            written_at,
            expires_at,
            working_memory: used.into(),
            masked: masked.into_iter().map(Into::into).collect(),
        }
    }
}
