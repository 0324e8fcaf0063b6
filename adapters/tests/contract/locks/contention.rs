//! Two units of work that want one lock table.

use crate::harness::{TestStore, default_project};
use crate::on_every_locking_store;
use crate::samples::*;
use domain::locks::changes::Changes;
use domain::locks::key::KeyScope;
use domain::locks::lease::Lease;
use ports::locks::TableHead;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long somebody must stand still to count as waiting.
const WAITS: Duration = Duration::from_millis(200);

/// Somebody who comes second: locks the table, reads it, and commits.
fn second_comer(store: &Arc<TestStore>) -> JoinSet<(TableHead, Vec<Lease>)> {
    let store = Arc::clone(store);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut uow = store.second_door().await.begin().await.unwrap();
        let head = uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
        let leases = uow.leases_load(&default_project(), &KeyScope::overlapping([&key("a")])).await.unwrap();
        uow.lock_table_save(&default_project(), head, &Changes::default()).await.unwrap();
        uow.commit().await.unwrap();
        (head, bare(leases))
    });
    tasks
}

async fn who_comes_second_waits_and_then_sees_leases_and_counter_of_the_first(store: Arc<TestStore>) {
    let mut first = store.begin().await;
    let head = first.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let mut second = second_comer(&store);
    assert!(timeout(WAITS, second.join_next()).await.is_err(), "the second one did not wait for the lock");
    let changes = Changes { last_token: Some(41), leases_put: vec![lease(41, "a")], ..Changes::default() };
    first.lock_table_save(&default_project(), head, &changes).await.unwrap();
    assert!(timeout(WAITS, second.join_next()).await.is_err(), "the second one did not wait for the commit");
    first.commit().await.unwrap();
    let (seen, leases) = second.join_next().await.unwrap().unwrap();
    assert_eq!(seen.last_token, 41);
    assert_eq!(leases, [lease(41, "a")]);
}

async fn the_clock_is_read_after_the_wait_for_the_lock(store: Arc<TestStore>) {
    let mut first = store.begin().await;
    first.lock_table_lock(&default_project()).await.unwrap();
    let mut second = second_comer(&store);
    assert!(timeout(WAITS, second.join_next()).await.is_err(), "the second one did not wait");
    store.pass(chrono::TimeDelta::seconds(7));
    first.commit().await.unwrap();
    let (seen, _) = second.join_next().await.unwrap().unwrap();
    assert_eq!(seen.now, store.now());
}

async fn a_dropped_unit_of_work_lets_the_next_one_in(store: Arc<TestStore>) {
    let mut first = store.begin().await;
    let head = first.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let changes = Changes { last_token: Some(1), leases_put: vec![lease(1, "a")], ..Changes::default() };
    first.lock_table_save(&default_project(), head, &changes).await.unwrap();
    let mut second = second_comer(&store);
    assert!(timeout(WAITS, second.join_next()).await.is_err(), "the second one did not wait");
    drop(first);
    let (seen, leases) = second.join_next().await.unwrap().unwrap();
    assert_eq!((seen.last_token, leases), (head.last_token, vec![]));
}

async fn lock_tables_of_two_projects_do_not_wait_for_each_other(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let mut first = store.begin().await;
    first.lock_table_lock(&default_project()).await.unwrap();
    let mut second = store.begin().await;
    let head = timeout(Duration::from_secs(2), second.lock_table_lock(&other)).await.expect("it waited").unwrap();
    let changes = Changes { last_token: Some(1), leases_put: vec![lease(1, "a")], ..Changes::default() };
    second.lock_table_save(&other, head.unwrap(), &changes).await.unwrap();
    second.commit().await.unwrap();
    first.commit().await.unwrap();
}

on_every_locking_store!(
    who_comes_second_waits_and_then_sees_leases_and_counter_of_the_first,
    the_clock_is_read_after_the_wait_for_the_lock,
    a_dropped_unit_of_work_lets_the_next_one_in,
);

/// `SQLite` and the store in memory have one writer for all projects.
mod with_many_writers {
    use super::lock_tables_of_two_projects_do_not_wait_for_each_other;
    crate::on_every_store!(@ postgres Postgres lock_tables_of_two_projects_do_not_wait_for_each_other);
}
