//! Finding procedures: by type of task, and by words.
//!
//! Words are weighed by BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009), in the form whose
//! weights are never negative, over the latest versions of all procedures of the project that are not retired. What was
//! reported moves that by a fifth at most: `relevance × (1 + 0.4 × (lower − 0.5))`, where the relevance is the part of the
//! best one's, and `lower` the lower end of the estimate, see [`evidence`](super::evidence). Where nothing is searched for,
//! the lower end alone is the order.

use crate::ids::ProjectId;
use crate::memory::content::Tag;
use crate::memory::procedures::Procedure;
use crate::memory::procedures::content::{HowTo, ProcedureName};
use crate::memory::realm::Realm;
use crate::memory::terms::TermHash;
use crate::memory::words::{analyse, analyse_query};
use crate::page::{Page, PageSize};
use crate::work::name::TaskType;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How soon more of the same word weighs no more.
const K1: f64 = 0.9;
/// How much longer procedures are held against their length.
const B: f64 = 0.4;
/// How far reports move what was found by words.
const REPORTS_WEIGHT: f64 = 0.4;
/// How often words of name, title, types of tasks and tags count.
const NAMING_WEIGHT: usize = 2;
/// The most different words of a procedure that it is found by: its first ones.
pub const WORDS_MAX: usize = 1_024;

/// How often a word occurs in a procedure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// In which procedure.
    pub name: ProcedureName,
    /// Which word.
    pub term: TermHash,
    /// How often.
    pub count: u32,
}

/// Words to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcedureQuery(String);

/// A question that is too long, or empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {} bytes", ProcedureQuery::BYTES_MAX)]
pub struct InvalidProcedureQuery;

impl ProcedureQuery {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 4 * 1024;

    /// Checks the length. Any signs will do: what is no word is passed over.
    pub fn parse(text: &str) -> Result<Self, InvalidProcedureQuery> {
        let fits = text.len() <= Self::BYTES_MAX && !text.trim().is_empty();
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidProcedureQuery) }
    }

    /// What to look for in a project.
    pub fn terms(&self, project: &ProjectId) -> Vec<TermHash> {
        let realm = Realm::Project(project.clone());
        analyse_query(&self.0).iter().map(|word| TermHash::of_word(&realm, word)).collect()
    }
}

/// Which procedures to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcedureFilter {
    /// For tasks of this type.
    pub task_type: Option<TaskType>,
    /// With this tag.
    pub tag: Option<Tag>,
    /// Those that are retired as well.
    pub with_retired: bool,
}

impl ProcedureFilter {
    /// Whether a procedure passes.
    pub fn accepts(&self, procedure: &Procedure) -> bool {
        (self.with_retired || procedure.retired.is_none())
            && self.task_type.as_ref().is_none_or(|task_type| procedure.task_types.contains(task_type))
            && self.tag.as_ref().is_none_or(|tag| procedure.tags.contains(tag))
    }
}

/// A procedure that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProcedure {
    /// It.
    pub procedure: Procedure,
    /// What it is ordered by, in millionths.
    pub score: u32,
    /// How well its words fit, in millionths of the best; `None` where nothing was searched for.
    pub relevance: Option<u32>,
}

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcedureCursor {
    /// What the last one shown was ordered by.
    pub score: u32,
    /// Its name.
    pub name: ProcedureName,
}

/// What a procedure is found by: each word and how often it counts. When not to follow it is no reason to find it.
pub fn postings(project: &ProjectId, name: &ProcedureName, how: &HowTo) -> Vec<Posting> {
    let realm = Realm::Project(project.clone());
    let mut counts: BTreeMap<TermHash, u32> = BTreeMap::new();
    for word in words(name, how) {
        let term = TermHash::of_word(&realm, &word);
        if counts.len() < WORDS_MAX || counts.contains_key(&term) {
            let count = counts.entry(term).or_default();
            *count = count.saturating_add(1);
        }
    }
    counts.into_iter().map(|(term, count)| Posting { name: name.clone(), term, count }).collect()
}

/// How many words a procedure has, repeated ones each time.
pub(super) fn length(name: &ProcedureName, how: &HowTo) -> u32 {
    u32::try_from(words(name, how).count()).unwrap_or(u32::MAX)
}

fn words<'a>(name: &'a ProcedureName, how: &'a HowTo) -> impl Iterator<Item = String> + 'a {
    let texts = how.texts().into_iter().filter(|(field, _)| field != "avoid_when");
    let texts = std::iter::once(("name".to_owned(), name.as_str())).chain(texts);
    texts.flat_map(|(field, text)| {
        let names_it = ["name", "title", "task_types", "tags"].iter().any(|naming| field.starts_with(naming));
        let times = if names_it { NAMING_WEIGHT } else { 1 };
        let words = analyse(text);
        std::iter::repeat_n(words, times).flatten()
    })
}

/// The procedures that pass a filter, the best first.
///
/// `terms` and `postings` are what is searched for and where it occurs; without, everything passes.
pub fn find(
    all: Vec<Procedure>,
    filter: &ProcedureFilter,
    search: Option<(&[TermHash], &[Posting])>,
    after: Option<&ProcedureCursor>,
    size: PageSize,
) -> Page<FoundProcedure, ProcedureCursor> {
    let relevance = search.map(|(terms, postings)| relevance(&all, terms, postings));
    let best = relevance.iter().flat_map(BTreeMap::values).copied().fold(0.0, f64::max);
    let mut found: Vec<FoundProcedure> = all
        .into_iter()
        .filter(|procedure| filter.accepts(procedure))
        .filter_map(|procedure| {
            let rank = procedure.evidence.rank();
            let Some(relevance) = &relevance else {
                return Some(FoundProcedure { procedure, score: rank, relevance: None });
            };
            let part = relevance.get(&procedure.name)? / best;
            let score = part * (1.0 + REPORTS_WEIGHT * (f64::from(rank) / 1e6 - 0.5));
            Some(FoundProcedure { procedure, score: millionths(score), relevance: Some(millionths(part)) })
        })
        .collect();
    let place = |found: &FoundProcedure| (std::cmp::Reverse(found.score), found.procedure.name.clone());
    found.sort_by_key(place);
    if let Some(ProcedureCursor { score, name }) = after {
        let reached = (std::cmp::Reverse(*score), name.clone());
        found.retain(|found| place(found) > reached);
    }
    Page::cut(found, size, |found| ProcedureCursor { score: found.score, name: found.procedure.name.clone() })
}

/// What each procedure in which a word occurs is worth.
fn relevance(all: &[Procedure], terms: &[TermHash], postings: &[Posting]) -> BTreeMap<ProcedureName, f64> {
    let live: BTreeMap<&ProcedureName, u32> =
        all.iter().filter(|it| it.retired.is_none()).map(|it| (&it.name, it.words)).collect();
    let terms: BTreeSet<TermHash> = terms.iter().copied().collect();
    let mut postings: Vec<&Posting> =
        postings.iter().filter(|it| live.contains_key(&it.name) && terms.contains(&it.term)).collect();
    // Sums are the same only in the same order.
    postings.sort_by_key(|it| it.term);
    let count = number(live.len());
    let mean = (live.values().copied().map(f64::from).sum::<f64>() / count.max(1.0)).max(1.0);
    let mut occurs: BTreeMap<TermHash, usize> = BTreeMap::new();
    for posting in &postings {
        *occurs.entry(posting.term).or_default() += 1;
    }
    let mut worth: BTreeMap<ProcedureName, f64> = BTreeMap::new();
    for Posting { name, term, count: times } in postings {
        let among = number(occurs.get(term).copied().unwrap_or(0));
        let rarity = ((count - among + 0.5) / (among + 0.5)).ln_1p();
        let length = live.get(name).copied().map_or(1.0, f64::from);
        let times = f64::from(*times);
        *worth.entry(name.clone()).or_default() +=
            rarity * times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length / mean));
    }
    worth
}

#[expect(clippy::cast_precision_loss, reason = "there are not nearly so many procedures")]
fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1.2")]
fn millionths(part: f64) -> u32 {
    (part.clamp(0.0, 2.0) * 1e6).round() as u32
}

#[cfg(test)]
#[path = "finding_tests.rs"]
mod tests;
