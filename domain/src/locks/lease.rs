//! Leases: who holds what, in which mode, until when, under which fencing token.

use crate::ids::{AgentId, HandoffId, SessionId, TicketId};
use crate::locks::key::LockKey;
use crate::locks::wants::Wants;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A fencing token: strictly increasing per key, over restarts and restores.
///
/// One integer below 2^53: `epoch × 2^40 + number`. A resource that remembers the greatest token it has seen can refuse
/// a holder that was overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token(i64);

/// A number that cannot be a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a token: tokens are 1 to 2^53 - 1")]
pub struct InvalidToken(pub i64);

impl Token {
    /// The greatest token.
    pub const MAX: i64 = (1 << 53) - 1;
    /// The greatest epoch.
    pub const EPOCH_MAX: i64 = (1 << 13) - 1;
    const NUMBER_BITS: u32 = 40;

    /// Checks the bounds.
    pub fn try_new(value: i64) -> Result<Self, InvalidToken> {
        if (1..=Self::MAX).contains(&value) { Ok(Self(value)) } else { Err(InvalidToken(value)) }
    }

    /// The last number before the tokens of an epoch.
    pub const fn base_of_epoch(epoch: i64) -> i64 {
        epoch << Self::NUMBER_BITS
    }

    /// The integer on the wire.
    pub const fn value(self) -> i64 {
        self.0
    }
}

/// Alone or together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Many may hold it in this mode at once.
    Shared,
    /// Nobody else holds it in any mode.
    Exclusive,
}

impl Mode {
    /// Whether two holders may have overlapping keys.
    pub fn agrees_with(self, other: Self) -> bool {
        self == Self::Shared && other == Self::Shared
    }

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Shared, Self::Exclusive].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// How long a lease lasts without renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ttl(u32);

/// A TTL out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`ttl_seconds` is {given}: it must be {} to {}", Ttl::SECONDS_MIN, Ttl::SECONDS_MAX)]
pub struct InvalidTtl {
    /// What was asked for.
    pub given: u32,
}

impl Ttl {
    /// The shortest TTL.
    pub const SECONDS_MIN: u32 = 5;
    /// The longest TTL: eight hours.
    pub const SECONDS_MAX: u32 = 8 * 3600;

    /// Checks the bounds.
    pub fn try_new(seconds: u32) -> Result<Self, InvalidTtl> {
        let fits = (Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&seconds);
        if fits { Ok(Self(seconds)) } else { Err(InvalidTtl { given: seconds }) }
    }

    /// The length in seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }

    pub(crate) fn end(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::seconds(i64::from(self.0))
    }
}

/// Why somebody holds, waits or takes: words for others to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

/// A reason that is blank or too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`reason` must have 1 to {} bytes and no control characters", Reason::BYTES_MAX)]
pub struct InvalidReason;

impl Reason {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 512;

    /// Trims and checks.
    pub fn parse(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        let fits = (1..=Self::BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidReason) }
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl TryFrom<String> for Reason {
    type Error = InvalidReason;
    fn try_from(text: String) -> Result<Self, InvalidReason> {
        Self::parse(&text)
    }
}

/// Who holds or waits: one session of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The agent.
    pub agent: AgentId,
    /// Its session; another session of the same agent does not hold the lock.
    pub session: SessionId,
}

/// A lock that was granted and has not been ended. Whether it holds is for [`super::stored::StoredLease`] to say, since
/// that hangs on the life of the session too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What is held.
    pub key: LockKey,
    /// How.
    pub mode: Mode,
    /// By whom.
    pub holder: Holder,
    /// Under which token.
    pub token: Token,
    /// Since when, on the store's clock.
    pub granted_at: DateTime<Utc>,
    /// Until when, exclusive: at this instant it is free, if its session has not ended before.
    pub expires_at: DateTime<Utc>,
    /// What for.
    pub reason: Option<Reason>,
}

/// How a lease came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// Its holder gave it back.
    Released,
    /// Its time ran out.
    Expired,
    /// Its session ended.
    SessionEnded,
    /// Its own holder got a stronger one on the same key.
    Replaced,
    /// Its holder handed it over, and the taker holds the key under a greater token.
    HandedOver {
        /// The agent that took it.
        to: AgentId,
        /// With which handoff.
        handoff: HandoffId,
    },
    /// Somebody took it away.
    Forced {
        /// Who.
        by: AgentId,
        /// Why.
        reason: Reason,
    },
}

/// A lease of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLease {
    /// The lease as it was.
    pub lease: Lease,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How it ended.
    pub ending: Ending,
}

/// How many past holders of a key are shown.
pub const HISTORY_ROWS_MAX: u32 = 10;

/// How long past leases are kept, in days.
pub const HISTORY_KEPT_DAYS: i64 = 7;

/// Somebody in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// The name of the place.
    pub ticket: TicketId,
    /// The order of arrival in the project: lower came first.
    pub place: i64,
    /// Who waits.
    pub holder: Holder,
    /// For what.
    pub wants: Wants,
    /// What for, in words.
    pub reason: Option<Reason>,
    /// When the wait began.
    pub joined_at: DateTime<Utc>,
    /// When the place is lost unless the waiter is heard from.
    pub kept_until: DateTime<Utc>,
}

impl Waiter {
    /// How long a place is kept after the last sign of life, in seconds.
    pub const KEPT_SECONDS: i64 = 15;
    /// The longest wait of one call, in seconds.
    pub const WAIT_SECONDS_MAX: u32 = 60;
    /// The most waiters of a project.
    pub const PER_PROJECT_MAX: usize = 1_000;
    /// The most places of one session.
    pub const PER_SESSION_MAX: usize = 16;
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
