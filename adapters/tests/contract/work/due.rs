//! What time has changed, and when it will change something next.

use super::samples::*;
use crate::harness::{TestStore, default_project, start};
use crate::on_every_store;
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::Session;
use domain::work::changes::Changes;
use domain::work::task::{Delay, Task, TaskLease, TaskState};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The numbers of the due tasks, in order of the numbers.
async fn due(store: &TestStore, now: DateTime<Utc>) -> Vec<u128> {
    sorted(numbers(&store.begin_read().await.tasks_due(&default_project(), now, 100).await.unwrap()))
}

async fn next_due(store: &TestStore) -> Option<DateTime<Utc>> {
    store.begin_read().await.tasks_next_due(&default_project()).await.unwrap()
}

fn with_deadline(deadline: DateTime<Utc>, task: Task) -> Task {
    Task { deadline: Some(deadline), ..task }
}

fn scheduled(until: DateTime<Utc>, delay: Delay, task: Task) -> Task {
    in_state(TaskState::Scheduled { until, delay }, task)
}

fn blocked(task: Task) -> Task {
    in_state(TaskState::Blocked { pending: 1 }, task)
}

fn untold(at: DateTime<Utc>, task: Task) -> Task {
    Task { untold: true, ..in_state(TaskState::Succeeded { at }, task) }
}

/// One of each kind that comes due at an instant; the last digit of the number says which.
fn one_of_each_kind(first: u128, at: DateTime<Utc>) -> Vec<Task> {
    let token_number = i64::try_from(1_000 + first).unwrap();
    let later = at + TimeDelta::days(1);
    vec![
        leased(task_lease(token_number, at), task(first)),
        scheduled(at, Delay::NotBefore, task(first + 1)),
        scheduled(at, Delay::Retry, task(first + 2)),
        scheduled(at, Delay::Snooze, task(first + 3)),
        with_deadline(at, task(first + 4)),
        with_deadline(at, blocked(task(first + 5))),
        with_deadline(at, scheduled(later, Delay::Retry, task(first + 6))),
        untold(at, task(first + 7)),
    ]
}

async fn each_kind_is_due_at_its_very_instant(store: Arc<TestStore>) {
    let tasks = one_of_each_kind(10, second(5));
    add_tasks(&store, &tasks).await;
    let told = Task { untold: false, ..untold(second(1), task(30)) };
    add_tasks(&store, &[task(31), blocked(task(32)), told]).await;
    assert_eq!(due(&store, second(5)).await, (10..18).collect::<Vec<_>>());
    assert_eq!(due(&store, second(500)).await, (10..18).collect::<Vec<_>>());
    // What has ended has to tell it whatever the clock says, and may come.
    let early = due(&store, second(5) - MICRO).await;
    assert!(early.is_empty() || early == [17], "{early:?}");
    let mut uow = store.begin_read().await;
    assert_eq!(by_id(uow.tasks_due(&default_project(), second(5), 100).await.unwrap()), tasks);
    assert_eq!(uow.tasks_due(&default_project(), second(5), 3).await.unwrap().len(), 3);
}

async fn what_has_ended_and_told_it_is_never_due(store: Arc<TestStore>) {
    let ended = every_state().into_iter().filter(|state| state.status().is_ended());
    let tasks: Vec<Task> =
        (1..).zip(ended).map(|(number, state)| with_deadline(second(1), in_state(state, task(number)))).collect();
    add_tasks(&store, &tasks).await;
    assert_eq!(due(&store, second(1_000)).await, [0; 0]);
    assert_eq!(next_due(&store).await, None);
    assert_eq!(store.begin_read().await.projects_with_tasks_due(second(1_000), 9).await.unwrap(), []);
    for task in tasks {
        change(&store, &task, &Task { untold: true, ..task.clone() }).await;
    }
    assert_eq!(due(&store, second(1_000)).await.len(), 9);
    assert_eq!(next_due(&store).await, None, "nobody has to wait for them");
}

async fn what_a_session_works_on_is_due_when_that_ends(store: Arc<TestStore>) {
    let living = |name: &str, until| Session { live_until: until, ..session("ann", name) };
    let over = Session { ended_at: Some(second(2)), live_until: second(2), ..session("ann", "over") };
    add_sessions(&store, &[living("s1", second(5)), living("s2", second(500)), over]).await;
    let other = add_project(&store, "other").await.id;
    // Sessions of the same names in another project must not be mistaken for those of this one.
    add_sessions(&store, &[Session { project: other, ..living("unknown", second(0)) }]).await;
    let of = |number: u128, name: &str, until| {
        let lease = task_lease(i64::try_from(number).unwrap(), until);
        leased(TaskLease { holder: holder("ann", name), ..lease }, task(number))
    };
    let tasks = [
        of(1, "s1", second(60)),
        of(2, "s2", second(60)),
        of(3, "over", second(60)),
        of(4, "unknown", second(60)),
        of(5, "s1", second(4)),
    ];
    add_tasks(&store, &tasks).await;
    assert_eq!(due(&store, second(2) - MICRO).await, [0; 0]);
    assert_eq!(due(&store, second(2)).await, [3]);
    assert_eq!(due(&store, second(4)).await, [3, 5]);
    assert_eq!(due(&store, second(5) - MICRO).await, [3, 5]);
    assert_eq!(due(&store, second(5)).await, [1, 3, 5]);
    assert_eq!(due(&store, second(60)).await, [1, 2, 3, 4, 5]);
    assert_eq!(store.begin_read().await.projects_with_tasks_due(second(2) - MICRO, 9).await.unwrap(), []);
    assert_eq!(store.begin_read().await.projects_with_tasks_due(second(2), 9).await.unwrap(), [default_project()]);
}

async fn a_sign_of_life_puts_it_off(store: Arc<TestStore>) {
    let short = Session { live_until: second(5), ..session("ann", "s1") };
    add_sessions(&store, std::slice::from_ref(&short)).await;
    add_tasks(&store, &[leased(task_lease(1, second(60)), task(1))]).await;
    assert_eq!(due(&store, second(5)).await, [1]);
    let mut uow = store.begin().await;
    uow.lock_table_lock(&default_project()).await.unwrap();
    uow.sessions_seen(&[Session { last_seen_at: second(1), live_until: second(40), ..short }]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(due(&store, second(40) - MICRO).await, [0; 0]);
    assert_eq!(due(&store, second(40)).await, [1]);
}

async fn whatever_keeps_coming_passes_nobody_over_for_ever(store: Arc<TestStore>) {
    let kinds = one_of_each_kind(0, second(1)).len() as u128;
    for (turn, kind) in (1..).zip(0..kinds) {
        let first_of_turn = turn * 10_000;
        let early = one_of_each_kind(first_of_turn, second(1));
        add_tasks(&store, &early).await;
        let mut waiting: BTreeSet<u128> = numbers(&early).into_iter().collect();
        for round in 1..=24_u32 {
            // One of this kind comes with every round, always due already but later than those that wait.
            let coming_first = first_of_turn + u128::from(round) * 100;
            let coming = one_of_each_kind(coming_first, second(1) + TimeDelta::milliseconds(i64::from(round)));
            add_tasks(&store, &[coming[usize::try_from(kind).unwrap()].clone()]).await;
            let found = store.begin_read().await.tasks_due(&default_project(), second(100), 1).await.unwrap();
            assert_eq!(found.len(), 1);
            let over = Task { untold: false, ..in_state(TaskState::Expired { at: second(100) }, found[0].clone()) };
            change(&store, &found[0], &over).await;
            waiting.remove(&numbers(&found)[0]);
        }
        assert_eq!(waiting, BTreeSet::new(), "passed over for ever by those of kind {kind}");
    }
}

async fn the_next_instant_is_the_earliest_of_all(store: Arc<TestStore>) {
    let mut tasks = vec![
        leased(task_lease(1, second(60)), task(1)),
        with_deadline(second(50), task(2)),
        with_deadline(second(40), blocked(task(3))),
        scheduled(second(30), Delay::Retry, task(4)),
        with_deadline(second(20), scheduled(second(500), Delay::Snooze, task(5))),
        scheduled(second(10), Delay::NotBefore, task(6)),
        scheduled(second(-7), Delay::NotBefore, task(7)),
    ];
    assert_eq!(next_due(&store).await, None);
    add_tasks(&store, &[task(9), blocked(task(10)), untold(start(), task(11))]).await;
    assert_eq!(next_due(&store).await, None, "what waits for no instant has none");
    add_tasks(&store, &tasks).await;
    let instants = [-7, 10, 20, 30, 40, 50, 60].map(second);
    for instant in instants {
        assert_eq!(next_due(&store).await, Some(instant));
        let last = tasks.pop().unwrap();
        change(&store, &last, &in_state(TaskState::Succeeded { at: second(1) }, last.clone())).await;
    }
    assert_eq!(next_due(&store).await, None);
}

async fn an_instant_that_moves_is_due_when_it_says_then(store: Arc<TestStore>) {
    let before = leased(task_lease(1, second(10)), task(1));
    add_tasks(&store, std::slice::from_ref(&before)).await;
    let longer = leased(task_lease(1, second(20)), task(1));
    change(&store, &before, &longer).await;
    assert_eq!((due(&store, second(20) - MICRO).await, due(&store, second(20)).await), (vec![], vec![1]));
    let put_off = scheduled(second(30), Delay::Snooze, task(1));
    change(&store, &longer, &put_off).await;
    assert_eq!((due(&store, second(30) - MICRO).await, due(&store, second(30)).await), (vec![], vec![1]));
    assert_eq!(next_due(&store).await, Some(second(30)));
    let earlier = scheduled(second(25), Delay::NotBefore, task(1));
    change(&store, &put_off, &earlier).await;
    assert_eq!((due(&store, second(25) - MICRO).await, due(&store, second(25)).await), (vec![], vec![1]));
    change(&store, &earlier, &task(1)).await;
    assert_eq!((due(&store, second(999)).await, next_due(&store).await), (vec![], None));
}

async fn projects_with_something_due_are_named_once_each(store: Arc<TestStore>) {
    let projects = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for (name, task) in projects.into_iter().zip(one_of_each_kind(1, second(5))) {
        let project = add_project(&store, name).await.id;
        let other = Task { id: task_id(99), ..task.clone() };
        let other = match &task.state {
            TaskState::Leased(lease) => {
                in_state(TaskState::Leased(TaskLease { token: token(7), ..lease.clone() }), other)
            }
            _ => other,
        };
        let both = Changes { new: vec![new(task), new(other)], ..Changes::default() };
        save_work(&store, &project, both).await;
    }
    let quiet = add_project(&store, "quiet").await.id;
    let later = Changes { new: vec![new(with_deadline(second(6), task(1)))], ..Changes::default() };
    save_work(&store, &quiet, later).await;
    let mut uow = store.begin_read().await;
    let found = sorted(uow.projects_with_tasks_due(second(5), 100).await.unwrap());
    assert_eq!(found, projects.map(project_id));
    let early = uow.projects_with_tasks_due(second(5) - MICRO, 100).await.unwrap();
    assert!(early.is_empty() || early == [project_id("h")], "{early:?}");
    assert_eq!(uow.projects_with_tasks_due(second(5), 3).await.unwrap().len(), 3);
}

on_every_store!(
    each_kind_is_due_at_its_very_instant,
    what_has_ended_and_told_it_is_never_due,
    what_a_session_works_on_is_due_when_that_ends,
    a_sign_of_life_puts_it_off,
    whatever_keeps_coming_passes_nobody_over_for_ever,
    the_next_instant_is_the_earliest_of_all,
    an_instant_that_moves_is_due_when_it_says_then,
    projects_with_something_due_are_named_once_each,
);
