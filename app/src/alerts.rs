//! Alerts: raised by agents and by the server itself, told to orchestrators, worse while nobody takes them up.

pub mod api;
pub mod bodies;
pub mod commands;
pub mod evaluator;
pub mod queries;
mod telling;
pub mod views;
