//! Facts for whoever follows them.

pub mod api;
pub mod feed;
pub mod poll;
pub mod pulse;
pub mod views;
