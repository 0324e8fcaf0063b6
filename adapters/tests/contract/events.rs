//! The log of facts.

use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use chrono::TimeDelta;
use domain::events::Fact;
use std::sync::Arc;

async fn append(store: &TestStore, facts: &[Fact]) {
    let mut uow = store.begin().await;
    uow.facts_append(facts).await.unwrap();
    uow.commit().await.unwrap();
}

async fn the_newest_facts_come_first_and_as_they_were_written(store: Arc<TestStore>) {
    let mut facts = vec![fact(&store, "a"), fact(&store, "б 🔑")];
    append(&store, &facts).await;
    store.pass(TimeDelta::seconds(1));
    facts.push(fact(&store, "c"));
    append(&store, &facts[2..]).await;
    facts.reverse();
    assert_eq!(store.begin_read().await.facts_latest(&default_project(), 10).await.unwrap(), facts);
}

async fn no_more_facts_come_than_were_asked_for(store: Arc<TestStore>) {
    let facts: Vec<Fact> = (0..300).map(|number| fact(&store, &format!("f{number}"))).collect();
    append(&store, &facts).await;
    append(&store, &[]).await;
    let latest = store.begin_read().await.facts_latest(&default_project(), 2).await.unwrap();
    assert_eq!(latest, [facts[299].clone(), facts[298].clone()]);
    assert_eq!(store.begin_read().await.facts_latest(&default_project(), 0).await.unwrap(), []);
}

async fn facts_of_another_project_are_never_seen(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let there = Fact { project: other.clone(), ..fact(&store, "a") };
    append(&store, std::slice::from_ref(&there)).await;
    assert_eq!(store.begin_read().await.facts_latest(&default_project(), 5).await.unwrap(), []);
    assert_eq!(store.begin_read().await.facts_latest(&other, 5).await.unwrap(), [there]);
}

async fn pruning_takes_the_old_ones_of_all_projects_and_no_more_than_it_may(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    for number in 0..3 {
        let here = fact(&store, &format!("f{number}"));
        append(&store, &[here.clone(), Fact { project: other.clone(), ..fact(&store, "there") }]).await;
        store.pass(TimeDelta::seconds(1));
    }
    let limit = store.now();
    append(&store, &[fact(&store, "young")]).await;
    let prune = async |rows_max: u32| {
        let mut uow = store.begin().await;
        let pruned = uow.facts_prune(limit, rows_max).await.unwrap();
        uow.commit().await.unwrap();
        pruned
    };
    assert_eq!(prune(0).await, 0);
    assert_eq!(prune(4).await, 4);
    assert_eq!(prune(100).await, 2);
    assert_eq!(prune(100).await, 0);
    let mut reader = store.begin_read().await;
    assert_eq!(reader.facts_latest(&default_project(), 9).await.unwrap().len(), 1, "only the young one is left");
    assert_eq!(reader.facts_latest(&other, 9).await.unwrap(), []);
}

on_every_store!(
    pruning_takes_the_old_ones_of_all_projects_and_no_more_than_it_may,
    the_newest_facts_come_first_and_as_they_were_written,
    no_more_facts_come_than_were_asked_for,
    facts_of_another_project_are_never_seen,
);
