//! SQLite files.

use crate::harness::{default_project, grant, read, sqlite};
use adapters::sea::SeaStore;
use adapters::sea::connect::SqliteOptions;
use ports::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_file_take_turns_and_lose_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.db");
    let stores = [Arc::new(sqlite(&path).await), Arc::new(sqlite(&path).await)];
    let mut writers = JoinSet::new();
    for writer in 0..8_usize {
        let store = Arc::clone(&stores[writer % 2]);
        writers.spawn(async move {
            let mut tokens = Vec::new();
            for turn in 0..20 {
                tokens.push(grant(&*store, &format!("f{writer}/{turn}")).await.unwrap());
            }
            tokens
        });
    }
    let mut tokens: Vec<i64> = writers.join_all().await.into_iter().flatten().collect();
    tokens.sort_unstable();
    assert_eq!(tokens, (1..=160).collect::<Vec<i64>>());
    assert_eq!(read(&*stores[1]).await.unwrap(), (160, 0));
}

#[tokio::test]
async fn a_writer_that_waits_too_long_for_its_turn_is_told_so() {
    let folder = TempDir::new().unwrap();
    let options = SqliteOptions {
        acquire_timeout: Duration::from_millis(100),
        busy_timeout: Duration::from_millis(100),
        ..SqliteOptions::new(folder.path().join("p.db"))
    };
    let one = SeaStore::connect_sqlite(&options).await.unwrap();
    one.migrate().await.unwrap();
    let two = SeaStore::connect_sqlite(&options).await.unwrap();
    let held = one.begin().await.unwrap();
    assert!(matches!(one.begin().await.map(drop), Err(StoreError::Unavailable(_))), "the same process");
    assert!(matches!(two.begin().await.map(drop), Err(StoreError::Unavailable(_))), "another process");
    assert_eq!(read(&one).await.unwrap(), (0, 0), "who only reads does not wait");
    drop(held);
    two.begin().await.unwrap();
}

#[tokio::test]
async fn a_unit_of_work_that_only_reads_cannot_write() {
    let folder = TempDir::new().unwrap();
    let store = sqlite(&folder.path().join("p.db")).await;
    let mut unit = store.begin_read().await.unwrap();
    let head = unit.lock_table_lock(&default_project()).await.unwrap().unwrap();
    let outcome = unit.lock_table_save(&default_project(), head, &domain::locks::changes::Changes::default()).await;
    assert!(matches!(outcome, Err(StoreError::Failed(_))), "{outcome:?}");
}

#[tokio::test]
async fn after_a_failed_call_nothing_can_be_committed() {
    let folder = TempDir::new().unwrap();
    let store = sqlite(&folder.path().join("p.db")).await;
    let mut unit = store.begin().await.unwrap();
    let outcome = unit.epoch_raise(0).await;
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    assert!(matches!(unit.commit().await, Err(StoreError::Failed(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn all_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let store = sqlite(&folder.path().join("p.db")).await;
    store.settle_epoch().await.unwrap();
    grant(&store, "a").await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort_unstable();
    assert_eq!(names, ["p.db", "p.db-shm", "p.db-wal", "p.db.epoch"]);
}
