//! The terms of a task: everything rules look at that never changes after submission.

use crate::ids::{AgentId, TaskId};
use crate::locks::lease::Ttl;
use crate::locks::wants::Wants;
use crate::work::name::{ConcurrencyKey, Label, TaskType};
use crate::work::requires::Requires;
use crate::work::retry::RetryPolicy;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How long a claim lasts without a heartbeat. The locks of the task last as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct LeaseLength(Ttl);

/// A lease length out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`lease_seconds` is {0}: it must be {min} to {max}", min = Ttl::SECONDS_MIN, max = Ttl::SECONDS_MAX)]
pub struct InvalidLeaseLength(pub u32);

impl LeaseLength {
    /// When none is named, in seconds: a quarter of an hour.
    pub const SECONDS_DEFAULT: u32 = 900;

    /// Checks the bounds, which are those of a lock.
    pub fn try_new(seconds: u32) -> Result<Self, InvalidLeaseLength> {
        Ttl::try_new(seconds).map(Self).map_err(|_| InvalidLeaseLength(seconds))
    }

    /// The same length for a lock.
    pub const fn ttl(self) -> Ttl {
        self.0
    }

    /// The length in seconds.
    pub const fn seconds(self) -> u32 {
        self.0.seconds()
    }
}

impl From<LeaseLength> for u32 {
    fn from(length: LeaseLength) -> Self {
        length.seconds()
    }
}

impl TryFrom<u32> for LeaseLength {
    type Error = InvalidLeaseLength;
    fn try_from(seconds: u32) -> Result<Self, InvalidLeaseLength> {
        Self::try_new(seconds)
    }
}

/// How many tasks of a key may run at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// The key.
    pub key: ConcurrencyKey,
    /// This task starts only while fewer than so many of the key run. Tasks of one key may differ in this.
    pub limit: ConcurrencyLimit,
}

/// How many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ConcurrencyLimit(u32);

/// A concurrency limit out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the concurrency limit is {0}: it must be 1 to {max}", max = ConcurrencyLimit::MAX)]
pub struct InvalidConcurrencyLimit(pub u32);

impl ConcurrencyLimit {
    /// The greatest limit.
    pub const MAX: u32 = 10_000;

    /// Checks the bounds.
    pub fn try_new(limit: u32) -> Result<Self, InvalidConcurrencyLimit> {
        if (1..=Self::MAX).contains(&limit) { Ok(Self(limit)) } else { Err(InvalidConcurrencyLimit(limit)) }
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl From<ConcurrencyLimit> for u32 {
    fn from(limit: ConcurrencyLimit) -> Self {
        limit.0
    }
}

impl TryFrom<u32> for ConcurrencyLimit {
    type Error = InvalidConcurrencyLimit;
    fn try_from(limit: u32) -> Result<Self, InvalidConcurrencyLimit> {
        Self::try_new(limit)
    }
}

/// What becomes of a task when one it depends on ends without success.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDependencyFailure {
    /// It is cancelled.
    #[default]
    Cancel,
    /// It runs all the same.
    Run,
    /// It waits until that one succeeds after all, or somebody steps in.
    Block,
}

impl OnDependencyFailure {
    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Run => "run",
            Self::Block => "block",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Cancel, Self::Run, Self::Block].into_iter().find(|policy| policy.as_str() == text)
    }
}

/// Labels of a task or of a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<Label>", into = "BTreeSet<Label>")]
pub struct Labels(BTreeSet<Label>);

/// Too many labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} labels were given: there may be {max}", max = Labels::MAX)]
pub struct InvalidLabels(pub usize);

impl Labels {
    /// The most labels.
    pub const MAX: usize = 32;

    /// Counts.
    pub fn try_new(labels: BTreeSet<Label>) -> Result<Self, InvalidLabels> {
        if labels.len() <= Self::MAX { Ok(Self(labels)) } else { Err(InvalidLabels(labels.len())) }
    }

    /// The labels, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.0.iter()
    }

    /// Whether all of `others` are among them.
    pub fn have_all(&self, others: &Self) -> bool {
        others.0.is_subset(&self.0)
    }

    /// Whether one is among them.
    pub fn have(&self, label: &Label) -> bool {
        self.0.contains(label)
    }
}

impl From<Labels> for BTreeSet<Label> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

impl TryFrom<BTreeSet<Label>> for Labels {
    type Error = InvalidLabels;
    fn try_from(labels: BTreeSet<Label>) -> Result<Self, InvalidLabels> {
        Self::try_new(labels)
    }
}

/// The terms of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Its kind.
    pub task_type: TaskType,
    /// Its marks.
    pub labels: Labels,
    /// What it asks of the agent.
    pub requires: Requires,
    /// The locks it is done under.
    pub resources: Option<Wants>,
    /// How many of its key may run at a time.
    pub concurrency: Option<Concurrency>,
    /// How long a claim of it lasts without a heartbeat.
    pub lease: LeaseLength,
    /// How often it is tried.
    pub retry: RetryPolicy,
    /// What becomes of it when a dependency fails.
    pub on_dependency_failure: OnDependencyFailure,
    /// The task it is a part of. Says where it belongs and orders nothing.
    pub parent: Option<TaskId>,
    /// Who submitted it, as proved by the key.
    pub submitted_by: AgentId,
    /// When it was submitted, on the store's clock.
    pub submitted_at: DateTime<Utc>,
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
