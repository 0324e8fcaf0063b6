//! The work queue. Each part of the port has a file of its own.

mod claimable;
mod due;
mod graph;
mod history;
mod listing;
mod pruning;
mod race;
mod running;
pub(crate) mod samples;
mod saving;
mod schedules;
mod storing;
