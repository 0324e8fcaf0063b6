//! Steering tasks from outside.

pub mod api;
pub mod bodies;
