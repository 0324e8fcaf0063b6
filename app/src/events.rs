//! Facts for whoever follows them.

pub mod pulse;
