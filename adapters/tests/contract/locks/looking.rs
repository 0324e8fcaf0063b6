//! What those who wait look at: versions, and when the next thing ends by itself.

use crate::harness::{TestStore, default_project, start};
use crate::locks::second;
use crate::on_every_store;
use crate::samples::*;
use domain::ids::ProjectId;
use domain::locks::changes::Changes;
use domain::locks::event::LockEvent;
use domain::locks::lease::{Ending, Lease, Mode, Waiter};
use ports::locks::Look;
use std::sync::Arc;

async fn look(store: &TestStore, projects: &[ProjectId], since: i64) -> Vec<Look> {
    let mut looks = store.begin_read().await.lock_tables_look(projects, second(since)).await.unwrap();
    looks.sort_by(|one, other| one.project.cmp(&other.project));
    looks
}

async fn version(store: &TestStore) -> i64 {
    let looked = look(store, &[default_project()], 0).await.pop().unwrap().version;
    let head = store.begin_read().await.lock_table_lock(&default_project()).await.unwrap().unwrap();
    assert_eq!(looked, head.version);
    looked
}

/// The second after the start at which the next thing ends.
async fn next_end(store: &TestStore, since: i64) -> Option<i64> {
    let looked = look(store, &[default_project()], since).await.pop().unwrap();
    looked.next_end.map(|end| (end - start()).num_seconds())
}

async fn only_what_somebody_may_wait_for_raises_the_version(store: Arc<TestStore>) {
    let changes = Changes::default;
    let shared = Lease { mode: Mode::Shared, ..lease(5, "e") };
    let steps = [
        ("nothing", changes(), 0),
        ("a grant", Changes { leases_put: vec![lease(1, "a"), lease(2, "b")], ..changes() }, 0),
        ("a release", Changes { leases_ended: vec![ended(lease(1, "a"), Ending::Released)], ..changes() }, 1),
        ("a place in line", Changes { waiters_put: vec![waiter(3, &["b"])], ..changes() }, 1),
        (
            "who left the line",
            Changes {
                waiters_removed: vec![waiter(3, &["b"]).ticket],
                events: vec![LockEvent::Left(waiter(3, &["b"]))],
                ..changes()
            },
            2,
        ),
        (
            "a shared grant",
            Changes { leases_put: vec![shared.clone()], events: vec![LockEvent::Acquired(shared)], ..changes() },
            3,
        ),
        ("news of something else", Changes { is_news_beside: true, ..changes() }, 4),
        (
            "all at once",
            Changes {
                leases_put: vec![lease(6, "f")],
                leases_ended: vec![ended(lease(2, "b"), Ending::Released)],
                is_news_beside: true,
                ..changes()
            },
            5,
        ),
    ];
    assert_eq!(version(&store).await, 0);
    for (what, changes, expected) in steps {
        save(&store, &default_project(), changes).await;
        assert_eq!(version(&store).await, expected, "after {what}");
    }
}

async fn a_version_that_is_not_committed_nobody_sees(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    let head = uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let news = Changes { is_news_beside: true, ..Changes::default() };
    uow.lock_table_save(&default_project(), head, &news).await.unwrap();
    let raised = uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
    assert_eq!(raised.version, head.version + 1, "it reads what it saved before");
    assert_eq!(version(&store).await, head.version);
    drop(uow);
    assert_eq!(version(&store).await, head.version);
}

async fn the_first_end_after_an_instant_is_told_whatever_ends(store: Arc<TestStore>) {
    assert_eq!(next_end(&store, 0).await, None);
    let until = |number, key, end| Lease { expires_at: second(end), ..lease(number, key) };
    put(&store, &default_project(), &[until(1, "a", 10), until(2, "b", 30)]).await;
    let place = Waiter { kept_until: second(20), ..waiter(3, &["a"]) };
    save(&store, &default_project(), Changes { waiters_put: vec![place], ..Changes::default() }).await;
    let lives_until = |name, end| domain::agents::Session { live_until: second(end), ..session("ann", name) };
    let gone = domain::agents::Session { ended_at: Some(second(35)), ..lives_until("gone", 35) };
    add_sessions(&store, &[lives_until("s1", 40), gone]).await;
    for (since, expected) in [(0, Some(10)), (9, Some(10)), (10, Some(20)), (20, Some(30)), (30, Some(40)), (40, None)]
    {
        assert_eq!(next_end(&store, since).await, expected, "after {since} s");
    }
}

async fn many_projects_are_looked_at_at_once_and_unknown_ones_are_left_out(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let third = add_project(&store, "third").await.id;
    put(&store, &default_project(), &[lease(1, "a")]).await;
    save(&store, &other, Changes { is_news_beside: true, ..Changes::default() }).await;
    let asked = [default_project(), other.clone(), project_id("unknown"), third.clone()];
    let expected = [
        Look { project: default_project(), version: 0, next_end: Some(second(10)) },
        Look { project: other.clone(), version: 1, next_end: None },
        Look { project: third, version: 0, next_end: None },
    ];
    assert_eq!(look(&store, &asked, 0).await, expected);
    assert_eq!(look(&store, std::slice::from_ref(&other), 0).await, expected[1..2]);
    assert_eq!(look(&store, &[], 0).await, []);
}

async fn looking_never_waits_for_who_has_locked_the_table(store: Arc<TestStore>) {
    let mut writer = store.begin().await;
    writer.lock_table_lock(&default_project()).await.unwrap();
    let asked = [default_project()];
    tokio::time::timeout(std::time::Duration::from_secs(2), look(&store, &asked, 0)).await.expect("it waited");
}

on_every_store!(
    only_what_somebody_may_wait_for_raises_the_version,
    a_version_that_is_not_committed_nobody_sees,
    the_first_end_after_an_instant_is_told_whatever_ends,
    many_projects_are_looked_at_at_once_and_unknown_ones_are_left_out,
    looking_never_waits_for_who_has_locked_the_table,
);
