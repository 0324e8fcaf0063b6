//! Migrations, and what the schema itself refuses.

use crate::harness::{Database, entry, execute, postgres, postgres_options, sqlite};
use adapters::sea::connect::SqliteOptions;
use adapters::sea::{MigrateError, SeaStore};
use ports::store::{SchemaState, Store};
use sea_orm::ConnectionTrait;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_may_migrate_one_empty_database_at_once() {
    let database = Database::create().await;
    let mut servers = JoinSet::new();
    for _ in 0..3 {
        let options = postgres_options(&database.dsn);
        servers.spawn(async move {
            let store = SeaStore::connect_postgres(&options).await.unwrap();
            let applied = store.migrate().await.unwrap();
            assert_eq!(store.schema().await.unwrap(), SchemaState::Current);
            applied
        });
    }
    let mut applied = servers.join_all().await;
    applied.sort();
    assert_eq!(applied, [Vec::new(), Vec::new(), migration::names()]);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_may_migrate_one_new_file_at_once() {
    for _ in 0..20 {
        migrate_a_new_file_three_times_at_once().await;
    }
}

async fn migrate_a_new_file_three_times_at_once() {
    let folder = TempDir::new().unwrap();
    let path = Arc::new(folder.path().join("p.db"));
    let mut processes = JoinSet::new();
    for _ in 0..3 {
        let path = Arc::clone(&path);
        processes.spawn(async move {
            let store = SeaStore::connect_sqlite(&SqliteOptions::new(path.as_path())).await.unwrap();
            store.migrate().await.unwrap()
        });
    }
    let mut applied = processes.join_all().await;
    applied.sort();
    assert_eq!(applied, [Vec::new(), Vec::new(), migration::names()]);
}

#[tokio::test]
async fn an_empty_database_is_behind_and_a_newer_one_is_refused_in_words() {
    let database = Database::create().await;
    let store = SeaStore::connect_postgres(&postgres_options(&database.dsn)).await.unwrap();
    assert_eq!(store.schema().await.unwrap(), SchemaState::Behind { pending: migration::names() });
    assert_eq!(store.migrate().await.unwrap(), migration::names());
    execute(&database.dsn, "INSERT INTO seaql_migrations VALUES ('m9999_tomorrow', 0)").await.unwrap();
    refuses(&store).await;
    database.drop().await;

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.db");
    let store = SeaStore::connect_sqlite(&SqliteOptions::new(&path)).await.unwrap();
    assert_eq!(store.schema().await.unwrap(), SchemaState::Behind { pending: migration::names() });
    store.migrate().await.unwrap();
    let other = sea_orm::Database::connect(format!("sqlite://{}", path.display())).await.unwrap();
    other.execute_unprepared("INSERT INTO seaql_migrations VALUES ('m9999_tomorrow', 0)").await.unwrap();
    refuses(&store).await;
}

async fn refuses(store: &SeaStore) {
    let unknown = vec!["m9999_tomorrow".to_owned()];
    assert_eq!(store.schema().await.unwrap(), SchemaState::Newer { unknown: unknown.clone() });
    let error = store.migrate().await.unwrap_err();
    assert!(error.to_string().contains("newer version") && error.to_string().contains("m9999_tomorrow"), "{error}");
    assert!(matches!(error, MigrateError::Newer { unknown: named } if named == unknown));
}

#[tokio::test]
async fn postgres_refuses_to_change_the_audit_log() {
    let database = Database::create().await;
    let store = postgres(&database.dsn).await;
    let mut unit = store.begin().await.unwrap();
    unit.audit_append(&[entry()]).await.unwrap();
    unit.commit().await.unwrap();
    for sql in ["UPDATE audit_entries SET outcome = 'ok'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"] {
        let said = execute(&database.dsn, sql).await.unwrap_err();
        assert!(said.contains("only ever appended to"), "{sql}: {said}");
    }
    database.drop().await;
}

#[tokio::test]
async fn sqlite_refuses_to_change_the_audit_log() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.db");
    let store = sqlite(&path).await;
    let mut unit = store.begin().await.unwrap();
    unit.audit_append(&[entry()]).await.unwrap();
    unit.commit().await.unwrap();
    let other = sea_orm::Database::connect(format!("sqlite://{}", path.display())).await.unwrap();
    for sql in ["UPDATE audit_entries SET outcome = 'ok'", "DELETE FROM audit_entries"] {
        let said = other.execute_unprepared(sql).await.unwrap_err().to_string();
        assert!(said.contains("only ever appended to"), "{sql}: {said}");
    }
}

/// What renewals and signs of life change, which is most of what is written: an index on it would be written too, and
/// PostgreSQL could not change the row in place.
const OFTEN_CHANGED: [&str; 5] = ["ttl_seconds", "last_seen_at_us", "live_until_us", "expires_at_us", "kept_until_us"];

#[tokio::test]
async fn no_index_of_sessions_leases_and_waiters_is_touched_by_a_sign_of_life() {
    let database = Database::create().await;
    postgres(&database.dsn).await;
    let sql = "SELECT indexdef AS definition FROM pg_indexes WHERE tablename IN ('sessions', 'leases', 'waiters')";
    check_indexes(&database.dsn, sql, 11).await;
    database.drop().await;

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.db");
    sqlite(&path).await;
    let sql = "SELECT sql AS definition FROM sqlite_master \
         WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('sessions', 'leases', 'waiters')";
    check_indexes(&format!("sqlite://{}", path.display()), sql, 8).await;
}

async fn check_indexes(dsn: &str, sql: &str, count: usize) {
    let connection = sea_orm::Database::connect(dsn).await.unwrap();
    let statement = sea_orm::Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    assert_eq!(rows.len(), count);
    for row in rows {
        let definition: String = row.try_get("", "definition").unwrap();
        let touched = OFTEN_CHANGED.iter().find(|column| definition.contains(*column));
        assert_eq!(touched, None, "{definition}");
    }
    connection.close().await.unwrap();
}

#[test]
fn a_connection_string_is_never_shown() {
    let options = postgres_options("postgres://me:hush@nowhere/db");
    assert!(!format!("{options:?}").contains("hush"));
}

#[tokio::test]
async fn nor_is_one_that_cannot_be_read() {
    let error = SeaStore::connect_postgres(&postgres_options("nonsense hush")).await.map(drop).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hush"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_was_found_but_without_secrets() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let mut options = postgres_options(&format!("postgres://me:hush@{place}/db"));
    options.connect_timeout = Duration::from_millis(300);
    // Nobody answers what is sent there.
    let silent = chain(&SeaStore::connect_postgres(&options).await.map(drop).unwrap_err());
    drop(listener);
    let refused = chain(&SeaStore::connect_postgres(&options).await.map(drop).unwrap_err());
    for (said, cause) in [(silent, "lets nobody in"), (refused, "refused")] {
        assert!(said.contains(&place) && said.contains(cause) && !said.contains("hush"), "{said}");
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {}", chain(cause)))
}
