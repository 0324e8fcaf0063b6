//! Made-up words as often as words are in real texts: the second most frequent half as often as the first, and so on
//! (Zipf's law). The same seed gives the same texts.

/// How many different words there are.
const WORDS: u32 = 50_000;
/// How many a memory has.
const LENGTH: u32 = 20;
/// How many a query has, at least and at most.
const ASKED: (u32, u32) = (3, 6);
const SYLLABLES: [&str; 16] =
    ["ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "wu", "zo"];

/// Texts, one after the other.
pub(super) struct Texts {
    state: u64,
    /// For each word, the share of all words that it and the more frequent ones have.
    shares: Vec<f64>,
}

impl Texts {
    pub(super) fn new(seed: u64) -> Self {
        let mut all = 0.0;
        let sums: Vec<f64> = (1..=WORDS)
            .map(|rank| {
                all += 1.0 / f64::from(rank);
                all
            })
            .collect();
        Self { state: seed, shares: sums.into_iter().map(|sum| sum / all).collect() }
    }

    /// The words of a memory.
    pub(super) fn memory(&mut self) -> String {
        let words: Vec<String> = (0..LENGTH).map(|_| self.word()).collect();
        words.join(" ")
    }

    /// What is asked: some of the words of some memory, so that there are frequent ones and rare ones among them.
    pub(super) fn query(&mut self) -> String {
        let (least, most) = ASKED;
        let length = least + self.below(most - least + 1);
        let words: Vec<String> = (0..length).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn word(&mut self) -> String {
        let drawn = f64::from(self.below(u32::MAX)) / f64::from(u32::MAX);
        spelt(self.shares.partition_point(|share| *share < drawn))
    }

    /// A number below another one (splitmix64: Steele, Lea and Flood 2014).
    fn below(&mut self, bound: u32) -> u32 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        u32::try_from((u128::from(mixed) * u128::from(bound)) >> 64).unwrap_or(0)
    }
}

fn spelt(rank: usize) -> String {
    let mut word = String::new();
    let mut rest = rank;
    for _ in 0..4 {
        word.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn words_are_as_frequent_as_zipf_says() {
        let mut texts = Texts::new(7);
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..5_000 {
            for word in texts.memory().split(' ') {
                *counts.entry(word.to_owned()).or_default() += 1;
            }
        }
        let of = |rank| f64::from(counts.get(&spelt(rank)).copied().unwrap_or(0));
        assert!((1.8..2.2).contains(&(of(0) / of(1))), "{} and {}", of(0), of(1));
        assert!((8.0..12.0).contains(&(of(0) / of(9))), "{} and {}", of(0), of(9));
    }

    #[test]
    fn no_two_words_are_spelt_alike_and_a_seed_says_it_all() {
        let spelt: BTreeSet<String> = (0..WORDS as usize).map(spelt).collect();
        assert_eq!(spelt.len(), WORDS as usize);
        assert_eq!(Texts::new(3).memory(), Texts::new(3).memory());
        assert_ne!(Texts::new(3).memory(), Texts::new(4).memory());
    }
}
