//! How every change happens: authorize, begin, decide, save, append audit and facts, commit.
//!
//! What is done often is a [`HotCommand`]: many of one project are decided together in one unit of work, see
//! [`crate::lane`] and `batch`. What is done now and then is a [`Command`] with a unit of work of its own. Either way the
//! whole is tried again when somebody else got there first.

mod admission;
mod batch;
mod command;
mod hot;
mod journal;
mod load;
mod refuse;

pub use admission::Entrance;
pub use command::{Answered, Command, Decision, Happening, Scene};
pub use hot::{Choice, Defect, HotCommand, Ruling, Tables, Touches, Who, WorkTouches};

use crate::agents::signs_of_life::SignsOfLife;
use crate::call::Call;
use crate::doorbell::Doorbell;
use crate::events::pulse::Pulse;
use crate::folds::RefusalFolds;
use crate::lane::{Lane, LaneError};
use crate::refusal::{CallError, Refusal};
use crate::telemetry::Metrics;
use crate::watcher::Watcher;
use admission::{Admission, Application, Known, fingerprint, request_name};
use batch::{BatchRunner, HotJob, HotResult};
use chrono::{DateTime, TimeDelta, Utc};
use domain::audit::{Entry, OUTCOME_OK};
use domain::idempotency::{KEPT_HOURS, Record};
use domain::ids::{ProjectId, SessionId};
pub use journal::session_died;
use journal::{Journal, Refused};
use ports::ids::IdSource;
use ports::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a command with a unit of work of its own is tried when others get there first.
pub const TRIES_MAX: u32 = 5;

/// How many lanes there are; each project keeps to one of them.
const LANES: u64 = 16;

/// Runs commands.
#[derive(Clone)]
pub struct Executor {
    core: Arc<Core>,
    lanes: Arc<[Lane<HotJob, HotResult>]>,
}

/// What it takes to run them.
struct Core {
    store: Arc<dyn Store>,
    ids: Arc<dyn IdSource>,
    folds: RefusalFolds,
    doorbell: Doorbell,
    watcher: Arc<Watcher>,
    pulse: Arc<Pulse>,
    signs_of_life: SignsOfLife,
    metrics: Metrics,
}

impl Core {
    /// 1 ms to 2^tries × 5 ms, so that two who met do not meet again.
    fn jitter(&self, tries: u32) -> Duration {
        let random = u64::from(self.ids.secret()[0]);
        Duration::from_micros(1_000 + random * 20 * (1 << tries.min(6)))
    }

    fn fresh_session(&self) -> Result<SessionId, CallError> {
        SessionId::parse(&format!("ses_{}", self.ids.random_name()))
            .map_err(|error| CallError::Internal(error.to_string()))
    }
}

impl Executor {
    /// Puts the parts together and starts the lanes on the current runtime.
    pub fn new(store: Arc<dyn Store>, ids: Arc<dyn IdSource>, metrics: Metrics) -> Self {
        let (folds, doorbell, signs_of_life) = (RefusalFolds::default(), Doorbell::default(), SignsOfLife::default());
        let watcher = Arc::new(Watcher::new(doorbell.clone()));
        let pulse = Arc::default();
        let core = Arc::new(Core { store, ids, folds, doorbell, watcher, pulse, signs_of_life, metrics });
        let lanes = (0..LANES).map(|_| Lane::start(Arc::new(BatchRunner::new(core.clone())))).collect();
        Self { core, lanes }
    }

    /// The store, for reads.
    pub fn store(&self) -> &dyn Store {
        self.core.store.as_ref()
    }

    /// The source of ids.
    pub fn ids(&self) -> &dyn IdSource {
        self.core.ids.as_ref()
    }

    /// The bell that rings when something becomes free or ready.
    pub fn doorbell(&self) -> &Doorbell {
        &self.core.doorbell
    }

    /// Wakes those who wait for what the bell of this process does not ring for.
    pub fn watcher(&self) -> &Arc<Watcher> {
        &self.core.watcher
    }

    /// Tells whoever listens in a project that something was committed there.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.core.pulse
    }

    /// Who was heard from without running in a session.
    pub fn signs_of_life(&self) -> &SignsOfLife {
        &self.core.signs_of_life
    }

    /// Takes out the lines that stand for folded refusals: of the minutes that are over, or all of them.
    pub fn take_folded(&self, now: DateTime<Utc>, all: bool) -> Vec<Entry> {
        let folded = if all { self.core.folds.take_all() } else { self.core.folds.take_over(now) };
        folded.into_iter().map(|entry| Entry { id: self.ids().audit_entry_id(), at: now, ..entry }).collect()
    }

    /// Runs a command of the hot path to its answer, together with others that arrive at the same time.
    pub async fn execute_hot<C: HotCommand>(&self, call: &Call, command: C) -> Result<Answered<C::Answer>, CallError> {
        let started = Instant::now();
        let job = HotJob { call: call.clone(), command: Box::new(command) };
        let outcome = match self.lane(&call.project).submit(job).await {
            Ok(result) => result,
            Err(LaneError::Full) => Err(StoreError::Conflict { what: "the lane" }.into()),
            Err(LaneError::Stopped) => Err(CallError::ShuttingDown { ticket: None }),
            Err(LaneError::Panicked) => Err(CallError::Internal(format!("{} panicked", C::OPERATION))),
        };
        let outcome = match outcome {
            Ok((Ok(answer), is_replay)) => match answer.downcast::<C::Answer>() {
                Ok(answer) => Ok(Answered { answer: *answer, is_replay }),
                Err(_) => Err(CallError::Internal(format!("{} got another command's answer", C::OPERATION))),
            },
            Ok((Err(refusal), _)) => Err(refusal.into()),
            Err(error) => Err(error),
        };
        self.measure(C::OPERATION, &outcome, 0, started);
        outcome
    }

    /// Runs a command to its answer in a unit of work of its own.
    pub async fn execute<C: Command>(&self, call: &Call, command: &C) -> Result<Answered<C::Answer>, CallError> {
        let started = Instant::now();
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            match self.attempt(call, command).await {
                Err(CallError::Store(StoreError::Conflict { what })) if tries < TRIES_MAX => {
                    tracing::debug!(operation = C::OPERATION, what, tries, "somebody else got there first");
                    tokio::time::sleep(self.core.jitter(tries)).await;
                }
                outcome => break outcome,
            }
        };
        self.measure(C::OPERATION, &outcome, u64::from(tries - 1), started);
        outcome
    }

    async fn attempt<C: Command>(&self, call: &Call, command: &C) -> Result<Answered<C::Answer>, CallError> {
        let mut uow = self.core.store.begin().await?;
        let now = uow.now().await?;
        let fingerprint = fingerprint(call, C::OPERATION, || command.content());
        let name = request_name(call);
        let records = uow.idempotency_load(name.as_slice()).await?;
        let records: BTreeMap<_, _> = records.into_iter().map(|record| (record.name.clone(), record)).collect();
        let project = if C::IN_PROJECT { uow.project_find(&call.project).await? } else { None };
        let default_of = if call.session.is_none() { std::slice::from_ref(&call.principal.agent) } else { &[] };
        let sessions = uow.sessions_load(&call.project, call.session.as_slice(), default_of).await?;
        let sessions = sessions.into_iter().map(|session| (session.id.clone(), session)).collect();
        let known = Known { now, project, records, sessions };
        let application = Application {
            call,
            authorized: command.authorize(&call.principal),
            fingerprint,
            changes_project: C::IN_PROJECT,
            entrance: Entrance::Beside,
        };
        let decision = match known.admit(&application, self.core.fresh_session()?) {
            Admission::Refused(refusal) => Decision::refused(refusal),
            Admission::Replay(answer) => {
                let result: Result<C::Answer, Refusal> = serde_json::from_value(answer).map_err(|error| {
                    StoreError::Corrupt { what: "idempotency_records.answer".to_owned(), source: error.into() }
                })?;
                return Ok(Answered { answer: result?, is_replay: true });
            }
            Admission::Open(resolved) => {
                resolved.and_then(|resolved| self.core.signs_of_life.note(*resolved));
                command.decide(uow.as_mut(), &Scene { call, now }).await?
            }
        };
        let mut journal = Journal::new(self.ids(), now);
        for happening in decision.happenings {
            journal.happened(call, None, happening)?;
        }
        if let Err(refusal) = &decision.result
            && refusal.is_audited()
        {
            let refused =
                Refused { operation: C::OPERATION, target: command.target(), asked: command.asked(), refusal };
            let entry = journal.refusal(call, None, refused);
            if self.core.folds.deserves_a_line(&entry) {
                journal.add(entry);
            }
        }
        let has_facts = journal.append(uow.as_mut()).await?;
        let is_recorded = decision.is_final && !matches!(decision.result, Err(Refusal::IdempotencyKeyReused));
        if let (Some(name), Some(fingerprint), true) = (name, fingerprint, is_recorded) {
            let answer = serde_json::to_value(&decision.result).map_err(|e| CallError::Internal(e.to_string()))?;
            let record = Record { name, fingerprint, answer, created_at: now };
            uow.idempotency_add(&[record], now - TimeDelta::hours(KEPT_HOURS)).await?;
        }
        uow.commit().await?;
        if has_facts {
            self.core.pulse.committed(&call.project, false);
        }
        Ok(Answered { answer: decision.result?, is_replay: false })
    }

    fn lane(&self, project: &ProjectId) -> &Lane<HotJob, HotResult> {
        let mut hasher = DefaultHasher::new();
        project.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % LANES).unwrap_or(0);
        &self.lanes[at]
    }

    fn measure<T>(
        &self,
        operation: &'static str,
        outcome: &Result<Answered<T>, CallError>,
        retries: u64,
        started: Instant,
    ) {
        let label = match outcome {
            Ok(answered) if answered.is_replay => "replay",
            Ok(_) => OUTCOME_OK,
            Err(CallError::Refused(refusal)) => {
                self.core.metrics.refusal(refusal.slug());
                "refused"
            }
            Err(CallError::Store(StoreError::Conflict { .. })) => "conflict",
            Err(_) => "failed",
        };
        self.core.metrics.unit_of_work(operation, label, retries, started.elapsed().as_secs_f64());
    }
}
