//! From text to the terms that are searched: the same for every store, so that all of them find and rank alike.
//!
//! Words are folded (compatibility forms, case and accents are one) and stemmed with Porter's second stemmer for English
//! (M. F. Porter, Snowball, 2001), which leaves other languages nearly as they are. What is written together is found
//! whole and by its parts: `claim_task`, `lock::Manager`, `src/locks/manager.rs`, `sha256`, `follow-up`. Scripts
//! without spaces become single characters and pairs of neighbours. Emoji are words. Stop words count only where there
//! is nothing else, in a memory as in a question: measured, they add nothing to the order and much to the size.

mod fold;
mod stop;
mod tokens;

use std::collections::HashSet;
use std::ops::{ControlFlow, Range};

/// Which analysis this is. It rises when a text would give other terms than before; what was indexed by an earlier
/// one has then to be indexed anew.
pub const ANALYSIS_VERSION: u32 = 1;

/// How many characters of a word count; what comes after them is not looked at.
pub const WORD_CHARS_MAX: usize = 64;

/// Up to how many characters something written together is also found whole, such as a path.
pub const WHOLE_CHARS_MAX: usize = 160;

/// How many terms of one text are indexed, repeated ones counted each time.
pub const TERMS_MAX: usize = 65_536;

/// How many different terms of a question are looked for: its first ones.
pub const QUERY_TERMS_MAX: usize = 64;

/// The terms of a text in their order, repeated ones each time, at most [`TERMS_MAX`].
pub fn analyse(text: &str) -> Vec<String> {
    let terms = collect(text, StopWords::Out);
    if terms.is_empty() { collect(text, StopWords::In) } else { terms }
}

/// The different terms of a question in their order, at most [`QUERY_TERMS_MAX`]. Empty if it has no word at all.
pub fn analyse_query(text: &str) -> Vec<String> {
    let terms = distinct(text, StopWords::Out);
    if terms.is_empty() { distinct(text, StopWords::In) } else { terms }
}

/// Calls with the place and the term of each word that counts, until told to stop. Places rise, but what is written
/// together comes first whole and then in parts.
pub(super) fn visit(text: &str, mut sink: impl FnMut(Range<usize>, String) -> ControlFlow<()>) {
    let _ended_early = tokens::visit(text, &mut |place, word, is_stop| {
        if is_stop { ControlFlow::Continue(()) } else { sink(place, word) }
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StopWords {
    In,
    Out,
}

fn collect(text: &str, stop_words: StopWords) -> Vec<String> {
    let mut terms = Vec::new();
    let _ended_early = tokens::visit(text, &mut |_, word, is_stop| {
        if !is_stop || stop_words == StopWords::In {
            terms.push(word);
        }
        if terms.len() < TERMS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    terms
}

fn distinct(text: &str, stop_words: StopWords) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut terms = Vec::new();
    let _ended_early = tokens::visit(text, &mut |_, word, is_stop| {
        if (!is_stop || stop_words == StopWords::In) && seen.insert(word.clone()) {
            terms.push(word);
        }
        if terms.len() < QUERY_TERMS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    terms
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
