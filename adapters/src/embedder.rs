//! An embedder behind an HTTP endpoint that speaks as `OpenAI`'s does: `POST {url}/embeddings`.

mod attempt;
mod wire;

use async_trait::async_trait;
use attempt::{Attempted, Failure, rest};
use domain::memory::vector::{ModelName, Vector};
use ports::embedder::{EmbedError, Embedder, EmbedderCosts, EmbedderState};
use ports::ids::IdSource;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Url, redirect};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The most characters of a text that are sent; the rest is cut. Models take 500 to 8,000 tokens and cut by themselves, or
/// refuse what is longer; no text of so many characters has more than 8,000 tokens.
const TEXT_CHARS_MAX: usize = 4_000;

/// After how many bytes of texts a request is sent, whatever the size of a batch.
const REQUEST_BYTES_MAX: usize = 256 * 1_024;

/// How long after a failure nobody asks again.
const HOLD_OFF: Duration = Duration::from_secs(2);

/// Where the embedder is, and how it is asked.
#[derive(Clone)]
pub struct EmbedderOptions {
    /// The address that `/embeddings` is put behind.
    pub url: String,
    /// The model.
    pub model: ModelName,
    /// The key, if it wants one. Secret: it is never shown.
    pub api_key: Option<String>,
    /// How many numbers the vectors must have; it is asked for so many. `None` takes as many as it gives.
    pub dimension: Option<usize>,
    /// The most texts of one request.
    pub batch_size: usize,
    /// How long one request may take.
    pub timeout: Duration,
}

/// Asks an endpoint for vectors. Redirects are not followed: the key and the texts are for that endpoint alone.
pub struct HttpEmbedder {
    client: Client,
    endpoint: Url,
    model: ModelName,
    wanted_dimension: Option<usize>,
    /// That of the first vectors; 0 before there are any.
    seen_dimension: AtomicUsize,
    batch_size: usize,
    timeout: Duration,
    ids: Arc<dyn IdSource>,
    counts: Counts,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    errors: AtomicU64,
    tokens: AtomicU64,
    texts: AtomicU64,
}

/// How the last requests went.
#[derive(Clone)]
enum Health {
    Unknown,
    Well,
    Failing {
        since: Instant,
        until: Instant,
        /// How long whoever met it would have waited.
        within: Duration,
        error: EmbedError,
    },
}

/// Why there can be no embedder.
#[derive(Debug, thiserror::Error)]
pub enum NoEmbedder {
    /// The address is none.
    #[error("the address of the embedder is not one")]
    Address,
    /// The key holds characters that no header can.
    #[error("the key of the embedder is not plain text")]
    Key,
    /// The client cannot be made.
    #[error("the HTTP client for the embedder cannot be made")]
    Build(#[source] reqwest::Error),
}

impl HttpEmbedder {
    /// An embedder at this address. What is random about when it is asked again comes from `ids`.
    pub fn new(options: EmbedderOptions, ids: Arc<dyn IdSource>) -> Result<Self, NoEmbedder> {
        let EmbedderOptions { url, model, api_key, dimension, batch_size, timeout } = options;
        let endpoint = format!("{}/embeddings", url.trim_end_matches('/'));
        let endpoint = Url::parse(&endpoint).map_err(|_| NoEmbedder::Address)?;
        if !matches!(endpoint.scheme(), "http" | "https") || !endpoint.has_host() {
            return Err(NoEmbedder::Address);
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = api_key {
            let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| NoEmbedder::Key)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers);
        // A proxy would read what is sent in the clear.
        let builder = if endpoint.scheme() == "http" { builder.no_proxy() } else { builder };
        Ok(Self {
            client: builder.build().map_err(NoEmbedder::Build)?,
            endpoint,
            model,
            wanted_dimension: dimension,
            seen_dimension: AtomicUsize::new(0),
            batch_size: batch_size.max(1),
            timeout,
            ids,
            counts: Counts::default(),
            health: Mutex::new(Health::Unknown),
        })
    }

    /// The vectors of the texts of one request, tried until `deadline`.
    async fn request(&self, texts: &[&str], deadline: Instant, within: Duration) -> Result<Vec<Vector>, EmbedError> {
        let mut attempts = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.counts.requests.fetch_add(1, Ordering::Relaxed);
            let failure = match self.attempt(texts, left.min(self.timeout)).await {
                Ok(Attempted { vectors, tokens }) => {
                    self.counts.tokens.fetch_add(tokens, Ordering::Relaxed);
                    self.counts.texts.fetch_add(u64::try_from(vectors.len()).unwrap_or(0), Ordering::Relaxed);
                    self.note(None, within);
                    return Ok(vectors);
                }
                Err(failure) => failure,
            };
            self.counts.errors.fetch_add(1, Ordering::Relaxed);
            let error = match failure {
                Failure::Final(error) => error,
                Failure::Passing { detail, retry_after } => {
                    let rest = rest(attempts, retry_after, self.ids.chance());
                    attempts += 1;
                    if Instant::now() + rest < deadline {
                        tokio::time::sleep(rest).await;
                        continue;
                    }
                    EmbedError::Unavailable { detail, retry_after }
                }
            };
            self.note(Some(&error), within);
            return Err(error);
        }
    }

    /// The dimension that vectors must have; that of the first is taken where none is set.
    fn expect_dimension(&self, given: usize) -> Result<(), EmbedError> {
        let wanted = match self.wanted_dimension {
            Some(wanted) => wanted,
            None => match self.seen_dimension.compare_exchange(0, given, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => given,
                Err(seen) => seen,
            },
        };
        if given == wanted { Ok(()) } else { Err(EmbedError::Dimension { wanted, given }) }
    }

    fn note(&self, error: Option<&EmbedError>, within: Duration) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(error) = error else {
            *health = Health::Well;
            return;
        };
        // What it does not like about a text says nothing about itself.
        if matches!(error, EmbedError::Refused { .. }) {
            return;
        }
        let now = Instant::now();
        let since = if let Health::Failing { since, .. } = &*health { *since } else { now };
        let rest = match error {
            EmbedError::Unavailable { retry_after: Some(wanted), .. } => HOLD_OFF.max(*wanted),
            _ => HOLD_OFF,
        };
        *health = Health::Failing { since, until: now + rest, within, error: error.clone() };
    }

    /// The error of just now, if it is too early to ask again. Whoever waits longer than those who met it may have an answer
    /// that they had not, unless it is the endpoint that wants to be left alone.
    fn hold_off(&self, within: Duration) -> Result<(), EmbedError> {
        match &*self.health.lock().unwrap_or_else(PoisonError::into_inner) {
            Health::Failing { until, within: met, error, .. }
                if Instant::now() < *until
                    && (within <= *met || matches!(error, EmbedError::Unavailable { retry_after: Some(_), .. })) =>
            {
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Embedder for HttpEmbedder {
    fn model(&self) -> &ModelName {
        &self.model
    }

    fn dimension(&self) -> Option<usize> {
        self.wanted_dimension.or_else(|| Some(self.seen_dimension.load(Ordering::Relaxed)).filter(|seen| *seen > 0))
    }

    async fn embed(&self, texts: &[String], within: Duration) -> Result<Vec<Vector>, EmbedError> {
        self.hold_off(within)?;
        // A little earlier, so that whoever gives up after that time hears of it, and it is noted.
        let deadline = Instant::now() + within.mul_f64(0.95);
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest: Vec<&str> = texts.iter().map(|text| cut(text)).collect();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |text: &&&str| {
                bytes += text.len();
                bytes <= REQUEST_BYTES_MAX
            };
            let count = rest.iter().take(self.batch_size).take_while(fits).count().max(1);
            let later = rest.split_off(count);
            vectors.extend(self.request(&rest, deadline, within).await?);
            rest = later;
        }
        Ok(vectors)
    }

    fn costs(&self) -> EmbedderCosts {
        let Counts { requests, errors, tokens, texts } = &self.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        EmbedderCosts { requests: read(requests), errors: read(errors), tokens: read(tokens), texts: read(texts) }
    }

    fn state(&self) -> EmbedderState {
        match &*self.health.lock().unwrap_or_else(PoisonError::into_inner) {
            Health::Unknown => EmbedderState::Unknown,
            Health::Well => EmbedderState::Reachable,
            Health::Failing { since, .. } => EmbedderState::Unreachable { lasting: since.elapsed() },
        }
    }
}

/// The text, cut to what is sent.
fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT_CHARS_MAX).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests;
