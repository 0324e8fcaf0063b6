//! Sessions: names, starts and ends. Signs of life, deaths and listings have files of their own, and so have the agents'
//! records and what there is to see of agents.

mod life;
mod listing;
mod registry;
mod signs;

use crate::harness::{TestStore, default_project, start};
use crate::samples::*;
use crate::{on_every_locking_store, on_every_store};
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::{Offers, Session};
use domain::ids::{ProjectId, SessionId};
use domain::locks::changes::Changes;
use domain::work::name::Environment;
use ports::store::{StoreError, UnitOfWork};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

fn second(number: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(number)
}

fn default_session(agent_name: &str, name: &str) -> Session {
    Session { is_default: true, ..session(agent_name, name) }
}

fn ended(session: &Session, at: DateTime<Utc>) -> Session {
    Session { live_until: at, ended_at: Some(at), ..session.clone() }
}

/// A unit of work that has locked the table of `default`, as whoever writes a session must.
async fn guarded(store: &TestStore) -> Box<dyn UnitOfWork> {
    let mut uow = store.begin().await;
    uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
    uow
}

async fn try_add(store: &TestStore, sessions: &[Session]) -> Result<(), StoreError> {
    let mut uow = guarded(store).await;
    uow.sessions_add(sessions).await?;
    uow.commit().await
}

async fn end(store: &TestStore, sessions: &[Session]) {
    let mut uow = guarded(store).await;
    uow.sessions_end(sessions).await.unwrap();
    uow.commit().await.unwrap();
}

async fn named(store: &TestStore, project: &ProjectId, names: &[&str]) -> Vec<Session> {
    let ids: Vec<SessionId> = names.iter().map(|name| session_id(name)).collect();
    store.begin().await.sessions_load(project, &ids, &[]).await.unwrap()
}

async fn default_of(store: &TestStore, project: &ProjectId, agents: &[&str]) -> Vec<Session> {
    let agents: Vec<_> = agents.iter().map(|name| agent(name)).collect();
    store.begin().await.sessions_load(project, &[], &agents).await.unwrap()
}

async fn a_session_is_loaded_as_it_was_stored(store: Arc<TestStore>) {
    let here = default_project();
    let stored = Session {
        ttl: domain::agents::SessionTtl::try_new(86_400).unwrap(),
        offers: Offers {
            environment: Some(Environment::parse("ci:1/a@b.c_d-e").unwrap()),
            ..offers(&["rust", &"a".repeat(64), "s:1/a@b.c_d-e"])
        },
        started_at: second(1),
        last_seen_at: second(2),
        live_until: second(3) + TimeDelta::microseconds(1),
        ..session(&"a".repeat(128), "s:1/a@b.c_d-e")
    };
    assert_eq!(named(&store, &here, &["s:1/a@b.c_d-e"]).await, []);
    add_sessions(&store, std::slice::from_ref(&stored)).await;
    assert_eq!(named(&store, &here, &["s:1/a@b.c_d-e"]).await, [stored]);
}

async fn many_are_loaded_at_once_each_once_by_name(store: Arc<TestStore>) {
    let here = default_project();
    let (one, two) = (session("ann", "b"), default_session("ann", "c"));
    let (three, four) = (default_session("bob", "a"), session("bob", "d"));
    let gone = ended(&default_session("cat", "e"), second(1));
    let unasked = default_session("dan", "f");
    let all = [one.clone(), two.clone(), three.clone(), four.clone(), gone.clone(), unasked];
    add_sessions(&store, &all).await;
    let ids = ["c", "b", "nobody", "e", "b"].map(session_id);
    let agents = ["ann", "cat", "bob", "eve", "bob"].map(agent);
    let mut uow = store.begin().await;
    let found = uow.sessions_load(&here, &ids, &agents).await.unwrap();
    assert_eq!(found, [three.clone(), one, two.clone(), gone], "named ones and defaults, none twice");
    let agents_only = uow.sessions_load(&here, &[], &agents).await.unwrap();
    assert_eq!(agents_only, [three, two], "an ended default session is found by its name only");
    assert_eq!(uow.sessions_load(&here, &[session_id("d")], &[]).await.unwrap(), [four]);
    assert_eq!(uow.sessions_load(&here, &[], &[]).await.unwrap(), []);
}

async fn a_default_session_is_found_dead_as_long_as_its_end_is_not_written_down(store: Arc<TestStore>) {
    let dead = default_session("ann", "d1");
    add_sessions(&store, std::slice::from_ref(&dead)).await;
    store.pass(TimeDelta::days(1));
    assert_eq!(default_of(&store, &default_project(), &["ann"]).await, [dead]);
}

async fn a_name_of_a_session_is_taken_once_for_all_agents_and_times(store: Arc<TestStore>) {
    add_sessions(&store, &[session("ann", "s1"), ended(&session("ann", "s2"), second(1))]).await;
    for taken in [session("bob", "s1"), session("ann", "s1"), session("ann", "s2"), default_session("ann", "s2")] {
        assert_conflict(try_add(&store, &[taken]).await);
    }
    assert_conflict(try_add(&store, &[session("ann", "s3"), session("bob", "s3")]).await);
    assert_eq!(named(&store, &default_project(), &["s3"]).await, []);
}

async fn one_name_that_is_taken_keeps_all_of_them_out(store: Arc<TestStore>) {
    add_sessions(&store, &[session("ann", "s2")]).await;
    assert_conflict(try_add(&store, &[session("bob", "s1"), session("bob", "s2"), session("bob", "s3")]).await);
    assert_eq!(named(&store, &default_project(), &["s1", "s2", "s3"]).await, [session("ann", "s2")]);
}

async fn the_same_name_in_another_project_is_another_session(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let there = Session { project: other.clone(), ..default_session("bob", "s1") };
    add_sessions(&store, &[session("ann", "s1")]).await;
    assert_eq!(named(&store, &other, &["s1"]).await, []);
    add_sessions(&store, std::slice::from_ref(&there)).await;
    assert_eq!(named(&store, &other, &["s1"]).await, std::slice::from_ref(&there));
    assert_eq!(named(&store, &default_project(), &["s1"]).await, [session("ann", "s1")]);
    assert_eq!(default_of(&store, &default_project(), &["bob", "ann"]).await, []);
    assert_eq!(default_of(&store, &other, &["bob", "ann"]).await, [there]);
}

async fn sessions_of_two_projects_go_in_at_once(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let both = [default_session("ann", "s1"), Session { project: other.clone(), ..default_session("ann", "s1") }];
    add_sessions(&store, &both).await;
    assert_eq!(named(&store, &default_project(), &["s1"]).await, both[..1]);
    assert_eq!(named(&store, &other, &["s1"]).await, both[1..]);
}

async fn an_agent_has_one_default_session_whose_end_is_not_written_down(store: Arc<TestStore>) {
    add_sessions(&store, &[default_session("ann", "d1")]).await;
    assert_conflict(try_add(&store, &[default_session("ann", "d2")]).await);
    store.pass(TimeDelta::days(1));
    assert_conflict(try_add(&store, &[default_session("ann", "d2")]).await);
    assert_conflict(try_add(&store, &[default_session("cat", "d2"), default_session("cat", "d3")]).await);
    add_sessions(&store, &[default_session("bob", "d3"), session("ann", "named")]).await;
    assert_eq!(default_of(&store, &default_project(), &["ann"]).await, [default_session("ann", "d1")]);
}

async fn after_its_end_a_default_session_makes_room_for_the_next(store: Arc<TestStore>) {
    let here = default_project();
    let first = default_session("ann", "d1");
    add_sessions(&store, std::slice::from_ref(&first)).await;
    let first = ended(&first, second(1));
    let mut uow = guarded(&store).await;
    uow.sessions_end(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(uow.sessions_load(&here, &[], &[agent("ann")]).await.unwrap(), []);
    uow.sessions_add(&[default_session("ann", "d2")]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(named(&store, &here, &["d1"]).await, [first]);
    assert_eq!(default_of(&store, &here, &["ann"]).await, [default_session("ann", "d2")]);
}

async fn ends_are_written_down_once_and_all_or_none(store: Arc<TestStore>) {
    let here = default_project();
    let all = [session("ann", "s1"), session("ann", "s2"), session("bob", "s3")];
    let first = ended(&all[0], second(1));
    let refused = |sessions: Vec<Session>| {
        let store = Arc::clone(&store);
        async move { assert_conflict(guarded(&store).await.sessions_end(&sessions).await) }
    };
    refused(vec![first.clone()]).await;
    add_sessions(&store, &all).await;
    end(&store, std::slice::from_ref(&first)).await;
    refused(vec![ended(&all[0], second(2))]).await;
    refused(vec![ended(&all[1], second(2)), ended(&all[0], second(2))]).await;
    refused(vec![ended(&all[1], second(2)), ended(&session("ann", "unknown"), second(2))]).await;
    assert_eq!(named(&store, &here, &["s1", "s2", "s3"]).await, [first, all[1].clone(), all[2].clone()]);
    let rest = [ended(&all[2], second(3)), ended(&all[1], second(2))];
    end(&store, &rest).await;
    assert_eq!(named(&store, &here, &["s2", "s3"]).await, [rest[1].clone(), rest[0].clone()]);
    end(&store, &[]).await;
}

async fn an_end_in_one_project_is_none_in_another(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let there = Session { project: other.clone(), ..session("ann", "s1") };
    add_sessions(&store, &[session("ann", "s1"), there.clone()]).await;
    end(&store, &[ended(&session("ann", "s1"), second(1))]).await;
    assert_eq!(named(&store, &other, &["s1"]).await, [there]);
}

async fn nobody_writes_a_session_whose_table_is_not_locked(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    add_sessions(&store, &[session("ann", "s1")]).await;
    /// Each write in a unit of its own, which has locked the wrong table.
    macro_rules! refuses {
        ($($method:ident($argument:expr));+ $(;)?) => {$({
            let mut uow = store.begin().await;
            uow.lock_table_lock(&other).await.unwrap().unwrap();
            let refused = uow.$method($argument).await;
            assert!(matches!(refused, Err(StoreError::Failed(_))), "{}: {refused:?}", stringify!($method));
            assert!(uow.commit().await.is_err());
        })+};
    }
    refuses! {
        sessions_add(&[session("ann", "s2")]);
        sessions_seen(&[session("ann", "s1")]);
        sessions_end(&[ended(&session("ann", "s1"), second(1))]);
    }
    assert_eq!(named(&store, &default_project(), &["s1", "s2"]).await, [session("ann", "s1")]);
}

async fn a_session_that_was_loaded_under_the_lock_stays_as_it_is_until_commit(store: Arc<TestStore>) {
    let here = default_project();
    let stored = session("ann", "s1");
    add_sessions(&store, std::slice::from_ref(&stored)).await;
    let mut first = guarded(&store).await;
    assert_eq!(first.sessions_load(&here, &[session_id("s1")], &[]).await.unwrap(), std::slice::from_ref(&stored));
    let other = Arc::clone(&store);
    let ending = ended(&stored, second(1));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { end(&other, &[ending]).await });
    let waited = tokio::time::timeout(Duration::from_millis(200), tasks.join_next()).await;
    assert!(waited.is_err(), "the other one did not wait");
    assert_eq!(first.sessions_load(&here, &[session_id("s1")], &[]).await.unwrap(), [stored]);
    let head = first.lock_table_lock(&here).await.unwrap().unwrap();
    first.lock_table_save(&here, head, &Changes::default()).await.unwrap();
    first.commit().await.unwrap();
    tasks.join_next().await.unwrap().unwrap();
    assert_eq!(named(&store, &here, &["s1"]).await[0].ended_at, Some(second(1)));
}

async fn whoever_comes_second_to_start_a_session_finds_it_started(store: Arc<TestStore>) {
    let mut first = guarded(&store).await;
    first.sessions_add(&[default_session("ann", "d1")]).await.unwrap();
    let other = Arc::clone(&store);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut uow = guarded(&other).await;
        uow.sessions_load(&default_project(), &[], &[agent("ann")]).await.unwrap()
    });
    let waited = tokio::time::timeout(Duration::from_millis(200), tasks.join_next()).await;
    assert!(waited.is_err(), "who comes second waits to see whether the first one commits");
    first.commit().await.unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), [default_session("ann", "d1")]);
}

on_every_store!(
    a_session_is_loaded_as_it_was_stored,
    many_are_loaded_at_once_each_once_by_name,
    a_default_session_is_found_dead_as_long_as_its_end_is_not_written_down,
    a_name_of_a_session_is_taken_once_for_all_agents_and_times,
    one_name_that_is_taken_keeps_all_of_them_out,
    the_same_name_in_another_project_is_another_session,
    sessions_of_two_projects_go_in_at_once,
    an_agent_has_one_default_session_whose_end_is_not_written_down,
    after_its_end_a_default_session_makes_room_for_the_next,
    ends_are_written_down_once_and_all_or_none,
    an_end_in_one_project_is_none_in_another,
    nobody_writes_a_session_whose_table_is_not_locked,
);

on_every_locking_store!(
    a_session_that_was_loaded_under_the_lock_stays_as_it_is_until_commit,
    whoever_comes_second_to_start_a_session_finds_it_started,
);
