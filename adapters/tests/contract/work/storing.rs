//! What is stored comes back as it was, whatever it is.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::work::changes::Changes;
use domain::work::content::Content;
use domain::work::rank::{Priority, Rank};
use domain::work::task::{Task, TaskState};
use domain::work::terms::{OnDependencyFailure, Terms};
use serde_json::json;
use std::sync::Arc;

/// One task in each state; every other one with something in each field besides.
fn one_in_each_state() -> Vec<Task> {
    let in_turn = |(number, state): (u128, _)| match number % 2 {
        0 => in_state(state, task(number)),
        _ => Task {
            priority: Priority::LAST,
            rank: Rank::from_micros(i64::MAX),
            not_before: Some(second(7) + MICRO),
            deadline: Some(second(8) + MICRO),
            attempts_made: 9_999,
            attempts_allowed: 10_000,
            ..in_state(state, of_terms(number, full_terms()))
        },
    };
    (1..).zip(every_state()).map(in_turn).collect()
}

async fn a_new_task_comes_back_to_the_last_field(store: Arc<TestStore>) {
    let mut tasks = one_in_each_state();
    for task in &mut tasks {
        task.untold = task.status().is_ended() && task.id.uuid().as_u128() % 3 == 0;
    }
    add_tasks(&store, &tasks).await;
    let all: Vec<u128> = (1..=tasks.len() as u128).collect();
    assert_eq!(stored(&store, &all).await, tasks);
}

async fn each_of_the_terms_comes_back_alone_too(store: Arc<TestStore>) {
    let Terms { task_type, labels, requires, resources, concurrency, lease, retry, parent, .. } = full_terms();
    let tasks = vec![
        with_terms(1, |terms| terms.task_type = task_type),
        with_terms(2, |terms| terms.labels = labels),
        with_terms(3, |terms| terms.requires = requires),
        with_terms(4, |terms| terms.resources = resources),
        with_terms(5, |terms| terms.concurrency = concurrency),
        with_terms(6, |terms| terms.lease = lease),
        with_terms(7, |terms| terms.retry = retry),
        with_terms(8, |terms| terms.on_dependency_failure = OnDependencyFailure::Run),
        with_terms(9, |terms| terms.parent = parent),
        with_terms(10, |terms| terms.submitted_at = second(1) + MICRO),
        with_terms(11, |terms| terms.submitted_by = agent("cat")),
    ];
    add_tasks(&store, &tasks).await;
    assert_eq!(stored(&store, &(1..=11).collect::<Vec<_>>()).await, tasks);
}

async fn a_task_goes_from_each_state_to_each_other(store: Arc<TestStore>) {
    let states = every_state();
    let mut before: Vec<Task> = one_in_each_state();
    add_tasks(&store, &before).await;
    let all: Vec<u128> = (1..=before.len() as u128).collect();
    for turn in 1..=states.len() {
        let next = |(at, task): (usize, &Task)| {
            let mut state = states[(at + turn) % states.len()].clone();
            if let TaskState::Leased(lease) = &mut state {
                // No token is ever given twice.
                lease.token = token(i64::try_from(1_000 * turn + at).unwrap());
            }
            in_state(state, task.clone())
        };
        let after: Vec<Task> = before.iter().enumerate().map(next).collect();
        let changed = before.iter().zip(&after).flat_map(|(before, after)| changing(before, after).changed);
        save_work(&store, &default_project(), Changes { changed: changed.collect(), ..Changes::default() }).await;
        assert_eq!(stored(&store, &all).await, after);
        before = after;
    }
}

async fn what_moves_beside_the_state_is_changed_too(store: Arc<TestStore>) {
    let mut before = task(1);
    add_tasks(&store, std::slice::from_ref(&before)).await;
    let full = Task {
        priority: Priority::FIRST,
        rank: Rank::from_micros(-7),
        not_before: Some(second(7)),
        deadline: Some(second(9)),
        attempts_made: 2,
        attempts_allowed: 7,
        untold: true,
        ..in_state(every_state()[10].clone(), before.clone())
    };
    for after in [full, before.clone()] {
        change(&store, &before, &after).await;
        assert_eq!(stored(&store, &[1]).await, std::slice::from_ref(&after));
        before = after;
    }
}

async fn of_a_changed_task_the_terms_stay(store: Arc<TestStore>) {
    let before = task(1);
    add_new(&store, vec![new(before.clone()), waiting_for(&[1], task(2))]).await;
    let state = every_state()[10].clone();
    let after = Task { terms: Arc::new(full_terms()), ..in_state(state.clone(), before.clone()) };
    change(&store, &before, &after).await;
    assert_eq!(stored(&store, &[1]).await, [in_state(state, before)]);
}

async fn contents_come_back_to_the_last_character(store: Arc<TestStore>) {
    let bare = content("x");
    let null = Content { input: Some(payload(json!(null))), ..content("null is not nothing") };
    let text = Content { input: Some(payload(json!("5"))), ..content("a text is no number") };
    let long = Content { input: Some(payload(json!("é".repeat(131_000)))), ..content("long") };
    let contents = [full_content(), bare, null, text, long];
    let news = (1..).zip(contents.clone()).map(|(number, content)| {
        let new = new(task(number));
        domain::work::changes::NewTask { content, ..new }
    });
    add_new(&store, news.collect()).await;
    let mut uow = store.begin_read().await;
    let ids: Vec<_> = (1..=6).map(task_id).collect();
    let loaded = uow.contents_load(&default_project(), &ids).await.unwrap();
    let titles = loaded.iter().map(|(id, content)| (*id, content.title.clone())).collect();
    assert_eq!(uow.titles_load(&default_project(), &ids).await.unwrap(), titles);
    assert_eq!(loaded.into_iter().collect::<Vec<_>>(), ids.iter().copied().zip(contents).collect::<Vec<_>>());
    assert_eq!(uow.contents_load(&default_project(), &[]).await.unwrap(), [].into());
    assert_eq!(uow.titles_load(&default_project(), &[]).await.unwrap(), [].into());
}

async fn tasks_are_loaded_by_id_each_once_and_unknown_ones_passed_over(store: Arc<TestStore>) {
    add_tasks(&store, &[task(1), task(2), task(3)]).await;
    assert_eq!(stored(&store, &[3, 1, 3, 99]).await, [task(1), task(3)]);
    assert_eq!(stored(&store, &[]).await, []);
    assert_eq!(stored(&store, &[99]).await, []);
    let mut uow = store.begin_read().await;
    assert_eq!(uow.tasks_load(&project_id("unknown"), &[task_id(1)]).await.unwrap(), []);
}

async fn as_many_as_a_call_may_submit_are_saved_and_loaded_at_once(store: Arc<TestStore>) {
    let tasks: Vec<Task> = (1..=1_000).map(task).collect();
    let on_all = (1..=100).collect::<Vec<_>>();
    let mut news: Vec<_> = tasks.iter().cloned().map(new).collect();
    for new in news.iter_mut().skip(100) {
        new.depends_on = on_all.iter().copied().map(task_id).collect();
    }
    add_new(&store, news).await;
    let all: Vec<u128> = (1..=1_000).collect();
    assert_eq!(stored(&store, &all).await, tasks);
    let ids: Vec<_> = all.iter().copied().map(task_id).collect();
    let mut uow = store.begin_read().await;
    assert_eq!(uow.dependencies_load(&default_project(), &ids).await.unwrap().len(), 90_000);
    let counts = uow.dependents_count(&default_project(), &ids).await.unwrap();
    assert_eq!(counts.values().copied().filter(|count| *count > 0).collect::<Vec<_>>(), [900; 100]);
    drop(uow);
    let after: Vec<Task> =
        (1..).zip(tasks.iter().cloned()).map(|(token, task)| leased(task_lease(token, second(60)), task)).collect();
    let changed = tasks.iter().zip(&after).flat_map(|(before, after)| changing(before, after).changed);
    save_work(&store, &default_project(), Changes { changed: changed.collect(), ..Changes::default() }).await;
    assert_eq!(stored(&store, &all).await, after);
}

async fn an_empty_batch_changes_nothing(store: Arc<TestStore>) {
    add_tasks(&store, &[task(1)]).await;
    save_work(&store, &default_project(), Changes::default()).await;
    assert_eq!(stored(&store, &[1]).await, [task(1)]);
}

async fn tasks_outlive_the_store(store: Arc<TestStore>) {
    let tasks = one_in_each_state();
    add_tasks(&store, &tasks).await;
    let all: Vec<_> = (1..=tasks.len() as u128).map(task_id).collect();
    let door = store.second_door().await;
    let mut uow = door.begin_read().await.unwrap();
    assert_eq!(by_id(uow.tasks_load(&default_project(), &all).await.unwrap()), tasks);
}

on_every_store!(
    a_new_task_comes_back_to_the_last_field,
    each_of_the_terms_comes_back_alone_too,
    a_task_goes_from_each_state_to_each_other,
    what_moves_beside_the_state_is_changed_too,
    of_a_changed_task_the_terms_stay,
    contents_come_back_to_the_last_character,
    tasks_are_loaded_by_id_each_once_and_unknown_ones_passed_over,
    as_many_as_a_call_may_submit_are_saved_and_loaded_at_once,
    an_empty_batch_changes_nothing,
    tasks_outlive_the_store,
);
