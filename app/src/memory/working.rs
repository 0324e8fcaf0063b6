//! Working memory: what a session has in its head.

pub mod api;
pub mod bodies;
pub mod commands;
pub mod queries;
pub mod sweeper;
pub mod views;
