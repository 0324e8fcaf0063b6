//! Why a command on a handoff was refused.

use crate::handoffs::{NotMoved, Status};
use crate::ids::{AgentId, HandoffId};
use crate::locks::lease::Holder;
use crate::locks::refusal::LockRefusal;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why a command on a handoff changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum HandoffRefusal {
    /// There is no such handoff in the project.
    #[error("there is no handoff {id} in this project")]
    Unknown {
        /// The handoff that was named.
        id: HandoffId,
    },
    /// The giver does not hold what it wants to hand over.
    #[error("{} of what is to be handed over is not held by your session", not_held.len())]
    NotHeld {
        /// Each of them, and what is the matter with it.
        not_held: Vec<NotMoved>,
    },
    /// It is a record, and nobody can take it.
    #[error("handoff {id} is a record: it is offered to nobody")]
    NotOffered {
        /// The handoff.
        id: HandoffId,
    },
    /// It is offered to others.
    #[error("handoff {id} is not offered to you")]
    NotForYou {
        /// The handoff.
        id: HandoffId,
    },
    /// The giver's session wants to take it itself.
    #[error("handoff {id} was given by this very session")]
    OwnSession {
        /// The handoff.
        id: HandoffId,
    },
    /// Only its giver may do this.
    #[error("handoff {id} was given by `{giver}`, and nobody else can withdraw it")]
    NotGiver {
        /// The handoff.
        id: HandoffId,
        /// Who gave it.
        giver: AgentId,
    },
    /// Somebody was first.
    #[error("handoff {id} was taken by session `{}` of `{}`", by.session, by.agent)]
    Taken {
        /// The handoff.
        id: HandoffId,
        /// Who has it.
        by: Holder,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// It was declined or withdrawn, or has expired.
    #[error("handoff {id} is {} already", status.as_str())]
    Over {
        /// The handoff.
        id: HandoffId,
        /// How it ended.
        status: Status,
    },
    /// The locks could not be decided on.
    #[error(transparent)]
    Locks(#[from] LockRefusal),
}
