//! The order of the queue: priority, ageing, then who came first, all in one number that an index can hold.
//!
//! A task's rank is the instant from which it waits plus [`Rank::AGING_STEP_SECONDS`] for each step of its priority
//! below the first; the lowest rank goes first. So one step of priority is worth ten minutes of waiting, a task of
//! priority `p` that has waited `w` counts as one of priority `p − w / 10 min`, and nothing starves: whatever was
//! submitted more than 90 minutes later comes later, whatever its priority.

use crate::ids::TaskId;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How urgent a task is: 1 goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

/// A priority out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`priority` is {0}: it must be {first} (first) to {last}", first = Priority::FIRST.0, last = Priority::LAST.0)]
pub struct InvalidPriority(pub u8);

impl Priority {
    /// Before all others.
    pub const FIRST: Self = Self(1);
    /// After all others.
    pub const LAST: Self = Self(10);
    /// When none is named.
    pub const DEFAULT: Self = Self(5);

    /// Checks the bounds.
    pub fn try_new(number: u8) -> Result<Self, InvalidPriority> {
        if (Self::FIRST.0..=Self::LAST.0).contains(&number) { Ok(Self(number)) } else { Err(InvalidPriority(number)) }
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

impl TryFrom<u8> for Priority {
    type Error = InvalidPriority;
    fn try_from(number: u8) -> Result<Self, InvalidPriority> {
        Self::try_new(number)
    }
}

/// Where a task stands in the order, in microseconds; lower goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rank(i64);

impl Rank {
    /// How much waiting one step of priority is worth, in seconds.
    pub const AGING_STEP_SECONDS: i64 = 600;
    const STEP_US: i64 = Self::AGING_STEP_SECONDS * 1_000_000;

    /// The rank of a task that waits from an instant on.
    pub fn new(waits_from: DateTime<Utc>, priority: Priority) -> Self {
        Self(waits_from.timestamp_micros().saturating_add(Self::ahead_us(priority)))
    }

    /// A rank as a store keeps it.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The number as a store keeps it.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The same wait under another priority.
    #[must_use]
    pub fn with_priority(self, from: Priority, to: Priority) -> Self {
        Self(self.0.saturating_add(Self::ahead_us(to)).saturating_sub(Self::ahead_us(from)))
    }

    /// How many steps of priority the wait has been worth until now, in hundredths. Zero for who came just now.
    pub fn boost_hundredths(self, priority: Priority, now: DateTime<Utc>) -> i64 {
        let waited_us = now.timestamp_micros().saturating_sub(self.0.saturating_sub(Self::ahead_us(priority)));
        waited_us.max(0) / (Self::STEP_US / 100)
    }

    fn ahead_us(priority: Priority) -> i64 {
        i64::from(priority.0 - 1) * Self::STEP_US
    }
}

/// A task's place in the order: its rank, and for equal ranks its id, which rises with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The rank.
    pub rank: Rank,
    /// The task.
    pub task: TaskId,
}

/// How far ahead a time may be named, in days: ten years.
pub const AHEAD_DAYS_MAX: i64 = 3_653;

/// Whether an instant is near enough to be named.
pub fn is_within_reach(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at - now <= TimeDelta::days(AHEAD_DAYS_MAX)
}

#[cfg(test)]
#[path = "rank_tests.rs"]
mod tests;
