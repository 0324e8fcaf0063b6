//! The outside of Pointsman: stores, clocks, ids, clients. Each module keeps what `ports` promises.

pub mod calendar;
pub mod embedder;
pub mod fixed;
pub mod http_client;
pub mod in_memory;
pub mod sea;
pub mod silent;
pub mod system;
pub mod webhook_sender;
