//! Lists and counts of tasks.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::work::listing::{StatusCount, TaskCursor, TaskFilter};
use domain::work::task::{Status, Task, TaskLease};
use std::sync::Arc;

async fn list(store: &TestStore, filter: &TaskFilter) -> Vec<u128> {
    let page = store.begin_read().await.task_list(&default_project(), filter, None, size(500)).await.unwrap();
    assert_eq!(page.next, None);
    numbers(&page.rows)
}

fn submitted(number: u128, seconds: i64) -> Task {
    with_terms(number, |terms| terms.submitted_at = second(seconds))
}

async fn pages_go_from_new_to_old_and_tell_each_task_once(store: Arc<TestStore>) {
    let late = with_terms(10, |terms| terms.submitted_at = second(4) + MICRO);
    let tasks = [
        submitted(8, 1),
        submitted(1, 3),
        submitted(2, 3),
        submitted(1 << 127, 3),
        submitted(9, 0),
        submitted(3, 4),
        late,
    ];
    add_tasks(&store, &tasks).await;
    let mut seen = Vec::new();
    let mut after: Option<TaskCursor> = None;
    for expected in [3, 3, 1] {
        let mut uow = store.begin_read().await;
        let page = uow.task_list(&default_project(), &TaskFilter::default(), after, size(3)).await.unwrap();
        assert_eq!(page.rows.len(), expected);
        seen.extend(numbers(&page.rows));
        after = page.next;
    }
    assert_eq!((seen, after), (vec![10, 3, 1 << 127, 2, 1, 8, 9], None));
    let mut uow = store.begin_read().await;
    let all = uow.task_list(&default_project(), &TaskFilter::default(), None, size(7)).await.unwrap();
    assert_eq!(
        (by_id(all.rows), all.next),
        (by_id(tasks.to_vec()), None),
        "a page that ends with the tasks is the last"
    );
    let nowhere = TaskCursor { submitted_at: second(0), id: task_id(0) };
    let page = uow.task_list(&default_project(), &TaskFilter::default(), Some(nowhere), size(7)).await.unwrap();
    assert_eq!((page.rows, page.next), (vec![], None));
}

async fn a_cursor_works_also_when_its_task_is_gone(store: Arc<TestStore>) {
    add_tasks(&store, &[submitted(1, 1), submitted(3, 3)]).await;
    let between = TaskCursor { submitted_at: second(2), id: task_id(u128::MAX) };
    let mut uow = store.begin_read().await;
    let page = uow.task_list(&default_project(), &TaskFilter::default(), Some(between), size(7)).await.unwrap();
    assert_eq!(numbers(&page.rows), [1]);
}

/// Each filter finds what the domain says it finds, alone and with the others.
async fn every_filter_finds_what_it_says(store: Arc<TestStore>) {
    let mut tasks: Vec<Task> = Vec::new();
    for (number, state) in (1..).zip(every_state()) {
        tasks.push(with_terms(number, |terms| {
            terms.task_type = task_type(if number % 2 == 0 { "a" } else { "A" });
            terms.labels = labels([&[][..], &["x"], &["x", "y"], &["xy", "z"]][usize::try_from(number % 4).unwrap()]);
            terms.submitted_by = agent(if number % 3 == 0 { "ann" } else { "boss" });
            terms.parent = (number % 5 == 0).then(|| task_id(1));
        }));
        let task = tasks.pop().unwrap();
        tasks.push(in_state(state, task));
    }
    let more = [
        leased(TaskLease { holder: holder("bob", "s3"), ..task_lease(97, second(1)) }, task(97)),
        leased(TaskLease { holder: holder("ann-2", "s4"), ..task_lease(98, second(1)) }, task(98)),
    ];
    tasks.extend(more);
    add_tasks(&store, &tasks).await;
    tasks.sort_by_key(|task| std::cmp::Reverse(task.id));
    let any = TaskFilter::default;
    let mut filters = vec![
        any(),
        TaskFilter::dead_letters(),
        TaskFilter { statuses: Status::ALL.into(), ..any() },
        TaskFilter { task_type: Some(task_type("a")), ..any() },
        TaskFilter { task_type: Some(task_type("none")), ..any() },
        TaskFilter { label: Some(label("x")), ..any() },
        TaskFilter { label: Some(label("X")), ..any() },
        TaskFilter { submitted_by: Some(agent("ann")), ..any() },
        TaskFilter { submitted_by: Some(agent("an")), ..any() },
        TaskFilter { held_by: Some(agent("ann")), ..any() },
        TaskFilter { held_by: Some(agent("bob")), ..any() },
        TaskFilter { held_by: Some(agent("boss")), ..any() },
        TaskFilter { held_by: Some(agent("ann")), statuses: [Status::Succeeded].into(), ..any() },
        TaskFilter { parent: Some(task_id(1)), ..any() },
        TaskFilter { parent: Some(task_id(2)), ..any() },
        TaskFilter { parent: Some(task_id(1)), label: Some(label("x")), task_type: Some(task_type("a")), ..any() },
        TaskFilter {
            statuses: [Status::Scheduled, Status::Failed, Status::Leased].into(),
            submitted_by: Some(agent("boss")),
            held_by: Some(agent("ann")),
            ..any()
        },
    ];
    filters.extend(Status::ALL.map(|status| TaskFilter { statuses: [status].into(), ..any() }));
    for filter in filters {
        let expected: Vec<Task> = tasks.iter().filter(|task| filter.accepts(task)).cloned().collect();
        assert_eq!(list(&store, &filter).await, numbers(&expected), "{filter:?}");
        let mut uow = store.begin_read().await;
        let page = uow.task_list(&default_project(), &filter, None, size(2)).await.unwrap();
        assert_eq!(page.next.is_some(), expected.len() > 2, "{filter:?}");
        let rest = uow.task_list(&default_project(), &filter, page.next, size(500)).await.unwrap();
        if page.next.is_some() {
            assert_eq!(rest.rows, expected[2..], "{filter:?}");
        }
    }
}

async fn tasks_are_counted_by_kind_and_state(store: Arc<TestStore>) {
    let counts = async || {
        let counts = store.begin_read().await.task_counts(&default_project()).await.unwrap();
        let plain = |count: StatusCount| (count.task_type.to_string(), count.status, count.tasks);
        sorted(counts.into_iter().map(plain).collect())
    };
    assert_eq!(counts().await, []);
    let mut tasks: Vec<Task> = (1..).zip(every_state()).map(|(number, state)| in_state(state, task(number))).collect();
    tasks.push(with_terms(99, |terms| terms.task_type = task_type("Build")));
    add_tasks(&store, &tasks).await;
    let of = |name: &str, status, tasks| (name.to_owned(), status, tasks);
    let mut expected = vec![
        of("Build", Status::Ready, 1),
        of("build", Status::Ready, 1),
        of("build", Status::Scheduled, 2),
        of("build", Status::Blocked, 2),
        of("build", Status::Leased, 4),
        of("build", Status::Failed, 1),
        of("build", Status::Succeeded, 1),
        of("build", Status::Dead, 2),
        of("build", Status::Cancelled, 5),
        of("build", Status::Expired, 1),
    ];
    assert_eq!(counts().await, expected);
    change(&store, &tasks[0], &leased(task_lease(98, second(9)), tasks[0].clone())).await;
    expected.remove(1);
    expected[3].2 = 5;
    assert_eq!(counts().await, expected, "pairs with none are left out");
}

on_every_store!(
    pages_go_from_new_to_old_and_tell_each_task_once,
    a_cursor_works_also_when_its_task_is_gone,
    every_filter_finds_what_it_says,
    tasks_are_counted_by_kind_and_state,
);
