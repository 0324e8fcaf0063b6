//! How sessions are registered, heard from, and die.

use crate::desk::{Desk, call, call_as, project, until, with_key};
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::{Offers, Session, SessionTtl};
use domain::identity::principal::Role;
use domain::ids::{AgentType, ProjectId, SessionId};
use domain::locks::lease::Reason;
use domain::work::name::Capability;
use pointsman::agents::commands::{EndSession, Heartbeat, RegisterSession};
use pointsman::call::Call;
use pointsman::identity::projects::CreateProject;
use pointsman::locks::commands::{ForceRelease, Release};
use pointsman::refusal::CallError;
use pointsman::sweeper::sweep;
use ports::store::{PoolState, SchemaState, Store, StoreError, UnitOfWork};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NO_WAIT: Duration = Duration::ZERO;

/// A desk whose clock stands until it is moved, and whose store can be taken away.
struct Still {
    desk: Desk,
    clock: Arc<ManualClock>,
    store: Arc<Fragile>,
}

impl Still {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()));
        let store = Arc::new(Fragile { inner: InMemoryStore::new(clock.clone()), is_away: AtomicBool::new(false) });
        Self { desk: Desk::over(store.clone()), clock, store }
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    async fn register(&self, call: &Call, ttl: u32, capabilities: &[&str]) -> Result<Session, CallError> {
        let answered = self.desk.executor.execute_hot(call, registration(ttl, capabilities)).await?;
        Ok(answered.answer.session)
    }

    async fn beat(&self, call: &Call) -> Result<Session, CallError> {
        Ok(self.desk.executor.execute_hot(call, Heartbeat).await?.answer.session)
    }

    /// A read on a server that has heard from nobody before, whose signs of life are written.
    async fn read(&self, call: &Call) -> Result<(), CallError> {
        let server = Desk::over(self.store.clone());
        let signs = server.executor.signs_of_life();
        signs.heard(server.store.as_ref(), call).await?;
        signs.write(server.store.as_ref()).await.unwrap();
        Ok(())
    }

    async fn session(&self, name: &str) -> Session {
        let ids = [SessionId::parse(name).unwrap()];
        let mut uow = self.store.begin_read().await.unwrap();
        uow.sessions_load(&project(), &ids, &[]).await.unwrap().pop().unwrap()
    }

    async fn told(&self) -> Vec<String> {
        self.desk.operations().await.into_iter().map(|(operation, outcome)| format!("{operation} {outcome}")).collect()
    }
}

struct Fragile {
    inner: InMemoryStore,
    is_away: AtomicBool,
}

impl Fragile {
    fn check(&self) -> Result<(), StoreError> {
        if self.is_away.load(Ordering::SeqCst) { Err(StoreError::Unavailable("away".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for Fragile {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.check()?;
        self.inner.begin().await
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.check()?;
        self.inner.begin_read().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check()
    }

    async fn schema(&self) -> Result<SchemaState, StoreError> {
        self.inner.schema().await
    }

    fn pool(&self) -> PoolState {
        self.inner.pool()
    }
}

fn offers(capabilities: &[&str]) -> Offers {
    let capabilities = capabilities.iter().map(|name| Capability::parse(name).unwrap()).collect();
    Offers { capabilities, ..Offers::of_type(AgentType::parse("test").unwrap()) }
}

fn registration(ttl: u32, capabilities: &[&str]) -> RegisterSession {
    RegisterSession { ttl: SessionTtl::try_new(ttl).unwrap(), offers: offers(capabilities) }
}

fn unnamed(agent: &str) -> Call {
    Call { session: None, ..call(agent) }
}

#[track_caller]
fn slug<T: std::fmt::Debug>(result: Result<T, CallError>) -> &'static str {
    match result {
        Err(CallError::Refused(refusal)) => refusal.slug(),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_seconds()
}

#[tokio::test]
async fn a_session_is_registered_with_a_ttl_and_what_its_agent_offers() {
    let still = Still::new();
    let session = still.register(&call("a"), 30, &["rust"]).await.unwrap();
    assert_eq!((session.id.as_str(), session.agent.as_str(), session.is_default), ("session-of-a", "a", false));
    assert_eq!((seconds(session.started_at, session.live_until), &session.offers), (30, &offers(&["rust"])));
    assert_eq!(still.session("session-of-a").await, session);
    assert_eq!(still.register(&call("a"), 30, &["rust"]).await.unwrap(), session);
    assert_eq!(still.told().await, ["session.start ok"], "the same again changes nothing");
    still.pass(1);
    let other = still.register(&call("a"), 60, &["gpu"]).await.unwrap();
    assert_eq!((other.ttl.seconds(), &other.offers, other.started_at), (60, &offers(&["gpu"]), session.started_at));
    assert_eq!(still.session("session-of-a").await, other);
    assert_eq!(still.told().await, ["session.start ok", "session.register ok"]);
    let line = still.desk.audit().await.remove(0);
    assert_eq!(line.change.before.unwrap()["offers"]["capabilities"][0], "rust");
    assert_eq!(line.change.after.unwrap()["ttl_seconds"], 60);
    let theirs = Call { session: call("a").session, ..call("b") };
    assert_eq!(slug(still.register(&theirs, 30, &[]).await), "session-not-yours");
}

#[tokio::test]
async fn a_session_without_a_name_gets_one_and_a_retry_gets_the_same() {
    let still = Still::new();
    let once = with_key(unnamed("a"), "once");
    let first = still.register(&once, 30, &[]).await.unwrap();
    assert!(!first.is_default, "it is its own, not the one of calls that name none");
    assert_eq!(still.register(&once, 30, &[]).await.unwrap(), first);
    let second = still.register(&unnamed("a"), 30, &[]).await.unwrap();
    assert_ne!(second.id, first.id);
    let held = still.desk.acquire(&unnamed("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
    assert!(![first.id, second.id].contains(&held.holder.session));
    let third = still.register(&unnamed("a"), 30, &[]).await.unwrap();
    assert_ne!(third.id, held.holder.session, "the default session is there, and is another one still");
}

#[tokio::test]
async fn registrations_and_changes_of_one_session_share_a_batch() {
    let still = Still::new();
    let mine = call("a");
    let (first, second, third) = tokio::join!(
        still.register(&mine, 30, &[]),
        still.register(&mine, 60, &["rust"]),
        still.desk.acquire(&mine, &["x"], NO_WAIT),
    );
    let session = second.unwrap();
    assert_eq!((first.unwrap().id, third.unwrap()[0].holder.session.clone()), (session.id.clone(), session.id.clone()));
    assert_eq!(still.session("session-of-a").await, session);
    assert_eq!(still.told().await, ["session.start ok", "session.register ok", "lock.acquire ok"]);
}

#[tokio::test]
async fn a_heartbeat_is_a_sign_of_life_starts_nothing_and_is_not_audited() {
    let still = Still::new();
    assert_eq!(slug(still.beat(&call("a")).await), "session-unknown");
    still.register(&call("a"), 30, &[]).await.unwrap();
    for _ in 0..10 {
        still.pass(20);
        let session = still.beat(&call("a")).await.unwrap();
        assert_eq!(seconds(session.last_seen_at, session.live_until), 30);
    }
    assert_eq!(still.told().await, ["session.start ok"]);
    still.pass(30);
    assert_eq!(slug(still.beat(&call("a")).await), "session-ended");
    let default = still.beat(&unnamed("a")).await.unwrap();
    assert!(default.is_default, "who names no session has one, like in every other call");
}

#[tokio::test]
async fn a_read_is_a_sign_of_life_and_written_ten_times_per_ttl() {
    let still = Still::new();
    still.register(&call("a"), 30, &[]).await.unwrap();
    let mut writes = Vec::new();
    for _ in 0..60 {
        still.pass(1);
        still.read(&call("a")).await.unwrap();
        writes.push(still.session("session-of-a").await.last_seen_at);
    }
    writes.dedup();
    assert_eq!(writes.len(), 21, "the start, and one write for each three seconds of sixty");
    assert_eq!(still.told().await, ["session.start ok"]);
}

#[tokio::test]
async fn reads_of_one_second_are_noted_once_and_the_write_waits_for_nobody() {
    let still = Still::new();
    let mine = unnamed("a");
    let held = still.desk.acquire(&mine, &["x"], NO_WAIT).await.unwrap().remove(0);
    let name = held.holder.session.as_str().to_owned();
    let signs = still.desk.executor.signs_of_life();
    still.pass(90);
    let before = still.session(&name).await;
    for _ in 0..100 {
        signs.heard(still.store.as_ref(), &mine).await.unwrap();
    }
    assert_eq!(still.session(&name).await, before, "no read has written");
    still.store.is_away.store(true, Ordering::SeqCst);
    signs.heard(still.store.as_ref(), &mine).await.unwrap();
    assert!(matches!(signs.write(still.store.as_ref()).await, Err(StoreError::Unavailable(_))));
    still.store.is_away.store(false, Ordering::SeqCst);
    signs.write(still.store.as_ref()).await.unwrap();
    let after = still.session(&name).await;
    assert_eq!(seconds(before.last_seen_at, after.last_seen_at), 90, "the default session is the one that was heard");
    signs.write(still.store.as_ref()).await.unwrap();
    assert_eq!(still.session(&name).await, after);
}

#[tokio::test]
async fn a_sign_of_life_that_is_written_too_late_revives_nobody() {
    let still = Still::new();
    still.register(&call("a"), 30, &[]).await.unwrap();
    let signs = still.desk.executor.signs_of_life();
    still.pass(29);
    signs.heard(still.store.as_ref(), &call("a")).await.unwrap();
    still.pass(1);
    let before = still.session("session-of-a").await;
    signs.write(still.store.as_ref()).await.unwrap();
    assert_eq!(still.session("session-of-a").await, before);
    assert_eq!(slug(still.read(&call("a")).await), "session-ended");
    sweep(&still.desk.executor).await.unwrap();
    assert_eq!(slug(still.read(&call("a")).await), "session-ended", "written down or not");
}

#[tokio::test]
async fn a_read_names_no_session_of_another_agent_and_starts_none() {
    let still = Still::new();
    still.read(&call("a")).await.unwrap();
    still.read(&unnamed("a")).await.unwrap();
    assert!(still.told().await.is_empty());
    still.register(&call("a"), 30, &[]).await.unwrap();
    assert_eq!(slug(still.read(&Call { session: call("a").session, ..call("b") }).await), "session-not-yours");
    let held = still.desk.acquire(&unnamed("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
    still.pass(900);
    still.read(&unnamed("a")).await.unwrap();
    let dead = still.session(held.holder.session.as_str()).await;
    assert_eq!(dead.ended_at, None, "a read replaces no default session that has died");
}

#[tokio::test]
async fn what_was_ended_here_is_known_here_at_once() {
    let still = Still::new();
    let mine = call("a");
    still.register(&mine, 30, &[]).await.unwrap();
    let signs = still.desk.executor.signs_of_life();
    signs.heard(still.store.as_ref(), &mine).await.unwrap();
    still.desk.executor.execute_hot(&mine, EndSession).await.unwrap();
    signs.heard(still.store.as_ref(), &mine).await.unwrap();
    signs.forget(&mine);
    assert_eq!(slug(signs.heard(still.store.as_ref(), &mine).await), "session-ended");
}

#[tokio::test]
async fn changes_that_need_no_session_are_made_beside_a_living_one_only() {
    let still = Still::new();
    let boss = call_as("boss", Role::Orchestrator);
    still.register(&boss, 30, &[]).await.unwrap();
    let lease = still.desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
    let force = ForceRelease { token: lease.token, reason: Reason::parse("stuck").unwrap() };
    still.pass(29);
    still.desk.executor.execute_hot(&boss, force.clone()).await.unwrap();
    assert_eq!(seconds(lease.granted_at, still.session("session-of-boss").await.last_seen_at), 29);
    still.pass(30);
    assert_eq!(slug(still.desk.executor.execute_hot(&boss, force).await), "session-ended");
    assert_eq!(still.told().await.pop().unwrap(), "lock.force_release session-ended");

    let mut root = call_as("root", Role::Admin);
    root.principal.scope = domain::identity::principal::Scope::AllProjects;
    still.register(&root, 30, &[]).await.unwrap();
    let create = |name: &str| CreateProject { id: ProjectId::parse(name).unwrap() };
    still.pass(29);
    let once = with_key(root.clone(), "once");
    still.desk.executor.execute(&once, &create("one")).await.unwrap();
    still.desk.executor.signs_of_life().write(still.store.as_ref()).await.unwrap();
    let heard = still.session("session-of-root").await;
    assert_eq!(seconds(heard.started_at, heard.last_seen_at), 29);
    still.pass(30);
    assert_eq!(slug(still.desk.executor.execute(&root, &create("two")).await), "session-ended");
    assert!(still.desk.executor.execute(&once, &create("one")).await.unwrap().is_replay, "what was answered stays so");
}

#[tokio::test]
async fn what_the_dead_held_is_free_at_once_and_told_by_the_next_round() {
    let still = Still::new();
    let (first, second) = (call("a"), Call { session: SessionId::parse("other").ok(), ..call("a") });
    still.register(&first, 30, &[]).await.unwrap();
    still.register(&second, 60, &[]).await.unwrap();
    still.desk.acquire(&first, &["x", "y"], NO_WAIT).await.unwrap();
    still.desk.acquire(&second, &["z"], NO_WAIT).await.unwrap();
    let silent = still.desk.acquire(&unnamed("b"), &["w"], NO_WAIT).await.unwrap().remove(0);
    still.pass(29);
    assert_eq!(slug(still.desk.acquire(&call("c"), &["x"], NO_WAIT).await), "lock-held");
    let before = still.told().await.len();
    still.pass(1);
    still.desk.acquire(&call("c"), &["x"], NO_WAIT).await.unwrap();
    sweep(&still.desk.executor).await.unwrap();
    let mut told = still.told().await.split_off(before);
    told.sort();
    assert_eq!(told, ["lock.acquire ok", "lock.session_end ok", "lock.session_end ok", "session.die ok"]);
    let lines = still.desk.audit().await;
    for line in lines.iter().filter(|line| ["lock.session_end", "session.die"].contains(&line.change.operation.as_str())) {
        assert_eq!((line.agent.as_str(), line.outcome.as_str()), ("pointsman", "ok"));
    }
    let dead = still.session("session-of-a").await;
    assert_eq!((dead.ended_at, seconds(dead.started_at, dead.live_until)), (Some(dead.live_until), 30));
    assert_eq!(slug(still.desk.acquire(&call("c"), &["z"], NO_WAIT).await), "lock-held", "the other session lives");
    assert_eq!(slug(still.desk.acquire(&first, &["y"], NO_WAIT).await), "session-ended");

    still.pass(870);
    let held = still.desk.acquire(&unnamed("b"), &["v"], NO_WAIT).await.unwrap().remove(0);
    assert_ne!(held.holder.session, silent.holder.session, "a new incarnation, which holds nothing of the old one's");
    still.desk.acquire(&call("d"), &["w"], NO_WAIT).await.unwrap();
    sweep(&still.desk.executor).await.unwrap();
    let told = still.told().await;
    let deaths = told.iter().filter(|line| *line == "session.die ok").count();
    assert_eq!(deaths, 3, "of both sessions of a, and the default one of b: {told:?}");
}

#[tokio::test]
async fn waiting_in_line_for_longer_than_the_ttl_is_living() {
    let still = Arc::new(Still::new());
    let files: Vec<String> = (0..13).map(|number| format!("d/{number}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let held = still.desk.acquire(&call("a"), &files, NO_WAIT).await.unwrap();
    let started = still.register(&call("b"), 30, &[]).await.unwrap().started_at;
    let waiting = tokio::spawn({
        let still = still.clone();
        async move { still.desk.acquire(&call("b"), &["d/**"], Duration::from_secs(60)).await }
    });
    until(async || still.desk.line_length().await == 1).await;
    for (number, lease) in (1..).zip(held) {
        still.pass(3);
        // Whoever waits tries again at once; so it does by itself, within a second.
        let release = Release { tokens: BTreeSet::from([lease.token]) };
        still.desk.executor.execute_hot(&call("a"), release).await.unwrap();
        until(async || seconds(started, still.session("session-of-b").await.last_seen_at) == 3 * number).await;
    }
    let lease = waiting.await.unwrap().unwrap().remove(0);
    assert_eq!((lease.holder.session.as_str(), seconds(started, lease.granted_at)), ("session-of-b", 39));
}
