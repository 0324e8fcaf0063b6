//! The HTTP server's plumbing: connections, limits, problems, observation. What is served stands elsewhere.

use std::sync::Arc;

use poem::{Endpoint, IntoEndpoint, Response};

pub mod acceptor;
pub mod body_limit;
mod connection;
pub mod cursor;
pub mod docs_page;
pub mod filter;
pub mod json_body;
pub mod json_lines;
pub mod methods;
pub mod observe;
pub mod problem;
pub mod refusals;
pub mod request_id;
pub mod server;
pub mod tags;
pub mod timeout;
pub mod unread;

use crate::telemetry::Metrics;
use methods::Methods;
use timeout::TimeLimits;

/// What [`stack`] needs to know.
pub struct Stack {
    /// Counts requests and refusals.
    pub metrics: Metrics,
    /// Whether each answered request is logged.
    pub access_log: bool,
    /// Makes the ids of requests that bring none.
    pub request_ids: Arc<dyn Fn() -> String + Send + Sync>,
    /// How long requests may take.
    pub time_limits: TimeLimits,
    /// What is known of the routes: methods for `Allow`, names for logs and counts.
    pub methods: Methods,
    /// What there is to read for an agent.
    pub unread: unread::Unread,
}

/// Puts the whole plumbing around `routes`, in the order it must have: observed, every failure made a problem, limited in
/// time, limited in size.
pub fn stack<E>(routes: E, stack: Stack) -> impl Endpoint<Output = Response> + 'static
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    let limited = body_limit::body_limit(routes.into_endpoint());
    let timed = timeout::time_limit(limited, stack.time_limits);
    let answered = problem::answer(timed, Arc::new(stack.methods));
    let told = unread::tell(answered, stack.unread);
    observe::observe(told, stack.metrics, stack.access_log, stack.request_ids)
}
