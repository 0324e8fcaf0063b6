//! What is written beside every change: audit lines and facts.

use crate::call::{Call, SYSTEM_NAME};
use crate::executor::command::Happening;
use crate::refusal::{CallError, Refusal};
use chrono::{DateTime, Utc};
use domain::agents::Session;
use domain::audit::{Change, Entry, OUTCOME_OK};
use domain::events::Fact;
use domain::ids::{AgentId, InvalidId, KeyId, SessionId};
use ports::ids::IdSource;
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};

/// The lines and facts of one unit of work, in order.
pub(super) struct Journal<'a> {
    ids: &'a dyn IdSource,
    now: DateTime<Utc>,
    entries: Vec<Entry>,
    facts: Vec<Fact>,
}

impl<'a> Journal<'a> {
    /// An empty one; everything in it happens at `now`.
    pub(super) fn new(ids: &'a dyn IdSource, now: DateTime<Utc>) -> Self {
        Self { ids, now, entries: Vec::new(), facts: Vec::new() }
    }

    /// Notes what a call has done, or what happened by itself while it was decided.
    pub(super) fn happened(
        &mut self,
        call: &Call,
        session: Option<&SessionId>,
        happening: Happening,
    ) -> Result<(), CallError> {
        let Happening { change, kind, body, by_itself } = happening;
        self.facts.push(Fact {
            id: self.ids.fact_id(),
            project: call.project.clone(),
            at: self.now,
            agent: if by_itself { system_agent()? } else { call.principal.agent.clone() },
            kind: kind.to_owned(),
            subject: change.target.clone(),
            body,
        });
        let mut entry = self.entry(call, session, change, OUTCOME_OK);
        if by_itself {
            (entry.agent, entry.key, entry.session) = (system_agent()?, system_key()?, None);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The line of a refusal; to be added by [`Self::add`] if it deserves it.
    pub(super) fn refusal(&self, call: &Call, session: Option<&SessionId>, refused: Refused<'_>) -> Entry {
        let Refused { operation, target, asked, refusal } = refused;
        let after = json!({ "refused": refusal.to_string(), "asked": asked });
        let change = Change { operation: operation.to_owned(), target, before: None, after: Some(after) };
        self.entry(call, session, change, refusal.slug())
    }

    /// Adds a line.
    pub(super) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Appends everything; answers whether there were facts.
    pub(super) async fn append(self, uow: &mut dyn UnitOfWork) -> Result<bool, StoreError> {
        uow.facts_append(&self.facts).await?;
        uow.audit_append(&self.entries).await?;
        Ok(!self.facts.is_empty())
    }

    fn entry(&self, call: &Call, session: Option<&SessionId>, change: Change, outcome: &str) -> Entry {
        Entry {
            id: self.ids.audit_entry_id(),
            project: call.project.clone(),
            at: self.now,
            agent: call.principal.agent.clone(),
            session: session.or(call.session.as_ref()).cloned(),
            key: call.principal.key.clone(),
            change,
            outcome: outcome.to_owned(),
            repeats: 1,
            request_id: call.request_id.clone(),
            trace_id: call.trace_id.clone(),
            duration_us: call.duration_us(),
        }
    }
}

/// What was refused.
pub(super) struct Refused<'a> {
    pub(super) operation: &'a str,
    pub(super) target: String,
    pub(super) asked: Value,
    pub(super) refusal: &'a Refusal,
}

/// The start of a session, as it happened.
pub(super) fn session_started(session: &Session) -> Happening {
    let body = session_body(session);
    let change = Change {
        operation: "session.start".to_owned(),
        target: session.id.to_string(),
        before: None,
        after: Some(body.clone()),
    };
    Happening { change, kind: "session.started", body, by_itself: false }
}

/// A session's TTL or offers became others; `None` if they are as before.
pub(super) fn session_registered(before: &Session, session: &Session) -> Option<Happening> {
    let is_same = before.ttl == session.ttl && before.offers == session.offers;
    let body = session_body(session);
    let change = Change {
        operation: "session.register".to_owned(),
        target: session.id.to_string(),
        before: Some(session_body(before)),
        after: Some(body.clone()),
    };
    (!is_same).then_some(Happening { change, kind: "session.registered", body, by_itself: false })
}

fn session_body(session: &Session) -> Value {
    let Session { id, agent, is_default, ttl, offers, .. } = session;
    json!({ "session": id, "agent": agent, "is_default": is_default, "ttl_seconds": ttl, "offers": offers })
}

/// The end of a session that was not heard from, as somebody noticed it.
pub fn session_died(dead: &Session) -> Happening {
    let body = json!({ "session": dead.id, "agent": dead.agent, "ended_at": dead.ended_at, "last_seen_at": dead.last_seen_at });
    let change = Change {
        operation: "session.die".to_owned(),
        target: dead.id.to_string(),
        before: Some(json!({ "session": dead.id, "agent": dead.agent, "started_at": dead.started_at })),
        after: Some(body.clone()),
    };
    Happening { change, kind: "session.died", body, by_itself: true }
}

fn system_agent() -> Result<AgentId, CallError> {
    AgentId::parse(SYSTEM_NAME).map_err(|error: InvalidId| CallError::Internal(error.to_string()))
}

fn system_key() -> Result<KeyId, CallError> {
    KeyId::parse(SYSTEM_NAME).map_err(|error: InvalidId| CallError::Internal(error.to_string()))
}
