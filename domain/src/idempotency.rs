//! Idempotency keys: the same request sent twice has one effect and one answer.

use crate::ids::{AgentId, ProjectId};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long an answer is kept for replays, in hours.
pub const KEPT_HOURS: i64 = 24;

/// A caller-chosen name of one request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey(String);

/// An idempotency key that is empty, too long or not printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`Idempotency-Key` must be 1 to {} printable ASCII characters", IdempotencyKey::BYTES_MAX)]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 255;

    /// Checks length and alphabet.
    pub fn parse(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidIdempotencyKey) }
    }

    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which request a record is about. Keys of different agents or projects never meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestName {
    /// The project of the call.
    pub project: ProjectId,
    /// The agent that called.
    pub agent: AgentId,
    /// The name it gave the request.
    pub key: IdempotencyKey,
}

/// The answer that was given to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Whose request it was.
    pub name: RequestName,
    /// SHA-256 over operation, session and body.
    pub fingerprint: [u8; 32],
    /// The answer, in the shape of the operation.
    pub answer: Value,
    /// The store's time of the commit.
    pub created_at: DateTime<Utc>,
}

/// What to do with a request that has an idempotency key.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Not seen before (or long forgotten): go on.
    Fresh,
    /// Seen with the same content: give this answer again and change nothing.
    Replay(Value),
    /// Seen with other content: refuse.
    Reused,
}

/// Compares a request with the record of its key.
pub fn judge(found: Option<&Record>, fingerprint: &[u8; 32], now: DateTime<Utc>) -> Verdict {
    match found {
        Some(record) if now - record.created_at < TimeDelta::hours(KEPT_HOURS) => {
            if record.fingerprint == *fingerprint { Verdict::Replay(record.answer.clone()) } else { Verdict::Reused }
        }
        _ => Verdict::Fresh,
    }
}

#[cfg(test)]
#[path = "idempotency_tests.rs"]
mod tests;
