//! Messages between agents: sent, received under a lease, and never lost from sight.

pub mod api;
pub mod bodies;
pub mod groups;
pub mod happenings;
pub mod inbox;
pub mod post;
pub mod queries;
pub mod recipients;
pub mod send;
pub mod sweeper;
pub mod unread;
pub mod views;
