//! Locks: use cases, the line, the HTTP door.

pub mod acquire;
pub mod api;
pub mod bodies;
pub mod commands;
pub mod obstacles;
pub mod queries;
pub mod views;
