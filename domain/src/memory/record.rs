//! A memory, and what becomes of it.

use crate::ids::{AgentId, MemoryId, ProjectId, SessionId};
use crate::locks::lease::Reason;
use crate::memory::content::{Content, EventType, Importance, Stream};
use crate::memory::realm::{Realm, Scope};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Who wrote a memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The agent.
    pub agent: AgentId,
    /// In which of its sessions, if it was in one.
    pub session: Option<SessionId>,
}

/// What others found of a memory, one verdict of each agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// To how many it was helpful.
    pub helpful: u32,
    /// How many found it wrong.
    pub wrong: u32,
    /// How many found it true no longer.
    pub stale: u32,
}

/// What an agent found of a memory. Its last verdict counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It helped.
    Helpful,
    /// It is wrong.
    Wrong,
    /// It was true once.
    Stale,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Helpful, Self::Wrong, Self::Stale];

    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Helpful => "helpful",
            Self::Wrong => "wrong",
            Self::Stale => "stale",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }
}

impl Feedback {
    /// With the verdict of an agent that said `before` until now.
    #[must_use]
    pub fn with(mut self, before: Option<Verdict>, verdict: Verdict) -> Self {
        if let Some(before) = before {
            let count = self.of(before);
            *count = count.saturating_sub(1);
        }
        let count = self.of(verdict);
        *count = count.saturating_add(1);
        self
    }

    fn of(&mut self, verdict: Verdict) -> &mut u32 {
        match verdict {
            Verdict::Helpful => &mut self.helpful,
            Verdict::Wrong => &mut self.wrong,
            Verdict::Stale => &mut self.stale,
        }
    }
}

/// That another memory took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// Which.
    pub by: MemoryId,
    /// From when on.
    pub at: DateTime<Utc>,
}

/// That its words were taken away for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redacted {
    /// By whom.
    pub by: AgentId,
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: Option<Reason>,
}

/// Where a memory stands among others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// In which row.
    pub stream: Stream,
    /// At which place of it, from 1. What was there before and was forgotten leaves its place empty.
    pub position: u64,
}

/// Something that happened and what was learned from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Its id.
    pub id: MemoryId,
    /// The project it was written in.
    pub project: ProjectId,
    /// How far it is seen.
    pub scope: Scope,
    /// Who wrote it first.
    pub author: Author,
    /// What kind of thing it is.
    pub event_type: EventType,
    /// Where it stands.
    pub place: Place,
    /// What it says; `None` once it is redacted.
    pub content: Option<Content>,
    /// How much it matters.
    pub importance: Importance,
    /// Whether it is kept for ever, and comes first among equals.
    pub pinned: bool,
    /// How often it was remembered: duplicates are merged into one.
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
    /// Which memory it takes the place of.
    pub supersedes: Option<MemoryId>,
    /// Which memory took its place.
    pub superseded: Option<Superseded>,
    /// Whether its words were taken away.
    pub redacted: Option<Redacted>,
    /// What others found of it.
    pub feedback: Feedback,
    /// How often it was changed; rises by one with each.
    pub revision: u64,
}

impl Memory {
    /// Where it lies.
    pub fn realm(&self) -> Realm {
        Realm::of(self.scope, &self.project, &self.author.agent)
    }

    /// From when on it is no answer any more: the end of its validity, or when another took its place.
    pub fn ended_at(&self) -> Option<DateTime<Utc>> {
        let superseded = self.superseded.as_ref().map(|it| it.at);
        self.valid_until.into_iter().chain(superseded).min()
    }

    /// Whether it is an answer at an instant. Redacted ones never are.
    pub fn holds_at(&self, at: DateTime<Utc>) -> bool {
        self.redacted.is_none() && self.valid_from <= at && self.ended_at().is_none_or(|ended| at < ended)
    }

    /// What it is worth keeping for, when it is old: its importance, with two for each agent it helped and for each time
    /// it was remembered again, and two less for each that found it wrong or stale.
    pub fn worth(&self) -> i64 {
        let good = i64::from(self.feedback.helpful) + i64::from(self.seen.saturating_sub(1));
        let bad = i64::from(self.feedback.wrong) + i64::from(self.feedback.stale);
        i64::from(self.importance.get()) + 2 * good - 2 * bad
    }
}
