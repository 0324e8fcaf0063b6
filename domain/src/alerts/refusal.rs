//! Why something cannot be done with an alert.

use crate::alerts::alert::UNRESOLVED_MAX;
use crate::ids::AlertId;
use serde::{Deserialize, Serialize};

/// Why an alert cannot be raised or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AlertRefusal {
    /// There is no such alert in the project.
    #[error("there is no alert {id} in this project")]
    Unknown {
        /// The alert that was named.
        id: AlertId,
    },
    /// It is resolved.
    #[error("the alert {id} is resolved")]
    Resolved {
        /// The alert.
        id: AlertId,
    },
    /// Somebody else raised it.
    #[error("the alert {id} was raised by somebody else: resolving it needs the role `orchestrator`")]
    NotYours {
        /// The alert.
        id: AlertId,
    },
    /// Too many are not resolved.
    #[error("{UNRESOLVED_MAX} alerts of this project are not resolved")]
    TooMany,
}
