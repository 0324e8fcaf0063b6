//! What Pointsman asks of the outside: traits only.
//!
//! *Repositories* join the unit of work; [`store::UnitOfWork`] is their sum. *Gateways* stand alone behind an `Arc`.
//! What a trait promises is in its doc comment, and the contract suite of `adapters` holds every store to it.

pub mod agents;
pub mod alerts;
pub mod audit;
pub mod bell;
pub mod calendar;
pub mod clock;
pub mod embedder;
pub mod events;
pub mod handoffs;
pub mod idempotency;
pub mod identity;
pub mod ids;
pub mod locks;
pub mod memory;
pub mod messages;
pub mod store;
pub mod webhooks;
pub mod work;
