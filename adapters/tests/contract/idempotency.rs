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
    store.begin().await.idempotency_load(std::slice::from_ref(name)).await.unwrap().pop()
}

async fn a_record_is_found_as_it_was_stored(store: Arc<TestStore>) {
    let name = "k !~\"'%_";
    let stored = Record { answer: json!({"a": [null, 1.5, "🔑"]}), ..record(&store, &name.replace(' ', "")) };
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

async fn a_young_record_is_not_replaced(store: Arc<TestStore>) {
    let stored = record(&store, "k");
    add(&store, &stored).await;
    let other = Record { fingerprint: [1; 32], ..stored.clone() };
    assert_conflict(store.begin().await.idempotency_add(std::slice::from_ref(&other), stored.created_at).await);
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

async fn several_are_stored_and_found_together_or_not_at_all(store: Arc<TestStore>) {
    let young = record(&store, "c");
    add(&store, &young).await;
    let records = ["a", "b"].map(|key| record(&store, key));
    let mut uow = store.begin().await;
    uow.idempotency_add(&records, store.now() - TimeDelta::hours(24)).await.unwrap();
    uow.commit().await.unwrap();
    let names = ["b", "a", "nothing"].map(request);
    let mut found = store.begin().await.idempotency_load(&names).await.unwrap();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(found, records);
    let mut uow = store.begin().await;
    let conflicting = [record(&store, "d"), young];
    assert_conflict(uow.idempotency_add(&conflicting, store.now() - TimeDelta::hours(24)).await);
    drop(uow);
    assert_eq!(find(&store, &request("d")).await, None);
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
    a_young_record_is_not_replaced,
    an_old_record_is_replaced,
    several_are_stored_and_found_together_or_not_at_all,
    of_two_at_once_the_second_waits_and_gets_a_conflict,
    pruning_takes_the_old_ones_and_no_more_than_it_may,
);
