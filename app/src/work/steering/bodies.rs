//! What requests of those who steer tasks look like on the wire.

use chrono::{DateTime, Utc};
use poem_openapi::Object;

/// A task nobody is to do any more.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CancelTask", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct CancelBody {
    /// Why, for its agent to read.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub reason: Option<String>,
    /// Whether all that depends on it is cancelled too, whatever its own policy; false if left out.
    pub with_dependents: Option<bool>,
}

/// When a task may be claimed.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RescheduleTask", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RescheduleBody {
    /// Not before; now if left out.
    pub not_before: Option<DateTime<Utc>>,
}

/// How urgent a task is.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReprioritizeTask", deny_unknown_fields)]
pub struct ReprioritizeBody {
    /// 1 goes first, 10 last.
    #[oai(validator(minimum(value = "1"), maximum(value = "10")))]
    pub priority: u8,
}
