//! Webhooks: facts told to addresses outside, the relay that tells them, the HTTP door.

pub mod api;
pub mod bodies;
pub mod commands;
pub mod deliveries;
pub mod queries;
pub mod relay;
pub mod views;
