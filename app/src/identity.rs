//! Identity: who calls, which keys and projects there are, and the first key of all.

pub mod api;
pub mod authenticate;
pub mod bootstrap;
pub mod commands;
pub mod env_keys;
pub mod projects;
pub mod queries;
pub mod security;
pub mod token;
mod usage;
pub mod views;
