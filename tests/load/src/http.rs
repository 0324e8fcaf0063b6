//! One keep-alive connection to the server, one request at a time.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Longer than the longest wait for a lock; a server that says nothing for so long is broken.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);
const JSON: &str = "application/json";
const JSON_LINES: &str = "application/x-ndjson";

/// Who is calling.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The secret of the API key.
    pub(crate) key: String,
    /// The session; the agent's default one if there is none.
    pub(crate) session: Option<String>,
}

/// A connection of one caller.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    authorization: String,
    session: Option<String>,
    // Ends with this connection.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, caller: &Caller) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // A broken connection fails the request on it, which says more.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            host: address.to_string(),
            authorization: format!("Bearer {}", caller.key),
            session: caller.session.clone(),
            _driver: driver,
        })
    }

    /// Reads.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        self.call(Method::GET, path, None, JSON, Bytes::new()).await
    }

    /// Asks something that changes nothing and has a body.
    pub(crate) async fn ask<T: DeserializeOwned>(&mut self, path: &str, body: String) -> Result<T> {
        self.call(Method::POST, path, None, JSON, body.into()).await
    }

    /// Hands many things in, one a line, under an idempotency key.
    pub(crate) async fn post_lines<T: DeserializeOwned>(&mut self, path: &str, name: &str, body: String) -> Result<T> {
        self.call(Method::POST, path, Some(name), JSON_LINES, body.into()).await
    }

    /// Changes something, under an idempotency key.
    pub(crate) async fn post<T: DeserializeOwned>(&mut self, path: &str, name: &str, body: String) -> Result<T> {
        self.call(Method::POST, path, Some(name), JSON, body.into()).await
    }

    /// # Errors
    ///
    /// Any answer but a 2xx with a body as expected, told with the body; or no answer in time.
    async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        name: Option<&str>,
        media_type: &str,
        body: Bytes,
    ) -> Result<T> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("content-type", media_type)
            .header("authorization", &self.authorization);
        if let Some(session) = &self.session {
            request = request.header("x-session-id", session);
        }
        if let Some(name) = name {
            request = request.header("idempotency-key", name);
        }
        let request = request.body(Full::new(body))?;
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        let exchanged = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
        let (status, body) = exchanged.with_context(|| format!("{path} was not answered in time"))?.context("HTTP")?;
        if !status.is_success() {
            bail!("{path} was answered {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body)
            .with_context(|| format!("{path} was answered with {}", String::from_utf8_lossy(&body)))
    }
}
