//! Logs to standard error, traces and metrics over OTLP, metrics for Prometheus.

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{self, LogFormat};

mod metrics;
mod otlp;

pub use metrics::{EmbedderStatus, Metrics, MetricsError, PoolStatus};

/// Telemetry that is running. Hand it to [`Telemetry::stop`] at the end, or the last spans are lost.
pub struct Telemetry {
    metrics: Metrics,
    traces: Option<SdkTracerProvider>,
}

/// Telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The instruments can't be made.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The collector's address can't be used.
    #[error("OTLP: {0}")]
    Otlp(String),
    /// The log filter can't be read.
    #[error("the log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// A log is being written already.
    #[error("the log: {0}")]
    Log(#[from] tracing_subscriber::util::TryInitError),
}

/// The longest [`Telemetry::stop`] takes, whatever the collector does.
pub const STOP_MAX: Duration = Duration::from_secs(2);

impl Telemetry {
    /// Starts the log and, if the settings name a collector, the sending. `version` goes out as `service.version`.
    ///
    /// Must be called inside a tokio runtime that outlives the telemetry: the posts run there.
    ///
    /// # Errors
    ///
    /// If the settings can't be used, or the process has a log already. A collector that doesn't answer is no error, now
    /// or later.
    pub fn start(settings: &config::Telemetry, version: &'static str) -> Result<Self, TelemetryError> {
        let resource = resource(settings, version);
        let (traces, reader) = match &settings.otlp {
            Some(otlp) => {
                let transport = otlp::Transport::new(otlp)?;
                let traces = SdkTracerProvider::builder()
                    .with_resource(resource.clone())
                    .with_batch_exporter(transport.span_exporter(otlp)?)
                    .build();
                (Some(traces), Some(transport.metric_reader(otlp)?))
            }
            None => (None, None),
        };
        let metrics = Metrics::build(resource, reader)?;
        let spans =
            traces.as_ref().map(|traces| tracing_opentelemetry::layer().with_tracer(traces.tracer("pointsman")));
        tracing_subscriber::registry()
            .with(log(settings.log_format))
            .with(EnvFilter::try_new(&settings.filter)?)
            .with(spans)
            .try_init()?;
        Ok(Self { metrics, traces })
    }

    /// The instruments.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Sends what is left and stops, within [`STOP_MAX`].
    pub async fn stop(self) {
        let (done, is_done) = tokio::sync::oneshot::channel();
        // A thread of its own, because the SDK blocks, and a blocked worker of the runtime would delay the exit.
        std::thread::spawn(move || {
            let traces = self.traces.map_or(Ok(()), |traces| traces.shutdown_with_timeout(STOP_MAX));
            let metrics = self.metrics.provider().shutdown_with_timeout(STOP_MAX);
            let _ = done.send(traces.and(metrics));
        });
        match tokio::time::timeout(STOP_MAX, is_done).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last telemetry was not sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the collector did not take the last telemetry in time"),
        }
    }
}

fn resource(settings: &config::Telemetry, version: &'static str) -> Resource {
    let given = settings.resource_attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder()
        .with_attributes(given)
        .with_service_name(settings.service_name.clone())
        .with_attribute(KeyValue::new("service.version", version))
        .build()
}

fn log(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let is_terminal = std::io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Pretty => lines.with_ansi(is_terminal).boxed(),
        LogFormat::Auto if is_terminal => lines.with_ansi(true).boxed(),
        LogFormat::Auto | LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).boxed(),
    }
}

#[cfg(test)]
mod tests;
