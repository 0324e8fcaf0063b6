//! Secrets that tell themselves: a prefix that the issuer gave them, then drawn characters.

use super::alphabet::{ALNUM, Alphabet, JUDGED_BYTES_MAX, LOWER, UPPER, changes, entropy_bits, is_placeholder};
use super::keywords::Hit;
use core::ops::Range;

/// What a kind of token looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// The name of the rule.
    pub(super) rule: &'static str,
    /// What it finds, in words.
    pub(super) what: &'static str,
    /// What such tokens begin with, in this case.
    pub(super) prefixes: &'static [&'static str],
    alphabet: Alphabet,
    /// How many characters follow the prefix.
    least: usize,
    most: usize,
    /// The least entropy of what follows, in tenths of a bit per byte.
    tenths: u8,
    is_mixed: bool,
    before: Before,
}

/// What stands before the prefix.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// No letter and no digit.
    Edge,
    /// Anything.
    Any,
    /// So many characters of the token itself.
    Part(Alphabet, usize, usize),
}

impl Token {
    /// A token of at least so many characters behind one of the prefixes.
    pub(super) const fn new(
        rule: &'static str,
        what: &'static str,
        prefixes: &'static [&'static str],
        alphabet: Alphabet,
        least: usize,
    ) -> Self {
        Self {
            rule,
            what,
            prefixes,
            alphabet,
            least,
            most: usize::MAX,
            tenths: 28,
            is_mixed: false,
            before: Before::Edge,
        }
    }

    /// No more characters than these: one more, and it is something else.
    pub(super) const fn most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Another least entropy than 2.8 bits per byte, in tenths.
    pub(super) const fn tenths(self, tenths: u8) -> Self {
        Self { tenths, ..self }
    }

    /// Letters and digits, or letters of both cases, must take turns as in what was drawn: the prefix alone says too little.
    pub(super) const fn mixed(self) -> Self {
        Self { is_mixed: true, ..self }
    }

    /// The prefix may stand behind anything.
    pub(super) const fn anywhere(self) -> Self {
        Self { before: Before::Any, ..self }
    }

    /// So many characters of the token stand before what is called its prefix here.
    pub(super) const fn behind(self, alphabet: Alphabet, least: usize, most: usize) -> Self {
        Self { before: Before::Part(alphabet, least, most), ..self }
    }

    /// Where the token lies whose prefix was met, if it is one.
    pub(super) fn at(&self, text: &[u8], hit: Hit) -> Option<Range<usize>> {
        let prefix = text.get(hit.start..hit.end)?;
        if !self.prefixes.iter().any(|own| own.as_bytes() == prefix) {
            return None;
        }
        let start = self.begins(text, hit.start)?;
        let rest = text.get(hit.end..)?;
        let judged = self.alphabet.run(rest, JUDGED_BYTES_MAX.min(self.most.saturating_add(1)));
        if judged < self.least || judged > self.most {
            return None;
        }
        let drawn = rest.get(..judged)?;
        let looks_drawn = entropy_bits(drawn) * 10.0 >= f64::from(self.tenths)
            && (!self.is_mixed || is_mixed(drawn))
            && !is_placeholder(drawn);
        looks_drawn.then(|| start..hit.end + self.alphabet.run(rest, self.most))
    }

    fn begins(&self, text: &[u8], start: usize) -> Option<usize> {
        let before = text.get(..start)?;
        match self.before {
            Before::Any => Some(start),
            Before::Edge => is_edge(before).then_some(start),
            Before::Part(alphabet, least, most) => {
                let run = alphabet.run_back(before, most + 1);
                let part = start - run.min(most);
                (run >= least && (run <= most || is_edge(before.get(..part)?))).then_some(part)
            }
        }
    }
}

fn is_mixed(drawn: &[u8]) -> bool {
    changes(drawn) >= 3 || (LOWER.count(drawn) >= 3 && UPPER.count(drawn) >= 3)
}

/// Whether a word can begin behind this text: behind no letter and no digit, or behind what an escaped line break, an
/// escaped character of a URL or a colour of a terminal ends with.
pub(super) fn is_edge(before: &[u8]) -> bool {
    match before {
        [] | [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., b'[' | b';' | b'0'..=b'9', b'm'] => {
            let code = Alphabet::of(b"0123456789;").run_back(before.get(..before.len() - 1).unwrap_or_default(), 16);
            before.get(..before.len() - 1 - code).is_some_and(|head| head.ends_with(b"\x1b["))
        }
        [.., last] => !ALNUM.has(*last),
    }
}
