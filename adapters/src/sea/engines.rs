//! What a database can do beyond what is asked of every one: which of PostgreSQL's extensions there are, and the index that
//! one of them lends to vectors.

use crate::sea::SeaStore;
use crate::sea::connect::{PostgresOptions, postgres_connection};
use crate::sea::error::sort;
use crate::sea::memory::paradedb;
use crate::sea::unit::Access;
use ports::store::{SearchEngines, StoreError, VectorEngine, WordEngine};
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, RuntimeErr};
use std::sync::{Arc, PoisonError, RwLock};

/// The greatest dimension that the index takes.
const INDEXED_DIMENSION_MAX: usize = 4_000;

/// The number of the advisory lock that whoever makes an index of vectors takes: "pointvec" in ASCII.
const INDEX_LOCK: i64 = 0x706f_696e_7476_6563;

/// The number of memories up to which all vectors of the searched realms are compared, though there is an index: that is
/// exact, and takes no longer.
const COMPARED_MAX: u64 = 10_000;

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The index of `ParadeDB`.
    pub(super) has_pg_search: bool,
    /// pgvector, with half-precision vectors and iterative scans: 0.8 or newer.
    pub(super) has_pgvector: bool,
    /// The dimension of the vectors that have an index.
    pub(super) indexed_dimension: Option<usize>,
    /// Up to how many memories all vectors are compared though.
    pub(super) compared_max: u64,
}

/// Looks for it, and makes the index.
pub(super) struct Engines {
    /// `None` where there are no extensions, or none is to be used.
    connect: Option<PgConnectOptions>,
    assume_pg_search: bool,
    found: RwLock<Found>,
}

#[derive(FromQueryResult)]
struct FoundRow {
    pg_search: bool,
    pgvector: bool,
}

impl Engines {
    pub(super) fn none() -> Arc<Self> {
        let found =
            Found { has_pg_search: false, has_pgvector: false, indexed_dimension: None, compared_max: COMPARED_MAX };
        Arc::new(Self { connect: None, assume_pg_search: false, found: RwLock::new(found) })
    }

    pub(super) fn of_postgres(options: &PostgresOptions) -> Result<Arc<Self>, StoreError> {
        let connect = options.use_extensions.then(|| postgres_connection(options)).transpose()?;
        let none = Self::none();
        let found = Found { compared_max: options.vectors_compared_max.unwrap_or(COMPARED_MAX), ..none.found() };
        let assume_pg_search = options.assume_pg_search;
        Ok(Arc::new(Self { connect, assume_pg_search, found: RwLock::new(found) }))
    }

    pub(super) fn found(&self) -> Found {
        *self.found.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// In the words of the port.
    pub(super) fn told(&self, backend: DbBackend) -> SearchEngines {
        let found = self.found();
        SearchEngines {
            words: match backend {
                DbBackend::Postgres if found.has_pg_search => WordEngine::PgSearch,
                DbBackend::Postgres => WordEngine::Postgres,
                _ => WordEngine::Fts5,
            },
            vectors: if found.has_pgvector { VectorEngine::Pgvector } else { VectorEngine::Exact },
        }
    }

    fn note(&self, change: impl FnOnce(&mut Found)) {
        change(&mut self.found.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl SeaStore {
    /// Looks which extensions there are.
    pub(super) async fn find_engines(&self) -> Result<(), StoreError> {
        if self.engines.connect.is_none() {
            return Ok(());
        }
        let mut unit = self.unit(Access::Read).await?;
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('{}')) AS pg_search, \
             EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'vector' AND \
             string_to_array(regexp_replace(extversion, '[^0-9.].*', ''), '.')::int[] >= ARRAY[0, 8] AND \
             to_regtype('halfvec') IS NOT NULL) AS pgvector",
            paradedb::INDEX
        );
        let statement = unit.statement(sql, []);
        let row: Option<FoundRow> = unit.row(statement, "pg_extension").await?;
        let (pg_search, pgvector) = row.map_or((false, false), |row| (row.pg_search, row.pgvector));
        self.engines.note(|found| {
            found.has_pg_search = pg_search || self.engines.assume_pg_search;
            found.has_pgvector = pgvector;
        });
        Ok(())
    }

    /// Makes the extensions that the database has and lets us make; it does well without.
    pub(super) async fn try_engines(&self) -> Result<(), StoreError> {
        if self.engines.connect.is_none() {
            return Ok(());
        }
        if let Err(error) = self.try_pgvector().await {
            tracing::debug!(%error, "the extension `vector` was not made");
        }
        if let Err(error) = self.make_word_index().await {
            tracing::warn!(%error, "ParadeDB's index was not made; PostgreSQL's own is used");
        }
        self.find_engines().await
    }

    async fn try_pgvector(&self) -> Result<(), StoreError> {
        let mut unit = self.unit(Access::Write).await?;
        let missing = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector' AND installed_version IS NULL";
        let statement = unit.statement(missing, []);
        if unit.query(statement, "pg_available_extensions").await?.is_empty() {
            return Ok(());
        }
        let made = unit.transaction().await?.execute_unprepared("CREATE EXTENSION IF NOT EXISTS vector").await;
        made.map_err(|error| sort(error, "the extension `vector`"))?;
        unit.finish().await
    }

    /// Makes the index of vectors of a dimension, if the database can have one and has none.
    pub(super) async fn make_vector_index(&self, dimension: usize) -> Result<(), StoreError> {
        let Some(connect) = &self.engines.connect else { return Ok(()) };
        if !self.engines.found().has_pgvector || !(1..=INDEXED_DIMENSION_MAX).contains(&dimension) {
            self.engines.note(|found| found.indexed_dimension = None);
            return Ok(());
        }
        let index = format!(
            "CREATE INDEX CONCURRENTLY {} ON memory_vectors USING hnsw ({} halfvec_cosine_ops) WHERE {}",
            index_name(dimension),
            indexed(dimension, "vector"),
            is_of(dimension, "vector")
        );
        let is_there = made(connect, &index_name(dimension), [NUMBERS, &index]).await?;
        self.engines.note(|found| found.indexed_dimension = is_there.then_some(dimension));
        Ok(())
    }

    /// Makes the index of `ParadeDB`, if its extension is there.
    async fn make_word_index(&self) -> Result<bool, StoreError> {
        let Some(connect) = &self.engines.connect else { return Ok(false) };
        let mut unit = self.unit(Access::Read).await?;
        let statement = unit.statement("SELECT 1 FROM pg_extension WHERE extname = 'pg_search'", []);
        if unit.query(statement, "pg_extension").await?.is_empty() {
            return Ok(false);
        }
        drop(unit);
        made(connect, paradedb::INDEX, [paradedb::TOKENS, paradedb::CREATE]).await
    }
}

/// Makes an index by these statements unless it is there, on a connection of its own: it may take many minutes, and runs in
/// no transaction. Answers whether it is of use now.
async fn made(connect: &PgConnectOptions, name: &str, statements: [&str; 2]) -> Result<bool, StoreError> {
    let sorted = |error| sort(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))), "an index of memories");
    let mut connection = PgConnection::connect_with(connect).await.map_err(sorted)?;
    let made = make_index(&mut connection, name, statements).await.map_err(sorted);
    let closed = connection.close().await.map_err(sorted);
    let is_there = made?;
    closed.map(|()| is_there)
}

/// The name of the index of vectors of a dimension.
fn index_name(dimension: usize) -> String {
    format!("memory_vectors_near_{dimension}")
}

/// Makes the index unless it is there; answers whether it is of use now. It is not while another server makes it.
async fn make_index(
    connection: &mut PgConnection,
    name: &str,
    statements: [&str; 2],
) -> Result<bool, sea_orm::sqlx::Error> {
    let state = |row: sea_orm::sqlx::postgres::PgRow| row.get::<bool, _>(0);
    let asked = format!("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{name}')");
    if connection.fetch_optional(AssertSqlSafe(asked.clone())).await?.is_some_and(state) {
        return Ok(true);
    }
    connection.execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_session_timeout = 0").await?;
    let lock = format!("SELECT pg_try_advisory_lock({INDEX_LOCK})");
    if !connection.fetch_one(AssertSqlSafe(lock)).await?.get::<bool, _>(0) {
        return Ok(false);
    }
    // Whoever had the lock before may have made it, or have died over it.
    match connection.fetch_optional(AssertSqlSafe(asked)).await?.map(state) {
        Some(true) => return Ok(true),
        Some(false) => {
            connection.execute(AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"))).await?;
        }
        None => {}
    }
    for statement in statements {
        connection.execute(AssertSqlSafe(statement.to_owned())).await?;
    }
    Ok(true)
}

/// Makes pgvector's numbers of stored bytes. It costs so much that no plan calls it for each row instead of reading the
/// index. Its body is bound when it is made, so that it does not matter where the extension lies when it is restored or
/// analysed.
const NUMBERS: &str = "CREATE OR REPLACE FUNCTION memory_vector_numbers(bytes bytea) RETURNS halfvec \
     LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000000 \
     BEGIN ATOMIC \
     SELECT ARRAY(SELECT (get_byte(bytes, i) + 128) % 256 - 128 FROM generate_series(0, octet_length(bytes) - 1) AS i) \
     ::halfvec; END";

/// What is indexed of a column.
pub(super) fn indexed(dimension: usize, column: &str) -> String {
    format!("(memory_vector_numbers({column})::halfvec({dimension}))")
}

/// Which rows are in the index.
pub(super) fn is_of(dimension: usize, column: &str) -> String {
    format!("octet_length({column}) = {dimension}")
}
