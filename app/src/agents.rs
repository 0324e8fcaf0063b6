//! Sessions: one incarnation of an agent each, its signs of life and its end.

pub mod api;
pub mod commands;
pub mod queries;
pub mod signs_of_life;
pub mod views;
