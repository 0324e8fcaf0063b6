//! Bringing the schema up to date.

use crate::sea::SeaStore;
use crate::sea::error::sort;
use crate::sea::unit::{Access, SeaUnitOfWork};
use ports::store::{SchemaState, StoreError};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};

/// Why the schema was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer version was here before. Nothing was changed.
    #[error(
        "the database was migrated by a newer version of Pointsman: it has {}, which this version does not know; run \
         that version or a newer one, or restore a backup from before",
        unknown.join(", ")
    )]
    Newer {
        /// The steps this binary does not know.
        unknown: Vec<String>,
    },
    /// The database refused or could not be reached. Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The number of the advisory lock that migrations take in their database: "pointsma" in ASCII.
const MIGRATION_LOCK: i64 = 0x706f_696e_7473_6d61;

/// How long a server waits for another one that is migrating, in seconds.
const MIGRATION_LOCK_SECONDS: u32 = 300;

#[derive(FromQueryResult)]
struct CountRow {
    n: i64,
}

#[derive(FromQueryResult)]
struct VersionRow {
    version: String,
}

/// Compares the steps that were applied with those this binary knows.
pub(super) async fn state(unit: &mut SeaUnitOfWork) -> Result<SchemaState, StoreError> {
    let table = "seaql_migrations";
    let statement = unit.statement(unit.dialect.count_tables(table), []);
    let tables: Option<CountRow> = unit.row(statement, table).await?;
    let applied: Vec<String> = if tables.is_some_and(|row| row.n > 0) {
        let statement = unit.statement("SELECT version FROM seaql_migrations ORDER BY version", []);
        let rows: Vec<VersionRow> = unit.rows(statement, table).await?;
        rows.into_iter().map(|row| row.version).collect()
    } else {
        Vec::new()
    };
    let known = migration::names();
    let unknown: Vec<String> = applied.iter().filter(|name| !known.contains(name)).cloned().collect();
    if !unknown.is_empty() {
        return Ok(SchemaState::Newer { unknown });
    }
    let pending: Vec<String> = known.into_iter().filter(|name| !applied.contains(name)).collect();
    Ok(if pending.is_empty() { SchemaState::Current } else { SchemaState::Behind { pending } })
}

impl SeaStore {
    /// Applies the steps that wait, all or none, and answers their names. Servers that start together take turns.
    pub async fn migrate(&self) -> Result<Vec<String>, MigrateError> {
        let mut unit = self.unit(Access::Write).await?;
        if self.backend == DbBackend::Postgres {
            let wait = format!(
                "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
                 SET LOCAL lock_timeout = '{MIGRATION_LOCK_SECONDS}s'; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
            );
            unit.transaction()
                .await?
                .execute_unprepared(&wait)
                .await
                .map_err(|error| sort(error, "the migration lock"))?;
        }
        let pending = match state(&mut unit).await? {
            SchemaState::Current => {
                drop(unit);
                self.try_engines().await?;
                return Ok(Vec::new());
            }
            SchemaState::Newer { unknown } => return Err(MigrateError::Newer { unknown }),
            SchemaState::Behind { pending } => pending,
        };
        migration::up(unit.transaction().await?).await.map_err(|error| sort(error, "the schema"))?;
        unit.finish().await?;
        self.try_engines().await?;
        Ok(pending)
    }
}
