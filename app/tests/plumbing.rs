//! The HTTP plumbing over real connections: limits, deadlines, problems, and stopping in good order.

#[path = "plumbing/server.rs"]
mod server;

#[path = "plumbing/connections.rs"]
mod connections;
#[path = "plumbing/problems.rs"]
mod problems;
#[path = "plumbing/stop.rs"]
mod stop;
