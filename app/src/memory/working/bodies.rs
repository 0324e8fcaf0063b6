//! What requests about working memory look like on the wire, and what they mean.

use crate::http::problem::Problem;
use domain::ids::SessionId;
use domain::memory::working::Note;
use domain::memory::working::content::{EntryKey, EntryTtl, EntryValue, TokenBudget};
use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;

/// An entry to keep.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WriteWorkingEntry", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct WriteEntryBody {
    /// JSON of at most 64 KiB, anything but `null`.
    pub value: Any<Value>,
    /// How long it is kept, in seconds; as long as the working memory of the session if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "2592000")))]
    pub ttl_seconds: Option<u32>,
    /// Whether it never gives way when the budget is used up; if left out, it does.
    pub pinned: Option<bool>,
    /// Write only if the entry has this version, or, with 0, if there is none.
    pub if_version: Option<u64>,
}

impl WriteEntryBody {
    /// Reads it, to be kept under a key.
    pub fn read(self, key: &str) -> Result<Note, Problem> {
        let Self { value: Any(value), ttl_seconds, pinned, if_version } = self;
        if value.is_null() {
            return Err(Problem::invalid("value", &"must be there and not null: to take an entry out, delete it"));
        }
        let ttl = ttl_seconds.map(EntryTtl::try_new).transpose();
        Ok(Note {
            key: entry_key(key)?,
            value: EntryValue::try_new(value).map_err(|error| Problem::invalid("value", &error))?,
            ttl: ttl.map_err(|error| Problem::invalid("ttl_seconds", &error))?,
            pinned: pinned.unwrap_or(false),
            if_version,
        })
    }
}

/// The budget of a session.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LimitWorkingMemory", deny_unknown_fields)]
pub struct LimitBody {
    /// How many tokens its entries may have together.
    #[oai(validator(minimum(value = "512"), maximum(value = "65536")))]
    pub budget_tokens: u32,
}

impl LimitBody {
    /// Reads it.
    pub fn read(&self) -> Result<TokenBudget, Problem> {
        TokenBudget::try_new(self.budget_tokens).map_err(|error| Problem::invalid("budget_tokens", &error))
    }
}

/// Reads a key.
pub fn entry_key(text: &str) -> Result<EntryKey, Problem> {
    EntryKey::parse(text).map_err(|error| Problem::invalid("key", &error))
}

/// Reads the session somebody wants to read.
pub fn session_named(text: Option<&str>) -> Result<Option<SessionId>, Problem> {
    text.map(SessionId::parse).transpose().map_err(|error| Problem::invalid("session", &error))
}
