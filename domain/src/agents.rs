//! Sessions: which incarnation of an agent is speaking, and whether it lives. What is known of the agents themselves
//! stands in [`record`], and how they are in [`status`].
//!
//! A session lives for its TTL after the last sign of life that was written down, and never again after that: not when
//! it is heard from later, nor when nobody has noticed its end. What it holds is free at that instant.

pub mod environment;
mod offers;
pub mod record;
pub mod status;
pub mod uptime;
pub mod wake;

pub use offers::{InvalidOffers, Offers};

use crate::ids::{AgentId, AgentType, ProjectId, SessionId};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a session lives without a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct SessionTtl(u32);

/// A TTL of a session out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the TTL of a session is {given} seconds: it must be {} to {}",
    SessionTtl::SECONDS_MIN,
    SessionTtl::SECONDS_MAX
)]
pub struct InvalidSessionTtl {
    /// What was asked for, in seconds.
    pub given: u32,
}

impl SessionTtl {
    /// The shortest TTL.
    pub const SECONDS_MIN: u32 = 30;
    /// The longest TTL: a day.
    pub const SECONDS_MAX: u32 = 24 * 3600;
    /// The TTL of a session for which none was chosen: 15 minutes.
    pub const DEFAULT: Self = Self(15 * 60);
    /// A sign of life is written down when this part of the TTL has passed since the one before.
    pub const SIGNS_PER_TTL: i32 = 10;

    /// Checks the bounds.
    pub fn try_new(seconds: u32) -> Result<Self, InvalidSessionTtl> {
        let fits = (Self::SECONDS_MIN..=Self::SECONDS_MAX).contains(&seconds);
        if fits { Ok(Self(seconds)) } else { Err(InvalidSessionTtl { given: seconds }) }
    }

    /// The length in seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }

    pub(crate) fn length(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.0))
    }
}

impl Default for SessionTtl {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl From<SessionTtl> for u32 {
    fn from(ttl: SessionTtl) -> Self {
        ttl.0
    }
}

impl TryFrom<u32> for SessionTtl {
    type Error = InvalidSessionTtl;
    fn try_from(seconds: u32) -> Result<Self, InvalidSessionTtl> {
        Self::try_new(seconds)
    }
}

/// One incarnation of an agent in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The project it works in.
    pub project: ProjectId,
    /// Its name, unique in the project for ever.
    pub id: SessionId,
    /// The agent that first used it; nobody else ever can.
    pub agent: AgentId,
    /// Whether the server made it for calls that name no session.
    pub is_default: bool,
    /// How long it lives after a sign of life.
    pub ttl: SessionTtl,
    /// What its agent has to offer.
    pub offers: Offers,
    /// When it was first used.
    pub started_at: DateTime<Utc>,
    /// The last sign of life that was written down.
    pub last_seen_at: DateTime<Utc>,
    /// Until when it lives, exclusive, unless it is heard from before. Of an ended session, when it ended.
    pub live_until: DateTime<Utc>,
    /// When it ended, once that was written down; an ended session never comes back.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Session {
    /// Whether it lives at this instant, whatever was written down. There is no grace.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.ended_at.is_none() && now < self.live_until
    }
}

/// Why a session cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SessionRefusal {
    /// Another agent used this id first.
    #[error("session `{id}` belongs to another agent: choose another session id")]
    NotYours {
        /// The session that was named.
        id: SessionId,
    },
    /// The session has ended.
    #[error("session `{id}` has ended and cannot be revived: use a new session id")]
    Ended {
        /// The session that was named.
        id: SessionId,
        /// When it ended.
        ended_at: DateTime<Utc>,
    },
    /// No session of that name was ever used.
    #[error("there is no session `{id}`")]
    Unknown {
        /// The session that was named.
        id: SessionId,
    },
}

/// Who is speaking, before it is known whether the session exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionRequest {
    /// The project of the call.
    pub project: ProjectId,
    /// The agent the key is bound to.
    pub agent: AgentId,
    /// The kind of agent the key is bound to.
    pub agent_type: AgentType,
    /// The session the call names, if any.
    pub named: Option<SessionId>,
}

/// The session a call runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// It exists and may go on.
    Known {
        /// The session as it is now.
        session: Session,
        /// Whether this call changed it, so that it must be saved as seen.
        is_changed: bool,
    },
    /// It starts with this call and must be added.
    Started(Session),
    /// The default session before has died: its end must be saved, with that of all it held, and this one added.
    Replaced {
        /// The one that died, as it ended.
        dead: Session,
        /// The new incarnation, which holds nothing.
        started: Session,
    },
}

impl Resolved {
    /// The session, whichever way it came.
    pub fn session(&self) -> &Session {
        match self {
            Self::Known { session, .. } | Self::Started(session) | Self::Replaced { started: session, .. } => session,
        }
    }
}

/// Decides in which session a call runs; the call is a sign of life.
///
/// `found` is the stored session: of the named id, or else the agent's default one whose end was not written down.
/// `fresh` names a default session that has to be started.
pub fn resolve(
    request: SessionRequest,
    found: Option<Session>,
    fresh: SessionId,
    now: DateTime<Utc>,
) -> Result<Resolved, SessionRefusal> {
    let SessionRequest { project, agent, agent_type, named } = request;
    let is_default = named.is_none();
    let start = |id: SessionId| {
        let (agent, ttl, offers) = (agent.clone(), SessionTtl::DEFAULT, Offers::of_type(agent_type));
        started(Registration { project, agent, id, ttl, offers }, is_default, now)
    };
    match found {
        None => Ok(Resolved::Started(start(named.unwrap_or(fresh)))),
        Some(session) if is_default && session.agent == agent && !session.is_live(now) => {
            Ok(match reap(&session, now) {
                Some(dead) => Resolved::Replaced { dead, started: start(fresh) },
                None => Resolved::Started(start(fresh)),
            })
        }
        Some(session) => own(session, &agent, now).map(|session| known(session, now)),
    }
}

/// Decides whether a call that runs in no session may be made beside this one, and whether the call is a sign of life. It
/// starts nothing: a session that is not there may be named all the same, and a default one that has died is left for the
/// next call that runs in one.
pub fn vouch(
    request: &SessionRequest,
    found: Option<Session>,
    now: DateTime<Utc>,
) -> Result<Option<Resolved>, SessionRefusal> {
    let found = found.filter(|session| request.named.is_some() || session.is_live(now));
    found.map(|session| own(session, &request.agent, now).map(|session| known(session, now))).transpose()
}

/// The command to start a session by name, with a TTL and offers of one's own choosing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The project of the call.
    pub project: ProjectId,
    /// The agent the key is bound to.
    pub agent: AgentId,
    /// The name of the session.
    pub id: SessionId,
    /// How long it lives after a sign of life.
    pub ttl: SessionTtl,
    /// What its agent has to offer.
    pub offers: Offers,
}

/// Starts a session. For its own agent, while it lives, doing so again is a sign of life, and TTL and offers are those of
/// the last time; an end that was promised never moves back.
pub fn register(
    registration: Registration,
    found: Option<Session>,
    now: DateTime<Utc>,
) -> Result<Resolved, SessionRefusal> {
    let Some(session) = found else { return Ok(Resolved::Started(started(registration, false, now))) };
    let Registration { project: _, agent, id: _, ttl, offers } = registration;
    let session = own(session, &agent, now)?;
    if session.ttl == ttl && session.offers == offers {
        return Ok(known(session, now));
    }
    Ok(Resolved::Known { session: marked(&Session { ttl, offers, ..session }, now), is_changed: true })
}

/// A call that does nothing but say that the session lives. It starts none.
pub fn heartbeat(
    agent: &AgentId,
    id: &SessionId,
    found: Option<Session>,
    now: DateTime<Utc>,
) -> Result<Resolved, SessionRefusal> {
    let session = found.ok_or_else(|| SessionRefusal::Unknown { id: id.clone() })?;
    own(session, agent, now).map(|session| known(session, now))
}

/// Takes a sign of life; answers the session as it must be saved. `None` if the last one that was written down is young
/// enough, or the session lives no more.
pub fn seen(session: &Session, now: DateTime<Utc>) -> Option<Session> {
    let is_old = now - session.last_seen_at >= session.ttl.length() / SessionTtl::SIGNS_PER_TTL;
    (session.is_live(now) && is_old).then(|| marked(session, now))
}

/// Takes what a session offers from now on; answers the session as it must be saved. `None` if it offers that already, or
/// lives no more.
pub fn offer(session: &Session, offers: Offers, now: DateTime<Utc>) -> Option<Session> {
    let is_new = session.offers != offers;
    (session.is_live(now) && is_new).then(|| marked(&Session { offers, ..session.clone() }, now))
}

/// Ends a session for good.
pub fn end(session: Session, now: DateTime<Utc>) -> Result<Session, SessionRefusal> {
    if session.is_live(now) {
        return Ok(Session { live_until: now, ended_at: Some(now), ..session });
    }
    Err(ended(session))
}

/// Writes down that a session has died, at the instant it did. `None` if it lives, or its end is written down already.
pub fn reap(session: &Session, now: DateTime<Utc>) -> Option<Session> {
    let is_unnoticed = session.ended_at.is_none() && !session.is_live(now);
    is_unnoticed.then(|| Session { ended_at: Some(session.live_until), ..session.clone() })
}

fn started(registration: Registration, is_default: bool, now: DateTime<Utc>) -> Session {
    let Registration { project, agent, id, ttl, offers } = registration;
    let live_until = now + ttl.length();
    Session {
        project,
        id,
        agent,
        is_default,
        ttl,
        offers,
        started_at: now,
        last_seen_at: now,
        live_until,
        ended_at: None,
    }
}

/// The session, if this agent may use it.
fn own(session: Session, agent: &AgentId, now: DateTime<Utc>) -> Result<Session, SessionRefusal> {
    if session.agent != *agent {
        return Err(SessionRefusal::NotYours { id: session.id });
    }
    if session.is_live(now) { Ok(session) } else { Err(ended(session)) }
}

fn ended(session: Session) -> SessionRefusal {
    SessionRefusal::Ended { id: session.id, ended_at: session.ended_at.unwrap_or(session.live_until) }
}

fn known(session: Session, now: DateTime<Utc>) -> Resolved {
    match seen(&session, now) {
        Some(session) => Resolved::Known { session, is_changed: true },
        None => Resolved::Known { session, is_changed: false },
    }
}

fn marked(session: &Session, now: DateTime<Utc>) -> Session {
    let live_until = session.live_until.max(now + session.ttl.length());
    Session { last_seen_at: session.last_seen_at.max(now), live_until, ..session.clone() }
}

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;
