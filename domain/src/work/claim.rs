//! What a claim asks for, and what it gets.

use crate::ids::TaskId;
use crate::locks::lease::Lease;
use crate::work::name::{Label, TaskType};
use crate::work::rank::Place;
use crate::work::requires::Claimant;
use crate::work::task::Task;
use crate::work::terms::{Labels, LeaseLength, Terms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which tasks an agent wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimFilter {
    types: BTreeSet<TaskType>,
    labels: BTreeSet<Label>,
}

/// Too many kinds or labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a claim may name {types} types and {labels} labels", types = ClaimFilter::TYPES_MAX, labels = Labels::MAX)]
pub struct InvalidClaimFilter;

impl ClaimFilter {
    /// The most kinds of tasks.
    pub const TYPES_MAX: usize = 64;

    /// Tasks of one of the kinds (empty: of any) with all of the labels.
    pub fn try_new(types: BTreeSet<TaskType>, labels: BTreeSet<Label>) -> Result<Self, InvalidClaimFilter> {
        if types.len() > Self::TYPES_MAX || labels.len() > Labels::MAX {
            return Err(InvalidClaimFilter);
        }
        Ok(Self { types, labels })
    }

    /// The kinds; empty means any.
    pub fn types(&self) -> &BTreeSet<TaskType> {
        &self.types
    }

    /// The labels a task must have.
    pub fn labels(&self) -> &BTreeSet<Label> {
        &self.labels
    }

    /// Whether a task is wanted.
    pub fn accepts(&self, terms: &Terms) -> bool {
        (self.types.is_empty() || self.types.contains(&terms.task_type))
            && self.labels.iter().all(|label| terms.labels.have(label))
    }
}

/// How many tasks a claim takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimSize(u32);

/// A size out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} tasks were asked for: it must be 1 to {max}", max = ClaimSize::MAX)]
pub struct InvalidClaimSize(pub u32);

impl ClaimSize {
    /// The most tasks of one claim.
    pub const MAX: u32 = 50;

    /// Checks the bounds.
    pub fn try_new(tasks: u32) -> Result<Self, InvalidClaimSize> {
        if (1..=Self::MAX).contains(&tasks) { Ok(Self(tasks)) } else { Err(InvalidClaimSize(tasks)) }
    }

    /// The number.
    pub const fn tasks(self) -> u32 {
        self.0
    }
}

/// The command to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// For whom.
    pub claimant: Claimant,
    /// What.
    pub filter: ClaimFilter,
    /// How much.
    pub size: ClaimSize,
    /// How long the claims last without a heartbeat; `None` leaves it to each task.
    pub lease: Option<LeaseLength>,
    /// Tasks this agent may not have, as somebody else decided (a guardrail, a policy): passed over for it alone.
    pub withheld: BTreeSet<TaskId>,
    /// How far candidates were loaded for this claim: the place of the last one, if the list was cut there. Nothing
    /// behind it is considered, because what stands in between is not known.
    pub horizon: Option<Place>,
}

/// The longest wait of one claim, in seconds.
pub const WAIT_SECONDS_MAX: u32 = 60;

/// How many candidates are looked at for one claim before it is answered.
pub const CANDIDATES_MAX: u32 = 2_000;

/// What a claim got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// The tasks, first things first.
    pub tasks: Vec<ClaimedTask>,
    /// What stood first and was passed over.
    pub passed_over: PassedOver,
    /// Whether the candidates were used up before the claim was filled: a longer list might give more.
    pub is_cut: bool,
}

/// A task and the locks that were taken with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimedTask {
    /// The task, leased.
    pub task: Task,
    /// The locks, by key.
    pub locks: Vec<Lease>,
}

/// How many tasks were passed over, by the first reason that was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// The agent lacks something they require.
    pub lacking: u32,
    /// Something refused them to this agent.
    pub withheld: u32,
    /// As many of their key run as may.
    pub concurrency: u32,
    /// Their locks cannot be had.
    pub resources: u32,
}

impl PassedOver {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            lacking: self.lacking.saturating_add(other.lacking),
            withheld: self.withheld.saturating_add(other.withheld),
            concurrency: self.concurrency.saturating_add(other.concurrency),
            resources: self.resources.saturating_add(other.resources),
        }
    }
}
