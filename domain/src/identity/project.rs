//! Projects: the walls between fleets.

use crate::ids::ProjectId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The project that always exists and that calls use when they name none.
pub const DEFAULT_PROJECT: &str = "default";

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its name.
    pub id: ProjectId,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was archived; an archived project can be read, not changed.
    pub archived_at: Option<DateTime<Utc>>,
}

/// Why a project cannot be used or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ProjectRefusal {
    /// There is no such project.
    #[error("there is no project `{id}`")]
    Unknown {
        /// The project that was named.
        id: ProjectId,
    },
    /// The name is taken.
    #[error("project `{id}` exists already")]
    Exists {
        /// The project that was named.
        id: ProjectId,
    },
    /// The project is archived.
    #[error("project `{id}` is archived and can only be read")]
    Archived {
        /// The project that was named.
        id: ProjectId,
    },
    /// `default` is needed by calls that name no project.
    #[error("project `default` cannot be archived")]
    DefaultStays,
}

/// Creates a project unless its name is taken.
pub fn create(found: Option<&Project>, id: ProjectId, now: DateTime<Utc>) -> Result<Project, ProjectRefusal> {
    match found {
        Some(_) => Err(ProjectRefusal::Exists { id }),
        None => Ok(Project { id, created_at: now, archived_at: None }),
    }
}

/// Archives a project for good.
pub fn archive(found: Option<Project>, id: &ProjectId, now: DateTime<Utc>) -> Result<Project, ProjectRefusal> {
    let project = found.ok_or_else(|| ProjectRefusal::Unknown { id: id.clone() })?;
    if project.id.as_str() == DEFAULT_PROJECT {
        return Err(ProjectRefusal::DefaultStays);
    }
    if project.archived_at.is_some() {
        return Err(ProjectRefusal::Archived { id: project.id });
    }
    Ok(Project { archived_at: Some(now), ..project })
}

/// Whether changes may happen in a project.
pub fn writable(found: Option<&Project>, id: &ProjectId) -> Result<(), ProjectRefusal> {
    match found {
        None => Err(ProjectRefusal::Unknown { id: id.clone() }),
        Some(project) if project.archived_at.is_some() => Err(ProjectRefusal::Archived { id: id.clone() }),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
#[path = "project_tests.rs"]
mod tests;
