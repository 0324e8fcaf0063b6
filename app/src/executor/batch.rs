//! Many hot commands of one project in one unit of work: loaded together, decided one by one, saved together.

use crate::call::Call;
use crate::doorbell::News;
use crate::executor::Core;
use crate::executor::admission::{Admission, Application, Known, fingerprint, request_name};
use crate::executor::command::Happening;
use crate::executor::hot::{ErasedCommand, ErasedResult, ErasedRuling, Tables, Who};
use crate::executor::journal::{Journal, Refused, session_died, session_registered, session_started};
use crate::executor::load::{Touched, load};
use crate::lane::Runner;
use crate::refusal::{CallError, Refusal};
use crate::watcher::{Committed, LOOK_INTERVAL};
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::agents::record::AgentRecord;
use domain::agents::{Resolved, Session};
use domain::audit::Entry;
use domain::idempotency::{KEPT_HOURS, Record};
use domain::identity::project::ProjectRefusal;
use domain::ids::{AgentId, ProjectId, SessionId};
use domain::locks::event::LockEvent;
use domain::work::event::WorkEvent;
use ports::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a batch is tried whole before its commands are tried one by one.
const WHOLE_TRIES_MAX: u32 = 3;

/// How long the project's lock is taken first after another server got there first.
const LOCKS_FIRST_FOR: Duration = Duration::from_secs(1);

/// A command on its way through a lane.
pub(super) struct HotJob {
    pub(super) call: Call,
    pub(super) command: Box<dyn ErasedCommand>,
}

/// The answer to a job, and whether it is a replay.
pub(super) type HotResult = Result<(ErasedResult, bool), CallError>;

/// Runs the batches of a lane.
pub(super) struct BatchRunner {
    core: Arc<Core>,
    /// When another server last got there first.
    met_others_at: Mutex<Option<Instant>>,
}

#[async_trait]
impl Runner<HotJob, HotResult> for BatchRunner {
    async fn run(&self, jobs: &[HotJob]) -> Vec<HotResult> {
        let mut by_project: BTreeMap<&ProjectId, Vec<usize>> = BTreeMap::new();
        for (at, job) in jobs.iter().enumerate() {
            by_project.entry(&job.call.project).or_default().push(at);
        }
        let mut results: BTreeMap<usize, HotResult> = BTreeMap::new();
        for places in by_project.into_values() {
            let batch: Vec<&HotJob> = places.iter().map(|at| &jobs[*at]).collect();
            results.extend(places.into_iter().zip(self.run_project(&batch).await));
        }
        results.into_values().collect()
    }
}

impl BatchRunner {
    /// One for a lane.
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, met_others_at: Mutex::default() }
    }

    /// Whether others were met a moment ago, who would be met again.
    fn meets_others(&self) -> bool {
        let at = *self.met_others_at.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at.elapsed() < LOCKS_FIRST_FOR)
    }

    async fn run_project(&self, jobs: &[&HotJob]) -> Vec<HotResult> {
        match self.try_whole(jobs).await {
            Ok(results) => results,
            // Nobody's answer depends on the others: what is wrong with one of them shows when each goes alone.
            Err(StoreError::Conflict { .. } | StoreError::Failed(_) | StoreError::Corrupt { .. }) if jobs.len() > 1 => {
                let mut results = Vec::with_capacity(jobs.len());
                for job in jobs {
                    let alone = self.try_whole(std::slice::from_ref(job)).await;
                    results.extend(alone.unwrap_or_else(|error| vec![Err(error.into())]));
                }
                results
            }
            Err(error) => share(error, jobs.len()),
        }
    }

    async fn try_whole(&self, jobs: &[&HotJob]) -> Result<Vec<HotResult>, StoreError> {
        let mut tries = 1;
        loop {
            match self.attempt(jobs).await {
                Err(StoreError::Conflict { what }) if tries < WHOLE_TRIES_MAX => {
                    tracing::debug!(what, tries, jobs = jobs.len(), "somebody else got there first");
                    *self.met_others_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                    tokio::time::sleep(self.core.jitter(tries)).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self, jobs: &[&HotJob]) -> Result<Vec<HotResult>, StoreError> {
        let Some(first) = jobs.first() else { return Ok(Vec::new()) };
        let project = &first.call.project;
        let touches = Touched::of(jobs);
        // Alone with a project, nobody has to be kept out. With others, whoever does not lock would always come too late.
        let store = &self.core.store;
        let mut uow = if self.meets_others() { store.begin().await? } else { store.begin_optimistic().await? };
        let Some(head) = uow.lock_table_lock_ahead(project, &touches.ahead()).await? else {
            return Ok(jobs.iter().map(|job| Ok((Err(unknown_project(job)), false))).collect());
        };
        let (known, tables) = load(uow.as_mut(), project, head, jobs, touches).await?;
        let mut batch = Batch {
            core: &self.core,
            known,
            tables,
            journal: Journal::new(self.core.ids.as_ref(), head.now),
            started: Vec::new(),
            agents: BTreeMap::new(),
            seen: BTreeMap::new(),
            records: Vec::new(),
            told: Told::default(),
            refused: Vec::new(),
        };
        // What had run out before is told first, whatever becomes of the commands.
        batch.tell(&first.call, None, Vec::new()).map_err(|error| StoreError::Failed(error.to_string().into()))?;
        let results = jobs.iter().map(|job| batch.decide(job)).collect();
        let Batch { tables, mut journal, started, agents, seen: sessions, records, refused, .. } = batch;
        for entry in refused {
            if self.core.folds.deserves_a_line(&entry) {
                journal.add(entry);
            }
        }
        let (sessions, ended) = (sessions.into_values().collect::<Vec<_>>(), tables.sessions_ended);
        uow.sessions_seen(&sessions).await?;
        uow.sessions_end(&ended).await?;
        uow.sessions_add(&started).await?;
        uow.agents_add_missing(&agents.into_values().collect::<Vec<_>>()).await?;
        let (mut locks, work) = (tables.locks.into_changes(), tables.work.into_changes());
        let news = News::of(&locks, &work);
        locks.is_news_beside = !news.is_none();
        uow.lock_table_save(project, head, &locks).await?;
        uow.tasks_save(project, &work).await?;
        for schedule in tables.schedules_changed.iter().filter_map(|id| tables.schedules.get(id)) {
            uow.schedule_save(project, schedule).await?;
        }
        for handoff in tables.handoffs_changed.iter().filter_map(|id| tables.handoffs.get(id)) {
            uow.handoff_save(project, handoff).await?;
        }
        let has_facts = journal.append(uow.as_mut()).await?;
        uow.idempotency_add(&records, head.now - TimeDelta::hours(KEPT_HOURS)).await?;
        uow.commit().await?;
        let is_due_soon = work.first_due().is_some_and(|due| due < head.now + LOOK_INTERVAL);
        let committed = Committed { version: head.version, is_news: !news.is_none(), is_due_soon };
        self.core.watcher.committed(project, committed);
        if has_facts {
            self.core.pulse.committed(project, committed.is_news);
        }
        self.core.doorbell.ring(project, news);
        Ok(results)
    }
}

/// Decides on the commands of a batch, one after the other.
struct Batch<'a> {
    core: &'a Core,
    known: Known,
    tables: Tables,
    journal: Journal<'a>,
    started: Vec<Session>,
    /// The agents of these sessions, each as it is to be recorded if it has no record.
    agents: BTreeMap<AgentId, AgentRecord>,
    seen: BTreeMap<SessionId, Session>,
    records: Vec<Record>,
    told: Told,
    refused: Vec<Entry>,
}

/// How many events are in the journal.
#[derive(Default)]
struct Told {
    locks: usize,
    work: usize,
}

impl Batch<'_> {
    fn decide(&mut self, job: &HotJob) -> HotResult {
        let HotJob { call, command } = job;
        let fingerprint = fingerprint(call, command.operation(), || command.content());
        let application = Application {
            call,
            authorized: command.authorize(&call.principal),
            fingerprint,
            changes_project: command.changes_project(),
            entrance: command.entrance(),
        };
        let admission = self.known.admit(&application, self.core.fresh_session()?);
        let mut session = None;
        let ruling = match admission {
            Admission::Replay(answer) => {
                let result = command.replay(&answer).map_err(corrupt_record)?;
                return Ok((result, true));
            }
            Admission::Refused(refusal) => refuse(command.as_ref(), refusal, fingerprint.is_some())?,
            Admission::Open(resolved) => {
                session = resolved.map(|resolved| self.enter(call, *resolved)).transpose()?;
                let who = Who { call, session: session.as_ref() };
                command
                    .decide(&mut self.tables, &who, fingerprint.is_some())
                    .map_err(|defect| CallError::Internal(defect.to_string()))?
            }
        };
        let session_id = session.as_ref().map(|session| session.id.clone());
        self.tell(call, session_id.as_ref(), ruling.happenings)?;
        self.note_changed_sessions();
        self.note_ended_sessions();
        if let Err(refusal) = &ruling.result
            && refusal.is_audited()
        {
            let refused =
                Refused { operation: command.operation(), target: command.target(), asked: command.content(), refusal };
            self.refused.push(self.journal.refusal(call, session_id.as_ref(), refused));
        }
        if let (Some(name), Some(fingerprint), Some(answer)) = (request_name(call), fingerprint, ruling.recorded) {
            self.record(Record { name, fingerprint, answer, created_at: self.known.now });
        }
        Ok((ruling.result, false))
    }

    fn enter(&mut self, call: &Call, resolved: Resolved) -> Result<Session, CallError> {
        match resolved {
            Resolved::Known { session, is_changed } => {
                if is_changed {
                    let before = self.change(session.clone());
                    if let Some(happening) = before.and_then(|before| session_registered(&before, &session)) {
                        self.journal.happened(call, Some(&session.id), happening)?;
                    }
                }
                Ok(session)
            }
            Resolved::Started(session) => self.start(call, session),
            Resolved::Replaced { dead, started } => {
                self.journal.happened(call, None, session_died(&dead))?;
                self.tables.sessions_ended.push(dead);
                self.start(call, started)
            }
        }
    }

    fn start(&mut self, call: &Call, session: Session) -> Result<Session, CallError> {
        self.known.sessions.insert(session.id.clone(), session.clone());
        self.started.push(session.clone());
        let role = call.principal.role;
        let record = || AgentRecord::of_session(&session, role);
        self.agents.entry(session.agent.clone()).or_insert_with(record);
        self.journal.happened(call, Some(&session.id), session_started(&session))?;
        Ok(session)
    }

    fn note_changed_sessions(&mut self) {
        for changed in std::mem::take(&mut self.tables.sessions_changed) {
            self.change(changed);
        }
    }

    /// Notes how a session is now; answers how it was.
    fn change(&mut self, changed: Session) -> Option<Session> {
        match self.started.iter_mut().find(|started| started.id == changed.id) {
            Some(started) => *started = changed.clone(),
            None => {
                self.seen.insert(changed.id.clone(), changed.clone());
            }
        }
        self.known.sessions.insert(changed.id.clone(), changed)
    }

    /// What ended with this command is known to the next ones, and is not saved as living too.
    fn note_ended_sessions(&mut self) {
        let started: BTreeSet<&SessionId> = self.started.iter().map(|session| &session.id).collect();
        let (born, others): (Vec<Session>, Vec<Session>) =
            self.tables.sessions_ended.drain(..).partition(|ended| started.contains(&ended.id));
        for ended in others.iter().chain(&born) {
            self.seen.remove(&ended.id);
            self.known.sessions.insert(ended.id.clone(), ended.clone());
        }
        for ended in born {
            self.started.retain(|session| session.id != ended.id);
            self.started.push(ended);
        }
        self.tables.sessions_ended = others;
    }

    /// Puts what the command did to the tables, and what else happened, into the journal.
    fn tell(&mut self, call: &Call, session: Option<&SessionId>, beside: Vec<Happening>) -> Result<(), CallError> {
        let (locks, work) = (&self.tables.locks.changes().events, self.tables.work.events());
        for event in work.iter().skip(self.told.work) {
            self.journal.happened(call, session, work_happening(event))?;
        }
        for event in locks.iter().skip(self.told.locks) {
            self.journal.happened(call, session, lock_happening(event))?;
        }
        self.told = Told { locks: locks.len(), work: work.len() };
        for happening in beside {
            self.journal.happened(call, session, happening)?;
        }
        Ok(())
    }

    fn record(&mut self, record: Record) {
        self.known.records.insert(record.name.clone(), record.clone());
        self.records.push(record);
    }
}

/// A refusal at the door, recorded like any answer, except where the record belongs to another request.
fn refuse(command: &dyn ErasedCommand, refusal: Refusal, record: bool) -> Result<ErasedRuling, CallError> {
    let is_recorded = record && refusal != Refusal::IdempotencyKeyReused;
    let recorded = is_recorded.then(|| serde_json::to_value(Err::<(), _>(&refusal))).transpose();
    let recorded = recorded.map_err(|error| {
        CallError::Internal(format!("the refusal of {} cannot be recorded: {error}", command.operation()))
    })?;
    Ok(ErasedRuling { result: Err(refusal), happenings: Vec::new(), recorded })
}

fn lock_happening(event: &LockEvent) -> Happening {
    Happening { change: event.change(), kind: event.kind(), body: event.body(), by_itself: event.is_by_itself() }
}

fn work_happening(event: &WorkEvent) -> Happening {
    Happening {
        change: event.change(),
        kind: event.what.kind(),
        body: event.body(),
        by_itself: event.what.is_by_itself(),
    }
}

fn unknown_project(job: &HotJob) -> Refusal {
    match job.command.authorize(&job.call.principal) {
        Err(denial) => denial.into(),
        Ok(()) => ProjectRefusal::Unknown { id: job.call.project.clone() }.into(),
    }
}

fn corrupt_record(error: serde_json::Error) -> CallError {
    StoreError::Corrupt { what: "idempotency_records.answer".to_owned(), source: error.into() }.into()
}

/// The same failure for every job of a batch.
fn share(error: StoreError, jobs: usize) -> Vec<HotResult> {
    let again: Vec<StoreError> = match error {
        StoreError::Conflict { what } => (0..jobs).map(|_| StoreError::Conflict { what }).collect(),
        StoreError::Unavailable(source) => {
            let source = Shared(source.into());
            (0..jobs).map(|_| StoreError::Unavailable(Box::new(source.clone()))).collect()
        }
        StoreError::Failed(source) => {
            let source = Shared(source.into());
            (0..jobs).map(|_| StoreError::Failed(Box::new(source.clone()))).collect()
        }
        StoreError::Corrupt { what, source } => {
            let source = Shared(source.into());
            let corrupt = || StoreError::Corrupt { what: what.clone(), source: Box::new(source.clone()) };
            (0..jobs).map(|_| corrupt()).collect()
        }
    };
    again.into_iter().map(|error| Err(error.into())).collect()
}

/// A cause that several failures share.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<dyn std::error::Error + Send + Sync>);
