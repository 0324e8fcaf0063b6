//! The caller's own inbox: receiving, and what is said about what was received.

pub mod api;
pub mod commands;
pub mod receive;
pub mod views;
