//! What a webhook follows.

use crate::events::Fact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which facts a webhook tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Follows {
    kinds: BTreeSet<String>,
    subject: Option<String>,
}

/// What cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFollows {
    /// Too few or too many kinds.
    #[error("`kinds` must have 1 to {} entries", Follows::KINDS_MAX)]
    Count,
    /// A kind that is none.
    #[error(
        "`{0}` is no kind of fact: it looks like `task.completed`, `task.*` or `*`, of lower-case letters, digits, `_` and \
         dots, at most {max} bytes",
        max = Follows::KIND_BYTES_MAX
    )]
    Kind(String),
    /// A subject that cannot be one.
    #[error("`subject` must have 1 to {} bytes and no control characters", Follows::SUBJECT_BYTES_MAX)]
    Subject,
}

impl Follows {
    /// The most kinds one webhook may name.
    pub const KINDS_MAX: usize = 50;
    /// The greatest length of a kind in bytes.
    pub const KIND_BYTES_MAX: usize = 64;
    /// The greatest length of a subject in bytes.
    pub const SUBJECT_BYTES_MAX: usize = 1_024;

    /// Checks the form. A kind is whole (`task.completed`), a context (`task.*`) or all (`*`); a subject is whole, or what
    /// it begins with and a `*`.
    pub fn try_new(kinds: impl IntoIterator<Item = String>, subject: Option<String>) -> Result<Self, InvalidFollows> {
        let mut all = BTreeSet::new();
        for kind in kinds {
            if !is_kind(&kind) {
                return Err(InvalidFollows::Kind(kind.chars().take(Self::KIND_BYTES_MAX).collect()));
            }
            all.insert(kind);
            if all.len() > Self::KINDS_MAX {
                return Err(InvalidFollows::Count);
            }
        }
        if all.is_empty() {
            return Err(InvalidFollows::Count);
        }
        let is_subject = |subject: &String| {
            (1..=Self::SUBJECT_BYTES_MAX).contains(&subject.len()) && !subject.contains(char::is_control)
        };
        if !subject.as_ref().is_none_or(is_subject) {
            return Err(InvalidFollows::Subject);
        }
        Ok(Self { kinds: all, subject })
    }

    /// The kinds, in order.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().map(String::as_str)
    }

    /// The subject, if only facts about some are told.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Whether a fact is told.
    pub fn accepts(&self, fact: &Fact) -> bool {
        let is_kind = |pattern: &String| is_match(pattern, &fact.kind);
        self.kinds.iter().any(is_kind) && self.subject.as_ref().is_none_or(|subject| is_match(subject, &fact.subject))
    }
}

fn is_kind(text: &str) -> bool {
    let words = text.strip_suffix(".*").unwrap_or(text);
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    text.len() <= Follows::KIND_BYTES_MAX && (text == "*" || words.split('.').all(is_word))
}

fn is_match(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |start| text.starts_with(start))
}

/// What is followed, on the wire and in stores.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Written {
    kinds: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
}

impl From<Follows> for Written {
    fn from(Follows { kinds, subject }: Follows) -> Self {
        Self { kinds, subject }
    }
}

impl TryFrom<Written> for Follows {
    type Error = InvalidFollows;
    fn try_from(Written { kinds, subject }: Written) -> Result<Self, InvalidFollows> {
        Self::try_new(kinds, subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::samples;

    fn follows(kinds: &[&str], subject: Option<&str>) -> Result<Follows, InvalidFollows> {
        Follows::try_new(kinds.iter().map(|&kind| kind.to_owned()), subject.map(str::to_owned))
    }

    fn fact(kind: &str, subject: &str) -> Fact {
        samples::fact(1, kind, subject).1
    }

    #[test]
    fn a_kind_is_whole_or_a_context_or_all() {
        let tasks = follows(&["task.*", "lock.acquired"], None).unwrap();
        for (kind, is_told) in
            [("task.completed", true), ("lock.acquired", true), ("lock.released", false), ("tasks.x", false)]
        {
            assert_eq!(tasks.accepts(&fact(kind, "x")), is_told, "{kind}");
        }
        assert!(follows(&["*"], None).unwrap().accepts(&fact("anything.at_all", "x")));
    }

    #[test]
    fn a_subject_is_whole_or_what_it_begins_with() {
        let one = follows(&["*"], Some("src/main.rs")).unwrap();
        assert!(
            one.accepts(&fact("lock.acquired", "src/main.rs")) && !one.accepts(&fact("lock.acquired", "src/main.rsx"))
        );
        let some = follows(&["*"], Some("src/*")).unwrap();
        assert!(some.accepts(&fact("lock.acquired", "src/a")) && !some.accepts(&fact("lock.acquired", "docs/src/a")));
    }

    #[test]
    fn everything_has_a_limit_and_a_form() {
        for kind in ["", "Task.x", "task.", ".x", "task..x", "ta*", "task.*.x", "**", "a b", &"x".repeat(65)] {
            assert!(matches!(follows(&[kind], None), Err(InvalidFollows::Kind(_))), "{kind}");
        }
        assert_eq!(follows(&[], None), Err(InvalidFollows::Count));
        let many = |count: usize| Follows::try_new((0..count).map(|number| format!("k{number}")), None);
        assert!(many(50).is_ok());
        assert_eq!(many(51), Err(InvalidFollows::Count));
        for subject in ["", "a\nb", &"x".repeat(1_025)] {
            assert_eq!(follows(&["*"], Some(subject)), Err(InvalidFollows::Subject), "{subject}");
        }
    }
}
