//! Serving connections until told to stop, and stopping in good order.

use std::sync::Arc;
use std::time::Duration;

use poem::IntoEndpoint;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::acceptor::{Accepted, Acceptor};
use super::connection::{Ends, Patience, drive};
use crate::config;
use crate::telemetry::Metrics;

/// How connections are treated.
#[derive(Clone)]
pub struct ServerSettings {
    /// How long a connection may stay open with no request on it.
    pub keep_alive: Duration,
    /// How long a client may take for the head of a request, or pause inside a body or while it takes in an answer.
    pub read_timeout: Duration,
    /// How long requests in flight may go on after the stop; what is left then is cut.
    pub drain_max: Duration,
    /// Counts connections.
    pub metrics: Metrics,
}

/// How long requests in flight may go on after the stop. With what else there is to end, the process exits within 10 s.
pub const DRAIN_MAX: Duration = Duration::from_secs(6);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that had to be cut with a request in flight.
    pub cut: usize,
}

impl ServerSettings {
    /// The settings the configuration asks for.
    pub fn new(config: &config::Http, metrics: Metrics) -> Self {
        let config::Http { keep_alive, read_timeout, .. } = *config;
        Self { keep_alive, read_timeout, drain_max: DRAIN_MAX, metrics }
    }
}

/// Serves `endpoint` on what `acceptor` takes in until `stop` is cancelled. Then no connection is accepted, those without
/// a request are closed at once, those with one when it is answered, and the rest after `drain_max`.
pub async fn serve<E>(acceptor: Acceptor, endpoint: E, settings: ServerSettings, stop: CancellationToken) -> Drained
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    let endpoint: Arc<E::Endpoint> = Arc::new(endpoint.into_endpoint());
    let patience = Patience { read: settings.read_timeout, idle: settings.keep_alive };
    let ends = Ends { stopping: stop.clone(), cut: CancellationToken::new() };
    let connections = TaskTracker::new();
    loop {
        let Accepted { stream, peer, permit } = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = acceptor.accept() => accepted,
        };
        let driven = drive(stream, peer, Arc::clone(&endpoint), patience, ends.clone());
        let open = OpenConnection { connections: connections.clone(), metrics: settings.metrics.clone() };
        connections.spawn(async move {
            driven.await;
            drop(permit);
            drop(open);
        });
        settings.metrics.connections(count(&connections));
    }
    drop(acceptor);
    connections.close();
    tracing::info!(connections = connections.len(), "stopping: no new connections, finishing what is in flight");
    let mut cut = 0;
    if tokio::time::timeout(settings.drain_max, connections.wait()).await.is_err() {
        cut = connections.len();
        tracing::warn!(connections = cut, "requests are cut, because they took too long to finish");
        ends.cut.cancel();
        connections.wait().await;
    }
    settings.metrics.connections(0);
    Drained { cut }
}

/// Counts its connection out, even if the connection's task is torn down.
struct OpenConnection {
    connections: TaskTracker,
    metrics: Metrics,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        // This task itself is still among them.
        self.metrics.connections(count(&self.connections).saturating_sub(1));
    }
}

fn count(connections: &TaskTracker) -> u64 {
    u64::try_from(connections.len()).unwrap_or(u64::MAX)
}
