//! Units of work that lock nothing: one statement reads ahead, one statement writes, and the second one fails if what the
//! first one read is not true any more. So a decision costs PostgreSQL two round trips.
//!
//! Everything that is decided under a project's lock table changes the table's revision. What was read at a revision is
//! true as long as the revision stands, and the statement that writes raises it, or writes nothing.

use crate::sea::clock::CLOCK_US;
use crate::sea::dialect::{IF_STILL, renumbered};
use crate::sea::source::Loose;
use domain::ids::ProjectId;
use ports::locks::TableHead;
use sea_orm::sqlx::{AssertSqlSafe, PgConnection, query_with};
use sea_orm::{DbBackend, DbErr, QueryResult, RuntimeErr, Statement, Value};
use sea_query_sqlx::SqlxValues;
use std::fmt::Write;
use std::sync::Arc;

/// A unit of work that has not begun a transaction.
pub(super) struct Optimistic {
    pub(super) loose: Loose,
    /// The lock table that everything hangs on, as it was read.
    pub(super) read: Option<Read>,
    /// What is to be written, in order.
    pub(super) later: Vec<Later>,
    /// How many statements have read. A single one sees everything as of one instant.
    pub(super) reads: u32,
    /// Whether nothing is under way on the connection and nothing failed.
    pub(super) is_at_rest: bool,
}

/// A lock table as it was read.
pub(super) struct Read {
    pub(super) project: ProjectId,
    pub(super) head: TableHead,
    pub(super) revision: i64,
}

impl Read {
    /// Locks the table if it is still what was read, raises its revision, and writes what it has become; one row, or none.
    ///
    /// Where another transaction has the row locked, this waits, and looks again at what that transaction made of it.
    pub(super) fn guard(&self, now: TableHead) -> Statement {
        let sql = "UPDATE lock_tables SET revision = revision + 1, last_token = $4, version = version + $5 \
             WHERE project_id = $1 AND revision = $2 AND last_token = $3";
        let Self { project, head, revision } = self;
        let raised = now.version - head.version;
        let values: [Value; 5] =
            [project.as_str().into(), (*revision).into(), head.last_token.into(), now.last_token.into(), raised.into()];
        Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
    }
}

/// A write that waits for the commit.
pub(super) struct Later {
    pub(super) statement: Statement,
    /// How many rows it must write.
    pub(super) rows: Option<u64>,
    /// Whether it adds rows that no other part is about, so that it does not matter when.
    pub(super) is_last: bool,
    pub(super) what: &'static str,
}

impl Optimistic {
    pub(super) fn new(loose: Loose) -> Self {
        Self { loose, read: None, later: Vec::new(), reads: 0, is_at_rest: true }
    }

    /// Runs a statement on its own.
    pub(super) async fn query(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.reads += 1;
        self.run(statement).await
    }

    async fn run(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.is_at_rest = false;
        let rows = query(&mut self.loose.connection, statement).await?;
        self.is_at_rest = true;
        Ok(rows)
    }

    /// Writes everything that waits, if the lock table is still what was read, and becomes `now`; answers whether it is.
    /// A part that does not write the rows it had to is an error of its own, [`is_overtaken`].
    pub(super) async fn write(&mut self, now: Option<TableHead>) -> Result<bool, DbErr> {
        let Some(read) = &self.read else { return Ok(true) };
        let later = std::mem::take(&mut self.later);
        let now = now.unwrap_or(read.head);
        let statement = if !later.is_empty() || now != read.head {
            all_in_one(read, now, later)
        } else if self.reads > 1 {
            still(read)
        } else {
            return Ok(true);
        };
        let row = self.run(statement).await?.pop();
        let stands: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(stands == Some(1))
    }
}

async fn query(connection: &mut PgConnection, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
    let Statement { sql, values, .. } = statement;
    // What a statement says is written in this crate; what callers say travels in the arguments.
    let query = query_with(AssertSqlSafe(sql), SqlxValues(values.unwrap_or_else(|| sea_orm::Values(Vec::new()))));
    let rows = query.fetch_all(connection).await;
    let rows = rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))?;
    Ok(rows.into_iter().map(QueryResult::from).collect())
}

/// `division_by_zero`, by which a statement of ours says that a part of it did not write what it had to, so that nothing
/// of it is kept. Nothing else divides.
const OVERTAKEN: &str = "22012";

/// Whether a part of a statement did not write what it had to.
pub(super) fn is_overtaken(error: &DbErr) -> bool {
    let DbErr::Query(RuntimeErr::SqlxError(error)) = error else { return false };
    matches!(&**error, sea_orm::SqlxError::Database(complaint) if complaint.code().as_deref() == Some(OVERTAKEN))
}

/// All writes as one statement, which answers first whether the table was what was read: 1, or 0 and nothing is written,
/// without an error that would fill the log of a database on which servers meet. Each part waits for the guard by its
/// [`IF_STILL`], and for the one before, as they are run when their counts are asked for; those that may come last are not
/// asked, and PostgreSQL runs them at the end. A part that has no such
/// condition, or does not write the rows it had to, ends the statement, which then has written nothing.
fn all_in_one(read: &Read, now: TableHead, later: Vec<Later>) -> Statement {
    let Statement { sql: guard, values, .. } = read.guard(now);
    let mut values: Vec<Value> = values.into_iter().flatten().collect();
    let mut with = format!("WITH guard AS ({guard} RETURNING 1)");
    let stands = if later.iter().all(|part| part.statement.sql.contains(IF_STILL)) { "" } else { "1 / " };
    let mut counts = format!("SELECT {stands}(SELECT count(*) FROM guard)");
    for (at, Later { statement, rows, is_last, what: _ }) in later.into_iter().enumerate() {
        let part = renumbered(&statement.sql, values.len()).replace(IF_STILL, "EXISTS (SELECT 1 FROM guard)");
        values.extend(statement.values.into_iter().flatten());
        // Writing to a string cannot fail.
        if is_last {
            let _ = write!(with, ", w{at} AS ({part})");
            continue;
        }
        let _ = write!(with, ", w{at} AS ({part} RETURNING 1)");
        let _ = match rows {
            None => write!(counts, ", (SELECT count(*) FROM w{at})"),
            Some(rows) => {
                values.push(i64::try_from(rows).unwrap_or(i64::MAX).into());
                let wanted =
                    format!("(SELECT count(*) FROM guard) = 0 OR (SELECT count(*) FROM w{at}) = ${}", values.len());
                write!(counts, ", 1 / (CASE WHEN {wanted} THEN 1 ELSE 0 END)")
            }
        };
    }
    Statement::from_sql_and_values(DbBackend::Postgres, format!("{with} {counts}"), values)
}

/// Whether the lock table is still what was read.
fn still(read: &Read) -> Statement {
    let sql = "SELECT count(*) FROM lock_tables WHERE project_id = $1 AND revision = $2 AND last_token = $3";
    let values = [read.project.as_str().into(), read.revision.into(), read.head.last_token.into()];
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// The one instant of queries that are asked together, in microseconds. It is later than what they see.
pub(super) const NOW_US: &str = "(SELECT us FROM clock)";

/// Many queries as one, each answering its rows as one text of JSON.
pub(super) fn asked_together(queries: &[Statement]) -> Statement {
    let mut values: Vec<Value> = Vec::new();
    let mut sql = format!("WITH clock AS MATERIALIZED (SELECT {CLOCK_US} AS us) SELECT ");
    for (at, query) in queries.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let part = renumbered(&query.sql, values.len());
        values.extend(query.values.clone().into_iter().flatten());
        // Writing to a string cannot fail.
        let _ = write!(sql, "{comma}(SELECT COALESCE(json_agg(q), '[]')::text FROM ({part}) AS q) AS a{at}");
    }
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(conditions: &[&str]) -> String {
        let project = ProjectId::parse("default").unwrap();
        let head = TableHead { now: chrono::DateTime::UNIX_EPOCH, last_token: 1, version: 1 };
        let part = |condition: &&str| Later {
            statement: Statement::from_string(DbBackend::Postgres, format!("DELETE FROM waiters WHERE {condition}")),
            rows: None,
            is_last: false,
            what: "waiters",
        };
        all_in_one(&Read { project, head, revision: 1 }, head, conditions.iter().map(part).collect()).sql
    }

    #[test]
    fn a_part_that_would_not_ask_the_guard_is_ended_by_an_error() {
        let asking = written(&[IF_STILL, IF_STILL]);
        assert_eq!(asking.matches("EXISTS (SELECT 1 FROM guard)").count(), 2);
        assert!(asking.contains("SELECT (SELECT count(*) FROM guard)"), "{asking}");
        let careless = written(&[IF_STILL, "true"]);
        assert!(careless.contains("SELECT 1 / (SELECT count(*) FROM guard)"), "{careless}");
    }
}
