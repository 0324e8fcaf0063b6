//! Memories: what one agent learned, for all of them.

pub mod api;
pub mod bodies;
pub mod changes;
pub mod embedding;
pub mod filtering;
pub mod forgetting;
mod happenings;
mod locating;
pub mod obstacles;
pub mod procedures;
pub mod queries;
pub mod recall;
mod recorder;
pub mod remembering;
pub mod secrets;
pub mod transfer;
pub mod views;
pub mod working;
