//! Databases and clusters of a single test.

use adapters::sea::SeaStore;
use adapters::sea::connect::{PostgresOptions, SqliteOptions};
use chrono::{DateTime, TimeDelta, Utc};
use domain::audit::{Change, Entry, OUTCOME_OK};
use domain::ids::{AgentId, KeyId, ProjectId, SessionId};
use domain::locks::changes::Changes;
use domain::locks::key::LockKey;
use domain::locks::lease::{Holder, Lease, Mode, Token};
use ports::ids::IdSource;
use ports::store::{Store, StoreError, UnitOfWork};
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A database of its own in the cluster of the tests, dropped at the end.
pub struct Database {
    pub dsn: String,
    name: String,
}

#[expect(clippy::disallowed_methods, reason = "the cluster of the tests is what `tests/run` says")]
fn cluster_dsn() -> String {
    std::env::var("TEST_POSTGRES_DSN")
        .expect("TEST_POSTGRES_DSN is not set: start the tests with `tests/run`, which finds and starts a PostgreSQL")
}

impl Database {
    pub async fn create() -> Self {
        let cluster = cluster_dsn();
        let name = format!("pointsman_sea_{}", adapters::system::RandomIds.random_name());
        execute(&cluster, &format!("CREATE DATABASE {name} TEMPLATE template0")).await.expect("a new database");
        let (address, options) = cluster.split_once('?').unwrap_or((&cluster, ""));
        let (host, _) = address.rsplit_once('/').expect("TEST_POSTGRES_DSN must name a database");
        Self { dsn: format!("{host}/{name}?{options}"), name }
    }

    pub async fn drop(self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        execute(&cluster_dsn(), &sql).await.expect("the database goes");
    }
}

/// Runs SQL on a connection of its own; answers what the database said against it.
pub async fn execute(dsn: &str, sql: &str) -> Result<(), String> {
    let said = |error: sea_orm::sqlx::Error| error.to_string();
    let mut connection = PgConnection::connect(dsn).await.map_err(said)?;
    connection.execute(AssertSqlSafe(sql)).await.map(drop).map_err(said)
}

/// A cluster of its own, which a test may stop.
pub struct Cluster {
    folder: TempDir,
    pub dsn: String,
}

impl Cluster {
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        // The cluster may run as another user, who has to get in.
        #[cfg(unix)]
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("rights");
        let dsn = run_postgres("start", folder.path(), &[]);
        Self { folder, dsn: dsn.trim().to_owned() }
    }

    pub fn run(&self, action: &str, options: &[&str]) {
        run_postgres(action, self.folder.path(), options);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let script = postgres_script();
        // A paused cluster would not stop, and one that is not paused takes no harm.
        for (action, option) in [("resume", None), ("stop", Some("--immediate"))] {
            let _ = Command::new(&script).arg(action).arg(self.folder.path()).args(option).output();
        }
    }
}

fn postgres_script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/postgres")
}

fn run_postgres(action: &str, folder: &Path, options: &[&str]) -> String {
    let output = Command::new(postgres_script()).arg(action).arg(folder).args(options).output().expect("it runs");
    assert!(output.status.success(), "{action}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

/// Short timeouts, so that the tests are short; the limit on connecting is the usual one.
pub fn postgres_options(dsn: &str) -> PostgresOptions {
    PostgresOptions {
        pool_min: 0,
        pool_max: 5,
        acquire_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(2),
        lock_timeout: Duration::from_secs(1),
        ..PostgresOptions::new(dsn)
    }
}

pub async fn postgres(dsn: &str) -> SeaStore {
    let store = SeaStore::connect_postgres(&postgres_options(dsn)).await.expect("it connects");
    store.migrate().await.expect("it migrates");
    store
}

pub async fn sqlite(path: &Path) -> SeaStore {
    let store = SeaStore::connect_sqlite(&SqliteOptions::new(path)).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    store
}

pub fn default_project() -> ProjectId {
    ProjectId::parse("default").expect("a name")
}

pub fn some_time() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_800_000_000_123_456).expect("an instant")
}

pub fn entry() -> Entry {
    Entry {
        id: adapters::system::RandomIds.audit_entry_id(),
        project: default_project(),
        at: some_time(),
        agent: AgentId::parse("ann").expect("a name"),
        session: None,
        key: KeyId::parse("k").expect("a name"),
        change: Change { operation: "test".to_owned(), target: "t".to_owned(), before: None, after: None },
        outcome: OUTCOME_OK.to_owned(),
        repeats: 1,
        request_id: "r".to_owned(),
        trace_id: None,
        duration_us: 1,
    }
}

/// Takes one lock and answers its token.
pub async fn grant(store: &dyn Store, key: &str) -> Result<i64, StoreError> {
    grant_in(store.begin().await?, key).await
}

/// As [`grant`], in a unit of work that has begun.
pub async fn grant_in(mut unit: Box<dyn UnitOfWork>, key: &str) -> Result<i64, StoreError> {
    let head = unit.lock_table_lock(&default_project()).await?.expect("the project is there");
    let token = Token::try_new(head.last_token + 1).expect("a token");
    let lease = Lease {
        key: LockKey::parse(key).expect("a key"),
        mode: Mode::Exclusive,
        holder: Holder {
            agent: AgentId::parse("ann").expect("a name"),
            session: SessionId::parse(&format!("s{}", token.value())).expect("a name"),
        },
        token,
        granted_at: head.now,
        expires_at: head.now + TimeDelta::hours(1),
        reason: None,
    };
    let changes = Changes { last_token: Some(token.value()), leases_put: vec![lease], ..Changes::default() };
    unit.lock_table_save(&default_project(), head, &changes).await?;
    unit.commit().await?;
    Ok(token.value())
}

pub async fn read(store: &dyn Store) -> Result<(u64, u64), StoreError> {
    store.begin_read().await?.lock_counts().await
}

/// Tries until it works; fails when it takes longer than this.
pub async fn well_within(store: &dyn Store, limit: Duration) {
    let start = Instant::now();
    loop {
        match grant(store, "well").await {
            Ok(_) => return,
            Err(StoreError::Unavailable(_)) if start.elapsed() < limit => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("not well after {:?}: {error:?}", start.elapsed()),
        }
    }
}

pub fn assert_unavailable<T: std::fmt::Debug>(outcome: &Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
}
