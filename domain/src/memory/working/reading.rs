//! Who may read the working memory of a session, and for how long.

use crate::agents::Session;
use crate::identity::principal::Role;
use crate::ids::AgentId;
use crate::memory::working::WorkingRefusal;
use crate::memory::working::content::TokenBudget;
use chrono::{DateTime, TimeDelta, Utc};

/// Who wants to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The agent.
    pub agent: AgentId,
    /// What it may do.
    pub role: Role,
    /// Whether it took a handoff that the session gave.
    pub is_successor: bool,
}

impl Reader {
    /// Whether it is to be asked if this reader is a successor.
    pub fn needs_handoff(&self, session: &Session) -> bool {
        session.agent != self.agent && self.role < Role::Orchestrator
    }

    /// The agent itself reads in all its sessions; so do orchestrators, and whoever took a handoff of the session.
    pub fn may_read(&self, session: &Session) -> Result<(), WorkingRefusal> {
        if self.is_successor || !self.needs_handoff(session) {
            Ok(())
        } else {
            Err(WorkingRefusal::NotYours { session: session.id.clone() })
        }
    }
}

/// How long the working memory of a session is kept once that has ended, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept(u32);

/// A time to keep out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("working memory is kept for {given} days: it must be 1 to {}", Kept::DAYS_MAX)]
pub struct InvalidKept {
    /// What was asked for, in days.
    pub given: u32,
}

impl Kept {
    /// The longest time.
    pub const DAYS_MAX: u32 = 365;
    /// The time when nothing else is said: a week.
    pub const DEFAULT: Self = Self(7);

    /// Checks the bounds.
    pub fn try_new(days: u32) -> Result<Self, InvalidKept> {
        if (1..=Self::DAYS_MAX).contains(&days) { Ok(Self(days)) } else { Err(InvalidKept { given: days }) }
    }

    /// The time.
    pub fn length(self) -> TimeDelta {
        TimeDelta::days(self.0.into())
    }

    /// Whether what a session kept is still there for its successor.
    pub fn is_kept(self, session: &Session, now: DateTime<Utc>) -> bool {
        end_of(session, now).is_none_or(|end| now < end + self.length())
    }
}

/// What holds for the working memory of every session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The budget of a session for which none was set.
    pub budget: TokenBudget,
    /// How long it is kept.
    pub kept: Kept,
}

impl Default for Terms {
    fn default() -> Self {
        Self { budget: TokenBudget::DEFAULT, kept: Kept::DEFAULT }
    }
}

/// When a session ended, whether that was written down or not.
pub fn end_of(session: &Session, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    session.ended_at.or_else(|| (!session.is_live(now)).then_some(session.live_until))
}
