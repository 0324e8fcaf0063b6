//! The HTTP plumbing over real connections: limits, deadlines, problems, and stopping in good order.

#![expect(clippy::disallowed_methods, reason = "tasks end with the runtime of their test")]
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on must fail")]

#[path = "plumbing/server.rs"]
mod server;

#[path = "plumbing/connections.rs"]
mod connections;
#[path = "plumbing/problems.rs"]
mod problems;
#[path = "plumbing/stop.rs"]
mod stop;
