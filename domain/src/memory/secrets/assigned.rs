//! Secrets that only the name before them tells: `DB_PASSWORD=…`, `"client_secret": "…"`.
//!
//! Names like these stand before variables, calls, names of other things and digests far more often than before a
//! secret, so the value must look drawn. A weak password can't be told from a word and is let through.

use super::alphabet::{
    Alphabet, DASHED, DIGIT, DOTTED, HEX, JUDGED_BYTES_MAX, LOWER, PASSWORD, UPPER, is_drawn, is_placeholder, is_uuid,
    longest_piece,
};
use core::ops::Range;

/// The name of the rule.
pub(super) const RULE: &str = "assigned-secret";
/// What it finds, in words.
pub(super) const WHAT: &str = "a value under the name of a secret";
/// Parts of the names that are looked for, in either case.
pub(super) const KEYWORDS: &[&str] = &["pass", "pwd", "secret", "token", "key", "credential"];

/// The longest part of a name before or behind the keyword, in bytes.
const NAME_BYTES_MAX: usize = 40;

/// What a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// A password, which people make up.
    Password,
    /// A secret that a machine drew.
    Secret,
    /// A secret, or the name of something: only what is no digest counts.
    Token,
}

/// What is no name of a secret although a keyword stands in it.
const OTHER_ENDS: [&str; 25] = [
    "id",
    "ids",
    "name",
    "names",
    "ref",
    "file",
    "path",
    "url",
    "uri",
    "arn",
    "hash",
    "digest",
    "version",
    "count",
    "length",
    "type",
    "at",
    "date",
    "fingerprint",
    "policy",
    "store",
    "provider",
    "manager",
    "field",
    "prefix",
];
const OTHER_TOKENS: [&str; 8] = ["page", "next", "cursor", "continuation", "fencing", "csrf", "sync", "pad"];
const KEYS: [&str; 14] = [
    "apikey",
    "secretkey",
    "accesskey",
    "accountkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "authkey",
    "masterkey",
    "servicekey",
    "adminkey",
    "appkey",
    "sharedkey",
    "licensekey",
];

/// What the name of a field or variable promises of its value.
fn promise(name: &str) -> Option<Promise> {
    let spaced: String = split_words(name);
    let words: Vec<&str> = spaced.split(' ').filter(|word| !word.is_empty()).collect();
    let last = words.last()?;
    if OTHER_ENDS.contains(last) {
        return None;
    }
    let joined = words.concat();
    if ["password", "passwd", "passphrase", "pwd"].iter().any(|word| joined.contains(word)) {
        Some(Promise::Password)
    } else if KEYS.iter().any(|key| joined.contains(key))
        || words.iter().any(|word| ["secret", "secrets", "credential", "credentials"].contains(word))
    {
        Some(Promise::Secret)
    } else if joined.ends_with("token") && !words.iter().any(|word| OTHER_TOKENS.contains(word)) {
        Some(Promise::Token)
    } else {
        None
    }
}

/// The words of a name in lower case, with a space between: `dbPassword` and `DB_PASSWORD` alike.
fn split_words(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len() + 8);
    let mut was_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() {
            if was_lower && letter.is_ascii_uppercase() {
                spaced.push(' ');
            }
            spaced.push(letter.to_ascii_lowercase());
        } else {
            spaced.push(' ');
        }
        was_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
    }
    spaced
}

/// Where the value lies that is given to a name around the keyword, if it looks like a secret.
pub(super) fn find(text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    let before = DOTTED.run_back(text.get(..keyword.start)?, NAME_BYTES_MAX);
    let after = DASHED.run(text.get(keyword.end..)?, NAME_BYTES_MAX);
    let name_end = keyword.end + after;
    let (is_quoted, start) = value_start(text, name_end)?;
    let name = core::str::from_utf8(text.get(keyword.start - before..name_end)?).ok()?;
    let promise = promise(name)?;
    let rest = text.get(start..)?;
    let length = PASSWORD.run(rest, JUDGED_BYTES_MAX);
    // A call, an index or a template follows a name, never a secret.
    if !is_quoted && matches!(rest.get(length), Some(b'(' | b'[' | b'{' | b'$' | b'<')) {
        return None;
    }
    let judged = rest.get(..length)?;
    let is_secret = looks_secret(promise, judged.get(..trimmed(judged))?);
    is_secret.then(|| start..start + rest.get(..PASSWORD.run(rest, usize::MAX)).map_or(length, trimmed))
}

/// Whether the value of a field of this name looks like a secret, and if so, all of it is one.
pub(super) fn is_secret_field(name: &str, value: &str) -> bool {
    let value = value.as_bytes();
    name.len() <= 2 * NAME_BYTES_MAX
        && PASSWORD.run(value, usize::MAX) == value.len()
        && promise(name).is_some_and(|promise| looks_secret(promise, value))
}

/// Behind a name: a closing quote, `=`, `:`, `:=` or `=>`, and an opening quote. Whether quoted, and where the value begins.
fn value_start(text: &[u8], name_end: usize) -> Option<(bool, usize)> {
    let quotes = Alphabet::of(b"\"'`\\");
    let mut at = name_end;
    at += quotes.and(Alphabet::of(b"]")).run(text.get(at..)?, 3);
    at += Alphabet::of(b" \t").run(text.get(at..)?, 8);
    let operator = Alphabet::of(b":=>").run(text.get(at..)?, 3);
    if !matches!(text.get(at..at + operator)?, b"=" | b":" | b":=" | b"=>" | b"==") {
        return None;
    }
    at += operator;
    at += Alphabet::of(b" \t").run(text.get(at..)?, 8);
    let opening = quotes.run(text.get(at..)?, 2);
    Some((opening > 0, at + opening))
}

/// The length without the punctuation of a sentence.
fn trimmed(value: &[u8]) -> usize {
    value.len() - Alphabet::of(b".:?!").run_back(value, 8)
}

fn looks_secret(promise: Promise, value: &[u8]) -> bool {
    let Some(judged) = value.get(..value.len().min(JUDGED_BYTES_MAX)) else { return false };
    let looks_secret = (promise == Promise::Password && is_made_up(judged)) || is_piece_drawn(promise, judged);
    let is_address = judged.windows(3).any(|part| part == b"://");
    looks_secret && !is_address && !is_uuid(judged) && !is_placeholder(judged)
}

/// A password as rules of passwords ask for: all four kinds of characters.
fn is_made_up(value: &[u8]) -> bool {
    let has = |set: Alphabet| set.count(value) > 0;
    value.len() >= 8 && has(LOWER) && has(UPPER) && has(DIGIT) && has(Alphabet::of(b"!@#%^*+?~"))
}

/// Whether the longest piece of it looks drawn, and is no digest where the name may be that of something public.
fn is_piece_drawn(promise: Promise, value: &[u8]) -> bool {
    let piece = longest_piece(value);
    is_drawn(piece) && !(promise == Promise::Token && HEX.count(piece) == piece.len())
}
