//! Sessions.

use crate::harness::{TestStore, default_project, start};
use crate::on_every_store;
use crate::samples::*;
use chrono::TimeDelta;
use domain::agents::Session;
use std::sync::Arc;
use std::time::Duration;

async fn add(store: &TestStore, session: &Session) {
    let mut uow = store.begin().await;
    uow.sessions_add(std::slice::from_ref(session)).await.unwrap();
    uow.commit().await.unwrap();
}

fn default_session(agent_name: &str, name: &str) -> Session {
    Session { is_default: true, ..session(agent_name, name) }
}

fn later() -> chrono::DateTime<chrono::Utc> {
    start() + TimeDelta::seconds(1)
}

async fn a_session_is_found_as_it_was_stored(store: Arc<TestStore>) {
    let stored = session("ann", "s:1/a@b.c_d-e");
    assert_eq!(
        store
            .begin()
            .await
            .sessions_load(&default_project(), std::slice::from_ref(&stored.id), &[])
            .await
            .unwrap()
            .pop(),
        None
    );
    add(&store, &stored).await;
    assert_eq!(
        store
            .begin()
            .await
            .sessions_load(&default_project(), std::slice::from_ref(&stored.id), &[])
            .await
            .unwrap()
            .pop(),
        Some(stored)
    );
}

async fn a_name_of_a_session_is_taken_once_for_all_agents(store: Arc<TestStore>) {
    add(&store, &session("ann", "s1")).await;
    assert_conflict(store.begin().await.sessions_add(&[session("bob", "s1")]).await);
    assert_conflict(store.begin().await.sessions_add(&[session("ann", "s1")]).await);
}

async fn the_same_name_in_another_project_is_another_session(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    add(&store, &session("ann", "s1")).await;
    let there = Session { project: other.clone(), ..session("bob", "s1") };
    assert_eq!(
        store.begin().await.sessions_load(&other, std::slice::from_ref(&there.id), &[]).await.unwrap().pop(),
        None
    );
    add(&store, &there).await;
    assert_eq!(
        store.begin().await.sessions_load(&other, std::slice::from_ref(&there.id), &[]).await.unwrap().pop(),
        Some(there)
    );
    let here =
        store.begin().await.sessions_load(&default_project(), &[session_id("s1").clone()], &[]).await.unwrap().pop();
    assert_eq!(here, Some(session("ann", "s1")));
}

async fn an_agent_has_one_live_default_session(store: Arc<TestStore>) {
    add(&store, &default_session("ann", "d1")).await;
    assert_conflict(store.begin().await.sessions_add(&[default_session("ann", "d2")]).await);
    add(&store, &default_session("bob", "d3")).await;
    let there = Session { project: add_project(&store, "other").await.id, ..default_session("ann", "d1") };
    add(&store, &there).await;
    add(&store, &session("ann", "named")).await;
    let mut uow = store.begin().await;
    let found = uow.sessions_load(&default_project(), &[], &[agent("ann")]).await.unwrap().pop();
    assert_eq!(found, Some(default_session("ann", "d1")));
    assert_eq!(uow.sessions_load(&default_project(), &[], &[agent("cat")]).await.unwrap().pop(), None);
    assert_eq!(uow.sessions_load(&there.project, &[], &[agent("bob")]).await.unwrap().pop(), None);
}

async fn after_its_end_a_default_session_makes_room_for_the_next(store: Arc<TestStore>) {
    let first = default_session("ann", "d1");
    add(&store, &first).await;
    let ended = Session { ended_at: Some(later()), ..first };
    let mut uow = store.begin().await;
    uow.session_end(&ended).await.unwrap();
    assert_eq!(uow.sessions_load(&default_project(), &[], &[agent("ann")]).await.unwrap().pop(), None);
    uow.sessions_add(&[default_session("ann", "d2")]).await.unwrap();
    uow.commit().await.unwrap();
    let mut after = store.begin().await;
    assert_eq!(
        after.sessions_load(&default_project(), std::slice::from_ref(&ended.id), &[]).await.unwrap().pop(),
        Some(ended)
    );
    let found = after.sessions_load(&default_project(), &[], &[agent("ann")]).await.unwrap().pop();
    assert_eq!(found.map(|session| session.id), Some(session_id("d2")));
}

async fn only_a_live_session_can_end(store: Arc<TestStore>) {
    let ended = Session { ended_at: Some(later()), ..session("ann", "s1") };
    assert_conflict(store.begin().await.session_end(&ended).await);
    add(&store, &session("ann", "s1")).await;
    let mut uow = store.begin().await;
    uow.session_end(&ended).await.unwrap();
    uow.commit().await.unwrap();
    let again = Session { ended_at: Some(later() + TimeDelta::seconds(1)), ..ended.clone() };
    assert_conflict(store.begin().await.session_end(&again).await);
    let stored = store
        .begin()
        .await
        .sessions_load(&default_project(), std::slice::from_ref(&ended.id), &[])
        .await
        .unwrap()
        .pop();
    assert_eq!(stored, Some(ended));
}

async fn of_two_that_start_one_session_at_once_one_gets_a_conflict(store: Arc<TestStore>) {
    let mut first = store.begin().await;
    first.sessions_add(&[default_session("ann", "d1")]).await.unwrap();
    let other = Arc::clone(&store);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut uow = other.begin().await;
        uow.sessions_add(&[default_session("ann", "d2")]).await
    });
    let waited = tokio::time::timeout(Duration::from_millis(200), tasks.join_next()).await;
    assert!(waited.is_err(), "who comes second waits to see whether the first one commits");
    first.commit().await.unwrap();
    assert_conflict(tasks.join_next().await.unwrap().unwrap());
}

async fn a_session_stays_as_it_is_while_the_lock_table_is_held(store: Arc<TestStore>) {
    add(&store, &session("ann", "s1")).await;
    let mut first = store.begin().await;
    first.lock_table_lock(&default_project()).await.unwrap();
    let found = first.sessions_load(&default_project(), &[session_id("s1")], &[]).await.unwrap().pop().unwrap();
    let other = Arc::clone(&store);
    let ending = Session { ended_at: Some(later()), ..found };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut uow = other.begin().await;
        uow.lock_table_lock(&default_project()).await.unwrap();
        uow.session_end(&ending).await.unwrap();
        uow.commit().await.unwrap();
    });
    let waited = tokio::time::timeout(Duration::from_millis(200), tasks.join_next()).await;
    assert!(waited.is_err(), "the other one did not wait");
    let again = first.sessions_load(&default_project(), &[session_id("s1")], &[]).await.unwrap().pop().unwrap();
    assert_eq!(again.ended_at, None);
    first.commit().await.unwrap();
    tasks.join_next().await.unwrap().unwrap();
}

async fn named_and_default_sessions_come_together_each_once_by_name(store: Arc<TestStore>) {
    let sessions =
        [session("ann", "s3"), default_session("ann", "s1"), default_session("bob", "s2"), session("cat", "s4")];
    let mut uow = store.begin().await;
    uow.sessions_add(&sessions).await.unwrap();
    uow.commit().await.unwrap();
    let named = ["s3", "s1", "s3", "nobody"].map(session_id);
    let default_of = ["ann", "bob", "cat"].map(agent);
    let found = store.begin().await.sessions_load(&default_project(), &named, &default_of).await.unwrap();
    let ids: Vec<String> = found.iter().map(|session| session.id.to_string()).collect();
    assert_eq!(ids, ["s1", "s2", "s3"]);
    assert_eq!(store.begin().await.sessions_load(&default_project(), &[], &[]).await.unwrap(), []);
    let mut uow = store.begin().await;
    assert_conflict(uow.sessions_add(&[session("dan", "s5"), session("dan", "s4")]).await);
    drop(uow);
    assert_eq!(store.begin().await.sessions_load(&default_project(), &[session_id("s5")], &[]).await.unwrap(), []);
}

on_every_store!(
    a_session_is_found_as_it_was_stored,
    a_name_of_a_session_is_taken_once_for_all_agents,
    the_same_name_in_another_project_is_another_session,
    an_agent_has_one_live_default_session,
    after_its_end_a_default_session_makes_room_for_the_next,
    only_a_live_session_can_end,
    of_two_that_start_one_session_at_once_one_gets_a_conflict,
    a_session_stays_as_it_is_while_the_lock_table_is_held,
    named_and_default_sessions_come_together_each_once_by_name,
);
