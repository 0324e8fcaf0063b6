//! Groups of agents that get the same messages.

pub mod api;
pub mod commands;
pub mod views;
