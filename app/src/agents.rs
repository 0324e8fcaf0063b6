//! Agents: their records and how they are; sessions: one incarnation of an agent each, its signs of life and its end.

pub mod api;
pub mod commands;
pub mod enter;
pub mod queries;
pub mod registry;
pub mod signs_of_life;
pub mod views;
