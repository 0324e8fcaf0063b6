//! What memories are found with.

use crate::memory::embedding::Embedding;
use poem_openapi::{Enum, Object};
use ports::embedder::EmbedderState;
use ports::store::{SearchEngines, VectorEngine, WordEngine};

/// What finds memories by their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum WordSearch {
    /// Looking at each.
    Plain,
    /// SQLite's full-text index.
    Fts5,
    /// PostgreSQL's inverted index.
    Postgres,
    /// The index of `ParadeDB`.
    PgSearch,
}

/// What finds memories by their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum VectorSearch {
    /// Nothing: there is no embedder.
    None,
    /// Comparing all vectors.
    Exact,
    /// An index of pgvector, where there are many vectors.
    Pgvector,
}

/// Whether the embedder answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum EmbedderStatus {
    /// There is none.
    None,
    /// It was not asked yet.
    Unknown,
    /// It answered the last time.
    Reachable,
    /// It does not answer, or nothing of use: memories are found by their words alone, and those that are new wait for
    /// their vectors.
    Unreachable,
    /// Another server came later and uses another model: this one embeds no memories.
    Overtaken,
}

/// What memories are found with.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Search {
    /// By their words.
    pub words: WordSearch,
    /// By their meaning.
    pub vectors: VectorSearch,
    /// Whether the embedder answers. Without it searching goes on, by words alone.
    pub embedder: EmbedderStatus,
    /// The embedder's model.
    pub model: Option<String>,
    /// How many memories wait for a vector of the model, as last counted; 100,000 also stand for more.
    pub waiting: Option<u64>,
    /// For how many seconds the embedder has not answered.
    pub unreachable_seconds: Option<u64>,
}

impl Search {
    /// With these engines, and what embeds, if anything does.
    pub fn of(engines: SearchEngines, embedding: Option<&Embedding>) -> Self {
        let words = match engines.words {
            WordEngine::Plain => WordSearch::Plain,
            WordEngine::Fts5 => WordSearch::Fts5,
            WordEngine::Postgres => WordSearch::Postgres,
            WordEngine::PgSearch => WordSearch::PgSearch,
        };
        let Some(embedding) = embedding else {
            return Self {
                words,
                vectors: VectorSearch::None,
                embedder: EmbedderStatus::None,
                model: None,
                waiting: None,
                unreachable_seconds: None,
            };
        };
        let vectors = match engines.vectors {
            VectorEngine::Exact => VectorSearch::Exact,
            VectorEngine::Pgvector => VectorSearch::Pgvector,
        };
        let standing = embedding.standing();
        let (embedder, unreachable_seconds) = match embedding.state() {
            EmbedderState::Unreachable { lasting } => (EmbedderStatus::Unreachable, Some(lasting.as_secs())),
            _ if standing.is_overtaken => (EmbedderStatus::Overtaken, None),
            EmbedderState::Unknown => (EmbedderStatus::Unknown, None),
            EmbedderState::Reachable => (EmbedderStatus::Reachable, None),
        };
        Self {
            words,
            vectors,
            embedder,
            model: Some(embedding.model().to_owned()),
            waiting: Some(standing.waiting.count),
            unreachable_seconds,
        }
    }
}
