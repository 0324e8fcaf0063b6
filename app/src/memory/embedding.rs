//! Turning memories into vectors, behind what is committed.

mod batch;
pub mod worker;

use crate::telemetry::EmbedderStatus;
use ports::embedder::{Embedder, EmbedderCosts, EmbedderState};
use ports::memory::vectors::Waiting;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What turns texts into vectors, and how it is getting on. Clones are the same.
#[derive(Clone)]
pub struct Embedding {
    embedder: Arc<dyn Embedder>,
    request_timeout: Duration,
    batch_size: u32,
    standing: Arc<Mutex<Standing>>,
}

/// How embedding is getting on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Standing {
    /// Which memories wait, as last counted.
    pub waiting: Waiting,
    /// For how long the first of those waits that have no vector at all, in seconds, as last counted.
    pub oldest_seconds: f64,
    /// Whether another server came later with another model, so that this one makes no vectors of memories.
    pub is_overtaken: bool,
}

impl Embedding {
    /// Gives memories the vectors of this embedder, whose requests may take so long and have so many texts.
    pub fn new(embedder: Arc<dyn Embedder>, request_timeout: Duration, batch_size: u32) -> Self {
        Self { embedder, request_timeout, batch_size, standing: Arc::default() }
    }

    /// What makes the vectors.
    pub fn embedder(&self) -> Arc<dyn Embedder> {
        self.embedder.clone()
    }

    /// The name of the model.
    pub fn model(&self) -> &str {
        self.embedder.model().as_str()
    }

    /// Whether the model answers.
    pub fn state(&self) -> EmbedderState {
        self.embedder.state()
    }

    /// What it has cost.
    pub fn costs(&self) -> EmbedderCosts {
        self.embedder.costs()
    }

    /// What metrics tell of it.
    pub fn status(&self) -> EmbedderStatus {
        let (EmbedderCosts { requests, errors, tokens, texts }, standing) = (self.costs(), self.standing());
        let oldest_seconds = standing.oldest_seconds;
        EmbedderStatus { requests, errors, tokens, texts, waiting: standing.waiting.count, oldest_seconds }
    }

    /// How embedding is getting on.
    pub fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
