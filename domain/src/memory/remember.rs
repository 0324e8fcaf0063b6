//! Remembering: a new memory, or one more time of what is remembered already.

use crate::ids::{AgentId, MemoryId, ProjectId};
use crate::memory::content::{Content, EventType, Importance, Stream, Summary};
use crate::memory::realm::Scope;
use crate::memory::record::{Author, Feedback, Memory, Place, Superseded};
use crate::memory::refusal::MemoryRefusal;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// How far apart the same thing happens and is still remembered as one.
pub const TWIN_WITHIN: TimeDelta = TimeDelta::hours(1);

/// How far in the future something may have happened: clocks differ.
pub const HAPPENED_AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// What somebody wants to be remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// How far it is seen.
    pub scope: Scope,
    /// What kind of thing it is.
    pub event_type: EventType,
    /// The row it belongs to; the session's, if none is named.
    pub stream: Option<Stream>,
    /// What it says.
    pub content: Content,
    /// How much it matters.
    pub importance: Importance,
    /// When it happened; now, if nobody says.
    pub happened_at: Option<DateTime<Utc>>,
    /// From when on it holds; from when it happened, if nobody says.
    pub valid_from: Option<DateTime<Utc>>,
    /// Until when it holds.
    pub valid_until: Option<DateTime<Utc>>,
    /// Which memory it takes the place of.
    pub supersedes: Option<MemoryId>,
    /// Whether it is kept for ever.
    pub pinned: bool,
}

/// What makes two memories the same: realm, stream, agent, type and summary, but for case, spaces and forms of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of a memory of an agent.
    pub fn of(scope: Scope, stream: &Stream, agent: &AgentId, event_type: &EventType, summary: &Summary) -> Self {
        let mut hash = Sha256::new();
        let summary = summary.as_str().nfkc().collect::<String>().to_lowercase();
        let words: Vec<&str> = summary.split_whitespace().collect();
        for part in [scope.as_str(), stream.as_str(), &agent.to_string(), event_type.as_str(), &words.join(" ")] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

impl Memory {
    /// What its twins have too; `None` once its words were taken away.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let words = self.content.as_ref()?.words();
        Some(Fingerprint::of(self.scope, &self.place.stream, &self.author.agent, &self.event_type, &words.summary))
    }
}

/// What a memory is stored by besides what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The id of a new one.
    pub id: MemoryId,
    /// The project it is written in.
    pub project: ProjectId,
    /// Who writes it.
    pub author: Author,
    /// The row it belongs to.
    pub stream: Stream,
    /// The last taken place of that row; 0 if it has none.
    pub last_position: u64,
    /// The store's time.
    pub now: DateTime<Utc>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Remembered {
    /// It is new.
    Stored(Memory),
    /// It was known: this is what is known now.
    Merged(Memory),
}

impl Draft {
    /// When it happened, at the store's time `now`.
    pub fn happened_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.happened_at.unwrap_or(now)
    }

    /// Whether it is what `twin` is, once more: within an hour, and neither says that it takes the place of another.
    fn is_again(&self, twin: &Memory, now: DateTime<Utc>) -> bool {
        let apart = (self.happened_at(now) - twin.happened_at).abs();
        apart <= TWIN_WITHIN
            && self.supersedes.is_none()
            && twin.superseded.is_none()
            && twin.redacted.is_none()
            && self.valid_from.is_none()
            && self.valid_until == twin.valid_until
    }

    /// Makes it a memory, or adds it to its twin: a memory of the same [`Fingerprint`]. What would be too much in one is
    /// two.
    pub fn remember(self, twin: Option<&Memory>, scene: Scene) -> Result<Remembered, MemoryRefusal> {
        let now = scene.now;
        let happened_at = self.happened_at(now);
        if happened_at > now + HAPPENED_AHEAD_MAX {
            return Err(MemoryRefusal::NotYet { happened_at });
        }
        if let Some(again) = twin.filter(|twin| self.is_again(twin, now)).and_then(|twin| self.added_to(twin, now)) {
            return Ok(Remembered::Merged(again));
        }
        let valid_from = self.valid_from.unwrap_or(happened_at);
        if let Some(valid_until) = self.valid_until.filter(|until| *until <= valid_from) {
            return Err(MemoryRefusal::NeverValid { valid_from, valid_until });
        }
        Ok(Remembered::Stored(Memory {
            id: scene.id,
            project: scene.project,
            scope: self.scope,
            author: scene.author,
            event_type: self.event_type,
            place: Place { stream: scene.stream, position: scene.last_position.saturating_add(1) },
            content: Some(self.content),
            importance: self.importance,
            pinned: self.pinned,
            seen: 1,
            happened_at,
            created_at: now,
            updated_at: now,
            valid_from,
            valid_until: self.valid_until,
            supersedes: self.supersedes,
            superseded: None,
            redacted: None,
            feedback: Feedback::default(),
            revision: 1,
        }))
    }

    fn added_to(&self, twin: &Memory, now: DateTime<Utc>) -> Option<Memory> {
        let content = twin.content.as_ref()?.united_with(&self.content).ok()?;
        Some(Memory {
            content: Some(content),
            importance: twin.importance.max(self.importance),
            pinned: twin.pinned || self.pinned,
            seen: twin.seen.saturating_add(1),
            happened_at: twin.happened_at.max(self.happened_at(now)),
            updated_at: now,
            revision: twin.revision + 1,
            ..twin.clone()
        })
    }
}

/// Lets a new memory take the place of an old one from when on the new one holds. Both lie in one realm.
pub fn supersede(old: &Memory, by: &Memory, now: DateTime<Utc>) -> Result<Memory, MemoryRefusal> {
    if old.realm() != by.realm() {
        return Err(MemoryRefusal::Elsewhere { id: old.id });
    }
    if old.redacted.is_some() {
        return Err(MemoryRefusal::Redacted { id: old.id });
    }
    if let Some(superseded) = &old.superseded {
        return Err(MemoryRefusal::Superseded { id: old.id, by: superseded.by });
    }
    let at = by.valid_from.max(old.valid_from);
    Ok(Memory {
        superseded: Some(Superseded { by: by.id, at }),
        updated_at: now,
        revision: old.revision + 1,
        ..old.clone()
    })
}
