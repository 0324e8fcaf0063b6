//! The store's clock: the database's own on PostgreSQL, the process's on SQLite, or one that was passed in.

use crate::sea::error::corrupt;
use chrono::{DateTime, SubsecRound, Utc};
use ports::clock::Clock;
use ports::store::StoreError;
use std::sync::Arc;

/// SQL for the clock of PostgreSQL in whole microseconds, read when the row is made and not when the transaction began.
pub(super) const CLOCK_US: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// Where a store takes its time from.
#[derive(Clone)]
pub(super) enum StoreClock {
    /// The database.
    Database,
    /// The process, or a test.
    Given(Arc<dyn Clock>),
}

impl StoreClock {
    /// The instant, given what the database said.
    pub(super) fn instant(&self, database_us: i64) -> Result<DateTime<Utc>, StoreError> {
        match self {
            Self::Database => from_us(database_us)
                .ok_or_else(|| corrupt("clock", "now", database_us, "the database's clock is out of range")),
            Self::Given(clock) => Ok(clock.now().trunc_subsecs(6)),
        }
    }
}

/// An instant as stored.
pub(super) fn to_us(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// A stored instant.
pub(super) fn from_us(us: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(us)
}

/// A stored instant of a row.
pub(super) fn instant(us: i64, table: &str, column: &str, row: &str) -> Result<DateTime<Utc>, StoreError> {
    from_us(us).ok_or_else(|| corrupt(table, column, row, format!("{us} µs is no instant")))
}

/// A stored instant of a row, if there is one.
pub(super) fn instant_maybe(
    us: Option<i64>,
    table: &str,
    column: &str,
    row: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    us.map(|us| instant(us, table, column, row)).transpose()
}
