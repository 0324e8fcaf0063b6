//! Who waits for whom.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use domain::ids::TaskId;
use domain::work::graph::Edge;
use domain::work::task::TaskState;
use std::sync::Arc;

/// Edges as pairs of numbers: who waits, for whom.
fn pairs(edges: Vec<Edge>) -> Vec<(u128, u128)> {
    let number = |id: TaskId| id.uuid().as_u128();
    sorted(edges.into_iter().map(|edge| (number(edge.task), number(edge.depends_on))).collect())
}

fn ids(numbers: &[u128]) -> Vec<TaskId> {
    numbers.iter().copied().map(task_id).collect()
}

/// A diamond with a tail: 2 and 3 wait for 1, 4 waits for both, 5 waits for 4 and 1.
async fn add_diamond(store: &TestStore) {
    let blocked = |number, on: &[u128]| {
        let pending = u32::try_from(on.len()).unwrap();
        waiting_for(on, in_state(TaskState::Blocked { pending }, task(number)))
    };
    add_new(store, vec![new(task(1)), blocked(2, &[1]), blocked(3, &[1]), blocked(4, &[2, 3]), blocked(5, &[4, 1])])
        .await;
}

async fn edges_are_loaded_from_either_end(store: Arc<TestStore>) {
    add_diamond(&store).await;
    let mut uow = store.begin_read().await;
    let project = default_project();
    assert_eq!(pairs(uow.dependencies_load(&project, &ids(&[4])).await.unwrap()), [(4, 2), (4, 3)]);
    assert_eq!(pairs(uow.dependencies_load(&project, &ids(&[5, 2, 2, 1, 9])).await.unwrap()), [(2, 1), (5, 1), (5, 4)]);
    assert_eq!(uow.dependencies_load(&project, &ids(&[1, 9])).await.unwrap(), []);
    assert_eq!(uow.dependencies_load(&project, &[]).await.unwrap(), []);
    assert_eq!(pairs(uow.dependents_load(&project, &ids(&[1])).await.unwrap()), [(2, 1), (3, 1), (5, 1)]);
    assert_eq!(pairs(uow.dependents_load(&project, &ids(&[3, 2, 3, 5, 9])).await.unwrap()), [(4, 2), (4, 3)]);
    assert_eq!(uow.dependents_load(&project, &ids(&[5, 9])).await.unwrap(), []);
    assert_eq!(uow.dependents_load(&project, &[]).await.unwrap(), []);
    let counts = uow.dependents_count(&project, &ids(&[1, 2, 5, 9, 1])).await.unwrap();
    let counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [(task_id(1), 3), (task_id(2), 1)]);
    assert!(uow.dependents_count(&project, &[]).await.unwrap().is_empty());
}

async fn edges_stay_when_tasks_end(store: Arc<TestStore>) {
    add_diamond(&store).await;
    for number in [1, 2] {
        let before = stored(&store, &[number]).await.remove(0);
        change(&store, &before, &in_state(TaskState::Succeeded { at: second(1) }, before.clone())).await;
    }
    let mut uow = store.begin_read().await;
    let project = default_project();
    assert_eq!(pairs(uow.dependents_load(&project, &ids(&[1])).await.unwrap()), [(2, 1), (3, 1), (5, 1)]);
    assert_eq!(pairs(uow.dependencies_load(&project, &ids(&[4])).await.unwrap()), [(4, 2), (4, 3)]);
    assert_eq!(uow.dependents_count(&project, &ids(&[1])).await.unwrap()[&task_id(1)], 3);
}

async fn tasks_can_wait_for_tasks_of_earlier_batches(store: Arc<TestStore>) {
    add_diamond(&store).await;
    add_new(&store, vec![waiting_for(&[1, 5], task(6))]).await;
    let mut uow = store.begin_read().await;
    let found = uow.dependents_load(&default_project(), &ids(&[1, 5])).await.unwrap();
    assert_eq!(pairs(found), [(2, 1), (3, 1), (5, 1), (6, 1), (6, 5)]);
    assert_eq!(uow.dependents_count(&default_project(), &ids(&[1])).await.unwrap()[&task_id(1)], 4);
}

async fn as_many_can_wait_for_one_as_may(store: Arc<TestStore>) {
    let waiting = (2..=1_001).map(|number| waiting_for(&[1], task(number)));
    add_new(&store, std::iter::once(new(task(1))).chain(waiting).collect()).await;
    let mut uow = store.begin_read().await;
    assert_eq!(uow.dependents_load(&default_project(), &ids(&[1])).await.unwrap().len(), 1_000);
    assert_eq!(uow.dependents_count(&default_project(), &ids(&[1])).await.unwrap()[&task_id(1)], 1_000);
}

on_every_store!(
    edges_are_loaded_from_either_end,
    edges_stay_when_tasks_end,
    tasks_can_wait_for_tasks_of_earlier_batches,
    as_many_can_wait_for_one_as_may,
);
