//! The records of answered requests.

use crate::harness::TestStore;
use crate::on_every_store;
use crate::samples::*;
use chrono::TimeDelta;
use domain::idempotency::{Record, RequestName};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

async fn add(store: &TestStore, record: &Record) {
    let mut uow = store.begin().await;
    uow.idempotency_add(std::slice::from_ref(record), record.created_at - TimeDelta::hours(24)).await.unwrap();
    uow.commit().await.unwrap();
}

async fn find(store: &TestStore, name: &RequestName) -> Option<Record> {
    load(store, std::slice::from_ref(name)).await.pop()
}

/// By name.
async fn load(store: &TestStore, names: &[RequestName]) -> Vec<Record> {
    let mut found = store.begin().await.idempotency_load(names).await.unwrap();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

async fn a_record_is_found_as_it_was_stored(store: Arc<TestStore>) {
    let name = "k !~\"'%_";
    let stored = Record {
        answer: json!({"a": [null, 1.5, "🔑"], "b\u{0}": "\u{0}"}),
        ..record(&store, &name.replace(' ', ""))
    };
    assert_eq!(find(&store, &stored.name).await, None);
    add(&store, &stored).await;
    assert_eq!(find(&store, &stored.name).await, Some(stored));
}

async fn records_of_other_agents_and_projects_never_meet(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let here = record(&store, "k");
    let name = |agent_name: &str| RequestName { agent: agent(agent_name), ..here.name.clone() };
    let bobs = Record { name: name("bob"), answer: json!(2), ..here.clone() };
    let there = Record { name: RequestName { project: other, ..here.name.clone() }, answer: json!(3), ..here.clone() };
    for record in [&here, &bobs, &there] {
        add(&store, record).await;
    }
    assert_eq!(find(&store, &here.name).await, Some(here.clone()));
    assert_eq!(find(&store, &bobs.name).await, Some(bobs));
    assert_eq!(find(&store, &there.name).await, Some(there));
    assert_eq!(find(&store, &name("cat")).await, None);
}

async fn many_records_are_stored_and_loaded_at_once(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let there = |record: Record| Record { name: RequestName { project: other.clone(), ..record.name }, ..record };
    let mut all: Vec<Record> = (100..400)
        .map(|number| Record { answer: json!({ "n": number }), ..record(&store, &format!("k{number}")) })
        .collect();
    all.push(there(Record { answer: json!("there"), ..record(&store, "k100") }));
    let mut uow = store.begin().await;
    uow.idempotency_add(&all, store.now()).await.unwrap();
    uow.idempotency_add(&[], store.now()).await.unwrap();
    uow.commit().await.unwrap();
    let names: Vec<RequestName> = all.iter().map(|record| record.name.clone()).collect();
    assert_eq!(load(&store, &names).await, all);
    let some = [names[7].clone(), request("unknown"), names[300].clone(), names[0].clone()];
    assert_eq!(load(&store, &some).await, [all[0].clone(), all[7].clone(), all[300].clone()]);
    assert_eq!(load(&store, &[]).await, []);
}

async fn a_name_that_is_asked_for_twice_is_answered_once(store: Arc<TestStore>) {
    let stored = record(&store, "k");
    add(&store, &stored).await;
    assert_eq!(load(&store, &[stored.name.clone(), stored.name.clone()]).await, [stored]);
}

async fn one_young_record_keeps_all_of_them_out(store: Arc<TestStore>) {
    let old = record(&store, "old");
    add(&store, &old).await;
    store.pass(TimeDelta::hours(25));
    let young = record(&store, "young");
    add(&store, &young).await;
    let forgotten_before = store.now() - TimeDelta::hours(24);
    let again = |key: &str| Record { fingerprint: [1; 32], ..record(&store, key) };
    let mut uow = store.begin().await;
    assert_conflict(uow.idempotency_add(&[again("fresh"), again("young"), again("old")], forgotten_before).await);
    assert!(uow.commit().await.is_err());
    assert_eq!(load(&store, &["fresh", "young", "old"].map(request)).await, [old, young]);
    let mut uow = store.begin().await;
    uow.idempotency_add(&[again("fresh"), again("old")], forgotten_before).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(load(&store, &["fresh", "old"].map(request)).await, [again("fresh"), again("old")]);
}

async fn two_records_of_one_request_are_a_conflict(store: Arc<TestStore>) {
    let (one, two) = (record(&store, "k"), Record { answer: json!(2), ..record(&store, "k") });
    let later = store.now() + TimeDelta::hours(1);
    for forgotten_before in [store.now(), later] {
        let both = [one.clone(), two.clone()];
        assert_conflict(store.begin().await.idempotency_add(&both, forgotten_before).await);
    }
    assert_eq!(find(&store, &one.name).await, None);
}

async fn a_young_record_is_not_replaced(store: Arc<TestStore>) {
    let stored = record(&store, "k");
    add(&store, &stored).await;
    let other = Record { fingerprint: [1; 32], ..stored.clone() };
    assert_conflict(store.begin().await.idempotency_add(&[other], stored.created_at).await);
    assert_eq!(find(&store, &stored.name).await, Some(stored));
}

async fn an_old_record_is_replaced(store: Arc<TestStore>) {
    let old = record(&store, "k");
    add(&store, &old).await;
    store.pass(TimeDelta::hours(25));
    let new = Record { fingerprint: [1; 32], answer: json!("new"), ..record(&store, "k") };
    assert_eq!(find(&store, &old.name).await, Some(old.clone()), "found however old it is");
    let mut uow = store.begin().await;
    uow.idempotency_add(std::slice::from_ref(&new), old.created_at + TimeDelta::microseconds(1)).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(find(&store, &new.name).await, Some(new));
}

async fn of_two_at_once_the_second_waits_and_gets_a_conflict(store: Arc<TestStore>) {
    let mut first = store.begin().await;
    first.idempotency_add(&[record(&store, "k")], store.now()).await.unwrap();
    let other = Arc::clone(&store);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut uow = other.begin().await;
        uow.idempotency_add(&[record(&other, "k")], other.now()).await
    });
    let waited = tokio::time::timeout(Duration::from_millis(200), tasks.join_next()).await;
    assert!(waited.is_err(), "the second one did not wait");
    first.commit().await.unwrap();
    assert_conflict(tasks.join_next().await.unwrap().unwrap());
}

async fn pruning_takes_the_old_ones_and_no_more_than_it_may(store: Arc<TestStore>) {
    for number in 0..5 {
        add(&store, &record(&store, &format!("old-{number}"))).await;
    }
    store.pass(TimeDelta::seconds(1));
    let limit = store.now();
    add(&store, &record(&store, "young")).await;
    let prune = async |rows_max: u32| {
        let mut uow = store.begin().await;
        let pruned = uow.idempotency_prune(limit, rows_max).await.unwrap();
        uow.commit().await.unwrap();
        pruned
    };
    assert_eq!(prune(0).await, 0);
    assert_eq!(prune(3).await, 3);
    assert_eq!(prune(100).await, 2);
    assert_eq!(prune(100).await, 0);
    assert!(find(&store, &request("young")).await.is_some());
}

on_every_store!(
    a_record_is_found_as_it_was_stored,
    records_of_other_agents_and_projects_never_meet,
    many_records_are_stored_and_loaded_at_once,
    a_name_that_is_asked_for_twice_is_answered_once,
    one_young_record_keeps_all_of_them_out,
    two_records_of_one_request_are_a_conflict,
    a_young_record_is_not_replaced,
    an_old_record_is_replaced,
    of_two_at_once_the_second_waits_and_gets_a_conflict,
    pruning_takes_the_old_ones_and_no_more_than_it_may,
);
