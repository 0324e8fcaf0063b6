//! What is being worked on: by session and by concurrency key.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::work::task::{Task, TaskLease, TaskState};
use std::sync::Arc;

fn held(number: u128, key: Option<(&str, u32)>, lease: TaskLease) -> Task {
    leased(lease, with_terms(number, |terms| terms.concurrency = key.map(|(name, limit)| concurrency(name, limit))))
}

async fn leased_tasks_are_loaded_by_session(store: Arc<TestStore>) {
    let by = |number: u128, agent_name: &str, name: &str, until| {
        let lease = task_lease(i64::try_from(number).unwrap(), second(until));
        held(number, None, TaskLease { holder: holder(agent_name, name), ..lease })
    };
    let tasks =
        [by(1, "ann", "s1", 60), by(2, "ann", "s2", 60), by(3, "bob", "s1-", 60), by(4, "ann", "s1", -60), task(5)];
    add_tasks(&store, &tasks).await;
    let mut uow = store.begin_read().await;
    let mut load = async |names: &[&str]| {
        let sessions: Vec<_> = names.iter().map(|name| session_id(name)).collect();
        by_id(uow.tasks_load_by_session(&default_project(), &sessions).await.unwrap())
    };
    assert_eq!(load(&["s1"]).await, [tasks[0].clone(), tasks[3].clone()], "lapsed ones included");
    assert_eq!(numbers(&load(&["s1-", "s", "s2", "s2"]).await), [2, 3]);
    assert_eq!(load(&["s", "S1", "s1-x"]).await, []);
    assert_eq!(load(&[]).await, []);
    drop(uow);
    change(&store, &tasks[0], &in_state(TaskState::Succeeded { at: second(1) }, tasks[0].clone())).await;
    let left = store.begin_read().await.tasks_load_by_session(&default_project(), &[session_id("s1")]).await.unwrap();
    assert_eq!(numbers(&left), [4], "what has ended is nobody's");
}

async fn leased_tasks_are_counted_by_key_until_they_end(store: Arc<TestStore>) {
    let lease = |number| task_lease(number, second(60));
    let lapsed = task_lease(13, second(-60));
    let tasks = [
        held(1, Some(("a", 2)), lease(11)),
        // Tasks of one key may differ in the limit.
        held(2, Some(("a", 9)), lease(12)),
        held(3, Some(("a", 2)), lapsed),
        held(4, Some(("A", 2)), lease(14)),
        held(5, None, lease(15)),
        with_terms(6, |terms| terms.concurrency = Some(concurrency("a", 2))),
        with_terms(7, |terms| terms.concurrency = Some(concurrency("idle", 2))),
    ];
    add_tasks(&store, &tasks).await;
    let running = async || {
        let running = store.begin_read().await.tasks_running(&default_project()).await.unwrap();
        running.into_iter().map(|(key, count)| (key.to_string(), count)).collect::<Vec<_>>()
    };
    let of = |a, upper| [("A", upper), ("a", a)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(running().await, of(3, 1));
    let heard = held(1, Some(("a", 2)), task_lease(11, second(99)));
    change(&store, &tasks[0], &heard).await;
    assert_eq!(running().await, of(3, 1), "a heartbeat starts nothing");
    change(&store, &heard, &in_state(TaskState::Ready { since: second(1) }, heard.clone())).await;
    assert_eq!(running().await, of(2, 1));
    change(&store, &tasks[5], &held(6, Some(("a", 2)), lease(16))).await;
    change(&store, &tasks[3], &in_state(TaskState::Succeeded { at: second(1) }, tasks[3].clone())).await;
    assert_eq!(running().await, [("a".to_owned(), 3)], "keys with none are left out");
}

async fn those_of_a_key_are_shown_longest_held_first(store: Arc<TestStore>) {
    let since = |number, seconds| TaskLease { since: second(seconds), ..task_lease(number, second(60)) };
    let tasks = [
        held(1, Some(("k", 9)), since(11, 3)),
        held(2, Some(("k", 9)), since(12, 1)),
        held(3, Some(("k", 9)), since(13, 2)),
        held(4, Some(("other", 9)), since(14, 0)),
        with_terms(5, |terms| terms.concurrency = Some(concurrency("k", 9))),
    ];
    add_tasks(&store, &tasks).await;
    let mut uow = store.begin_read().await;
    let mut of_key = async |name, rows_max| {
        uow.tasks_running_of(&default_project(), &concurrency_key(name), rows_max).await.unwrap()
    };
    assert_eq!(of_key("k", 9).await, [tasks[1].clone(), tasks[2].clone(), tasks[0].clone()]);
    assert_eq!(numbers(&of_key("k", 2).await), [2, 3]);
    assert_eq!(of_key("K", 9).await, []);
}

on_every_store!(
    leased_tasks_are_loaded_by_session,
    leased_tasks_are_counted_by_key_until_they_end,
    those_of_a_key_are_shown_longest_held_first,
);
