//! What a session keeps in its head, within its limits.

use crate::ids::InvalidId;
use crate::memory::pack::estimated_tokens;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an entry is kept under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryKey(String);

impl EntryKey {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 128;
    /// Where the gist of what gave way is kept. Nobody writes there.
    pub const SUMMARY: &'static str = "~summary";

    /// Checks length and alphabet; the key of the summary passes.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
        let is_name = (1..=Self::BYTES_MAX).contains(&text.len()) && text.chars().all(fits);
        // A path that ends so means another one to whoever resolves it.
        if text == Self::SUMMARY || (is_name && text != "." && text != "..") {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::Given {
                kind: "EntryKey",
                bytes_max: Self::BYTES_MAX,
                allowed: "letters, digits and - _ . : @",
                text: text.chars().take(64).collect(),
            })
        }
    }

    /// The key of the summary.
    pub fn summary() -> Self {
        Self(Self::SUMMARY.to_owned())
    }

    /// Whether it is the key of the summary.
    pub fn is_summary(&self) -> bool {
        self.0 == Self::SUMMARY
    }

    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for EntryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<EntryKey> for String {
    fn from(key: EntryKey) -> Self {
        key.0
    }
}

impl TryFrom<String> for EntryKey {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

/// JSON that is kept under a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct EntryValue {
    value: Value,
    tokens: u32,
}

/// JSON that is too long for an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the JSON has {bytes} bytes written compactly: it may have {}", EntryValue::BYTES_MAX)]
pub struct InvalidEntryValue {
    /// Its length in bytes.
    pub bytes: usize,
}

impl EntryValue {
    /// The greatest length in bytes, written compactly: 64 KiB.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// Measures.
    pub fn try_new(value: Value) -> Result<Self, InvalidEntryValue> {
        let (measured, bytes) = Self::measured(value);
        if bytes <= Self::BYTES_MAX { Ok(measured) } else { Err(InvalidEntryValue { bytes }) }
    }

    /// With its length in bytes.
    pub(super) fn measured(value: Value) -> (Self, usize) {
        let written = value.to_string();
        (Self { value, tokens: tokens(&written) }, written.len())
    }

    /// The JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What it costs under a key.
    pub fn tokens_under(&self, key: &EntryKey) -> u32 {
        self.tokens.saturating_add(tokens(key.as_str()))
    }
}

impl From<EntryValue> for Value {
    fn from(value: EntryValue) -> Self {
        value.value
    }
}

impl TryFrom<Value> for EntryValue {
    type Error = InvalidEntryValue;
    fn try_from(value: Value) -> Result<Self, InvalidEntryValue> {
        Self::try_new(value)
    }
}

/// How many tokens a text has, about.
pub(super) fn tokens(text: &str) -> u32 {
    u32::try_from(estimated_tokens(text)).unwrap_or(u32::MAX)
}

/// For how long an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct EntryTtl(u32);

/// A TTL of an entry out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the TTL of an entry is {given} seconds: it must be {} to {}", EntryTtl::SECONDS_MIN, EntryTtl::SECONDS_MAX)]
pub struct InvalidEntryTtl {
    /// What was asked for, in seconds.
    pub given: u32,
}

impl EntryTtl {
    /// The shortest TTL.
    pub const SECONDS_MIN: u32 = 1;
    /// The longest TTL: 30 days.
    pub const SECONDS_MAX: u32 = 30 * 24 * 3600;

    /// Checks the bounds.
    pub fn try_new(seconds: u32) -> Result<Self, InvalidEntryTtl> {
        let fits = (Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&seconds);
        if fits { Ok(Self(seconds)) } else { Err(InvalidEntryTtl { given: seconds }) }
    }

    /// When it ends that begins now, exclusive.
    pub fn end(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::seconds(self.0.into())
    }
}

impl From<EntryTtl> for u32 {
    fn from(ttl: EntryTtl) -> Self {
        ttl.0
    }
}

impl TryFrom<u32> for EntryTtl {
    type Error = InvalidEntryTtl;
    fn try_from(seconds: u32) -> Result<Self, InvalidEntryTtl> {
        Self::try_new(seconds)
    }
}

/// How many tokens the entries of a session may have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct TokenBudget(u32);

/// A budget out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the budget is {given} tokens: it must be {} to {}", TokenBudget::MIN, TokenBudget::MAX)]
pub struct InvalidTokenBudget {
    /// What was asked for, in tokens.
    pub given: u32,
}

impl TokenBudget {
    /// The smallest budget.
    pub const MIN: u32 = 512;
    /// The greatest budget.
    pub const MAX: u32 = 64 * 1024;
    /// The budget of whoever names none.
    pub const DEFAULT: Self = Self(8_000);
    /// The part of the budget that the summary may take: one of so many.
    pub const SUMMARY_PART: u32 = 8;
    /// What the summary has at least.
    pub const SUMMARY_MIN: u32 = Self::MIN / Self::SUMMARY_PART;

    /// Checks the bounds.
    pub fn try_new(tokens: u32) -> Result<Self, InvalidTokenBudget> {
        if (Self::MIN..=Self::MAX).contains(&tokens) {
            Ok(Self(tokens))
        } else {
            Err(InvalidTokenBudget { given: tokens })
        }
    }

    /// The number of tokens.
    pub const fn tokens(self) -> u32 {
        self.0
    }

    /// The most tokens of the summary.
    pub const fn summary_tokens(self) -> u32 {
        self.0 / Self::SUMMARY_PART
    }
}

impl From<TokenBudget> for u32 {
    fn from(budget: TokenBudget) -> Self {
        budget.0
    }
}

impl TryFrom<u32> for TokenBudget {
    type Error = InvalidTokenBudget;
    fn try_from(tokens: u32) -> Result<Self, InvalidTokenBudget> {
        Self::try_new(tokens)
    }
}
