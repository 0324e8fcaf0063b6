//! Why a command on procedures was refused.

use crate::ids::{AgentId, TaskId};
use crate::memory::procedures::content::ProcedureName;
use crate::memory::procedures::{PER_PROJECT_MAX, VERSIONS_MAX};
use serde::{Deserialize, Serialize};

/// Why procedures were not changed or not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ProcedureRefusal {
    /// There is none of that name in the project.
    #[error("there is no procedure `{name}`")]
    Unknown {
        /// The name.
        name: ProcedureName,
    },
    /// It has no such version.
    #[error("procedure `{name}` has no version {version}")]
    UnknownVersion {
        /// The procedure.
        name: ProcedureName,
        /// The version that was named.
        version: u32,
    },
    /// There is no such task, which a report is about.
    #[error("there is no task {id} in this project")]
    UnknownTask {
        /// The task.
        id: TaskId,
    },
    /// Somebody wrote another version meanwhile.
    #[error("the latest version of procedure `{name}` is {current}, not {given}")]
    Changed {
        /// The procedure.
        name: ProcedureName,
        /// The version the caller named; 0 for none.
        given: u32,
        /// The latest version; 0 for none.
        current: u32,
    },
    /// Only who wrote it first may do this, and orchestrators.
    #[error("procedure `{name}` was first written by `{author}`")]
    NotYours {
        /// The procedure.
        name: ProcedureName,
        /// Who wrote it first.
        author: AgentId,
    },
    /// The project has as many as it may have.
    #[error("the project has {PER_PROJECT_MAX} procedures already")]
    TooMany,
    /// The procedure has as many versions as it may have.
    #[error("procedure `{name}` has {VERSIONS_MAX} versions already")]
    TooManyVersions {
        /// The procedure.
        name: ProcedureName,
    },
}
