//! The audit log: reading it. Writing happens in the commit of each change, see [`crate::executor`].

pub mod api;
pub mod queries;
pub mod sweeper;
