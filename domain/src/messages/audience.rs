//! To whom a message goes, and who belongs to that.
//!
//! A named agent gets what it is named in. Everything else goes to an [`AudienceKey`], and every agent listens to a few of
//! them ([`Recipient::listenings`]): stores find the broadcasts for an agent by comparing keys. To which keys an agent
//! listens is decided when it looks, so a broadcast to a capability also reaches an agent that got the capability after
//! it was sent and before it looked past it. It never reaches an agent whose record is younger than the message, or that
//! joined the group later, or its own sender.

use crate::agents::record::AgentRecord;
use crate::identity::principal::Role;
use crate::ids::{AgentId, InvalidId, given_id, is_name_character};
use crate::messages::message::{Message, Number};
use crate::work::name::{Capability, Environment};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

given_id!(
    /// A group of agents that get the same messages.
    GroupName, 64, "letters, digits and - _ . : @ /", is_name_character
);

/// The most recipients of a message that has to be acknowledged.
pub const ACK_RECIPIENTS_MAX: usize = 1_000;

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", content = "of", rename_all = "snake_case")]
pub enum Audience {
    /// These agents.
    Agents(Named),
    /// The members of a group.
    Group(GroupName),
    /// The agents that run in an environment.
    Environment(Environment),
    /// The agents that can do something.
    Capability(Capability),
    /// Every agent of the project.
    Everyone,
    /// The agents whose keys may steer others.
    Orchestrators,
}

/// The agents that a message names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<AgentId>", into = "BTreeSet<AgentId>")]
pub struct Named(BTreeSet<AgentId>);

/// No agents, or too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} agents are named: it must be 1 to {}", Named::COUNT_MAX)]
pub struct InvalidNamed {
    /// How many.
    pub given: usize,
}

impl Named {
    /// The most agents.
    pub const COUNT_MAX: usize = 100;

    /// Counts.
    pub fn try_new(agents: BTreeSet<AgentId>) -> Result<Self, InvalidNamed> {
        let given = agents.len();
        if (1..=Self::COUNT_MAX).contains(&given) { Ok(Self(agents)) } else { Err(InvalidNamed { given }) }
    }

    /// One agent.
    pub fn one(agent: AgentId) -> Self {
        Self(BTreeSet::from([agent]))
    }

    /// The agents, by name.
    pub fn iter(&self) -> impl Iterator<Item = &AgentId> {
        self.0.iter()
    }

    /// Whether an agent is among them.
    pub fn contains(&self, agent: &AgentId) -> bool {
        self.0.contains(agent)
    }
}

impl From<Named> for BTreeSet<AgentId> {
    fn from(named: Named) -> Self {
        named.0
    }
}

impl TryFrom<BTreeSet<AgentId>> for Named {
    type Error = InvalidNamed;
    fn try_from(agents: BTreeSet<AgentId>) -> Result<Self, InvalidNamed> {
        Self::try_new(agents)
    }
}

/// What stands for an audience that names nobody, such as `capability:rust`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AudienceKey(String);

impl AudienceKey {
    /// The text, as stores keep it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Audience {
    /// What stands for it; `None` if it names its agents.
    pub fn key(&self) -> Option<AudienceKey> {
        let key = match self {
            Self::Agents(_) => return None,
            Self::Group(name) => format!("group:{name}"),
            Self::Environment(name) => format!("environment:{name}"),
            Self::Capability(name) => format!("capability:{name}"),
            Self::Everyone => "everyone".to_owned(),
            Self::Orchestrators => "orchestrators".to_owned(),
        };
        Some(AudienceKey(key))
    }

    /// Whether an agent belongs to it now.
    pub fn includes(&self, recipient: &Recipient) -> bool {
        match (self, self.key()) {
            (Self::Agents(named), _) => named.contains(&recipient.agent),
            (_, Some(key)) => recipient.keys().any(|(own, _)| own == key),
            (_, None) => false,
        }
    }
}

/// What the rules of messages need to know of an agent that has a record and is not deregistered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Who.
    pub agent: AgentId,
    /// The role of its key.
    pub role: Role,
    /// Whose it is.
    pub owner: Option<AgentId>,
    /// Where it runs: the kind of place, and its tag if it has one.
    pub environments: BTreeSet<Environment>,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// Since when it has its record.
    pub registered_at: DateTime<Utc>,
    /// The groups it is in, each with the last number drawn before it joined.
    pub groups: BTreeMap<GroupName, Number>,
}

/// That an agent is to get the broadcasts to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Who; its own broadcasts are left out.
    pub agent: AgentId,
    /// To what.
    pub key: AudienceKey,
    /// Strictly after this number.
    pub after: Number,
    /// Sent at this instant or later.
    pub since: DateTime<Utc>,
}

impl Listening {
    /// Whether a message is a broadcast that it brings.
    pub fn brings(&self, message: &Message) -> bool {
        message.is_broadcast
            && message.audience.key().as_ref() == Some(&self.key)
            && message.number > self.after
            && message.at >= self.since
            && message.sender.agent() != Some(&self.agent)
    }
}

impl Recipient {
    /// The agent of a record, and the groups it is in. `None` if it is deregistered.
    pub fn of(record: &AgentRecord, groups: BTreeMap<GroupName, Number>) -> Option<Self> {
        let kind = Environment::parse(record.environment.as_str()).ok();
        let tag = record.tag.as_ref().and_then(|tag| Environment::parse(tag.as_str()).ok());
        record.is_registered().then(|| Self {
            agent: record.id.clone(),
            role: record.role,
            owner: record.owner.clone(),
            environments: kind.into_iter().chain(tag).collect(),
            capabilities: record.capabilities.clone(),
            registered_at: record.registered_at,
            groups,
        })
    }

    /// Everything it listens to.
    pub fn listenings(&self) -> Vec<Listening> {
        let listening = |(key, after)| Listening { agent: self.agent.clone(), key, after, since: self.registered_at };
        self.keys().map(listening).collect()
    }

    /// Whether it is to get a broadcast.
    pub fn gets(&self, message: &Message) -> bool {
        self.listenings().iter().any(|listening| listening.brings(message))
    }

    fn keys(&self) -> impl Iterator<Item = (AudienceKey, Number)> {
        let steers = self.role >= Role::Orchestrator;
        let of_all = std::iter::once(Audience::Everyone).chain(steers.then_some(Audience::Orchestrators));
        let environments = self.environments.iter().cloned().map(Audience::Environment);
        let capabilities = self.capabilities.iter().cloned().map(Audience::Capability);
        let groups = self.groups.iter().map(|(name, after)| (Audience::Group(name.clone()), *after));
        let always = of_all.chain(environments).chain(capabilities).map(|audience| (audience, Number::ZERO));
        always.chain(groups).filter_map(|(audience, after)| audience.key().map(|key| (key, after)))
    }
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
