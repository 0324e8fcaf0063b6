//! Turning texts into vectors, by a model elsewhere.

use async_trait::async_trait;
use domain::memory::vector::{InvalidVector, ModelName, Vector};
use std::time::Duration;

/// Turns texts into vectors. It is asked outside of any unit of work: it may take long, and may not answer.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The model.
    fn model(&self) -> &ModelName;

    /// How many numbers its vectors have, once that is known: it is set, or was seen.
    fn dimension(&self) -> Option<usize>;

    /// The vectors of these texts, in their order, all of one dimension, within this time, repeated attempts included.
    /// A text that is longer than the model takes is cut.
    async fn embed(&self, texts: &[String], within: Duration) -> Result<Vec<Vector>, EmbedError>;

    /// What it has cost so far, since the process began.
    fn costs(&self) -> EmbedderCosts;

    /// Whether it answered the last time.
    fn state(&self) -> EmbedderState;
}

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// It cannot be reached, did not answer in time, or has too much to do. Later it may work.
    #[error("the embedder does not answer: {detail}")]
    Unavailable {
        /// What happened. It names no text and no key.
        detail: String,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It does not take these texts, and would not later. Others it may take.
    #[error("the embedder refused the texts with status {status}")]
    Refused {
        /// The status of its answer.
        status: u16,
    },
    /// It does not take the key, knows no such model, or is no embedder. Somebody must set it right.
    #[error(
        "the embedder refused the request with status {status}: are EMBEDDER_URL, EMBEDDER_MODEL and EMBEDDER_API_KEY \
         right?"
    )]
    Misconfigured {
        /// The status of its answer.
        status: u16,
    },
    /// What it answered is not what was asked for.
    #[error("the embedder answered nonsense: {detail}")]
    Nonsense {
        /// What is wrong with it. It names no text.
        detail: String,
    },
    /// Its vectors have another dimension than before, or than is set.
    #[error("the embedder answered vectors of {given} numbers instead of {wanted}")]
    Dimension {
        /// How many they must have.
        wanted: usize,
        /// How many they have.
        given: usize,
    },
}

impl From<InvalidVector> for EmbedError {
    fn from(invalid: InvalidVector) -> Self {
        Self::Nonsense { detail: invalid.to_string() }
    }
}

/// What an embedder has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EmbedderCosts {
    /// Requests that were sent, repeated ones included.
    pub requests: u64,
    /// Requests that brought no vectors.
    pub errors: u64,
    /// Tokens it counted itself; 0 if it does not count.
    pub tokens: u64,
    /// Texts that became vectors.
    pub texts: u64,
}

/// Whether an embedder answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedderState {
    /// It was not asked yet.
    Unknown,
    /// It answered the last time.
    Reachable,
    /// It does not answer, or nothing of use.
    Unreachable {
        /// For how long.
        lasting: Duration,
    },
}
