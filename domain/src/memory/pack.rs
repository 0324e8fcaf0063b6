//! Fitting answers into what a model has room for: the best first, each whole or not at all, none twice.

use crate::memory::terms::PackedTerms;

/// From which share of shared words on the lesser of two answers is left out as the same.
pub const SAME_FROM: f64 = 0.9;

/// After how many answers that do not fit no further one is tried.
pub const MISFITS_MAX: usize = 20;

/// About how many tokens a model reads for a text: a quarter of its ASCII characters, and one for each other character.
/// English comes out about right, Chinese somewhat too high; no model's own count is meant.
pub fn estimated_tokens(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    ascii.div_ceil(4) + text.chars().filter(|char| !char.is_ascii()).count() as u64
}

/// Which answers go out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// Their places in the order of answers.
    pub kept: Vec<usize>,
    /// How many tokens they take, by estimate.
    pub tokens: u64,
    /// How many were left out because they did not fit or came after the last that was tried.
    pub left_out: usize,
}

/// Packs answers, the best first, of which the estimated tokens are given. One that does not fit is passed over; after
/// [`MISFITS_MAX`] of them it is over. At most `count_max` go out. Without a budget everything fits.
pub fn pack(tokens: impl IntoIterator<Item = u64>, budget: Option<u64>, count_max: usize) -> Packed {
    let mut packed = Packed::default();
    let mut misfits = 0;
    for (place, tokens) in tokens.into_iter().enumerate() {
        let with = packed.tokens.saturating_add(tokens);
        let is_over = packed.kept.len() == count_max || misfits == MISFITS_MAX;
        if !is_over && budget.is_none_or(|budget| with <= budget) {
            packed.kept.push(place);
            packed.tokens = with;
        } else {
            misfits += usize::from(!is_over);
            packed.left_out += 1;
        }
    }
    packed
}

/// The places of those that say nearly the same as one before them (see [`likeness`]), in rising order. The terms of
/// answers of different realms are never alike.
pub fn repeated(answers: &[&PackedTerms]) -> Vec<usize> {
    let mut kept: Vec<&PackedTerms> = Vec::new();
    let mut repeated = Vec::new();
    for (place, answer) in answers.iter().enumerate() {
        if kept.iter().any(|before| may_be_alike(before, answer) && likeness(before, answer) >= SAME_FROM) {
            repeated.push(place);
        } else {
            kept.push(answer);
        }
    }
    repeated
}

/// How alike two memories of one realm are: how many of their different words they share, of all that they have
/// (P. Jaccard, 1912), 0 to 1. Memories without words are not alike.
pub fn likeness(one: &PackedTerms, other: &PackedTerms) -> f64 {
    let (mut ours, mut theirs) = (hashes(one).peekable(), hashes(other).peekable());
    let (mut shared, mut all) = (0_u32, 0_u32);
    loop {
        let order = match (ours.peek(), theirs.peek()) {
            (Some(one), Some(two)) => one.cmp(two),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => break,
        };
        if order.is_le() {
            ours.next();
        }
        if order.is_ge() {
            theirs.next();
        }
        shared += u32::from(order.is_eq());
        all += 1;
    }
    if all == 0 { 0.0 } else { f64::from(shared) / f64::from(all) }
}

/// Whether they have so nearly as many words that they can be the same.
fn may_be_alike(one: &PackedTerms, other: &PackedTerms) -> bool {
    let (one, other) = (one.as_bytes().len(), other.as_bytes().len());
    // 0.9 of the longer one, in whole numbers.
    one.min(other) * 10 >= one.max(other) * 9
}

/// The hashes of the words in rising order: each word takes five bytes, of which the first four are its hash.
fn hashes(terms: &PackedTerms) -> impl Iterator<Item = [u8; 4]> {
    let (words, _) = terms.as_bytes().as_chunks::<5>();
    words.iter().map(|[a, b, c, d, _]| [*a, *b, *c, *d])
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
