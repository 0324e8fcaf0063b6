//! The order of what was found: how well it answers, moved a little by its age, its worth and what others found of it.
//!
//! ```text
//! words   = own/max(own) + window · around/max(around)                  (BM25, see `lexical`)
//! meaning = semantic · spread(cosine) + semantic_window · spread(mean of the cosines around)
//! score   = (words + meaning) / greatest possible
//!           · (1 + recency · (0.5^(age / half-life) − ½))
//!           · (1 + feedback · ((helpful + 1) / (helpful + wrong + stale + 2) − ½))
//!           · (1 + importance · ((importance − 1) / 9 − ½))
//!           · (1 + pinned, if it is)
//! ```
//!
//! `spread` puts the least of the candidates at 0 and the greatest at 1. Adding the spread scores is what came out best
//! of the ways to unite words and meaning (S. Bruch and others, An Analysis of Fusion Functions for Hybrid Retrieval,
//! 2023, say why); reciprocal ranks with the usual 60 were worse than words alone. Age moves a score by a tenth at most:
//! multiplied in fully it ruined the order. Feedback is the mean of a Beta distribution that starts at one of each. That a
//! memory was read moves nothing, so that what is found often does not come to be found more often.
//!
//! A score compares what was found for one question; it says nothing across questions. `coverage` does: the share of the
//! question's words, weighed by their rarity, that a memory has.

mod lexical;
mod weights;

pub use lexical::WINDOW_REACH;
pub use weights::{InvalidWeight, Weights};

use crate::ids::MemoryId;
use crate::memory::candidate::Candidate;
use crate::memory::content::Importance;
use crate::memory::plan::{Question, StatisticsByRealm};
use chrono::{DateTime, Utc};
use lexical::{Lexical, Windows};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Around how many of the best by words, and as many by meaning, it is looked at what stands there.
pub const LOOK_AROUND_MAX: usize = 50;

/// Types of memories that do not grow old: what holds until it is taken back.
const TIMELESS: [&str; 7] = ["convention", "decision", "fact", "preference", "procedure", "procedural", "rule"];

/// What is asked and how answers are weighed.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'asked> {
    /// The question.
    pub question: &'asked Question,
    /// What is counted where it is asked.
    pub statistics: &'asked StatisticsByRealm,
    /// How near memories are to it in meaning, of those of which it is known: cosines. Empty if meaning is not known.
    pub cosines: &'asked BTreeMap<MemoryId, f64>,
    /// How much each part counts.
    pub weights: &'asked Weights,
    /// From when ages are counted.
    pub now: DateTime<Utc>,
}

/// A memory in the order of answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Which.
    pub id: MemoryId,
    /// Its score, 0 to 1.
    pub score: f64,
    /// What it comes from.
    pub parts: Parts,
}

/// What a score comes from, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// By words, its own and those around it, beside the best of those found.
    pub lexical: f64,
    /// By meaning, its own and that around it, beside the best; `None` if no memory has a vector.
    pub semantic: Option<f64>,
    /// The share of the question's words that it has itself, rare ones counting more.
    pub coverage: f64,
    /// By age: 1 of one that happened just now, ½ of one that does not age.
    pub recency: f64,
    /// By importance.
    pub importance: f64,
    /// By what others found of it: ½ if nobody said anything.
    pub feedback: f64,
}

/// Around which of those that were found it is to be looked: the best by their own words and the nearest in meaning.
pub fn look_around<'found>(asked: &Asked<'_>, found: &'found [Candidate]) -> Vec<&'found Candidate> {
    let found = each_once(found, &[]);
    let own = Lexical::new(asked.question, asked.statistics, &found).own();
    let cosines = cosines(asked, &found);
    let best = |scores: &dyn Fn(usize) -> Option<f64>| {
        let mut order: Vec<(usize, f64)> = (0..found.len()).filter_map(|at| Some((at, scores(at)?))).collect();
        order.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        order.into_iter().take(LOOK_AROUND_MAX).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let by_words = best(&|at| own.get(at).copied().filter(|score| *score > 0.0));
    let by_meaning = best(&|at| cosines.get(at).copied().flatten());
    let chosen: BTreeSet<usize> = by_words.into_iter().chain(by_meaning).collect();
    chosen.into_iter().filter_map(|at| found.get(at).copied()).collect()
}

/// Puts what was found, and what stands around it, in order; the best first. Nothing is there twice, and nothing that does
/// not answer at all. Who asks for nothing gets all of it, the newest and most proven first.
pub fn rank(asked: &Asked<'_>, found: &[Candidate], around: &[Candidate]) -> Vec<Ranked> {
    let memories = each_once(found, around);
    let weights = asked.weights;
    let windows = Windows::new(&memories);
    let words = Lexical::new(asked.question, asked.statistics, &memories);
    let (own, around, coverage) = (beside_best(&words.own()), beside_best(&words.around(&windows)), words.coverage());
    let cosines = cosines(asked, &memories);
    let meaning_around = spread(&windows.means(&cosines));
    let meaning = spread(&cosines);

    let asks_nothing = asked.question.words().is_empty() && asked.cosines.is_empty();
    let (words_most, meaning_most) = (1.0 + weights.window, weights.semantic + weights.semantic_window);
    let has_meaning = meaning.iter().any(Option::is_some) && meaning_most > 0.0;
    let most = if has_meaning { words_most + meaning_most } else { words_most };
    let unknown = (mean(&meaning), mean(&meaning_around));
    let at = |values: &[f64], place: usize| values.get(place).copied().unwrap_or(0.0);
    let known =
        |values: &[Option<f64>], place: usize, unknown: f64| values.get(place).copied().flatten().unwrap_or(unknown);

    let mut ranked: Vec<(Ranked, DateTime<Utc>)> = Vec::with_capacity(memories.len());
    for (place, memory) in memories.iter().enumerate() {
        let words = at(&own, place) + weights.window * at(&around, place);
        let meaning = weights.semantic * known(&meaning, place, unknown.0)
            + weights.semantic_window * known(&meaning_around, place, unknown.1);
        let meaning = if has_meaning { meaning } else { 0.0 };
        let base = if asks_nothing { 1.0 } else { (words + meaning) / most };
        if base <= 0.0 {
            continue;
        }
        let parts = Parts {
            lexical: words / words_most,
            semantic: has_meaning.then(|| meaning / meaning_most),
            coverage: at(&coverage, place),
            recency: recency(memory, asked),
            importance: f64::from(memory.importance.get() - 1) / f64::from(Importance::MAX - 1),
            feedback: usefulness(memory),
        };
        ranked
            .push((Ranked { id: memory.id, score: base * boost(memory, &parts, weights), parts }, memory.happened_at));
    }
    // The newer of equals first, and then in the order in which they were stored.
    ranked.sort_by(|(one, one_at), (other, other_at)| {
        other.score.total_cmp(&one.score).then(other_at.cmp(one_at)).then(one.id.cmp(&other.id))
    });
    ranked.into_iter().map(|(ranked, _)| ranked).collect()
}

/// By how much a score is moved, beside the most that it can be moved upwards.
fn boost(memory: &Candidate, parts: &Parts, weights: &Weights) -> f64 {
    let moved = |weight: f64, part: f64| (1.0 + weight * (part - 0.5)) / (1.0 + weight * 0.5);
    let pinned = if memory.pinned { 1.0 } else { 1.0 / (1.0 + weights.pinned) };
    moved(weights.recency, parts.recency)
        * moved(weights.feedback, parts.feedback)
        * moved(weights.importance, parts.importance)
        * pinned
}

fn recency(memory: &Candidate, asked: &Asked<'_>) -> f64 {
    if TIMELESS.contains(&memory.event_type.as_str()) {
        return 0.5;
    }
    let age_days = (asked.now - memory.happened_at).as_seconds_f64().max(0.0) / 86_400.0;
    0.5_f64.powf(age_days / asked.weights.half_life_days)
}

fn usefulness(memory: &Candidate) -> f64 {
    let [helpful, wrong, stale] =
        [memory.feedback.helpful, memory.feedback.wrong, memory.feedback.stale].map(f64::from);
    (helpful + 1.0) / (helpful + wrong + stale + 2.0)
}

/// Each memory once, in the order of their ids, so that sums come out the same whatever order a store answers in.
fn each_once<'found>(found: &'found [Candidate], around: &'found [Candidate]) -> Vec<&'found Candidate> {
    let by_id: BTreeMap<MemoryId, &Candidate> = around.iter().chain(found).map(|it| (it.id, it)).collect();
    by_id.into_values().collect()
}

fn cosines(asked: &Asked<'_>, memories: &[&Candidate]) -> Vec<Option<f64>> {
    let cosine = |memory: &&Candidate| asked.cosines.get(&memory.id).copied().filter(|cosine| cosine.is_finite());
    memories.iter().map(cosine).collect()
}

/// Each as a share of the greatest.
fn beside_best(scores: &[f64]) -> Vec<f64> {
    let best = scores.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0);
    scores.iter().map(|score| if best > 0.0 { score / best } else { 0.0 }).collect()
}

/// The least at 0, the greatest at 1, the others between.
fn spread(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let known = || values.iter().copied().flatten();
    let (least, greatest) = (known().min_by(f64::total_cmp), known().max_by(f64::total_cmp));
    let (Some(least), Some(greatest)) = (least, greatest) else { return vec![None; values.len()] };
    let width = greatest - least;
    let place =
        |value: f64| if width.partial_cmp(&0.0) == Some(Ordering::Greater) { (value - least) / width } else { 1.0 };
    values.iter().map(|value| value.map(place)).collect()
}

/// What is taken of those that have no vector yet: they are neither raised nor held back.
fn mean(values: &[Option<f64>]) -> f64 {
    let (sum, count) = values.iter().flatten().fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

#[cfg(test)]
#[path = "rank_tests.rs"]
mod tests;
