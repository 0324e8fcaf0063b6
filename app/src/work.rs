//! The work queue: use cases, schedules, the HTTP door.

pub mod attempts;
pub mod views;
