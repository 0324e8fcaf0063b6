//! How every change happens: authorize, begin, decide, save, append audit and facts, commit.
//!
//! A use case is a [`Command`]; the [`Executor`] runs it in a unit of work of its own and tries it again whole when
//! somebody else got there first.

mod command;
mod refuse;

pub use command::{Answered, Command, Decision, Happening, Scene};

use crate::call::Call;
use crate::folds::RefusalFolds;
use crate::locks::doorbell::Doorbell;
use crate::refusal::{CallError, Refusal};
use crate::telemetry::Metrics;
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::{Resolved, Session, SessionRequest, resolve};
use domain::audit::{Change, Entry, OUTCOME_OK};
use domain::events::Fact;
use domain::idempotency::{KEPT_HOURS, Record, RequestName, Verdict, judge};
use domain::identity::project;
use domain::ids::{AgentId, KeyId, SessionId};
use ports::ids::IdSource;
use ports::store::{Store, StoreError, UnitOfWork};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a command is tried when others get there first.
pub const TRIES_MAX: u32 = 5;

/// Runs commands.
#[derive(Clone)]
pub struct Executor {
    store: Arc<dyn Store>,
    ids: Arc<dyn IdSource>,
    folds: Arc<RefusalFolds>,
    doorbell: Doorbell,
    metrics: Metrics,
}

/// What one try came to.
struct Tried<T> {
    result: Result<T, Refusal>,
    is_replay: bool,
}

impl Executor {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Store>,
        ids: Arc<dyn IdSource>,
        folds: Arc<RefusalFolds>,
        doorbell: Doorbell,
        metrics: Metrics,
    ) -> Self {
        Self { store, ids, folds, doorbell, metrics }
    }

    /// The store, for reads.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The source of ids.
    pub fn ids(&self) -> &dyn IdSource {
        self.ids.as_ref()
    }

    /// The bell that rings when locks become free.
    pub fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// Takes out the lines that stand for folded refusals: of the minutes that are over, or all of them.
    pub fn take_folded(&self, now: DateTime<Utc>, all: bool) -> Vec<Entry> {
        let folded = if all { self.folds.take_all() } else { self.folds.take_over(now) };
        folded.into_iter().map(|entry| Entry { id: self.ids.audit_entry_id(), at: now, ..entry }).collect()
    }

    /// Runs a command to its answer.
    pub async fn execute<C: Command>(&self, call: &Call, command: &C) -> Result<Answered<C::Answer>, CallError> {
        let started = Instant::now();
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            match self.attempt(call, command).await {
                Err(CallError::Store(StoreError::Conflict { what })) if tries < TRIES_MAX => {
                    tracing::debug!(operation = C::OPERATION, what, tries, "somebody else got there first");
                    tokio::time::sleep(self.jitter(tries)).await;
                }
                Err(error) => break Err(error),
                Ok(Tried { result, is_replay }) => {
                    break result.map(|answer| Answered { answer, is_replay }).map_err(CallError::Refused);
                }
            }
        };
        let label = match &outcome {
            Ok(answered) if answered.is_replay => "replay",
            Ok(_) => OUTCOME_OK,
            Err(CallError::Refused(refusal)) => {
                self.metrics.refusal(refusal.slug());
                "refused"
            }
            Err(CallError::Store(StoreError::Conflict { .. })) => "conflict",
            Err(_) => "failed",
        };
        self.metrics.unit_of_work(C::OPERATION, label, u64::from(tries - 1), started.elapsed().as_secs_f64());
        outcome
    }

    async fn attempt<C: Command>(&self, call: &Call, command: &C) -> Result<Tried<C::Answer>, CallError> {
        let mut uow = self.store.begin().await?;
        let now = uow.now().await?;
        let mut happenings = Vec::new();
        let mut session = None;
        let fingerprint = call.idempotency_key.as_ref().map(|_| fingerprint::<C>(call, command));
        let decision = match self.prepare::<C>(call, command, fingerprint.as_ref(), uow.as_mut(), now).await? {
            Prepared::Refused(refusal) => Decision::refused(refusal),
            Prepared::Replay(answer) => return replay(answer),
            Prepared::Ready(resolved) => {
                if let Some(Resolved::Started(started)) = &resolved {
                    uow.session_add(started).await?;
                    happenings.push(session_started(started));
                }
                session = resolved.map(|resolved| resolved.session().clone());
                command.decide(uow.as_mut(), &Scene { call, session: session.as_ref(), now }).await?
            }
        };
        let is_new_name = !matches!(decision.result, Err(Refusal::IdempotencyKeyReused));
        let now = decision.at.unwrap_or(now);
        happenings.extend(decision.happenings);
        let session_id = session.as_ref().map(|session| session.id.clone()).or_else(|| call.session.clone());
        let facts: Vec<Fact> = happenings.iter().map(|happening| self.fact(call, happening, now)).collect();
        let mut entries: Vec<Entry> = Vec::with_capacity(happenings.len() + 1);
        for happening in happenings {
            entries.push(self.entry(
                call,
                session_id.clone(),
                happening.change,
                happening.by_itself,
                OUTCOME_OK,
                now,
            )?);
        }
        if let Err(refusal) = &decision.result {
            let change = refused_change(C::OPERATION, command.target(), &command.content(), refusal);
            let entry = self.entry(call, session_id, change, false, refusal.slug(), now)?;
            if refusal.is_audited() && self.folds.deserves_a_line(&entry) {
                entries.push(entry);
            }
        }
        uow.facts_append(&facts).await?;
        uow.audit_append(&entries).await?;
        let recorded = call.idempotency_key.as_ref().zip(fingerprint).filter(|_| decision.is_final && is_new_name);
        if let Some((key, fingerprint)) = recorded {
            let answer = serde_json::to_value(&decision.result).map_err(|e| CallError::Internal(e.to_string()))?;
            let record = Record { name: request_name(call, key), fingerprint, answer, created_at: now };
            uow.idempotency_add(&record, now - TimeDelta::hours(KEPT_HOURS)).await?;
        }
        uow.commit().await?;
        self.doorbell.ring(&call.project, &decision.freed);
        Ok(Tried { result: decision.result, is_replay: false })
    }

    async fn prepare<C: Command>(
        &self,
        call: &Call,
        command: &C,
        fingerprint: Option<&[u8; 32]>,
        uow: &mut dyn UnitOfWork,
        now: DateTime<Utc>,
    ) -> Result<Prepared, CallError> {
        if let Err(denial) = command.authorize(&call.principal) {
            return Ok(Prepared::Refused(denial.into()));
        }
        if let (Some(key), Some(fingerprint)) = (&call.idempotency_key, fingerprint) {
            let found = uow.idempotency_find(&request_name(call, key)).await?;
            match judge(found.as_ref(), fingerprint, now) {
                Verdict::Fresh => {}
                Verdict::Replay(answer) => return Ok(Prepared::Replay(answer)),
                Verdict::Reused => return Ok(Prepared::Refused(Refusal::IdempotencyKeyReused)),
            }
        }
        if C::IN_PROJECT {
            let found = uow.project_find(&call.project).await?;
            if let Err(refusal) = project::writable(found.as_ref(), &call.project) {
                return Ok(Prepared::Refused(refusal.into()));
            }
        }
        if !C::IN_SESSION {
            return Ok(Prepared::Ready(None));
        }
        let found = match &call.session {
            Some(id) => uow.session_find(&call.project, id).await?,
            None => uow.session_find_default(&call.project, &call.principal.agent).await?,
        };
        let request = SessionRequest {
            project: call.project.clone(),
            agent: call.principal.agent.clone(),
            named: call.session.clone(),
        };
        let fresh = SessionId::parse(&format!("ses_{}", self.ids.random_name()))
            .map_err(|error| CallError::Internal(error.to_string()))?;
        Ok(match resolve(request, found, fresh, now) {
            Ok(resolved) => Prepared::Ready(Some(resolved)),
            Err(refusal) => Prepared::Refused(refusal.into()),
        })
    }

    fn entry(
        &self,
        call: &Call,
        session: Option<SessionId>,
        change: Change,
        by_itself: bool,
        outcome: &str,
        now: DateTime<Utc>,
    ) -> Result<Entry, CallError> {
        let system = |error: domain::ids::InvalidId| CallError::Internal(error.to_string());
        let (agent, key, session) = if by_itself {
            (AgentId::parse(crate::call::SYSTEM_NAME).map_err(system)?, system_key().map_err(system)?, None)
        } else {
            (call.principal.agent.clone(), call.principal.key.clone(), session)
        };
        Ok(Entry {
            id: self.ids.audit_entry_id(),
            project: call.project.clone(),
            at: now,
            agent,
            session,
            key,
            change,
            outcome: outcome.to_owned(),
            repeats: 1,
            request_id: call.request_id.clone(),
            trace_id: call.trace_id.clone(),
            duration_us: call.duration_us(),
        })
    }

    fn fact(&self, call: &Call, happening: &Happening, now: DateTime<Utc>) -> Fact {
        Fact {
            id: self.ids.fact_id(),
            project: call.project.clone(),
            at: now,
            kind: happening.kind.to_owned(),
            subject: happening.change.target.clone(),
            body: happening.body.clone(),
        }
    }

    /// 1 to 2^tries × 5 ms, so that two who met do not meet again.
    fn jitter(&self, tries: u32) -> Duration {
        let random = u64::from(self.ids.secret()[0]);
        Duration::from_micros(1_000 + random * 20 * (1 << tries.min(6)))
    }
}

enum Prepared {
    Ready(Option<Resolved>),
    Replay(Value),
    Refused(Refusal),
}

fn system_key() -> Result<KeyId, domain::ids::InvalidId> {
    KeyId::parse(crate::call::SYSTEM_NAME)
}

fn request_name(call: &Call, key: &domain::idempotency::IdempotencyKey) -> RequestName {
    RequestName { project: call.project.clone(), agent: call.principal.agent.clone(), key: key.clone() }
}

fn fingerprint<C: Command>(call: &Call, command: &C) -> [u8; 32] {
    // Object keys are sorted by `Value`, so equal contents have equal bytes.
    let content = json!({ "operation": C::OPERATION, "session": call.session, "content": command.content() });
    Sha256::digest(content.to_string().as_bytes()).into()
}

fn replay<T: DeserializeOwned>(answer: Value) -> Result<Tried<T>, CallError> {
    let result: Result<T, Refusal> = serde_json::from_value(answer).map_err(|source| StoreError::Corrupt {
        what: "idempotency_records.answer".to_owned(),
        source: source.into(),
    })?;
    Ok(Tried { result, is_replay: true })
}

fn refused_change(operation: &str, target: String, asked: &Value, refusal: &Refusal) -> Change {
    let after = json!({ "refused": refusal.to_string(), "asked": asked });
    Change { operation: operation.to_owned(), target, before: None, after: Some(after) }
}

fn session_started(session: &Session) -> Happening {
    let body = json!({ "session": session.id, "agent": session.agent, "is_default": session.is_default });
    let change = Change {
        operation: "session.start".to_owned(),
        target: session.id.to_string(),
        before: None,
        after: Some(body.clone()),
    };
    Happening { change, kind: "session.started", body, by_itself: false }
}
