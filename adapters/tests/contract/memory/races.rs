//! Several who write at once.

use super::samples::{save, *};
use crate::harness::{TestStore, default_project};
use crate::on_every_locking_store;
use crate::samples::*;
use crate::work::samples::second;
use domain::memory::content::{EventType, Importance};
use domain::memory::filter::Order;
use domain::memory::realm::Scope;
use domain::memory::record::Author;
use domain::memory::remember::{Draft, Fingerprint, Remembered, Scene, TWIN_WITHIN};
use ports::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many write at once.
const WRITERS: u32 = 8;

/// Remembers for Ann as the use case does.
async fn remember(store: &dyn Store, number: u128, summary: &str) -> Result<(), StoreError> {
    let draft = Draft {
        scope: Scope::Project,
        event_type: EventType::parse("decision").unwrap(),
        stream: None,
        content: content(summary, &[&format!("tag{number}")]),
        importance: Importance::DEFAULT,
        happened_at: None,
        valid_from: None,
        valid_until: None,
        supersedes: None,
        pinned: false,
    };
    let (author, row) = (Author { agent: agent("ann"), session: None }, stream("s"));
    let words = draft.content.words();
    let fingerprint = Fingerprint::of(draft.scope, &row, &author.agent, &draft.event_type, &words.summary);
    let mut uow = store.begin().await?;
    uow.memory_realm_lock(&here()).await?;
    let now = uow.now().await?;
    let twin = uow.memory_twin(&here(), fingerprint, now - TWIN_WITHIN, now + TWIN_WITHIN).await?;
    let last_position = uow.memory_last_position(&here(), &row).await?;
    let scene = Scene { id: id(number), project: default_project(), author, stream: row, last_position, now };
    let change = match draft.remember(twin.as_ref(), scene).unwrap() {
        Remembered::Stored(memory) => new(&memory),
        Remembered::Merged(memory) => change(&twin.unwrap(), &memory),
    };
    uow.memories_save(&here(), &[change]).await?;
    uow.commit().await
}

async fn the_same_thing_remembered_by_many_at_once_is_one(store: Arc<TestStore>) {
    let doors = [store.second_door().await, store.second_door().await];
    let mut writers = JoinSet::new();
    for (number, door) in (1..=WRITERS).zip(doors.iter().cycle()) {
        let door = Arc::clone(door);
        writers.spawn(async move { remember(door.as_ref(), number.into(), "it happened").await });
    }
    writers.join_all().await.into_iter().for_each(|outcome| outcome.unwrap());
    let stored = list(&store, &all(&[here()]), None, 100).await.rows;
    let [one] = &stored[..] else { panic!("it is stored more than once: {stored:?}") };
    assert_eq!(one.seen, WRITERS);
    assert_eq!(one.content.as_ref().unwrap().words().tags.len(), WRITERS as usize);
    let counted = statistics(&store, &here(), "happened").await;
    assert_eq!(counted.totals.memories, 1);
    assert_eq!(counted.totals.length, u64::from(candidate(one).length));
    assert_eq!(counted.frequencies.into_values().collect::<Vec<_>>(), [1]);
}

async fn what_many_remember_at_once_stands_one_behind_the_other(store: Arc<TestStore>) {
    let doors = [store.second_door().await, store.second_door().await];
    let mut writers = JoinSet::new();
    for (number, door) in (1..=WRITERS).zip(doors.iter().cycle()) {
        let door = Arc::clone(door);
        let said = format!("it happened to {}", "abcdefgh".split_at(number as usize).0);
        writers.spawn(async move { remember(door.as_ref(), number.into(), &said).await });
    }
    writers.join_all().await.into_iter().for_each(|outcome| outcome.unwrap());
    let stored = store.begin_read().await.memory_list(&all(&[here()]), Order::NewestFirst, None, size(100)).await;
    let mut positions: Vec<u64> = stored.unwrap().rows.iter().map(|memory| memory.place.position).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=u64::from(WRITERS)).collect::<Vec<_>>());
    let counted = statistics(&store, &here(), "happened").await;
    assert_eq!(counted.totals.memories, u64::from(WRITERS));
    assert_eq!(counted.frequencies.into_values().collect::<Vec<_>>(), [u64::from(WRITERS)]);
}

async fn who_took_a_realm_has_it_alone_until_commit(store: Arc<TestStore>) {
    // The first time there is nothing yet that could be locked.
    for memories in 0..2 {
        have_it_alone(&store, memories).await;
    }
}

async fn have_it_alone(store: &TestStore, memories: u64) {
    let door = store.second_door().await;
    let mut first = store.begin().await;
    assert_eq!(first.memory_realm_lock(&here()).await.unwrap().memories, memories);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut second_comer = door.begin().await.unwrap();
        second_comer.memory_realm_lock(&here()).await.unwrap()
    });
    assert!(timeout(Duration::from_millis(200), tasks.join_next()).await.is_err(), "the second one did not wait");
    first.memories_save(&here(), &[new(&memory(u128::from(memories) + 1))]).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap().memories, memories + 1, "it sees what the first one did");
}

async fn what_was_waited_for_is_seen_as_it_became(store: Arc<TestStore>) {
    let before = saying(1, "the words that go", &[]);
    save(&store, &[new(&before)]).await;
    let door = store.second_door().await;
    let mut first = store.begin().await;
    first.memory_realm_lock(&here()).await.unwrap();
    let [loaded] = &first.memories_load(&[here()], &[id(1)]).await.unwrap()[..] else { panic!("it is gone") };
    let gone = redacted(loaded);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut second_comer = door.begin().await.unwrap();
        second_comer.memories_load(&[here()], &[id(1)]).await.unwrap()
    });
    assert!(timeout(Duration::from_millis(200), tasks.join_next()).await.is_err(), "the second one did not wait");
    first.memories_save(&here(), &[change(loaded, &gone)]).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), [gone]);
}

async fn one_who_reads_waits_for_nobody(store: Arc<TestStore>) {
    add(&store, &[memory(1)]).await;
    let mut writer = store.begin().await;
    writer.memory_realm_lock(&here()).await.unwrap();
    writer.memories_load(&[here()], &[id(1)]).await.unwrap();
    let read = async {
        assert_eq!(listed(&store, &all(&[here()])).await, [1]);
        assert_eq!(found(&store, &all(&[here()]), &here(), &["lease"]).await, [1]);
        assert_eq!(statistics(&store, &here(), "lease").await.totals.memories, 1);
        second(1)
    };
    timeout(Duration::from_secs(2), read).await.unwrap();
}

on_every_locking_store!(
    the_same_thing_remembered_by_many_at_once_is_one,
    what_many_remember_at_once_stands_one_behind_the_other,
    who_took_a_realm_has_it_alone_until_commit,
    what_was_waited_for_is_seen_as_it_became,
    one_who_reads_waits_for_nobody,
);
