//! Schedules: what submits tasks at set times, the hand that fires them, the HTTP door.

pub mod api;
pub mod bodies;
pub mod commands;
pub mod firing;
pub mod queries;
pub mod views;
