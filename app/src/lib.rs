//! The application: use cases, front doors, workers, configuration, telemetry.
//!
//! A context has the same name here as in the other layers and holds its commands (changes), its queries (reads) and its
//! doors. [`executor`] runs every change; [`wiring`] puts the parts together.

pub mod agents;
pub mod alerts;
pub mod audit;
pub mod call;
pub mod cli;
pub mod config;
pub mod doorbell;
pub mod events;
pub mod executor;
pub mod folds;
pub mod handoffs;
pub mod health;
pub mod http;
pub mod identity;
pub mod lane;
pub mod locks;
pub mod memory;
pub mod messages;
pub mod refusal;
pub mod retention;
pub mod serve;
pub mod store;
pub mod sweeper;
pub mod telemetry;
pub mod watcher;
pub mod webhooks;
pub mod wiring;
pub mod work;
pub mod workers;
