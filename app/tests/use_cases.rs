//! Use cases over the store in memory: what the executor promises around every decision, and what waiting is like.

#[path = "use_cases/desk.rs"]
mod desk;
#[path = "use_cases/executor.rs"]
mod executor;
#[path = "use_cases/waiting.rs"]
mod waiting;
