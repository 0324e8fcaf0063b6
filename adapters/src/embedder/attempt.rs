//! One request, and what its failure means.

use crate::embedder::HttpEmbedder;
use crate::embedder::wire::{Answer, Question};
use chrono::DateTime;
use domain::memory::vector::Vector;
use domain::work::retry::Chance;
use ports::embedder::EmbedError;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::error::Error;
use std::time::Duration;

/// The most bytes of an answer: so much, and so much more for each text.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
const ANSWER_BYTES_EACH: usize = 128 * 1_024;

/// The rest after the first failure, and the longest, where the endpoint names none.
const REST_FIRST: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(10);

/// The longest rest that an endpoint may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// What an attempt brought.
pub(super) struct Attempted {
    pub(super) vectors: Vec<Vector>,
    pub(super) tokens: u64,
}

/// Why an attempt brought nothing.
pub(super) enum Failure {
    /// Another attempt may do better.
    Passing { detail: String, retry_after: Option<Duration> },
    /// Another one would end in the same way.
    Final(EmbedError),
}

impl From<EmbedError> for Failure {
    fn from(error: EmbedError) -> Self {
        Self::Final(error)
    }
}

impl HttpEmbedder {
    pub(super) async fn attempt(&self, texts: &[&str], timeout: Duration) -> Result<Attempted, Failure> {
        let question = Question { model: self.model.as_str(), input: texts, dimensions: self.wanted_dimension };
        let sent = self.client.post(self.endpoint.clone()).timeout(timeout).json(&question).send().await;
        let mut response = sent.map_err(|error| passing(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(status, response.headers()));
        }
        let bytes = read(&mut response, ANSWER_BYTES_MAX + ANSWER_BYTES_EACH * texts.len()).await?;
        // What it says is not repeated, since it may repeat a text.
        let nonsense = |detail: &str| Failure::Final(EmbedError::Nonsense { detail: detail.to_owned() });
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| nonsense("that is no list of embeddings"))?;
        let tokens = answer.tokens();
        let rows = answer.rows(texts.len()).map_err(|detail| nonsense(&detail))?;
        let vectors: Result<Vec<Vector>, EmbedError> = rows.iter().map(|row| Ok(Vector::try_new(row)?)).collect();
        let vectors = vectors?;
        vectors.iter().try_for_each(|vector| self.expect_dimension(vector.dimension()))?;
        Ok(Attempted { vectors, tokens })
    }
}

async fn read(response: &mut Response, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| passing(&error))? {
        if bytes.len() + chunk.len() > bytes_max {
            let detail = format!("more than {bytes_max} bytes");
            return Err(EmbedError::Nonsense { detail }.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn passing(error: &reqwest::Error) -> Failure {
    let detail = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        // The last cause says most, and names neither the address nor what was sent.
        let mut last: &dyn Error = error;
        while let Some(cause) = last.source() {
            last = cause;
        }
        last.to_string()
    };
    Failure::Passing { detail, retry_after: None }
}

fn refusal(status: StatusCode, headers: &HeaderMap) -> Failure {
    let number = status.as_u16();
    match number {
        408 | 425 | 429 | 500.. => {
            Failure::Passing { detail: format!("status {number}"), retry_after: retry_after(headers) }
        }
        400 | 413 | 422 => EmbedError::Refused { status: number }.into(),
        _ => EmbedError::Misconfigured { status: number }.into(),
    }
}

/// How long it wants not to be asked: in seconds, or until an instant, which counts from that of the answer.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    let instant = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let rest = match wanted.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (instant(wanted)? - instant(text(DATE)?)?).to_std().ok()?,
    };
    Some(rest.min(RETRY_AFTER_MAX))
}

/// How long to rest after a number of failed attempts before this one: what the endpoint wants, else a random part, half
/// at least, of a time that doubles.
pub(super) fn rest(attempts_before: u32, retry_after: Option<Duration>, chance: Chance) -> Duration {
    let doubled = REST_FIRST.saturating_mul(1_u32.checked_shl(attempts_before).unwrap_or(u32::MAX)).min(REST_MAX);
    let jitter = doubled / 2 * u32::try_from(chance.0 % 1_000).unwrap_or(0) / 1_000;
    match retry_after {
        // A little more than that, so that not all who were told the same come back at once.
        Some(wanted) => wanted + jitter,
        None => doubled / 2 + jitter,
    }
}
