//! The work queue: tasks that are handed out once, never lost, never stuck behind a dead agent, and always able to say
//! why they wait.
//!
//! [`table::WorkTable`] is the rule book: it is loaded with everything a batch of commands touches, decides them one by
//! one together with the [`crate::locks::table::LockTable`] of the same unit of work, and holds what has to be saved.

pub mod attempt;
pub mod changes;
pub mod claim;
pub mod content;
pub mod event;
pub mod graph;
pub mod listing;
pub mod name;
pub mod order;
pub mod rank;
pub mod refusal;
pub mod requires;
pub mod retry;
pub mod schedule;
pub mod submission;
pub mod table;
pub mod task;
pub mod terms;
pub mod why;
