//! Sessions: which incarnation of an agent is speaking.

use crate::ids::{AgentId, ProjectId, SessionId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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
    /// When it was first used.
    pub started_at: DateTime<Utc>,
    /// When it ended; an ended session never comes back.
    pub ended_at: Option<DateTime<Utc>>,
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
}

/// Who is speaking, before it is known whether the session exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRequest {
    /// The project of the call.
    pub project: ProjectId,
    /// The agent the key is bound to.
    pub agent: AgentId,
    /// The session the call names, if any.
    pub named: Option<SessionId>,
}

/// The session a call runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// It exists and may go on.
    Known(Session),
    /// It starts with this call and must be saved.
    Started(Session),
}

impl Resolved {
    /// The session, whichever way it came.
    pub fn session(&self) -> &Session {
        match self {
            Self::Known(session) | Self::Started(session) => session,
        }
    }
}

/// Decides in which session a call runs.
///
/// `found` is the stored session: of the named id, or else the agent's live default one. `fresh` names a default
/// session that has to be started.
pub fn resolve(
    request: SessionRequest,
    found: Option<Session>,
    fresh: SessionId,
    now: DateTime<Utc>,
) -> Result<Resolved, SessionRefusal> {
    let start = |request: SessionRequest| {
        let is_default = request.named.is_none();
        Session {
            project: request.project,
            id: request.named.unwrap_or(fresh),
            agent: request.agent,
            is_default,
            started_at: now,
            ended_at: None,
        }
    };
    match found {
        None => Ok(Resolved::Started(start(request))),
        Some(session) if session.agent != request.agent => Err(SessionRefusal::NotYours { id: session.id }),
        Some(session) => match session.ended_at {
            None => Ok(Resolved::Known(session)),
            Some(_) if request.named.is_none() => Ok(Resolved::Started(start(request))),
            Some(ended_at) => Err(SessionRefusal::Ended { id: session.id, ended_at }),
        },
    }
}

/// Ends a session for good.
pub fn end(session: Session, now: DateTime<Utc>) -> Result<Session, SessionRefusal> {
    match session.ended_at {
        None => Ok(Session { ended_at: Some(now), ..session }),
        Some(ended_at) => Err(SessionRefusal::Ended { id: session.id, ended_at }),
    }
}

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;
