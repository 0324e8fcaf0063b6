//! What the databases complain about, in the words of the port. Everything passes through here once.

use ports::store::StoreError;
use sea_orm::{DbErr, RuntimeErr, SqlxError};
use std::fmt::Display;
use std::time::Duration;

/// A database that did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer within {} ms", .0.as_millis())]
pub(crate) struct NoAnswer(pub(crate) Duration);

/// A server that no connection could be opened to.
#[derive(Debug, thiserror::Error)]
#[error("the database at {place} cannot be reached: {cause}")]
pub(crate) struct Unreachable {
    /// Its host and port.
    pub(crate) place: String,
    /// What was found there.
    pub(crate) cause: String,
}

/// All connections are in use.
#[derive(Debug, thiserror::Error)]
#[error("no connection became free within {} ms", .0.as_millis())]
pub(crate) struct AllBusy(pub(crate) Duration);

/// The last attempt to reach the database failed, and somebody is trying again right now.
#[derive(Debug, thiserror::Error)]
#[error("the database was not reachable a moment ago")]
pub(crate) struct StillDown;

/// A value of a row that is not what its column may hold.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a known value")]
pub(crate) struct UnknownValue(pub(crate) String);

pub(crate) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

pub(crate) fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Failed(error.into())
}

/// A row that cannot be read.
pub(crate) fn corrupt(
    table: &str,
    column: &str,
    row: impl Display,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt { what: format!("{table}.{column} of {row}"), source: error.into() }
}

/// Sorts an error of the driver; `what` is what was being read or written.
pub(crate) fn sort(error: DbErr, what: &'static str) -> StoreError {
    let sqlx = match &error {
        DbErr::ConnectionAcquire(_) => return unavailable(error),
        DbErr::Conn(RuntimeErr::SqlxError(sqlx))
        | DbErr::Exec(RuntimeErr::SqlxError(sqlx))
        | DbErr::Query(RuntimeErr::SqlxError(sqlx)) => sqlx.clone(),
        _ => return failed(error),
    };
    match &*sqlx {
        SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed
        | SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::BeginFailed => unavailable(error),
        SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) => {
            StoreError::Corrupt { what: what.to_owned(), source: Box::new(error) }
        }
        SqlxError::Database(complaint) => {
            let code = complaint.code().unwrap_or_default();
            let kind = if complaint.try_downcast_ref::<sea_orm::SqlxSqliteError>().is_some() {
                sqlite(&code)
            } else {
                postgres(&code)
            };
            match kind {
                Kind::Conflict => StoreError::Conflict { what },
                Kind::Unavailable => unavailable(error),
                Kind::Corrupt => StoreError::Corrupt { what: what.to_owned(), source: Box::new(error) },
                Kind::Failed => failed(error),
            }
        }
        _ => failed(error),
    }
}

/// `read_only_sql_transaction`: writing was refused.
const STANDBY: &str = "25006";

/// Whether writing was refused as on a standby, which happens when the primary was replaced under our connections.
pub(crate) fn is_standby(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(sqlx)) | DbErr::Query(RuntimeErr::SqlxError(sqlx))) = error else {
        return false;
    };
    matches!(&**sqlx, SqlxError::Database(complaint) if complaint.code().as_deref() == Some(STANDBY))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Conflict,
    Unavailable,
    Corrupt,
    Failed,
}

/// By SQLSTATE.
fn postgres(code: &str) -> Kind {
    match code {
        // unique_violation, serialization_failure, deadlock_detected, lock_not_available
        "23505" | "40001" | "40P01" | "55P03" => Kind::Conflict,
        // statement, idle-in-transaction and transaction timeouts; too many connections; out of disk or memory; shutdown,
        // crash, start-up, dropped database, idle session; an error of the disk
        "57014" | "25P03" | "25P04" | "53300" | "53100" | "53200" | "57P01" | "57P02" | "57P03" | "57P04" | "57P05"
        | "58030" => Kind::Unavailable,
        "XX001" | "XX002" => Kind::Corrupt,
        _ if code.starts_with("08") => Kind::Unavailable,
        _ => Kind::Failed,
    }
}

/// By extended result code, whose lowest byte is the primary one.
fn sqlite(code: &str) -> Kind {
    let Ok(code) = code.parse::<i32>() else { return Kind::Failed };
    match (code, code & 0xFF) {
        // CONSTRAINT_PRIMARYKEY, CONSTRAINT_UNIQUE; BUSY, LOCKED
        (1555 | 2067, _) | (_, 5 | 6) => Kind::Conflict,
        // NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN
        (_, 7 | 9 | 10 | 13 | 14) => Kind::Unavailable,
        // CORRUPT, NOTADB
        (_, 11 | 26) => Kind::Corrupt,
        _ => Kind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_complaints_are_sorted_by_sqlstate() {
        for code in ["23505", "40001", "40P01", "55P03"] {
            assert_eq!(postgres(code), Kind::Conflict, "{code}");
        }
        for code in ["57014", "57P01", "57P02", "57P03", "53300", "08006", "08001", "25P03", "53100"] {
            assert_eq!(postgres(code), Kind::Unavailable, "{code}");
        }
        for code in ["42P01", "25006", "22P02", "42501", "28P01", "25P02", ""] {
            assert_eq!(postgres(code), Kind::Failed, "{code}");
        }
        assert_eq!(postgres("XX001"), Kind::Corrupt);
    }

    #[test]
    fn sqlite_complaints_are_sorted_by_result_code() {
        for code in ["5", "517", "261", "773", "6", "262", "1555", "2067"] {
            assert_eq!(sqlite(code), Kind::Conflict, "{code}");
        }
        for code in ["13", "10", "266", "778", "14", "9"] {
            assert_eq!(sqlite(code), Kind::Unavailable, "{code}");
        }
        for code in ["1", "8", "1811", "275", "1299", "3091", "x"] {
            assert_eq!(sqlite(code), Kind::Failed, "{code}");
        }
        assert_eq!(sqlite("11"), Kind::Corrupt);
        assert_eq!(sqlite("26"), Kind::Corrupt);
    }

    #[test]
    fn a_pool_that_ran_dry_is_unavailable() {
        let error = DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout);
        assert!(matches!(sort(error, "anything"), StoreError::Unavailable(_)));
    }
}
