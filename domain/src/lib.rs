//! The rules of Pointsman: pure functions over values.
//!
//! Nothing here is asynchronous, reads a clock, draws a random number or does input or output. Time, ids and
//! secrets come in as arguments. A module is a context and has the same name in every layer.

pub mod agents;
pub mod alerts;
pub mod audit;
pub mod events;
pub mod handoffs;
pub mod idempotency;
pub mod identity;
pub mod ids;
pub mod locks;
pub mod memory;
pub mod messages;
pub mod page;
pub mod webhooks;
pub mod work;
