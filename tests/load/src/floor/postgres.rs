//! The floor on `PostgreSQL`: one prepared statement for each operation, which is its own transaction.

use super::{FINGERPRINT, KEY_ID, REASON, Rows};
use crate::drive::Client;
use anyhow::{Result, bail};
use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};

/// Where the time comes from: from the clock alone, or after the project's row in `lock_tables` was locked.
macro_rules! clock {
    (free) => {
        "WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us), "
    };
    (after $head:literal) => {
        concat!(
            "WITH head AS MATERIALIZED (",
            $head,
            "), clock AS MATERIALIZED ( \
             SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us FROM head), "
        )
    };
}

macro_rules! acquire {
    ($clock:expr) => {
        concat!(
            $clock,
            "
lease AS (
    INSERT INTO leases
        (project_id, token, key, mode, agent_id, session_id, granted_at_us, expires_at_us, reason)
    SELECT 'default', $1, $2, 'exclusive', $3, $4, us, us + 7200000000, $5 FROM clock
), entry AS (
    INSERT INTO audit_entries
        (project_id, at_us, id, agent_id, session_id, key_id, operation, target, before, after, outcome, repeats,
         request_id, trace_id, duration_us)
    SELECT 'default', us, $6, $3, $4, $7, 'lock.acquire', $2, NULL, $8, 'ok', 1, $9, NULL, 900 FROM clock
), fact AS (
    INSERT INTO facts (project_id, id, at_us, kind, subject, body)
    SELECT 'default', $10, us, 'lock.acquired', $2, $8 FROM clock
)
INSERT INTO idempotency_records (project_id, agent_id, key, fingerprint, answer, created_at_us)
SELECT 'default', $3, $11, $12, $13, us FROM clock"
        )
    };
}

macro_rules! release {
    ($clock:expr) => {
        concat!(
            $clock,
            "
lease AS (
    DELETE FROM leases WHERE project_id = 'default' AND token = $1 RETURNING *
), past AS (
    INSERT INTO lease_history
        (project_id, token, key, mode, agent_id, session_id, granted_at_us, expires_at_us, reason, ended_at_us, ending)
    SELECT project_id, token, key, mode, agent_id, session_id, granted_at_us, expires_at_us, reason, us, 'released'
    FROM lease, clock
), entry AS (
    INSERT INTO audit_entries
        (project_id, at_us, id, agent_id, session_id, key_id, operation, target, before, after, outcome, repeats,
         request_id, trace_id, duration_us)
    SELECT 'default', us, $5, $3, $4, $6, 'lock.release', $2, $7, $8, 'ok', 1, $9, NULL, 900 FROM clock
), fact AS (
    INSERT INTO facts (project_id, id, at_us, kind, subject, body)
    SELECT 'default', $10, us, 'lock.released', $2, '{\"end\":' || $8 || ',\"lease\":' || $7 || '}' FROM clock
)
INSERT INTO idempotency_records (project_id, agent_id, key, fingerprint, answer, created_at_us)
SELECT 'default', $3, $11, $12, $13, us FROM lease, clock"
        )
    };
}

const ACQUIRE: &str = acquire!(clock!(free));
const RELEASE: &str = release!(clock!(free));
const ACQUIRE_LOCKED: &str = acquire!(clock!(after
    "UPDATE lock_tables SET last_token = last_token + 1 WHERE project_id = 'default' RETURNING last_token"));
const RELEASE_LOCKED: &str =
    release!(clock!(after "SELECT last_token FROM lock_tables WHERE project_id = 'default' FOR UPDATE"));

/// One connection.
pub(crate) struct Floor {
    connection: PgConnection,
    rows: Rows,
    statements: [&'static str; 2],
}

impl Floor {
    /// A connection that waits for others at the disk alone; if `locked`, also for the project's lock, as a server
    /// must that decides on its own.
    pub(crate) async fn open(
        options: &PgConnectOptions,
        connection: u32,
        first_turn: i64,
        locked: bool,
    ) -> Result<Self> {
        let statements = if locked { [ACQUIRE_LOCKED, RELEASE_LOCKED] } else { [ACQUIRE, RELEASE] };
        Ok(Self { connection: options.connect().await?, rows: Rows::new(connection, first_turn), statements })
    }

    async fn acquire(&mut self) -> Result<u64> {
        let [acquire, _] = self.statements;
        let row = self.rows.row("acquire");
        let statement = sqlx::query(acquire)
            .bind(row.token)
            .bind(row.key)
            .bind(&self.rows.agent)
            .bind(&self.rows.session)
            .bind(REASON)
            .bind(row.entry_id)
            .bind(KEY_ID)
            .bind(row.lease)
            .bind(row.request_id)
            .bind(row.fact_id)
            .bind(row.request_name)
            .bind(FINGERPRINT.as_slice())
            .bind(row.answer);
        Ok(statement.execute(&mut self.connection).await?.rows_affected())
    }

    async fn release(&mut self) -> Result<u64> {
        let [_, release] = self.statements;
        let row = self.rows.row("release");
        let statement = sqlx::query(release)
            .bind(row.token)
            .bind(row.key)
            .bind(&self.rows.agent)
            .bind(&self.rows.session)
            .bind(row.entry_id)
            .bind(KEY_ID)
            .bind(row.lease)
            .bind(row.end)
            .bind(row.request_id)
            .bind(row.fact_id)
            .bind(row.request_name)
            .bind(FINGERPRINT.as_slice())
            .bind(row.answer);
        Ok(statement.execute(&mut self.connection).await?.rows_affected())
    }
}

#[async_trait]
impl Client for Floor {
    async fn operate(&mut self) -> Result<()> {
        let rows = if self.rows.holds { self.release().await? } else { self.acquire().await? };
        if rows != 1 {
            bail!("the floor's statement wrote {rows} records instead of one");
        }
        self.rows.advance();
        Ok(())
    }

    async fn finish(&mut self) -> Result<u64> {
        if !self.rows.holds {
            return Ok(0);
        }
        self.operate().await?;
        Ok(1)
    }
}
