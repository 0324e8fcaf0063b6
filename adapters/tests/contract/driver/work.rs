//! Runs commands on tasks the way the server does, with everything that belongs into the same commit: the session, the
//! locks, the lines of the audit log, the facts, and the record of the request.

use super::{Voice, lock, speak};
use crate::harness::TestStore;
use crate::samples::*;
use chrono::TimeDelta;
use domain::agents::{self, Session, SessionRefusal};
use domain::audit::{Change, Entry};
use domain::events::Fact;
use domain::idempotency::{KEPT_HOURS, Record, RequestName};
use domain::ids::{ProjectId, SessionId, TaskId};
use domain::locks::changes::Loaded as LoadedLocks;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::{Ending, Token};
use domain::locks::table::LockTable;
use domain::work::attempt::SessionEnd;
use domain::work::changes::Loaded;
use domain::work::claim::ClaimFilter;
use domain::work::name::ConcurrencyKey;
use domain::work::table::WorkTable;
use domain::work::task::Task;
use ports::ids::IdSource;
use ports::locks::TableHead;
use ports::store::{Store, StoreError, UnitOfWork};
use ports::work::Candidates;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many candidates are loaded at a time: so few that a claim needs several pages.
const PAGE_ROWS: u32 = 3;

/// What a command touches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Touches {
    /// Keys that are to be locked for themselves.
    pub(crate) keys: Vec<LockKey>,
    /// Tasks that are named.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Claims that are named.
    pub(crate) tokens: BTreeSet<Token>,
    /// What is to be claimed.
    pub(crate) claim: Option<ClaimFilter>,
    /// What time has changed, at most so many rows; dead sessions too.
    pub(crate) due_rows_max: u32,
    /// Whether nobody looks who depends on what ends by the way or by the word of its agent, so that they are told later.
    pub(crate) is_short_sighted: bool,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) touches: Touches,
    /// In whose session, if it needs one.
    pub(crate) voice: Option<Voice>,
    /// Whether the session ends with it.
    pub(crate) ends: bool,
    pub(crate) request: RequestName,
    /// Whether the server goes down just before the commit.
    pub(crate) is_cut_off: bool,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome<T> {
    /// The answer, and what the audit log was told: operation and target.
    Done(T, Vec<(String, String)>),
    /// The answer from before.
    Replayed(T),
    NoSession(SessionRefusal),
    CutOff,
}

/// What a command decides on.
pub(crate) struct Tables {
    pub(crate) locks: LockTable,
    pub(crate) work: WorkTable,
}

/// Runs one call in a unit of work of its own, begun at a door of the store.
pub(crate) async fn run<T: Serialize + DeserializeOwned>(
    store: &TestStore,
    door: &dyn Store,
    project: &ProjectId,
    call: &Call,
    command: impl FnOnce(&mut Tables) -> T,
) -> Result<Outcome<T>, StoreError> {
    let mut uow = door.begin().await?;
    let uow_ref = uow.as_mut();
    let head = lock(uow_ref, project).await?;
    if let Some(record) = uow_ref.idempotency_load(std::slice::from_ref(&call.request)).await?.pop() {
        return Ok(Outcome::Replayed(serde_json::from_value(record.answer).unwrap()));
    }
    let session = match &call.voice {
        None => None,
        Some(voice) => match speak(uow_ref, project, head.now, voice).await? {
            Ok((session, _)) => Some(session),
            Err(refusal) => return Ok(Outcome::NoSession(refusal)),
        },
    };
    let ending = session.as_ref().filter(|_| call.ends);
    let mut tables = load(uow_ref, project, head, &call.touches, ending).await?;
    let answer = command(&mut tables);
    if let Some(session) = ending {
        tables.work.return_session(&mut tables.locks, &session.id, SessionEnd::Closed);
        tables.locks.release_session(&session.id, &Ending::SessionEnded);
        uow_ref.sessions_end(&[agents::end(session.clone(), head.now).unwrap()]).await?;
    }
    let Tables { locks, work } = tables;
    let (locked, worked) = (locks.into_changes(), work.into_changes());
    let told = worked.events.iter().map(|event| (event.change(), event.what.kind(), event.body()));
    let told: Vec<_> =
        told.chain(locked.events.iter().map(|event| (event.change(), event.kind(), event.body()))).collect();
    let lines = tell(store, uow_ref, project, head, told).await?;
    uow_ref.tasks_save(project, &worked).await?;
    uow_ref.lock_table_save(project, head, &locked).await?;
    let answered = serde_json::to_value(&answer).unwrap();
    let record = Record { name: call.request.clone(), fingerprint: [7; 32], answer: answered, created_at: head.now };
    uow_ref.idempotency_add(&[record], head.now - TimeDelta::hours(KEPT_HOURS)).await?;
    if call.is_cut_off {
        return Ok(Outcome::CutOff);
    }
    uow.commit().await?;
    Ok(Outcome::Done(answer, lines))
}

/// Appends a line and a fact of everything that happened.
async fn tell(
    store: &TestStore,
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: TableHead,
    told: Vec<(Change, &'static str, Value)>,
) -> Result<Vec<(String, String)>, StoreError> {
    let (mut entries, mut facts, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for (change, kind, body) in told {
        lines.push((change.operation.clone(), change.target.clone()));
        let (project, at, subject) = (project.clone(), head.now, change.target.clone());
        facts.push(Fact {
            id: store.ids.fact_id(),
            project: project.clone(),
            at,
            agent: agent("ann"),
            kind: kind.to_owned(),
            subject,
            body,
        });
        entries.push(Entry { project, at, change, ..entry(store) });
    }
    uow.audit_append(&entries).await?;
    uow.facts_append(&facts).await?;
    Ok(lines)
}

async fn load(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: TableHead,
    touches: &Touches,
    ending: Option<&Session>,
) -> Result<Tables, StoreError> {
    let mut sessions: Vec<SessionId> = ending.iter().map(|session| session.id.clone()).collect();
    if touches.due_rows_max > 0 {
        let dead = uow.sessions_dead(project, head.now, touches.due_rows_max).await?;
        let dead: Vec<Session> = dead.iter().filter_map(|session| agents::reap(session, head.now)).collect();
        uow.sessions_end(&dead).await?;
        sessions.extend(dead.into_iter().map(|session| session.id));
    }
    let work = load_work(uow, project, head, touches, &sessions).await?;
    let mut locks = load_locks(uow, project, head, touches, &sessions, &work).await?;
    let work = WorkTable::new(work, &mut locks);
    Ok(Tables { locks, work })
}

async fn load_work(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: TableHead,
    touches: &Touches,
    ending: &[SessionId],
) -> Result<Loaded, StoreError> {
    let named: Vec<TaskId> = touches.tasks.iter().copied().collect();
    let mut found = uow.tasks_load(project, &named).await?;
    found.extend(uow.tasks_load_by_session(project, ending).await?);
    found.extend(uow.tasks_due(project, head.now, touches.due_rows_max).await?);
    let mut tasks: BTreeMap<TaskId, Task> = found.into_iter().map(|task| (task.id, task)).collect();
    let running = uow.tasks_running(project).await?;
    if let Some(filter) = &touches.claim {
        let running = running_on(&running, &tasks);
        let mut after = None;
        loop {
            let candidates = Candidates { filter, running: &running, after, rows_max: PAGE_ROWS };
            let page = uow.tasks_claimable(project, candidates).await?;
            after = page.last().map(Task::place);
            let is_last = page.len() < PAGE_ROWS as usize;
            tasks.extend(page.into_iter().map(|task| (task.id, task)));
            if is_last {
                break;
            }
        }
    }
    let tokens: Vec<Token> = touches.tokens.iter().copied().collect();
    let attempts = uow.attempts_load(project, &tokens).await?;
    let mut dependents: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    let is_seen = |id: &&TaskId| !touches.is_short_sighted || (touches.tokens.is_empty() && named.contains(id));
    let seen: Vec<TaskId> = tasks.keys().filter(is_seen).copied().collect();
    for id in &seen {
        dependents.insert(*id, Vec::new());
    }
    for edge in uow.dependents_load(project, &seen).await? {
        dependents.entry(edge.depends_on).or_default().push(edge.task);
    }
    let missing: BTreeSet<TaskId> =
        dependents.values().flatten().filter(|id| !tasks.contains_key(id)).copied().collect();
    let missing: Vec<TaskId> = missing.into_iter().collect();
    tasks.extend(uow.tasks_load(project, &missing).await?.into_iter().map(|task| (task.id, task)));
    for waiting in dependents.values_mut() {
        waiting.sort_unstable();
    }
    let dependent_counts = uow.dependents_count(project, &named).await?;
    let holders: BTreeSet<SessionId> =
        tasks.values().filter_map(Task::lease).map(|lease| lease.holder.session.clone()).collect();
    let holders: Vec<SessionId> = holders.into_iter().collect();
    let sessions = uow.sessions_load(project, &holders, &[]).await?;
    let session_ends = sessions.into_iter().map(|session| (session.id, session.live_until)).collect();
    Ok(Loaded { tasks: tasks.into_values().collect(), dependents, dependent_counts, running, attempts, session_ends })
}

/// How many of each key run when what is due has been settled: those that lapse may make room.
fn running_on(running: &BTreeMap<ConcurrencyKey, u32>, due: &BTreeMap<TaskId, Task>) -> BTreeMap<ConcurrencyKey, u32> {
    let mut running = running.clone();
    for task in due.values().filter(|task| task.lease().is_some()) {
        if let Some(concurrency) = &task.terms.concurrency
            && let Some(count) = running.get_mut(&concurrency.key)
        {
            *count = count.saturating_sub(1);
        }
    }
    running
}

async fn load_locks(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: TableHead,
    touches: &Touches,
    ending: &[SessionId],
    work: &Loaded,
) -> Result<LockTable, StoreError> {
    let waiters = uow.waiters_load(project).await?;
    let mut keys: BTreeSet<LockKey> = waiters.iter().flat_map(|stored| stored.waiter.wants.keys().cloned()).collect();
    keys.extend(touches.keys.iter().cloned());
    keys.extend(work.lock_keys());
    let tokens: Vec<Token> = work.lock_tokens().into_iter().collect();
    let mut leases = uow.leases_load_by_session(project, ending).await?;
    leases.extend(uow.leases_load_expired(project, head.now, touches.due_rows_max).await?);
    leases.extend(uow.leases_load_by_token(project, &tokens).await?);
    leases.extend(uow.leases_load(project, &KeyScope::overlapping(&keys)).await?);
    leases.sort_by_key(|stored| stored.lease.token);
    leases.dedup_by_key(|stored| stored.lease.token);
    let ended = uow.ended_load(project, &tokens).await?;
    Ok(LockTable::new(LoadedLocks { now: head.now, last_token: head.last_token, leases, waiters, ended }))
}
