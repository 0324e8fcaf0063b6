//! What a memory says, within its limits.

use crate::ids::TaskId;
use crate::locks::key::LockKey;
use crate::work::content::text;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

text!(
    /// What happened, in a few words.
    Summary, "summary", 4 * 1024, lines: true
);
text!(
    /// How it ended, such as `success`.
    Outcome, "outcome", 256, lines: false
);
text!(
    /// Something learned from it.
    Lesson, "lessons", 2 * 1024, lines: true
);
text!(
    /// A row of memories that belong together, in order, such as a session or a conversation.
    Stream, "stream", 128, lines: false
);

/// What kind of thing is remembered, such as `error_fixed` or `decision`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(String);

/// A word to find memories by. Small and capital letters are the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// A name that is too long or has signs that it may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {bytes_max} bytes of {allowed}")]
pub struct InvalidName {
    /// The greatest length in bytes.
    pub bytes_max: usize,
    /// What it may be made of.
    pub allowed: &'static str,
}

impl EventType {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Checks.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
        if (1..=Self::BYTES_MAX).contains(&text.len()) && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName { bytes_max: Self::BYTES_MAX, allowed: "small letters, digits and _ - ." })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Trims, makes small and checks.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let text = text.trim().to_lowercase();
        if (1..=Self::BYTES_MAX).contains(&text.len())
            && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == ',')
        {
            Ok(Self(text))
        } else {
            Err(InvalidName {
                bytes_max: Self::BYTES_MAX,
                allowed: "anything but spaces, commas and control characters",
            })
        }
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<EventType> for String {
    fn from(name: EventType) -> Self {
        name.0
    }
}

impl TryFrom<String> for EventType {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl TryFrom<String> for Tag {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

/// How much it matters, from 1 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Importance(u8);

/// An importance outside 1 to 10.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`importance` is {given}: it must be 1 to {}", Importance::MAX)]
pub struct InvalidImportance {
    /// What was given.
    pub given: u8,
}

impl Importance {
    /// The greatest.
    pub const MAX: u8 = 10;
    /// That of a memory of which nobody says.
    pub const DEFAULT: Self = Self(5);

    /// Checks the bounds.
    pub fn try_new(given: u8) -> Result<Self, InvalidImportance> {
        if (1..=Self::MAX).contains(&given) { Ok(Self(given)) } else { Err(InvalidImportance { given }) }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl From<Importance> for u8 {
    fn from(importance: Importance) -> Self {
        importance.0
    }
}

impl TryFrom<u8> for Importance {
    type Error = InvalidImportance;
    fn try_from(given: u8) -> Result<Self, InvalidImportance> {
        Self::try_new(given)
    }
}

/// Something that a memory is about. Whether it is there is not asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "target")]
pub enum Link {
    /// A file, spelt like a lock key.
    File(LockKey),
    /// A task.
    Task(TaskId),
    /// A commit, by its hash.
    Commit(CommitHash),
}

text!(
    /// A commit: 7 to 64 hexadecimal digits, or a name that the version control knows.
    #[derive(PartialOrd, Ord)]
    CommitHash, "links", 64, lines: false
);

/// A memory's words, one by one, before they are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// What happened.
    pub summary: Summary,
    /// Whatever else is known about it.
    #[serde(default)]
    pub details: Map<String, Value>,
    /// How it ended.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// What was learned.
    #[serde(default)]
    pub lessons: Vec<Lesson>,
    /// What it is found by.
    #[serde(default)]
    pub tags: BTreeSet<Tag>,
    /// What it is about.
    #[serde(default)]
    pub links: BTreeSet<Link>,
}

/// A memory's words, within their limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub struct Content(Words);

/// Words that are too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` has {given} {unit}: it may have {max}")]
pub struct InvalidContent {
    /// What is too long.
    pub field: &'static str,
    /// How long it is.
    pub given: usize,
    /// How long it may be.
    pub max: usize,
    /// In what it is counted.
    pub unit: &'static str,
}

impl Content {
    /// The greatest length of the details in bytes, written compactly: 64 KiB.
    pub const DETAILS_BYTES_MAX: usize = 64 * 1024;
    /// The deepest nesting of the details.
    pub const DETAILS_DEPTH_MAX: usize = 32;
    /// The most lessons.
    pub const LESSONS_MAX: usize = 50;
    /// The most tags.
    pub const TAGS_MAX: usize = 50;
    /// The most links.
    pub const LINKS_MAX: usize = 100;

    /// Counts and measures.
    pub fn try_new(words: Words) -> Result<Self, InvalidContent> {
        let bytes = Value::Object(words.details.clone()).to_string().len();
        let depth = words.details.values().map(depth).max().unwrap_or(0) + 1;
        let measured = [
            ("details", bytes, Self::DETAILS_BYTES_MAX, "bytes written compactly"),
            ("details", depth, Self::DETAILS_DEPTH_MAX, "levels"),
            ("lessons", words.lessons.len(), Self::LESSONS_MAX, "entries"),
            ("tags", words.tags.len(), Self::TAGS_MAX, "entries"),
            ("links", words.links.len(), Self::LINKS_MAX, "entries"),
        ];
        match measured.into_iter().find(|(_, given, max, _)| given > max) {
            Some((field, given, max, unit)) => Err(InvalidContent { field, given, max, unit }),
            None => Ok(Self(words)),
        }
    }

    /// The words, one by one.
    pub fn words(&self) -> &Words {
        &self.0
    }

    /// Every text that it is found by, the summary first.
    pub fn texts(&self) -> Vec<&str> {
        let Words { summary, details, outcome, lessons, tags, links } = &self.0;
        let mut texts = vec![summary.as_str()];
        texts.extend(lessons.iter().map(Lesson::as_str));
        texts.extend(outcome.iter().map(Outcome::as_str));
        texts.extend(tags.iter().map(Tag::as_str));
        texts.extend(links.iter().filter_map(Link::text));
        details.iter().for_each(|(key, value)| {
            texts.push(key);
            strings(value, &mut texts);
        });
        texts
    }

    /// Both in one: every tag, lesson, link and detail of either, the outcome of the later one. Details that say different
    /// things under one name become a list. The summary is the earlier one's. Too much for one memory is an error.
    pub fn united_with(&self, later: &Self) -> Result<Self, InvalidContent> {
        let (mut all, later) = (self.0.clone(), &later.0);
        for lesson in &later.lessons {
            if !all.lessons.contains(lesson) {
                all.lessons.push(lesson.clone());
            }
        }
        all.tags.extend(later.tags.iter().cloned());
        all.links.extend(later.links.iter().cloned());
        all.outcome = later.outcome.clone().or(all.outcome);
        unite(&mut all.details, &later.details);
        Self::try_new(all)
    }
}

impl From<Content> for Words {
    fn from(content: Content) -> Self {
        content.0
    }
}

impl TryFrom<Words> for Content {
    type Error = InvalidContent;
    fn try_from(words: Words) -> Result<Self, InvalidContent> {
        Self::try_new(words)
    }
}

impl Link {
    /// What it is found by, if that is a text.
    fn text(&self) -> Option<&str> {
        match self {
            Self::File(key) => Some(key.as_str()),
            Self::Task(_) => None,
            Self::Commit(hash) => Some(hash.as_str()),
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn strings<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => into.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, into)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            into.push(key);
            strings(value, into);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn unite(all: &mut Map<String, Value>, later: &Map<String, Value>) {
    for (key, new) in later {
        match all.get_mut(key) {
            None => {
                all.insert(key.clone(), new.clone());
            }
            Some(Value::Object(old)) if new.is_object() => {
                if let Value::Object(new) = new {
                    unite(old, new);
                }
            }
            Some(old) if old == new => {}
            Some(Value::Array(old)) => {
                let several = new.as_array().cloned().unwrap_or_else(|| vec![new.clone()]);
                let fresh: Vec<Value> = several.into_iter().filter(|one| !old.contains(one)).collect();
                old.extend(fresh);
            }
            Some(old) => {
                let first = std::mem::take(old);
                *old = match new {
                    Value::Array(several) if several.contains(&first) => new.clone(),
                    Value::Array(several) => {
                        Value::Array(std::iter::once(first).chain(several.iter().cloned()).collect())
                    }
                    _ => Value::Array(vec![first, new.clone()]),
                };
            }
        }
    }
}
