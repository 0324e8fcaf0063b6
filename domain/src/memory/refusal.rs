//! Why a change to memories is refused.

use crate::ids::MemoryId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum MemoryRefusal {
    /// There is none, or the caller may not know of it.
    #[error("there is no memory {id}")]
    Unknown {
        /// What was asked for.
        id: MemoryId,
    },
    /// It is another agent's.
    #[error("memory {id} was written by another agent: only it and orchestrators may do that")]
    NotYours {
        /// Which.
        id: MemoryId,
    },
    /// Its words were taken away.
    #[error("memory {id} is redacted: nothing can become of it any more")]
    Redacted {
        /// Which.
        id: MemoryId,
    },
    /// Another one took its place before.
    #[error("memory {id} was superseded by {by} before: supersede that one")]
    Superseded {
        /// Which.
        id: MemoryId,
        /// What took its place.
        by: MemoryId,
    },
    /// A memory takes the place only of one of the same scope and, if private, of the same agent.
    #[error("memory {id} has another scope: a memory takes the place of one of its own scope")]
    Elsewhere {
        /// Which.
        id: MemoryId,
    },
    /// A memory cannot take its own place.
    #[error("memory {id} cannot take the place of itself")]
    Itself {
        /// Which.
        id: MemoryId,
    },
    /// Only orchestrators write for all projects.
    #[error("only orchestrators may remember for all projects")]
    NotShared,
    /// It lies in the future.
    #[error("it would have happened at {happened_at}, which is in the future")]
    NotYet {
        /// When it is said to have happened.
        happened_at: DateTime<Utc>,
    },
    /// Its validity would end before it begins.
    #[error("it would hold from {valid_from} until {valid_until}, which is never")]
    NeverValid {
        /// Its beginning.
        valid_from: DateTime<Utc>,
        /// Its end.
        valid_until: DateTime<Utc>,
    },
}
