//! What those who wait are told of beside what is committed by their own server, and what their waiting costs.

use crate::desk::{Desk, call, project, until};
use adapters::in_memory::InMemoryStore;
use adapters::system::SystemClock;
use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use domain::locks::lease::Lease;
use domain::work::claim::{ClaimFilter, ClaimSize};
use domain::work::submission::{Submission, Submit, Together};
use poem_openapi::types::ParseFromJSON;
use pointsman::locks::commands::Release;
use pointsman::work::bodies::TaskBody;
use pointsman::work::claim::{ClaimRequest, ClaimTasks};
use pointsman::work::commands::SubmitTasks;
use pointsman::work::reading::Reader;
use ports::store::{PoolState, SchemaState, Store, StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const NO_WAIT: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(30);
/// The promise across servers.
const ACROSS: Duration = Duration::from_secs(1);

/// The store in memory, which counts the units of work that are begun.
struct CountingStore {
    store: InMemoryStore,
    writers: AtomicUsize,
    readers: AtomicUsize,
}

impl CountingStore {
    fn new() -> Arc<Self> {
        let store = InMemoryStore::new(Arc::new(SystemClock));
        Arc::new(Self { store, writers: AtomicUsize::new(0), readers: AtomicUsize::new(0) })
    }

    fn counts(&self) -> (usize, usize) {
        (self.writers.load(Ordering::Relaxed), self.readers.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Store for CountingStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.writers.fetch_add(1, Ordering::Relaxed);
        self.store.begin().await
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.readers.fetch_add(1, Ordering::Relaxed);
        self.store.begin_read().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }

    async fn schema(&self) -> Result<SchemaState, StoreError> {
        self.store.schema().await
    }

    fn pool(&self) -> PoolState {
        self.store.pool()
    }
}

fn claims(desk: &Desk) -> ClaimTasks {
    ClaimTasks::new(desk.executor.clone(), Reader::new(desk.store.clone()), desk.stopping.clone())
}

/// Waits for one task of a kind; answers its title and when it came.
async fn claim(claims: &ClaimTasks, agent: &str, wait: Duration) -> Option<(String, Instant)> {
    let request = ClaimRequest {
        filter: ClaimFilter::default(),
        size: ClaimSize::try_new(1).unwrap(),
        lease: None,
        capabilities: None,
        environment: None,
        wait,
    };
    let mut tasks = claims.claim(&call(agent), &request).await.unwrap().tasks;
    tasks.pop().map(|task| (task.content.title.as_str().to_owned(), Instant::now()))
}

async fn submit(desk: &Desk, task: Value) {
    let read = TaskBody::parse_from_json(Some(task.clone())).unwrap().read("").unwrap();
    let item = Submission {
        id: desk.executor.ids().task_id(),
        name: read.name,
        draft: read.draft,
        depends_on: read.depends_on,
        parent: read.parent,
    };
    let boss = call("boss");
    let submit = Submit::try_new(boss.principal.agent.clone(), vec![item], Together::AllOrNothing).unwrap();
    desk.executor.execute_hot(&boss, SubmitTasks { content: task, submit }).await.unwrap();
}

fn task(title: &str) -> Value {
    json!({ "type": "build", "title": title })
}

async fn release(desk: &Desk, agent: &str, lease: &Lease) {
    let command = Release { tokens: BTreeSet::from([lease.token]) };
    desk.executor.execute_hot(&call(agent), command).await.unwrap();
}

/// Until somebody waits for work at a desk, and has looked once.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn who_waits_for_a_lock_is_told_of_a_release_at_another_server() {
    let here = Desk::new();
    let there = Arc::new(Desk::over(here.store.clone()));
    for round in 0..3 {
        let lease = here.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
        let waiting = tokio::spawn({
            let there = there.clone();
            async move { (there.acquire(&call("b"), &["x"], LONG).await.unwrap().remove(0), Instant::now()) }
        });
        until(async || here.line_length().await == 1).await;
        let began = Instant::now();
        release(&here, "a", &lease).await;
        let (granted, at) = waiting.await.unwrap();
        assert!(at - began < ACROSS, "round {round}: woken only after {:?}", at - began);
        release(&there, "b", &granted).await;
    }
}

#[tokio::test]
async fn who_waits_for_work_is_told_of_what_another_server_has_and_of_what_has_come_due() {
    let here = Desk::new();
    let there = Desk::over(here.store.clone());
    let (waiters, began) = (claims(&there), Instant::now());
    let (claimed, submitted_at) = tokio::join!(claim(&waiters, "ada", LONG), async {
        settled().await;
        submit(&here, task("over there")).await;
        Instant::now()
    });
    let (title, at) = claimed.unwrap();
    assert_eq!(title, "over there");
    assert!(at - submitted_at < ACROSS, "woken only after {:?}", at - submitted_at);

    // Due on the server it was submitted to: at once, although nothing is committed then.
    let (waiters, due) = (claims(&here), Utc::now() + TimeDelta::milliseconds(250));
    let due_at = Instant::now() + Duration::from_millis(250);
    let (claimed, ()) = tokio::join!(claim(&waiters, "ada", LONG), async {
        settled().await;
        let mut later = task("later");
        later["not_before"] = json!(due);
        submit(&here, later).await;
    });
    let (title, at) = claimed.unwrap();
    assert_eq!(title, "later");
    let late = at.saturating_duration_since(due_at);
    assert!(late < Duration::from_millis(200), "claimed only {late:?} after it was due");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_was_told_once_of_a_release_that_helped_nobody_is_not_told_again() {
    let store = CountingStore::new();
    let (here, there) = (Desk::over(store.clone()), Arc::new(Desk::over(store.clone())));
    here.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    let other = here.acquire(&call("a"), &["y"], NO_WAIT).await.unwrap().remove(0);
    let waiting = tokio::spawn({
        let there = there.clone();
        async move { there.acquire(&call("b"), &["x"], LONG).await }
    });
    until(async || here.line_length().await == 1).await;
    release(&here, "a", &other).await;
    let (before, _) = store.counts();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let (after, _) = store.counts();
    assert!(after - before <= 2, "one look, and perhaps the one that is shared: {}", after - before);
    waiting.abort();
}

#[tokio::test]
async fn sixty_four_who_wait_cost_no_more_than_one() {
    let store = CountingStore::new();
    let desk = Arc::new(Desk::over(store.clone()));
    desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    let mut waiting = JoinSet::new();
    for number in 0..32 {
        let (desk, claims) = (desk.clone(), claims(&desk));
        waiting.spawn(async move { claim(&claims, &format!("claimer-{number}"), LONG).await.map(drop) });
        waiting.spawn(async move { desk.acquire(&call(&format!("b{number}")), &["x"], LONG).await.ok().map(drop) });
    }
    until(async || desk.line_length().await == 32).await;
    settled().await;
    let (writers_before, readers_before) = store.counts();
    let time = Duration::from_secs(2);
    tokio::time::sleep(time).await;
    let (writers, readers) = store.counts();
    let (writers, readers) = (writers - writers_before, readers - readers_before);
    assert!(writers <= 4, "{writers} units of work to write within {time:?}: a shared look is a few batches");
    assert!((3..=6).contains(&readers), "{readers} looks within {time:?}");
    assert_eq!(desk.line_length().await, 32, "nobody has lost a place");
    let mut uow = desk.store.begin_read().await.unwrap();
    assert_eq!(uow.lock_counts().await.unwrap(), (1, 32));
    assert_eq!(uow.lock_tables_look(&[project()], Utc::now()).await.unwrap()[0].version, 0, "waiting is no news");
    waiting.shutdown().await;
}

#[tokio::test]
async fn nobody_looks_while_nobody_waits() {
    let store = CountingStore::new();
    let desk = Desk::over(store.clone());
    desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    desk.acquire(&call("b"), &["x"], Duration::from_millis(30)).await.unwrap_err();
    assert!(claim(&claims(&desk), "ada", NO_WAIT).await.is_none());
    settled().await;
    let before = store.counts();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(store.counts(), before);
}
