//! The stores under test, each empty, each with a clock that tests move.

use adapters::fixed::{CountedIds, ManualClock};
use adapters::in_memory::InMemoryStore;
use adapters::sea::SeaStore;
use adapters::sea::connect::{PostgresOptions, SqliteOptions};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::ProjectId;
use ports::clock::Clock;
use ports::store::{PoolState, SchemaState, Store, StoreError, UnitOfWork};
use sea_orm::sqlx::{Connection, Executor, PgConnection, Row, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Which store a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InMemory,
    Sqlite,
    Postgres,
    /// `PostgreSQL`, with units of work that are begun without a transaction.
    Optimistic,
}

/// A store, its clock, and what it stands on.
pub(crate) struct TestStore {
    store: Arc<dyn Store>,
    place: Arc<Place>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ids: CountedIds,
}

/// What a store stands on.
pub(crate) enum Place {
    Memory,
    File(TempDir),
    Database { dsn: String, name: String, is_optimistic: bool },
}

/// How old a database of a test that was killed must be before another test drops it.
const LEFTOVER_SECONDS: i64 = 3600;

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Where every test's clock begins.
pub(crate) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap()
}

pub(crate) fn default_project() -> ProjectId {
    ProjectId::parse("default").unwrap()
}

/// Runs a case on a fresh store, and cleans up also when it fails.
pub(crate) fn run<C, F>(kind: Kind, case: C)
where
    C: FnOnce(Arc<TestStore>) -> F,
    F: Future<Output = ()>,
{
    let runtime = runtime();
    let place = Arc::new(runtime.block_on(Place::make(kind)));
    let given = Arc::clone(&place);
    let run = async { case(Arc::new(TestStore::open(given).await)).await };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(run)));
    runtime.block_on(place.give_back());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

impl TestStore {
    pub(crate) async fn open(place: Arc<Place>) -> Self {
        let clock = Arc::new(ManualClock::new(start()));
        let store = connect(&place, &clock).await;
        Self { store, place, clock, ids: CountedIds::default() }
    }

    /// Another door to the same store: what a second process would hold. In memory, and with the same clock, all
    /// doors are one.
    pub(crate) async fn second_door(&self) -> Arc<dyn Store> {
        match *self.place {
            Place::Memory => Arc::clone(&self.store),
            Place::File(_) | Place::Database { .. } => connect(&self.place, &self.clock).await,
        }
    }

    /// Another door to a `PostgreSQL` database, through which units of work lock what they read.
    pub(crate) async fn locking_door(&self) -> SeaStore {
        let Place::Database { dsn, .. } = &*self.place else { panic!("not on PostgreSQL") };
        SeaStore::connect_postgres(&PostgresOptions::new(dsn)).await.unwrap().with_clock(self.clock.clone())
    }

    /// Another door to a `PostgreSQL` database, opened in a way of its own, with the schema brought up to date.
    pub(crate) async fn door(&self, options: impl FnOnce(PostgresOptions) -> PostgresOptions) -> SeaStore {
        let Place::Database { dsn, .. } = &*self.place else { panic!("not on PostgreSQL") };
        let store = SeaStore::connect_postgres(&options(PostgresOptions::new(dsn))).await.unwrap();
        store.migrate().await.unwrap();
        store.with_clock(self.clock.clone())
    }

    /// Where to go with what somebody else got there first with, in units of work that lock nothing.
    pub(crate) async fn second_try(&self) -> Option<Arc<dyn Store>> {
        match self.kind() {
            Kind::Optimistic => Some(Arc::new(self.locking_door().await)),
            Kind::InMemory | Kind::Sqlite | Kind::Postgres => None,
        }
    }

    /// Drops what the store stands on, for a second one in a case.
    pub(crate) async fn give_back(self) {
        let Self { store, place, .. } = self;
        drop(store);
        place.give_back().await;
    }

    /// Closes the store and opens it again, as a restart would. In memory nothing would be left, so it stays open.
    pub(crate) async fn reopen(self) -> Self {
        let Self { store, place, clock, ids } = self;
        let store = match *place {
            Place::Memory => store,
            Place::File(_) | Place::Database { .. } => {
                drop(store);
                connect(&place, &clock).await
            }
        };
        Self { store, place, clock, ids }
    }

    pub(crate) fn kind(&self) -> Kind {
        match *self.place {
            Place::Memory => Kind::InMemory,
            Place::File(_) => Kind::Sqlite,
            Place::Database { is_optimistic: false, .. } => Kind::Postgres,
            Place::Database { is_optimistic: true, .. } => Kind::Optimistic,
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    pub(crate) async fn begin(&self) -> Box<dyn UnitOfWork> {
        self.store.begin().await.unwrap()
    }

    pub(crate) async fn begin_read(&self) -> Box<dyn UnitOfWork> {
        self.store.begin_read().await.unwrap()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    /// Runs SQL behind the back of the store. Answers what the database said against it.
    pub(crate) async fn sabotage(&self, sql: &'static str) -> Result<(), String> {
        let said = |error: sea_orm::sqlx::Error| error.to_string();
        match &*self.place {
            Place::Memory => panic!("nobody gets behind the back of the store in memory"),
            Place::File(folder) => {
                let mut connection = SqliteConnection::connect(file_of(folder).to_str().unwrap()).await.unwrap();
                connection.execute(sql).await.map(drop).map_err(said)
            }
            Place::Database { dsn, .. } => {
                let mut connection = PgConnection::connect(dsn).await.unwrap();
                connection.execute(sql).await.map(drop).map_err(said)
            }
        }
    }

    /// All that is stored: the bytes of the file and of its log, or every row as text.
    pub(crate) async fn everything(&self) -> Vec<u8> {
        match &*self.place {
            Place::Memory => panic!("a store in memory has no file"),
            Place::File(folder) => {
                let files = std::fs::read_dir(folder.path()).unwrap();
                files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
            }
            Place::Database { dsn, .. } => {
                let mut connection = PgConnection::connect(dsn).await.unwrap();
                let names = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
                let mut all = Vec::new();
                for table in connection.fetch_all(names).await.unwrap() {
                    let sql = format!("SELECT t::text FROM {} AS t", table.get::<String, _>(0));
                    for row in connection.fetch_all(sea_orm::sqlx::AssertSqlSafe(sql)).await.unwrap() {
                        all.extend(row.get::<String, _>(0).into_bytes());
                    }
                }
                all
            }
        }
    }
}

impl Place {
    pub(crate) async fn make(kind: Kind) -> Self {
        match kind {
            Kind::InMemory => Self::Memory,
            Kind::Sqlite => Self::File(tempfile::tempdir().unwrap()),
            Kind::Postgres => create_database(false).await,
            Kind::Optimistic => create_database(true).await,
        }
    }

    /// Drops the database, also under those who still use it.
    pub(crate) async fn give_back(&self) {
        if let Self::Database { name, .. } = self {
            let mut cluster = connect_cluster().await;
            drop_database(&mut cluster, name).await;
        }
    }
}

async fn connect(place: &Place, clock: &Arc<ManualClock>) -> Arc<dyn Store> {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    let store = match place {
        Place::Memory => return Arc::new(InMemoryStore::new(clock)),
        Place::File(folder) => SeaStore::connect_sqlite(&SqliteOptions::new(file_of(folder))).await.unwrap(),
        Place::Database { dsn, .. } => SeaStore::connect_postgres(&PostgresOptions::new(dsn)).await.unwrap(),
    };
    store.migrate().await.unwrap();
    let store = store.with_clock(clock);
    match place {
        Place::Database { is_optimistic: true, .. } => Arc::new(Optimistic(store)),
        _ => Arc::new(store),
    }
}

/// Begins every unit of work that writes without a transaction.
struct Optimistic(SeaStore);

#[async_trait]
impl Store for Optimistic {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.0.begin_optimistic().await
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.0.begin_read().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }

    async fn schema(&self) -> Result<SchemaState, StoreError> {
        self.0.schema().await
    }

    fn pool(&self) -> PoolState {
        self.0.pool()
    }
}

fn file_of(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("pointsman.db")
}

#[expect(clippy::disallowed_methods, reason = "the cluster of the tests is what `tests/run` says")]
fn cluster_dsn() -> String {
    let dsn = std::env::var("TEST_POSTGRES_DSN").ok().filter(|dsn| !dsn.is_empty());
    dsn.expect("TEST_POSTGRES_DSN is not set: start the tests with `tests/run`, which finds and starts a PostgreSQL")
}

async fn connect_cluster() -> PgConnection {
    PgConnection::connect(&cluster_dsn()).await.expect("TEST_POSTGRES_DSN must name a cluster that answers")
}

/// Makes an empty database. Its name says when it was made, so that the leftovers of killed tests can be told.
async fn create_database(is_optimistic: bool) -> Place {
    let mut cluster = connect_cluster().await;
    let clock = "SELECT extract(epoch FROM clock_timestamp())::bigint";
    let now: i64 = cluster.fetch_one(clock).await.unwrap().get(0);
    sweep(&mut cluster, now).await;
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    let name = format!("pointsman_test_{now}_{}_{number}", std::process::id());
    run_sql(&mut cluster, format!("CREATE DATABASE {name} TEMPLATE template0")).await.unwrap();
    let dsn = with_database(&cluster_dsn(), &name);
    Place::Database { dsn, name, is_optimistic }
}

async fn sweep(cluster: &mut PgConnection, now: i64) {
    let names = "SELECT datname::text FROM pg_database WHERE datname ~ '^pointsman_test_[0-9]+_'";
    for row in cluster.fetch_all(names).await.unwrap() {
        let name: String = row.get(0);
        let made = name.split('_').nth(2).and_then(|made| made.parse::<i64>().ok());
        if made.is_some_and(|made| now - made > LEFTOVER_SECONDS) {
            drop_database(cluster, &name).await;
        }
    }
}

/// Another test may be dropping the same leftover at the same time, so a refusal is no failure here.
#[expect(clippy::print_stderr, reason = "it is told beside the outcome of the test")]
async fn drop_database(cluster: &mut PgConnection, name: &str) {
    if let Err(error) = run_sql(cluster, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await {
        eprintln!("database {name} is left over: {error}");
    }
}

async fn run_sql(cluster: &mut PgConnection, sql: String) -> Result<(), sea_orm::sqlx::Error> {
    cluster.execute(sea_orm::sqlx::AssertSqlSafe(sql)).await.map(drop)
}

fn with_database(dsn: &str, name: &str) -> String {
    let (address, options) = dsn.split_once('?').map_or((dsn, String::new()), |(a, o)| (a, format!("?{o}")));
    let (host, _) = address.rsplit_once('/').expect("TEST_POSTGRES_DSN must name a database");
    format!("{host}/{name}{options}")
}
