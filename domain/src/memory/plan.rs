//! Which memories to look at for a question: few enough to score them all, and those that can come out best.
//!
//! What a word adds to a score falls with the number of memories that have it (its inverse document frequency), so the
//! memories that have the rarest words of the question are the ones to look at. Words are taken from the rarest on as
//! long as the memories that have any of them stay within the limit; of what is left, memories that have several of
//! those words together. The estimate is that words stand in memories independently of each other.

use crate::memory::candidate::{Statistics, Wanted};
use crate::memory::realm::Realm;
use crate::memory::terms::TermHash;
use crate::memory::words::analyse_query;
use std::collections::BTreeMap;

/// How many candidates of a realm are looked at, unless something else is set: more were looked at in vain, since as many
/// right answers were among the first ten (docs/memory.md).
pub const CANDIDATES_DEFAULT: u32 = 300;

/// How many of the frequent words of a question are looked for together.
const TOGETHER_OF: usize = 6;
/// How many of them at once, at most.
const TOGETHER_MAX: u32 = 4;

/// What is counted in each realm.
pub type StatisticsByRealm = BTreeMap<Realm, Statistics>;

/// What somebody asks, in the terms of the realms where they ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    words: Vec<String>,
    terms: BTreeMap<Realm, Vec<TermHash>>,
}

impl Question {
    /// Of a text, for these realms. A text without words asks nothing.
    pub fn new<'realm>(text: &str, realms: impl IntoIterator<Item = &'realm Realm>) -> Self {
        let words = analyse_query(text);
        let terms_of = |realm: &Realm| words.iter().map(|word| TermHash::of_word(realm, word)).collect();
        Self { terms: realms.into_iter().map(|realm| (realm.clone(), terms_of(realm))).collect(), words }
    }

    /// Its words as they are looked for, each once.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Its terms in one realm, in the order of the words.
    pub fn terms(&self, realm: &Realm) -> &[TermHash] {
        self.terms.get(realm).map_or(&[], Vec::as_slice)
    }

    /// In how many memories of all realms each word stands, in the order of the words.
    pub(super) fn frequencies(&self, statistics: &StatisticsByRealm) -> Vec<u64> {
        let mut sums = vec![0_u64; self.words.len()];
        for (realm, terms) in &self.terms {
            let Some(counted) = statistics.get(realm) else { continue };
            for (sum, term) in sums.iter_mut().zip(terms) {
                *sum = sum.saturating_add(counted.frequencies.get(term).copied().unwrap_or(0));
            }
        }
        sums
    }

    /// Which candidates to ask for: for each realm that has any of the words, at most `rows_max` of them.
    pub fn plan(&self, statistics: &StatisticsByRealm, rows_max: u32) -> Vec<Wanted> {
        let in_realm = |(realm, terms): (&Realm, &Vec<TermHash>)| {
            let counted = statistics.get(realm)?;
            let frequency =
                |term: &TermHash| Some((*term, *counted.frequencies.get(term).filter(|count| **count > 0)?));
            let any_of = sets(terms.iter().filter_map(frequency).collect(), counted.totals.memories, rows_max);
            (!any_of.is_empty()).then(|| Wanted { realm: realm.clone(), any_of, rows_max })
        };
        self.terms.iter().filter_map(in_realm).collect()
    }
}

/// The sets of terms of which a candidate has to have one.
fn sets(mut terms: Vec<(TermHash, u64)>, memories: u64, rows_max: u32) -> Vec<Vec<TermHash>> {
    terms.sort_unstable_by_key(|(term, frequency)| (*frequency, *term));
    let memories = as_number(memories.max(1));
    let mut budget = Budget { share_left: 1.0, memories, rows_max: f64::from(rows_max) };
    let shares: Vec<(TermHash, f64)> =
        terms.iter().map(|(term, frequency)| (*term, (as_number(*frequency) / memories).min(1.0))).collect();
    let rare = shares.iter().take_while(|(_, share)| budget.take(*share)).count();
    let (rare, frequent) = shares.split_at_checked(rare).unwrap_or((&shares, &[]));
    let mut sets: Vec<Vec<TermHash>> = rare.iter().map(|(term, _)| vec![*term]).collect();

    let mut together = combinations(frequent.get(..TOGETHER_OF).unwrap_or(frequent));
    together.sort_by(|one, other| one.terms.len().cmp(&other.terms.len()).then(one.share.total_cmp(&other.share)));
    let mut chosen: Vec<Vec<TermHash>> = Vec::new();
    for set in &together {
        let is_covered = chosen.iter().any(|smaller| smaller.iter().all(|term| set.terms.contains(term)));
        if !is_covered && budget.take(set.share) {
            chosen.push(set.terms.clone());
        }
    }
    sets.append(&mut chosen);
    if sets.is_empty() {
        // Too many have even the most demanding set: as many of those as there may be.
        let fewest = together.into_iter().min_by(|one, other| one.share.total_cmp(&other.share));
        sets.extend(fewest.map(|set| set.terms).or_else(|| frequent.first().map(|(term, _)| vec![*term])));
    }
    sets
}

/// How many memories may still be looked at.
struct Budget {
    /// The share of the memories that has none of the sets so far.
    share_left: f64,
    memories: f64,
    rows_max: f64,
}

impl Budget {
    /// Whether the memories of this share fit in as well; if so they count from now on.
    fn take(&mut self, share: f64) -> bool {
        let left = self.share_left * (1.0 - share);
        let fits = (1.0 - left) * self.memories <= self.rows_max;
        if fits {
            self.share_left = left;
        }
        fits
    }
}

struct Together {
    terms: Vec<TermHash>,
    share: f64,
}

/// All sets of two and more of these terms, up to [`TOGETHER_MAX`], and the share of memories that have all of a set.
fn combinations(terms: &[(TermHash, f64)]) -> Vec<Together> {
    (0..1_u32 << terms.len())
        .filter(|bits| (2..=TOGETHER_MAX).contains(&bits.count_ones()))
        .map(|bits| {
            let members =
                || terms.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, member)| member);
            Together {
                terms: members().map(|(term, _)| *term).collect(),
                share: members().map(|(_, share)| share).product(),
            }
        })
        .collect()
}

/// A count as a number to reckon with, right up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of memories are far below 2^53")]
pub(super) const fn as_number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
