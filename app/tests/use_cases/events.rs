//! Following facts.

use crate::desk::{Desk, call, project, until};
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use async_trait::async_trait;
use bytes::{BufMut, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use domain::events::{Fact, FactFilter, Position};
use domain::ids::{AgentId, FactId, ProjectId};
use pointsman::call::Call;
use pointsman::events::feed::{
    Beginning, Crowded, FOLLOWERS_PER_AGENT_MAX, Feeds, FollowError, Follower, GapCause, News, PAGE_FACTS_MAX,
    PAGES_MAX,
};
use pointsman::events::poll::Polled;
use ports::store::{PoolState, SchemaState, Store, StoreError, UnitOfWork};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn write(position: Position, fact: &Fact, out: &mut BytesMut) {
    out.put_slice(format!("{position} {};", fact.subject).as_bytes());
}

struct Yard {
    desk: Desk,
    feeds: Feeds,
    reads: Arc<AtomicUsize>,
    next: AtomicUsize,
}

/// Counts the units of work that read.
struct Counted(InMemoryStore, Arc<AtomicUsize>);

#[async_trait]
impl Store for Counted {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.0.begin().await
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.begin_read().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }

    async fn schema(&self) -> Result<SchemaState, StoreError> {
        self.0.schema().await
    }

    fn pool(&self) -> PoolState {
        self.0.pool()
    }
}

impl Yard {
    fn new() -> Self {
        let reads = Arc::new(AtomicUsize::new(0));
        let store = InMemoryStore::new(Arc::new(ManualClock::new(now())));
        let desk = Desk::over(Arc::new(Counted(store, reads.clone())));
        let feeds = Feeds::new(desk.executor.clone(), write, desk.stopping.clone());
        Self { desk, feeds, reads, next: AtomicUsize::new(0) }
    }

    /// Commits so many facts of this kind at once; their subjects count up.
    async fn commit(&self, kind: &str, facts: usize) {
        let fact = |_| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            Fact {
                id: FactId::new(Uuid::from_u128(number as u128)),
                project: project(),
                at: now(),
                agent: AgentId::parse("ann").unwrap(),
                kind: kind.to_owned(),
                subject: number.to_string(),
                body: Value::Null,
            }
        };
        let facts: Vec<Fact> = (0..facts).map(fact).collect();
        let mut uow = self.desk.store.begin().await.unwrap();
        uow.facts_append(&facts).await.unwrap();
        uow.commit().await.unwrap();
        self.desk.executor.pulse().committed(&project(), false);
    }

    async fn forget(&self, facts: u32) {
        let mut uow = self.desk.store.begin().await.unwrap();
        uow.facts_prune(now() + TimeDelta::seconds(1), facts).await.unwrap();
        uow.commit().await.unwrap();
    }

    async fn follow(&self, from: Beginning) -> Follower {
        self.feeds.follow(&call("bob"), from, FactFilter::default()).await.unwrap()
    }
}

fn kinds(kinds: &[&str]) -> FactFilter {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    FactFilter::try_new(BTreeSet::new(), kinds, BTreeSet::new(), BTreeSet::new()).unwrap()
}

/// The numbers of the next facts, until there are so many.
async fn numbers(follower: &mut Follower, facts: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.len() < facts {
        let news = tokio::time::timeout(Duration::from_secs(10), follower.next()).await;
        let Ok(news) = news else { panic!("nothing came") };
        match news.unwrap() {
            News::Gap(gap) => panic!("{gap:?}"),
            News::Facts(facts) => {
                let parts = facts.told().map(|told| String::from_utf8(told.written.to_vec()).unwrap());
                assert_eq!(parts.collect::<String>().as_bytes(), facts.written(), "all is written as its parts are");
                numbers.extend(facts.told().map(|told| told.fact.subject.parse::<usize>().unwrap()));
            }
        }
    }
    numbers
}

fn range(from: usize, to: usize) -> Vec<usize> {
    (from..to).collect()
}

#[tokio::test]
async fn each_gets_everything_once_from_where_it_began() {
    let yard = Yard::new();
    yard.commit("k", 3).await;
    let (mut from_now, mut from_start) = (yard.follow(Beginning::Now).await, yard.follow(Beginning::Start).await);
    assert_eq!(numbers(&mut from_start, 3).await, range(0, 3));
    let mut from_there = yard.follow(Beginning::After(from_start.position())).await;
    for round in 0..10 {
        yard.commit("k", 1 + round % 3).await;
    }
    let end = yard.next.load(Ordering::Relaxed);
    for follower in [&mut from_now, &mut from_start, &mut from_there] {
        assert_eq!(numbers(follower, end - 3).await, range(3, end));
    }
    assert!(from_now.at_hand().await.unwrap().is_none());
}

#[tokio::test]
async fn what_many_follow_is_read_once() {
    let yard = Yard::new();
    let mut followers = Vec::new();
    for _ in 0..50 {
        followers.push(yard.follow(Beginning::Now).await);
    }
    for follower in &mut followers {
        assert!(follower.at_hand().await.unwrap().is_none(), "they have all joined");
    }
    let before = yard.reads.load(Ordering::Relaxed);
    for _ in 0..10 {
        yard.commit("k", 1).await;
        for follower in &mut followers {
            assert_eq!(numbers(follower, 1).await.len(), 1);
        }
    }
    let reads = yard.reads.load(Ordering::Relaxed) - before;
    assert!(reads <= 60, "{reads} reads for 50 followers of 10 commits");
}

#[tokio::test]
async fn who_cannot_keep_up_misses_nothing() {
    let yard = Yard::new();
    let (mut slow, mut quick) = (yard.follow(Beginning::Now).await, yard.follow(Beginning::Now).await);
    yard.commit("k", 1).await;
    assert_eq!(numbers(&mut slow, 1).await, [0]);
    let page = PAGE_FACTS_MAX as usize;
    for round in 0..PAGES_MAX + 10 {
        yard.commit("k", page).await;
        let new = numbers(&mut quick, if round == 0 { page + 1 } else { page }).await;
        assert_eq!(new.len(), if round == 0 { page + 1 } else { page });
    }
    let end = yard.next.load(Ordering::Relaxed);
    let before = yard.reads.load(Ordering::Relaxed);
    assert_eq!(numbers(&mut slow, end - 1).await, range(1, end));
    assert!(yard.reads.load(Ordering::Relaxed) > before + PAGES_MAX, "it had to read by itself");
    yard.commit("k", 2).await;
    assert_eq!(numbers(&mut slow, 2).await, range(end, end + 2));
    assert_eq!(numbers(&mut quick, 2).await, range(end, end + 2));
}

#[tokio::test]
async fn facts_that_nobody_told_of_come_all_the_same() {
    let yard = Yard::new();
    let (executor, stop) = (yard.desk.executor.clone(), yard.desk.stopping.clone());
    tokio::spawn(async move { executor.pulse().watch(executor.store(), &stop).await });
    let mut follower = yard.follow(Beginning::Now).await;
    assert!(follower.at_hand().await.unwrap().is_none());
    let other = Desk::over(yard.desk.store.clone());
    other.acquire(&call("ann"), &["a"], Duration::ZERO).await.unwrap();
    let came = tokio::time::timeout(Duration::from_secs(3), follower.next()).await;
    assert!(matches!(came, Ok(Ok(News::Facts(_)))));
}

#[tokio::test]
async fn only_what_is_wanted_comes_and_the_position_goes_on() {
    let yard = Yard::new();
    let mut follower = yard.feeds.follow(&call("bob"), Beginning::Now, kinds(&["b", "c"])).await.unwrap();
    let began = follower.position();
    for kind in ["a", "b", "a", "c", "a"] {
        yard.commit(kind, 2).await;
    }
    assert_eq!(numbers(&mut follower, 4).await, [2, 3, 6, 7]);
    until(async || {
        let horizon = yard.desk.store.begin_read().await.unwrap().facts_horizon().await.unwrap();
        horizon > began
    })
    .await;
    yard.commit("a", 1).await;
    while follower.position() < yard.desk.store.begin_read().await.unwrap().facts_horizon().await.unwrap() {
        let News::Facts(facts) = follower.next().await.unwrap() else { panic!("a gap") };
        assert_eq!((facts.told().count(), facts.written().len()), (0, 0));
    }
}

#[tokio::test]
async fn who_comes_too_late_is_told_what_is_missing() {
    let yard = Yard::new();
    yard.commit("k", 5).await;
    let mut first = yard.follow(Beginning::Start).await;
    numbers(&mut first, 5).await;
    let all: Vec<Position> = {
        let mut uow = yard.desk.store.begin_read().await.unwrap();
        let facts = uow.facts_after(&project(), None, 10).await.unwrap();
        facts.into_iter().map(|(position, _)| position).collect()
    };
    yard.forget(3).await;
    for (from, gap) in [(all[0], true), (all[1], true), (all[2], false), (all[3], false)] {
        let mut follower = yard.follow(Beginning::After(from)).await;
        let news = follower.next().await.unwrap();
        match news {
            News::Gap(told) => {
                assert!(gap, "{from} is right before what is kept");
                assert_eq!((told.after, told.goes_on_after, told.cause), (from, all[2], GapCause::Forgotten));
                assert_eq!(numbers(&mut follower, 2).await, [3, 4]);
            }
            News::Facts(_) => assert!(!gap, "{from}"),
        }
    }
    let mut from_start = yard.follow(Beginning::Start).await;
    assert_eq!(numbers(&mut from_start, 2).await, [3, 4], "the beginning is where it begins");
    let foreign = Position::new(7, 7);
    let mut follower = yard.follow(Beginning::After(foreign)).await;
    let News::Gap(told) = follower.next().await.unwrap() else { panic!("no gap") };
    assert_eq!((told.after, told.cause), (foreign, GapCause::OtherHistory));
    assert_eq!(numbers(&mut follower, 2).await, [3, 4]);
}

#[tokio::test]
async fn an_empty_past_is_no_gap() {
    let yard = Yard::new();
    yard.commit("k", 2).await;
    let mut seen = yard.follow(Beginning::Start).await;
    numbers(&mut seen, 2).await;
    yard.forget(10).await;
    for from in [Beginning::After(seen.position()), Beginning::Start, Beginning::Now] {
        let mut follower = yard.follow(from).await;
        assert!(follower.at_hand().await.unwrap().is_none(), "{from:?}");
        let mut again = yard.follow(Beginning::After(follower.position())).await;
        assert!(again.at_hand().await.unwrap().is_none(), "{from:?} and on from where it came to");
    }
}

#[tokio::test]
async fn answers_to_those_who_ask_have_no_more_than_asked_for_and_go_on() {
    let yard = Yard::new();
    yard.commit("k", 7).await;
    let (mut position, mut all) = (Beginning::Start, Vec::new());
    for expected in [3, 3, 1, 0] {
        let mut follower = yard.follow(position).await;
        let mut polled = Polled::new(&follower, 3);
        polled.take(&mut follower).await.unwrap();
        assert_eq!(polled.told.len(), expected);
        all.extend(polled.told.into_iter().map(|told| told.fact.subject.parse::<usize>().unwrap()));
        position = Beginning::After(polled.position);
    }
    assert_eq!(all, range(0, 7));
}

#[tokio::test]
async fn an_agent_may_not_take_all_places() {
    let yard = Yard::new();
    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS_PER_AGENT_MAX {
        followers.push(yard.follow(Beginning::Now).await);
    }
    let refused = yard.feeds.follow(&call("bob"), Beginning::Now, FactFilter::default()).await;
    assert!(matches!(refused, Err(FollowError::Crowded(Crowded::Agent))));
    assert!(yard.feeds.follow(&call("ann"), Beginning::Now, FactFilter::default()).await.is_ok());
    followers.pop();
    assert!(yard.feeds.follow(&call("bob"), Beginning::Now, FactFilter::default()).await.is_ok());
}

#[tokio::test]
async fn a_project_that_is_not_there_is_refused() {
    let yard = Yard::new();
    let there = Call { project: ProjectId::parse("nowhere").unwrap(), ..call("bob") };
    let refused = yard.feeds.follow(&there, Beginning::Now, FactFilter::default()).await;
    assert!(matches!(refused, Err(FollowError::Call(_))));
}
