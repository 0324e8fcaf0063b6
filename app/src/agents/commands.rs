//! The changes to sessions.

use crate::executor::{Defect, Entrance, Happening, HotCommand, Ruling, Tables, Touches, Who};
use crate::refusal::Refusal;
use chrono::{DateTime, Utc};
use domain::agents::{Offers, Session, SessionTtl, end};
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::ids::SessionId;
use domain::locks::lease::{EndedLease, Ending};
use domain::work::attempt::SessionEnd;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A session as it is at an instant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionAt {
    /// The session.
    pub session: Session,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

impl SessionAt {
    fn of(tables: &Tables, who: &Who<'_>) -> Result<Ruling<Self>, Defect> {
        let answer = Self { session: who.session()?.clone(), now: tables.locks.now() };
        Ok(Ruling::of(Ok::<_, Refusal>(answer)))
    }
}

/// Starts the session that the call names, or one with a name of the server's making; of one that lives, TTL and offers
/// become these.
#[derive(Debug, Clone)]
pub struct RegisterSession {
    /// How long it lives after a sign of life.
    pub ttl: SessionTtl,
    /// What its agent has to offer.
    pub offers: Offers,
}

impl HotCommand for RegisterSession {
    const OPERATION: &'static str = "session.register";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = SessionAt;

    fn entrance(&self) -> Entrance {
        Entrance::Registering { ttl: self.ttl, offers: self.offers.clone() }
    }

    fn content(&self) -> Value {
        json!({ "ttl": self.ttl, "offers": self.offers })
    }

    fn target(&self) -> String {
        "session".to_owned()
    }

    fn touches(&self) -> Touches {
        Touches::default()
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        SessionAt::of(tables, who)
    }
}

/// Says that the session lives, and nothing else.
#[derive(Debug, Clone)]
pub struct Heartbeat;

impl HotCommand for Heartbeat {
    const OPERATION: &'static str = "session.heartbeat";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    const CHANGES_PROJECT: bool = false;
    type Answer = SessionAt;

    fn entrance(&self) -> Entrance {
        Entrance::Known
    }

    fn content(&self) -> Value {
        Value::Null
    }

    fn target(&self) -> String {
        "session".to_owned()
    }

    fn touches(&self) -> Touches {
        Touches::default()
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        SessionAt::of(tables, who)
    }
}

/// Comes into the session that the call names, or the agent's default one; either starts if it is not there.
#[derive(Debug, Clone)]
pub struct EnterSession;

impl HotCommand for EnterSession {
    const OPERATION: &'static str = "session.enter";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = SessionId;

    fn content(&self) -> Value {
        Value::Null
    }

    fn target(&self) -> String {
        "session".to_owned()
    }

    fn touches(&self) -> Touches {
        Touches::default()
    }

    fn decide(&self, _tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        Ok(Ruling::of(Ok::<_, Refusal>(who.session()?.id.clone())))
    }
}

/// Ends the caller's session and with it everything it holds.
#[derive(Debug, Clone)]
pub struct EndSession;

/// A session that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndedSession {
    /// The session as it ended.
    pub session: Session,
    /// The locks that ended with it.
    pub released: Vec<EndedLease>,
}

impl HotCommand for EndSession {
    const OPERATION: &'static str = "session.end";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = EndedSession;

    fn content(&self) -> Value {
        Value::Null
    }

    fn target(&self) -> String {
        "session".to_owned()
    }

    fn touches(&self) -> Touches {
        Touches { own_session: true, ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let session = who.session()?;
        let ended = match end(session.clone(), tables.locks.now()) {
            Ok(ended) => ended,
            Err(refusal) => return Ok(Ruling::of(Err::<EndedSession, Refusal>(refusal.into()))),
        };
        tables.work.return_session(&mut tables.locks, &session.id, SessionEnd::Closed);
        let released = tables.locks.release_session(&session.id, &Ending::SessionEnded);
        tables.sessions_ended.push(ended.clone());
        let happening = session_ended(session, &ended);
        let ruling = Ruling::of(Ok::<_, Refusal>(EndedSession { session: ended, released }));
        Ok(Ruling { happenings: vec![happening], ..ruling })
    }
}

fn session_ended(before: &Session, ended: &Session) -> Happening {
    let body = json!({ "session": ended.id, "agent": ended.agent, "ended_at": ended.ended_at });
    let change = Change {
        operation: EndSession::OPERATION.to_owned(),
        target: ended.id.to_string(),
        before: Some(json!({ "session": before.id, "agent": before.agent, "started_at": before.started_at })),
        after: Some(body.clone()),
    };
    Happening { change, kind: "session.ended", body, by_itself: false }
}
