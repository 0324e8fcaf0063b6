//! The gist of entries that gave way: sentences of theirs, word for word.
//!
//! Which ones, says `SumBasic` (Nenkova and Vanderwende, The impact of frequency on summarization, 2005): a sentence is worth
//! the mean of the probabilities of its words; the best one is taken, the probabilities of its words are squared, so that
//! nothing is said twice, and so on until there is no room. The same entries always have the same gist.

use crate::memory::words::analyse;
use crate::memory::working::Entry;
use crate::memory::working::content::{EntryKey, EntryValue, tokens};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The longest sentence in bytes; a longer one is cut.
const SENTENCE_BYTES_MAX: usize = 320;

/// The most sentences that are compared; the latest ones are.
const SENTENCES_MAX: usize = 2_000;

/// One sentence of an entry that gave way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GistLine {
    /// The key the entry had.
    pub key: EntryKey,
    /// The sentence.
    pub text: String,
    /// From when on it is gone, as the entry would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is left of entries that gave way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gist {
    /// How many entries gave way so far.
    pub compacted: u64,
    /// What they said, in the order they said it in.
    pub lines: Vec<GistLine>,
}

impl Gist {
    /// Reads the value of a summary.
    pub fn read(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }

    /// The gist of what was left before and of entries that give way now, within so many tokens.
    pub(super) fn of(before: Option<Self>, going: &[Entry], tokens_max: u32) -> Self {
        let Self { compacted, mut lines } = before.unwrap_or_default();
        let compacted = compacted.saturating_add(going.len() as u64);
        for entry in going {
            let line = |text| GistLine { key: entry.key.clone(), text, expires_at: entry.expires_at };
            lines.extend(sentences(entry.value.value()).into_iter().map(line));
        }
        let late = lines.len().saturating_sub(SENTENCES_MAX);
        let mut lines = lines.split_off(late);
        let mut said = BTreeSet::new();
        lines.retain(|line| said.insert((line.key.clone(), line.text.clone())));
        let mut gist = Self { compacted, lines: pick(lines, tokens_max.saturating_sub(FRAME_TOKENS)) };
        // Each line was rounded up, so this is not to be expected.
        while gist.cost() > tokens_max && gist.lines.pop().is_some() {}
        gist
    }

    /// Whether lines have to go by now.
    pub(super) fn has_expired_lines(&self, now: DateTime<Utc>) -> bool {
        self.lines.iter().any(|line| line.expires_at.is_some_and(|end| end <= now))
    }

    /// As it is at an instant.
    pub(super) fn as_of(&self, now: DateTime<Utc>) -> Self {
        let stays = |line: &&GistLine| line.expires_at.is_none_or(|end| now < end);
        Self { compacted: self.compacted, lines: self.lines.iter().filter(stays).cloned().collect() }
    }

    /// The entry that keeps it. It goes with its last line, unless one of them stays.
    pub(super) fn entry(&self, version: u64, written_at: DateTime<Utc>) -> Entry {
        let ends: Option<Vec<DateTime<Utc>>> = self.lines.iter().map(|line| line.expires_at).collect();
        let key = EntryKey::summary();
        // It has been fitted into an eighth of a budget, so it is never too long for an entry.
        let value = EntryValue::measured(json!(self)).0;
        let expires_at = ends.and_then(|ends| ends.into_iter().max());
        Entry { tokens: value.tokens_under(&key), key, value, version, pinned: false, written_at, expires_at }
    }

    fn cost(&self) -> u32 {
        tokens(&json!(self).to_string()).saturating_add(tokens(EntryKey::SUMMARY))
    }
}

/// What the summary costs beside its lines, its key and a number of 20 digits included.
const FRAME_TOKENS: u32 = 16;

/// What a line costs in the summary.
fn cost(line: &GistLine) -> u32 {
    tokens(&json!(line).to_string()).saturating_add(1)
}

/// The lines that say most, in their order.
fn pick(lines: Vec<GistLine>, tokens_max: u32) -> Vec<GistLine> {
    let words: Vec<Vec<String>> = lines.iter().map(|line| analyse(&line.text)).collect();
    let all = words.iter().map(Vec::len).sum::<usize>();
    let mut weights: BTreeMap<&String, f64> = BTreeMap::new();
    for word in words.iter().flatten() {
        *weights.entry(word).or_default() += 1.0;
    }
    for weight in weights.values_mut() {
        *weight /= number(all);
    }
    let costs: Vec<u32> = lines.iter().map(cost).collect();
    let (mut taken, mut room) = (vec![false; lines.len()], tokens_max);
    loop {
        let worth = |at: &usize| {
            let words = &words[*at];
            let sum: f64 = words.iter().filter_map(|word| weights.get(word)).sum();
            sum / number(words.len().max(1))
        };
        let fits = (0..lines.len()).filter(|at| !taken[*at] && costs[*at] <= room).map(|at| (worth(&at), at));
        // Of two that are worth the same, the later one.
        let Some((_, best)) = fits.max_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1))) else {
            break;
        };
        taken[best] = true;
        room -= costs[best];
        for word in &words[best] {
            if let Some(weight) = weights.get_mut(word) {
                *weight *= *weight;
            }
        }
    }
    lines.into_iter().zip(taken).filter_map(|(line, taken)| taken.then_some(line)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "there are not nearly so many words")]
fn number(count: usize) -> f64 {
    count as f64
}

/// The sentences of JSON. What stands in an object is led by the names it stands under.
fn sentences(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(value: &'a Value, path: &mut Vec<&'a str>, into: &mut Vec<String>) {
    let text = match value {
        Value::Null => return,
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push(name);
                collect(value, path, into);
                path.pop();
            }
            return;
        }
        Value::Array(values) => {
            for value in values {
                collect(value, path, into);
            }
            return;
        }
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    for sentence in split(&text) {
        let led = if path.is_empty() { sentence.to_owned() } else { format!("{}: {sentence}", path.join(".")) };
        into.push(cut(led));
    }
}

/// Splits at the ends of lines and sentences.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for line in text.lines() {
        let (mut from, mut chars) = (0, line.char_indices().peekable());
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let ends = match c {
                '.' | '!' | '?' => next.is_none_or(char::is_whitespace),
                '。' | '！' | '？' => true,
                _ => false,
            };
            if ends {
                let end = at + c.len_utf8();
                parts.push(line[from..end].trim());
                from = end;
            }
        }
        parts.push(line[from..].trim());
    }
    parts.retain(|part| part.chars().any(char::is_alphanumeric));
    parts
}

fn cut(mut text: String) -> String {
    if text.len() > SENTENCE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(SENTENCE_BYTES_MAX - '…'.len_utf8()));
        text.push('…');
    }
    text
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
