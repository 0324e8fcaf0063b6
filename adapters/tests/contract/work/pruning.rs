//! Retention: what ended long ago goes, and nothing that somebody needs.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use chrono::{DateTime, Utc};
use domain::work::attempt::AttemptEnd;
use domain::work::changes::{Changes, NewTask};
use domain::work::listing::TaskFilter;
use domain::work::task::{Task, TaskState};
use std::sync::Arc;

async fn prune(store: &TestStore, before: DateTime<Utc>, rows_max: u32) -> u64 {
    let mut uow = store.begin().await;
    let pruned = uow.tasks_prune(before, rows_max).await.unwrap();
    uow.commit().await.unwrap();
    pruned
}

async fn left(store: &TestStore) -> Vec<u128> {
    let mut uow = store.begin_read().await;
    let page = uow.task_list(&default_project(), &TaskFilter::default(), None, size(500)).await.unwrap();
    sorted(numbers(&page.rows))
}

fn done(at: DateTime<Utc>, task: Task) -> Task {
    in_state(TaskState::Succeeded { at }, task)
}

fn part_of(parent: u128, number: u128) -> Task {
    with_terms(number, |terms| terms.parent = Some(task_id(parent)))
}

async fn what_ended_well_or_was_given_up_before_an_instant_goes(store: Arc<TestStore>) {
    let tasks: Vec<Task> = (1..).zip(every_state()).map(|(number, state)| in_state(state, task(number))).collect();
    add_tasks(&store, &tasks).await;
    // All of them ended a microsecond after the fifth second.
    assert_eq!(prune(&store, second(5) + MICRO, 100).await, 0);
    assert_eq!(left(&store).await.len(), tasks.len());
    assert_eq!(prune(&store, second(5) + MICRO + MICRO, 100).await, 7);
    let is_kept = |task: &&Task| !task.status().is_ended() || matches!(task.state, TaskState::Dead { .. });
    let kept: Vec<Task> = tasks.iter().filter(is_kept).cloned().collect();
    assert_eq!(left(&store).await, numbers(&kept), "dead letters stay");
    assert_eq!(stored(&store, &(1..=19).collect::<Vec<_>>()).await, kept);
    assert_eq!(prune(&store, second(1_000), 100).await, 0);
}

async fn a_task_goes_with_all_that_belongs_to_it(store: Arc<TestStore>) {
    let content = |new| NewTask { content: full_content(), ..new };
    let tasks = vec![
        content(new(done(second(1), task(1)))),
        content(waiting_for(&[1], done(second(1), task(2)))),
        // Kept, for it ended later.
        content(waiting_for(&[1, 2], done(second(9), task(3)))),
    ];
    let result = || AttemptEnd::Succeeded { result: Some(tricky_payload()) };
    let attempts = vec![
        attempt(1, 11, AttemptEnd::Lapsed),
        attempt(1, 12, result()),
        attempt(2, 13, result()),
        attempt(3, 14, result()),
    ];
    save_work(&store, &default_project(), Changes { new: tasks, attempts, ..Changes::default() }).await;
    assert_eq!(prune(&store, second(5), 100).await, 2);
    let mut uow = store.begin_read().await;
    let (project, ids) = (default_project(), [1, 2, 3].map(task_id));
    assert_eq!(numbers(&uow.tasks_load(&project, &ids).await.unwrap()), [3]);
    assert_eq!(uow.contents_load(&project, &ids).await.unwrap().into_keys().collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(uow.results_load(&project, &ids).await.unwrap().into_keys().collect::<Vec<_>>(), [ids[2]]);
    let past = uow.attempts_load(&project, &[11, 12, 13, 14].map(token)).await.unwrap();
    assert_eq!(past.iter().map(|attempt| attempt.token.value()).collect::<Vec<_>>(), [14]);
    assert_eq!(uow.attempts_list(&project, ids[0], 9).await.unwrap(), []);
    assert_eq!(uow.dependencies_load(&project, &ids[..2]).await.unwrap(), []);
    assert_eq!(uow.dependencies_load(&project, &ids).await.unwrap().len(), 2, "the edges of what is kept are its own");
    drop(uow);
    // An id that is free again has nothing of the one before.
    add_tasks(&store, &[task(2)]).await;
    let mut uow = store.begin_read().await;
    assert_eq!(uow.dependencies_load(&project, &[ids[1]]).await.unwrap(), []);
    assert_eq!(uow.attempts_list(&project, ids[1], 9).await.unwrap(), []);
}

async fn what_somebody_waits_for_stays(store: Arc<TestStore>) {
    let open: Vec<TaskState> = every_state().into_iter().filter(|state| !state.status().is_ended()).collect();
    let mut tasks = Vec::new();
    for (number, state) in (1..).zip(open.clone()) {
        tasks.push(new(done(second(1), task(number))));
        tasks.push(waiting_for(&[number], in_state(state, task(100 + number))));
    }
    // One that waits is enough.
    tasks.push(new(done(second(1), task(50))));
    tasks.push(waiting_for(&[50], done(second(9), task(51))));
    tasks.push(waiting_for(&[50], task(52)));
    add_new(&store, tasks).await;
    assert_eq!(prune(&store, second(5), 100).await, 0);
    // A dead letter may be tried again, and then needs it.
    let waiting = stored(&store, &[52]).await.remove(0);
    let dead = every_state().into_iter().find(|state| matches!(state, TaskState::Dead { .. })).unwrap();
    let dead = in_state(dead, waiting.clone());
    change(&store, &waiting, &dead).await;
    assert_eq!(prune(&store, second(5), 100).await, 0);
    assert!(left(&store).await.contains(&50));
    change(&store, &dead, &done(second(9), dead.clone())).await;
    assert_eq!(prune(&store, second(5), 100).await, 1);
    assert!(!left(&store).await.contains(&50));
    for (number, state) in (1..).zip(open) {
        let before = in_state(state, task(100 + number));
        change(&store, &before, &done(second(9), before.clone())).await;
        assert_eq!(prune(&store, second(5), 100).await, 1, "{before:?}");
        assert!(!left(&store).await.contains(&number));
    }
}

async fn what_an_open_task_is_part_of_stays(store: Arc<TestStore>) {
    let dead = every_state().into_iter().find(|state| matches!(state, TaskState::Dead { .. })).unwrap();
    let tasks = [
        done(second(1), task(1)),
        part_of(1, 11),
        done(second(9), part_of(1, 12)),
        done(second(1), task(2)),
        done(second(9), part_of(2, 21)),
        // A grandparent is not asked for.
        done(second(1), part_of(1, 3)),
        // A dead letter may be tried again.
        done(second(1), task(4)),
        in_state(dead, part_of(4, 41)),
    ];
    add_tasks(&store, &tasks).await;
    assert_eq!(prune(&store, second(5), 100).await, 2);
    assert_eq!(left(&store).await, [1, 4, 11, 12, 21, 41]);
    for open in [&tasks[1], &tasks[7]] {
        change(&store, open, &done(second(9), open.clone())).await;
        assert_eq!(prune(&store, second(5), 100).await, 1);
    }
    assert_eq!(left(&store).await, [11, 12, 21, 41]);
}

async fn what_has_yet_to_tell_stays(store: Arc<TestStore>) {
    let before = Task { untold: true, ..done(second(1), task(1)) };
    add_tasks(&store, &[before.clone(), done(second(1), task(2))]).await;
    assert_eq!(prune(&store, second(5), 100).await, 1);
    assert_eq!(left(&store).await, [1]);
    change(&store, &before, &done(second(1), task(1))).await;
    assert_eq!(prune(&store, second(5), 100).await, 1);
    assert_eq!(left(&store).await, [0; 0]);
}

async fn many_go_in_bounded_steps_over_all_projects(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let old = |numbers: std::ops::RangeInclusive<u128>| numbers.map(|number| new(done(second(1), task(number))));
    save_work(&store, &other, Changes { new: old(1..=5).collect(), ..Changes::default() }).await;
    // Those that must stay are in nobody's way.
    let kept = (100..=120).map(|number| new(done(second(0), task(number))));
    let parts = (200..=220).map(|number| new(part_of(number - 100, number)));
    add_new(&store, old(1..=5).chain(kept).chain(parts).collect()).await;
    let mut steps = Vec::new();
    while steps.last() != Some(&0) {
        steps.push(prune(&store, second(5), 4).await);
    }
    assert_eq!(steps.iter().sum::<u64>(), 10);
    assert!(steps.iter().all(|pruned| *pruned <= 4), "{steps:?}");
    assert_eq!(left(&store).await.len(), 42);
    let gone = store.begin_read().await.tasks_load(&other, &[1, 2, 3, 4, 5].map(task_id)).await.unwrap();
    assert_eq!(gone, []);
}

async fn the_same_ids_in_another_project_keep_nobody(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let waiting = vec![new(part_of(1, 2)), waiting_for(&[1], task(3)), new(task(1))];
    save_work(&store, &other, Changes { new: waiting, ..Changes::default() }).await;
    add_tasks(&store, &[done(second(1), task(1)), done(second(9), task(2)), done(second(9), task(3))]).await;
    assert_eq!(prune(&store, second(5), 100).await, 1);
    assert_eq!(left(&store).await, [2, 3]);
    let there = store.begin_read().await.tasks_load(&other, &[1, 2, 3].map(task_id)).await.unwrap();
    assert_eq!(there.len(), 3);
}

on_every_store!(
    what_ended_well_or_was_given_up_before_an_instant_goes,
    a_task_goes_with_all_that_belongs_to_it,
    what_somebody_waits_for_stays,
    what_an_open_task_is_part_of_stays,
    what_has_yet_to_tell_stays,
    many_go_in_bounded_steps_over_all_projects,
    the_same_ids_in_another_project_keep_nobody,
);
