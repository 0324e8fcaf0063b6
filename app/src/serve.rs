//! `pointsman serve`: from the configuration to a server that answers, and from a signal to its end.

use crate::audit;
use crate::cli::output;
use crate::config::{Config, Embedder};
use crate::executor::Executor;
use crate::http::acceptor::Acceptor;
use crate::http::server::{ServerSettings, serve};
use crate::identity::authenticate::Authenticator;
use crate::identity::bootstrap::{self, BootstrapError};
use crate::identity::env_keys::{EnvKeyError, EnvKeys};
use crate::memory::embedding::Embedding;
use crate::memory::recall::RecallSettings;
use crate::messages::unread::UnreadBoard;
use crate::store::{self, OpenError};
use crate::telemetry::{PoolStatus, Telemetry, TelemetryError};
use crate::webhooks::relay::Relay;
use crate::wiring::{Parts, WiringError};
use crate::workers::{self, Tools};
use adapters::calendar::IanaCalendar;
use adapters::embedder::{EmbedderOptions, HttpEmbedder, NoEmbedder};
use adapters::system::RandomIds;
use adapters::webhook_sender::{HttpWebhookSender, NoSender};
use domain::locks::lease::{InvalidTtl, Ttl};
use domain::messages::conversation::{InvalidPace, Pace};
use ports::calendar::Calendar;
use ports::webhooks::WebhookSender;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the last words to the store may take at the end.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// Why the server did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The log or the exporters cannot be started.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Nobody could come in, or anybody.
    #[error(transparent)]
    Identity(#[from] BootstrapError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
    /// The default TTL is out of bounds.
    #[error(transparent)]
    Ttl(#[from] InvalidTtl),
    /// The pace of conversations is out of bounds.
    #[error(transparent)]
    Pace(#[from] InvalidPace),
    /// The parts do not fit together.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// A key of the configuration cannot be used.
    #[error(transparent)]
    EnvKeys(#[from] EnvKeyError),
    /// Webhooks cannot be called.
    #[error(transparent)]
    Webhooks(#[from] NoSender),
    /// Memories cannot be embedded.
    #[error(transparent)]
    Embedder(#[from] NoEmbedder),
}

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<(), ServeError> {
    let telemetry = Telemetry::start(&config.telemetry, env!("CARGO_PKG_VERSION"))?;
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    let result = run_logged(&config, &telemetry).await;
    telemetry.stop().await;
    result
}

async fn run_logged(config: &Config, telemetry: &Telemetry) -> Result<(), ServeError> {
    let stopping = CancellationToken::new();
    stop_on_signal(&stopping).map_err(ServeError::Signals)?;
    let store = store::open(config).await?;
    let bell = store::bell(config)?;
    let (pool, metrics) = (store.clone(), telemetry.metrics());
    metrics.watch_pool(move || {
        let state = pool.pool();
        PoolStatus { size: u64::from(state.size), idle: u64::from(state.idle) }
    });
    let ids = Arc::new(RandomIds);
    let embedding = embedding(&config.embedder)?;
    if let Some(embedding) = embedding.clone() {
        metrics.watch_embedder(move || embedding.status());
    }
    let calendar: Arc<dyn Calendar> = Arc::new(IanaCalendar);
    let env_keys = EnvKeys::new(&config.identity)?;
    let authenticator = Arc::new(Authenticator::new(env_keys, store.clone(), metrics.clone()));
    let seconds = u32::try_from(config.locks.ttl_default.as_secs()).unwrap_or(u32::MAX);
    let unread = Arc::new(UnreadBoard::default());
    let webhooks = &config.webhooks;
    let sender: Arc<dyn WebhookSender> = Arc::new(HttpWebhookSender::new(webhooks.rules.clone(), webhooks.timeout)?);
    let parts = Parts {
        store,
        ids,
        calendar: calendar.clone(),
        metrics: metrics.clone(),
        authenticator: authenticator.clone(),
        unread: unread.clone(),
        secrets: config.memory.secrets,
        recall: RecallSettings {
            weights: config.memory.weights,
            candidates_max: config.memory.candidates_max,
            embedder: embedding.as_ref().map(Embedding::embedder),
            embedder_timeout: config.embedder.query_timeout(),
        },
        embedding: embedding.clone(),
        working: config.memory.working,
        pace: Pace::try_new(config.messages.replies_per_minute)?,
        webhook_sender: sender.clone(),
        escalation: config.alerts.escalation,
        default_ttl: Ttl::try_new(seconds)?,
        request_timeout: config.http.request_timeout,
        access_log: config.http.access_log,
        stopping: stopping.clone(),
    };
    let executor = parts.executor();
    let address = config.http.listen;
    let listen_error = |source| ServeError::Listen { address, source };
    // Before a first key is made: it is shown once, so there must be a server to show it. Nobody is let in yet.
    let acceptor = Acceptor::bind(address, config.http.connections_max).map_err(listen_error)?;
    let bound = acceptor.local_addr().map_err(listen_error)?;
    let welcome =
        bootstrap::prepare(&executor, authenticator.env_keys(), &config.data, config.http.is_loopback()).await?;
    let endpoint = parts.endpoint(&executor)?;
    let tools = Tools {
        executor: &executor,
        authenticator: &authenticator,
        calendar: &calendar,
        metrics: &metrics,
        bell: &bell,
        kept: &config.retention,
        unread: &unread,
        relay: &Relay::new(executor.clone(), sender, webhooks.policy),
        alerts: &config.alerts,
        working: config.memory.working.kept,
        embedding: embedding.as_ref(),
    };
    let loops = workers::start(&tools, &stopping);
    tracing::info!(%bound, docs = %format_args!("http://{bound}/docs"), "listening");
    output::line(&welcome.text(bound, &program()));
    let drained = serve(acceptor, endpoint, ServerSettings::new(&config.http, metrics), stopping.clone()).await;
    loops.wait().await;
    say_last_words(&executor, &authenticator).await;
    tracing::info!(cut = drained.cut, "stopped");
    Ok(())
}

/// What turns memories into vectors, if anything is to.
fn embedding(config: &Embedder) -> Result<Option<Embedding>, NoEmbedder> {
    let Embedder::OpenAi(endpoint) = config else { return Ok(None) };
    let options = EmbedderOptions {
        url: endpoint.url.clone(),
        model: endpoint.model.clone(),
        api_key: endpoint.api_key.as_ref().map(|key| key.expose().to_owned()),
        dimension: endpoint.dimension,
        batch_size: endpoint.batch_size,
        timeout: endpoint.timeout,
    };
    let embedder = HttpEmbedder::new(options, Arc::new(RandomIds))?;
    let batch_size = u32::try_from(endpoint.batch_size).unwrap_or(u32::MAX);
    Ok(Some(Embedding::new(Arc::new(embedder), endpoint.timeout, batch_size)))
}

/// How this binary was called.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "pointsman".to_owned())
}

/// What is still in memory and belongs in the store: folded refusals and when keys were used.
async fn say_last_words(executor: &Executor, authenticator: &Authenticator) {
    let words = async {
        let folded = audit::sweeper::write_folded(executor, true).await;
        let used = authenticator.flush_usage(true).await;
        (folded, used)
    };
    let Ok((folded, used)) = tokio::time::timeout(LAST_WORDS_MAX, words).await else {
        tracing::warn!("the database did not take the last words in time");
        return;
    };
    if let Err(error) = folded {
        tracing::warn!(%error, "folded refusals were not written to the audit log");
    }
    if let Err(error) = used {
        tracing::warn!(%error, "when keys were last used was not written");
    }
}

#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "it listens for as long as the process lives")]
fn stop_on_signal(stopping: &CancellationToken) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stopping.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        stopping.cancel();
    });
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "it listens for as long as the process lives")]
fn stop_on_signal(stopping: &CancellationToken) -> std::io::Result<()> {
    let stopping = stopping.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopping.cancel();
        }
    });
    Ok(())
}
