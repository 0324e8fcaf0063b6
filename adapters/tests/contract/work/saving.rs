//! Lost races, isolation between projects, and what a unit of work must not do.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::samples::*;
use crate::{on_every_locking_store, on_every_store};
use domain::ids::ProjectId;
use domain::locks::lease::Token;
use domain::page::Page;
use domain::work::attempt::AttemptEnd;
use domain::work::changes::Changes;
use domain::work::claim::ClaimFilter;
use domain::work::content::{Note, Progress};
use domain::work::graph::Edge;
use domain::work::listing::TaskFilter;
use domain::work::rank::{Place, Rank};
use domain::work::task::{Task, TaskLease, TaskState};
use ports::store::StoreError;
use ports::work::Candidates;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Asserts that changes are refused as a lost race, and that nothing of them was kept.
async fn assert_lost(store: &TestStore, changes: &Changes, what: &str) {
    let error = try_save(store, &default_project(), changes).await.expect_err(what);
    assert!(error.contains("Conflict"), "{what}: {error}");
}

async fn a_taken_id_is_a_conflict(store: Arc<TestStore>) {
    add_tasks(&store, &[task(1)]).await;
    let other = Task { rank: Rank::from_micros(1), ..of_terms(1, full_terms()) };
    let beside = |news| Changes { new: news, ..Changes::default() };
    assert_lost(&store, &beside(vec![new(other.clone())]), "the id of a stored task").await;
    assert_lost(&store, &beside(vec![new(task(2)), new(other)]), "one taken id among free ones").await;
    assert_lost(&store, &beside(vec![new(task(3)), new(task(3))]), "an id twice in one batch").await;
    assert_eq!(stored(&store, &[1, 2, 3]).await, [task(1)]);
}

async fn a_refused_save_keeps_nothing_of_the_batch(store: Arc<TestStore>) {
    let tasks = [task(1), leased(task_lease(7, second(60)), task(2))];
    add_tasks(&store, &tasks).await;
    let stale = Task { priority: priority(9), ..tasks[0].clone() };
    let mut changes = changing(&stale, &Task { priority: priority(1), ..stale.clone() });
    let done = in_state(TaskState::Succeeded { at: second(1) }, tasks[1].clone());
    changes.changed.extend(changing(&tasks[1], &done).changed);
    changes.attempts.push(attempt(2, 7, AttemptEnd::Succeeded { result: None }));
    changes.new.push(waiting_for(&[1], task(3)));
    assert_lost(&store, &changes, "one stale task among fresh ones").await;
    assert_eq!(stored(&store, &[1, 2, 3]).await, tasks);
    let mut uow = store.begin_read().await;
    assert_eq!(uow.attempts_load(&default_project(), &[token(7)]).await.unwrap(), []);
    assert_eq!(uow.dependents_load(&default_project(), &[task_id(1)]).await.unwrap(), []);
    assert!(uow.contents_load(&default_project(), &[task_id(3)]).await.unwrap().is_empty());
}

async fn a_task_that_is_not_as_it_was_loaded_is_a_conflict(store: Arc<TestStore>) {
    let lease = task_lease(7, second(60));
    let loaded = leased(lease.clone(), task(1));
    add_tasks(&store, std::slice::from_ref(&loaded)).await;
    let with_lease = |lease: TaskLease| in_state(TaskState::Leased(lease), loaded.clone());
    let meanwhile = [
        ("the lease is longer", with_lease(TaskLease { until: second(61), ..lease.clone() })),
        ("the lease is another", with_lease(TaskLease { token: token(8), attempt: 2, ..lease.clone() })),
        ("there is progress", with_lease(TaskLease { progress: Some(Progress::try_new(9).unwrap()), ..lease.clone() })),
        ("there is a note", with_lease(TaskLease { note: Some(Note::parse("x").unwrap()), ..lease.clone() })),
        ("it is to stop", with_lease(TaskLease { cancel: Some(full_request()), ..lease.clone() })),
        ("it is more urgent", Task { priority: priority(1), ..loaded.clone() }),
        ("it stands elsewhere", Task { rank: Rank::from_micros(1), ..loaded.clone() }),
        ("it may be tried more often", Task { attempts_allowed: 9, ..loaded.clone() }),
        ("it is nobody's", in_state(TaskState::Ready { since: second(1) }, loaded.clone())),
        ("it was put off", in_state(every_state()[2].clone(), loaded.clone())),
        ("it is done", in_state(TaskState::Succeeded { at: second(1) }, loaded.clone())),
        (
            "it has yet to tell",
            Task { untold: true, ..in_state(TaskState::Succeeded { at: second(1) }, loaded.clone()) },
        ),
    ];
    for (what, now) in meanwhile {
        change(&store, &loaded, &now).await;
        let mine = in_state(TaskState::Succeeded { at: second(2) }, loaded.clone());
        assert_lost(&store, &changing(&loaded, &mine), what).await;
        assert_eq!(stored(&store, &[1]).await, std::slice::from_ref(&now), "{what}");
        change(&store, &now, &loaded).await;
    }
}

async fn one_fewer_to_wait_for_is_not_counted_twice(store: Arc<TestStore>) {
    let pending = |pending| in_state(TaskState::Blocked { pending }, task(1));
    add_tasks(&store, &[pending(3)]).await;
    change(&store, &pending(3), &pending(2)).await;
    assert_lost(&store, &changing(&pending(3), &pending(2)), "somebody else told it").await;
    assert_eq!(stored(&store, &[1]).await, [pending(2)]);
}

async fn an_unknown_task_cannot_change(store: Arc<TestStore>) {
    let after = leased(task_lease(1, second(9)), task(1));
    assert_lost(&store, &changing(&task(1), &after), "nobody stored it").await;
    let other = add_project(&store, "other").await.id;
    save_work(&store, &other, Changes { new: vec![new(task(1))], ..Changes::default() }).await;
    assert_lost(&store, &changing(&task(1), &after), "it is another project's").await;
    assert_eq!(stored(&store, &[1]).await, []);
}

async fn a_task_is_never_leased_twice(store: Arc<TestStore>) {
    add_tasks(&store, &[task(1)]).await;
    let [mine, yours] = [7, 8].map(|number| leased(task_lease(number, second(60)), task(1)));
    change(&store, &task(1), &mine).await;
    assert_lost(&store, &changing(&task(1), &yours), "two who saw it ready").await;
    assert_eq!(stored(&store, &[1]).await, std::slice::from_ref(&mine));
    let lost = in_state(TaskState::Ready { since: second(60) }, mine.clone());
    change(&store, &mine, &lost).await;
    let again = Task { attempts_made: 2, ..in_state(yours.state.clone(), lost.clone()) };
    change(&store, &lost, &again).await;
    assert_lost(
        &store,
        &changing(&mine, &in_state(TaskState::Succeeded { at: second(61) }, mine.clone())),
        "a late word",
    )
    .await;
    let held = store.begin_read().await.tasks_load_by_session(&default_project(), &[session_id("s1")]).await.unwrap();
    assert_eq!(held.iter().filter_map(token_of).collect::<Vec<_>>(), [token(8)], "one lease, the last one");
}

async fn a_failed_save_can_only_be_dropped(store: Arc<TestStore>) {
    add_tasks(&store, &[task(1)]).await;
    let mut uow = store.begin().await;
    uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let good = Changes { new: vec![new(task(2))], ..Changes::default() };
    uow.tasks_save(&default_project(), &good).await.unwrap();
    assert_conflict(uow.tasks_save(&default_project(), &good).await);
    uow.commit().await.unwrap_err();
    assert_eq!(stored(&store, &[1, 2]).await, [task(1)]);
}

async fn a_task_changes_only_under_the_lock_of_its_project(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    add_tasks(&store, &[task(1)]).await;
    let changes = changing(&task(1), &leased(task_lease(7, second(60)), task(1)));
    let mut uow = store.begin().await;
    uow.lock_table_lock(&other).await.unwrap().unwrap();
    let refused = uow.tasks_save(&default_project(), &changes).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    uow.commit().await.unwrap_err();
    assert_eq!(stored(&store, &[1]).await, [task(1)]);
}

async fn who_only_reads_cannot_save(store: Arc<TestStore>) {
    let mut uow = store.begin_read().await;
    let changes = Changes { new: vec![new(task(1))], ..Changes::default() };
    uow.tasks_save(&default_project(), &changes).await.unwrap_err();
    drop(uow);
    assert_eq!(stored(&store, &[1]).await, []);
}

/// Everything there is to ask about tasks 1 to 3, in one answer.
async fn everything(store: &TestStore, project: &ProjectId) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut uow = store.begin_read().await;
    let ids = [1, 2, 3].map(task_id);
    let (filter, running) = (ClaimFilter::default(), BTreeMap::new());
    let candidates = Candidates { filter: &filter, running: &running, after: None, rows_max: 99 };
    let far = second(1_000_000);
    let last = Place { rank: Rank::from_micros(i64::MAX), task: task_id(u128::MAX) };
    let tokens: Vec<Token> = [7, 8, 9].map(token).to_vec();
    let Page { rows, next } = uow.task_list(project, &TaskFilter::default(), None, size(99)).await.unwrap();
    let edges = |edges: Vec<Edge>| sorted(edges);
    let tasks = (
        by_id(uow.tasks_load(project, &ids).await.unwrap()),
        by_id(uow.tasks_load_by_session(project, &[session_id("s1")]).await.unwrap()),
        uow.tasks_claimable(project, candidates).await.unwrap(),
        by_id(uow.tasks_due(project, far, 99).await.unwrap()),
        uow.tasks_next_due(project).await.unwrap(),
        uow.tasks_running(project).await.unwrap(),
        uow.tasks_running_of(project, &concurrency_key("k"), 99).await.unwrap(),
        uow.tasks_ahead(project, last).await.unwrap(),
        (rows, next),
    );
    let beside = (
        edges(uow.dependencies_load(project, &ids).await.unwrap()),
        edges(uow.dependents_load(project, &ids).await.unwrap()),
        uow.dependents_count(project, &ids).await.unwrap().get(&task_id(1)).copied().unwrap_or(0),
        uow.contents_load(project, &ids).await.unwrap(),
        uow.results_load(project, &ids).await.unwrap(),
        uow.attempts_load(project, &tokens).await.unwrap(),
        uow.attempts_list(project, task_id(1), 99).await.unwrap(),
        uow.task_counts(project).await.unwrap().len(),
    );
    (tasks, beside)
}

async fn projects_see_nothing_of_each_other(store: Arc<TestStore>) {
    let here = default_project();
    let other = add_project(&store, "other").await.id;
    let nothing = everything(&store, &other).await;
    let in_key = |number| with_terms(number, |terms| terms.concurrency = Some(concurrency("k", 3)));
    let result = AttemptEnd::Succeeded { result: Some(tricky_payload()) };
    let all = Changes {
        new: vec![
            new(in_state(TaskState::Succeeded { at: second(1) }, in_key(1))),
            waiting_for(&[1], leased(task_lease(7, second(60)), in_key(2))),
            waiting_for(&[1, 2], ranked(3, 0)),
        ],
        attempts: vec![attempt(1, 8, result)],
        ..Changes::default()
    };
    save_work(&store, &here, all).await;
    assert!(everything(&store, &other).await == nothing, "the other project sees something");
    let before = everything(&store, &here).await;
    // The same ids and tokens, and something else everywhere.
    let all = Changes {
        new: vec![
            new(in_state(TaskState::Expired { at: second(1) }, in_key(1))),
            waiting_for(&[3], in_state(TaskState::Ready { since: second(1) }, in_key(2))),
            waiting_for(&[1], leased(task_lease(7, second(1)), in_key(3))),
        ],
        attempts: vec![attempt(1, 9, AttemptEnd::Lapsed), attempt(1, 8, AttemptEnd::SessionDied)],
        ..Changes::default()
    };
    save_work(&store, &other, all).await;
    assert_eq!(everything(&store, &here).await, before);
    let three = leased(task_lease(7, second(1)), in_key(3));
    save_work(&store, &other, changing(&three, &in_state(TaskState::Blocked { pending: 7 }, three.clone()))).await;
    assert_eq!(everything(&store, &here).await, before);
}

on_every_store!(
    a_taken_id_is_a_conflict,
    a_refused_save_keeps_nothing_of_the_batch,
    a_task_that_is_not_as_it_was_loaded_is_a_conflict,
    one_fewer_to_wait_for_is_not_counted_twice,
    an_unknown_task_cannot_change,
    a_task_is_never_leased_twice,
    a_task_changes_only_under_the_lock_of_its_project,
    who_only_reads_cannot_save,
    projects_see_nothing_of_each_other,
);

on_every_locking_store!(a_failed_save_can_only_be_dropped);
