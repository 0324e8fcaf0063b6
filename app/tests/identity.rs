//! Who may come in and what they may do, through the whole HTTP endpoint over the store in memory.

#![expect(clippy::unwrap_used, reason = "a test that can't go on must fail")]

#[path = "identity/bootstrap.rs"]
mod bootstrap;
#[path = "identity/door.rs"]
mod door;
#[path = "identity/keys.rs"]
mod keys;
#[path = "identity/listings.rs"]
mod listings;
#[path = "identity/projects.rs"]
mod projects;
#[path = "identity/server.rs"]
mod server;
