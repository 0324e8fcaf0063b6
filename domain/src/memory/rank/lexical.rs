//! How well the words of memories answer a question: BM25 of each memory, and of each with what stands around it.
//!
//! BM25 as in S. Robertson and H. Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with the
//! never-negative inverse document frequency that Lucene uses, `ln(1 + (N − n + ½) / (n + ½))`. The window of a memory
//! counts as one text; in how many windows a word stands is estimated from the number of memories that have it, as if
//! words were spread evenly: `N · (1 − (1 − n/N)^m)` for windows of m memories.

use crate::memory::candidate::Candidate;
use crate::memory::plan::{Question, StatisticsByRealm, as_number};
use crate::memory::realm::Realm;
use std::collections::BTreeMap;

/// How fast more of the same word stops counting.
const K1: f64 = 1.2;
/// How much longer texts are held back, from 0 to 1.
const B: f64 = 0.75;

/// How many places before and behind a memory its window reaches.
pub const WINDOW_REACH: u32 = 2;

/// Memories with what is known of the question's words in them.
pub(super) struct Lexical<'found> {
    memories: &'found [&'found Candidate],
    /// How often each word of the question stands in each memory.
    frequencies: Vec<Vec<u8>>,
    /// In how many memories each word stands, and how many there are.
    holders: Vec<f64>,
    count: f64,
    /// How many words a memory has, on average.
    average_length: f64,
}

/// Which of some memories stand around each, itself among them, as places in the list.
pub(super) struct Windows(Vec<Vec<usize>>);

impl<'found> Lexical<'found> {
    pub(super) fn new(
        question: &Question,
        statistics: &StatisticsByRealm,
        memories: &'found [&'found Candidate],
    ) -> Self {
        let totals = statistics.values().map(|counted| counted.totals);
        let (count, length) = totals.fold((0_u64, 0_u64), |(count, length), totals| {
            (count.saturating_add(totals.memories), length.saturating_add(totals.length))
        });
        // What is found is there, even if it came after it was counted.
        let count = as_number(count.max(1));
        Self {
            frequencies: memories.iter().map(|it| it.terms.frequencies(question.terms(&it.realm))).collect(),
            holders: question.frequencies(statistics).into_iter().map(|it| as_number(it).clamp(1.0, count)).collect(),
            average_length: (as_number(length) / count).max(1.0),
            count,
            memories,
        }
    }

    /// The score of each memory by its own words.
    pub(super) fn own(&self) -> Vec<f64> {
        let rarity: Vec<f64> = self.holders.iter().map(|holders| self.rarity(*holders)).collect();
        let score = |(memory, frequencies): (&&Candidate, &Vec<u8>)| {
            let counts = frequencies.iter().map(|count| f64::from(*count));
            self.score(counts, &rarity, f64::from(memory.length))
        };
        self.memories.iter().zip(&self.frequencies).map(score).collect()
    }

    /// The score of each memory by the words of its window.
    pub(super) fn around(&self, windows: &Windows) -> Vec<f64> {
        let size = windows.mean_size();
        let in_windows = |holders: &f64| self.count * (1.0 - (1.0 - holders / self.count).powf(size));
        let rarity: Vec<f64> = self.holders.iter().map(|holders| self.rarity(in_windows(holders))).collect();
        let score = |window: &Vec<usize>| {
            let mut counts = vec![0.0; rarity.len()];
            let mut length = 0.0;
            for memory in window {
                length += self.memories.get(*memory).map_or(0.0, |it| f64::from(it.length));
                for (sum, count) in counts.iter_mut().zip(self.frequencies.get(*memory).into_iter().flatten()) {
                    *sum += f64::from(*count);
                }
            }
            // Compared with as many memories of average length: a window at the end of a row is no shorter text.
            self.score(counts.into_iter(), &rarity, length / as_number(window.len() as u64))
        };
        windows.0.iter().map(score).collect()
    }

    /// Which share of what the question asks for each memory has itself, rare words counting more.
    pub(super) fn coverage(&self) -> Vec<f64> {
        let rarity: Vec<f64> = self.holders.iter().map(|holders| self.rarity(*holders)).collect();
        let all: f64 = rarity.iter().sum();
        let share = |frequencies: &Vec<u8>| {
            let had = frequencies.iter().zip(&rarity).filter(|(count, _)| **count > 0).map(|(_, rarity)| rarity);
            // Folded, because the sum of nothing is -0.
            if all > 0.0 { had.fold(0.0, |had, rarity| had + rarity) / all } else { 0.0 }
        };
        self.frequencies.iter().map(share).collect()
    }

    fn rarity(&self, holders: f64) -> f64 {
        (1.0 + (self.count - holders + 0.5) / (holders + 0.5)).ln()
    }

    fn score(&self, counts: impl Iterator<Item = f64>, rarity: &[f64], length: f64) -> f64 {
        let slowness = K1 * (1.0 - B + B * length / self.average_length);
        counts.zip(rarity).map(|(count, rarity)| rarity * count * (K1 + 1.0) / (count + slowness)).sum()
    }
}

impl Windows {
    pub(super) fn new(memories: &[&Candidate]) -> Self {
        let mut rows: BTreeMap<(&Realm, &str), Vec<(u64, usize)>> = BTreeMap::new();
        for (at, memory) in memories.iter().enumerate() {
            rows.entry((&memory.realm, memory.place.stream.as_str())).or_default().push((memory.place.position, at));
        }
        let mut windows = vec![Vec::new(); memories.len()];
        for row in rows.values_mut() {
            row.sort_unstable();
            let mut first = 0;
            for (position, at) in row.iter() {
                while row.get(first).is_some_and(|(other, _)| other + u64::from(WINDOW_REACH) < *position) {
                    first += 1;
                }
                let near = row.iter().skip(first);
                let near = near.take_while(|(other, _)| other.saturating_sub(*position) <= u64::from(WINDOW_REACH));
                if let Some(window) = windows.get_mut(*at) {
                    window.extend(near.map(|(_, memory)| *memory));
                }
            }
        }
        Self(windows)
    }

    /// The mean of what is known of each window.
    pub(super) fn means(&self, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let mean = |window: &Vec<usize>| {
            let known: Vec<f64> = window.iter().filter_map(|at| values.get(*at).copied().flatten()).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / as_number(known.len() as u64))
        };
        self.0.iter().map(mean).collect()
    }

    fn mean_size(&self) -> f64 {
        let members: usize = self.0.iter().map(Vec::len).sum();
        as_number(members as u64) / as_number(self.0.len().max(1) as u64)
    }
}
