use std::time::Duration;

use serde::Deserialize;

use super::reader::Reader;
use super::secret::Secret;

/// Which store is used, and how.
#[derive(Debug, Clone)]
pub enum Database {
    /// One file, `pointsman.db`, in the data folder.
    Sqlite {
        /// What a commit waits for.
        synchronous: SqliteSynchronous,
    },
    /// A `PostgreSQL` server.
    Postgres(Postgres),
    /// Nothing is kept; for tests.
    Memory,
}

/// What a commit on the embedded store waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqliteSynchronous {
    /// The disk: nothing acknowledged is lost when the power fails.
    Full,
    /// The operating system: a power failure can lose the last commits and hand a fencing token out twice.
    Normal,
}

/// How to reach the server and for how long to wait.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// The connection string.
    pub dsn: Secret,
    /// Connections kept open.
    pub pool_min: u32,
    /// Connections at most.
    pub pool_max: u32,
    /// How long a request waits for a connection of the pool.
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// How long one statement may wait for a database lock; never more than the statement timeout.
    pub lock_timeout: Duration,
}

#[derive(Clone, Copy)]
enum Backend {
    Sqlite,
    Postgres,
    Memory,
}

#[derive(Default, Deserialize)]
struct RawDb {
    backend: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawSqlite {
    synchronous: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawPostgres {
    dsn: Option<String>,
    pool_min: Option<String>,
    pool_max: Option<String>,
    acquire_timeout_seconds: Option<String>,
    statement_timeout_seconds: Option<String>,
    lock_timeout_seconds: Option<String>,
}

impl Database {
    /// Reads the section; a sentence for the operator goes to `notices` where a variable is set but passed over.
    pub(super) fn read(reader: &mut Reader, notices: &mut Vec<String>) -> Self {
        let db: RawDb = reader.section("DB_");
        let sqlite: RawSqlite = reader.section("SQLITE_");
        let postgres: RawPostgres = reader.section("POSTGRES_");
        let alias = reader.alone("DATABASE_URL");
        let backend = backend(reader, db.backend.as_deref());
        let synchronous = reader.choice(
            "SQLITE_SYNCHRONOUS",
            sqlite.synchronous.as_deref(),
            &[("full", SqliteSynchronous::Full), ("normal", SqliteSynchronous::Normal)],
            SqliteSynchronous::Full,
        );
        let dsn_given = postgres.dsn.is_some();
        let settings = postgres.read(reader, alias.clone(), matches!(backend, Backend::Postgres));
        match backend {
            Backend::Postgres => return Self::Postgres(settings),
            Backend::Sqlite | Backend::Memory if dsn_given && db.backend.is_none() => reader.refuse(
                "DB_BACKEND",
                "is not set though POSTGRES_DSN is; say `postgres` to use that server, or `sqlite` to leave it alone",
            ),
            Backend::Sqlite | Backend::Memory if alias.is_some() => {
                notices.push("DATABASE_URL is set but not used, because DB_BACKEND is not `postgres`".to_owned());
            }
            Backend::Sqlite | Backend::Memory => {}
        }
        match backend {
            Backend::Memory => Self::Memory,
            Backend::Sqlite | Backend::Postgres => Self::Sqlite { synchronous },
        }
    }
}

fn backend(reader: &mut Reader, raw: Option<&str>) -> Backend {
    if raw.is_some_and(|raw| raw.eq_ignore_ascii_case("supabase")) {
        reader.refuse(
            "DB_BACKEND",
            "`supabase` (PostgREST) is not a store of Pointsman; use `postgres` with the project's connection string",
        );
        return Backend::Sqlite;
    }
    reader.choice(
        "DB_BACKEND",
        raw,
        &[("sqlite", Backend::Sqlite), ("postgres", Backend::Postgres), ("memory", Backend::Memory)],
        Backend::Sqlite,
    )
}

impl RawPostgres {
    fn read(self, reader: &mut Reader, alias: Option<String>, wanted: bool) -> Postgres {
        let dsn = if wanted { dsn(reader, self.dsn, alias) } else { Secret::new("") };
        let pool_min = reader.number("POSTGRES_POOL_MIN", self.pool_min);
        let pool_max = reader.number("POSTGRES_POOL_MAX", self.pool_max);
        if pool_min > pool_max {
            reader.refuse("POSTGRES_POOL_MIN", "must not be more than POSTGRES_POOL_MAX");
        }
        let mut seconds = |name, raw| Duration::from_secs(reader.number(name, raw));
        let acquire_timeout = seconds("POSTGRES_ACQUIRE_TIMEOUT_SECONDS", self.acquire_timeout_seconds);
        let statement_timeout = seconds("POSTGRES_STATEMENT_TIMEOUT_SECONDS", self.statement_timeout_seconds);
        let lock_timeout_given = self.lock_timeout_seconds.is_some();
        let lock_timeout = seconds("POSTGRES_LOCK_TIMEOUT_SECONDS", self.lock_timeout_seconds);
        if lock_timeout_given && lock_timeout > statement_timeout {
            reader.refuse(
                "POSTGRES_LOCK_TIMEOUT_SECONDS",
                "must not be more than POSTGRES_STATEMENT_TIMEOUT_SECONDS, which would end the statement first",
            );
        }
        Postgres {
            dsn,
            pool_min,
            pool_max,
            acquire_timeout,
            statement_timeout,
            lock_timeout: lock_timeout.min(statement_timeout),
        }
    }
}

fn dsn(reader: &mut Reader, own: Option<String>, alias: Option<String>) -> Secret {
    let name = if own.is_some() { "POSTGRES_DSN" } else { "DATABASE_URL" };
    if own.as_ref().zip(alias.as_ref()).is_some_and(|(own, alias)| own != alias) {
        reader.refuse("DATABASE_URL", "is another name of POSTGRES_DSN, and the two differ; keep one of them");
    }
    let Some(dsn) = own.or(alias) else {
        reader.refuse("POSTGRES_DSN", "is needed when DB_BACKEND is `postgres`");
        return Secret::new("");
    };
    match reqwest::Url::parse(&dsn) {
        Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => {}
        Ok(_) => reader.refuse(name, "must start with `postgres://` or `postgresql://`"),
        Err(_) => reader.refuse(
            name,
            "is not a connection string; characters such as `@` and `/` in a password must be percent-encoded",
        ),
    }
    Secret::new(dsn)
}
