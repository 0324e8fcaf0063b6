//! What is stored of memories, and what changes.

use super::samples::{save, *};
use crate::harness::TestStore;
use crate::on_every_store;
use crate::samples::*;
use crate::work::samples::second;
use domain::memory::content::Importance;
use domain::memory::record::{Memory, Verdict};
use std::sync::Arc;

async fn a_memory_comes_back_to_the_last_field(store: Arc<TestStore>) {
    let (plain, full) = (memory(2), full_memory(1));
    add(&store, &[plain.clone(), full.clone()]).await;
    let both = [here(), own("ann")];
    assert_eq!(load(&store, &both, &[2, 9, 1, 2]).await, [full.clone(), plain.clone()], "by id, each once");
    let gone = redacted(&full);
    save(&store, &[change(&full, &gone)]).await;
    assert_eq!(load(&store, &both, &[1]).await, [gone]);
    let changed = Memory {
        importance: Importance::try_new(1).unwrap(),
        pinned: true,
        seen: 2,
        happened_at: second(5),
        updated_at: second(6),
        valid_from: second(7),
        valid_until: Some(second(8)),
        supersedes: Some(id(77)),
        feedback: full.feedback,
        superseded: full.superseded.clone(),
        content: full.content.clone(),
        revision: 2,
        ..plain.clone()
    };
    save(&store, &[change(&plain, &changed)]).await;
    assert_eq!(load(&store, &both, &[2]).await, [changed]);
}

async fn only_the_revision_right_before_can_be_changed_or_forgotten(store: Arc<TestStore>) {
    let first = memory(1);
    let second = first.pinned(&ann(), true, second(1)).unwrap();
    let third = second.pinned(&ann(), false, second.updated_at).unwrap();
    add(&store, std::slice::from_ref(&first)).await;
    let reworded = Memory { content: Some(content("something else", &[])), ..third.clone() };
    for after in [&third, &reworded, &Memory { revision: 1, ..second.clone() }] {
        assert_conflict(store.begin().await.memories_save(&here(), &[change(&first, after)]).await);
    }
    assert_conflict(store.begin().await.memories_save(&here(), &[new(&first)]).await);
    let elsewhere = memory(2);
    assert_conflict(store.begin().await.memories_save(&here(), &[change(&elsewhere, &elsewhere)]).await);
    assert_conflict(store.begin().await.memories_forget(&here(), std::slice::from_ref(&second)).await);
    assert_conflict(store.begin().await.memories_forget(&here(), &[first.clone(), elsewhere]).await);
    save(&store, &[change(&first, &second)]).await;
    assert_conflict(store.begin().await.memories_forget(&here(), std::slice::from_ref(&first)).await);
    assert_eq!(load(&store, &[here()], &[1]).await, [second]);
    assert!(store.begin().await.memories_save(&own("bob"), &[new(&memory(3))]).await.is_err(), "it lies elsewhere");
}

async fn a_taken_place_is_a_conflict(store: Arc<TestStore>) {
    add(&store, &[memory(1)]).await;
    let there = Memory { place: place("s", 1), ..memory(2) };
    assert_conflict(store.begin().await.memories_save(&here(), &[new(&there)]).await);
    let private = Memory { scope: domain::memory::realm::Scope::Private, ..there };
    add(&store, &[private]).await;
}

async fn what_was_dropped_has_not_happened(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    uow.memory_realm_lock(&here()).await.unwrap();
    uow.memories_save(&here(), &[new(&memory(1))]).await.unwrap();
    drop(uow);
    assert_eq!(load(&store, &[here()], &[1]).await, []);
    assert_eq!(statistics(&store, &here(), "lease").await, domain::memory::candidate::Statistics::default());
    assert_eq!(store.begin_read().await.memory_last_position(&here(), &stream("s")).await.unwrap(), 0);
    assert!(store.begin_read().await.memories_save(&here(), &[new(&memory(1))]).await.is_err());
}

async fn the_last_verdict_of_each_agent_stands(store: Arc<TestStore>) {
    add(&store, &[memory(1)]).await;
    let say = async |name, verdict| {
        let mut uow = store.begin().await;
        uow.memory_verdict_save(&here(), id(1), &agent(name), verdict, second(1)).await.unwrap();
        uow.commit().await.unwrap();
    };
    let said = async |realm, number, name| {
        store.begin_read().await.memory_verdict(&realm, id(number), &agent(name)).await.unwrap()
    };
    for verdict in Verdict::ALL {
        say("ann", verdict).await;
        assert_eq!(said(here(), 1, "ann").await, Some(verdict));
    }
    say("bob", Verdict::Wrong).await;
    assert_eq!(said(here(), 1, "ann").await, Some(Verdict::Stale));
    assert_eq!(said(here(), 1, "cat").await, None);
    assert_eq!(said(here(), 2, "ann").await, None);
    assert_eq!(said(own("ann"), 1, "ann").await, None);
}

async fn what_is_forgotten_is_gone_with_all_that_belonged_to_it(store: Arc<TestStore>) {
    let all_of_it = [memory(1), memory(2), memory(3)];
    add(&store, &all_of_it).await;
    let mut uow = store.begin().await;
    uow.memory_verdict_save(&here(), id(1), &agent("bob"), Verdict::Wrong, second(1)).await.unwrap();
    uow.memory_realm_lock(&here()).await.unwrap();
    uow.memories_forget(&here(), &all_of_it[..2]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(load(&store, &[here()], &[1, 2, 3]).await, all_of_it[2..]);
    assert_eq!(found(&store, &all(&[here()]), &here(), &["lease"]).await, [3]);
    let mut uow = store.begin_read().await;
    assert_eq!(uow.memory_verdict(&here(), id(1), &agent("bob")).await.unwrap(), None);
    drop(uow);
    // Its id can come again, its place is taken for ever.
    let again = Memory { place: place("s", 4), ..saying(1, "quite another thing", &[]) };
    add(&store, std::slice::from_ref(&again)).await;
    assert_eq!(found(&store, &all(&[here()]), &here(), &["lease"]).await, [3]);
    assert_eq!(found(&store, &all(&[here()]), &here(), &["another"]).await, [1]);
    let mut uow = store.begin().await;
    uow.memories_forget(&here(), &[all_of_it[2].clone(), again]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(statistics(&store, &here(), "lease another").await, domain::memory::candidate::Statistics::default());
    assert_eq!(store.begin_read().await.memory_last_position(&here(), &stream("s")).await.unwrap(), 4);
}

async fn five_hundred_are_saved_changed_and_forgotten_at_once(store: Arc<TestStore>) {
    let said = |number: u128| format!("word{number} and the word{} lease", number % 7);
    let all_of_them: Vec<Memory> = (1..=500).map(|number| saying(number, &said(number), &["batch"])).collect();
    save(&store, &all_of_them.iter().map(new).collect::<Vec<_>>()).await;
    let numbers: Vec<u128> = (1..=500).collect();
    assert_eq!(load(&store, &[here()], &numbers).await, all_of_them);
    let after: Vec<Memory> = all_of_them
        .iter()
        .map(|memory| match memory.id.uuid().as_u128() % 3 {
            0 => redacted(memory),
            1 => Memory { seen: 2, revision: 2, ..memory.clone() },
            _ => Memory { content: Some(content("another lease", &[])), revision: 2, ..memory.clone() },
        })
        .collect();
    let changes: Vec<_> = all_of_them.iter().zip(&after).map(|(before, after)| change(before, after)).collect();
    save(&store, &changes).await;
    assert_eq!(load(&store, &[here()], &numbers).await, after);
    let counted = statistics(&store, &here(), "lease another").await;
    assert_eq!(counted.totals.memories, 334);
    assert_eq!(counted.frequencies.values().copied().collect::<std::collections::BTreeSet<_>>(), [167, 334].into());
    let mut uow = store.begin().await;
    uow.memory_realm_lock(&here()).await.unwrap();
    uow.memories_forget(&here(), &after).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(load(&store, &[here()], &numbers).await, []);
    assert_eq!(statistics(&store, &here(), "lease another").await, domain::memory::candidate::Statistics::default());
}

on_every_store!(
    a_memory_comes_back_to_the_last_field,
    only_the_revision_right_before_can_be_changed_or_forgotten,
    a_taken_place_is_a_conflict,
    what_was_dropped_has_not_happened,
    the_last_verdict_of_each_agent_stands,
    what_is_forgotten_is_gone_with_all_that_belonged_to_it,
    five_hundred_are_saved_changed_and_forgotten_at_once,
);
