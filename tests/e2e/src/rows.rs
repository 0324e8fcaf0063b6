//! A look behind the server's back: what stands in its tables.

use crate::Outcome;
use crate::store::Store;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// The tables in which a change of work shows.
const TABLES: [&str; 11] = [
    "audit_entries",
    "facts",
    "handoff_declines",
    "handoff_files",
    "handoffs",
    "idempotency_records",
    "leases",
    "task_attempts",
    "task_dependencies",
    "task_states",
    "tasks",
];

impl Store {
    /// Rows of one text column, in the order of the query.
    pub async fn texts(&self, sql: &str) -> Outcome<Vec<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        if let Some(database) = self.database() {
            let mut connection = PgConnectOptions::from_str(&database.dsn)?.connect().await?;
            let rows = sqlx::query_scalar(sql).fetch_all(&mut connection).await?;
            connection.close().await?;
            return Ok(rows);
        }
        let file = SqliteConnectOptions::new().filename(self.data().join("pointsman.db"));
        let mut connection = file.read_only(true).busy_timeout(Duration::from_secs(5)).connect().await?;
        let rows = sqlx::query_scalar(sql).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(rows)
    }

    /// Changes what stands in the tables, behind the server's back.
    pub async fn change(&self, sql: &str) -> Outcome {
        if let Some(database) = self.database() {
            return database.sql(sql).map(drop);
        }
        let file = SqliteConnectOptions::new().filename(self.data().join("pointsman.db"));
        let mut connection = file.busy_timeout(Duration::from_secs(5)).connect().await?;
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

/// Counts rows again and again and tells what became more or fewer.
#[derive(Debug)]
pub struct Census<'a> {
    store: &'a Store,
    counted: BTreeMap<String, i64>,
}

impl<'a> Census<'a> {
    /// From now on.
    pub async fn new(store: &'a Store) -> Outcome<Self> {
        Ok(Self { store, counted: count(store).await? })
    }

    /// What changed since the last look, such as `audit_entries+1 leases-2`, tables in order of their names.
    pub async fn change(&mut self) -> Outcome<String> {
        let now = count(self.store).await?;
        let changed = now.iter().filter_map(|(table, rows)| {
            let more = rows - self.counted.get(table).copied().unwrap_or_default();
            (more != 0).then(|| format!("{table}{more:+}"))
        });
        let told = changed.collect::<Vec<_>>().join(" ");
        self.counted = now;
        Ok(told)
    }
}

async fn count(store: &Store) -> Outcome<BTreeMap<String, i64>> {
    let each = TABLES.map(|table| format!("SELECT '{table} ' || count(*) FROM {table}"));
    let rows = store.texts(&each.join(" UNION ALL ")).await?;
    rows.iter()
        .map(|row| {
            let (table, rows) = row.split_once(' ').unwrap_or_default();
            Ok((table.to_owned(), rows.parse()?))
        })
        .collect()
}
