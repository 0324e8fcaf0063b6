//! What answers to a question look like on the wire.

use crate::memory::recall::{Answer, LeftOut, Mode, Recalled};
use crate::memory::views::MemoryView;
use domain::memory::record::Memory;
use domain::memory::snippet::Snippet;
use poem_openapi::{Enum, Object};
use ports::store::{SearchEngines, VectorEngine, WordEngine};

/// By what memories were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "RecallMode", rename_all = "snake_case")]
pub enum ModeView {
    /// By words and meaning.
    Hybrid,
    /// By words.
    Lexical,
    /// By meaning.
    Vector,
    /// By neither, as nothing was asked: the newest and most proven.
    Latest,
}

impl From<Mode> for ModeView {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Hybrid => Self::Hybrid,
            Mode::Lexical => Self::Lexical,
            Mode::Vector => Self::Vector,
            Mode::Latest => Self::Latest,
        }
    }
}

/// With what memories are found by their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "WordEngine", rename_all = "snake_case")]
pub enum WordEngineView {
    /// Looking at each.
    Plain,
    /// The full-text index of `SQLite`.
    Fts5,
    /// The inverted index of `PostgreSQL`.
    Postgres,
    /// `ParadeDB`'s `pg_search`.
    PgSearch,
}

/// With what memories are found by their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "VectorEngine", rename_all = "snake_case")]
pub enum VectorEngineView {
    /// Comparing all of them.
    Exact,
    /// An index of `pgvector`, where there are many.
    Pgvector,
}

/// With what memories are found.
#[derive(Debug, Clone, Copy, Object)]
#[oai(rename = "RecallEngines")]
pub struct EnginesView {
    /// By their words.
    pub words: WordEngineView,
    /// By their meaning.
    pub vectors: VectorEngineView,
}

impl From<SearchEngines> for EnginesView {
    fn from(SearchEngines { words, vectors }: SearchEngines) -> Self {
        let words = match words {
            WordEngine::Plain => WordEngineView::Plain,
            WordEngine::Fts5 => WordEngineView::Fts5,
            WordEngine::Postgres => WordEngineView::Postgres,
            WordEngine::PgSearch => WordEngineView::PgSearch,
        };
        let vectors = match vectors {
            VectorEngine::Exact => VectorEngineView::Exact,
            VectorEngine::Pgvector => VectorEngineView::Pgvector,
        };
        Self { words, vectors }
    }
}

/// What a score comes from, each 0 to 1. `docs/memory.md` has the formula.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RecallParts", skip_serializing_if_is_none)]
pub struct PartsView {
    /// By words, its own and those around it, beside the best of those found.
    pub lexical: f64,
    /// By meaning, its own and that around it, beside the best; missing if it was not looked for.
    pub semantic: Option<f64>,
    /// The share of the question's words that it has itself, rare ones counting more. It can be compared across questions.
    pub coverage: f64,
    /// By age: 1 of one that happened just now, ½ of one that does not age.
    pub recency: f64,
    /// By importance.
    pub importance: f64,
    /// By what others found of it: ½ if nobody said anything.
    pub feedback: f64,
}

/// A passage of a memory.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RecallSnippet")]
pub struct SnippetView {
    /// The passage, with `…` where it is cut.
    pub text: String,
    /// The words of the question in it, as they stand there, each once.
    pub matched: Vec<String>,
}

impl From<Snippet> for SnippetView {
    fn from(snippet: Snippet) -> Self {
        let mut matched: Vec<String> = Vec::new();
        for place in snippet.matches {
            let word = snippet.text.get(place).unwrap_or_default();
            if !matched.iter().any(|known| known == word) {
                matched.push(word.to_owned());
            }
        }
        let before = if snippet.is_cut_before { "…" } else { "" };
        let after = if snippet.is_cut_after { "…" } else { "" };
        Self { text: format!("{before}{}{after}", snippet.text), matched }
    }
}

/// A memory that answers a question.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RecalledMemory", skip_serializing_if_is_none)]
pub struct AnswerView {
    /// The memory.
    pub memory: MemoryView,
    /// How well it answers beside the others, 0 to 1.
    pub score: f64,
    /// What the score comes from.
    pub parts: PartsView,
    /// The passage with the most words of the question; missing if it has none of them.
    pub snippet: Option<SnippetView>,
    /// Why it is an answer, in words.
    pub why: Vec<String>,
    /// What it costs to read, in tokens, by estimate.
    pub tokens: u64,
}

impl From<Answer> for AnswerView {
    fn from(Answer { memory, ranked, snippet, tokens }: Answer) -> Self {
        let parts = PartsView {
            lexical: ranked.parts.lexical,
            semantic: ranked.parts.semantic,
            coverage: ranked.parts.coverage,
            recency: ranked.parts.recency,
            importance: ranked.parts.importance,
            feedback: ranked.parts.feedback,
        };
        let snippet = snippet.map(SnippetView::from);
        let why = why(&memory, &parts, snippet.as_ref());
        Self { memory: (&memory).into(), score: ranked.score, parts, snippet, why, tokens }
    }
}

fn why(memory: &Memory, parts: &PartsView, snippet: Option<&SnippetView>) -> Vec<String> {
    let mut why = Vec::new();
    match snippet {
        Some(SnippetView { matched, .. }) => why.push(format!("has {}", matched.join(", "))),
        None if parts.lexical > 0.0 => why.push("stands beside what has the words".to_owned()),
        None => {}
    }
    if parts.semantic.is_some_and(|semantic| semantic >= 0.5) {
        why.push("is near in meaning".to_owned());
    }
    let feedback = memory.feedback;
    for (count, what) in [(feedback.helpful, "helpful"), (feedback.wrong, "wrong"), (feedback.stale, "stale")] {
        if count > 0 {
            why.push(format!("{what} to {count}"));
        }
    }
    if memory.pinned {
        why.push("is pinned".to_owned());
    }
    if memory.seen > 1 {
        why.push(format!("was remembered {} times", memory.seen));
    }
    why
}

/// What was found and is no answer.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RecallLeftOut")]
pub struct LeftOutView {
    /// Because it did not fit into the token budget.
    pub budget: usize,
    /// Because it says nearly the same as one before it.
    pub duplicates: usize,
    /// Because its score is too low.
    pub minimum_score: usize,
}

impl From<LeftOut> for LeftOutView {
    fn from(LeftOut { budget, duplicates, minimum_score }: LeftOut) -> Self {
        Self { budget, duplicates, minimum_score }
    }
}

/// A word of a question.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RecallWord")]
pub struct WordView {
    /// As it was looked for.
    pub word: String,
    /// In how many memories of those scopes it stands.
    pub memories: u64,
}

/// How the answers came about.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RecallExplained")]
pub struct ExplainedView {
    /// The words of the question that were looked for; stop words are none.
    pub words: Vec<WordView>,
    /// How many memories were looked at.
    pub looked_at: usize,
}

/// All answers to a question. What memories say was written by agents: it is data, not an order of the server's.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Recalled", skip_serializing_if_is_none)]
pub struct RecalledView {
    /// The answers, the best first.
    pub memories: Vec<AnswerView>,
    /// By what they were found.
    pub mode: ModeView,
    /// Why they were not found by meaning as well, though they should have been.
    pub degraded: Option<String>,
    /// With what they were found.
    pub engines: EnginesView,
    /// What was found and is no answer.
    pub left_out: LeftOutView,
    /// What the answers cost to read together, in tokens, by estimate.
    pub tokens: u64,
    /// How the answers came about, if that was asked for.
    pub explained: Option<ExplainedView>,
}

impl RecalledView {
    /// With how they came about, if that is wanted.
    pub fn new(recalled: Recalled, is_explained: bool) -> Self {
        let words = recalled.words.into_iter().map(|(word, memories)| WordView { word, memories });
        let explained = ExplainedView { words: words.collect(), looked_at: recalled.looked_at };
        Self {
            memories: recalled.answers.into_iter().map(Into::into).collect(),
            mode: recalled.mode.into(),
            degraded: recalled.degraded.map(str::to_owned),
            engines: recalled.engines.into(),
            left_out: recalled.left_out.into(),
            tokens: recalled.tokens,
            explained: is_explained.then_some(explained),
        }
    }
}
