//! Why a command on working memory was refused.

use crate::ids::SessionId;
use crate::memory::working::ENTRIES_MAX;
use crate::memory::working::content::EntryKey;
use serde::{Deserialize, Serialize};

/// Why working memory was not changed or not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum WorkingRefusal {
    /// The session keeps nothing under this key, or not any more.
    #[error("there is no entry `{key}`")]
    Unknown {
        /// The key that was named.
        key: EntryKey,
    },
    /// It is another session's, and not for the caller to read.
    #[error("session `{session}` is another agent's, and handed nothing over to you")]
    NotYours {
        /// The session that was named.
        session: SessionId,
    },
    /// Nobody writes under this key.
    #[error("`{key}` is where the gist of what gave way is kept: choose another key")]
    Reserved {
        /// The key that was named.
        key: EntryKey,
    },
    /// The entry has another version than the caller thought.
    #[error("entry `{key}` {}, not version {given}", now_has(*current))]
    Changed {
        /// Which entry.
        key: EntryKey,
        /// The version the caller named; 0 for none.
        given: u64,
        /// The version it has; `None` if it is not there.
        current: Option<u64>,
    },
    /// Even if all else gave way, it would not fit.
    #[error(
        "it does not fit: what is pinned has {pinned} tokens, with this entry {needed} in {entries} entries, and the budget is \
         {budget} tokens and {ENTRIES_MAX} entries, with room for a summary"
    )]
    Full {
        /// The budget of the session in tokens.
        budget: u32,
        /// What is pinned, in tokens.
        pinned: u32,
        /// What cannot give way, in tokens.
        needed: u32,
        /// How many entries cannot give way.
        entries: usize,
    },
}

fn now_has(current: Option<u64>) -> String {
    current.map_or_else(|| "is not there".to_owned(), |version| format!("has version {version}"))
}
