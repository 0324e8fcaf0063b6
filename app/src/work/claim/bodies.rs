//! What requests about claims look like on the wire.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;

/// Tasks to claim.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ClaimTasks", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ClaimBody {
    /// How many at most; 1 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "50")))]
    pub max_tasks: Option<u32>,
    /// Of one of these kinds; any if left out.
    #[oai(validator(max_items = 64))]
    pub types: Option<Vec<String>>,
    /// With all of these labels.
    #[oai(validator(max_items = 32))]
    pub labels: Option<Vec<String>>,
    /// What the caller can do; if left out, what its session said.
    #[oai(validator(max_items = 32))]
    pub capabilities: Option<Vec<String>>,
    /// Where the caller runs; if left out, what its session said.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub environment: Option<String>,
    /// How long the claims last without a heartbeat, in seconds; what each task says if left out.
    #[oai(validator(minimum(value = "5"), maximum(value = "28800")))]
    pub lease_seconds: Option<u32>,
    /// How long to wait until there is something to claim, in seconds; 0 if left out.
    #[oai(validator(maximum(value = "60")))]
    pub wait_seconds: Option<u32>,
}

/// Word from the agent that works on a task.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HeartbeatTask", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct HeartbeatBody {
    /// The fencing token of the claim.
    pub token: i64,
    /// How far it has come, in percent; what was said before if left out.
    #[oai(validator(maximum(value = "100")))]
    pub progress: Option<u8>,
    /// How it is getting on; what was said before if left out.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub note: Option<String>,
}

/// The work is done.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CompleteTask", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct CompleteBody {
    /// The fencing token of the claim.
    pub token: i64,
    /// What came of it; at most 256 KiB of JSON.
    pub result: Option<Any<Value>>,
}

/// The attempt went wrong.
#[derive(Debug, Clone, Object)]
#[oai(rename = "FailTask", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct FailBody {
    /// The fencing token of the claim.
    pub token: i64,
    /// What went wrong; at most 4 KiB.
    #[oai(validator(min_length = 1, max_length = 4096))]
    pub error: String,
    /// Whether another attempt may mend it; true if left out.
    pub retryable: Option<bool>,
}

/// The task goes back unharmed.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReleaseTask", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ReleaseBody {
    /// The fencing token of the claim.
    pub token: i64,
    /// Why.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub reason: Option<String>,
}

/// The task is put off.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SnoozeTask", deny_unknown_fields)]
pub struct SnoozeBody {
    /// The fencing token of the claim.
    pub token: i64,
    /// Until when nobody has it.
    pub until: DateTime<Utc>,
}
