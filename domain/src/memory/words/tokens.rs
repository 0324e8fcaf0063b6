//! Cutting text into words, and words that are written together into their parts. One pass, whatever the text.

use super::fold::{fold, is_ignored, stem};
use super::stop::is_stop_word;
use super::{WHOLE_CHARS_MAX, WORD_CHARS_MAX};
use std::ops::{ControlFlow, Range};
use unicode_normalization::char::is_combining_mark;

/// Called with the place of a word in the text, its term, and whether it is a stop word.
pub(super) type Sink<'sink> = dyn FnMut(Range<usize>, String, bool) -> ControlFlow<()> + 'sink;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Letters and digits of scripts with spaces.
    Word,
    /// Letters of scripts without.
    Unspaced,
    /// Emoji and other pictures.
    Picture,
    /// What binds words, when it stands between two.
    Joiner,
    /// What is not seen.
    Ignored,
    /// All the rest.
    Gap,
}

/// Cuts a text and tells each word.
pub(super) fn visit(text: &str, sink: &mut Sink<'_>) -> ControlFlow<()> {
    let mut chars = text.char_indices().peekable();
    while let Some((start, char)) = chars.next() {
        let class = class_of(char);
        let mut end = start + char.len_utf8();
        match class {
            Class::Word | Class::Unspaced => {
                while let Some((at, next)) = chars.next_if(|(at, next)| goes_on(class, text, *at, *next)) {
                    end = at + next.len_utf8();
                }
                let run = text.get(start..end).unwrap_or_default();
                if class == Class::Word { together(run, start, sink)? } else { unspaced(run, start, sink)? }
            }
            Class::Picture => {
                // A flag is two letters.
                if is_flag_letter(char)
                    && let Some((at, next)) = chars.next_if(|(_, next)| is_flag_letter(*next))
                {
                    end = at + next.len_utf8();
                }
                sink(start..end, text.get(start..end).unwrap_or_default().to_owned(), false)?;
            }
            Class::Joiner | Class::Ignored | Class::Gap => {}
        }
    }
    ControlFlow::Continue(())
}

/// Whether a character at a place belongs to the run that stands before it.
fn goes_on(class: Class, text: &str, at: usize, char: char) -> bool {
    match class_of(char) {
        Class::Ignored => true,
        Class::Joiner if class == Class::Word => {
            // One joiner between two words, or two that are alike: `lock::key`, `__init__`.
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let mut after = text.get(at..).unwrap_or_default().chars().skip(1);
            let next = after.next();
            let doubled = next == Some(char) && matches!(char, ':' | '_');
            let follows = if doubled { after.next() } else { next };
            let is_second = before == Some(char) && matches!(char, ':' | '_');
            let begins = before.is_some_and(|before| is_second || class_of(before) != Class::Joiner);
            begins && follows.is_some_and(|next| class_of(next) == Class::Word)
        }
        // A mark that follows belongs to its letter, whatever the script.
        other => other == class || is_combining_mark(char),
    }
}

fn class_of(char: char) -> Class {
    if char.is_ascii() {
        return match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' => Class::Word,
            '_' | '-' | '.' | '/' | ':' | '@' | '\\' | '\'' => Class::Joiner,
            _ => Class::Gap,
        };
    }
    match char {
        '\u{2019}' => Class::Joiner,
        _ if is_ignored(char) => Class::Ignored,
        // Thai, Lao, Burmese, Khmer; kana, Han, Hangul.
        '\u{e00}'..='\u{eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1100}'..='\u{11ff}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3100}'..='\u{318f}'
        | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ffdc}'
        | '\u{20000}'..='\u{3ffff}'
            if char.is_alphanumeric() || is_combining_mark(char) =>
        {
            Class::Unspaced
        }
        _ if char.is_alphanumeric() || is_combining_mark(char) => Class::Word,
        '\u{203c}' | '\u{2049}' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}' => Class::Picture,
        _ => Class::Gap,
    }
}

const fn is_flag_letter(char: char) -> bool {
    matches!(char, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Characters and pairs of neighbours.
fn unspaced(run: &str, start: usize, sink: &mut Sink<'_>) -> ControlFlow<()> {
    let mut before: Option<(Range<usize>, String)> = None;
    for (at, char) in run.char_indices().filter(|(_, char)| !is_ignored(*char)) {
        let place = start + at..start + at + char.len_utf8();
        let one = fold(char.encode_utf8(&mut [0; 4]), WORD_CHARS_MAX);
        if one.is_empty() {
            continue;
        }
        sink(place.clone(), one.clone(), false)?;
        if let Some((first, mut pair)) = before.replace((place.clone(), one.clone())) {
            pair.push_str(&one);
            sink(first.start..place.end, pair, false)?;
        }
    }
    ControlFlow::Continue(())
}

/// What is written together, cut at apostrophes: the endings of English (`it's`, `don't`) are left out.
fn together(run: &str, start: usize, sink: &mut Sink<'_>) -> ControlFlow<()> {
    let mut is_first = true;
    for (at, piece) in cut(run, |char| matches!(char, '\'' | '\u{2019}')) {
        let is_ending = !is_first && ["s", "t", "d", "m", "ll", "re", "ve"].contains(&fold(piece, 3).as_str());
        is_first = false;
        if !is_ending {
            let rest = run.get(at + piece.len()..).unwrap_or_default();
            let negated = rest.starts_with("'t") || rest.starts_with("\u{2019}t");
            // `don't` is `do`: the n belongs to the ending. `can't` is `can`.
            let kept = if negated && piece != "can" { piece.strip_suffix('n').unwrap_or(piece) } else { piece };
            compound(kept, start + at, sink)?;
        }
    }
    ControlFlow::Continue(())
}

/// The whole, then its segments (of a path, of a chain of modules), then their words.
fn compound(piece: &str, start: usize, sink: &mut Sink<'_>) -> ControlFlow<()> {
    if is_plain(piece) {
        return word(piece, start, sink);
    }
    whole(piece, start, sink)?;
    let is_path = |char: char| matches!(char, '/' | '\\' | ':' | '@');
    let has_segments = piece.contains(is_path);
    for (at, segment) in cut(piece, is_path) {
        if has_segments && !is_plain(segment) {
            whole(segment, start + at, sink)?;
        }
        for (inner, part) in cut(segment, |char| matches!(char, '_' | '-' | '.')) {
            let is_whole_segment = part.len() == segment.len();
            if !is_plain(part) && !is_whole_segment {
                whole(part, start + at + inner, sink)?;
            }
            for (deeper, small) in humps(part) {
                if !small.is_empty() && (small.len() < piece.len()) {
                    word(small, start + at + inner + deeper, sink)?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}

fn whole(piece: &str, start: usize, sink: &mut Sink<'_>) -> ControlFlow<()> {
    if piece.len() > WHOLE_CHARS_MAX {
        return ControlFlow::Continue(());
    }
    let folded = fold(piece, WHOLE_CHARS_MAX);
    if folded.is_empty() {
        return ControlFlow::Continue(());
    }
    // Stemmed where it is letters alone, because whoever asks for it may write it small.
    sink(start..start + piece.len(), stem(folded), false)
}

fn word(piece: &str, start: usize, sink: &mut Sink<'_>) -> ControlFlow<()> {
    let folded = fold(piece, WORD_CHARS_MAX);
    if folded.is_empty() {
        return ControlFlow::Continue(());
    }
    let is_stop = is_stop_word(&folded);
    sink(start..start + piece.len(), stem(folded), is_stop)
}

/// The pieces between the characters that cut, and where they begin.
fn cut(text: &str, at: impl Fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    text.split_inclusive(at)
        .map(move |piece| {
            let start = next;
            next += piece.len();
            (start, piece)
        })
        .map(|(start, piece)| {
            let trimmed = piece.trim_end_matches(['_', '-', '.', '/', ':', '@', '\\', '\'', '\u{2019}']);
            (start, trimmed)
        })
        .filter(|(_, piece)| !piece.is_empty())
}

/// One word without a joiner, a hump or a change from letters to digits.
fn is_plain(piece: &str) -> bool {
    let mut parts = humps(piece);
    parts.next().is_none_or(|(_, part)| part.len() == piece.len())
        && !piece.contains(['_', '-', '.', '/', ':', '@', '\\'])
}

/// The words in `camelCase`, `HTTPServer` and `sha256`. One letter before digits stays with them, as in `E0597`.
fn humps(part: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    let mut rest = part;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = hump_end(rest);
        let (hump, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let at = start;
        start += hump.len();
        rest = after;
        Some((at, hump))
    })
}

fn hump_end(rest: &str) -> usize {
    let mut before: Option<char> = None;
    let mut chars = rest.char_indices().peekable();
    let mut count = 0;
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        if let Some(before) = before {
            let rises = before.is_lowercase() && char.is_uppercase();
            let title = before.is_uppercase() && char.is_uppercase() && next.is_some_and(char::is_lowercase);
            // Of one script: `x٣` is not cut, and neither are digits from the letters that follow them (`40k`, `3d`).
            let digits = count > 1 && before.is_ascii_alphabetic() && char.is_ascii_digit();
            if rises || title || digits {
                return at;
            }
        }
        count += 1;
        before = Some(char);
    }
    rest.len()
}
