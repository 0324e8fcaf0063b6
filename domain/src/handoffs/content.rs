//! What is written in a handoff for others to read. No rule looks inside.

use crate::ids::{HandoffId, MessageId, TaskId};
use crate::locks::key::LockKey;
use crate::work::content::{InvalidText, text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

text!(
    /// Where the work stands, in words.
    Summary, "summary", 8 * 1024, lines: true
);
text!(
    /// One thing done, under way, decided or still to do.
    Item, "item", 2 * 1024, lines: true
);

/// The lists of a handoff, one by one, before they are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lists {
    /// What is done.
    pub completed: Vec<Item>,
    /// What was begun and is not done.
    pub in_progress: Vec<Item>,
    /// What was decided, and why.
    pub decisions: Vec<Item>,
    /// What is to be done next, first things first.
    pub next_steps: Vec<Item>,
    /// The files it is about.
    pub files: BTreeSet<FileName>,
    /// What else to look at.
    pub links: Vec<Link>,
}

/// The lists of a handoff, within their limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lists", into = "Lists")]
pub struct Content(Lists);

/// Lists that are too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContent {
    /// One of them has too many entries.
    #[error("`{field}` has {given} entries: it may have {max}")]
    TooMany {
        /// Which.
        field: &'static str,
        /// How many it has.
        given: usize,
        /// How many it may have.
        max: usize,
    },
    /// All of them together have too many bytes.
    #[error("the lists have {bytes} bytes in all: they may have {}", Content::BYTES_MAX)]
    TooLong {
        /// How many they have.
        bytes: usize,
    },
}

impl InvalidContent {
    /// The list it is about; the first one if it is all of them.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::TooMany { field, .. } => field,
            Self::TooLong { .. } => "completed",
        }
    }
}

impl Content {
    /// The most entries of each list of things.
    pub const ITEMS_MAX: usize = 100;
    /// The most files.
    pub const FILES_MAX: usize = 200;
    /// The most links.
    pub const LINKS_MAX: usize = 100;
    /// The greatest length of all lists together in bytes: 256 KiB.
    pub const BYTES_MAX: usize = 256 * 1024;

    /// Counts and measures.
    pub fn try_new(lists: Lists) -> Result<Self, InvalidContent> {
        let counts = [
            ("completed", lists.completed.len(), Self::ITEMS_MAX),
            ("in_progress", lists.in_progress.len(), Self::ITEMS_MAX),
            ("decisions", lists.decisions.len(), Self::ITEMS_MAX),
            ("next_steps", lists.next_steps.len(), Self::ITEMS_MAX),
            ("files", lists.files.len(), Self::FILES_MAX),
            ("links", lists.links.len(), Self::LINKS_MAX),
        ];
        if let Some((field, given, max)) = counts.into_iter().find(|(_, given, max)| given > max) {
            return Err(InvalidContent::TooMany { field, given, max });
        }
        let content = Self(lists);
        let bytes = content.texts().map(str::len).sum();
        if bytes > Self::BYTES_MAX { Err(InvalidContent::TooLong { bytes }) } else { Ok(content) }
    }

    /// The lists, one by one.
    pub fn lists(&self) -> &Lists {
        &self.0
    }

    /// Every text in it, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let Lists { completed, in_progress, decisions, next_steps, files, links } = &self.0;
        let items = completed.iter().chain(in_progress).chain(decisions).chain(next_steps).map(Item::as_str);
        items.chain(files.iter().map(FileName::as_str)).chain(links.iter().map(Link::target))
    }
}

impl From<Content> for Lists {
    fn from(content: Content) -> Self {
        content.0
    }
}

impl TryFrom<Lists> for Content {
    type Error = InvalidContent;
    fn try_from(lists: Lists) -> Result<Self, InvalidContent> {
        Self::try_new(lists)
    }
}

/// A file: spelt like a lock key where it can be, so that it is found under any spelling, and as given otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = LockKey::BYTES_MAX;

    /// Brings it into its one spelling.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        if let Ok(key) = LockKey::parse(text.trim()) {
            return Ok(Self(key.into()));
        }
        let text = text.trim();
        let fits = (1..=Self::BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        let invalid = InvalidText { field: "files", bytes_max: Self::BYTES_MAX, lines: false };
        if fits { Ok(Self(text.to_owned())) } else { Err(invalid) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<FileName> for String {
    fn from(file: FileName) -> Self {
        file.0
    }
}

impl TryFrom<String> for FileName {
    type Error = InvalidText;
    fn try_from(text: String) -> Result<Self, InvalidText> {
        Self::parse(&text)
    }
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// A task, by its id.
    Task,
    /// A lock, by its key.
    Lock,
    /// A message, by its id.
    Message,
    /// Another handoff, by its id.
    Handoff,
    /// A commit, by its hash.
    Commit,
    /// An address on the web.
    Url,
}

/// Something else to look at. Whether it is there is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub struct Link(Named);

/// A kind and a name, before it is known whether they go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    kind: LinkKind,
    target: String,
}

/// A target that cannot be of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a link of this kind leads to {expected}")]
pub struct InvalidLink {
    /// What was expected.
    pub expected: &'static str,
}

impl Link {
    /// The greatest length of a target in bytes.
    pub const BYTES_MAX: usize = 2_048;
    /// How many digits of a commit's hash there must be at least.
    const COMMIT_DIGITS_MIN: usize = 7;
    /// How many digits a commit's hash has at most.
    const COMMIT_DIGITS_MAX: usize = 64;

    /// Checks the form of the target.
    pub fn parse(kind: LinkKind, target: &str) -> Result<Self, InvalidLink> {
        let target = target.trim();
        let (expected, checked) = match kind {
            LinkKind::Task => ("the id of a task", TaskId::parse(target).ok().map(String::from)),
            LinkKind::Lock => ("a lock key", LockKey::parse(target).ok().map(String::from)),
            LinkKind::Message => ("the id of a message", MessageId::parse(target).ok().map(String::from)),
            LinkKind::Handoff => ("the id of a handoff", HandoffId::parse(target).ok().map(String::from)),
            LinkKind::Commit => ("7 to 64 hexadecimal digits", is_commit(target).then(|| target.to_ascii_lowercase())),
            LinkKind::Url => ("an address with http:// or https://", is_url(target).then(|| target.to_owned())),
        };
        checked.map(|target| Self(Named { kind, target })).ok_or(InvalidLink { expected })
    }

    /// What it leads to.
    pub fn kind(&self) -> LinkKind {
        self.0.kind
    }

    /// Where that is.
    pub fn target(&self) -> &str {
        &self.0.target
    }
}

fn is_commit(target: &str) -> bool {
    (Link::COMMIT_DIGITS_MIN..=Link::COMMIT_DIGITS_MAX).contains(&target.len())
        && target.chars().all(|c| c.is_ascii_hexdigit())
}

fn is_url(target: &str) -> bool {
    let rest = target.strip_prefix("https://").or_else(|| target.strip_prefix("http://")).unwrap_or_default();
    !rest.is_empty() && target.len() <= Link::BYTES_MAX && !rest.chars().any(|c| c.is_whitespace() || c.is_control())
}

impl From<Link> for Named {
    fn from(link: Link) -> Self {
        link.0
    }
}

impl TryFrom<Named> for Link {
    type Error = InvalidLink;
    fn try_from(Named { kind, target }: Named) -> Result<Self, InvalidLink> {
        Self::parse(kind, &target)
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
