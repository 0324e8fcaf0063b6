use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use poem::Route;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, OpenApiService};
use pointsman::http::acceptor::Acceptor;
use pointsman::http::json_body::JsonBody;
use pointsman::http::methods::Methods;
use pointsman::http::problem::{self, Problem, kinds};
use pointsman::http::request_id::RequestContext;
use pointsman::http::server::{Drained, ServerSettings, serve};
use pointsman::http::timeout::TimeLimits;
use pointsman::http::{Stack, docs_page, stack};
use pointsman::telemetry::Metrics;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
    pub(crate) drained: JoinHandle<Drained>,
}

#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) read: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) request: Duration,
    pub(crate) drain: Duration,
    pub(crate) connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(20),
            keep_alive: Duration::from_secs(20),
            request: Duration::from_secs(20),
            drain: Duration::from_secs(6),
            connections: 100,
        }
    }
}

#[derive(Object)]
struct Note {
    text: String,
    count: Option<u32>,
}

struct Api;

#[OpenApi]
#[expect(clippy::unused_async, reason = "the macro wants operations to be async")]
impl Api {
    #[oai(path = "/notes", method = "post")]
    async fn note(&self, note: JsonBody<Note>) -> Result<Json<u64>, Problem> {
        Ok(Json(note.0.text.len() as u64 + u64::from(note.0.count.unwrap_or(0))))
    }

    #[oai(path = "/things/:id", method = "get")]
    async fn thing(&self, id: Path<u32>, page: Query<Option<u32>>) -> Result<Json<u32>, Problem> {
        Ok(Json(id.0 + page.0.unwrap_or(0)))
    }

    #[oai(path = "/things/:id", method = "delete")]
    async fn remove(&self, id: Path<u32>) -> Result<Json<u32>, Problem> {
        Err(Problem::new(&kinds::LOCK_HELD).detail(format!("{} is held", id.0)).retryable_after_ms(1500))
    }

    #[oai(path = "/slow", method = "get")]
    async fn slow(&self, ms: Query<u64>) -> Json<u64> {
        tokio::time::sleep(Duration::from_millis(ms.0)).await;
        Json(ms.0)
    }

    #[oai(path = "/waits", method = "get")]
    async fn waits(&self, ms: Query<u64>) -> Json<u64> {
        self.slow(ms).await
    }

    #[oai(path = "/large", method = "get")]
    async fn large(&self) -> Json<String> {
        Json("x".repeat(64 * 1024 * 1024))
    }

    #[oai(path = "/panics", method = "get")]
    async fn panics(&self) -> Json<u64> {
        panic!("secret of the panic")
    }

    #[oai(path = "/context", method = "get")]
    async fn context(&self, context: Data<&RequestContext>) -> Json<Vec<String>> {
        let trace_id = context.trace_id.as_deref().unwrap_or_default();
        Json(vec![context.request_id.to_string(), trace_id.to_owned()])
    }
}

impl Server {
    pub(crate) fn start(limits: Limits) -> Self {
        let service = OpenApiService::new(Api, "test", "1");
        let document = docs_page::document(&service).unwrap();
        let routes = Route::new()
            .at("/docs", docs_page::page(&service, &document))
            .at("/openapi.json", docs_page::json(&document))
            .at("/problems/:slug", problem::pages())
            .nest("/v1", service);
        let metrics = Metrics::unexported().unwrap();
        let made = AtomicU32::new(0);
        let endpoint = stack(
            routes,
            Stack {
                metrics: metrics.clone(),
                access_log: true,
                request_ids: Arc::new(move || format!("made-{}", made.fetch_add(1, Ordering::Relaxed))),
                time_limits: TimeLimits {
                    request: limits.request,
                    wait_max: Duration::from_mins(1),
                    waiting_paths: Arc::new(["/v1/waits"]),
                },
                methods: Methods::of_openapi(&document, "/v1").with("/docs", "GET"),
                unread: Arc::new(|_, _| None),
            },
        );
        let acceptor = Acceptor::bind("127.0.0.1:0".parse().unwrap(), limits.connections).unwrap();
        let address = acceptor.local_addr().unwrap();
        let settings = ServerSettings {
            keep_alive: limits.keep_alive,
            read_timeout: limits.read,
            drain_max: limits.drain,
            metrics: metrics.clone(),
        };
        let stop = CancellationToken::new();
        let drained = tokio::spawn(serve(acceptor, endpoint, settings, stop.clone()));
        Self { address, metrics, stop, drained }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(&post(path, body)).await
    }
}

pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_or_end().await.expect("the server closed the connection without an answer")
    }

    /// The next answer, or `None` if the server closes the connection first.
    pub(crate) async fn answer_or_end(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some((answer, rest)) = Answer::parse(&self.read) {
                    self.read = rest;
                    return Some(answer);
                }
                let mut part = vec![0; 16 * 1024];
                match self.stream.read(&mut part).await {
                    Ok(0) | Err(_) => return None,
                    Ok(read) => self.read.extend_from_slice(&part[..read]),
                }
            }
        })
        .await
        .expect("the server neither answers nor closes")
    }

    pub(crate) async fn assert_closed(&mut self) {
        assert!(self.answer_or_end().await.is_none(), "the server answered");
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<(Self, Vec<u8>)> {
        let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: Vec::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let rest = bytes.get(head_end + length..)?;
        answer.body = bytes[head_end..head_end + length].to_vec();
        Some((answer, rest.to_vec()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body of a problem of this slug, with everything checked that all problems have in common.
    pub(crate) fn problem(&self, slug: &str) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["type"], format!("/problems/{slug}"), "{body}");
        assert_eq!(body["status"], self.status, "{body}");
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{body}");
        assert!(body["title"].is_string() && body["retryable"].is_boolean(), "{body}");
        body
    }
}
