//! The stores in databases: one adapter for SQLite and PostgreSQL.
//!
//! [`SeaStore`] hands out units of work, each one transaction. On SQLite one connection writes and a few read; on
//! PostgreSQL all connections are alike. What the two databases say differently stands in `dialect`, `connect`
//! and `clock`; what they complain about is sorted in `error`.

mod agents;
mod ahead;
mod alerts;
mod audit;
mod bell;
mod carried_on;
mod clock;
pub mod connect;
mod dialect;
mod engines;
mod epoch;
mod erase;
mod error;
mod events;
mod handoffs;
mod idempotency;
mod identity;
mod locks;
mod memory;
mod messages;
mod migrate;
mod optimistic;
mod sidecar;
mod source;
mod unit;
mod webhooks;
mod work;

pub use bell::SeaBell;
pub use epoch::{Epoch, EpochCause};
pub use migrate::MigrateError;
pub use unit::SeaUnitOfWork;

use crate::sea::clock::StoreClock;
use crate::sea::connect::{PostgresOptions, Sources, SqliteOptions};
use crate::sea::engines::Engines;
use crate::sea::error::{NoAnswer, sort, unavailable};
use crate::sea::optimistic::Optimistic;
use crate::sea::sidecar::Sidecar;
use crate::sea::source::Source;
use crate::sea::unit::{Access, On};
use crate::system::SystemClock;
use async_trait::async_trait;
use ports::clock::Clock;
use ports::store::{PoolState, SchemaState, SearchEngines, Store, StoreError, UnitOfWork};
use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, IsolationLevel, SqliteTransactionMode, Statement, TransactionOptions,
};
use std::sync::Arc;
use std::time::Duration;

/// A store in a database.
pub struct SeaStore {
    backend: DbBackend,
    sources: Sources,
    clock: StoreClock,
    /// How long one statement may take before the database counts as silent.
    statement_timeout: Duration,
    sidecar: Option<Arc<Sidecar>>,
    engines: Arc<Engines>,
}

impl SeaStore {
    /// Opens a SQLite file, making it if it is missing. Time is the process's clock.
    pub async fn connect_sqlite(options: &SqliteOptions) -> Result<Self, StoreError> {
        Ok(Self {
            backend: DbBackend::Sqlite,
            sources: connect::sqlite(options).await?,
            clock: StoreClock::Given(Arc::new(SystemClock)),
            statement_timeout: options.busy_timeout + SQLITE_STATEMENT_TIMEOUT,
            sidecar: Some(Arc::new(Sidecar::beside(&options.path))),
            engines: Engines::none(),
        })
    }

    /// Connects to PostgreSQL. Time is the database's clock. [`StoreError::Unavailable`] if it cannot be reached now.
    pub async fn connect_postgres(options: &PostgresOptions) -> Result<Self, StoreError> {
        let store = Self {
            backend: DbBackend::Postgres,
            sources: connect::postgres(options)?,
            clock: StoreClock::Database,
            // The database's own timeout comes first unless it hangs.
            statement_timeout: options.statement_timeout + connect::GRACE,
            sidecar: None,
            engines: Engines::of_postgres(options)?,
        };
        store.ping().await?;
        store.find_engines().await?;
        Ok(store)
    }

    /// Takes the time from this clock instead, in tests.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: StoreClock::Given(clock), ..self }
    }

    /// Closes all connections, once the units of work that hold them are over. What is begun afterwards is
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) -> Result<(), StoreError> {
        self.sources.writers.close().await?;
        match &self.sources.readers {
            Some(readers) => readers.close().await,
            None => Ok(()),
        }
    }

    async fn unit(&self, access: Access) -> Result<SeaUnitOfWork, StoreError> {
        let source = match access {
            Access::Write => &self.sources.writers,
            Access::Read => self.sources.readers.as_ref().unwrap_or(&self.sources.writers),
        };
        let begun = source.begin(transaction_options(self.backend, access)).await?;
        Ok(self.unit_on(On::Transaction(begun), source, access))
    }

    /// A unit of work that has begun no transaction.
    async fn optimistic_unit(&self, access: Access) -> Result<SeaUnitOfWork, StoreError> {
        let source = &self.sources.writers;
        let on = match source.connection().await? {
            Ok(loose) => On::Optimistic(Box::new(Optimistic::new(loose))),
            Err(turn) => On::Transaction(source.begin_in_turn(turn, transaction_options(self.backend, access)).await?),
        };
        Ok(self.unit_on(on, source, access))
    }

    fn unit_on(&self, on: On, source: &Arc<Source>, access: Access) -> SeaUnitOfWork {
        let (clock, sidecar) = (self.clock.clone(), self.sidecar.clone());
        let found = self.engines.found();
        SeaUnitOfWork::new(on, source.clone(), access, clock, found, self.statement_timeout, sidecar)
    }
}

/// How long a statement on a file may take, besides waiting for other processes. Only a hanging disk takes so long.
const SQLITE_STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

fn transaction_options(backend: DbBackend, access: Access) -> TransactionOptions {
    let mut options = TransactionOptions::default();
    match (backend, access) {
        // A deferred transaction that reads first and writes then would fail instead of waiting.
        (DbBackend::Sqlite, Access::Write) => options.sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate),
        (DbBackend::Sqlite, Access::Read) => options.sqlite_transaction_mode = Some(SqliteTransactionMode::Deferred),
        // READ COMMITTED is set for the whole connection, which saves a round trip.
        (_, Access::Write) => {}
        (_, Access::Read) => {
            options.isolation_level = Some(IsolationLevel::RepeatableRead);
            options.access_mode = Some(AccessMode::ReadOnly);
        }
    }
    options
}

#[async_trait]
impl Store for SeaStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.unit(Access::Write).await?))
    }

    async fn begin_optimistic(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        match self.backend {
            DbBackend::Postgres => Ok(Box::new(self.optimistic_unit(Access::Write).await?)),
            // One writer, who locks everything, and a round trip is a call.
            _ => self.begin().await,
        }
    }

    async fn begin_glance(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        match self.backend {
            DbBackend::Postgres => Ok(Box::new(self.optimistic_unit(Access::Read).await?)),
            _ => self.begin_read().await,
        }
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.unit(Access::Read).await?))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let source = self.sources.readers.as_ref().unwrap_or(&self.sources.writers);
        let begun = source.begin(TransactionOptions::default()).await?;
        let asked = begun.tx.query_one_raw(Statement::from_string(self.backend, "SELECT 1"));
        match tokio::time::timeout(self.statement_timeout, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(sort(error, "the database")),
            Err(_) => {
                source.health().doubt();
                Err(unavailable(NoAnswer(self.statement_timeout)))
            }
        }
    }

    async fn schema(&self) -> Result<SchemaState, StoreError> {
        migrate::state(&mut self.unit(Access::Read).await?).await
    }

    fn engines(&self) -> SearchEngines {
        self.engines.told(self.backend)
    }

    async fn prepare_vectors(&self, dimension: usize) -> Result<(), StoreError> {
        self.make_vector_index(dimension).await
    }

    fn pool(&self) -> PoolState {
        let writers = self.sources.writers.state();
        match &self.sources.readers {
            None => writers,
            Some(readers) => {
                let readers = readers.state();
                PoolState { size: writers.size + readers.size, idle: writers.idle + readers.idle }
            }
        }
    }
}
