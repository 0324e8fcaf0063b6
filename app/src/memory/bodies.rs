//! What requests about memories look like on the wire, and what they mean.

use crate::http::problem::Problem;
use chrono::{DateTime, SubsecRound, Utc};
use domain::ids::{InvalidId, MemoryId, TaskId};
use domain::locks::key::LockKey;
use domain::locks::lease::Reason;
use domain::memory::content::{
    CommitHash, Content, EventType, Importance, Lesson, Link, Outcome, Stream, Summary, Tag, Words,
};
use domain::memory::realm::Scope;
use domain::memory::record::Verdict;
use domain::memory::remember::Draft;
use poem_openapi::types::Any;
use poem_openapi::{Enum, Object};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Digits of a timestamp's fraction that are kept.
const FRACTION_DIGITS: u16 = 6;

/// How far a memory is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Enum)]
#[oai(rename = "MemoryScope", rename_all = "snake_case")]
pub enum ScopeBody {
    /// By the agent that wrote it, in all its sessions.
    Private,
    /// By every agent of its project.
    Project,
    /// By every agent of every project that asks for it.
    Shared,
}

impl From<ScopeBody> for Scope {
    fn from(scope: ScopeBody) -> Self {
        match scope {
            ScopeBody::Private => Self::Private,
            ScopeBody::Project => Self::Project,
            ScopeBody::Shared => Self::Shared,
        }
    }
}

impl From<Scope> for ScopeBody {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Private => Self::Private,
            Scope::Project => Self::Project,
            Scope::Shared => Self::Shared,
        }
    }
}

/// What a memory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "MemoryLinkKind", rename_all = "snake_case")]
pub enum LinkKindBody {
    /// A file, spelt like a lock key.
    File,
    /// A task, by its id.
    Task,
    /// A commit, by its hash.
    Commit,
}

/// Something that a memory is about. Whether it is there is not asked.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MemoryLink", deny_unknown_fields)]
pub struct LinkBody {
    /// What it is.
    pub kind: LinkKindBody,
    /// Where it is.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub target: String,
}

impl LinkBody {
    fn read(&self, field: &str) -> Result<Link, Problem> {
        let field = format!("{field}.target");
        match self.kind {
            LinkKindBody::File => {
                LockKey::parse(&self.target).map(Link::File).map_err(|e| Problem::invalid(&field, &e))
            }
            LinkKindBody::Task => TaskId::parse(&self.target).map(Link::Task).map_err(|e| Problem::invalid(&field, &e)),
            LinkKindBody::Commit => {
                CommitHash::parse(&self.target).map(Link::Commit).map_err(|e| Problem::invalid(&field, &e))
            }
        }
    }
}

impl From<&Link> for LinkBody {
    fn from(link: &Link) -> Self {
        match link {
            Link::File(key) => Self { kind: LinkKindBody::File, target: key.to_string() },
            Link::Task(id) => Self { kind: LinkKindBody::Task, target: id.to_string() },
            Link::Commit(hash) => Self { kind: LinkKindBody::Commit, target: hash.as_str().to_owned() },
        }
    }
}

/// Something to be remembered. Who remembers it is whoever the key says.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "Remember", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RememberBody {
    /// How far it is seen; `project` if left out. `shared` needs the role `orchestrator`.
    pub scope: Option<ScopeBody>,
    /// What kind of thing it is, in small letters, such as `error_fixed` or `decision`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub event_type: String,
    /// What happened, in a few words; at most 4 KiB.
    #[oai(validator(min_length = 1, max_length = 4096))]
    pub summary: String,
    /// Whatever else is known about it; at most 64 KiB written compactly, and 32 levels.
    pub details: Option<BTreeMap<String, Any<Value>>>,
    /// How it ended, such as `success`.
    #[oai(validator(min_length = 1, max_length = 256))]
    pub outcome: Option<String>,
    /// What was learned from it; at most 50 lessons of 2 KiB.
    #[oai(validator(max_items = 50))]
    pub lessons: Option<Vec<String>>,
    /// Words to find it by, without spaces; at most 50.
    #[oai(validator(max_items = 50))]
    pub tags: Option<Vec<String>>,
    /// What it is about; at most 100.
    #[oai(validator(max_items = 100))]
    pub links: Option<Vec<LinkBody>>,
    /// How much it matters; 5 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "10")))]
    pub importance: Option<u8>,
    /// The row of memories it belongs to, in order; that of your session if left out.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub stream: Option<String>,
    /// When it happened; now if left out.
    pub happened_at: Option<DateTime<Utc>>,
    /// From when on it holds; from when it happened if left out.
    pub valid_from: Option<DateTime<Utc>>,
    /// Until when it holds, if that has an end.
    pub valid_until: Option<DateTime<Utc>>,
    /// Whether it is kept for ever, however old it becomes.
    pub pinned: Option<bool>,
    /// The memory it takes the place of, which must be of the same scope. That one is not found any more, but with
    /// `as_of` or `include_ended`.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub supersedes: Option<String>,
}

impl RememberBody {
    /// Reads every field but `supersedes`, or says which one cannot be.
    pub fn read(self) -> Result<Draft, Problem> {
        let lessons = each("lessons", self.lessons.unwrap_or_default(), Lesson::parse)?;
        let tags = each("tags", self.tags.unwrap_or_default(), Tag::parse)?;
        let links = self.links.unwrap_or_default();
        let links = links.iter().enumerate().map(|(at, link)| link.read(&format!("links[{at}]")));
        let details = self.details.unwrap_or_default().into_iter().map(|(name, Any(value))| (name, value));
        let words = Words {
            summary: Summary::parse(&self.summary).map_err(|error| Problem::invalid("summary", &error))?,
            details: details.collect(),
            outcome: parsed("outcome", self.outcome.as_deref(), Outcome::parse)?,
            lessons,
            tags: tags.into_iter().collect(),
            links: links.collect::<Result<BTreeSet<Link>, Problem>>()?,
        };
        let importance = self.importance.map_or(Ok(Importance::DEFAULT), Importance::try_new);
        Ok(Draft {
            scope: self.scope.map_or(Scope::Project, Into::into),
            event_type: EventType::parse(&self.event_type).map_err(|error| Problem::invalid("event_type", &error))?,
            stream: parsed("stream", self.stream.as_deref(), Stream::parse)?,
            content: Content::try_new(words).map_err(|error| Problem::invalid(error.field, &error))?,
            importance: importance.map_err(|error| Problem::invalid("importance", &error))?,
            happened_at: self.happened_at.map(micros),
            valid_from: self.valid_from.map(micros),
            valid_until: self.valid_until.map(micros),
            supersedes: None,
            pinned: self.pinned.unwrap_or(false),
        })
    }
}

/// What you found of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "MemoryVerdict", rename_all = "snake_case")]
pub enum VerdictBody {
    /// It helped.
    Helpful,
    /// It is wrong.
    Wrong,
    /// It was true once.
    Stale,
}

impl From<VerdictBody> for Verdict {
    fn from(verdict: VerdictBody) -> Self {
        match verdict {
            VerdictBody::Helpful => Self::Helpful,
            VerdictBody::Wrong => Self::Wrong,
            VerdictBody::Stale => Self::Stale,
        }
    }
}

/// What you found of a memory.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RateMemory", deny_unknown_fields)]
pub struct RateBody {
    /// In a word. Your last one counts.
    pub verdict: VerdictBody,
}

/// Which memory takes the place of another.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SupersedeMemory", deny_unknown_fields)]
pub struct SupersedeBody {
    /// The newer one, which must be of the same scope.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub by: String,
}

/// When a memory holds.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MemoryValidity", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ValidityBody {
    /// From when on; as before if left out.
    pub valid_from: Option<DateTime<Utc>>,
    /// Until when; without an end if left out.
    pub valid_until: Option<DateTime<Utc>>,
}

/// Why the words of a memory are taken away.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RedactMemory", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RedactBody {
    /// In words that say nothing of what is taken away: they stay.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub reason: Option<String>,
}

impl RedactBody {
    /// Reads it.
    pub fn read(self) -> Result<Option<Reason>, Problem> {
        parsed("reason", self.reason.as_deref(), Reason::parse)
    }
}

/// The id of a memory that a field names.
pub fn memory_id(field: &str, text: &str) -> Result<MemoryId, Problem> {
    MemoryId::parse(text).map_err(|error: InvalidId| Problem::invalid(field, &error))
}

/// Reads a value that may be left out.
pub fn parsed<T, E: std::error::Error>(
    field: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    text.map(parse).transpose().map_err(|error| Problem::invalid(field, &error))
}

/// Reads each value of a list.
pub fn each<T, E: std::error::Error>(
    field: &str,
    texts: Vec<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Problem> {
    let read =
        |(at, text): (usize, String)| parse(&text).map_err(|error| Problem::invalid(&format!("{field}[{at}]"), &error));
    texts.into_iter().enumerate().map(read).collect()
}

/// A timestamp as stores keep it.
pub fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(FRACTION_DIGITS)
}
