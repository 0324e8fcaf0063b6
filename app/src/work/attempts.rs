//! The history of tasks.

pub mod views;
