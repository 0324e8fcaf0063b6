//! Units of work that lock nothing: somebody else may get there first, and then nothing of them is left.

use crate::harness::{TestStore, default_project};
use crate::samples::*;
use crate::work::samples::{new, task};
use chrono::TimeDelta;
use domain::agents::Session;
use domain::audit::Filter;
use domain::identity::project::Project;
use domain::ids::ProjectId;
use domain::locks::changes::Changes;
use domain::locks::key::KeyScope;
use domain::work::changes::Changes as WorkChanges;
use ports::locks::{Ahead, TableHead};
use ports::store::{Store, UnitOfWork};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Reads what a decision on a key hangs on.
async fn read(uow: &mut dyn UnitOfWork) -> TableHead {
    let ahead = Ahead { leases_load: Some(scope()), ..Ahead::default() };
    let head = uow.lock_table_lock_ahead(&default_project(), &ahead).await.unwrap().unwrap();
    assert_eq!(uow.leases_load(&default_project(), &scope()).await.unwrap(), []);
    head
}

fn scope() -> KeyScope {
    KeyScope::overlapping([&key("a")])
}

/// Takes the next lease on a key, with a line in the log.
async fn take(uow: &mut dyn UnitOfWork, store: &TestStore, head: TableHead) {
    let number = head.last_token + 1;
    let changes = Changes { last_token: Some(number), leases_put: vec![lease(number, "a")], ..Changes::default() };
    uow.lock_table_save(&default_project(), head, &changes).await.unwrap();
    uow.audit_append(&[entry(store)]).await.unwrap();
}

/// How many leases and lines there are, and the last token.
async fn left(store: &TestStore) -> (u64, usize, i64) {
    let mut uow = store.begin_read().await;
    let lines = uow.audit_list(&default_project(), &Filter::default(), None, size(9)).await.unwrap().rows.len();
    let head = uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
    (uow.lock_counts().await.unwrap().0, lines, head.last_token)
}

async fn of_two_that_read_the_same_one_is_kept_whole_and_one_not_at_all(store: Arc<TestStore>) {
    let (mut first, mut second) = (store.begin().await, store.begin().await);
    let heads = (read(first.as_mut()).await, read(second.as_mut()).await);
    take(first.as_mut(), &store, heads.0).await;
    take(second.as_mut(), &store, heads.1).await;
    second.commit().await.unwrap();
    assert_conflict(first.commit().await);
    assert_eq!(left(&store).await, (1, 1, 1));
}

async fn whoever_met_a_locked_table_waits_and_then_knows_that_it_came_too_late(store: Arc<TestStore>) {
    let locking = store.locking_door().await;
    let mut first = locking.begin().await.unwrap();
    let head = first.lock_table_lock(&default_project()).await.unwrap().unwrap();
    take(first.as_mut(), &store, head).await;
    let mut second = store.begin().await;
    let head = read(second.as_mut()).await;
    take(second.as_mut(), &store, head).await;
    let mut commit = second.commit();
    assert!(timeout(Duration::from_millis(200), &mut commit).await.is_err(), "it did not wait");
    first.commit().await.unwrap();
    assert_conflict(commit.await);
    assert_eq!(left(&store).await, (1, 1, 1));
}

async fn whoever_waited_for_one_who_gave_up_is_kept(store: Arc<TestStore>) {
    let locking = store.locking_door().await;
    let mut first = locking.begin().await.unwrap();
    first.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let mut second = store.begin().await;
    let head = read(second.as_mut()).await;
    take(second.as_mut(), &store, head).await;
    let mut commit = second.commit();
    assert!(timeout(Duration::from_millis(200), &mut commit).await.is_err(), "it did not wait");
    drop(first);
    commit.await.unwrap();
    assert_eq!(left(&store).await, (1, 1, 1));
}

/// Each of these changes something that a decision may have read.
const WRITERS: [&str; 6] = ["sign-of-life", "end-of-a-session", "archived-project", "task", "version", "epoch"];

async fn write(uow: &mut dyn UnitOfWork, what: &str, store: &TestStore) {
    let project = default_project();
    let ann = session("ann", "s1");
    match what {
        "archived-project" => {
            let found = uow.project_find(&project).await.unwrap().unwrap();
            uow.project_archive(&Project { archived_at: Some(store.now()), ..found }).await.unwrap();
        }
        "epoch" => uow.epoch_raise(1).await.unwrap(),
        what => {
            let head = uow.lock_table_lock(&project).await.unwrap().unwrap();
            match what {
                "sign-of-life" => uow.sessions_seen(&[ann]).await.unwrap(),
                "end-of-a-session" => {
                    uow.sessions_end(&[Session { ended_at: Some(store.now()), live_until: store.now(), ..ann }])
                        .await
                        .unwrap();
                }
                "task" => {
                    let changes = WorkChanges { new: vec![new(task(1))], ..WorkChanges::default() };
                    uow.tasks_save(&project, &changes).await.unwrap();
                }
                _ => {
                    let news = Changes { is_news_beside: true, ..Changes::default() };
                    uow.lock_table_save(&project, head, &news).await.unwrap();
                }
            }
        }
    }
}

async fn whatever_changed_since_it_was_read_is_a_conflict(store: Arc<TestStore>) {
    add_sessions(&store, &[session("ann", "s1")]).await;
    let locking = store.locking_door().await;
    for what in WRITERS {
        let (mut writing, mut reading) = (store.begin().await, store.begin().await);
        let head = read(writing.as_mut()).await;
        read(reading.as_mut()).await;
        let mut other = locking.begin().await.unwrap();
        write(other.as_mut(), what, &store).await;
        other.commit().await.unwrap();
        writing.idempotency_add(&[record(&store, what)], store.now()).await.unwrap();
        writing.lock_table_save(&default_project(), head, &Changes::default()).await.unwrap();
        assert_conflict(writing.commit().await);
        // What was read at two instants must be true at one.
        reading.waiters_load(&default_project()).await.unwrap();
        reading.ended_load(&default_project(), &[token(1)]).await.unwrap();
        assert_conflict(reading.commit().await);
        let kept = store.begin_read().await.idempotency_load(&[request(what)]).await.unwrap();
        assert_eq!(kept, [], "{what}");
    }
}

async fn writers_of_another_project_do_not_matter(store: Arc<TestStore>) {
    let other: ProjectId = add_project(&store, "other").await.id;
    let mut uow = store.begin().await;
    let head = read(uow.as_mut()).await;
    put(&store, &other, &[lease(1, "a")]).await;
    take(uow.as_mut(), &store, head).await;
    uow.commit().await.unwrap();
    assert_eq!(left(&store).await, (2, 1, 1));
}

async fn a_counter_is_moved_also_by_what_becomes_a_transaction_late(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    let head = read(uow.as_mut()).await;
    take(uow.as_mut(), &store, head).await;
    // Reading what was just written is only possible in a transaction.
    assert_eq!(uow.leases_load(&default_project(), &scope()).await.unwrap().len(), 1);
    uow.commit().await.unwrap();
    assert_eq!(left(&store).await, (1, 1, 1));
}

async fn whoever_was_overtaken_cannot_become_a_transaction(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    let head = read(uow.as_mut()).await;
    take(uow.as_mut(), &store, head).await;
    put(&store, &default_project(), &[lease(1, "b")]).await;
    assert_conflict(uow.leases_load(&default_project(), &scope()).await);
    assert!(uow.commit().await.is_err());
    assert_eq!(left(&store).await, (1, 0, 1));
}

async fn a_taken_request_name_leaves_nothing_of_the_rest(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    let head = read(uow.as_mut()).await;
    take(uow.as_mut(), &store, head).await;
    uow.idempotency_add(&[record(&store, "k")], store.now() - TimeDelta::days(1)).await.unwrap();
    // Commands that need no lock table record their answers beside.
    let mut beside = store.locking_door().await.begin().await.unwrap();
    beside.idempotency_add(&[record(&store, "k")], store.now() - TimeDelta::days(1)).await.unwrap();
    beside.commit().await.unwrap();
    assert_conflict(uow.commit().await);
    assert_eq!(left(&store).await, (0, 0, 0));
}

crate::on_every_store!(@ optimistic Optimistic
    of_two_that_read_the_same_one_is_kept_whole_and_one_not_at_all
    whoever_met_a_locked_table_waits_and_then_knows_that_it_came_too_late
    whoever_waited_for_one_who_gave_up_is_kept
    whatever_changed_since_it_was_read_is_a_conflict
    writers_of_another_project_do_not_matter
    a_counter_is_moved_also_by_what_becomes_a_transaction_late
    whoever_was_overtaken_cannot_become_a_transaction
    a_taken_request_name_leaves_nothing_of_the_rest
);
