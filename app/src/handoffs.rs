//! Handoffs: what one agent leaves to the next.

pub mod api;
pub mod bodies;
mod candidate;
pub mod commands;
pub mod expiry;
pub mod obstacles;
pub mod queries;
pub mod taking;
pub mod views;
