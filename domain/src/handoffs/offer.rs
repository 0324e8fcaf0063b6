//! To whom a handoff is offered, and for how long.

use crate::ids::{AgentId, SessionId};
use crate::work::name::Capability;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Offer {
    /// To nobody: it is there to be read.
    Nobody,
    /// To one agent.
    Agent {
        /// Which.
        agent: AgentId,
    },
    /// To whoever can do something.
    Capability {
        /// What.
        capability: Capability,
    },
    /// To whoever comes next: any session but the giver's, of any agent, the giver's own next one among them.
    Next,
}

impl Offer {
    /// Whether there is anybody to take it.
    pub fn is_made(&self) -> bool {
        *self != Self::Nobody
    }

    /// Whether it is made to somebody of this name who can do these things.
    pub fn is_for(&self, agent: &AgentId, capabilities: &BTreeSet<Capability>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Agent { agent: named } => named == agent,
            Self::Capability { capability } => capabilities.contains(capability),
            Self::Next => true,
        }
    }

    /// Whether it is over when one agent has declined it.
    pub fn ends_when_declined(&self) -> bool {
        matches!(self, Self::Agent { .. })
    }
}

/// How long an offer stands, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct OfferLength(u32);

/// A length out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an offer stands for {} to {} seconds, not {given}", OfferLength::SECONDS_MIN, OfferLength::SECONDS_MAX)]
pub struct InvalidOfferLength {
    /// What was asked for.
    pub given: u32,
}

impl OfferLength {
    /// The shortest.
    pub const SECONDS_MIN: u32 = 1;
    /// The longest: 30 days.
    pub const SECONDS_MAX: u32 = 30 * 24 * 3600;
    /// Where none was chosen: a day.
    pub const DEFAULT: Self = Self(24 * 3600);

    /// Checks the bounds.
    pub fn try_new(seconds: u32) -> Result<Self, InvalidOfferLength> {
        let fits = (Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&seconds);
        if fits { Ok(Self(seconds)) } else { Err(InvalidOfferLength { given: seconds }) }
    }

    /// When an offer ends that is made now.
    pub fn end(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::seconds(i64::from(self.0))
    }
}

impl From<OfferLength> for u32 {
    fn from(length: OfferLength) -> Self {
        length.0
    }
}

impl TryFrom<u32> for OfferLength {
    type Error = InvalidOfferLength;
    fn try_from(seconds: u32) -> Result<Self, InvalidOfferLength> {
        Self::try_new(seconds)
    }
}

/// Somebody who may be offered something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The agent.
    pub agent: AgentId,
    /// In which session it speaks, if any.
    pub session: Option<SessionId>,
    /// What it can do, as its record or its session says.
    pub capabilities: BTreeSet<Capability>,
}
