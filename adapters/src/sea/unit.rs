//! The unit of work: one transaction, or on PostgreSQL none until it must be one, see [`crate::sea::optimistic`].

use crate::sea::ahead::Ahead;
use crate::sea::clock::StoreClock;
use crate::sea::dialect::Dialect;
use crate::sea::engines::Found;
use crate::sea::error::{NoAnswer, failed, is_standby, sort, unavailable};
use crate::sea::optimistic::{Later, Optimistic, is_overtaken};
use crate::sea::sidecar::Sidecar;
use crate::sea::source::{Begun, Source};
use crate::sea::transaction_options;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::RequestName;
use domain::ids::ProjectId;
use ports::locks::TableHead;
use ports::store::{StoreError, UnitOfWork};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryResult, QuerySelect, QueryTrait, Select, Statement,
    Value,
};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What a unit of work may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What is fought for where nothing was locked.
const OVERTAKEN: &str = "the lock table, or what it guards,";

/// A commit after a failed call: the database may have rolled back already, so nothing is committed.
#[derive(Debug, thiserror::Error)]
#[error("a call of this unit of work failed, so it can only be dropped")]
struct FailedBefore;

/// Where the statements of a unit of work are run.
pub(super) enum On {
    /// In a transaction.
    Transaction(Begun),
    /// Each on its own, and the writes all in one at the end.
    Optimistic(Box<Optimistic>),
    /// Nowhere any more: it could not become a transaction.
    Nothing,
}

/// A unit of work that was to become a transaction and could not.
#[derive(Debug, thiserror::Error)]
#[error("this unit of work has no connection any more")]
struct NoConnection;

/// One transaction on a database. Dropping it rolls back.
pub struct SeaUnitOfWork {
    pub(super) on: On,
    pub(super) source: Arc<Source>,
    pub(super) access: Access,
    pub(super) dialect: Dialect,
    pub(super) clock: StoreClock,
    /// What the database could do when this began.
    pub(super) found: Found,
    pub(super) statement_timeout: Duration,
    pub(super) sidecar: Option<Arc<Sidecar>>,
    /// Whether something was taken away for good, see [`crate::sea::erase`].
    pub(super) has_erased: bool,
    /// Whether a call failed. Then nothing is committed: PostgreSQL would answer such a COMMIT as if all were well.
    is_spoiled: bool,
    /// The lock tables locked here, as they are now.
    pub(super) tables: BTreeMap<ProjectId, TableHead>,
    pub(super) ahead: Ahead,
    /// Requests that were looked for and have no record.
    pub(super) requests_new: BTreeSet<RequestName>,
}

impl SeaUnitOfWork {
    pub(super) fn new(
        on: On,
        source: Arc<Source>,
        access: Access,
        clock: StoreClock,
        found: Found,
        statement_timeout: Duration,
        sidecar: Option<Arc<Sidecar>>,
    ) -> Self {
        Self {
            on,
            access,
            dialect: Dialect(source.backend()),
            source,
            clock,
            found,
            statement_timeout,
            sidecar,
            has_erased: false,
            is_spoiled: false,
            tables: BTreeMap::new(),
            ahead: Ahead::default(),
            requests_new: BTreeSet::new(),
        }
    }

    /// The suffix that keeps found rows as they are until commit; nothing in a unit of work that only reads.
    pub(super) fn for_update(&self) -> &'static str {
        match self.access {
            Access::Write => self.dialect.for_update(),
            Access::Read => "",
        }
    }

    /// Makes a statement.
    pub(super) fn statement(&self, sql: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.dialect.0, sql, values)
    }

    /// Notes a failure found here, such as a row that should have been there.
    pub(super) fn spoil(&mut self, error: StoreError) -> StoreError {
        self.is_spoiled = true;
        error
    }

    /// Passes an outcome on, and notes if it is a failure.
    pub(super) fn check<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        outcome.map_err(|error| self.spoil(error))
    }

    /// A conflict unless exactly this many rows were written.
    pub(super) fn expect_rows(&mut self, written: u64, wanted: u64, what: &'static str) -> Result<(), StoreError> {
        if written == wanted { Ok(()) } else { Err(self.spoil(StoreError::Conflict { what })) }
    }

    /// Reads rows of a table.
    pub(super) async fn rows<R: FromQueryResult>(
        &mut self,
        statement: Statement,
        what: &'static str,
    ) -> Result<Vec<R>, StoreError> {
        let found = self.query(statement, what).await?;
        let rows: Result<Vec<R>, DbErr> = found.iter().map(|row| R::from_query_result(row, "")).collect();
        rows.map_err(|error| self.spoil(StoreError::Corrupt { what: what.to_owned(), source: Box::new(error) }))
    }

    /// After a first query that found no database: another connection may. Nothing has happened yet.
    pub(super) async fn start_over(&mut self) -> Result<(), StoreError> {
        self.is_spoiled = false;
        self.hold().await
    }

    /// Whether this is an optimistic unit of work, of this project so far or of none.
    pub(super) fn optimistic(&mut self, project: &ProjectId) -> Option<&mut Optimistic> {
        match &mut self.on {
            On::Optimistic(optimistic) if optimistic.read.as_ref().is_none_or(|read| read.project == *project) => {
                Some(optimistic)
            }
            _ => None,
        }
    }

    pub(super) async fn query(
        &mut self,
        statement: Statement,
        what: &'static str,
    ) -> Result<Vec<QueryResult>, StoreError> {
        if matches!(&self.on, On::Optimistic(optimistic) if !optimistic.later.is_empty()) {
            self.hold().await?;
        }
        let found = match &mut self.on {
            On::Transaction(begun) => timeout(self.statement_timeout, begun.tx.query_all_raw(statement)).await,
            On::Optimistic(optimistic) => timeout(self.statement_timeout, optimistic.query(statement)).await,
            On::Nothing => return Err(self.spoil(failed(NoConnection))),
        };
        self.settle(found, what)
    }

    /// Reads at most one row of a table.
    pub(super) async fn row<R: FromQueryResult>(
        &mut self,
        statement: Statement,
        what: &'static str,
    ) -> Result<Option<R>, StoreError> {
        Ok(self.rows(statement, what).await?.pop())
    }

    /// Writes at once; answers how many rows.
    pub(super) async fn run(&mut self, statement: Statement, what: &'static str) -> Result<u64, StoreError> {
        self.hold().await?;
        self.ahead.forget();
        let On::Transaction(begun) = &self.on else { return Err(self.spoil(failed(NoConnection))) };
        let done = timeout(self.statement_timeout, begun.tx.execute_raw(statement)).await;
        Ok(self.settle(done, what)?.rows_affected())
    }

    /// Writes, at the commit at the latest; a conflict unless exactly so many rows were written, if that is given. What is
    /// written so in one unit of work MUST NOT depend on each other but for the order, nor change one row twice.
    pub(super) async fn write(
        &mut self,
        statement: Statement,
        rows: Option<u64>,
        what: &'static str,
    ) -> Result<(), StoreError> {
        if let On::Optimistic(optimistic) = &mut self.on
            && optimistic.read.is_some()
            && self.access == Access::Write
        {
            self.ahead.forget();
            optimistic.later.push(Later { statement, rows, is_last: false, what });
            return Ok(());
        }
        let written = self.run(statement, what).await?;
        rows.map_or(Ok(()), |rows| self.expect_rows(written, rows, what))
    }

    /// As [`Self::write`], of new rows that nothing else in the unit of work is about; they may be written last.
    pub(super) async fn write_last(&mut self, statement: Statement, what: &'static str) -> Result<(), StoreError> {
        self.write(statement, None, what).await?;
        if let On::Optimistic(optimistic) = &mut self.on {
            optimistic.later.last_mut().into_iter().for_each(|part| part.is_last = true);
        }
        Ok(())
    }

    /// From here on everything happens in a transaction, with the lock table locked if it was read.
    pub(super) async fn hold(&mut self) -> Result<(), StoreError> {
        if !matches!(self.on, On::Optimistic(_)) {
            return Ok(());
        }
        let On::Optimistic(optimistic) = std::mem::replace(&mut self.on, On::Nothing) else { return Ok(()) };
        let Optimistic { loose, read, later, .. } = *optimistic;
        drop(loose.connection);
        let options = transaction_options(self.dialect.0, self.access);
        let begun = self.source.begin_in_turn(loose.turn, options).await;
        self.on = On::Transaction(self.check(begun)?);
        let Some(read) = read else { return Ok(()) };
        let now = self.tables.get(&read.project).copied().unwrap_or(read.head);
        let guard = Later { statement: read.guard(now), rows: Some(1), is_last: false, what: OVERTAKEN };
        for Later { statement, rows, is_last: _, what } in std::iter::once(guard).chain(later) {
            let On::Transaction(begun) = &self.on else { return Err(self.spoil(failed(NoConnection))) };
            let done = timeout(self.statement_timeout, begun.tx.execute_raw(statement)).await;
            let written = self.settle(done, what)?.rows_affected();
            self.expect_rows(written, rows.unwrap_or(written), what)?;
        }
        Ok(())
    }

    /// Writes what a query of the ORM says; answers how many rows.
    pub(super) async fn run_query(&mut self, query: &impl QueryTrait, what: &'static str) -> Result<u64, StoreError> {
        let statement = query.build(self.dialect.0);
        self.run(statement, what).await
    }

    /// Reads the things that a query of the ORM finds.
    pub(super) async fn find_all<E, T>(&mut self, select: Select<E>, what: &'static str) -> Result<Vec<T>, StoreError>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let statement = select.build(self.dialect.0);
        let rows: Vec<E::Model> = self.rows(statement, what).await?;
        self.read_rows(rows)
    }

    /// As [`Self::find_all`], by a query that may have been asked ahead.
    pub(super) async fn find_all_ahead<E, T>(
        &mut self,
        select: Select<E>,
        what: &'static str,
    ) -> Result<Vec<T>, StoreError>
    where
        E: EntityTrait<Model: DeserializeOwned>,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let statement = select.build(self.dialect.0);
        let rows: Vec<E::Model> = self.rows_ahead(statement, what).await?;
        self.read_rows(rows)
    }

    /// Reads the one thing that a query of the ORM finds, and keeps it as it is until commit if this may write.
    pub(super) async fn find_one<E, T>(
        &mut self,
        select: Select<E>,
        what: &'static str,
    ) -> Result<Option<T>, StoreError>
    where
        E: EntityTrait,
        T: TryFrom<E::Model, Error = StoreError>,
    {
        let select = match self.access {
            Access::Write => {
                self.hold().await?;
                // SQLite has no such words and needs none; the builder leaves them out there.
                select.lock_exclusive()
            }
            Access::Read => select,
        };
        Ok(self.find_all(select, what).await?.pop())
    }

    /// Turns rows into what they stand for.
    pub(super) fn read_rows<R, T: TryFrom<R, Error = StoreError>>(
        &mut self,
        rows: Vec<R>,
    ) -> Result<Vec<T>, StoreError> {
        let read = rows.into_iter().map(T::try_from).collect();
        self.check(read)
    }

    fn settle<T>(
        &mut self,
        outcome: Result<Result<T, DbErr>, tokio::time::error::Elapsed>,
        what: &'static str,
    ) -> Result<T, StoreError> {
        let error = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if self.access == Access::Write && is_standby(&error) => {
                self.source.health().doubt();
                unavailable(error)
            }
            Ok(Err(error)) if is_overtaken(&error) => StoreError::Conflict { what: OVERTAKEN },
            Ok(Err(error)) => sort(error, what),
            Err(_) => {
                self.source.health().doubt();
                unavailable(NoAnswer(self.statement_timeout))
            }
        };
        Err(self.spoil(error))
    }

    /// Commits, unless something failed before.
    pub(super) async fn finish(mut self) -> Result<(), StoreError> {
        if self.is_spoiled {
            return Err(failed(FailedBefore));
        }
        match std::mem::replace(&mut self.on, On::Nothing) {
            On::Transaction(Begun { tx, turn }) => {
                let done = timeout(self.statement_timeout, tx.commit()).await;
                let done = self.settle(done, "the commit");
                if self.has_erased && done.is_ok() {
                    self.empty_log().await;
                }
                // The turn is held until the transaction is over.
                drop(turn);
                done
            }
            On::Optimistic(mut optimistic) => {
                let now = optimistic.read.as_ref().and_then(|read| self.tables.get(&read.project)).copied();
                let done = timeout(self.statement_timeout, optimistic.write(now)).await;
                let is_still = self.settle(done, "the commit")?;
                self.source.keep(optimistic.loose);
                if is_still { Ok(()) } else { Err(StoreError::Conflict { what: OVERTAKEN }) }
            }
            On::Nothing => Err(failed(NoConnection)),
        }
    }

    /// A transaction for what stands outside the repositories, such as migrations. Whoever takes it does without the
    /// statement timeout.
    pub(super) async fn transaction(&mut self) -> Result<&sea_orm::DatabaseTransaction, StoreError> {
        self.hold().await?;
        match &self.on {
            On::Transaction(begun) => Ok(&begun.tx),
            On::Optimistic(_) | On::Nothing => Err(failed(NoConnection)),
        }
    }
}

impl Drop for SeaUnitOfWork {
    fn drop(&mut self) {
        if let On::Optimistic(optimistic) = std::mem::replace(&mut self.on, On::Nothing)
            && optimistic.is_at_rest
        {
            self.source.keep(optimistic.loose);
        }
    }
}

#[derive(FromQueryResult)]
struct NowRow {
    now_us: i64,
}

#[async_trait]
impl UnitOfWork for SeaUnitOfWork {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        let StoreClock::Database = self.clock else { return self.clock.instant(0) };
        let statement = self.statement(format!("SELECT {} AS now_us", self.dialect.clock()), []);
        let row: Option<NowRow> = self.row(statement, "clock").await?;
        let now_us = row.map_or(0, |row| row.now_us);
        self.clock.instant(now_us)
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.finish().await
    }
}
