//! What a task asks of the agent that does it, and what an agent has to offer.

use crate::ids::{AgentId, AgentType};
use crate::locks::lease::Holder;
use crate::work::name::{Capability, Environment};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How far an agent is trusted: 0 not at all, 1 limited, 2 standard, 3 elevated, 4 like an admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Trust(u8);

/// A trust level out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("trust is {0}: it must be 0 to {max}", max = Trust::MAX)]
pub struct InvalidTrust(pub u8);

impl Trust {
    /// The highest level.
    pub const MAX: u8 = 4;
    /// The level of an agent nobody has said anything about.
    pub const STANDARD: Self = Self(2);

    /// Checks the bound.
    pub fn try_new(level: u8) -> Result<Self, InvalidTrust> {
        if level <= Self::MAX { Ok(Self(level)) } else { Err(InvalidTrust(level)) }
    }

    /// The number.
    pub const fn level(self) -> u8 {
        self.0
    }
}

impl From<Trust> for u8 {
    fn from(trust: Trust) -> Self {
        trust.0
    }
}

impl TryFrom<u8> for Trust {
    type Error = InvalidTrust;
    fn try_from(level: u8) -> Result<Self, InvalidTrust> {
        Self::try_new(level)
    }
}

/// What an agent must have to be given a task. The default asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Asked", into = "Asked")]
pub struct Requires {
    asked: Asked,
}

/// The requirements, one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// All of these.
    pub capabilities: BTreeSet<Capability>,
    /// Running here.
    pub environment: Option<Environment>,
    /// Trusted at least so far.
    pub trust_min: Option<Trust>,
    /// Of one of these kinds; empty means any.
    pub agent_types: BTreeSet<AgentType>,
    /// Not the agent that submitted the task.
    pub not_submitter: bool,
}

/// Too many requirements of a sort.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} {what} are required: at most {} may be", Requires::NAMES_MAX)]
pub struct InvalidRequires {
    /// Which sort.
    pub what: &'static str,
    /// How many.
    pub given: usize,
}

impl Requires {
    /// The most capabilities, and the most kinds of agents.
    pub const NAMES_MAX: usize = 32;

    /// Counts.
    pub fn try_new(asked: Asked) -> Result<Self, InvalidRequires> {
        for (what, given) in [("capabilities", asked.capabilities.len()), ("agent types", asked.agent_types.len())] {
            if given > Self::NAMES_MAX {
                return Err(InvalidRequires { what, given });
            }
        }
        Ok(Self { asked })
    }

    /// The requirements, one by one.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Everything that an agent lacks for a task submitted by `submitter`; empty if it may have it.
    pub fn lacks(&self, claimant: &Claimant, submitter: &AgentId) -> Vec<Lack> {
        let asked = &self.asked;
        let missing = asked.capabilities.difference(&claimant.capabilities);
        let mut lacks: Vec<Lack> = missing.map(|capability| Lack::Capability(capability.clone())).collect();
        if let Some(environment) = &asked.environment
            && claimant.environment.as_ref() != Some(environment)
        {
            lacks.push(Lack::Environment(environment.clone()));
        }
        if let Some(least) = asked.trust_min
            && claimant.trust < least
        {
            lacks.push(Lack::Trust(least));
        }
        if !asked.agent_types.is_empty() && !asked.agent_types.contains(&claimant.agent_type) {
            lacks.push(Lack::AgentType(asked.agent_types.clone()));
        }
        if asked.not_submitter && claimant.holder.agent == *submitter {
            lacks.push(Lack::SubmittedIt);
        }
        lacks
    }
}

impl From<Requires> for Asked {
    fn from(requires: Requires) -> Self {
        requires.asked
    }
}

impl TryFrom<Asked> for Requires {
    type Error = InvalidRequires;
    fn try_from(asked: Asked) -> Result<Self, InvalidRequires> {
        Self::try_new(asked)
    }
}

/// Something an agent lacks for a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "lack", content = "needed", rename_all = "snake_case")]
pub enum Lack {
    /// This capability.
    Capability(Capability),
    /// It does not run here.
    Environment(Environment),
    /// It is not trusted so far.
    Trust(Trust),
    /// It is of none of these kinds.
    AgentType(BTreeSet<AgentType>),
    /// It submitted the task itself.
    SubmittedIt,
}

/// An agent that asks for work, and what it has to offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimant {
    /// Who, in which session.
    pub holder: Holder,
    /// Of which kind.
    pub agent_type: AgentType,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// Where it runs.
    pub environment: Option<Environment>,
    /// How far it is trusted.
    pub trust: Trust,
}

#[cfg(test)]
#[path = "requires_tests.rs"]
mod tests;
