//! The unit of work: one transaction. Every statement passes through the three methods at the end.

use crate::sea::clock::StoreClock;
use crate::sea::dialect::{Column, Dialect};
use crate::sea::error::{NoAnswer, failed, is_standby, sort, unavailable};
use crate::sea::sidecar::Sidecar;
use crate::sea::source::{Begun, Health};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::ProjectId;
use ports::locks::TableHead;
use ports::store::{StoreError, UnitOfWork};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QuerySelect, QueryTrait, Select, Statement, Value,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What a unit of work may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A commit after a failed call: the database may have rolled back already, so nothing is committed.
#[derive(Debug, thiserror::Error)]
#[error("a call of this unit of work failed, so it can only be dropped")]
struct FailedBefore;

/// One transaction on a database. Dropping it rolls back.
pub struct SeaUnitOfWork {
    begun: Begun,
    pub(super) access: Access,
    pub(super) dialect: Dialect,
    pub(super) clock: StoreClock,
    statement_timeout: Duration,
    health: Arc<Health>,
    pub(super) sidecar: Option<Arc<Sidecar>>,
    /// Whether a call failed. Then nothing is committed: PostgreSQL would answer such a COMMIT as if all were well.
    is_spoiled: bool,
    /// The lock tables locked here, as they are now.
    pub(super) tables: BTreeMap<ProjectId, TableHead>,
}

impl SeaUnitOfWork {
    pub(super) fn new(
        begun: Begun,
        access: Access,
        clock: StoreClock,
        statement_timeout: Duration,
        health: Arc<Health>,
        sidecar: Option<Arc<Sidecar>>,
    ) -> Self {
        let dialect = Dialect(begun.tx.get_database_backend());
        Self {
            begun,
            access,
            dialect,
            clock,
            statement_timeout,
            health,
            sidecar,
            is_spoiled: false,
            tables: BTreeMap::new(),
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
        let found = timeout(self.statement_timeout, self.begun.tx.query_all_raw(statement)).await;
        let found = self.settle(found, what)?;
        let rows: Result<Vec<R>, DbErr> = found.iter().map(|row| R::from_query_result(row, "")).collect();
        rows.map_err(|error| self.spoil(StoreError::Corrupt { what: what.to_owned(), source: Box::new(error) }))
    }

    /// Reads at most one row of a table.
    pub(super) async fn row<R: FromQueryResult>(
        &mut self,
        statement: Statement,
        what: &'static str,
    ) -> Result<Option<R>, StoreError> {
        Ok(self.rows(statement, what).await?.pop())
    }

    /// Writes; answers how many rows.
    pub(super) async fn run(&mut self, statement: Statement, what: &'static str) -> Result<u64, StoreError> {
        let done = timeout(self.statement_timeout, self.begun.tx.execute_raw(statement)).await;
        Ok(self.settle(done, what)?.rows_affected())
    }

    /// Writes many rows as one statement; `tail` is what to do on conflict, or nothing.
    pub(super) async fn insert_rows(
        &mut self,
        table: &'static str,
        columns: &[Column],
        tail: &str,
        rows: &[impl Serialize + Sync],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows = serde_json::to_string(rows).map_err(failed);
        let rows = self.check(rows)?;
        let statement = self.statement(self.dialect.insert(table, columns, tail), [rows.into()]);
        self.run(statement, table).await.map(|_| ())
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
            // SQLite has no such words and needs none; the builder leaves them out there.
            Access::Write => select.lock_exclusive(),
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
                self.health.doubt();
                unavailable(error)
            }
            Ok(Err(error)) => sort(error, what),
            Err(_) => {
                self.health.doubt();
                unavailable(NoAnswer(self.statement_timeout))
            }
        };
        Err(self.spoil(error))
    }

    /// Commits, unless something failed before.
    pub(super) async fn finish(self) -> Result<(), StoreError> {
        if self.is_spoiled {
            return Err(failed(FailedBefore));
        }
        // The turn is held until the transaction is over.
        let Begun { tx, turn: _turn } = self.begun;
        match timeout(self.statement_timeout, tx.commit()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(sort(error, "the commit")),
            Err(_) => {
                self.health.doubt();
                Err(unavailable(NoAnswer(self.statement_timeout)))
            }
        }
    }

    /// A transaction for what stands outside the repositories, such as migrations. Whoever takes it does without the
    /// statement timeout.
    pub(super) fn transaction(&self) -> &sea_orm::DatabaseTransaction {
        &self.begun.tx
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
