//! Where units of work get their transactions from, and what happens when the database goes away.
//!
//! Everybody waits for a turn first, so that a busy pool and an unreachable database are told apart. When the database
//! could not be reached, one caller at a time tries again, with fresh connections, and the others are told at once.

use crate::sea::carried_on::CarriedOn;
use crate::sea::error::{AllBusy, NoAnswer, StillDown, Unreachable, sort, unavailable};
use ports::store::{PoolState, StoreError};
use sea_orm::sqlx::Postgres;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, TransactionOptions, TransactionTrait,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

type Open = Box<dyn Fn() -> DatabaseConnection + Send + Sync>;

/// A pool of connections.
pub(super) struct Source {
    pool: RwLock<DatabaseConnection>,
    turns: Arc<Semaphore>,
    turns_max: u32,
    acquire_timeout: Duration,
    begin_timeout: Duration,
    /// How to open another pool; `None` where connections cannot die.
    reopen: Option<Open>,
    /// Host and port of a server, for its name in errors; `None` if it is reached in another way.
    place: Option<(String, u16)>,
    health: Arc<Health>,
    /// Connections that were used last, to be used first: they know the statements, while the pool goes round among all of
    /// its own, and asks each whether it lives when it comes back.
    warm: Mutex<Warm>,
}

/// Connections kept out of the pool.
#[derive(Default)]
struct Warm {
    spare: Vec<Spare>,
    /// How often the pool was replaced.
    renewals: u64,
    /// Where connections came from.
    runtime: Option<Handle>,
}

/// A connection kept out of the pool.
struct Spare {
    connection: PoolConnection<Postgres>,
    /// When it came out of the pool.
    since: Instant,
    /// When it was used last.
    kept_at: Instant,
}

impl Warm {
    /// Gives all of them back to the pool, which takes them on a runtime: also if their last owner goes outside of it.
    fn clear(&mut self) {
        let _entered = self.runtime.as_ref().map(Handle::enter);
        self.spare.clear();
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How many connections are kept out of the pool.
const WARM_MAX: usize = 2;

/// How long a connection is kept out of the pool, which looks after its age.
const WARM_FOR: Duration = Duration::from_mins(1);

/// How long a connection may have been at rest to be used without asking whether it still lives.
const REST_MAX: Duration = Duration::from_secs(1);

/// How long after a failure nobody tries again. Whoever waited for a turn meanwhile need not wait for another attempt.
const HOLD_OFF: Duration = Duration::from_millis(200);

/// Whether the database could be reached the last time.
#[derive(Debug, Default)]
pub(super) struct Health {
    failed_at: Mutex<Option<Instant>>,
    probe: tokio::sync::Mutex<()>,
}

impl Health {
    /// Notes that the database did not answer: connections to it are suspect.
    pub(super) fn doubt(&self) {
        self.note(Some(Instant::now()));
    }

    fn note(&self, failed_at: Option<Instant>) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = failed_at;
    }

    /// Whether the last attempt failed; an error if it did so just now.
    fn is_down(&self) -> Result<bool, StoreError> {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        match failed_at {
            Some(at) if at.elapsed() < HOLD_OFF => Err(unavailable(StillDown)),
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }
}

/// How long it may take to find out why a server cannot be reached.
const KNOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// A connection without a transaction, and the turn it holds.
pub(super) struct Loose {
    pub(super) connection: PoolConnection<Postgres>,
    pub(super) turn: OwnedSemaphorePermit,
    /// When it came out of the pool.
    since: Instant,
    /// Of which pool it is.
    renewals: u64,
}

/// A transaction and the turn it holds. The transaction goes first when both are dropped.
pub(super) struct Begun {
    pub(super) tx: DatabaseTransaction,
    pub(super) turn: OwnedSemaphorePermit,
}

impl Source {
    /// Connections to a server, which come and go.
    pub(super) fn renewable(
        open: Open,
        place: Option<(String, u16)>,
        turns: u32,
        acquire_timeout: Duration,
        begin_timeout: Duration,
    ) -> Self {
        let pool = open();
        Self { reopen: Some(open), place, ..Self::lasting(pool, turns, acquire_timeout, begin_timeout) }
    }

    /// Connections to a file, which stay.
    pub(super) fn lasting(
        pool: DatabaseConnection,
        turns: u32,
        acquire_timeout: Duration,
        begin_timeout: Duration,
    ) -> Self {
        Self {
            pool: RwLock::new(pool),
            turns: Arc::new(Semaphore::new(turns as usize)),
            turns_max: turns,
            acquire_timeout,
            begin_timeout,
            reopen: None,
            place: None,
            health: Arc::default(),
            warm: Mutex::default(),
        }
    }

    fn warm(&self) -> MutexGuard<'_, Warm> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connections as they are now.
    pub(super) fn pool(&self) -> DatabaseConnection {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where to note that the database does not answer.
    pub(super) fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// Which database it is.
    pub(super) fn backend(&self) -> DbBackend {
        self.pool().get_database_backend()
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if self.reopen.is_some() {
            self.health.is_down()?;
        }
        timeout(self.acquire_timeout, self.turns.clone().acquire_owned())
            .await
            .map_err(|_| unavailable(AllBusy(self.acquire_timeout)))?
            .map_err(unavailable)
    }

    /// A connection without a transaction, waiting for a turn; the turn alone if the database has to be looked for, which
    /// [`Self::begin_in_turn`] does. Only for PostgreSQL.
    pub(super) async fn connection(&self) -> Result<Result<Loose, OwnedSemaphorePermit>, StoreError> {
        let turn = self.turn().await?;
        if self.health.is_down()? {
            return Ok(Err(turn));
        }
        let (renewals, spare) = {
            let mut warm = self.warm();
            warm.runtime.get_or_insert_with(Handle::current);
            (warm.renewals, warm.spare.pop())
        };
        // One that was at rest for longer goes back to the pool, which asks.
        if let Some(Spare { connection, since, kept_at }) = spare
            && kept_at.elapsed() < REST_MAX
        {
            return Ok(Ok(Loose { connection, turn, since, renewals }));
        }
        match self.pool().get_postgres_connection_pool().acquire().await {
            Ok(connection) => Ok(Ok(Loose { connection, turn, since: Instant::now(), renewals })),
            Err(_) => Ok(Err(turn)),
        }
    }

    /// Takes a connection back on which nothing is under way and nothing failed, to be the next one that is had.
    pub(super) fn keep(&self, loose: Loose) {
        let Loose { connection, turn, since, renewals } = loose;
        let mut warm = self.warm();
        let is_of_use = warm.renewals == renewals && since.elapsed() < WARM_FOR && !self.turns.is_closed();
        if is_of_use && warm.spare.len() < WARM_MAX {
            warm.spare.push(Spare { connection, since, kept_at: Instant::now() });
        } else {
            let _entered = warm.runtime.as_ref().map(Handle::enter);
            drop(connection);
        }
        drop(warm);
        // The turn is held until the connection can be had.
        drop(turn);
    }

    /// Gives the pool back what it has none of left.
    fn make_room(&self) {
        let PoolState { size, idle } = self.pool_state();
        if idle == 0 && size >= self.turns_max {
            self.warm().clear();
        }
    }

    /// Begins a transaction, waiting for a turn.
    pub(super) async fn begin(&self, options: TransactionOptions) -> Result<Begun, StoreError> {
        let turn = self.turn().await?;
        self.begin_in_turn(turn, options).await
    }

    /// Begins a transaction.
    pub(super) async fn begin_in_turn(
        &self,
        turn: OwnedSemaphorePermit,
        options: TransactionOptions,
    ) -> Result<Begun, StoreError> {
        if self.reopen.is_none() {
            return self.try_begin(options).await.map(|tx| Begun { tx, turn });
        }
        let _probe = if self.health.is_down()? {
            let probe = self.health.probe.try_lock().map_err(|_| unavailable(StillDown))?;
            self.renew();
            Some(probe)
        } else {
            None
        };
        let begun = self.try_begin(options).await;
        match &begun {
            Ok(_) => self.health.note(None),
            Err(StoreError::Unavailable(_)) => self.health.doubt(),
            Err(_) => {}
        }
        begun.map(|tx| Begun { tx, turn })
    }

    async fn try_begin(&self, options: TransactionOptions) -> Result<DatabaseTransaction, StoreError> {
        match timeout(self.begin_timeout, self.begin_on_a_live_connection(options)).await {
            Ok(begun) => begun,
            Err(_) => Err(unavailable(NoAnswer(self.begin_timeout))),
        }
    }

    /// Nothing has happened yet when BEGIN finds its connection dead, so the next one may be tried: after a restart of
    /// the database all that were idle are dead.
    async fn begin_on_a_live_connection(&self, options: TransactionOptions) -> Result<DatabaseTransaction, StoreError> {
        let mut left = self.turns_max;
        self.make_room();
        loop {
            let pool = self.pool();
            let error = match CarriedOn::new(async move { pool.begin_with_options(options).await }).await {
                Ok(tx) => return Ok(tx),
                Err(DbErr::ConnectionAcquire(error)) => return Err(self.unreachable(error).await),
                Err(error) => error,
            };
            let was_connected = matches!(error, DbErr::Exec(_) | DbErr::Query(_));
            let error = match sort(error, "the database") {
                // Nobody got there first: the file was busy all the time.
                StoreError::Conflict { .. } => return Err(unavailable(NoAnswer(self.begin_timeout))),
                error => error,
            };
            let is_dead = was_connected && matches!(error, StoreError::Unavailable(_));
            if left == 0 || !is_dead || self.reopen.is_none() {
                return Err(error);
            }
            left -= 1;
        }
    }

    /// Says why no connection could be had. The pool keeps that to itself, so the server's door is knocked at once more.
    async fn unreachable(&self, error: ConnAcquireErr) -> StoreError {
        let Some((host, port)) = &self.place else { return unavailable(DbErr::ConnectionAcquire(error)) };
        let place = format!("{host}:{port}");
        let cause = match timeout(KNOCK_TIMEOUT, TcpStream::connect((host.as_str(), *port))).await {
            Ok(Err(refused)) => refused.to_string(),
            Ok(Ok(_)) => "it takes connections, but lets nobody in".to_owned(),
            Err(_) => "nothing answers there".to_owned(),
        };
        unavailable(Unreachable { place, cause })
    }

    /// Leaves the old connections to whoever still uses them.
    fn renew(&self) {
        let Some(reopen) = &self.reopen else { return };
        let fresh = reopen();
        let old = std::mem::replace(&mut *self.pool.write().unwrap_or_else(PoisonError::into_inner), fresh);
        let mut warm = self.warm();
        warm.clear();
        warm.renewals += 1;
        drop(warm);
        // Closed from here on: what is idle now, and what is in use when it comes back. Nobody has to wait for that.
        drop(old.get_postgres_connection_pool().close());
    }

    /// Closes all connections, once those in use have come back.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        self.turns.close();
        self.warm().clear();
        self.pool().close().await.map_err(|error| sort(error, "the database"))
    }

    /// How many connections there are, and how many of them nobody uses.
    pub(super) fn state(&self) -> PoolState {
        let PoolState { size, idle } = self.pool_state();
        let warm = u32::try_from(self.warm().spare.len()).unwrap_or(u32::MAX);
        PoolState { size, idle: idle.saturating_add(warm) }
    }

    fn pool_state(&self) -> PoolState {
        let pool = self.pool();
        let (size, idle) = if pool.get_database_backend() == DbBackend::Postgres {
            let pool = pool.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        } else {
            let pool = pool.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        };
        PoolState { size, idle: u32::try_from(idle).unwrap_or(u32::MAX) }
    }
}
