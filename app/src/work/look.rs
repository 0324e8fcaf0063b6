//! Looking at tasks without changing them.

pub mod api;
pub mod graph;
pub mod queries;
pub mod views;
pub mod why;
