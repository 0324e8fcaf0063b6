//! Why something cannot be done with a webhook.

use crate::ids::{FactId, WebhookId};
use crate::webhooks::webhook::{PENDING_MAX, WEBHOOKS_MAX};
use serde::{Deserialize, Serialize};

/// Why a webhook cannot be made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum WebhookRefusal {
    /// There is no such webhook in the project.
    #[error("there is no webhook {id} in this project")]
    Unknown {
        /// The webhook that was named.
        id: WebhookId,
    },
    /// There are too many.
    #[error("there are {WEBHOOKS_MAX} webhooks in this project already")]
    TooMany,
    /// The address may not be called.
    #[error("`url` cannot be called: {why}")]
    Address {
        /// What speaks against it.
        why: String,
    },
    /// It rests or was given up.
    #[error("the webhook {id} is {state}: resume it first")]
    NotActive {
        /// The webhook.
        id: WebhookId,
        /// What it is instead.
        state: String,
    },
    /// Too much waits to be told already.
    #[error("{PENDING_MAX} deliveries of this webhook wait already")]
    BacklogFull,
    /// The webhook never told of that fact, or it was long ago.
    #[error("there is no delivery of {fact} by this webhook")]
    UnknownDelivery {
        /// The fact that was named.
        fact: FactId,
    },
    /// The delivery is not over.
    #[error("the delivery of {fact} still waits to be told")]
    Pending {
        /// The fact that was named.
        fact: FactId,
    },
}
