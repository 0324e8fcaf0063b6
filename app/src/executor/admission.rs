//! Whether a command may be decided at all: role, replay, project, session. Pure, over what was loaded.

use crate::call::Call;
use crate::refusal::Refusal;
use chrono::{DateTime, Utc};
use domain::agents::{Resolved, Session, SessionRequest, resolve};
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

/// What is asked.
pub(super) struct Application<'a> {
    pub(super) call: &'a Call,
    pub(super) authorized: Result<(), Denial>,
    pub(super) fingerprint: Option<[u8; 32]>,
    pub(super) changes_project: bool,
    pub(super) in_session: bool,
}

/// What comes of it.
pub(super) enum Admission {
    /// No.
    Refused(Refusal),
    /// It was answered before, so.
    Replay(Value),
    /// Go on, in this session if one is needed.
    Open(Option<Resolved>),
}

impl Known {
    /// Judges one command; `fresh` names a default session that has to be started.
    pub(super) fn admit(&self, application: &Application<'_>, fresh: SessionId) -> Admission {
        let Application { call, authorized, fingerprint, changes_project, in_session } = application;
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
        if !in_session {
            return Admission::Open(None);
        }
        let request = SessionRequest {
            project: call.project.clone(),
            agent: call.principal.agent.clone(),
            agent_type: call.principal.agent_type.clone(),
            named: call.session.clone(),
        };
        match resolve(request, self.session_of(call).cloned(), fresh, self.now) {
            Ok(resolved) => Admission::Open(Some(resolved)),
            Err(refusal) => Admission::Refused(refusal.into()),
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
