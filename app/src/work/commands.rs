//! The changes to tasks, one command each.

mod claim;
mod run;
mod steer;
mod submit;

pub use claim::{ClaimOnce, Look};
pub use run::{Complete, Fail, Heartbeat, Release, Say, Snooze, Word};
pub use steer::{CancelTask, Discard, Reprioritize, Reschedule, Retry, Steer, Turn};
pub use submit::{SubmitTasks, Submitted};

use crate::executor::{Defect, Ruling};
use domain::work::refusal::WorkRefusal;
use serde::Serialize;
use serde_json::Value;

fn content(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or(Value::Null)
}

/// A final answer or refusal; what was not prepared is no refusal but a defect.
fn ruling<T>(result: Result<T, WorkRefusal>) -> Result<Ruling<T>, Defect> {
    match result {
        Err(WorkRefusal::NotPrepared { .. }) => Err(Defect("a decision on a task was not prepared")),
        result => Ok(Ruling::of(result)),
    }
}
