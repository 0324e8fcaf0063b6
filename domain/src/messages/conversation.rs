//! Two agents that answer each other: as long as that goes well nobody notices; when they do nothing else, they are slowed,
//! and if that goes on, stopped.
//!
//! Only replies count, of either to the other. More than a settable number in a minute are refused, with the instant from
//! which the next one is taken. Whoever keeps to that pace, and sends [`Pace::STOP_FACTOR`] times as many within
//! [`STOP_WINDOW_SECONDS`], is in a loop: with the reply that fills that measure the conversation is stopped, for
//! [`STOPPED_SECONDS`], or until an orchestrator resumes it. Nothing is written when a reply is refused.

use crate::ids::AgentId;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The window in which replies are counted, in seconds.
pub const WINDOW_SECONDS: i64 = 60;
/// The window in which replies at the full pace stop a conversation, in seconds.
pub const STOP_WINDOW_SECONDS: i64 = 300;
/// How long a conversation rests that was stopped, in seconds.
pub const STOPPED_SECONDS: i64 = 600;

/// How many replies a minute two agents may send each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Pace(u32);

/// A pace out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} replies a minute: it must be 1 to {}", Pace::MAX)]
pub struct InvalidPace {
    /// What was asked for.
    pub given: u32,
}

impl Pace {
    /// The greatest.
    pub const MAX: u32 = 100;
    /// When nobody chose: 20.
    pub const DEFAULT: Self = Self(20);
    /// How many minutes' worth of replies within [`STOP_WINDOW_SECONDS`] stop a conversation.
    pub const STOP_FACTOR: u32 = 3;

    /// Checks the bounds.
    pub fn try_new(per_minute: u32) -> Result<Self, InvalidPace> {
        let fits = (1..=Self::MAX).contains(&per_minute);
        if fits { Ok(Self(per_minute)) } else { Err(InvalidPace { given: per_minute }) }
    }

    /// Replies in a minute.
    pub const fn per_minute(self) -> u32 {
        self.0
    }

    fn is_reached(self, replies: usize) -> bool {
        replies >= self.0 as usize
    }

    fn is_a_loop(self, replies: usize) -> bool {
        replies >= (self.0 * Self::STOP_FACTOR) as usize
    }
}

impl From<Pace> for u32 {
    fn from(pace: Pace) -> Self {
        pace.0
    }
}

impl TryFrom<u32> for Pace {
    type Error = InvalidPace;
    fn try_from(per_minute: u32) -> Result<Self, InvalidPace> {
        Self::try_new(per_minute)
    }
}

/// Two agents, in no order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pair {
    first: AgentId,
    second: AgentId,
}

impl Pair {
    /// The pair of two agents, whichever is named first.
    pub fn of(one: AgentId, other: AgentId) -> Self {
        if one <= other { Self { first: one, second: other } } else { Self { first: other, second: one } }
    }

    /// The one whose name comes first.
    pub fn first(&self) -> &AgentId {
        &self.first
    }

    /// The other one.
    pub fn second(&self) -> &AgentId {
        &self.second
    }
}

/// What is remembered of two agents that answer each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Which two.
    pub pair: Pair,
    /// When the replies were sent, oldest first, as far as they matter.
    pub replies: Vec<DateTime<Utc>>,
    /// Until when it is stopped, exclusive.
    pub stopped_until: Option<DateTime<Utc>>,
}

/// Why a reply is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// There were too many in a minute.
    Slowed {
        /// From when on the next one is taken.
        until: DateTime<Utc>,
    },
    /// The conversation is stopped.
    Stopped {
        /// Until when, unless it is resumed.
        until: DateTime<Utc>,
    },
}

impl Conversation {
    /// Nothing was said yet.
    pub const fn new(pair: Pair) -> Self {
        Self { pair, replies: Vec::new(), stopped_until: None }
    }

    /// Takes a reply. With the answer `true` the conversation is stopped from now on: this was the last one.
    pub fn reply(&mut self, pace: Pace, now: DateTime<Utc>) -> Result<bool, Held> {
        if let Some(until) = self.stopped_until.filter(|until| now < *until) {
            return Err(Held::Stopped { until });
        }
        let lately = |from: &DateTime<Utc>, seconds| now - *from < TimeDelta::seconds(seconds);
        let in_a_minute = self.replies.iter().filter(|at| lately(at, WINDOW_SECONDS)).count();
        if pace.is_reached(in_a_minute) {
            // The one that has to leave the window before there is room; the pace may have been lowered meanwhile.
            let leaves = self.replies.len() - pace.per_minute() as usize;
            let until = self.replies.get(leaves).map_or(now, |at| *at + TimeDelta::seconds(WINDOW_SECONDS));
            return Err(Held::Slowed { until });
        }
        self.replies.retain(|at| lately(at, STOP_WINDOW_SECONDS));
        self.replies.push(now);
        let is_stopped = pace.is_a_loop(self.replies.len());
        self.stopped_until = is_stopped.then(|| now + TimeDelta::seconds(STOPPED_SECONDS));
        Ok(is_stopped)
    }

    /// Lets it go on as if nothing had been said. `None` if it is not stopped.
    pub fn resumed(&self, now: DateTime<Utc>) -> Option<Self> {
        self.stopped_until.filter(|until| now < *until).map(|_| Self::new(self.pair.clone()))
    }

    /// From when on nothing of it matters any more.
    pub fn stale_at(&self) -> DateTime<Utc> {
        let last = self.replies.last().map(|at| *at + TimeDelta::seconds(STOP_WINDOW_SECONDS));
        last.max(self.stopped_until).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
