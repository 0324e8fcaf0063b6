//! Principals: who is calling, and what their role lets them do.

use crate::ids::{AgentId, AgentType, KeyId, ProjectId};
use serde::{Deserialize, Serialize};

/// What a key may do, each role including the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Works: locks, and reads its own audit lines.
    Agent,
    /// Steers others too: takes locks away, reads the whole audit log.
    Orchestrator,
    /// Runs the place: keys and projects.
    Admin,
}

impl Role {
    /// All of them, each including the ones before it.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Orchestrator, Self::Admin];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Orchestrator => "orchestrator",
            Self::Admin => "admin",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Where a key is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// In one project.
    Project(ProjectId),
    /// In all of them; the call names one.
    AllProjects,
}

/// Who is calling, as proved by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The key that proved it.
    pub key: KeyId,
    /// Where it is good.
    pub scope: Scope,
    /// The agent it speaks for: the bound one, else `key-<id>`.
    pub agent: AgentId,
    /// The kind of that agent.
    pub agent_type: AgentType,
    /// What it may do.
    pub role: Role,
}

/// What a caller wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Take, renew, release, look at locks; end own sessions.
    UseLocks,
    /// Register oneself, look at the agents of the project.
    UseAgents,
    /// Change and deregister other agents.
    SteerAgents,
    /// Write, take and decline handoffs, look at them.
    UseHandoffs,
    /// Send messages and receive them, look at one's own; join groups and leave them.
    UseMessages,
    /// Let stopped conversations go on.
    SteerMessages,
    /// Remember and recall; keep working memory and procedures; rate what is remembered, take back one's own.
    UseMemory,
    /// Remember for all projects; pin, redact and forget what others remembered.
    SteerMemory,
    /// Submit tasks, claim and do them, look at them; steer one's own.
    UseWork,
    /// Raise alerts, look at them; resolve one's own.
    UseAlerts,
    /// Acknowledge and resolve alerts of others.
    SteerAlerts,
    /// Make, change and look at webhooks.
    KeepWebhooks,
    /// Take a lock away from its holder.
    ForceRelease,
    /// Cancel, move and revive tasks of others; keep schedules.
    SteerWork,
    /// Read audit lines of other agents.
    ReadAllAudit,
    /// Create, list, rotate, revoke keys.
    ManageKeys,
    /// Create, list, archive projects.
    ManageProjects,
}

impl Action {
    /// The least role that may do it.
    pub const fn least_role(self) -> Role {
        match self {
            Self::UseAgents
            | Self::UseAlerts
            | Self::UseHandoffs
            | Self::UseLocks
            | Self::UseMemory
            | Self::UseMessages
            | Self::UseWork => Role::Agent,
            Self::ForceRelease
            | Self::KeepWebhooks
            | Self::ReadAllAudit
            | Self::SteerAgents
            | Self::SteerAlerts
            | Self::SteerMemory
            | Self::SteerMessages
            | Self::SteerWork => Role::Orchestrator,
            Self::ManageKeys | Self::ManageProjects => Role::Admin,
        }
    }
}

/// Why a caller may not do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Denial {
    /// The role is too low.
    #[error("this needs the role `{needed}`, and the key has `{has}`", needed = needed.as_str(), has = has.as_str())]
    Role {
        /// The least role that may do it.
        needed: Role,
        /// The role of the key.
        has: Role,
    },
    /// The key is bound to another agent.
    #[error("the key speaks for `{bound}` and cannot act as `{claimed}`")]
    OtherAgent {
        /// The agent of the key.
        bound: AgentId,
        /// The agent the call claimed to be.
        claimed: AgentId,
    },
    /// The key is bound to another project.
    #[error("the key is good in project `{bound}`, not in `{claimed}`")]
    OtherProject {
        /// The project of the key.
        bound: ProjectId,
        /// The project the call named.
        claimed: ProjectId,
    },
    /// Only a key of all projects may do this.
    #[error("this needs an admin key bound to all projects")]
    NeedsAllProjects,
}

/// Whether the caller's role allows an action.
pub fn authorize(principal: &Principal, action: Action) -> Result<(), Denial> {
    let needed = action.least_role();
    if principal.role >= needed { Ok(()) } else { Err(Denial::Role { needed, has: principal.role }) }
}

/// Whether the caller is who the call claims.
pub fn speaks_for(principal: &Principal, claimed: &AgentId) -> Result<(), Denial> {
    if principal.agent == *claimed {
        Ok(())
    } else {
        Err(Denial::OtherAgent { bound: principal.agent.clone(), claimed: claimed.clone() })
    }
}

/// Whether the caller may act for all projects.
pub fn authorize_all_projects(principal: &Principal, action: Action) -> Result<(), Denial> {
    authorize(principal, action)?;
    match principal.scope {
        Scope::AllProjects => Ok(()),
        Scope::Project(_) => Err(Denial::NeedsAllProjects),
    }
}

/// The project a call runs in: the key's own, or the named one, or `default`.
pub fn project_of(principal: &Principal, named: Option<ProjectId>, default: ProjectId) -> Result<ProjectId, Denial> {
    match (&principal.scope, named) {
        (Scope::AllProjects, named) => Ok(named.unwrap_or(default)),
        (Scope::Project(bound), None) => Ok(bound.clone()),
        (Scope::Project(bound), Some(named)) if *bound == named => Ok(named),
        (Scope::Project(bound), Some(claimed)) => Err(Denial::OtherProject { bound: bound.clone(), claimed }),
    }
}

#[cfg(test)]
#[path = "principal_tests.rs"]
mod tests;
