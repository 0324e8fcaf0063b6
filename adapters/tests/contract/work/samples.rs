//! Tasks to store.

use crate::harness::{TestStore, default_project, start};
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{AgentType, ProjectId, TaskId};
use domain::locks::lease::{Holder, Mode, Token};
use domain::locks::wants::{Want, Wants};
use domain::work::attempt::{Attempt, AttemptEnd};
use domain::work::changes::{ChangedTask, Changes, NewTask};
use domain::work::content::{Content, Description, Fault, Note, Payload, Progress, Title};
use domain::work::name::{Capability, ConcurrencyKey, Environment, Label, TaskType};
use domain::work::rank::{Priority, Rank};
use domain::work::requires::{Asked, Requires, Trust};
use domain::work::retry::RetryPolicy;
use domain::work::submission::TaskDraft;
use domain::work::task::{CancelCause, CancelRequest, DeathCause, Delay, Status, Task, TaskLease, TaskState};
use domain::work::terms::{Concurrency, ConcurrencyLimit, Labels, LeaseLength, OnDependencyFailure, Terms};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) fn second(number: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(number)
}

pub(crate) const MICRO: TimeDelta = TimeDelta::microseconds(1);

pub(crate) fn task_id(number: u128) -> TaskId {
    TaskId::new(Uuid::from_u128(number))
}

pub(crate) fn task_type(name: &str) -> TaskType {
    TaskType::parse(name).unwrap()
}

pub(crate) fn label(name: &str) -> Label {
    Label::parse(name).unwrap()
}

pub(crate) fn labels(names: &[&str]) -> Labels {
    Labels::try_new(names.iter().map(|name| label(name)).collect()).unwrap()
}

pub(crate) fn concurrency_key(name: &str) -> ConcurrencyKey {
    ConcurrencyKey::parse(name).unwrap()
}

pub(crate) fn concurrency(name: &str, limit: u32) -> Concurrency {
    Concurrency { key: concurrency_key(name), limit: ConcurrencyLimit::try_new(limit).unwrap() }
}

pub(crate) fn priority(number: u8) -> Priority {
    Priority::try_new(number).unwrap()
}

pub(crate) fn payload(value: Value) -> Payload {
    Payload::try_new(value).unwrap()
}

pub(crate) fn fault(words: &str) -> Fault {
    Fault::parse(words).unwrap()
}

/// JSON that a database might not give back as it was.
pub(crate) fn tricky_payload() -> Payload {
    payload(json!({
        "z": u64::MAX, "a": i64::MIN, "float": 0.5, "null": null, "": {}, "list": [[], "", false],
        "words": "ключ \"'\\ 🔑 \u{0} \n", "key \u{0} with a null": 1,
    }))
}

/// Terms with nothing special in them, of something submitted at the start.
pub(crate) fn plain_terms() -> Terms {
    Terms {
        task_type: task_type("build"),
        labels: Labels::default(),
        requires: Requires::default(),
        resources: None,
        concurrency: None,
        lease: LeaseLength::try_new(60).unwrap(),
        retry: RetryPolicy::DEFAULT,
        on_dependency_failure: OnDependencyFailure::Cancel,
        parent: None,
        submitted_by: agent("boss"),
        submitted_at: start(),
    }
}

pub(crate) fn full_requires() -> Requires {
    Requires::try_new(Asked {
        capabilities: [Capability::parse("rust").unwrap(), Capability::parse("gpu/a100").unwrap()].into(),
        environment: Some(Environment::parse("ci").unwrap()),
        trust_min: Some(Trust::try_new(3).unwrap()),
        agent_types: [AgentType::parse("worker").unwrap(), AgentType::parse("reviewer").unwrap()].into(),
        not_submitter: true,
    })
    .unwrap()
}

pub(crate) fn full_wants() -> Wants {
    let want = |text, mode| Want { key: key(text), mode };
    Wants::try_new(vec![want("src/[id]/it's \"x\"", Mode::Shared), want("db:schema:a", Mode::Exclusive)]).unwrap()
}

/// Terms with something in every field.
pub(crate) fn full_terms() -> Terms {
    Terms {
        task_type: task_type("fix-test"),
        labels: labels(&["a", "B", "x:y/z"]),
        requires: full_requires(),
        resources: Some(full_wants()),
        concurrency: Some(concurrency("repo:main", 10_000)),
        lease: LeaseLength::try_new(28_800).unwrap(),
        retry: RetryPolicy::try_new(100, 7, 604_800).unwrap(),
        on_dependency_failure: OnDependencyFailure::Block,
        parent: Some(task_id(u128::MAX)),
        submitted_by: agent("ann"),
        submitted_at: second(3) + MICRO,
    }
}

/// A ready task of priority 5, submitted at the start.
pub(crate) fn task(number: u128) -> Task {
    of_terms(number, plain_terms())
}

pub(crate) fn of_terms(number: u128, terms: Terms) -> Task {
    Task {
        id: task_id(number),
        priority: Priority::DEFAULT,
        rank: Rank::new(start(), Priority::DEFAULT),
        not_before: None,
        deadline: None,
        attempts_made: 0,
        attempts_allowed: terms.retry.attempts_max(),
        state: TaskState::Ready { since: terms.submitted_at },
        untold: false,
        terms: Arc::new(terms),
    }
}

pub(crate) fn with_terms(number: u128, change: impl FnOnce(&mut Terms)) -> Task {
    let mut terms = plain_terms();
    change(&mut terms);
    of_terms(number, terms)
}

/// A ready task that stands so many seconds behind the start.
pub(crate) fn ranked(number: u128, seconds: i64) -> Task {
    Task { rank: Rank::new(second(seconds), Priority::DEFAULT), ..task(number) }
}

pub(crate) fn in_state(state: TaskState, task: Task) -> Task {
    Task { state, ..task }
}

pub(crate) fn holder(agent_name: &str, session_name: &str) -> Holder {
    Holder { agent: agent(agent_name), session: session_id(session_name) }
}

/// The first claim of a task, by `ann` in `s1`, until an instant.
pub(crate) fn task_lease(number: i64, until: DateTime<Utc>) -> TaskLease {
    TaskLease {
        attempt: 1,
        token: token(number),
        holder: holder("ann", "s1"),
        since: start(),
        until,
        length: LeaseLength::try_new(60).unwrap(),
        locks: Vec::new(),
        progress: None,
        note: None,
        cancel: None,
    }
}

pub(crate) fn full_request() -> CancelRequest {
    CancelRequest {
        by: agent("boss"),
        reason: Some(reason("it's \"not\" needed 🔑")),
        at: second(9) + MICRO,
        with_dependents: true,
    }
}

pub(crate) fn leased(lease: TaskLease, task: Task) -> Task {
    Task { attempts_made: lease.attempt, state: TaskState::Leased(lease), ..task }
}

/// Every state a task can be in, with every variety of what is in it.
pub(crate) fn every_state() -> Vec<TaskState> {
    let bare_lease = task_lease(41, second(60));
    let full_lease = TaskLease {
        attempt: 10_000,
        token: token((1 << 53) - 1),
        holder: holder("bob", "s-9:x/y"),
        since: second(2) + MICRO,
        until: second(62) + MICRO,
        length: LeaseLength::try_new(5).unwrap(),
        locks: vec![token(44), token(43), token(1 << 40)],
        progress: Some(Progress::try_new(100).unwrap()),
        note: Some(Note::parse("two\nlines\tof 🔑").unwrap()),
        cancel: Some(full_request()),
    };
    let quiet = CancelRequest { reason: None, with_dependents: false, ..full_request() };
    let asked_quietly = TaskLease { cancel: Some(quiet.clone()), ..task_lease(45, second(60)) };
    let begun = TaskLease {
        progress: Some(Progress::try_new(0).unwrap()),
        locks: vec![token(42)],
        ..task_lease(46, second(60))
    };
    let at = second(5) + MICRO;
    let cancelled = |cause| TaskState::Cancelled { at, cause };
    let because_of = |with_dependents| CancelCause::Dependency { task: task_id(77), with_dependents };
    vec![
        TaskState::Ready { since: at },
        TaskState::Scheduled { until: at, delay: Delay::NotBefore },
        TaskState::Scheduled { until: at, delay: Delay::Retry },
        TaskState::Scheduled { until: at, delay: Delay::Snooze },
        TaskState::Blocked { pending: 1 },
        TaskState::Blocked { pending: 100 },
        TaskState::Leased(bare_lease),
        TaskState::Leased(begun),
        TaskState::Leased(asked_quietly),
        TaskState::Leased(full_lease),
        TaskState::Succeeded { at },
        TaskState::Dead { at, cause: DeathCause::AttemptsUsedUp },
        TaskState::Dead { at, cause: DeathCause::NotRetryable },
        cancelled(CancelCause::Asked(full_request())),
        cancelled(CancelCause::Asked(quiet)),
        cancelled(because_of(false)),
        cancelled(because_of(true)),
        cancelled(CancelCause::Discarded { by: agent("bob") }),
        TaskState::Expired { at },
    ]
}

pub(crate) fn content(title: &str) -> Content {
    Content { title: Title::parse(title).unwrap(), description: None, input: None }
}

pub(crate) fn full_content() -> Content {
    Content {
        title: Title::parse("it's \"the\" 🔑").unwrap(),
        description: Some(Description::parse("two\nlines\tof \\ it").unwrap()),
        input: Some(tricky_payload()),
    }
}

pub(crate) fn new(task: Task) -> NewTask {
    NewTask { task, content: content("do it"), depends_on: Vec::new() }
}

pub(crate) fn waiting_for(numbers: &[u128], task: Task) -> NewTask {
    NewTask { depends_on: numbers.iter().map(|number| task_id(*number)).collect(), ..new(task) }
}

/// The attempt that a claim of a task was, over at an instant.
pub(crate) fn attempt(number: u128, token_number: i64, end: AttemptEnd) -> Attempt {
    Attempt {
        task: task_id(number),
        number: 1,
        token: token(token_number),
        holder: holder("ann", "s1"),
        since: start(),
        ended_at: second(5) + MICRO,
        end,
        left: Status::Ready,
        next_at: None,
    }
}

pub(crate) fn full_draft() -> TaskDraft {
    let Terms { task_type, labels, requires, resources, concurrency, lease, retry, on_dependency_failure, .. } =
        full_terms();
    TaskDraft {
        content: full_content(),
        task_type,
        priority: Priority::FIRST,
        labels,
        requires,
        resources,
        concurrency,
        lease,
        retry,
        on_dependency_failure,
        not_before: Some(second(8)),
        deadline: Some(second(9) + MICRO),
    }
}

/// Saves changes as a batch does: under the lock of the project, with the counter at least at every token.
pub(crate) async fn try_save(store: &TestStore, project: &ProjectId, changes: &Changes) -> Result<(), String> {
    let mut uow = store.begin().await;
    let head = uow.lock_table_lock(project).await.unwrap().unwrap();
    let in_leases = |task: &Task| task.lease().map(|lease| lease.token.value());
    let of_new = changes.new.iter().filter_map(|new| in_leases(&new.task));
    let of_changed = changes.changed.iter().filter_map(|changed| in_leases(&changed.after));
    let past = changes.attempts.iter().map(|attempt| attempt.token.value());
    let last_token = of_new.chain(of_changed).chain(past).max().unwrap_or(0).max(head.last_token);
    let locks = domain::locks::changes::Changes { last_token: Some(last_token), ..Default::default() };
    let in_words = |error| format!("{error:?}");
    uow.tasks_save(project, changes).await.map_err(in_words)?;
    uow.lock_table_save(project, head, &locks).await.map_err(in_words)?;
    uow.commit().await.map_err(in_words)
}

pub(crate) async fn save_work(store: &TestStore, project: &ProjectId, changes: Changes) {
    try_save(store, project, &changes).await.unwrap();
}

pub(crate) async fn add_new(store: &TestStore, new: Vec<NewTask>) {
    save_work(store, &default_project(), Changes { new, ..Changes::default() }).await;
}

pub(crate) async fn add_tasks(store: &TestStore, tasks: &[Task]) {
    add_new(store, tasks.iter().cloned().map(new).collect()).await;
}

pub(crate) async fn add_attempts(store: &TestStore, attempts: &[Attempt]) {
    let changes = Changes { attempts: attempts.to_vec(), ..Changes::default() };
    save_work(store, &default_project(), changes).await;
}

pub(crate) fn changing(before: &Task, after: &Task) -> Changes {
    let changed = vec![ChangedTask { before: before.clone(), after: after.clone() }];
    Changes { changed, ..Changes::default() }
}

pub(crate) async fn change(store: &TestStore, before: &Task, after: &Task) {
    save_work(store, &default_project(), changing(before, after)).await;
}

/// The stored tasks of these numbers, by id.
pub(crate) async fn stored(store: &TestStore, numbers: &[u128]) -> Vec<Task> {
    let ids: Vec<TaskId> = numbers.iter().map(|number| task_id(*number)).collect();
    by_id(store.begin_read().await.tasks_load(&default_project(), &ids).await.unwrap())
}

pub(crate) fn by_id(mut tasks: Vec<Task>) -> Vec<Task> {
    tasks.sort_by_key(|task| task.id);
    tasks
}

/// The numbers of tasks, in the order given.
pub(crate) fn numbers(tasks: &[Task]) -> Vec<u128> {
    tasks.iter().map(|task| task.id.uuid().as_u128()).collect()
}

pub(crate) fn sorted<T: Ord>(mut things: Vec<T>) -> Vec<T> {
    things.sort_unstable();
    things
}

pub(crate) fn token_of(task: &Task) -> Option<Token> {
    task.lease().map(|lease| lease.token)
}
