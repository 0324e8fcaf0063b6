//! The databases of a run: what they are to the server, and a look behind its back.

use crate::server::{Settings, migrate};
use crate::target::{CONNECTIONS, Site};
use anyhow::{Context, Result, anyhow};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// One database, with the product's tables.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite { folder: PathBuf },
    Postgres { dsn: String },
}

impl Database {
    /// A folder for the embedded database.
    pub(crate) fn sqlite(work: &Path, name: &str) -> Self {
        Self::Sqlite { folder: work.join(name) }
    }

    /// A new, empty database in a cluster.
    pub(crate) async fn create_postgres(cluster_dsn: &str, name: &str) -> Result<Self> {
        let mut connection = PgConnectOptions::from_str(cluster_dsn)?.connect().await?;
        let statement = format!("CREATE DATABASE {name}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await?;
        Ok(Self::Postgres { dsn: with_database(cluster_dsn, name)? })
    }

    /// What tells the server to use it, over so many connections at most.
    pub(crate) fn settings(&self, connections: u32) -> Settings {
        match self {
            Self::Sqlite { folder } => vec![("POINTSMAN_DATA", folder.into())],
            Self::Postgres { dsn } => vec![
                ("DB_BACKEND", "postgres".into()),
                ("POSTGRES_DSN", dsn.into()),
                ("POSTGRES_POOL_MAX", connections.to_string().into()),
            ],
        }
    }

    pub(crate) fn sqlite_options(folder: &Path) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(folder.join("pointsman.db"))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
    }

    pub(crate) fn postgres_options(dsn: &str) -> Result<PgConnectOptions> {
        PgConnectOptions::from_str(dsn).context("the database's connection string")
    }

    /// Makes the product's tables.
    pub(crate) async fn migrate(&self, site: &Site, store: &str) -> Result<()> {
        migrate(&site.program, &self.settings(CONNECTIONS), &site.work.join(format!("{store}-migrate.log"))).await
    }

    /// Leaves it as if it had been at rest for a while after so many tokens were given.
    pub(crate) async fn settle(&self, tokens: i64) -> Result<()> {
        let given = "UPDATE lock_tables SET last_token = $1 WHERE project_id = 'default'";
        match self {
            Self::Sqlite { folder } => {
                let mut connection = Self::sqlite_options(folder).connect().await?;
                sqlx::query(given).bind(tokens).execute(&mut connection).await?;
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
                connection.close().await?;
            }
            Self::Postgres { dsn } => {
                let mut connection = Self::postgres_options(dsn)?.connect().await?;
                sqlx::query(given).bind(tokens).execute(&mut connection).await?;
                sqlx::query("VACUUM (ANALYZE)").execute(&mut connection).await?;
                sqlx::query("CHECKPOINT").execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Lets `PostgreSQL` know what has been put in, or it might plan for what was there before.
    pub(crate) async fn analyze(&self) -> Result<()> {
        if let Self::Postgres { dsn } = self {
            let mut connection = Self::postgres_options(dsn)?.connect().await?;
            sqlx::query("ANALYZE tasks, task_states").execute(&mut connection).await?;
            connection.close().await?;
        }
        Ok(())
    }

    /// Leaves memories as if they had been there for a while.
    pub(crate) async fn settle_memories(&self) -> Result<()> {
        self.run(
            &["PRAGMA wal_checkpoint(TRUNCATE)"],
            &["VACUUM (ANALYZE) memories, memory_contents, memory_terms", "CHECKPOINT"],
        )
        .await
    }

    /// Lets the full-text index of memories take its rows and do nothing with them.
    pub(crate) async fn drop_memory_index(&self) -> Result<()> {
        self.run(
            &["DROP TABLE memory_tokens", "CREATE TABLE memory_tokens (tokens TEXT)"],
            &["DROP INDEX memories_tokens"],
        )
        .await
    }

    /// How large the full-text index of memories is, and all there is of them, in MiB.
    pub(crate) async fn memory_sizes(&self) -> Result<[u64; 2]> {
        let (index, all) = match self {
            Self::Sqlite { .. } => (
                "SELECT coalesce(sum(length(block)), 0) FROM memory_tokens_data",
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            ),
            Self::Postgres { .. } => (
                "SELECT pg_relation_size('memories_tokens')",
                "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relname ~ '^memor' AND relkind = 'r'",
            ),
        };
        Ok([self.count(index).await? >> 20, self.count(all).await? >> 20])
    }

    async fn run(&self, sqlite: &[&'static str], postgres: &[&'static str]) -> Result<()> {
        match self {
            Self::Sqlite { folder } => {
                let mut connection = Self::sqlite_options(folder).connect().await?;
                for statement in sqlite {
                    sqlx::query(*statement).execute(&mut connection).await?;
                }
                connection.close().await?;
            }
            Self::Postgres { dsn } => {
                let mut connection = Self::postgres_options(dsn)?.connect().await?;
                for statement in postgres {
                    sqlx::query(*statement).execute(&mut connection).await?;
                }
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Makes `NOTIFY` do nothing in it, as behind a pooler that hands out connections by the transaction: a function of
    /// the same name comes first.
    pub(crate) async fn silence(&self) -> Result<()> {
        let Self::Postgres { dsn } = self else { return Ok(()) };
        let mut connection = Self::postgres_options(dsn)?.connect().await?;
        for statement in [
            "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'",
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); \
             END $$",
        ] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }

    /// The one number that a statement selects.
    pub(crate) async fn count(&self, statement: &'static str) -> Result<u64> {
        let count: i64 = match self {
            Self::Sqlite { folder } => {
                let mut connection = Self::sqlite_options(folder).read_only(true).connect().await?;
                let count = sqlx::query_scalar(statement).fetch_one(&mut connection).await?;
                connection.close().await?;
                count
            }
            Self::Postgres { dsn } => {
                let mut connection = Self::postgres_options(dsn)?.connect().await?;
                let count = sqlx::query_scalar(statement).fetch_one(&mut connection).await?;
                connection.close().await?;
                count
            }
        };
        Ok(u64::try_from(count)?)
    }
}

/// The same connection string for another database of the cluster.
fn with_database(dsn: &str, name: &str) -> Result<String> {
    let (main, options) = dsn.split_once('?').map_or((dsn, None), |(main, options)| (main, Some(options)));
    let start = main.find("://").map(|at| at + 3).ok_or_else(|| anyhow!("a connection string has a scheme"))?;
    let end = main[start..].find('/').map_or(main.len(), |at| start + at);
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    Ok(format!("{}/{name}{options}", &main[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_database_changes() -> Result<()> {
        let named = |dsn| with_database(dsn, "load");
        assert_eq!(named("postgres://u:p@127.0.0.1:5432/postgres")?, "postgres://u:p@127.0.0.1:5432/load");
        assert_eq!(named("postgres://u:p@h:5432")?, "postgres://u:p@h:5432/load");
        assert_eq!(named("postgres://h/a?sslmode=disable&x=/y")?, "postgres://h/load?sslmode=disable&x=/y");
        assert!(named("host=127.0.0.1").is_err());
        Ok(())
    }
}
