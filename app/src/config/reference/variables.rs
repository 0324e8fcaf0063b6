// over 400 lines because: it is one table, with an entry for each variable.
use super::Kind::{Flag, Number, Text};
use super::{Kind, Section, Variable};
use crate::config::embedder::DIMENSIONS_MAX;
use crate::config::telemetry::FILTER_DEFAULT;

const fn variable(
    section: Section,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> Variable {
    Variable { name, section, kind, default, example, meaning, secret: false }
}

const fn secret(section: Section, name: &'static str, example: &'static str, meaning: &'static str) -> Variable {
    Variable { name, section, kind: Text, default: "", example, meaning, secret: true }
}

/// Every variable Pointsman knows.
pub const VARIABLES: &[Variable] = &[
    variable(
        Section::Data,
        "POINTSMAN_DATA",
        Text,
        "",
        "/var/lib/pointsman",
        "Folder of the embedded database and of the first key; made if it is not there. Not set, it is the platform's \
         data folder, such as `~/.local/share/pointsman`.",
    ),
    variable(
        Section::Database,
        "DB_BACKEND",
        Text,
        "sqlite",
        "postgres",
        "`sqlite` (one file, no server), `postgres`, or `memory` (nothing is kept; for tests).",
    ),
    variable(
        Section::Database,
        "SQLITE_SYNCHRONOUS",
        Text,
        "full",
        "full",
        "`full` waits for the disk, so that nothing acknowledged is lost. `normal` is faster, but a power failure can lose \
         the last commits and so hand out a fencing token twice.",
    ),
    secret(
        Section::Database,
        "POSTGRES_DSN",
        "postgres://pointsman:password@localhost:5432/pointsman",
        "Connection string, needed by `DB_BACKEND=postgres`. Set without `DB_BACKEND` it is refused, so that no data \
         lands where nobody looks.",
    ),
    secret(
        Section::Database,
        "DATABASE_URL",
        "postgres://pointsman:password@localhost:5432/pointsman",
        "Another name of `POSTGRES_DSN`. Both may be set if they are equal.",
    ),
    variable(
        Section::Database,
        "POSTGRES_POOL_MIN",
        Number { min: 0, max: 500 },
        "2",
        "2",
        "Connections kept open; not more than `POSTGRES_POOL_MAX`.",
    ),
    variable(
        Section::Database,
        "POSTGRES_POOL_MAX",
        Number { min: 1, max: 500 },
        "10",
        "10",
        "Connections at most, for each server.",
    ),
    variable(
        Section::Database,
        "POSTGRES_ACQUIRE_TIMEOUT_SECONDS",
        Number { min: 1, max: 60 },
        "5",
        "5",
        "How long a request waits for a connection before it is answered 503 `unavailable`.",
    ),
    variable(
        Section::Database,
        "POSTGRES_STATEMENT_TIMEOUT_SECONDS",
        Number { min: 1, max: 300 },
        "5",
        "5",
        "How long one statement may run.",
    ),
    variable(
        Section::Database,
        "POSTGRES_LOCK_TIMEOUT_SECONDS",
        Number { min: 1, max: 300 },
        "3",
        "3",
        "How long one statement may wait for a lock inside the database; not more than the statement timeout, to which \
         the default is shortened.",
    ),
    variable(
        Section::Http,
        "API_HOST",
        Text,
        "127.0.0.1",
        "127.0.0.1",
        "IP address to listen on, or `localhost`. `[::]` accepts IPv4 and IPv6 and is the default when `PORT` is set. \
         Other machines can reach any address but a loopback one, which is refused unless some key exists.",
    ),
    variable(
        Section::Http,
        "API_PORT",
        Number { min: 0, max: 65_535 },
        "8081",
        "8081",
        "Port to listen on; 0 takes any free one.",
    ),
    variable(
        Section::Http,
        "PORT",
        Number { min: 0, max: 65_535 },
        "",
        "8081",
        "Port as hosting platforms give it; used when `API_PORT` is not set.",
    ),
    variable(
        Section::Http,
        "API_WORKERS",
        Number { min: 1, max: 256 },
        "",
        "2",
        "Async worker threads; not set, one for each processor. It is still one process.",
    ),
    variable(
        Section::Http,
        "API_TIMEOUT_KEEP_ALIVE",
        Number { min: 1, max: 3600 },
        "5",
        "5",
        "Seconds a connection may stay open with no request on it.",
    ),
    variable(Section::Http, "API_ACCESS_LOG", Flag, "false", "true", "Whether every answered request is logged."),
    variable(
        Section::Http,
        "API_REQUEST_TIMEOUT_SECONDS",
        Number { min: 1, max: 600 },
        "30",
        "30",
        "Seconds one request may take before it is answered 503 `timeout`. A request that may wait for a lock has the \
         longest wait, 60 s, on top of it.",
    ),
    variable(
        Section::Http,
        "API_READ_TIMEOUT_SECONDS",
        Number { min: 1, max: 120 },
        "10",
        "10",
        "Seconds a client may take to send the head of a request, pause inside its body, or take in an answer, before \
         the connection is cut.",
    ),
    variable(
        Section::Http,
        "API_MAX_CONNECTIONS",
        Number { min: 1, max: 65_536 },
        "900",
        "900",
        "Connections at most; further ones wait unaccepted. The default leaves room under the usual limit of 1,024 open \
         files.",
    ),
    secret(
        Section::Identity,
        "COORDINATION_API_KEYS",
        "a-long-random-key,another-long-random-key",
        "Keys that are accepted, separated by commas: 8 to 256 bytes each (16 or more are advised) of printable ASCII \
         without spaces or commas, 1,000 at most.",
    ),
    secret(
        Section::Identity,
        "COORDINATION_API_KEY_IDENTITIES",
        r#"{"a-long-random-key":{"agent_id":"claude-1","agent_type":"claude_code"}}"#,
        "Whom each key stands for: a JSON object from key to `agent_id`, `agent_type` and, if wanted, `project` \
         (`default`) and `role` (`agent`, `orchestrator` or `admin`; `agent` if not said). Every key in it must be in \
         `COORDINATION_API_KEYS`. A key without an identity is an agent of its own. A project that is not there is \
         created at start; the project `*`, with the role `admin`, stands for all of them.",
    ),
    variable(
        Section::Locks,
        "LOCK_TTL_MINUTES",
        Number { min: 1, max: 480 },
        "120",
        "120",
        "How long a lock lives when the request doesn't say.",
    ),
    variable(
        Section::Messages,
        "MESSAGES_REPLIES_PER_MINUTE",
        Number { min: 1, max: 100 },
        "20",
        "10",
        "How many replies a minute two agents may send each other. More are refused; who sends three times as many within \
         five minutes is stopped for ten minutes, and the owners are told.",
    ),
    variable(
        Section::Embedder,
        "EMBEDDER",
        Text,
        "none",
        "openai",
        "What turns memories into vectors, so that they are found by meaning too: `none`, or `openai`, an endpoint that \
         speaks as OpenAI's does (`POST {EMBEDDER_URL}/embeddings`), as many servers do. It gets the text of every memory.",
    ),
    variable(
        Section::Embedder,
        "EMBEDDER_URL",
        Text,
        "",
        "https://api.openai.com/v1",
        "The endpoint's address, before `/embeddings`; needed by `EMBEDDER=openai`. Redirects are not followed. A proxy of \
         the environment is used over https alone.",
    ),
    variable(
        Section::Embedder,
        "EMBEDDER_MODEL",
        Text,
        "",
        "text-embedding-3-small",
        "The model, as the endpoint calls it; needed by `EMBEDDER=openai`. After a change every memory gets a new vector, \
         in the background.",
    ),
    secret(
        Section::Embedder,
        "EMBEDDER_API_KEY",
        "sk-a-long-random-key",
        "The key that the endpoint wants, if it wants one.",
    ),
    variable(
        Section::Embedder,
        "EMBEDDER_DIMENSIONS",
        Number { min: 1, max: DIMENSIONS_MAX },
        "",
        "512",
        "How many numbers the vectors must have; the endpoint is asked for so many. Set it only for models that can shorten \
         their vectors. Not set, the first answer decides.",
    ),
    variable(
        Section::Embedder,
        "EMBEDDER_BATCH_SIZE",
        Number { min: 1, max: 2_048 },
        "64",
        "64",
        "Texts in one request, at most.",
    ),
    variable(
        Section::Embedder,
        "EMBEDDER_TIMEOUT_SECONDS",
        Number { min: 1, max: 300 },
        "30",
        "30",
        "How long one request may take. What a search looks for has a shorter time.",
    ),
    variable(
        Section::Embedder,
        "EMBEDDER_QUERY_TIMEOUT_MS",
        Number { min: 10, max: 10_000 },
        "800",
        "800",
        "Milliseconds that a search waits for the vector of what it looks for, before it goes by words alone and says so.",
    ),
    variable(
        Section::Webhooks,
        "WEBHOOKS_ALLOWED_HOSTS",
        Text,
        "",
        "hooks.internal, *.svc.example.com",
        "Hosts that webhooks may call though they are not public, and without TLS; separated by commas. `*.example.com` \
         stands for one or more labels before `example.com`.",
    ),
    variable(
        Section::Webhooks,
        "WEBHOOKS_ALLOWED_NETWORKS",
        Text,
        "",
        "10.20.0.0/16, fd12::/16",
        "Addresses and ranges that webhooks may call though they are not public, and without TLS; separated by commas. What \
         is held against them is the address that is connected to, each time.",
    ),
    variable(
        Section::Webhooks,
        "WEBHOOKS_TIMEOUT_SECONDS",
        Number { min: 1, max: 60 },
        "10",
        "5",
        "How long one call may take, from looking up the host to the end of the answer.",
    ),
    variable(
        Section::Webhooks,
        "WEBHOOKS_ATTEMPTS_MAX",
        Number { min: 1, max: 100 },
        "12",
        "12",
        "How often a delivery is tried before it is a dead letter.",
    ),
    variable(
        Section::Webhooks,
        "WEBHOOKS_BACKOFF_FIRST_SECONDS",
        Number { min: 0, max: 3_600 },
        "5",
        "5",
        "How long a delivery rests at most after its first failed attempt; after each further one four times as long. The \
         rest is anything up to that, by chance.",
    ),
    variable(
        Section::Webhooks,
        "WEBHOOKS_BACKOFF_CAP_SECONDS",
        Number { min: 0, max: 86_400 },
        "14400",
        "3600",
        "How long a delivery rests at most after any attempt. By default twelve attempts are spread over up to 22 hours.",
    ),
    variable(
        Section::Webhooks,
        "WEBHOOKS_DISABLE_AFTER_FAILURES",
        Number { min: 1, max: 10_000 },
        "20",
        "20",
        "How many attempts of a webhook must fail in a row before it is given up. A target that answers 410 is believed at \
         once.",
    ),
    variable(
        Section::Webhooks,
        "WEBHOOKS_DISABLE_AFTER_SECONDS",
        Number { min: 0, max: 604_800 },
        "3600",
        "3600",
        "For how long they must have failed.",
    ),
    variable(
        Section::Alerts,
        "ALERTS_ESCALATE_AFTER_SECONDS",
        Number { min: 0, max: 604_800 },
        "900",
        "900",
        "After how long an alert that nobody takes up becomes worse and is told again, three times at most; 0 never.",
    ),
    variable(
        Section::Alerts,
        "ALERTS_LOCK_WAIT_SECONDS",
        Number { min: 0, max: 604_800 },
        "300",
        "300",
        "After how long a wait for locks raises an alert, kept up over several calls; 0 never.",
    ),
    variable(
        Section::Retention,
        "RETENTION_WORK_DAYS",
        Number { min: 0, max: 36_500 },
        "14",
        "30",
        "Days for which tasks that succeeded, were cancelled or expired are kept, with their attempts; 0 for ever. Tasks \
         that unfinished ones need stay, and so do dead letters. Fixed are 7 days for past leases and 24 hours for the \
         answers under an `Idempotency-Key`; sessions are kept for ever, since the name of an ended one never comes back.",
    ),
    variable(
        Section::Retention,
        "RETENTION_HANDOFFS_DAYS",
        Number { min: 0, max: 36_500 },
        "90",
        "365",
        "Days for which handoffs are kept that were taken, declined or withdrawn, have expired, or were offered to nobody; 0 \
         for ever.",
    ),
    variable(
        Section::Retention,
        "RETENTION_MESSAGES_DAYS",
        Number { min: 0, max: 36_500 },
        "30",
        "90",
        "Days for which messages are kept that are over for all who got them; 0 for ever. A message to everyone, an \
         environment, a capability or a group that somebody has not looked at by then is not kept for them.",
    ),
    variable(
        Section::Retention,
        "RETENTION_AUDIT_DAYS",
        Number { min: 0, max: 36_500 },
        "0",
        "365",
        "Days for which lines of the audit log are kept; 0 for ever. What is set here is the only way to remove a line: \
         the database itself refuses to delete younger ones.",
    ),
    variable(
        Section::Retention,
        "RETENTION_FACTS_DAYS",
        Number { min: 0, max: 36_500 },
        "30",
        "90",
        "Days for which facts are kept, from which followers learn what happened; 0 for ever.",
    ),
    variable(
        Section::Telemetry,
        "RUST_LOG",
        Text,
        FILTER_DEFAULT,
        "info,pointsman=debug",
        "Which log lines and spans are kept: a level, or `target=level` directives separated by commas.",
    ),
    variable(
        Section::Telemetry,
        "LOG_FORMAT",
        Text,
        "auto",
        "json",
        "`auto` (pretty on a terminal, JSON otherwise), `pretty` or `json`. The log goes to standard error.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Text,
        "",
        "http://localhost:4318",
        "Collector that traces and metrics are sent to, below which `/v1/traces` and `/v1/metrics` stand. Not set, \
         nothing is sent.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        Text,
        "",
        "http://localhost:4318/v1/traces",
        "Whole address for traces, if they go elsewhere.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        Text,
        "",
        "http://localhost:4318/v1/metrics",
        "Whole address for metrics, if they go elsewhere.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        Text,
        "http/protobuf",
        "http/protobuf",
        "Only `http/protobuf`; `grpc` is refused. The same holds for `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` and \
         `OTEL_EXPORTER_OTLP_METRICS_PROTOCOL`.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        Text,
        "",
        "http/protobuf",
        "As `OTEL_EXPORTER_OTLP_PROTOCOL`, for traces.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        Text,
        "",
        "http/protobuf",
        "As `OTEL_EXPORTER_OTLP_PROTOCOL`, for metrics.",
    ),
    secret(
        Section::Telemetry,
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=Bearer%20token",
        "Headers of each post: `name=value` pairs separated by commas, values percent-encoded.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        Number { min: 100, max: 60_000 },
        "10000",
        "10000",
        "Milliseconds one post may take.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_METRIC_EXPORT_INTERVAL",
        Number { min: 1000, max: 3_600_000 },
        "60000",
        "60000",
        "Milliseconds between two posts of metrics.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_SERVICE_NAME",
        Text,
        "pointsman",
        "pointsman",
        "`service.name` of all that is sent.",
    ),
    variable(
        Section::Telemetry,
        "OTEL_RESOURCE_ATTRIBUTES",
        Text,
        "",
        "deployment.environment.name=staging",
        "Further resource attributes: `key=value` pairs separated by commas. Other `OTEL_` names, such as \
         `OTEL_TRACES_SAMPLER` and `OTEL_BSP_…`, keep their standard meaning.",
    ),
    variable(Section::Telemetry, "OTEL_SDK_DISABLED", Flag, "false", "true", "Sends nothing, whatever else is set."),
    variable(
        Section::Client,
        "COORDINATION_API_URL",
        Text,
        "",
        "http://127.0.0.1:8081",
        "The server to speak to; not set, it is the loopback address with `API_PORT`.",
    ),
    secret(
        Section::Client,
        "COORDINATION_API_KEY",
        "a-long-random-key",
        "The key to send; not set, it is the one in `admin.key` in the data folder, if there is one.",
    ),
    variable(
        Section::Client,
        "COORDINATION_ALLOWED_HOSTS",
        Text,
        "",
        "pointsman.example.com,*.internal.example.com",
        "The only hosts the key may be sent to besides this machine, separated by commas; `*.` stands for one or more \
         labels. Not set, it is sent to any host over https, and to none in the clear.",
    ),
    variable(Section::Client, "AGENT_ID", Text, "", "claude-1", "The agent to act as."),
    variable(Section::Client, "AGENT_TYPE", Text, "", "claude_code", "That agent's type."),
    variable(
        Section::Compose,
        "AGENT_COORDINATOR_DB_PORT",
        Number { min: 1, max: 65_535 },
        "54322",
        "54322",
        "Port of this machine on which the compose file shows its PostgreSQL.",
    ),
];
