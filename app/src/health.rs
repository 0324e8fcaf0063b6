//! Whether the server lives, may take traffic, and is well.

mod search;

use crate::http::problem::Problem;
use crate::memory::embedding::Embedding;
use crate::telemetry::Metrics;
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use ports::store::{SchemaState, Store};
use search::Search;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a look at the database may take before it counts as gone; answers come within two seconds.
const LOOK_TIMEOUT: Duration = Duration::from_millis(1_800);

/// In a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Everything needed works.
    Ok,
    /// Something needed does not.
    Degraded,
}

/// The database in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum DatabaseStatus {
    /// It answers.
    Connected,
    /// It does not answer in time.
    Unreachable,
}

/// How the server is.
#[derive(Debug, Clone, Object)]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// The database in a word.
    pub db: DatabaseStatus,
    /// The version of the server.
    pub version: String,
    /// What memories are found with.
    pub search: Search,
}

/// Whether the server may take traffic.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Readiness {
    /// Whether it may.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// An answer to `/health`.
#[derive(ApiResponse)]
pub enum HealthResponse {
    /// All is well.
    #[oai(status = 200)]
    Well(Json<Health>),
    /// Something needed does not work.
    #[oai(status = 503)]
    Unwell(Json<Health>),
}

/// An answer to `/ready`.
#[derive(ApiResponse)]
pub enum ReadyResponse {
    /// Send traffic.
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// Send none.
    #[oai(status = 503)]
    NotReady(Json<Readiness>),
}

/// The endpoints for operators, open to everyone who can reach the server.
pub struct HealthApi {
    store: Arc<dyn Store>,
    metrics: Metrics,
    embedding: Option<Embedding>,
    stopping: CancellationToken,
}

impl HealthApi {
    /// Puts the parts together; when `stopping` is cancelled the server is not ready any more.
    pub fn new(
        store: Arc<dyn Store>,
        metrics: Metrics,
        embedding: Option<Embedding>,
        stopping: CancellationToken,
    ) -> Self {
        Self { store, metrics, embedding, stopping }
    }

    async fn why_not_ready(&self) -> Option<&'static str> {
        if self.stopping.is_cancelled() {
            return Some("the server is stopping");
        }
        match timeout(LOOK_TIMEOUT, self.store.schema()).await {
            Ok(Ok(SchemaState::Current)) => None,
            Ok(Ok(SchemaState::Behind { .. })) => Some("the schema is older than the server"),
            Ok(Ok(SchemaState::Newer { .. })) => Some("the schema is newer than the server"),
            Ok(Err(_)) | Err(_) => Some("the database does not answer"),
        }
    }
}

#[OpenApi(tag = "crate::http::tags::Tag::Operations")]
impl HealthApi {
    /// Whether the process lives. Says nothing about the database.
    #[expect(clippy::unused_async, reason = "operations are async")]
    #[oai(path = "/live", method = "get", operation_id = "live")]
    async fn live(&self) -> PlainText<&'static str> {
        PlainText("ok\n")
    }

    /// Whether the server may take traffic: the database answers, its schema is the server's, no stop is under way.
    #[oai(path = "/ready", method = "get", operation_id = "ready")]
    async fn ready(&self) -> ReadyResponse {
        match self.why_not_ready().await {
            None => ReadyResponse::Ready(Json(Readiness { ready: true, reason: None })),
            Some(reason) => ReadyResponse::NotReady(Json(Readiness { ready: false, reason: Some(reason.to_owned()) })),
        }
    }

    /// How the server is, decided within two seconds even when the database hangs.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self) -> HealthResponse {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let search = Search::of(self.store.engines(), self.embedding.as_ref());
        let health = |status, db| Json(Health { status, db, version, search });
        match timeout(LOOK_TIMEOUT, self.store.ping()).await {
            Ok(Ok(())) => HealthResponse::Well(health(HealthStatus::Ok, DatabaseStatus::Connected)),
            Ok(Err(_)) | Err(_) => HealthResponse::Unwell(health(HealthStatus::Degraded, DatabaseStatus::Unreachable)),
        }
    }

    /// Metrics in the text format of Prometheus.
    #[expect(clippy::unused_async, reason = "operations are async")]
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self) -> Result<PlainText<String>, Problem> {
        self.metrics.render().map(PlainText).map_err(Problem::internal)
    }
}
