//! Secrets in what agents write: found by the forms that issuers give them, and masked.
//!
//! What is shared is read by others and kept for long, so keys, tokens, private keys and passwords must not get in. The
//! rules are tables: `rules` for tokens that a prefix tells, `form` for what its surroundings tell, `assigned` for
//! what only a name tells. The time grows with the length of the text. What was drawn must look drawn: digests, ids,
//! variables and blanks to fill in are let through. A secret without form and without a name can't be told from any
//! other text, and neither can a password that is a word.

mod alphabet;
mod assigned;
mod form;
mod json;
mod keywords;
mod rules;
mod token;

pub use json::{PLACE_CHARS_MAX, Placed, mask_json, scan_json};

use keywords::{Hit, Keywords};
use std::sync::LazyLock;

/// A secret that was found. It doesn't hold the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The name of the rule, such as `github-token`.
    pub rule: &'static str,
    /// What it is, such as `a GitHub token`.
    pub what: &'static str,
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
}

/// How often a masked text is scanned again, because what is left side by side may look like a secret anew.
const ROUNDS_MAX: usize = 8;

/// The numbers of the rules: tokens first, then forms, then what a name tells. What comes first is told first.
static KEYWORDS: LazyLock<Keywords> = LazyLock::new(|| {
    let tokens = rules::TOKENS.iter().map(|token| token.prefixes);
    let forms = form::FORMS.iter().map(|form| form.keywords);
    let all = tokens.chain(forms).chain(core::iter::once(assigned::KEYWORDS));
    Keywords::new(all.enumerate().flat_map(|(owner, words)| words.iter().map(move |word| (*word, owner))))
});

/// Every secret in the text, from its beginning to its end. Where two lie in each other, the outer one is told; where
/// they are the same, the more particular rule.
pub fn scan_text(text: &str) -> Vec<Finding> {
    let bytes = text.as_bytes();
    let mut found: Vec<(usize, Finding)> = Vec::new();
    // What was found by the same rule reaches so far: nothing within is looked at again.
    let mut reached = vec![0; rules::TOKENS.len() + form::FORMS.len() + 1];
    for hit in KEYWORDS.find(bytes) {
        let Some(reached) = reached.get_mut(hit.owner) else { continue };
        if hit.start < *reached {
            continue;
        }
        if let Some(finding) = judge(bytes, hit) {
            *reached = finding.end;
            found.push((hit.owner, finding));
        }
    }
    found.sort_by_key(|(owner, finding)| (finding.start, core::cmp::Reverse(finding.end), *owner));
    let mut end = 0;
    let mut outer = Vec::with_capacity(found.len());
    for (_, finding) in found {
        if finding.end > end {
            end = finding.end;
            outer.push(finding);
        }
    }
    outer
}

fn judge(text: &[u8], hit: Hit) -> Option<Finding> {
    let keyword = hit.start..hit.end;
    let after_tokens = hit.owner.checked_sub(rules::TOKENS.len());
    let (rule, what, place) = match (rules::TOKENS.get(hit.owner), after_tokens.map(|at| form::FORMS.get(at))) {
        (Some(token), _) => (token.rule, token.what, token.at(text, hit)?),
        (None, Some(Some(form))) => (form.rule, form.what, (form.find)(text, keyword)?),
        (None, _) => (assigned::RULE, assigned::WHAT, assigned::find(text, keyword)?),
    };
    Some(Finding { rule, what, start: place.start, end: place.end })
}

/// The text with `[masked: <rule>]` in place of each finding; overlapping ones become one, under the first one's name.
/// What comes out scans clean.
pub fn mask_text(text: &str, findings: &[Finding]) -> String {
    let mut masked = mask_once(text, findings);
    for _ in 0..ROUNDS_MAX {
        let again = scan_text(&masked);
        if again.is_empty() {
            break;
        }
        masked = mask_once(&masked, &again);
    }
    masked
}

fn mask_once(text: &str, findings: &[Finding]) -> String {
    let mut sorted = findings.to_vec();
    sorted.sort_by_key(|finding| (finding.start, core::cmp::Reverse(finding.end)));
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    let mut rest = sorted.iter().peekable();
    while let Some(first) = rest.next() {
        let mut end = first.end;
        while let Some(next) = rest.next_if(|next| next.start < end) {
            end = end.max(next.end);
        }
        masked.push_str(text.get(at..first.start).unwrap_or_default());
        masked.extend(["[masked: ", first.rule, "]"]);
        at = end;
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    masked
}

#[cfg(test)]
mod samples;
#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
