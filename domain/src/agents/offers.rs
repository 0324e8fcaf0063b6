//! What the agent of a session has to offer.

use crate::ids::AgentType;
use crate::work::name::{Capability, Environment};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an agent is and can do, as it said last in this session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offers {
    /// Its kind, from its key.
    pub agent_type: AgentType,
    /// What it can do; at most [`Self::CAPABILITIES_MAX`].
    pub capabilities: BTreeSet<Capability>,
    /// Where it runs.
    pub environment: Option<Environment>,
}

/// More capabilities than a session may offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} capabilities are offered: at most {} may be", Offers::CAPABILITIES_MAX)]
pub struct InvalidOffers {
    /// How many.
    pub given: usize,
}

impl Offers {
    /// The most capabilities.
    pub const CAPABILITIES_MAX: usize = 32;

    /// What an agent offers that has said nothing but its kind.
    pub fn of_type(agent_type: AgentType) -> Self {
        Self { agent_type, capabilities: BTreeSet::new(), environment: None }
    }

    /// Counts the capabilities.
    pub fn try_new(
        agent_type: AgentType,
        capabilities: BTreeSet<Capability>,
        environment: Option<Environment>,
    ) -> Result<Self, InvalidOffers> {
        let given = capabilities.len();
        let fits = given <= Self::CAPABILITIES_MAX;
        if fits { Ok(Self { agent_type, capabilities, environment }) } else { Err(InvalidOffers { given }) }
    }
}
