//! The passage of a text that answers a question best, and where the words of the question stand in it.

use crate::memory::words::visit;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{ControlFlow, Range};
use unicode_normalization::char::is_combining_mark;

/// How many places of a text are looked at.
const HITS_MAX: usize = 4_096;
/// By how many characters a cut is moved to stand between words.
const NUDGE_CHARS: usize = 24;

/// A passage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snippet {
    /// Its words as they stand in the text.
    pub text: String,
    /// Where the words of the question stand in [`Self::text`], in bytes, rising and never one in the other.
    pub matches: Vec<Range<usize>>,
    /// How many different words of the question it has.
    pub words: usize,
    /// Whether something stands before it in the text.
    pub is_cut_before: bool,
    /// Whether something stands after it.
    pub is_cut_after: bool,
}

struct Hit {
    place: Range<usize>,
    word: usize,
}

/// The passage of at most `chars_max` characters with the most of these words (as
/// [`analyse_query`](crate::memory::words::analyse_query) gives them), the first of equally good ones; the beginning of the
/// text if it has none of them. It is cut between words where that is possible, and never within a character, whatever
/// the script.
pub fn snippet(text: &str, words: &[String], chars_max: usize) -> Snippet {
    let words: BTreeMap<&str, usize> = words.iter().enumerate().map(|(at, word)| (word.as_str(), at)).collect();
    let mut hits = Vec::new();
    visit(text, |place, word| {
        if let Some(word) = words.get(word.as_str()) {
            hits.push(Hit { place, word: *word });
        }
        if hits.len() < HITS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    hits.sort_by_key(|hit| (hit.place.start, hit.place.end));
    let range = around(text, best(text, &hits, chars_max), chars_max);
    let passage = text.get(range.clone()).unwrap_or_default();
    let within = || hits.iter().filter(|hit| range.start <= hit.place.start && hit.place.end <= range.end);
    Snippet {
        words: within().map(|hit| hit.word).collect::<BTreeSet<_>>().len(),
        matches: joined(within().map(|hit| hit.place.start - range.start..hit.place.end - range.start)),
        is_cut_before: !text.get(..range.start).unwrap_or_default().trim().is_empty(),
        is_cut_after: !text.get(range.end..).unwrap_or_default().trim().is_empty(),
        text: passage.to_owned(),
    }
}

/// From the first to the last hit of the passage with the most different words, then the most hits.
fn best(text: &str, hits: &[Hit], chars_max: usize) -> Range<usize> {
    let mut best: Option<((usize, usize), Range<usize>)> = None;
    let mut open: VecDeque<&Hit> = VecDeque::new();
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let mut chars = 0;
    let mut last_end = 0;
    for hit in hits {
        // Characters between the first of the open hits and the end of the last one.
        if hit.place.end > last_end {
            let from = if open.is_empty() { hit.place.start } else { last_end };
            chars += count(text, from..hit.place.end);
            last_end = hit.place.end;
        }
        open.push_back(hit);
        *counts.entry(hit.word).or_default() += 1;
        while chars > chars_max
            && let Some(first) = open.pop_front()
        {
            if let Some(left) = counts.get_mut(&first.word) {
                *left -= 1;
                if *left == 0 {
                    counts.remove(&first.word);
                }
            }
            chars =
                open.front().map_or(0, |next| chars.saturating_sub(count(text, first.place.start..next.place.start)));
        }
        let worth = (counts.len(), open.len());
        if let Some(first) = open.front()
            && best.as_ref().is_none_or(|(most, _)| worth > *most)
        {
            best = Some((worth, first.place.start..last_end));
        }
    }
    best.map_or(0..0, |(_, range)| range)
}

fn count(text: &str, range: Range<usize>) -> usize {
    text.get(range).unwrap_or_default().chars().count()
}

/// Widens a passage to `chars_max` characters, a third of what is left before it and the rest after it.
fn around(text: &str, inner: Range<usize>, chars_max: usize) -> Range<usize> {
    let room = chars_max.saturating_sub(count(text, inner.clone()));
    let before_text = text.get(..inner.start).unwrap_or_default();
    let after_text = text.get(inner.end..).unwrap_or_default();
    // Where there is less before or after than may be taken, the other side gets the room.
    let after_has = after_text.chars().take(room).count();
    let before = back(before_text, (room / 3).max(room - after_has));
    let before_takes = count(text, before..inner.start);
    let after = forth(after_text, room - before_takes.min(room));
    let trimmed = text.get(before..inner.end + after).unwrap_or_default();
    let start = before + (trimmed.len() - trimmed.trim_start().len());
    start..start.max(before + trimmed.trim_end().len())
}

/// Where a passage begins that takes at most `chars` characters of the end of a text.
fn back(text: &str, chars: usize) -> usize {
    let Some((start, _)) = chars.checked_sub(1).and_then(|last| text.char_indices().rev().nth(last)) else {
        return if chars == 0 { text.len() } else { 0 };
    };
    if start == 0 || is_between(text, start) {
        return start;
    }
    let rest = text.get(start..).unwrap_or_default();
    let space = rest.char_indices().take(NUDGE_CHARS).find(|(_, char)| char.is_whitespace());
    space.map_or_else(|| whole_from(text, start), |(at, char)| start + at + char.len_utf8())
}

/// Where a passage ends that takes at most `chars` characters of the beginning of a text.
fn forth(text: &str, chars: usize) -> usize {
    let Some((end, _)) = text.char_indices().nth(chars) else { return text.len() };
    if is_between(text, end) {
        return end;
    }
    let taken = text.get(..end).unwrap_or_default();
    let space = taken.char_indices().rev().take(NUDGE_CHARS).find(|(_, char)| char.is_whitespace());
    space.map_or_else(|| whole_until(text, end), |(at, _)| at)
}

fn is_between(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().chars().next_back();
    let after = text.get(at..).unwrap_or_default().chars().next();
    before.is_none_or(char::is_whitespace) || after.is_none_or(char::is_whitespace)
}

/// Moves the beginning of a passage forward to where a character begins as people see it.
fn whole_from(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let mut joins = text.get(..start).unwrap_or_default().ends_with('\u{200d}');
    for (at, char) in rest.char_indices() {
        if !joins && !belongs_to_before(char) {
            return start + at;
        }
        joins = char == '\u{200d}';
    }
    text.len()
}

/// Moves the end of a passage back to where a character ends as people see it.
fn whole_until(text: &str, end: usize) -> usize {
    let mut end = end;
    while let Some(before) = text.get(..end).and_then(|taken| taken.chars().next_back()) {
        let next = text.get(end..).and_then(|rest| rest.chars().next());
        if before != '\u{200d}' && !next.is_some_and(belongs_to_before) {
            break;
        }
        end -= before.len_utf8();
    }
    end
}

/// Marks, joiners, and shades of skin belong to the character before them.
fn belongs_to_before(char: char) -> bool {
    is_combining_mark(char)
        || matches!(char, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Places that touch or lie in each other become one.
fn joined(places: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for place in places {
        match joined.last_mut().filter(|last| place.start < last.end) {
            Some(last) => last.end = last.end.max(place.end),
            None => joined.push(place),
        }
    }
    joined
}

#[cfg(test)]
#[path = "snippet_tests.rs"]
mod tests;
