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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::{Offers, SessionTtl};
    use crate::ids::{AgentType, ProjectId, SessionId};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// Ann's, which lives for a minute unless it is heard from.
    fn session() -> Session {
        Session {
            project: ProjectId::parse("default").unwrap(),
            id: SessionId::parse("ann-1").unwrap(),
            agent: AgentId::parse("ann").unwrap(),
            is_default: false,
            ttl: SessionTtl::DEFAULT,
            offers: Offers::of_type(AgentType::parse("test").unwrap()),
            started_at: at(0),
            last_seen_at: at(0),
            live_until: at(60),
            ended_at: None,
        }
    }

    fn reader(agent: &str, role: Role, is_successor: bool) -> Reader {
        Reader { agent: AgentId::parse(agent).unwrap(), role, is_successor }
    }

    #[test]
    fn its_agent_reads_it_and_orchestrators_and_its_successor_and_nobody_else() {
        let may = |reader: Reader| reader.may_read(&session()).is_ok();
        assert!(may(reader("ann", Role::Agent, false)));
        assert!(may(reader("olga", Role::Orchestrator, false)) && may(reader("ada", Role::Admin, false)));
        assert!(may(reader("bob", Role::Agent, true)));
        let refused = reader("bob", Role::Agent, false).may_read(&session());
        assert_eq!(refused, Err(WorkingRefusal::NotYours { session: session().id }));
        assert!(reader("bob", Role::Agent, false).needs_handoff(&session()));
        assert!(!reader("ann", Role::Agent, false).needs_handoff(&session()));
    }

    #[test]
    fn it_is_kept_for_its_days_after_the_end_whether_that_was_written_down_or_not() {
        let (kept, day) = (Kept::try_new(1).unwrap(), 24 * 3_600);
        let ended = Session { ended_at: Some(at(10)), ..session() };
        assert!(kept.is_kept(&session(), at(59)) && kept.is_kept(&session(), at(60 + day - 1)));
        assert!(!kept.is_kept(&session(), at(60 + day)));
        assert!(kept.is_kept(&ended, at(10 + day - 1)) && !kept.is_kept(&ended, at(10 + day)));
        assert_eq!((end_of(&session(), at(59)), end_of(&session(), at(60))), (None, Some(at(60))));
        assert!(Kept::try_new(0).is_err() && Kept::try_new(366).is_err());
    }
}
