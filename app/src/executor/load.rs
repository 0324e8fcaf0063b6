//! What a batch touches, loaded under the project's lock.

use crate::executor::admission::{Known, request_name};
use crate::executor::batch::HotJob;
use crate::executor::hot::{Choice, Tables, Touches, WorkTouches};
use domain::agents::Session;
use domain::idempotency::RequestName;
use domain::ids::{AgentId, HandoffId, ProjectId, ScheduleId, SessionId, TaskId};
use domain::locks::changes::Loaded as LoadedLocks;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::Token;
use domain::locks::stored::StoredLease;
use domain::locks::table::LockTable;
use domain::work::changes::Loaded as LoadedWork;
use domain::work::claim::ClaimFilter;
use domain::work::rank::Place;
use domain::work::schedule::Schedule;
use domain::work::table::WorkTable;
use domain::work::task::Task;
use ports::locks::{Ahead, TableHead};
use ports::store::{StoreError, UnitOfWork};
use ports::work::Candidates;
use std::collections::{BTreeMap, BTreeSet};

/// How many more candidates are loaded than tasks are wanted, so that some may be passed over.
const CANDIDATES_SPARE: u32 = 50;

/// How many candidates are loaded for one choice at most.
const CANDIDATES_MAX: u32 = 1_000;

/// How many tasks are loaded at most because they depend on others of the batch; the rest is told later.
const DEPENDENTS_MAX: usize = 5_000;

/// Loads what a batch touches.
pub(super) async fn load(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: TableHead,
    jobs: &[&HotJob],
    mut touches: Touched,
) -> Result<(Known, Tables), StoreError> {
    let records = uow.idempotency_load(&touches.requests).await?;
    let records = records.into_iter().map(|record| (record.name.clone(), record)).collect();
    let (named, default_of) = &touches.sessions;
    let sessions = uow.sessions_load(project, named, default_of).await?;
    let sessions = sessions.into_iter().map(|session| (session.id.clone(), session)).collect();
    let known = Known { now: head.now, project: uow.project_find(project).await?, records, sessions };
    let dead = match touches.dead_sessions_max {
        0 => Vec::new(),
        rows_max => uow.sessions_dead(project, head.now, rows_max).await?,
    };
    let mut ending: BTreeSet<SessionId> = dead.iter().map(|session| session.id.clone()).collect();
    for job in jobs.iter().filter(|job| job.command.in_session()) {
        let own = known.session_of(&job.call);
        // A dead session that this call replaces ends with all it held.
        let own = own.filter(|own| job.command.touches().own_session || !own.is_live(head.now));
        ending.extend(own.map(|own| own.id.clone()));
    }
    let ending: Vec<SessionId> = ending.into_iter().collect();
    let handed = touches.handoffs.iter().copied().collect::<Vec<_>>();
    let mut handoffs = BTreeMap::new();
    for handoff in uow.handoffs_load(project, &handed).await? {
        touches.tokens.extend(&handoff.to_move.locks);
        touches.work.tasks.extend(handoff.to_move.tasks.keys());
        touches.handed.extend(&handoff.to_move.locks);
        handoffs.insert(handoff.id, handoff);
    }
    let (work, horizons) = load_work(uow, project, head, &touches.work, &ending, &known).await?;
    let mut schedules = BTreeMap::new();
    for id in &touches.schedules {
        schedules.extend(uow.schedule_find(project, *id).await?.map(|schedule| (*id, schedule)));
    }
    let fired = schedules.values().flat_map(|schedule: &Schedule| schedule.draft.lock_keys());
    touches.work.lock_keys.extend(fired.cloned());
    let mut locks = load_locks(uow, project, head, touches, &ending, &work).await?;
    let work = WorkTable::new(work, &mut locks);
    let tables = Tables {
        locks,
        work,
        horizons,
        schedules,
        schedules_changed: BTreeSet::new(),
        handoffs,
        handoffs_changed: BTreeSet::new(),
        sessions_changed: Vec::new(),
        sessions_ended: Vec::new(),
        sessions_dead: dead,
    };
    Ok((known, tables))
}

/// What all commands of a batch touch.
#[derive(Default)]
pub(super) struct Touched {
    requests: Vec<RequestName>,
    sessions: (Vec<SessionId>, Vec<AgentId>),
    keys: BTreeSet<LockKey>,
    tokens: BTreeSet<Token>,
    expired_rows_max: u32,
    dead_sessions_max: u32,
    work: TouchedWork,
    schedules: BTreeSet<ScheduleId>,
    handoffs: BTreeSet<HandoffId>,
    /// Tokens of locks that are to go over: with all that overlaps them.
    handed: BTreeSet<Token>,
}

#[derive(Default)]
struct TouchedWork {
    tasks: BTreeSet<TaskId>,
    ending: BTreeSet<TaskId>,
    depended_on: BTreeSet<TaskId>,
    lock_keys: BTreeSet<LockKey>,
    tokens: BTreeSet<Token>,
    choices: BTreeMap<(ClaimFilter, Option<Place>), u32>,
    due_rows_max: u32,
}

impl Touched {
    pub(super) fn of(jobs: &[&HotJob]) -> Self {
        let calls = || jobs.iter().map(|job| &job.call);
        let requests: BTreeSet<RequestName> = calls().filter_map(request_name).collect();
        let named: BTreeSet<SessionId> = calls().filter_map(|call| call.session.clone()).collect();
        let default_of: BTreeSet<AgentId> =
            calls().filter(|call| call.session.is_none()).map(|call| call.principal.agent.clone()).collect();
        let mut all = Self {
            requests: requests.into_iter().collect(),
            sessions: (named.into_iter().collect(), default_of.into_iter().collect()),
            ..Self::default()
        };
        for job in jobs {
            let Touches {
                keys,
                tokens,
                own_session: _,
                expired_rows_max,
                dead_sessions_max,
                work,
                schedules,
                handoffs,
            } = job.command.touches();
            all.keys.extend(keys);
            all.tokens.extend(tokens);
            all.expired_rows_max = all.expired_rows_max.max(expired_rows_max);
            all.dead_sessions_max = all.dead_sessions_max.max(dead_sessions_max);
            all.work.add(work);
            all.schedules.extend(schedules);
            all.handoffs.extend(handoffs);
        }
        all
    }

    /// What [`load`] is going to ask for, whatever it finds.
    pub(super) fn ahead(&self) -> Ahead {
        let Self { requests, sessions, keys, tokens, work, .. } = self;
        Ahead {
            idempotency_load: requests.clone(),
            sessions_load: sessions.clone(),
            leases_load: (!keys.is_empty()).then(|| KeyScope::overlapping(keys)),
            leases_load_by_token: tokens.iter().copied().collect(),
            tasks_load: listed(&work.tasks),
            dependents_load: listed(&work.ending),
            tasks_claimable: work.choices().map(|((filter, after), rows)| (filter.clone(), *after, rows)).collect(),
            tasks_due: work.due_rows_max,
        }
    }
}

impl TouchedWork {
    /// The choices, and how many candidates are loaded for each.
    fn choices(&self) -> impl Iterator<Item = (&(ClaimFilter, Option<Place>), u32)> {
        let rows = |wanted: &u32| wanted.saturating_add(CANDIDATES_SPARE).min(CANDIDATES_MAX);
        self.choices.iter().map(move |(choice, wanted)| (choice, rows(wanted)))
    }

    fn add(&mut self, touches: WorkTouches) {
        let WorkTouches { tasks, ending, depended_on, lock_keys, tokens, choice, due_rows_max } = touches;
        self.tasks.extend(tasks);
        self.tasks.extend(&ending);
        self.tasks.extend(&depended_on);
        self.ending.extend(ending);
        self.depended_on.extend(depended_on);
        self.lock_keys.extend(lock_keys);
        self.tokens.extend(tokens);
        if let Some(Choice { filter, after, tasks }) = choice {
            *self.choices.entry((filter, after)).or_default() += tasks;
        }
        self.due_rows_max = self.due_rows_max.max(due_rows_max);
    }
}

type Horizons = BTreeMap<(ClaimFilter, Option<Place>), Place>;

async fn load_work(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: TableHead,
    touches: &TouchedWork,
    ending_sessions: &[SessionId],
    known: &Known,
) -> Result<(LoadedWork, Horizons), StoreError> {
    let mut tasks = BTreeMap::new();
    let mut loaded = LoadedWork::default();
    let mut may_end = touches.ending.clone();
    let add = |tasks: &mut BTreeMap<TaskId, Task>, found: Vec<Task>| {
        tasks.extend(found.into_iter().map(|task| (task.id, task)));
    };
    if !touches.tasks.is_empty() {
        add(&mut tasks, uow.tasks_load(project, &listed(&touches.tasks)).await?);
    }
    if !ending_sessions.is_empty() {
        let found = uow.tasks_load_by_session(project, ending_sessions).await?;
        may_end.extend(found.iter().map(|task| task.id));
        add(&mut tasks, found);
    }
    if touches.due_rows_max > 0 {
        let found = uow.tasks_due(project, head.now, touches.due_rows_max).await?;
        may_end.extend(found.iter().map(|task| task.id));
        add(&mut tasks, found);
    }
    let mut horizons = Horizons::new();
    if !touches.choices.is_empty() {
        loaded.running = uow.tasks_running(project).await?;
    }
    for ((filter, after), rows_max) in touches.choices() {
        let candidates = Candidates { filter, running: &loaded.running, after: *after, rows_max };
        let found = uow.tasks_claimable(project, candidates).await?;
        if found.len() >= rows_max as usize
            && let Some(last) = found.last()
        {
            horizons.insert((filter.clone(), *after), last.place());
        }
        add(&mut tasks, found);
    }
    if !touches.tokens.is_empty() {
        // Only tokens that are no claim any more have become attempts.
        let is_open =
            |token: &&Token| tasks.values().any(|task| task.lease().is_some_and(|lease| lease.token == **token));
        let past: Vec<Token> = touches.tokens.iter().filter(|token| !is_open(token)).copied().collect();
        if !past.is_empty() {
            loaded.attempts = uow.attempts_load(project, &past).await?;
        }
    }
    may_end.extend(tasks.values().filter(|task| has_run_out(task, head)).map(|task| task.id));
    if !may_end.is_empty() {
        load_dependents(uow, project, &touches.ending, &may_end, &mut tasks, &mut loaded).await?;
    }
    let counted: Vec<TaskId> =
        touches.depended_on.iter().filter(|id| !loaded.dependents.contains_key(id)).copied().collect();
    if !counted.is_empty() {
        loaded.dependent_counts = uow.dependents_count(project, &counted).await?;
    }
    let holders: BTreeSet<&SessionId> =
        tasks.values().filter_map(Task::lease).map(|lease| &lease.holder.session).collect();
    let (here, elsewhere): (Vec<&SessionId>, Vec<&SessionId>) =
        holders.into_iter().partition(|id| known.sessions.contains_key(*id));
    let mut sessions: Vec<Session> = here.into_iter().filter_map(|id| known.sessions.get(id)).cloned().collect();
    if !elsewhere.is_empty() {
        let elsewhere: Vec<SessionId> = elsewhere.into_iter().cloned().collect();
        sessions.extend(uow.sessions_load(project, &elsewhere, &[]).await?);
    }
    loaded.session_ends = sessions.into_iter().map(|session| (session.id, session.live_until)).collect();
    loaded.tasks = tasks.into_values().collect();
    Ok((loaded, horizons))
}

/// Loads who depends on tasks that may end. Where they are too many for tasks that nobody named, nothing is said, so that
/// they are told later.
async fn load_dependents(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    named: &BTreeSet<TaskId>,
    may_end: &BTreeSet<TaskId>,
    tasks: &mut BTreeMap<TaskId, Task>,
    loaded: &mut LoadedWork,
) -> Result<(), StoreError> {
    let may_end: Vec<TaskId> = may_end.iter().filter(|id| tasks.contains_key(id)).copied().collect();
    let mut dependents: BTreeMap<TaskId, Vec<TaskId>> = may_end.iter().map(|id| (*id, Vec::new())).collect();
    for edge in uow.dependents_load(project, &may_end).await? {
        dependents.entry(edge.depends_on).or_default().push(edge.task);
    }
    let mut missing = BTreeSet::new();
    for (id, dependents) in dependents {
        if named.contains(&id) || missing.len() + dependents.len() <= DEPENDENTS_MAX {
            missing.extend(dependents.iter().filter(|id| !tasks.contains_key(id)).copied());
            loaded.dependents.insert(id, dependents);
        }
    }
    if !missing.is_empty() {
        let found = uow.tasks_load(project, &listed(&missing)).await?;
        tasks.extend(found.into_iter().map(|task| (task.id, task)));
    }
    Ok(())
}

/// Whether a task ends, or an attempt at it, as soon as it is looked at.
fn has_run_out(task: &Task, head: TableHead) -> bool {
    task.untold || task.is_overdue(head.now) || task.lease().is_some_and(|lease| lease.until <= head.now)
}

async fn load_locks(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: TableHead,
    touches: Touched,
    ending_sessions: &[SessionId],
    work: &LoadedWork,
) -> Result<LockTable, StoreError> {
    let Touched {
        mut keys, mut tokens, handed, expired_rows_max, work: TouchedWork { choices, lock_keys, .. }, ..
    } = touches;
    if !choices.is_empty() {
        keys.extend(lock_keys);
    }
    let waiters = uow.waiters_load(project).await?;
    keys.extend(waiters.iter().flat_map(|stored| stored.waiter.wants.keys().cloned()));
    keys.extend(work.lock_keys());
    tokens.extend(work.lock_tokens());
    let mut leases = Vec::new();
    if !ending_sessions.is_empty() {
        leases.extend(uow.leases_load_by_session(project, ending_sessions).await?);
    }
    if expired_rows_max > 0 {
        leases.extend(uow.leases_load_expired(project, head.now, expired_rows_max).await?);
    }
    let mut ended = Vec::new();
    if !tokens.is_empty() {
        let tokens: Vec<Token> = tokens.into_iter().collect();
        let found = uow.leases_load_by_token(project, &tokens).await?;
        if found.len() < tokens.len() {
            ended = uow.ended_load(project, &tokens).await?;
        }
        let is_of_interest = |stored: &&StoredLease| !stored.is_live(head.now) || handed.contains(&stored.lease.token);
        let expired = found.iter().filter(is_of_interest).map(|stored| &stored.lease.key);
        keys.extend(ended.iter().map(|ended| &ended.lease.key).chain(expired).cloned());
        leases.extend(found);
    }
    if !keys.is_empty() {
        leases.extend(uow.leases_load(project, &KeyScope::overlapping(&keys)).await?);
    }
    let leases: BTreeMap<Token, StoredLease> = leases.into_iter().map(|stored| (stored.lease.token, stored)).collect();
    let leases = leases.into_values().collect();
    Ok(LockTable::new(LoadedLocks { now: head.now, last_token: head.last_token, leases, waiters, ended }))
}

fn listed<T: Copy>(of: &BTreeSet<T>) -> Vec<T> {
    of.iter().copied().collect()
}
