//! Sessions: one incarnation of an agent, and its end.

pub mod api;
pub mod commands;
