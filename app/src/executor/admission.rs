//! Whether a command may be decided at all: role, replay, project, session. Pure, over what was loaded.

use crate::call::Call;
use crate::refusal::Refusal;
use chrono::{DateTime, Utc};
use domain::agents::{Offers, Registration, Resolved, Session, SessionRefusal, SessionTtl, heartbeat, register, resolve, vouch};
use domain::idempotency::{Record, RequestName, Verdict, judge};
use domain::identity::principal::Denial;
use domain::identity::project::{self, Project};
use domain::ids::{AgentId, SessionId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is known when commands are admitted, kept up to date from one to the next.
pub(super) struct Known {
    pub(super) now: DateTime<Utc>,
    pub(super) project: Option<Project>,
    pub(super) records: BTreeMap<RequestName, Record>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
}

/// How a command comes into its session.
#[derive(Debug, Clone)]
pub enum Entrance {
    /// It runs in none. One that is named must live all the same, and is heard from.
    Beside,
    /// Into the named one, or the agent's default one; either starts if it is not there.
    Inside,
    /// Into one that is there; only a default one starts if it is not.
    Known,
    /// Into one that it registers: the named one, or one with a name of the server's making.
    Registering {
        /// How long it lives after a sign of life.
        ttl: SessionTtl,
        /// What its agent has to offer.
        offers: Offers,
    },
}

/// What is asked.
pub(super) struct Application<'a> {
    pub(super) call: &'a Call,
    pub(super) authorized: Result<(), Denial>,
    pub(super) fingerprint: Option<[u8; 32]>,
    pub(super) changes_project: bool,
    pub(super) entrance: Entrance,
}

/// What comes of it.
pub(super) enum Admission {
    /// No.
    Refused(Refusal),
    /// It was answered before, so.
    Replay(Value),
    /// Go on, in this session if there is one.
    Open(Option<Resolved>),
}

impl Known {
    /// Judges one command; `fresh` names a default session that has to be started.
    pub(super) fn admit(&self, application: &Application<'_>, fresh: SessionId) -> Admission {
        let Application { call, authorized, fingerprint, changes_project, entrance } = application;
        if let Err(denial) = authorized {
            return Admission::Refused(denial.clone().into());
        }
        if let (Some(name), Some(fingerprint)) = (request_name(call), fingerprint) {
            match judge(self.records.get(&name), fingerprint, self.now) {
                Verdict::Fresh => {}
                Verdict::Replay(answer) => return Admission::Replay(answer),
                Verdict::Reused => return Admission::Refused(Refusal::IdempotencyKeyReused),
            }
        }
        if *changes_project && let Err(refusal) = project::writable(self.project.as_ref(), &call.project) {
            return Admission::Refused(refusal.into());
        }
        match self.enter(call, entrance, fresh) {
            Ok(resolved) => Admission::Open(resolved),
            Err(refusal) => Admission::Refused(refusal.into()),
        }
    }

    fn enter(&self, call: &Call, entrance: &Entrance, fresh: SessionId) -> Result<Option<Resolved>, SessionRefusal> {
        let (request, found, now) = (call.session_request(), self.session_of(call).cloned(), self.now);
        match (entrance, &call.session) {
            (Entrance::Beside, _) => vouch(&request, found, now),
            (Entrance::Known, Some(id)) => heartbeat(&request.agent, id, found, now).map(Some),
            (Entrance::Inside, _) | (Entrance::Known, None) => resolve(request, found, fresh, now).map(Some),
            (Entrance::Registering { ttl, offers }, named) => {
                let found = found.filter(|_| named.is_some());
                let (project, agent, id) = (request.project, request.agent, request.named.unwrap_or(fresh));
                let registration = Registration { project, agent, id, ttl: *ttl, offers: offers.clone() };
                register(registration, found, now).map(Some)
            }
        }
    }

    /// The stored session a call would run in: the named one, or the agent's live default one.
    pub(super) fn session_of(&self, call: &Call) -> Option<&Session> {
        match &call.session {
            Some(id) => self.sessions.get(id),
            None => self.sessions.values().find(|session| is_live_default(session, &call.principal.agent)),
        }
    }
}

fn is_live_default(session: &Session, agent: &AgentId) -> bool {
    session.is_default && session.ended_at.is_none() && session.agent == *agent
}

/// The name of the caller's request, if it gave one.
pub(super) fn request_name(call: &Call) -> Option<RequestName> {
    let key = call.idempotency_key.clone()?;
    Some(RequestName { project: call.project.clone(), agent: call.principal.agent.clone(), key })
}

/// What tells one request from another under the same idempotency key; `None` for callers who gave no key.
pub(super) fn fingerprint(call: &Call, operation: &str, content: impl FnOnce() -> Value) -> Option<[u8; 32]> {
    call.idempotency_key.as_ref()?;
    // Object keys are sorted by `Value`, so equal contents have equal bytes.
    let content = json!({ "operation": operation, "session": call.session, "content": content() });
    Some(Sha256::digest(content.to_string().as_bytes()).into())
}
