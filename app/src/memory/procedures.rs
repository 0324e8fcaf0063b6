//! Procedures: how things are done, tried and reported on.

pub mod api;
pub mod bodies;
pub mod commands;
mod happenings;
pub mod queries;
pub mod reporting;
pub mod views;
