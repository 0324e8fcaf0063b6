//! Secrets that their surroundings tell: private keys in PEM, JSON web tokens, credentials in URLs and in headers.

use super::alphabet::{
    ALNUM, Alphabet, BASE64, DASHED, DIGIT, DOTTED, JUDGED_BYTES_MAX, TOKEN68, UPPER, WORD, changes, entropy_bits,
    is_drawn, is_placeholder, is_varied, longest_piece,
};
use super::token::is_edge;
use core::ops::Range;

/// A secret told by its surroundings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// The name of the rule.
    pub(super) rule: &'static str,
    /// What it finds, in words.
    pub(super) what: &'static str,
    /// What to look for first, in either case.
    pub(super) keywords: &'static [&'static str],
    /// Where the secret lies, given the text and where the keyword begins and ends.
    pub(super) find: fn(&[u8], Range<usize>) -> Option<Range<usize>>,
}

/// Every form. Where two fit the same place, the earlier one is told.
pub(super) const FORMS: &[Form] = &[
    Form { rule: "private-key", what: "a private key", keywords: &["-----BEGIN "], find: private_key },
    Form { rule: "putty-key", what: "a private key of PuTTY", keywords: &["Private-Lines:"], find: putty_key },
    Form { rule: "jwt", what: "a JSON web token", keywords: &["eyJ"], find: jwt },
    Form { rule: "url-password", what: "a password or a token in a URL", keywords: &["://"], find: url_password },
    Form {
        rule: "authorization",
        what: "the credentials of an HTTP request",
        keywords: &["authorization"],
        find: authorization,
    },
    Form { rule: "authorization", what: "a bearer token", keywords: &["bearer "], find: bearer },
];

/// The most of a private key that is looked at, in bytes: RSA of 16,384 bits has 13,000.
const PEM_BYTES_MAX: usize = 32 * 1024;
/// The least of base 64 in one line that makes it a key and not talk about one.
const PEM_LINE_BYTES_MIN: usize = 40;
/// The longest part of a URL before its path that is looked at, in bytes.
const AUTHORITY_BYTES_MAX: usize = 1024;
/// The schemes of `Authorization` that a secret follows.
const SCHEMES: [&[u8]; 8] = [b"bearer", b"basic", b"token", b"apikey", b"api-key", b"key", b"bot", b"negotiate"];

/// From `-----BEGIN … PRIVATE KEY-----` to its end, or as far as it goes where the end is missing.
fn private_key(text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    let label = Alphabet::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ");
    let rest = text.get(keyword.end..)?;
    let label_bytes = label.run(rest, 40);
    let (label, body) = rest.split_at_checked(label_bytes)?;
    let body = body.strip_prefix(b"-----")?;
    if !(label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK")) {
        return None;
    }
    let begin = text.len() - body.len();
    // Between two dashes in a row stands the body; searching no further than the next ones keeps the scan linear.
    let bytes = position(body, b"-----", PEM_BYTES_MAX).unwrap_or(body.len().min(PEM_BYTES_MAX));
    let (key, tail) = body.split_at_checked(bytes)?;
    let cut = last_line_end(key)?;
    let end = tail.strip_prefix(b"-----END ").and_then(|label| Some(bytes + 9 + position(label, b"-----", 60)? + 5));
    Some(keyword.start..begin + end.unwrap_or(cut))
}

/// Where the last whole line of base 64 ends, or the shorter one behind it. A short word is no line.
fn last_line_end(key: &[u8]) -> Option<usize> {
    let (mut at, mut whole, mut shorter) = (0, None, None);
    while at < key.len() {
        let line = BASE64.run(key.get(at..)?, usize::MAX);
        let end = at + line;
        if line >= PEM_LINE_BYTES_MIN {
            (whole, shorter) = (Some(end), None);
        } else if shorter.is_none() && (line >= 16 || (line > 0 && key.get(end) != Some(&b' '))) {
            shorter = whole.filter(|whole| at - whole <= 4).map(|_| end);
        }
        at = end + 1;
    }
    shorter.or(whole)
}

fn position(bytes: &[u8], needle: &[u8], limit: usize) -> Option<usize> {
    bytes.get(..bytes.len().min(limit))?.windows(needle.len()).position(|window| window == needle)
}

/// The lines behind `Private-Lines: 14`.
fn putty_key(text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    let body = BASE64.and(Alphabet::of(b" \r\n\\"));
    let rest = text.get(keyword.end..)?;
    let key = rest.get(..body.run(rest, PEM_BYTES_MAX))?;
    Some(keyword.start..keyword.end + last_line_end(key)?)
}

/// Three parts or more of base 64 between dots, the first of which is a JSON object.
fn jwt(text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    let before = text.get(..keyword.start)?;
    // Inside a longer run nothing begins: each run is looked at once.
    if !text.get(keyword.clone())?.starts_with(b"eyJ")
        || !is_edge(before)
        || matches!(before.last(), Some(b'.' | b'_' | b'-'))
    {
        return None;
    }
    let rest = text.get(keyword.start..)?;
    let token = rest.get(..DOTTED.run(rest, usize::MAX))?;
    let mut parts = token.split(|byte| *byte == b'.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let is_token = header.len() >= 16
        && payload.len() >= 16
        && signature.len() >= 16
        && entropy_bits(token.get(..JUDGED_BYTES_MAX.min(token.len()))?) >= 3.5;
    let trailing = token.iter().rev().take_while(|byte| **byte == b'.').count();
    is_token.then(|| keyword.start..keyword.start + token.len() - trailing)
}

/// The password of `scheme://user:password@host`, or the token of `scheme://token@host`.
fn url_password(text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    let scheme = Alphabet::of(b"+-.").and(ALNUM);
    if scheme.run_back(text.get(..keyword.start)?, 1) == 0 {
        return None;
    }
    let rest = text.get(keyword.end..)?;
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/?#\"'`<>\\|".contains(byte);
    let authority = rest.iter().take(AUTHORITY_BYTES_MAX).take_while(|byte| !ends(byte)).count();
    let authority = rest.get(..authority)?;
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let user = authority.get(..at)?;
    let (skipped, secret) = match user.iter().position(|byte| *byte == b':') {
        Some(colon) => (colon + 1, user.get(colon + 1..)?),
        None => (0, user),
    };
    let is_secret = if skipped > 0 {
        // A password may be anything, so only what stands for one is let through.
        !secret.is_empty() && !stands_for_password(secret)
    } else {
        secret.len() >= 20 && changes(secret) >= 3 && entropy_bits(secret) >= 3.2 && !is_placeholder(secret)
    };
    is_secret.then(|| keyword.end + skipped..keyword.end + at)
}

/// Whether it is a variable, a blank to fill in, or the name of the thing.
fn stands_for_password(password: &[u8]) -> bool {
    const NAMES: [&[u8]; 11] =
        [b"password", b"passwd", b"pass", b"pwd", b"pw", b"secret", b"token", b"key", b"apikey", b"api_key", b"%s"];
    let is_name = |name: &&[u8]| password.eq_ignore_ascii_case(name);
    let is_blank = |byte: &u8| b"*.x-_".contains(&byte.to_ascii_lowercase());
    let is_variable = match password {
        [b'$', b'{', .., b'}'] | [b'{', .., b'}'] | [b'[', .., b']'] | [b'(', .., b')'] | [b'%', .., b'%'] => true,
        [b'$', name @ ..] => WORD.count(name) == name.len(),
        _ => false,
    };
    is_variable || NAMES.iter().any(is_name) || password.iter().all(is_blank) || is_placeholder(password)
}

/// `Authorization: Bearer …`, `Basic …` or `token …`, with or without quotes around name and value.
fn authorization(text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    let mut at = keyword.end;
    at += Alphabet::of(b"\"'\\ ]").run(text.get(at..)?, 4);
    if !matches!(text.get(at)?, b':' | b'=') {
        return None;
    }
    at += 1;
    at += Alphabet::of(b"\"'\\ ").run(text.get(at..)?, 4);
    let rest = text.get(at..)?;
    let scheme = rest.get(..DASHED.run(rest, 20))?;
    if rest.get(scheme.len()) != Some(&b' ') {
        return credentials(text, at, |token| is_drawn(longest_piece(token)));
    }
    if !SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    at += scheme.len() + Alphabet::of(b" ").run(rest.get(scheme.len()..)?, 4);
    credentials(text, at, |token| token.len() >= 8 && is_credential(token))
}

/// `Bearer` and a token outside of a header.
fn bearer(text: &[u8], keyword: Range<usize>) -> Option<Range<usize>> {
    if !is_edge(text.get(..keyword.start)?) {
        return None;
    }
    credentials(text, keyword.end, |token| is_drawn(longest_piece(token)))
}

/// The token at this place, if it is a secret.
fn credentials(text: &[u8], at: usize, is_secret: fn(&[u8]) -> bool) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let judged = rest.get(..TOKEN68.run(rest, JUDGED_BYTES_MAX))?;
    let is_secret = is_secret(judged) && !is_placeholder(judged);
    is_secret.then(|| at..at + TOKEN68.run(rest, usize::MAX))
}

/// Whether it is no word: digits in it, or upper case within, or the padding of base 64.
fn is_credential(token: &[u8]) -> bool {
    let inner = token.get(1..).unwrap_or_default();
    is_varied(token) && (DIGIT.count(token) > 0 || UPPER.count(inner) > 1 || token.ends_with(b"="))
}
