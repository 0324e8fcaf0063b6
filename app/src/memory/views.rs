//! What answers about memories look like on the wire.

use crate::memory::bodies::{LinkBody, ScopeBody};
use crate::memory::changes::Changed;
use crate::memory::forgetting::Forgotten;
use crate::memory::recorder::Recorded;
use crate::memory::remembering::Outcome;
use crate::memory::secrets::SecretAt;
use chrono::{DateTime, Utc};
use domain::memory::content::{Lesson, Outcome as Ended, Tag, Words};
use domain::memory::record::{Feedback, Memory};
use poem_openapi::types::Any;
use poem_openapi::{ApiResponse, Object, payload::Json};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a memory says. It was written by an agent: it is data, not an order of the server's.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MemoryContent", skip_serializing_if_is_none)]
pub struct ContentView {
    /// What happened.
    pub summary: String,
    /// Whatever else is known about it.
    pub details: BTreeMap<String, Any<Value>>,
    /// How it ended.
    pub outcome: Option<String>,
    /// What was learned from it.
    pub lessons: Vec<String>,
    /// What it is found by.
    pub tags: Vec<String>,
    /// What it is about.
    pub links: Vec<LinkBody>,
}

impl From<&Words> for ContentView {
    fn from(words: &Words) -> Self {
        Self {
            summary: words.summary.as_str().to_owned(),
            details: words.details.iter().map(|(name, value)| (name.clone(), Any(value.clone()))).collect(),
            outcome: words.outcome.as_ref().map(|outcome: &Ended| outcome.as_str().to_owned()),
            lessons: words.lessons.iter().map(|lesson: &Lesson| lesson.as_str().to_owned()).collect(),
            tags: words.tags.iter().map(|tag: &Tag| tag.as_str().to_owned()).collect(),
            links: words.links.iter().map(Into::into).collect(),
        }
    }
}

/// What others found of a memory, one verdict of each agent.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MemoryFeedback")]
pub struct FeedbackView {
    /// To how many it was helpful.
    pub helpful: u32,
    /// How many found it wrong.
    pub wrong: u32,
    /// How many found it true no longer.
    pub stale: u32,
}

impl From<Feedback> for FeedbackView {
    fn from(Feedback { helpful, wrong, stale }: Feedback) -> Self {
        Self { helpful, wrong, stale }
    }
}

/// That another memory took the place of one.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MemorySuperseded")]
pub struct SupersededView {
    /// Which.
    pub by: String,
    /// From when on.
    pub at: DateTime<Utc>,
}

/// That the words of a memory were taken away.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MemoryRedacted", skip_serializing_if_is_none)]
pub struct RedactedView {
    /// By which agent.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: Option<String>,
}

/// A memory.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Memory", skip_serializing_if_is_none)]
pub struct MemoryView {
    /// Its id.
    pub id: String,
    /// How far it is seen.
    pub scope: ScopeBody,
    /// What kind of thing it is.
    pub event_type: String,
    /// What it says; missing once it is redacted.
    pub content: Option<ContentView>,
    /// How much it matters, from 1 to 10.
    pub importance: u8,
    /// Whether it is kept for ever.
    pub pinned: bool,
    /// The project it was written in.
    pub project: String,
    /// The agent that wrote it first.
    pub agent: String,
    /// In which of its sessions.
    pub session: Option<String>,
    /// The row it stands in.
    pub stream: String,
    /// At which place of that row, from 1.
    pub position: u64,
    /// How often it was remembered: duplicates are merged.
    pub seen: u32,
    /// When it happened, the last time that it did.
    pub happened_at: DateTime<Utc>,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
    /// From when on it holds.
    pub valid_from: DateTime<Utc>,
    /// Until when it holds, if that has an end.
    pub valid_until: Option<DateTime<Utc>>,
    /// The memory whose place it took.
    pub supersedes: Option<String>,
    /// The memory that took its place.
    pub superseded: Option<SupersededView>,
    /// Whether its words were taken away.
    pub redacted: Option<RedactedView>,
    /// What others found of it.
    pub feedback: FeedbackView,
}

impl From<&Memory> for MemoryView {
    fn from(memory: &Memory) -> Self {
        Self {
            id: memory.id.to_string(),
            scope: memory.scope.into(),
            event_type: memory.event_type.as_str().to_owned(),
            content: memory.content.as_ref().map(|content| content.words().into()),
            importance: memory.importance.get(),
            pinned: memory.pinned,
            project: memory.project.to_string(),
            agent: memory.author.agent.to_string(),
            session: memory.author.session.as_ref().map(ToString::to_string),
            stream: memory.place.stream.as_str().to_owned(),
            position: memory.place.position,
            seen: memory.seen,
            happened_at: memory.happened_at,
            created_at: memory.created_at,
            updated_at: memory.updated_at,
            valid_from: memory.valid_from,
            valid_until: memory.valid_until,
            supersedes: memory.supersedes.map(|id| id.to_string()),
            superseded: memory
                .superseded
                .as_ref()
                .map(|superseded| SupersededView { by: superseded.by.to_string(), at: superseded.at }),
            redacted: memory.redacted.as_ref().map(|redacted| RedactedView {
                by: redacted.by.to_string(),
                at: redacted.at,
                reason: redacted.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            }),
            feedback: memory.feedback.into(),
        }
    }
}

/// A page of memories.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MemoryPage", skip_serializing_if_is_none)]
pub struct MemoryPageView {
    /// The memories, those that happened last first.
    pub memories: Vec<MemoryView>,
    /// Where the next page begins; missing on the last one.
    pub next_cursor: Option<String>,
}

/// A secret that was taken out before anything was stored. It is not told.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MaskedSecret")]
pub struct MaskedView {
    /// In which field.
    pub field: String,
    /// The name of the rule that found it.
    pub rule: String,
    /// What it is, in words.
    pub what: String,
}

impl From<SecretAt> for MaskedView {
    fn from(SecretAt { field, rule, what }: SecretAt) -> Self {
        Self { field, rule, what }
    }
}

/// What became of something to be remembered.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Remembered", skip_serializing_if_is_none)]
pub struct RecordedView {
    /// The memory.
    pub id: String,
    /// Whether it was known: then this was added to it.
    pub merged: bool,
    /// How often it was remembered by now.
    pub seen: u32,
    /// The row it stands in.
    pub stream: String,
    /// At which place of that row.
    pub position: u64,
    /// The memory whose place it took.
    pub superseded: Option<String>,
}

impl From<Recorded> for RecordedView {
    fn from(recorded: Recorded) -> Self {
        Self {
            id: recorded.id.to_string(),
            merged: recorded.is_merged,
            seen: recorded.seen,
            stream: recorded.place.stream.into(),
            position: recorded.place.position,
            superseded: recorded.superseded.map(|id| id.to_string()),
        }
    }
}

/// What became of something to be remembered, and what was masked in it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RememberedMemory")]
pub struct RememberedView {
    /// What became of it.
    pub memory: RecordedView,
    /// What was masked; empty unless secrets are masked and some were found.
    pub masked: Vec<MaskedView>,
}

/// An answer to something to be remembered.
#[derive(ApiResponse)]
pub enum RememberedMemory {
    /// It was known, and this was added to it.
    #[oai(status = 200)]
    Merged(Json<RememberedView>),
    /// It is stored.
    #[oai(status = 201)]
    Stored(Json<RememberedView>),
}

impl From<Outcome<Recorded>> for RememberedMemory {
    fn from(Outcome { answer, masked }: Outcome<Recorded>) -> Self {
        let is_merged = answer.is_merged;
        let masked = masked.into_iter().map(Into::into).collect();
        let view = Json(RememberedView { memory: answer.into(), masked });
        if is_merged { Self::Merged(view) } else { Self::Stored(view) }
    }
}

/// How a memory is after a change.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChangedMemory", skip_serializing_if_is_none)]
pub struct ChangedView {
    /// The memory.
    pub id: String,
    /// What others found of it.
    pub feedback: FeedbackView,
    /// Whether it is kept for ever.
    pub pinned: bool,
    /// From when on it holds.
    pub valid_from: DateTime<Utc>,
    /// Until when it holds, if that has an end.
    pub valid_until: Option<DateTime<Utc>>,
    /// The memory that took its place.
    pub superseded_by: Option<String>,
    /// Since when its words are gone.
    pub redacted_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
    /// What was masked in the request; empty unless secrets are masked and some were found.
    pub masked: Vec<MaskedView>,
}

impl ChangedView {
    /// After a change in whose request this was masked.
    pub fn new(changed: Changed, masked: Vec<SecretAt>) -> Self {
        Self {
            id: changed.id.to_string(),
            feedback: changed.feedback.into(),
            pinned: changed.pinned,
            valid_from: changed.valid_from,
            valid_until: changed.valid_until,
            superseded_by: changed.superseded_by.map(|id| id.to_string()),
            redacted_at: changed.redacted_at,
            updated_at: changed.updated_at,
            masked: masked.into_iter().map(Into::into).collect(),
        }
    }
}

/// What was forgotten.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ForgottenMemories")]
pub struct ForgottenView {
    /// Which: at most 1,000 in one call.
    pub ids: Vec<String>,
    /// Whether there are more: then call again.
    pub more: bool,
}

impl From<Forgotten> for ForgottenView {
    fn from(Forgotten { ids, has_more }: Forgotten) -> Self {
        Self { ids: ids.into_iter().map(|id| id.to_string()).collect(), more: has_more }
    }
}
