//! Groups of agents. A group is there as long as somebody is in it.

use crate::identity::principal::Role;
use crate::ids::AgentId;
use crate::messages::audience::GroupName;
use crate::messages::message::Number;
use crate::messages::refusal::MessageRefusal;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The most groups of a project.
pub const GROUPS_MAX: u32 = 1_000;
/// The most members of a group.
pub const MEMBERS_MAX: u32 = 1_000;
/// The most groups an agent is in.
pub const AGENT_GROUPS_MAX: u32 = 100;

/// An agent in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The group.
    pub group: GroupName,
    /// Who.
    pub agent: AgentId,
    /// The last number drawn before it joined: it gets the messages after.
    pub after: Number,
    /// When it joined.
    pub joined_at: DateTime<Utc>,
    /// Who let it join: itself, or an orchestrator.
    pub added_by: AgentId,
}

/// A group and how many are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// How many are in it.
    pub members: u32,
}

/// Who lets an agent join or leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    /// Who calls.
    pub agent: AgentId,
    /// What it may do.
    pub role: Role,
}

/// What is known before an agent joins a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The agent, if it is in the group already.
    pub member: Option<Member>,
    /// How many are in the group.
    pub members: u32,
    /// How many groups the project has.
    pub groups: u32,
    /// How many groups the agent is in.
    pub groups_of_agent: u32,
    /// The last number drawn, read from the locked mail head.
    pub last_number: Number,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

/// Lets an agent that has a record join a group, which is made with its first member. `None` if it is in it already:
/// nothing changes.
pub fn join(
    group: &GroupName,
    agent: &AgentId,
    mover: &Mover,
    standing: &Standing,
) -> Result<Option<Member>, MessageRefusal> {
    may_move(mover, agent)?;
    if standing.member.is_some() {
        return Ok(None);
    }
    if standing.members == 0 && standing.groups >= GROUPS_MAX {
        return Err(MessageRefusal::TooManyGroups);
    }
    if standing.members >= MEMBERS_MAX {
        return Err(MessageRefusal::GroupFull { group: group.clone() });
    }
    if standing.groups_of_agent >= AGENT_GROUPS_MAX {
        return Err(MessageRefusal::TooManyGroupsOfAgent { agent: agent.clone() });
    }
    Ok(Some(Member {
        group: group.clone(),
        agent: agent.clone(),
        after: standing.last_number,
        joined_at: standing.now,
        added_by: mover.agent.clone(),
    }))
}

/// Lets an agent leave a group; answers the membership that is to be removed. What was sent to the group and not looked at
/// yet does not reach it any more; what it has in its inbox stays.
pub fn leave(
    group: &GroupName,
    agent: &AgentId,
    mover: &Mover,
    member: Option<Member>,
) -> Result<Member, MessageRefusal> {
    may_move(mover, agent)?;
    member.ok_or_else(|| MessageRefusal::NotInGroup { group: group.clone(), agent: agent.clone() })
}

fn may_move(mover: &Mover, agent: &AgentId) -> Result<(), MessageRefusal> {
    if mover.agent == *agent || mover.role >= Role::Orchestrator {
        Ok(())
    } else {
        Err(MessageRefusal::NotYourMembership { agent: agent.clone() })
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
