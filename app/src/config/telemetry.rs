use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::reader::Reader;

/// What is logged unless somebody says otherwise. What the libraries tell of each migration is told once, by us.
pub(super) const FILTER_DEFAULT: &str = "info,sqlx::postgres::notice=warn,sea_orm_migration=warn";

/// Logs, traces and metrics.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Which log lines and spans are kept, in the syntax of `RUST_LOG`.
    pub filter: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Where traces and metrics are sent over OTLP; `None` sends nothing.
    pub otlp: Option<Otlp>,
    /// `service.name` of everything that is sent.
    pub service_name: String,
    /// Further resource attributes, as given.
    pub resource_attributes: Vec<(String, String)>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Where telemetry goes, over HTTP with protobuf bodies.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// The whole address traces are posted to.
    pub traces_endpoint: String,
    /// The whole address metrics are posted to.
    pub metrics_endpoint: String,
    /// How long one post may take, in milliseconds.
    pub timeout_ms: u64,
    /// How often metrics are sent, in milliseconds.
    pub metric_interval_ms: u64,
}

#[derive(Default, Deserialize)]
struct RawOtel {
    sdk_disabled: Option<String>,
    service_name: Option<String>,
    resource_attributes: Option<String>,
    metric_export_interval: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawExporter {
    endpoint: Option<String>,
    traces_endpoint: Option<String>,
    metrics_endpoint: Option<String>,
    protocol: Option<String>,
    traces_protocol: Option<String>,
    metrics_protocol: Option<String>,
    timeout: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawLog {
    format: Option<String>,
}

impl Telemetry {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let otel: RawOtel = reader.section("OTEL_");
        let exporter: RawExporter = reader.section("OTEL_EXPORTER_OTLP_");
        let log: RawLog = reader.section("LOG_");
        let filter = reader.alone("RUST_LOG").unwrap_or_else(|| FILTER_DEFAULT.to_owned());
        if EnvFilter::try_new(&filter).is_err() {
            reader.refuse("RUST_LOG", "is not a list of `target=level` directives");
        }
        let disabled = reader.flag("OTEL_SDK_DISABLED", otel.sdk_disabled.as_deref());
        let metric_interval_ms = reader.number("OTEL_METRIC_EXPORT_INTERVAL", otel.metric_export_interval);
        let otlp = exporter.read(reader, metric_interval_ms);
        Self {
            filter,
            log_format: reader.choice(
                "LOG_FORMAT",
                log.format.as_deref(),
                &[("auto", LogFormat::Auto), ("pretty", LogFormat::Pretty), ("json", LogFormat::Json)],
                LogFormat::Auto,
            ),
            otlp: otlp.filter(|_| !disabled),
            service_name: otel.service_name.unwrap_or_else(|| "pointsman".to_owned()),
            resource_attributes: attributes(reader, otel.resource_attributes.as_deref()),
        }
    }
}

impl RawExporter {
    fn read(self, reader: &mut Reader, metric_interval_ms: u64) -> Option<Otlp> {
        for (name, protocol) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", &self.protocol),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", &self.traces_protocol),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", &self.metrics_protocol),
        ] {
            match protocol.as_deref() {
                None | Some("http/protobuf") => {}
                Some("grpc") => reader.refuse(
                    name,
                    "`grpc` is not spoken here; use `http/protobuf` and the collector's HTTP port, usually 4318",
                ),
                Some(_) => reader.refuse(name, "must be `http/protobuf`"),
            }
        }
        let base = url(reader, "OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint);
        let traces = url(reader, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", self.traces_endpoint);
        let metrics = url(reader, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", self.metrics_endpoint);
        let timeout_ms = reader.number("OTEL_EXPORTER_OTLP_TIMEOUT", self.timeout);
        let below = |path: &str| base.as_ref().map(|base| format!("{}/{path}", base.trim_end_matches('/')));
        let only_one = base.is_none() && traces.is_some() != metrics.is_some();
        if only_one {
            reader.refuse(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "is needed, or else both of its _TRACES_ and _METRICS_ variants",
            );
        }
        Some(Otlp {
            traces_endpoint: traces.or_else(|| below("v1/traces"))?,
            metrics_endpoint: metrics.or_else(|| below("v1/metrics"))?,
            timeout_ms,
            metric_interval_ms,
        })
    }
}

fn url(reader: &mut Reader, name: &str, raw: Option<String>) -> Option<String> {
    let raw = raw?;
    let is_http = reqwest::Url::parse(&raw).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_http {
        reader.refuse(name, "must be an address that starts with `http://` or `https://`");
    }
    Some(raw)
}

fn attributes(reader: &mut Reader, raw: Option<&str>) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    for pair in raw.into_iter().flat_map(|raw| raw.split(',')).filter(|pair| !pair.trim().is_empty()) {
        match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                attributes.push((key.trim().to_owned(), value.trim().to_owned()));
            }
            _ => {
                reader.refuse("OTEL_RESOURCE_ATTRIBUTES", "must be `key=value` pairs separated by commas");
                break;
            }
        }
    }
    attributes
}
