//! Identity: projects, API keys, and who may do what.

pub mod key;
pub mod principal;
pub mod project;
