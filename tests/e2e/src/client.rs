//! A small client: it sends what it is told and shows what came back, right or wrong.

use crate::{Fault, Outcome};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than the longest wait a request may ask for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(90);

/// Shorter than the server keeps an idle connection, so that no request meets its end.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// Somebody who calls a server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    headers: Vec<(String, String)>,
}

impl Client {
    /// Somebody without a key.
    pub fn new(url: &str) -> Outcome<Self> {
        // A second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            reqwest::Client::builder().no_proxy().timeout(ANSWERED_WITHIN).pool_idle_timeout(IDLE_MAX).build()?;
        Ok(Self { http, url: url.to_owned(), headers: Vec::new() })
    }

    /// The same caller at another server.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// With one header more.
    #[must_use]
    pub fn header(&self, name: &str, value: impl Into<String>) -> Self {
        let mut headers = self.headers.clone();
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_owned(), value.into()));
        Self { headers, ..self.clone() }
    }

    /// With a key.
    #[must_use]
    pub fn key(&self, key: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", key.as_ref()))
    }

    /// In a session of its own.
    #[must_use]
    pub fn session(&self, session: &str) -> Self {
        self.header("x-session-id", session)
    }

    /// With an idempotency key.
    #[must_use]
    pub fn once(&self, name: &str) -> Self {
        self.header("idempotency-key", name)
    }

    /// A request with the caller's headers, to be completed and sent by [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Sends a request; a fault only if no answer came.
    pub async fn send(&self, request: RequestBuilder) -> Outcome<Reply> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply { status, headers, text, body })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Outcome<Reply> {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Outcome<Reply> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Outcome<Reply> {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Outcome<Reply> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Asks for locks with a whole body.
    pub async fn acquire(&self, body: &Value) -> Outcome<Reply> {
        self.post("/v1/locks/acquire", body).await
    }

    /// Asks for one exclusive lock and expects it.
    #[track_caller]
    pub fn take(&self, key: &str) -> impl Future<Output = Outcome<Grant>> {
        let call = self.clone();
        let body = json!({ "keys": [{ "key": key }], "ttl_seconds": 600 });
        let none = Fault::new(format!("no lock came of asking for {key}"));
        async move { call.acquire(&body).await?.grants()?.into_iter().next().ok_or(none) }
    }

    /// Gives locks back.
    pub async fn release(&self, tokens: &[i64]) -> Outcome<Reply> {
        self.post("/v1/locks/release", &json!({ "tokens": tokens })).await
    }

    /// Renews locks.
    pub async fn renew(&self, tokens: &[i64], ttl_seconds: u32) -> Outcome<Reply> {
        self.post("/v1/locks/renew", &json!({ "tokens": tokens, "ttl_seconds": ttl_seconds })).await
    }

    /// One key's holders, line and history.
    pub async fn status(&self, key: &str) -> Outcome<Value> {
        let request = self.request(Method::GET, "/v1/locks/status").query(&[("key", key)]);
        self.send(request).await?.ok()
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body, if it is JSON; null otherwise.
    pub body: Value,
}

impl Reply {
    /// The body of an answer 200.
    #[track_caller]
    pub fn ok(self) -> Outcome<Value> {
        if self.status == 200 { Ok(self.body) } else { Err(self.unexpected("200")) }
    }

    /// The body of a problem of this status and name, whose form is checked on the way.
    #[track_caller]
    pub fn problem(self, status: u16, slug: &str) -> Outcome<Value> {
        let media_type = self.header("content-type").unwrap_or_default();
        let says = |name: &str| self.body[name].as_str().is_some_and(|text| !text.is_empty());
        let is_whole = media_type == "application/problem+json"
            && self.body["status"] == status
            && says("title")
            && self.body["request_id"].as_str() == self.header("x-request-id");
        let fits = self.status == status && self.slug() == slug;
        if fits && is_whole { Ok(self.body) } else { Err(self.unexpected(&format!("a whole problem {status} {slug}"))) }
    }

    /// The stable name of a problem; empty if it is none.
    pub fn slug(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.rsplit(['/', '#']).next()).unwrap_or_default()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The locks of a grant.
    #[track_caller]
    pub fn grants(self) -> Outcome<Vec<Grant>> {
        let mut body = self.ok()?;
        Ok(serde_json::from_value(body["locks"].take())?)
    }

    #[track_caller]
    fn unexpected(&self, expected: &str) -> Fault {
        Fault::new(format!("expected {expected}, got {} {}", self.status, self.text))
    }
}

/// A lock as it was granted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Grant {
    /// What.
    pub key: String,
    /// How.
    pub mode: String,
    /// Under which token.
    pub token: i64,
    /// To which agent.
    pub agent: String,
    /// In which session.
    pub session: String,
    /// Since when.
    pub granted_at: chrono::DateTime<chrono::Utc>,
    /// Until when.
    pub expires_at: chrono::DateTime<chrono::Utc>,
}
