//! The records of agents, and how the agents are.

pub mod api;
pub mod bodies;
pub mod commands;
pub mod queries;
pub mod views;
