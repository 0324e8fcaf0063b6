//! Folding: one form for what looks or sounds the same.

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Lower case, without compatibility forms (full width, ligatures), accents and signs that are not seen.
pub(super) fn fold(word: &str, chars_max: usize) -> String {
    if word.is_ascii() {
        let end = word.len().min(chars_max);
        return word.get(..end).unwrap_or(word).to_ascii_lowercase();
    }
    let folded = word.chars().filter(|char| !is_ignored(*char)).take(chars_max).flat_map(char::to_lowercase).nfkd();
    // Twice: what decomposes out of a compatibility form may be a capital letter.
    folded.filter(|char| !is_accent(*char)).flat_map(char::to_lowercase).nfc().take(chars_max).collect()
}

/// The stem, of words of the letters that English has.
pub(super) fn stem(word: String) -> String {
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return word;
    }
    Stemmer::create(Algorithm::English).stem(&word).into_owned()
}

/// Joiners and the like, which stand inside words and are not part of them.
pub(super) fn is_ignored(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{640}'
            | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{1f3fb}'..='\u{1f3ff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Accents of Latin, Greek and Cyrillic, vowel points of Hebrew and Arabic: people write words with and without them.
/// Vowel signs of other scripts are letters.
fn is_accent(char: char) -> bool {
    is_combining_mark(char)
        && matches!(char, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}
