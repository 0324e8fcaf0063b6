//! Finds many short words in one pass: the time grows with the text, not with the number of rules.

use std::collections::BTreeMap;

/// Words to find, each with the number of what it belongs to.
pub(super) struct Keywords {
    /// One bit for each pair of bytes, in lower case, that some word begins with.
    heads: Vec<u64>,
    by_head: BTreeMap<u16, Vec<Keyword>>,
}

struct Keyword {
    /// All of the word, in lower case.
    word: Vec<u8>,
    owner: usize,
}

/// A place where a word stands, in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) owner: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The first two bytes, in lower case.
fn head(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [first, second, ..] => Some(u16::from_be_bytes([first.to_ascii_lowercase(), second.to_ascii_lowercase()])),
        _ => None,
    }
}

impl Keywords {
    /// Words of at least two bytes; shorter ones are never found.
    pub(super) fn new<'a>(words: impl Iterator<Item = (&'a str, usize)>) -> Self {
        let mut keywords = Self { heads: vec![0; 1 << 10], by_head: BTreeMap::new() };
        for (word, owner) in words {
            let Some(head) = head(word.as_bytes()) else { continue };
            if let Some(bits) = keywords.heads.get_mut(usize::from(head >> 6)) {
                *bits |= 1 << (head & 63);
            }
            let word = word.to_ascii_lowercase().into_bytes();
            keywords.by_head.entry(head).or_default().push(Keyword { word, owner });
        }
        keywords
    }

    /// Each place of each word, in the order of the text.
    pub(super) fn find<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Hit> + 'a {
        let places = text.windows(2).enumerate().filter_map(|(start, pair)| {
            let head = head(pair)?;
            let is_head = self.heads.get(usize::from(head >> 6)).is_some_and(|bits| bits >> (head & 63) & 1 == 1);
            is_head.then_some((start, head))
        });
        places.flat_map(|(start, head)| {
            let rest = text.get(start..).unwrap_or_default();
            let words = self.by_head.get(&head).into_iter().flatten();
            words
                .filter(|keyword| {
                    rest.get(..keyword.word.len()).is_some_and(|part| part.eq_ignore_ascii_case(&keyword.word))
                })
                .map(move |keyword| Hit { owner: keyword.owner, start, end: start + keyword.word.len() })
        })
    }
}
