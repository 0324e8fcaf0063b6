//! Opening databases.

use crate::sea::error::{NoAnswer, failed, sort, unavailable};
use crate::sea::source::Source;
use ports::store::StoreError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions, SqlitePool};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector, SqlxSqliteConnector};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How to open a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The database file; made if missing, readable by its owner only.
    pub path: PathBuf,
    /// Whether a commit waits for the disk. Without it a power failure can lose the last commits.
    pub synchronous_full: bool,
    /// How long a unit of work waits for the connection that writes, or for one that reads.
    pub acquire_timeout: Duration,
    /// How long a unit of work waits for another process that writes to the file.
    pub busy_timeout: Duration,
    /// Connections that only read.
    pub readers: u32,
}

impl SqliteOptions {
    /// A file with the usual settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            synchronous_full: true,
            acquire_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
            readers: 4,
        }
    }
}

/// How to reach PostgreSQL.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The connection string. Secret: it is never shown.
    pub dsn: String,
    /// Connections kept open.
    pub pool_min: u32,
    /// Connections at most.
    pub pool_max: u32,
    /// How long a unit of work waits for its turn when all connections are in use.
    pub acquire_timeout: Duration,
    /// How long opening a connection and beginning on it may take; then the database counts as unreachable.
    pub connect_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// How long one statement may wait for a lock inside the database.
    pub lock_timeout: Duration,
    /// How long a transaction may do nothing before the database ends it.
    pub idle_in_transaction_timeout: Duration,
    /// Whether search uses what extensions the database has.
    pub use_extensions: bool,
    /// Whether the words of `ParadeDB` are understood though the extension is not there, in tests.
    pub assume_pg_search: bool,
    /// Up to how many memories all vectors are compared, though there is an index; `None` for the usual number.
    pub vectors_compared_max: Option<u64>,
}

impl PostgresOptions {
    /// A server with the usual settings.
    pub fn new(dsn: impl Into<String>) -> Self {
        Self {
            dsn: dsn.into(),
            pool_min: 2,
            pool_max: 10,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(3),
            idle_in_transaction_timeout: Duration::from_secs(10),
            use_extensions: true,
            assume_pg_search: false,
            vectors_compared_max: None,
        }
    }
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            dsn: _,
            pool_min,
            pool_max,
            acquire_timeout,
            connect_timeout,
            statement_timeout,
            lock_timeout,
            idle_in_transaction_timeout,
            use_extensions,
            assume_pg_search,
            vectors_compared_max,
        } = self;
        f.debug_struct("PostgresOptions")
            .field("dsn", &"****")
            .field("pool_min", pool_min)
            .field("pool_max", pool_max)
            .field("acquire_timeout", acquire_timeout)
            .field("connect_timeout", connect_timeout)
            .field("statement_timeout", statement_timeout)
            .field("lock_timeout", lock_timeout)
            .field("idle_in_transaction_timeout", idle_in_transaction_timeout)
            .field("use_extensions", use_extensions)
            .field("assume_pg_search", assume_pg_search)
            .field("vectors_compared_max", vectors_compared_max)
            .finish()
    }
}

/// A connection string that cannot be read. What it was is not repeated, since it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("the connection string of PostgreSQL cannot be read")]
struct UnreadableDsn;

/// Where units of work that write, and those that read, get their connections.
pub(super) struct Sources {
    pub(super) writers: Arc<Source>,
    pub(super) readers: Option<Arc<Source>>,
}

/// How to open one connection, with the limits of the database set on it.
pub(super) fn postgres_connection(options: &PostgresOptions) -> Result<PgConnectOptions, StoreError> {
    let settings = [
        ("statement_timeout", milliseconds(options.statement_timeout)),
        ("lock_timeout", milliseconds(options.lock_timeout)),
        ("idle_in_transaction_session_timeout", milliseconds(options.idle_in_transaction_timeout)),
        ("default_transaction_isolation", "read committed".to_owned()),
        // Every statement is written for an index. Plans are kept, and one that was good for a handful of rows would go on
        // reading whole tables while they grow.
        ("enable_seqscan", "off".to_owned()),
        ("enable_bitmapscan", "off".to_owned()),
        // Planning a statement of many parts takes longer than running it, and with the arguments known it would be planned
        // anew for the first calls of each connection, or for all.
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        // Compiling such short statements takes longer than running them.
        ("jit", "off".to_owned()),
    ];
    let connect: PgConnectOptions = options.dsn.parse().map_err(|_| failed(UnreadableDsn))?;
    Ok(connect.application_name("pointsman").options(settings).disable_statement_logging())
}

pub(super) fn postgres(options: &PostgresOptions) -> Result<Sources, StoreError> {
    let connect = postgres_connection(options)?;
    let is_remote = connect.get_socket().is_none();
    let place = is_remote.then(|| (connect.get_host().to_owned(), connect.get_port()));
    // A connection that died in the pool is found out by its BEGIN, so none is asked beforehand.
    let pool = PgPoolOptions::new()
        .min_connections(options.pool_min)
        .max_connections(options.pool_max)
        .acquire_timeout(options.connect_timeout)
        .test_before_acquire(false);
    let open = move || -> DatabaseConnection {
        SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone().connect_lazy_with(connect.clone()))
    };
    let deadline = options.connect_timeout + GRACE;
    Ok(Sources {
        writers: Arc::new(Source::renewable(
            Box::new(open),
            place,
            options.pool_max,
            options.acquire_timeout,
            deadline,
        )),
        readers: None,
    })
}

/// What a timeout of ours leaves to the timeout it backs up.
pub(super) const GRACE: Duration = Duration::from_millis(500);

pub(super) async fn sqlite(options: &SqliteOptions) -> Result<Sources, StoreError> {
    create_private(&options.path).map_err(failed)?;
    let synchronous = if options.synchronous_full { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
    let connect = SqliteConnectOptions::new()
        .filename(&options.path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(options.busy_timeout)
        .foreign_keys(false)
        .disable_statement_logging();
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(options.acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    let for_writing = connect
        .clone()
        .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        // What is deleted is overwritten, so that the file does not keep it.
        .pragma("secure_delete", "ON");
    let writer = open_file(&pool().max_connections(1), &for_writing, options.busy_timeout).await?;
    let read_only = connect.pragma("query_only", "ON");
    let readers = pool().max_connections(options.readers.max(1));
    let readers = open_file(&readers, &read_only, options.busy_timeout).await?;
    let source = |pool, turns| {
        let deadline = options.busy_timeout + GRACE;
        let pool = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
        Arc::new(Source::lasting(pool, turns, options.acquire_timeout, deadline))
    };
    Ok(Sources { writers: source(writer, 1), readers: Some(source(readers, options.readers.max(1))) })
}

/// Opens the file, trying again while another process makes a write-ahead log of it: that step does not wait by itself.
async fn open_file(
    pool: &SqlitePoolOptions,
    connect: &SqliteConnectOptions,
    busy_timeout: Duration,
) -> Result<SqlitePool, StoreError> {
    let start = Instant::now();
    loop {
        let error = match pool.clone().connect_with(connect.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(error) => sort(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))), "the database file"),
        };
        match error {
            StoreError::Conflict { .. } if start.elapsed() < busy_timeout => tokio::time::sleep(RETRY).await,
            StoreError::Conflict { .. } => return Err(unavailable(NoAnswer(busy_timeout))),
            error => return Err(error),
        }
    }
}

/// How much of the file the writing connection keeps in memory.
const WRITER_CACHE_KIB: u32 = 32 * 1_024;

/// After how many pages of the write-ahead log they are brought into the file: 32 MiB. The commands of one project write
/// the same pages again and again, and each goes into the file once.
const CHECKPOINT_PAGES: u32 = 8_192;

/// How soon a file that is being prepared by another process is tried again.
const RETRY: Duration = Duration::from_millis(10);

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Makes the file with rights for its owner only, before the driver would make it with those of the umask.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
