//! Which tasks may be claimed, and in which order.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::work::claim::ClaimFilter;
use domain::work::name::ConcurrencyKey;
use domain::work::rank::{Place, Rank};
use domain::work::task::{Task, TaskState};
use ports::work::Candidates;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a claim is looked for with.
#[derive(Clone, Default)]
struct Look {
    filter: ClaimFilter,
    running: BTreeMap<ConcurrencyKey, u32>,
    after: Option<Place>,
}

fn wanting(types: &[&str], labels: &[&str]) -> Look {
    let types = types.iter().map(|name| task_type(name)).collect();
    let filter = ClaimFilter::try_new(types, labels.iter().map(|name| label(name)).collect()).unwrap();
    Look { filter, ..Look::default() }
}

async fn claimable(store: &TestStore, look: &Look, rows_max: u32) -> Vec<u128> {
    let candidates = Candidates { filter: &look.filter, running: &look.running, after: look.after, rows_max };
    numbers(&store.begin_read().await.tasks_claimable(&default_project(), candidates).await.unwrap())
}

async fn ready_tasks_are_found_by_rank_then_id(store: Arc<TestStore>) {
    let at = |number, micros| Task { rank: Rank::from_micros(micros), ..task(number) };
    let extremes = [at(1, i64::MAX), at(2, i64::MIN), at(3, 0), at(4, -1)];
    let equals = [at(9, 5), at(7, 5), at(8, 5), at(u128::MAX, 5), at(1 << 127, 5), at(u128::from(u64::MAX), 5)];
    add_tasks(&store, &[extremes.as_slice(), &equals].concat()).await;
    let all = [2, 4, 3, 7, 8, 9, u128::from(u64::MAX), 1 << 127, u128::MAX, 1];
    assert_eq!(claimable(&store, &Look::default(), 100).await, all);
    for rows_max in [1_u32, 4, 9] {
        assert_eq!(claimable(&store, &Look::default(), rows_max).await, all[..rows_max as usize]);
    }
    for (at, number) in all.into_iter().enumerate() {
        let place = stored(&store, &[number]).await[0].place();
        let look = Look { after: Some(place), ..Look::default() };
        assert_eq!(claimable(&store, &look, 100).await, all[at + 1..], "strictly behind {place:?}");
    }
    let before_a_tie = Place { rank: Rank::from_micros(5), task: task_id(0) };
    let look = Look { after: Some(before_a_tie), ..Look::default() };
    assert_eq!(claimable(&store, &look, 100).await, all[3..]);
}

async fn claimable_tasks_come_whole(store: Arc<TestStore>) {
    let mut tasks = [of_terms(1, full_terms()), ranked(2, 1)];
    tasks[0].attempts_made = 2;
    tasks[0].deadline = Some(second(9));
    add_tasks(&store, &tasks).await;
    let mut uow = store.begin_read().await;
    let look = Look::default();
    let candidates = Candidates { filter: &look.filter, running: &look.running, after: None, rows_max: 9 };
    assert_eq!(uow.tasks_claimable(&default_project(), candidates).await.unwrap(), tasks);
}

async fn only_ready_tasks_are_claimable(store: Arc<TestStore>) {
    let tasks: Vec<Task> = (1..).zip(every_state()).map(|(number, state)| in_state(state, ranked(number, 0))).collect();
    add_tasks(&store, &tasks).await;
    let ready = tasks.iter().filter(|task| matches!(task.state, TaskState::Ready { .. })).cloned().collect::<Vec<_>>();
    assert_eq!(claimable(&store, &Look::default(), 100).await, numbers(&ready));
    // Whatever becomes ready is found, and whatever is not any more is not.
    let late = &tasks[1];
    let ready_now = in_state(TaskState::Ready { since: second(1) }, late.clone());
    change(&store, late, &ready_now).await;
    assert_eq!(claimable(&store, &Look::default(), 100).await, [1, 2]);
    change(&store, &tasks[0], &leased(task_lease(99, second(9)), tasks[0].clone())).await;
    assert_eq!(claimable(&store, &Look::default(), 100).await, [2]);
    change(&store, &ready_now, &Task { rank: Rank::from_micros(i64::MIN), ..ready_now.clone() }).await;
    assert_eq!(claimable(&store, &Look::default(), 100).await, [2]);
}

async fn a_new_rank_is_a_new_place(store: Arc<TestStore>) {
    let tasks = [ranked(1, 1), ranked(2, 2), ranked(3, 3)];
    add_tasks(&store, &tasks).await;
    change(&store, &tasks[2], &Task { rank: Rank::from_micros(0), ..tasks[2].clone() }).await;
    change(&store, &tasks[0], &Task { rank: Rank::from_micros(i64::MAX), ..tasks[0].clone() }).await;
    assert_eq!(claimable(&store, &Look::default(), 9).await, [3, 2, 1]);
}

async fn a_claim_finds_the_kinds_it_names(store: Arc<TestStore>) {
    let of_type = |number, name: &str| with_terms(number, |terms| terms.task_type = task_type(name));
    let kinds = ["a", "b", "A", "a/b", "it-s", "a.", "ab", "b"];
    let tasks: Vec<Task> = (1..).zip(kinds).map(|(number, kind)| of_type(number, kind)).collect();
    add_tasks(&store, &tasks).await;
    assert_eq!(claimable(&store, &wanting(&["a"], &[]), 9).await, [1]);
    assert_eq!(claimable(&store, &wanting(&["b", "A", "none"], &[]), 9).await, [2, 3, 8]);
    assert_eq!(claimable(&store, &wanting(&["none"], &[]), 9).await, [0; 0]);
    assert_eq!(claimable(&store, &wanting(&[], &[]), 9).await.len(), 8);
    let many: Vec<String> = (0..63).map(|number| format!("kind-{number}")).chain(["ab".to_owned()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(claimable(&store, &wanting(&many, &[]), 9).await, [7]);
}

async fn the_kinds_of_a_claim_share_one_order(store: Arc<TestStore>) {
    let of_type = |number, name: &str, seconds| Task {
        rank: ranked(1, seconds).rank,
        ..with_terms(number, |terms| terms.task_type = task_type(name))
    };
    let tasks = [of_type(1, "a", 5), of_type(2, "b", 4), of_type(3, "a", 3), of_type(4, "c", 1), of_type(5, "b", 2)];
    add_tasks(&store, &tasks).await;
    assert_eq!(claimable(&store, &wanting(&["a", "b"], &[]), 9).await, [5, 3, 2, 1]);
    assert_eq!(claimable(&store, &wanting(&["a", "b"], &[]), 3).await, [5, 3, 2]);
    let look = Look { after: Some(tasks[2].place()), ..wanting(&["a", "b"], &[]) };
    assert_eq!(claimable(&store, &look, 9).await, [2, 1]);
}

async fn a_claim_finds_tasks_with_all_the_labels_it_names(store: Arc<TestStore>) {
    let labelled = |number, names: &[&str]| with_terms(number, |terms| terms.labels = labels(names));
    let tasks = [
        labelled(1, &[]),
        labelled(2, &["a"]),
        labelled(3, &["b", "a"]),
        labelled(4, &["a", "b", "c"]),
        labelled(5, &["ab", "a_"]),
        labelled(6, &["A"]),
    ];
    add_tasks(&store, &tasks).await;
    assert_eq!(claimable(&store, &wanting(&[], &["a"]), 9).await, [2, 3, 4]);
    assert_eq!(claimable(&store, &wanting(&[], &["a", "b"]), 9).await, [3, 4]);
    assert_eq!(claimable(&store, &wanting(&[], &["a", "b", "c", "d"]), 9).await, [0; 0]);
    assert_eq!(claimable(&store, &wanting(&["build"], &["A"]), 9).await, [6]);
    assert_eq!(claimable(&store, &wanting(&["none"], &["A"]), 9).await, [0; 0]);
}

async fn tasks_of_a_key_that_is_full_are_left_out_and_hide_nobody(store: Arc<TestStore>) {
    let of_key = |number, name, limit| with_terms(number, |terms| terms.concurrency = Some(concurrency(name, limit)));
    let mut tasks: Vec<Task> = (1..=50).map(|number| of_key(number, "full", 2)).collect();
    tasks.extend([of_key(51, "full", 3), of_key(52, "other", 1), task(53), of_key(54, "free", 1)]);
    add_tasks(&store, &tasks).await;
    let running = |counts: &[(&str, u32)]| Look {
        running: counts.iter().map(|(name, count)| (concurrency_key(name), *count)).collect(),
        ..Look::default()
    };
    let look = running(&[("full", 2), ("other", 1), ("unknown", 9)]);
    assert_eq!(claimable(&store, &look, 3).await, [51, 53, 54]);
    assert_eq!(claimable(&store, &running(&[("full", 3)]), 3).await, [52, 53, 54]);
    assert_eq!(claimable(&store, &running(&[("full", 1), ("other", 2)]), 2).await, [1, 2]);
    assert_eq!(claimable(&store, &running(&[]), 100).await.len(), 54);
    let look = Look { after: Some(tasks[50].place()), ..running(&[("full", 99)]) };
    assert_eq!(claimable(&store, &look, 100).await, [52, 53, 54]);
}

async fn a_long_line_of_others_hides_nobody(store: Arc<TestStore>) {
    let others = (1..=900).map(|number| ranked(number, i64::try_from(number).unwrap()));
    let wanted = with_terms(901, |terms| {
        terms.task_type = task_type("rare");
        terms.labels = labels(&["x"]);
    });
    let wanted = Task { rank: Rank::from_micros(i64::MAX), ..wanted };
    add_tasks(&store, &others.chain([wanted]).collect::<Vec<_>>()).await;
    assert_eq!(claimable(&store, &wanting(&["rare"], &[]), 1).await, [901]);
    assert_eq!(claimable(&store, &wanting(&[], &["x"]), 1).await, [901]);
    assert_eq!(claimable(&store, &wanting(&["rare", "none"], &["x"]), 1).await, [901]);
}

async fn those_ahead_are_the_ready_ones_at_lower_places(store: Arc<TestStore>) {
    let waiting = in_state(TaskState::Blocked { pending: 1 }, ranked(9, 0));
    let tasks = [ranked(1, 1), ranked(2, 2), ranked(3, 2), ranked(4, 3), waiting];
    add_tasks(&store, &tasks).await;
    let mut uow = store.begin_read().await;
    for (at, task) in tasks[..4].iter().enumerate() {
        assert_eq!(uow.tasks_ahead(&default_project(), task.place()).await.unwrap(), at as u64);
    }
    let last = Place { rank: Rank::from_micros(i64::MAX), task: task_id(u128::MAX) };
    assert_eq!(uow.tasks_ahead(&default_project(), last).await.unwrap(), 4);
    assert_eq!(uow.tasks_ahead(&project_id("unknown"), last).await.unwrap(), 0);
}

on_every_store!(
    ready_tasks_are_found_by_rank_then_id,
    claimable_tasks_come_whole,
    only_ready_tasks_are_claimable,
    a_new_rank_is_a_new_place,
    a_claim_finds_the_kinds_it_names,
    the_kinds_of_a_claim_share_one_order,
    a_claim_finds_tasks_with_all_the_labels_it_names,
    tasks_of_a_key_that_is_full_are_left_out_and_hide_nobody,
    a_long_line_of_others_hides_nobody,
    those_ahead_are_the_ready_ones_at_lower_places,
);
