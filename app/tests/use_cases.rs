//! Use cases over the store in memory: what the executor promises around every decision, what reading tells,
//! and what waiting is like.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test that fails panics")]

#[path = "use_cases/batches.rs"]
mod batches;
#[path = "use_cases/desk.rs"]
mod desk;
#[path = "use_cases/events.rs"]
mod events;
#[path = "use_cases/executor.rs"]
mod executor;
#[path = "use_cases/looking.rs"]
mod looking;
#[path = "use_cases/reading.rs"]
mod reading;
#[path = "use_cases/retention.rs"]
mod retention;
#[path = "use_cases/schedules.rs"]
mod schedules;
#[path = "use_cases/sessions.rs"]
mod sessions;
#[path = "use_cases/waiting.rs"]
mod waiting;
#[path = "use_cases/watching.rs"]
mod watching;
#[path = "use_cases/webhooks.rs"]
mod webhooks;
#[path = "use_cases/work.rs"]
mod work;
#[path = "use_cases/working_memory.rs"]
mod working_memory;
