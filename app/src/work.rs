//! The work queue: use cases, schedules, the HTTP door.

pub mod api;
pub mod attempts;
pub mod bodies;
pub mod claim;
pub mod commands;
pub mod look;
pub mod obstacles;
pub mod reading;
pub mod schedules;
pub mod steering;
pub mod views;
