use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::PeriodicReader;
use tokio::runtime::Handle;

use super::TelemetryError;
use super::metrics::TEMPORALITY;
use crate::config::Otlp;

pub(super) type MetricReader = PeriodicReader<MetricExporter>;

/// Posts to the collector on the server's own runtime: the SDK calls from threads of its own, where no socket would work.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: reqwest::Client,
    runtime: Handle,
}

impl Transport {
    pub(super) fn new(otlp: &Otlp) -> Result<Self, TelemetryError> {
        // Fails only if a provider is there already, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_millis(otlp.timeout_ms)).build();
        let client = client.map_err(|error| TelemetryError::Otlp(error.to_string()))?;
        let runtime = Handle::try_current().map_err(|error| TelemetryError::Otlp(error.to_string()))?;
        Ok(Self { client, runtime })
    }

    pub(super) fn span_exporter(&self, otlp: &Otlp) -> Result<SpanExporter, TelemetryError> {
        SpanExporter::builder()
            .with_http()
            .with_http_client(self.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&otlp.traces_endpoint)
            .with_timeout(Duration::from_millis(otlp.timeout_ms))
            .build()
            .map_err(|error| TelemetryError::Otlp(error.to_string()))
    }

    pub(super) fn metric_reader(&self, otlp: &Otlp) -> Result<MetricReader, TelemetryError> {
        let exporter = MetricExporter::builder()
            .with_temporality(TEMPORALITY)
            .with_http()
            .with_http_client(self.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&otlp.metrics_endpoint)
            .with_timeout(Duration::from_millis(otlp.timeout_ms))
            .build()
            .map_err(|error| TelemetryError::Otlp(error.to_string()))?;
        Ok(PeriodicReader::builder(exporter).with_interval(Duration::from_millis(otlp.metric_interval_ms)).build())
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}
