//! Databases that went back in time.

use crate::harness::{Database, default_project, execute, grant, postgres, sqlite};
use adapters::sea::{Epoch, EpochCause, SeaStore};
use domain::locks::lease::Token;
use ports::store::{Store, StoreError};
use std::path::Path;
use tempfile::TempDir;

async fn started(path: &Path) -> (SeaStore, Epoch) {
    let store = sqlite(path).await;
    let epoch = store.settle_epoch().await.unwrap();
    (store, epoch)
}

/// Copies a database as a backup would, with all that was committed in one file.
async fn back_up(store: SeaStore, from: &Path, to: &Path) {
    store.close().await.unwrap();
    let url = format!("sqlite://{}", from.display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    let sql = format!("VACUUM INTO '{}'", to.display());
    sea_orm::ConnectionTrait::execute_unprepared(&database, &sql).await.unwrap();
    database.close().await.unwrap();
}

fn put_back(from: &Path, to: &Path) {
    for tail in ["-wal", "-shm"] {
        let mut file = to.as_os_str().to_owned();
        file.push(tail);
        let _ = std::fs::remove_file(file);
    }
    std::fs::copy(from, to).unwrap();
}

#[tokio::test]
async fn an_ordinary_restart_keeps_the_epoch_and_repeats_no_token() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.db");
    let mut last = 0;
    for start in 0..3 {
        let (store, epoch) = started(&path).await;
        assert_eq!(epoch, Epoch { number: 0, raised: None }, "start {start}");
        let token = grant(&store, &format!("f{start}")).await.unwrap();
        assert!(token > last, "{token} after {last}");
        last = token;
    }
}

#[tokio::test]
async fn a_copy_of_an_earlier_start_raises_the_epoch() {
    let folder = TempDir::new().unwrap();
    let (path, copy) = (folder.path().join("p.db"), folder.path().join("copy.db"));
    back_up(started(&path).await.0, &path, &copy).await;
    let (store, _) = started(&path).await;
    let last = grant(&store, "a").await.unwrap();
    store.close().await.unwrap();
    put_back(&copy, &path);
    let (store, epoch) = started(&path).await;
    assert_eq!(epoch, Epoch { number: 1, raised: Some(EpochCause::OtherFile) });
    let token = grant(&store, "a").await.unwrap();
    assert!(token > Token::base_of_epoch(1) && token > last, "{token} after {last}");
    store.close().await.unwrap();
    assert_eq!(started(&path).await.1, Epoch { number: 1, raised: None }, "once");
}

#[tokio::test]
async fn a_copy_of_the_same_start_repeats_no_token() {
    let folder = TempDir::new().unwrap();
    let (path, copy) = (folder.path().join("p.db"), folder.path().join("copy.db"));
    let (store, _) = started(&path).await;
    let mut last = grant(&store, "before").await.unwrap();
    back_up(store, &path, &copy).await;
    let store = sqlite(&path).await;
    for file in 0..10 {
        last = grant(&store, &format!("f{file}")).await.unwrap();
    }
    store.close().await.unwrap();
    put_back(&copy, &path);
    let token = grant(&started(&path).await.0, "a").await.unwrap();
    assert!(token > last, "{token} after {last}");
}

#[tokio::test]
async fn a_project_made_again_after_a_restore_repeats_no_token() {
    let folder = TempDir::new().unwrap();
    let (path, copy) = (folder.path().join("p.db"), folder.path().join("copy.db"));
    back_up(started(&path).await.0, &path, &copy).await;
    let store = sqlite(&path).await;
    let last = grant(&store, "a").await.unwrap();
    store.close().await.unwrap();
    put_back(&copy, &path);
    let (store, _) = started(&path).await;
    let mut unit = store.begin().await.unwrap();
    let id = domain::ids::ProjectId::parse("again").unwrap();
    let created_at = unit.now().await.unwrap();
    unit.project_add(&domain::identity::project::Project { id: id.clone(), created_at, archived_at: None })
        .await
        .unwrap();
    let head = unit.lock_table_lock(&id).await.unwrap().unwrap();
    assert!(head.last_token >= last, "{} after {last}", head.last_token);
}

#[tokio::test]
async fn a_file_without_its_companion_raises_the_epoch_and_a_companion_without_its_file_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.db");
    started(&path).await.0.close().await.unwrap();
    std::fs::remove_file(folder.path().join("p.db.epoch")).unwrap();
    let (store, epoch) = started(&path).await;
    assert_eq!(epoch.number, 1);
    store.close().await.unwrap();
    for tail in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("p.db{tail}")));
    }
    assert_eq!(started(&path).await.1.number, 2);
}

#[tokio::test]
async fn an_epoch_raised_by_command_is_not_used_again_after_a_restore() {
    let folder = TempDir::new().unwrap();
    let (path, copy) = (folder.path().join("p.db"), folder.path().join("copy.db"));
    back_up(started(&path).await.0, &path, &copy).await;
    let (store, _) = started(&path).await;
    let mut unit = store.begin().await.unwrap();
    unit.epoch_raise(7).await.unwrap();
    unit.commit().await.unwrap();
    store.close().await.unwrap();
    put_back(&copy, &path);
    assert_eq!(started(&path).await.1.number, 8);
}

#[tokio::test]
async fn an_unreadable_companion_stops_the_start() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.db");
    started(&path).await.0.close().await.unwrap();
    std::fs::write(folder.path().join("p.db.epoch"), "{}").unwrap();
    let outcome = sqlite(&path).await.settle_epoch().await;
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
}

#[tokio::test]
async fn another_cluster_or_timeline_raises_the_epoch_once() {
    let database = Database::create().await;
    let store = postgres(&database.dsn).await;
    assert_eq!(store.settle_epoch().await.unwrap(), Epoch { number: 0, raised: None });
    assert_eq!(store.settle_epoch().await.unwrap(), Epoch { number: 0, raised: None });
    execute(&database.dsn, "UPDATE epochs SET timeline = timeline + 1").await.unwrap();
    let raised = Some(EpochCause::OtherTimeline);
    assert_eq!(store.settle_epoch().await.unwrap(), Epoch { number: 1, raised });
    execute(&database.dsn, "UPDATE epochs SET system_identifier = system_identifier - 1").await.unwrap();
    let raised = Some(EpochCause::OtherCluster);
    assert_eq!(store.settle_epoch().await.unwrap(), Epoch { number: 2, raised });
    assert_eq!(store.settle_epoch().await.unwrap(), Epoch { number: 2, raised: None });
    assert!(grant(&store, "a").await.unwrap() > Token::base_of_epoch(2));
    let mut unit = store.begin().await.unwrap();
    assert_eq!(unit.lock_table_lock(&default_project()).await.unwrap().unwrap().last_token >> 40, 2);
    drop(unit);
    database.drop().await;
}

#[tokio::test]
async fn where_the_cluster_may_not_be_asked_the_epoch_is_kept() {
    let database = Database::create().await;
    let store = postgres(&database.dsn).await;
    let role = "SET client_min_messages = error; DO $$ BEGIN CREATE ROLE pointsman_sea_plain LOGIN PASSWORD 'plain'; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$; \
         REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; \
         GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO pointsman_sea_plain";
    execute(&database.dsn, role).await.unwrap();
    drop(store);
    let (_, place) = database.dsn.split_once('@').unwrap();
    let options = crate::harness::postgres_options(&format!("postgres://pointsman_sea_plain:plain@{place}"));
    let store = SeaStore::connect_postgres(&options).await.unwrap();
    assert_eq!(store.settle_epoch().await.unwrap(), Epoch { number: 0, raised: None });
    database.drop().await;
}
