//! Who may read a memory. This is the one place that decides it: whoever reads memories names realms, and realms are made
//! here.

use crate::ids::{AgentId, InvalidId, ProjectId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How far a memory is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// By the agent that wrote it, in all its sessions.
    Private,
    /// By every agent of its project.
    Project,
    /// By every agent of every project, if it asks for it.
    Shared,
}

impl Scope {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Private, Self::Project, Self::Shared];
    /// What is searched by whoever does not say: the whole project, and one's own.
    pub const SEARCHED: [Self; 2] = [Self::Private, Self::Project];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Project => "project",
            Self::Shared => "shared",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A room of memories: who may read one of them may read all of them.
///
/// What is counted for ranking is counted for each realm apart, so that nobody's private words move what others find.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Realm {
    /// What one agent keeps for itself in a project.
    Private(ProjectId, AgentId),
    /// What all agents of a project see.
    Project(ProjectId),
    /// What all projects see.
    Shared,
}

/// Not the key of a realm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no key of a realm: {text:?}")]
pub struct InvalidRealm {
    /// What was read.
    pub text: String,
}

impl Realm {
    /// Where a memory of a scope lies that an agent of a project writes.
    pub fn of(scope: Scope, project: &ProjectId, agent: &AgentId) -> Self {
        match scope {
            Scope::Private => Self::Private(project.clone(), agent.clone()),
            Scope::Project => Self::Project(project.clone()),
            Scope::Shared => Self::Shared,
        }
    }

    /// Where an agent of a project may read, of these scopes.
    pub fn readable(project: &ProjectId, agent: &AgentId, scopes: &BTreeSet<Scope>) -> Vec<Self> {
        scopes.iter().map(|scope| Self::of(*scope, project, agent)).collect()
    }

    /// Its scope.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Private(..) => Scope::Private,
            Self::Project(_) => Scope::Project,
            Self::Shared => Scope::Shared,
        }
    }

    /// Its name in stores: `a/<project>/<agent>`, `p/<project>` or `s`. No two realms have the same, because a project's
    /// id has no `/`.
    pub fn key(&self) -> String {
        match self {
            Self::Private(project, agent) => format!("a/{project}/{agent}"),
            Self::Project(project) => format!("p/{project}"),
            Self::Shared => "s".to_owned(),
        }
    }

    /// Reads a name that [`Self::key`] made.
    pub fn parse(text: &str) -> Result<Self, InvalidRealm> {
        let invalid = || InvalidRealm { text: text.to_owned() };
        let id = |_: InvalidId| invalid();
        match text.split_once('/') {
            None if text == "s" => Ok(Self::Shared),
            Some(("p", project)) => Ok(Self::Project(ProjectId::parse(project).map_err(id)?)),
            Some(("a", rest)) => {
                let (project, agent) = rest.split_once('/').ok_or_else(invalid)?;
                Ok(Self::Private(ProjectId::parse(project).map_err(id)?, AgentId::parse(agent).map_err(id)?))
            }
            _ => Err(invalid()),
        }
    }
}
