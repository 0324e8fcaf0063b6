//! Nothing is read but from the realms that are named: the same memory lies in all of them.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use crate::work::samples::second;
use domain::ids::ProjectId;
use domain::memory::candidate::{Statistics, Wanted};
use domain::memory::filter::{MemoryFilter, Order};
use domain::memory::realm::{Realm, Scope};
use domain::memory::record::{Author, Memory, Verdict};
use domain::memory::terms::TermHash;
use std::sync::Arc;

/// The same words, with the same id, at the same place, in one realm.
fn told(project: &ProjectId, scope: Scope, by: &str) -> Memory {
    let author = Author { agent: agent(by), session: Some(session_id("s1")) };
    Memory { project: project.clone(), scope, author, ..memory(1) }
}

/// A memory in each of seven realms.
async fn everywhere(store: &TestStore) -> Vec<Memory> {
    let (here, other) = (default_project(), add_project(store, "other").await.id);
    let mut all = vec![told(&here, Scope::Shared, "ann")];
    for project in [&here, &other] {
        all.push(told(project, Scope::Project, "ann"));
        all.extend(["ann", "bob"].map(|by| told(project, Scope::Private, by)));
    }
    add(store, &all).await;
    for memory in &all {
        let mut uow = store.begin().await;
        let verdict = if memory.author.agent == agent("ann") { Verdict::Helpful } else { Verdict::Wrong };
        uow.memory_verdict_save(&memory.realm(), memory.id, &memory.author.agent, verdict, second(1)).await.unwrap();
        uow.commit().await.unwrap();
    }
    all
}

async fn whoever_names_some_realms_reads_nothing_of_the_others(store: Arc<TestStore>) {
    let everywhere = everywhere(&store).await;
    let realms: Vec<Realm> = everywhere.iter().map(Memory::realm).collect();
    for bits in 0_u32..1 << realms.len() {
        let is_named = |at: usize| bits >> at & 1 == 1;
        let named: Vec<Realm> =
            realms.iter().enumerate().filter(|(at, _)| is_named(*at)).map(|(_, it)| it.clone()).collect();
        let mut expected: Vec<Memory> =
            everywhere.iter().enumerate().filter(|(at, _)| is_named(*at)).map(|(_, it)| it.clone()).collect();
        expected.sort_by_key(|memory| memory.realm().key());
        let sorted = |mut found: Vec<Memory>| {
            found.sort_by_key(|memory| memory.realm().key());
            found
        };
        let filter = MemoryFilter { tags_any: [tag("locks")].into(), ..all(&named) };
        let mut uow = store.begin_read().await;
        assert_eq!(sorted(uow.memories_load(&named, &[id(1)]).await.unwrap()), expected);
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let page = uow.memory_list(&filter, order, None, size(100)).await.unwrap();
            assert_eq!(sorted(page.rows), expected);
        }
        let mut latest: Vec<String> =
            uow.memory_latest(&filter, 100).await.unwrap().iter().map(|it| it.realm.key()).collect();
        latest.sort_unstable();
        let keys: Vec<String> = expected.iter().map(|memory| memory.realm().key()).collect();
        assert_eq!(latest, keys);
        for (at, realm) in realms.iter().enumerate() {
            let candidates = uow.memory_candidates(&filter, &wanted(realm, &["lease", "two minutes"])).await.unwrap();
            let found: Vec<&Realm> = candidates.iter().map(|candidate| &candidate.realm).collect();
            assert_eq!(found, if is_named(at) { vec![realm] } else { Vec::new() }, "{named:?}");
        }
    }
}

async fn what_is_asked_of_one_realm_is_answered_from_it_alone(store: Arc<TestStore>) {
    let everywhere = everywhere(&store).await;
    let nobody = own("cat");
    for memory in &everywhere {
        let realm = memory.realm();
        let mut uow = store.begin_read().await;
        for other in everywhere.iter().map(Memory::realm).filter(|other| *other != realm) {
            // The terms of another realm mean nothing here, not even by the words of a filter that names both.
            let terms = terms(&other, "lease");
            let foreign = Wanted { realm: realm.clone(), any_of: vec![terms.clone()], rows_max: 9 };
            let both = all(&[realm.clone(), other.clone()]);
            assert_eq!(uow.memory_candidates(&both, &foreign).await.unwrap(), []);
            let tagged = Wanted { any_of: vec![vec![TermHash::of_tag(&other, "locks")]], ..foreign };
            assert_eq!(uow.memory_candidates(&both, &tagged).await.unwrap(), []);
            let counted = uow.memory_statistics(&realm, &terms).await.unwrap();
            assert_eq!(counted.frequencies, [].into());
            assert_eq!(counted.totals.memories, 1);
        }
        let near = uow.memory_neighbours(&realm, second(1), &[place("s", 1)], 2).await.unwrap();
        assert_eq!(near, [candidate(memory)]);
        let fingerprint = memory.fingerprint().unwrap();
        let twin = uow.memory_twin(&realm, fingerprint, second(0), second(9)).await.unwrap();
        assert_eq!(twin.as_ref(), Some(memory));
        assert_eq!(uow.memory_twin(&nobody, fingerprint, second(0), second(9)).await.unwrap(), None);
        let (by, other) = if memory.author.agent == agent("ann") { ("ann", "bob") } else { ("bob", "ann") };
        assert!(uow.memory_verdict(&realm, id(1), &agent(by)).await.unwrap().is_some());
        assert_eq!(uow.memory_verdict(&realm, id(1), &agent(other)).await.unwrap(), None);
        assert_eq!(uow.memory_last_position(&realm, &stream("s")).await.unwrap(), 1);
    }
    let mut uow = store.begin_read().await;
    assert_eq!(uow.memory_statistics(&nobody, &terms(&nobody, "lease")).await.unwrap(), Statistics::default());
    assert_eq!(uow.memory_last_position(&nobody, &stream("s")).await.unwrap(), 0);
    assert_eq!(uow.memory_neighbours(&nobody, second(1), &[place("s", 1)], 2).await.unwrap(), []);
    assert_eq!(uow.memory_verdict(&nobody, id(1), &agent("ann")).await.unwrap(), None);
}

async fn what_changes_in_one_realm_changes_in_no_other(store: Arc<TestStore>) {
    let everywhere = everywhere(&store).await;
    let (changed, rest) = everywhere.split_first().unwrap();
    let realm = changed.realm();
    let mut uow = store.begin().await;
    uow.memories_save(&realm, &[change(changed, &redacted(changed))]).await.unwrap();
    uow.memories_forget(&realm, &[redacted(changed)]).await.unwrap();
    uow.commit().await.unwrap();
    for memory in rest {
        let realm = memory.realm();
        assert_eq!(load(&store, std::slice::from_ref(&realm), &[1]).await, std::slice::from_ref(memory));
        assert_eq!(found(&store, &all(std::slice::from_ref(&realm)), &realm, &["lease"]).await, [1]);
        assert_eq!(statistics(&store, &realm, "lease").await.totals.memories, 1);
        let mut uow = store.begin_read().await;
        assert!(uow.memory_verdict(&realm, id(1), &memory.author.agent).await.unwrap().is_some());
    }
    assert_eq!(load(&store, &[realm], &[1]).await, []);
}

on_every_store!(
    whoever_names_some_realms_reads_nothing_of_the_others,
    what_is_asked_of_one_realm_is_answered_from_it_alone,
    what_changes_in_one_realm_changes_in_no_other,
);
