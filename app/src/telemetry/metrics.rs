//! Every instrument of the server: one set, read by Prometheus at `/metrics` and sent over OTLP.
//!
//! Labels are bounded: methods, route patterns, operations, outcomes and slugs, never anything a client makes up.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};
use prometheus::{Registry, TextEncoder};

/// Cheap to clone; all clones count into the same instruments.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Instruments>,
}

struct Instruments {
    provider: SdkMeterProvider,
    registry: Registry,
    meter: Meter,
    requests: Counter<u64>,
    request_duration: Histogram<f64>,
    unit_duration: Histogram<f64>,
    unit_retries: Counter<u64>,
    locks_held: Gauge<u64>,
    lock_waiters: Gauge<u64>,
    lock_waits: Histogram<f64>,
    refusals: Counter<u64>,
    authentication_failures: Counter<u64>,
    idempotent_replays: Counter<u64>,
    connections: Gauge<u64>,
    recalls: Counter<u64>,
    recall_duration: Histogram<f64>,
}

/// The database pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections open.
    pub size: u64,
    /// Connections of those that nobody uses.
    pub idle: u64,
}

/// What turns memories into vectors, at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbedderStatus {
    /// Requests since the start.
    pub requests: u64,
    /// Requests of those that brought no vectors.
    pub errors: u64,
    /// Tokens it has counted since the start.
    pub tokens: u64,
    /// Texts that became vectors since the start.
    pub texts: u64,
    /// Memories that wait for a vector of the model, as last counted.
    pub waiting: u64,
    /// Seconds that the first of those waits that have no vector at all, as last counted.
    pub oldest_seconds: f64,
}

/// Seconds, from a tenth of a millisecond to the longest wait.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

impl Metrics {
    /// Instruments that only `/metrics` reads: for commands that serve nothing, and for tests. No global state is touched.
    ///
    /// # Errors
    ///
    /// If the exporter can't be built, which is a defect.
    pub fn unexported() -> Result<Self, MetricsError> {
        Self::build(Resource::builder_empty().build(), None)
    }

    /// As [`Metrics::unexported`], with the resource that is told of, and also read by `reader` if there is one.
    pub(super) fn build(resource: Resource, reader: Option<super::otlp::MetricReader>) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let prometheus = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|error| MetricsError(error.to_string()))?;
        let builder = SdkMeterProvider::builder().with_resource(resource).with_reader(prometheus);
        let provider = match reader {
            Some(reader) => builder.with_reader(reader).build(),
            None => builder.build(),
        };
        let meter = provider.meter("pointsman");
        Ok(Self { inner: Arc::new(Instruments::new(provider, registry, meter)) })
    }

    /// A request was answered. `route` is the pattern, not the path; 499 stands for a client that went away.
    pub fn request(&self, method: &'static str, route: &str, status: u16, seconds: f64) {
        let route = KeyValue::new("route", route.to_owned());
        let method = KeyValue::new("method", method);
        self.inner.request_duration.record(seconds, &[method.clone(), route.clone()]);
        self.inner.requests.add(1, &[method, route, KeyValue::new("status", i64::from(status))]);
    }

    /// A unit of work has ended. `outcome` is one of a few words, such as `committed`, `refused` or `failed`.
    pub fn unit_of_work(&self, operation: &'static str, outcome: &'static str, retries: u64, seconds: f64) {
        let operation = KeyValue::new("operation", operation);
        if retries > 0 {
            self.inner.unit_retries.add(retries, std::slice::from_ref(&operation));
        }
        self.inner.unit_duration.record(seconds, &[operation, KeyValue::new("outcome", outcome)]);
    }

    /// From now on the pool is asked for its status whenever metrics are read. It must answer without waiting.
    pub fn watch_pool(&self, status: impl Fn() -> PoolStatus + Send + Sync + 'static) {
        self.inner
            .meter
            .u64_observable_gauge("pointsman.pool.connections")
            .with_description("Connections to the database")
            .with_callback(move |observer| {
                let PoolStatus { size, idle } = status();
                observer.observe(idle, &[KeyValue::new("state", "idle")]);
                observer.observe(size.saturating_sub(idle), &[KeyValue::new("state", "used")]);
            })
            .build();
    }

    /// From now on what embeds memories is asked for its status whenever metrics are read. It must answer without waiting.
    pub fn watch_embedder(&self, status: impl Fn() -> EmbedderStatus + Send + Sync + 'static) {
        let (meter, status) = (&self.inner.meter, Arc::new(status));
        let counter = |name: &'static str, about: &'static str, read: fn(EmbedderStatus) -> u64| {
            let status = status.clone();
            let counter = meter.u64_observable_counter(name).with_description(about);
            counter.with_callback(move |observer| observer.observe(read(status()), &[])).build();
        };
        counter("pointsman.embedder.requests", "Requests to the embedder", |status| status.requests);
        counter("pointsman.embedder.errors", "Requests to the embedder that brought no vectors", |status| {
            status.errors
        });
        counter("pointsman.embedder.tokens", "Tokens that the embedder has counted", |status| status.tokens);
        counter("pointsman.embedder.texts", "Texts that became vectors", |status| status.texts);
        let waiting = status.clone();
        meter
            .u64_observable_gauge("pointsman.embedder.waiting")
            .with_description("Memories that wait for a vector of the model")
            .with_callback(move |observer| observer.observe(waiting().waiting, &[]))
            .build();
        meter
            .f64_observable_gauge("pointsman.embedder.waiting.oldest")
            .with_description("Time that the first memory without any vector waits")
            .with_unit("s")
            .with_callback(move |observer| observer.observe(status().oldest_seconds, &[]))
            .build();
    }

    /// Locks held in all projects, as last counted.
    pub fn locks_held(&self, locks: u64) {
        self.inner.locks_held.record(locks, &[]);
    }

    /// Requests in line for locks in all projects, as last counted.
    pub fn lock_waiters(&self, waiters: u64) {
        self.inner.lock_waiters.record(waiters, &[]);
    }

    /// A wait for locks has ended. `outcome` is one of a few words, such as `granted`, `timed_out` or `abandoned`.
    pub fn lock_wait(&self, outcome: &'static str, seconds: f64) {
        self.inner.lock_waits.record(seconds, &[KeyValue::new("outcome", outcome)]);
    }

    /// A call was refused; the slug is that of the problem. The HTTP server counts these by itself.
    pub fn refusal(&self, slug: &'static str) {
        self.inner.refusals.add(1, &[KeyValue::new("problem", slug)]);
    }

    /// A request could not be authenticated. `reason` is one of a few words, such as `missing`, `unknown` or `revoked`.
    pub fn authentication_failure(&self, reason: &'static str) {
        self.inner.authentication_failures.add(1, &[KeyValue::new("reason", reason)]);
    }

    /// A repeated request got the answer of the first.
    pub fn idempotent_replay(&self, operation: &'static str) {
        self.inner.idempotent_replays.add(1, &[KeyValue::new("operation", operation)]);
    }

    /// Client connections open now.
    pub fn connections(&self, connections: u64) {
        self.inner.connections.record(connections, &[]);
    }

    /// A question about memories was answered. `mode` is one of a few words, such as `hybrid` or `failed`; degraded is what
    /// was to be found by meaning and was not.
    pub fn recall(&self, mode: &'static str, is_degraded: bool, seconds: f64) {
        let mode = KeyValue::new("mode", mode);
        self.inner.recall_duration.record(seconds, std::slice::from_ref(&mode));
        self.inner.recalls.add(1, &[mode, KeyValue::new("degraded", is_degraded)]);
    }

    /// All metrics in the Prometheus text format.
    ///
    /// # Errors
    ///
    /// If the text can't be written, which is a defect.
    pub fn render(&self) -> Result<String, MetricsError> {
        TextEncoder::new()
            .encode_to_string(&self.inner.registry.gather())
            .map_err(|error| MetricsError(error.to_string()))
    }

    pub(super) fn provider(&self) -> &SdkMeterProvider {
        &self.inner.provider
    }
}

/// Metrics could not be set up or written.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(String);

/// Prometheus counts from the start, and so does OTLP here, so that both say the same.
pub(super) const TEMPORALITY: Temporality = Temporality::Cumulative;

impl Instruments {
    fn new(provider: SdkMeterProvider, registry: Registry, meter: Meter) -> Self {
        let counter = |name: &'static str, about: &'static str| meter.u64_counter(name).with_description(about).build();
        let gauge = |name: &'static str, about: &'static str| meter.u64_gauge(name).with_description(about).build();
        let seconds = |name: &'static str, about: &'static str| {
            let histogram = meter.f64_histogram(name).with_description(about);
            histogram.with_unit("s").with_boundaries(SECONDS.to_vec()).build()
        };
        Self {
            requests: counter("pointsman.http.requests", "Requests answered"),
            request_duration: seconds("pointsman.http.request.duration", "Time to answer a request"),
            unit_duration: seconds("pointsman.unit_of_work.duration", "Time from begin to commit or rollback"),
            unit_retries: counter("pointsman.unit_of_work.retries", "Units of work repeated after a conflict"),
            locks_held: gauge("pointsman.locks.held", "Locks held"),
            lock_waiters: gauge("pointsman.locks.waiters", "Requests in line for locks"),
            lock_waits: seconds("pointsman.lock.wait.duration", "Time spent in line for locks"),
            refusals: counter("pointsman.refusals", "Calls refused, by problem"),
            authentication_failures: counter("pointsman.authentication.failures", "Requests without a valid key"),
            idempotent_replays: counter("pointsman.idempotent.replays", "Requests answered from the record"),
            connections: gauge("pointsman.http.connections", "Client connections open"),
            recalls: counter("pointsman.recalls", "Questions about memories"),
            recall_duration: seconds("pointsman.recall.duration", "Time to answer a question about memories"),
            provider,
            registry,
            meter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EmbedderStatus, Metrics, PoolStatus};

    #[test]
    fn every_instrument_shows_in_the_prometheus_text() {
        let metrics = Metrics::unexported().unwrap();
        metrics.request("GET", "/v1/locks/:key", 200, 0.002);
        metrics.unit_of_work("lock.acquire", "committed", 2, 0.001);
        metrics.watch_pool(|| PoolStatus { size: 5, idle: 3 });
        metrics.locks_held(7);
        metrics.lock_waiters(3);
        metrics.lock_wait("granted", 1.5);
        metrics.refusal("lock-held");
        metrics.authentication_failure("unknown");
        metrics.idempotent_replay("lock.acquire");
        metrics.connections(4);
        metrics.recall("hybrid", false, 0.02);
        metrics.watch_embedder(|| EmbedderStatus {
            requests: 9,
            errors: 2,
            tokens: 81,
            texts: 30,
            waiting: 4,
            oldest_seconds: 1.5,
        });
        let text = metrics.render().unwrap();
        for line in [
            r#"pointsman_http_requests_total{method="GET",route="/v1/locks/:key",status="200"} 1"#,
            r#"pointsman_http_request_duration_seconds_bucket{method="GET",route="/v1/locks/:key",le="0.0025"} 1"#,
            r#"pointsman_unit_of_work_duration_seconds_count{operation="lock.acquire",outcome="committed"} 1"#,
            r#"pointsman_unit_of_work_retries_total{operation="lock.acquire"} 2"#,
            r#"pointsman_pool_connections{state="idle"} 3"#,
            r#"pointsman_pool_connections{state="used"} 2"#,
            "pointsman_locks_held 7",
            "pointsman_locks_waiters 3",
            r#"pointsman_lock_wait_duration_seconds_sum{outcome="granted"} 1.5"#,
            r#"pointsman_refusals_total{problem="lock-held"} 1"#,
            r#"pointsman_authentication_failures_total{reason="unknown"} 1"#,
            r#"pointsman_idempotent_replays_total{operation="lock.acquire"} 1"#,
            "pointsman_http_connections 4",
            r#"pointsman_recalls_total{degraded="false",mode="hybrid"} 1"#,
            r#"pointsman_recall_duration_seconds_sum{mode="hybrid"} 0.02"#,
            "pointsman_embedder_requests_total 9",
            "pointsman_embedder_errors_total 2",
            "pointsman_embedder_tokens_total 81",
            "pointsman_embedder_texts_total 30",
            "pointsman_embedder_waiting 4",
            "pointsman_embedder_waiting_oldest_seconds 1.5",
        ] {
            assert!(text.lines().any(|written| written == line), "no line {line} in:\n{text}");
        }
    }

    #[test]
    fn two_sets_do_not_mix() {
        let (one, other) = (Metrics::unexported().unwrap(), Metrics::unexported().unwrap());
        one.locks_held(7);
        assert!(!other.render().unwrap().contains("pointsman_locks_held 7"));
    }
}
