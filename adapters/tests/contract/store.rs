//! Units of work: what is seen when, what is kept, what is refused.

use crate::harness::{TestStore, default_project};
use crate::samples::*;
use crate::{on_every_locking_store, on_every_store};
use chrono::TimeDelta;
use domain::agents::Session;
use domain::audit::Filter;
use domain::identity::project::Project;
use domain::locks::changes::Changes;
use domain::locks::lease::Token;
use ports::store::{SchemaState, StoreError, UnitOfWork};
use std::sync::Arc;
use std::time::Duration;

/// The session of the cases of this file.
async fn sessions(uow: &mut dyn UnitOfWork) -> Vec<Session> {
    uow.sessions_load(&default_project(), &[session_id("s1")], &[]).await.unwrap()
}

async fn a_fresh_store_answers_and_its_schema_is_current(store: Arc<TestStore>) {
    store.store().ping().await.unwrap();
    assert_eq!(store.store().schema().await.unwrap(), SchemaState::Current);
    let pool = store.store().pool();
    assert!(pool.idle <= pool.size, "{pool:?}");
}

async fn what_is_not_committed_nobody_else_sees(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    uow.audit_append(&[entry(&store)]).await.unwrap();
    uow.facts_append(&[fact(&store, "a")]).await.unwrap();
    let mut reader = store.begin_read().await;
    let page = reader.audit_list(&default_project(), &Filter::default(), None, size(5)).await.unwrap();
    assert_eq!(page.rows, []);
    assert_eq!(reader.facts_latest(&default_project(), 5).await.unwrap(), []);
    drop(reader);
    let own = uow.audit_list(&default_project(), &Filter::default(), None, size(5)).await.unwrap();
    assert_eq!(own.rows.len(), 1, "a unit of work sees what it wrote");
}

async fn a_commit_shows_everything_at_once(store: Arc<TestStore>) {
    let mut before = store.begin_read().await;
    let _ = before.facts_latest(&default_project(), 5).await.unwrap();
    let mut uow = store.begin().await;
    uow.audit_append(&[entry(&store)]).await.unwrap();
    uow.facts_append(&[fact(&store, "a")]).await.unwrap();
    uow.lock_table_lock(&default_project()).await.unwrap();
    uow.sessions_add(&[session("ann", "s1")]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(before.facts_latest(&default_project(), 5).await.unwrap(), [], "a reader's view stands still");
    let mut after = store.begin_read().await;
    assert_eq!(after.facts_latest(&default_project(), 5).await.unwrap().len(), 1);
    assert_eq!(sessions(after.as_mut()).await, [session("ann", "s1")]);
    let page = after.audit_list(&default_project(), &Filter::default(), None, size(5)).await.unwrap();
    assert_eq!(page.rows.len(), 1);
}

async fn a_dropped_unit_of_work_leaves_nothing(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    uow.audit_append(&[entry(&store)]).await.unwrap();
    uow.facts_append(&[fact(&store, "a")]).await.unwrap();
    uow.lock_table_lock(&default_project()).await.unwrap();
    uow.sessions_add(&[session("ann", "s1")]).await.unwrap();
    uow.idempotency_add(&[record(&store, "k")], store.now()).await.unwrap();
    uow.key_add(&api_key("k1")).await.unwrap();
    let project = Project { id: project_id("other"), created_at: store.now(), archived_at: None };
    uow.project_add(&project).await.unwrap();
    let head = uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let number = head.last_token + 1;
    let changes = Changes { last_token: Some(number), leases_put: vec![lease(number, "a")], ..Changes::default() };
    uow.lock_table_save(&default_project(), head, &changes).await.unwrap();
    drop(uow);
    let mut after = store.begin().await;
    let page = after.audit_list(&default_project(), &Filter::default(), None, size(5)).await.unwrap();
    assert_eq!(page.rows, []);
    assert_eq!(after.facts_latest(&default_project(), 5).await.unwrap(), []);
    assert_eq!(sessions(after.as_mut()).await, []);
    assert_eq!(after.idempotency_load(&[request("k")]).await.unwrap(), []);
    assert_eq!(after.key_find(&api_key("k1").id).await.unwrap(), None);
    assert_eq!(after.project_find(&project.id).await.unwrap(), None);
    assert_eq!(after.lock_table_lock(&default_project()).await.unwrap(), Some(head));
    assert_eq!(after.lock_counts().await.unwrap(), (0, 0));
}

async fn after_a_refused_write_nothing_can_be_kept(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    uow.lock_table_lock(&default_project()).await.unwrap();
    uow.sessions_add(&[session("ann", "s1")]).await.unwrap();
    assert_conflict(uow.sessions_add(&[session("bob", "s1")]).await);
    assert!(uow.commit().await.is_err());
    assert_eq!(sessions(store.begin_read().await.as_mut()).await, []);
}

async fn a_unit_of_work_that_only_reads_refuses_every_write(store: Arc<TestStore>) {
    /// Each write in a unit of its own, as a database ends one at its first failure.
    macro_rules! refuses {
        ($($method:ident($($argument:expr),*));+ $(;)?) => {$({
            let mut reader = store.begin_read().await;
            reader.lock_table_lock(&default_project()).await.unwrap();
            let refused = reader.$method($($argument),*).await;
            assert!(matches!(refused, Err(StoreError::Failed(_))), "{}: {refused:?}", stringify!($method));
        })+};
    }
    let project = Project { id: project_id("other"), created_at: store.now(), archived_at: None };
    let head = store.begin_read().await.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let changes = Changes { last_token: Some(1), leases_put: vec![lease(1, "a")], ..Changes::default() };
    put(&store, &default_project(), &[lease(head.last_token + 1, "b")]).await;
    let head = store.begin_read().await.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let (stored, long_ago) = (api_key("stored"), store.now() - TimeDelta::days(3_650));
    let mut uow = store.begin().await;
    uow.key_add(&stored).await.unwrap();
    uow.lock_table_lock(&default_project()).await.unwrap();
    uow.sessions_add(&[session("ann", "live")]).await.unwrap();
    uow.commit().await.unwrap();
    refuses! {
        audit_append(&[entry(&store)]);
        audit_prune(long_ago, 1);
        facts_append(&[fact(&store, "a")]);
        facts_prune(store.now(), 1);
        idempotency_add(&[record(&store, "k")], store.now());
        idempotency_prune(store.now(), 1);
        project_add(&project);
        project_archive(&project);
        key_add(&api_key("k1"));
        key_save(&stored);
        key_note_used(&[(stored.id.clone(), store.now())]);
        sessions_add(&[session("ann", "s1")]);
        sessions_seen(&[session("ann", "live")]);
        sessions_end(&[session("ann", "live")]);
        ended_prune(store.now(), 1);
        lock_table_save(&default_project(), head, &changes);
        epoch_raise(5);
    }
    let mut after = store.begin_read().await;
    assert_eq!(after.lock_counts().await.unwrap(), (1, 0));
    assert_eq!(after.key_find(&api_key("k1").id).await.unwrap(), None);
}

async fn a_reader_never_waits_for_a_writer(store: Arc<TestStore>) {
    let mut writer = store.begin().await;
    writer.lock_table_lock(&default_project()).await.unwrap();
    writer.sessions_add(&[session("ann", "s1")]).await.unwrap();
    let read = async {
        let mut reader = store.begin_read().await;
        let head = reader.lock_table_lock(&default_project()).await.unwrap().unwrap();
        let found = sessions(reader.as_mut()).await;
        (head.last_token, found)
    };
    let (last_token, found) = tokio::time::timeout(Duration::from_secs(2), read).await.expect("it waited");
    assert_eq!((last_token, found), (Token::base_of_epoch(0), vec![]));
}

async fn the_clock_is_the_stores_and_goes_on_inside_a_unit_of_work(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    assert_eq!(uow.now().await.unwrap(), store.now());
    store.pass(TimeDelta::microseconds(1));
    assert_eq!(uow.now().await.unwrap(), store.now());
    store.pass(TimeDelta::seconds(3));
    let head = uow.lock_table_lock(&default_project()).await.unwrap().unwrap();
    assert_eq!(head.now, store.now());
}

async fn what_was_committed_is_there_at_another_door(store: Arc<TestStore>) {
    put(&store, &default_project(), &[lease(1, "a")]).await;
    let other = store.second_door().await;
    let mut uow = other.begin_read().await.unwrap();
    assert_eq!(bare(uow.leases_load_by_token(&default_project(), &[token(1)]).await.unwrap()), [lease(1, "a")]);
    assert_eq!(uow.lock_table_lock(&default_project()).await.unwrap().unwrap().last_token, 1);
}

on_every_store!(
    a_fresh_store_answers_and_its_schema_is_current,
    what_is_not_committed_nobody_else_sees,
    a_commit_shows_everything_at_once,
    a_dropped_unit_of_work_leaves_nothing,
    a_unit_of_work_that_only_reads_refuses_every_write,
    a_reader_never_waits_for_a_writer,
    the_clock_is_the_stores_and_goes_on_inside_a_unit_of_work,
    what_was_committed_is_there_at_another_door,
);

on_every_locking_store!(after_a_refused_write_nothing_can_be_kept);
