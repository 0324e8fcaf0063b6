//! Steering tasks from outside.

pub mod api;
