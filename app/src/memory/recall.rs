//! Finding memories for a question: the store finds, the domain ranks.

pub mod api;
pub mod bodies;
mod finding;
mod meaning;
pub mod views;

use crate::call::Call;
use crate::executor::Executor;
use crate::memory::filtering::Sought;
use crate::memory::queries::MemoryQueries;
use crate::refusal::CallError;
use crate::telemetry::Metrics;
use domain::ids::MemoryId;
use domain::memory::candidate::Candidate;
use domain::memory::content::Content;
use domain::memory::filter::MemoryFilter;
use domain::memory::pack::{MISFITS_MAX, Packed, estimated_tokens, pack, repeated};
use domain::memory::plan::CANDIDATES_DEFAULT;
use domain::memory::rank::{Ranked, Weights};
use domain::memory::record::Memory;
use domain::memory::snippet::{Snippet, snippet};
use domain::memory::terms::PackedTerms;
use finding::{Found, find};
use meaning::Meaning;
use ports::embedder::Embedder;
use ports::store::{SearchEngines, StoreError, UnitOfWork};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most memories of one answer.
pub const LIMIT_MAX: usize = 100;

/// How many memories are answered if nobody says.
pub const LIMIT_DEFAULT: usize = 10;

/// The longest question in bytes.
pub const QUERY_BYTES_MAX: usize = 128 * 1024;

/// The longest snippet in characters.
const SNIPPET_CHARS_MAX: usize = 240;

/// What a memory costs besides its words, in tokens: names of fields, its id, who wrote it and when.
const TOKENS_AROUND: u64 = 64;

/// How questions are answered.
#[derive(Clone)]
pub struct RecallSettings {
    /// How much each part of a score counts.
    pub weights: Weights,
    /// How many memories of each realm are looked at, at most.
    pub candidates_max: u32,
    /// What turns questions into vectors, if anything does.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// How long the vector of a question is waited for.
    pub embedder_timeout: Duration,
}

impl Default for RecallSettings {
    fn default() -> Self {
        Self {
            weights: Weights::default(),
            candidates_max: CANDIDATES_DEFAULT,
            embedder: None,
            embedder_timeout: Duration::from_millis(800),
        }
    }
}

/// By what memories are to be found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// By words, and by meaning if there is an embedder.
    #[default]
    Hybrid,
    /// By words alone.
    Lexical,
    /// By meaning alone.
    Vector,
}

/// By what they were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// By words and meaning.
    Hybrid,
    /// By words.
    Lexical,
    /// By meaning.
    Vector,
    /// By neither, as nothing was asked: the newest and most proven.
    Latest,
}

impl Mode {
    /// The name on the wire and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Lexical => "lexical",
            Self::Vector => "vector",
            Self::Latest => "latest",
        }
    }
}

/// What somebody wants to know.
#[derive(Debug, Clone)]
pub struct RecallRequest {
    /// In words; `None` asks for the newest and most proven.
    pub query: Option<String>,
    /// Of which memories.
    pub sought: Sought,
    /// By what they are to be found.
    pub way: Way,
    /// The least score of an answer, 0 to 1.
    pub minimum_score: Option<f64>,
    /// The most answers, up to [`LIMIT_MAX`].
    pub limit: usize,
    /// The most tokens of all answers together, by estimate.
    pub token_budget: Option<u64>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The memory.
    pub memory: Memory,
    /// Its score, and what that comes from.
    pub ranked: Ranked,
    /// The passage with the most words of the question; `None` if it has none of them.
    pub snippet: Option<Snippet>,
    /// What it costs, by estimate.
    pub tokens: u64,
}

/// What was found and is no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Because it did not fit into the token budget, or came behind what did not.
    pub budget: usize,
    /// Because it says nearly the same as one before it.
    pub duplicates: usize,
    /// Because its score is too low.
    pub minimum_score: usize,
}

/// All answers to a question.
#[derive(Debug)]
pub struct Recalled {
    /// The answers, the best first.
    pub answers: Vec<Answer>,
    /// By what they were found.
    pub mode: Mode,
    /// Why they were not found by meaning as well, though they should have been.
    pub degraded: Option<&'static str>,
    /// With what they were found.
    pub engines: SearchEngines,
    /// The words of the question as they were looked for, and in how many memories each stands.
    pub words: Vec<(String, u64)>,
    /// How many memories were looked at.
    pub looked_at: usize,
    /// What was found and is no answer.
    pub left_out: LeftOut,
    /// What the answers cost together, by estimate.
    pub tokens: u64,
}

/// Answers questions.
#[derive(Clone)]
pub struct RecallMemories {
    executor: Executor,
    queries: MemoryQueries,
    settings: RecallSettings,
    metrics: Metrics,
}

impl RecallMemories {
    /// Reads through the executor's store.
    pub fn new(executor: Executor, settings: RecallSettings, metrics: Metrics) -> Self {
        let queries = MemoryQueries::new(executor.clone());
        Self { executor, queries, settings, metrics }
    }

    /// Whether memories can be found by meaning.
    pub fn has_embedder(&self) -> bool {
        self.settings.embedder.is_some()
    }

    /// Answers a question.
    pub async fn recall(&self, call: &Call, request: &RecallRequest) -> Result<Recalled, CallError> {
        let started = Instant::now();
        let recalled = self.answer(call, request).await;
        let mode = recalled.as_ref().map_or("failed", |recalled| recalled.mode.as_str());
        let is_degraded = recalled.as_ref().is_ok_and(|recalled| recalled.degraded.is_some());
        self.metrics.recall(mode, is_degraded, started.elapsed().as_secs_f64());
        recalled
    }

    async fn answer(&self, call: &Call, request: &RecallRequest) -> Result<Recalled, CallError> {
        if self.has_embedder() {
            // Whoever may not read is told before anybody else is asked, and no unit of work waits for an embedder.
            drop(self.queries.enter(call).await?);
        }
        let meaning = Meaning::of(&self.settings, request).await;
        let mut uow = self.queries.enter(call).await?;
        let now = uow.now().await?;
        let filter = request.sought.clone().filter(call, now);
        let found = find(uow.as_mut(), &self.settings, request, &filter, &meaning).await?;
        let chosen = choose(uow.as_mut(), request, &filter, &found).await?;
        drop(uow);
        Ok(Recalled {
            answers: chosen.answers,
            mode: found.mode,
            degraded: meaning.degraded(),
            engines: self.executor.store().engines(),
            words: found.words,
            looked_at: found.candidates.len(),
            left_out: chosen.left_out,
            tokens: chosen.tokens,
        })
    }
}

struct Chosen {
    answers: Vec<Answer>,
    left_out: LeftOut,
    tokens: u64,
}

/// Loads the best of what was found and packs it.
async fn choose(
    uow: &mut dyn UnitOfWork,
    request: &RecallRequest,
    filter: &MemoryFilter,
    found: &Found,
) -> Result<Chosen, StoreError> {
    let minimum = request.minimum_score.unwrap_or(0.0);
    let good = found.ranked.partition_point(|ranked| ranked.score >= minimum);
    let (good, poor) = found.ranked.split_at_checked(good).unwrap_or((&found.ranked, &[]));
    // Beside those that go out, as many as may be passed over until packing is over.
    let wanted = request.limit.saturating_add(MISFITS_MAX);
    let mut shown: Vec<(Memory, Ranked)> = Vec::with_capacity(wanted);
    let mut duplicates = 0;
    for ranked in good.chunks(wanted) {
        shown.extend(load(uow, filter, ranked).await?);
        let terms: Vec<PackedTerms> = shown.iter().map(|(memory, _)| found.terms_of(memory.id)).collect();
        let again: BTreeSet<usize> = repeated(&terms.iter().collect::<Vec<_>>()).into_iter().collect();
        duplicates += again.len();
        let kept = std::mem::take(&mut shown).into_iter().enumerate().filter(|(at, _)| !again.contains(at));
        shown.extend(kept.map(|(_, answer)| answer));
        if shown.len() >= wanted {
            break;
        }
    }
    let costs: Vec<u64> = shown.iter().map(|(memory, _)| cost(memory)).collect();
    let Packed { kept, tokens, .. } = pack(costs.iter().copied(), request.token_budget, request.limit);
    let behind = if kept.len() < request.limit { shown.len() - kept.len() } else { passed_over(&kept) };
    let (kept, words): (BTreeSet<usize>, Vec<String>) =
        (kept.into_iter().collect(), found.words.iter().map(|(word, _)| word.clone()).collect());
    let answers = shown.into_iter().zip(costs).enumerate().filter(|(at, _)| kept.contains(at));
    let answers = answers.map(|(_, ((memory, ranked), tokens))| Answer {
        snippet: memory.content.as_ref().and_then(|content| passage(content, &words)),
        memory,
        ranked,
        tokens,
    });
    let left_out = LeftOut { budget: behind, duplicates, minimum_score: found.shown_of(poor) };
    Ok(Chosen { answers: answers.collect(), left_out, tokens })
}

/// How many were passed over before the last that was kept.
fn passed_over(kept: &[usize]) -> usize {
    kept.last().map_or(0, |last| last + 1 - kept.len())
}

/// These memories, in their order, but for those that the filter does not show: what stands around others was found
/// without it.
async fn load(
    uow: &mut dyn UnitOfWork,
    filter: &MemoryFilter,
    ranked: &[Ranked],
) -> Result<Vec<(Memory, Ranked)>, StoreError> {
    let ids: Vec<MemoryId> = ranked.iter().map(|ranked| ranked.id).collect();
    let memories = uow.memories_load(&filter.realms, &ids).await?;
    let mut memories: BTreeMap<MemoryId, Memory> =
        memories.into_iter().filter(|memory| filter.shows(memory)).map(|memory| (memory.id, memory)).collect();
    Ok(ranked.iter().filter_map(|ranked| Some((memories.remove(&ranked.id)?, *ranked))).collect())
}

fn cost(memory: &Memory) -> u64 {
    let texts = memory.content.as_ref().map(Content::texts).unwrap_or_default();
    texts.into_iter().map(estimated_tokens).sum::<u64>().saturating_add(TOKENS_AROUND)
}

/// The passage of any of its texts that has the most of these words.
fn passage(content: &Content, words: &[String]) -> Option<Snippet> {
    let passages = content.texts().into_iter().map(|text| snippet(text, words, SNIPPET_CHARS_MAX));
    let best = passages.fold(Snippet::default(), |best, one| if one.words > best.words { one } else { best });
    (best.words > 0).then_some(best)
}

impl Found {
    /// How many of these were found for themselves, and not because they stand beside others.
    fn shown_of(&self, ranked: &[Ranked]) -> usize {
        ranked.iter().filter(|ranked| self.candidates.contains_key(&ranked.id)).count()
    }

    fn terms_of(&self, id: MemoryId) -> PackedTerms {
        let known = self.candidates.get(&id).or_else(|| self.around.get(&id));
        known.map(|candidate: &Candidate| candidate.terms.clone()).unwrap_or_default()
    }
}
