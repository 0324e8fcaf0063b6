//! P
pub mod config;
