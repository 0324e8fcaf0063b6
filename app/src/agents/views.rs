//! What requests and answers about sessions look like on the wire.

use crate::agents::commands::{EndedSession, SessionAt};
use crate::locks::views::{ReleasedLocksView, ReleasedView};
use chrono::{DateTime, Utc};
use domain::agents::{Offers, Session};
use poem_openapi::Object;

/// A session to start, or one that lives to be given another TTL and other offers.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RegisterSession", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct RegisterBody {
    /// Its name. If it is left out, that in `X-Session-Id`, and without that a new one.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub session_id: Option<String>,
    /// How long it lives after each sign of life, in seconds; a quarter of an hour if left out.
    #[oai(validator(minimum(value = "30"), maximum(value = "86400")))]
    pub ttl_seconds: Option<u32>,
    /// What its agent can do, such as `rust` or `gpu`; at most 32 names of 64 characters.
    #[oai(validator(max_items = 32))]
    pub capabilities: Option<Vec<String>>,
    /// Where its agent runs, such as `ci` or `laptop`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub environment: Option<String>,
}

/// A session: one incarnation of an agent.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Session", skip_serializing_if_is_none)]
pub struct SessionView {
    /// Its name: what to send as `X-Session-Id`.
    pub session: String,
    /// Whose it is.
    pub agent: String,
    /// Of which kind the agent is.
    pub agent_type: String,
    /// Whether the server made it for calls that name no session.
    pub is_default: bool,
    /// Whether it lives at the moment of this answer.
    pub live: bool,
    /// How long it lives after each sign of life, in seconds.
    pub ttl_seconds: u32,
    /// What its agent can do.
    pub capabilities: Vec<String>,
    /// Where its agent runs.
    pub environment: Option<String>,
    /// When it was first used.
    pub started_at: DateTime<Utc>,
    /// Its last sign of life, to a tenth of the TTL.
    pub last_seen_at: DateTime<Utc>,
    /// Until when it lives unless it is heard from before. Of one that lives no more, when it died or was ended.
    pub live_until: DateTime<Utc>,
    /// How long from the moment of this answer, in milliseconds; independent of clocks. 0 if it lives no more.
    pub live_for_ms: i64,
}

impl SessionView {
    /// As it is at an instant of the store's clock.
    pub fn new(session: Session, now: DateTime<Utc>) -> Self {
        let live = session.is_live(now);
        let Session { project: _, id, agent, is_default, ttl, offers, .. } = session;
        let Offers { agent_type, capabilities, environment } = offers;
        Self {
            session: id.into(),
            agent: agent.into(),
            agent_type: agent_type.into(),
            is_default,
            live,
            ttl_seconds: ttl.seconds(),
            capabilities: capabilities.into_iter().map(Into::into).collect(),
            environment: environment.map(Into::into),
            started_at: session.started_at,
            last_seen_at: session.last_seen_at,
            live_until: session.live_until,
            live_for_ms: if live { (session.live_until - now).num_milliseconds() } else { 0 },
        }
    }
}

impl From<SessionAt> for SessionView {
    fn from(SessionAt { session, now }: SessionAt) -> Self {
        Self::new(session, now)
    }
}

/// A page of sessions.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SessionPage", skip_serializing_if_is_none)]
pub struct SessionPageView {
    /// At most the asked number, by name.
    pub sessions: Vec<SessionView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// A session that ended.
#[derive(Debug, Clone, Object)]
#[oai(rename = "EndedSession")]
pub struct EndedSessionView {
    /// Its name; it never comes back.
    pub session: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The locks that ended with it.
    pub released: Vec<ReleasedView>,
}

impl From<EndedSession> for EndedSessionView {
    fn from(EndedSession { session, released }: EndedSession) -> Self {
        let ReleasedLocksView { released } = released.into();
        Self { ended_at: session.ended_at.unwrap_or(session.live_until), session: session.id.into(), released }
    }
}
