//! A client of a Pointsman server, for the command line: one request, one JSON answer.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Url, redirect};
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a whole request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Speaks to one server with one key. Redirects are not followed: the key is for that server alone.
#[derive(Debug)]
pub struct HttpClient {
    client: Client,
    base: String,
}

/// What the server said.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The address is none.
    #[error("the server's address is not one")]
    Address,
    /// Nobody said that the key may be sent there.
    #[error("the key is not sent to {host}: it is not among COORDINATION_ALLOWED_HOSTS")]
    HostNotAllowed {
        /// The host of the address.
        host: String,
    },
    /// The key would be readable on the way.
    #[error(
        "the key is not sent to {host} in the clear: use https, or name the host in COORDINATION_ALLOWED_HOSTS if the \
         network is trusted"
    )]
    InTheClear {
        /// The host of the address.
        host: String,
    },
    /// The key holds characters that no header can.
    #[error("the key is not plain text")]
    Key,
    /// The client cannot be made.
    #[error("the HTTP client cannot be made")]
    Build(#[source] reqwest::Error),
    /// The server could not be reached, or stopped answering.
    #[error("no answer from the server")]
    Unreachable(#[source] reqwest::Error),
    /// The answer is longer than any the server gives.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// Whatever answers there, it is not Pointsman.
    #[error("the answer is not JSON (status {status}): is this address a Pointsman server's?")]
    NotJson {
        /// The status of the answer.
        status: u16,
    },
}

impl HttpClient {
    /// A client for the server at `url`. The key goes to this machine, else over https, else only to a host of
    /// `allowed_hosts`; if that list names any host, then to no other than those and this machine.
    /// `*.example.com` stands for one or more labels before `example.com`.
    pub fn new(url: &str, key: &str, allowed_hosts: &[String]) -> Result<Self, HttpClientError> {
        let base = Url::parse(url).map_err(|_| HttpClientError::Address)?;
        let host = base.host_str().ok_or(HttpClientError::Address)?.to_ascii_lowercase();
        let is_secure = match base.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(HttpClientError::Address),
        };
        if !is_this_machine(&host) && !allowed_hosts.iter().any(|pattern| is_match(pattern, &host)) {
            if !allowed_hosts.is_empty() {
                return Err(HttpClientError::HostNotAllowed { host });
            }
            if !is_secure {
                return Err(HttpClientError::InTheClear { host });
            }
        }
        let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| HttpClientError::Key)?;
        value.set_sensitive(true);
        let builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)]));
        // A proxy would read what is sent in the clear.
        let builder = if is_secure { builder } else { builder.no_proxy() };
        let client = builder.build().map_err(HttpClientError::Build)?;
        Ok(Self { client, base: url.trim_end_matches('/').to_owned() })
    }

    /// Asks for a resource.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<HttpAnswer, HttpClientError> {
        answer(self.client.get(format!("{}{path}", self.base)).query(query)).await
    }

    /// Asks for a change. A body goes as JSON.
    pub async fn post(&self, path: &str, body: Option<&Value>) -> Result<HttpAnswer, HttpClientError> {
        let request = self.client.post(format!("{}{path}", self.base));
        answer(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }
}

async fn answer(request: RequestBuilder) -> Result<HttpAnswer, HttpClientError> {
    let mut response = request.send().await.map_err(HttpClientError::Unreachable)?;
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(HttpClientError::Unreachable)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(HttpClientError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    let body = serde_json::from_slice(&bytes).map_err(|_| HttpClientError::NotJson { status })?;
    Ok(HttpAnswer { status, body })
}

fn is_this_machine(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn is_match(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.')),
        None => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(url: &str, allowed: &[&str]) -> Result<(), HttpClientError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allowed: Vec<String> = allowed.iter().map(|&host| host.to_owned()).collect();
        HttpClient::new(url, "key-number-one", &allowed).map(|_| ())
    }

    #[test]
    fn the_key_goes_to_this_machine_over_https_or_where_it_is_allowed() {
        for url in ["http://127.0.0.1:8081", "http://localhost:1", "http://[::1]:8081/", "https://a.example"] {
            assert!(made(url, &[]).is_ok(), "{url}");
        }
        assert!(made("http://127.0.0.1:8081", &["a.example"]).is_ok());
        assert!(made("http://a.example", &["a.example"]).is_ok());
        assert!(made("http://A.example", &["*.example"]).is_ok());
    }

    #[test]
    fn the_key_goes_nowhere_else() {
        for url in ["http://a.example", "http://10.0.0.1", "http://127.0.0.1.example", "http://localhost.example"] {
            assert!(matches!(made(url, &[]), Err(HttpClientError::InTheClear { .. })), "{url}");
        }
        for url in ["https://a.example", "http://b.a.example.org", "https://xexample.com"] {
            let made = made(url, &["b.example", "*.example.com"]);
            assert!(matches!(made, Err(HttpClientError::HostNotAllowed { .. })), "{url}");
        }
        assert!(matches!(made("ftp://127.0.0.1", &[]), Err(HttpClientError::Address)));
    }

    #[test]
    fn a_star_stands_for_one_or_more_labels() {
        assert!(is_match("*.example.com", "a.example.com"));
        assert!(is_match("*.example.com", "a.b.example.com"));
        for host in ["example.com", ".example.com", "aexample.com", "a.example.com.evil"] {
            assert!(!is_match("*.example.com", host), "{host}");
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = HttpClient::new("http://127.0.0.1:1", "key-number-one", &[]).unwrap();
        assert!(!format!("{client:?}").contains("key-number-one"));
    }
}
