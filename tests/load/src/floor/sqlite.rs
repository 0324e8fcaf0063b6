//! The floor on `SQLite`: one transaction for each operation, over one connection that waits for the disk.

use super::{FINGERPRINT, KEY_ID, REASON, Rows};
use crate::drive::Client;
use anyhow::Result;
use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

const ACQUIRE: &str = "
BEGIN IMMEDIATE;
INSERT INTO leases (project_id, token, key, mode, agent_id, session_id, granted_at_us, expires_at_us, reason)
SELECT 'default', $1, $2, 'exclusive', $3, $4, us, us + 7200000000, $5
FROM (SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS us);
INSERT INTO audit_entries
    (project_id, at_us, id, agent_id, session_id, key_id, operation, target, before, after, outcome, repeats,
     request_id, trace_id, duration_us)
SELECT 'default', CAST(unixepoch('subsec') * 1000000 AS INTEGER), $6, $3, $4, $7, 'lock.acquire', $2, NULL, $8, 'ok', 1,
    $9, NULL, 900;
INSERT INTO facts (project_id, id, at_us, kind, subject, body)
VALUES ('default', $10, CAST(unixepoch('subsec') * 1000000 AS INTEGER), 'lock.acquired', $2, $8);
INSERT INTO idempotency_records (project_id, agent_id, key, fingerprint, answer, created_at_us)
VALUES ('default', $3, $11, $12, $13, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
COMMIT";

const RELEASE: &str = "
BEGIN IMMEDIATE;
INSERT INTO lease_history
    (project_id, token, key, mode, agent_id, session_id, granted_at_us, expires_at_us, reason, ended_at_us, ending)
SELECT project_id, token, key, mode, agent_id, session_id, granted_at_us, expires_at_us, reason,
    CAST(unixepoch('subsec') * 1000000 AS INTEGER), 'released'
FROM leases WHERE project_id = 'default' AND token = $1;
DELETE FROM leases WHERE project_id = 'default' AND token = $1;
INSERT INTO audit_entries
    (project_id, at_us, id, agent_id, session_id, key_id, operation, target, before, after, outcome, repeats,
     request_id, trace_id, duration_us)
VALUES ('default', CAST(unixepoch('subsec') * 1000000 AS INTEGER), $5, $3, $4, $6, 'lock.release', $2, $7, $8, 'ok', 1,
    $9, NULL, 900);
INSERT INTO facts (project_id, id, at_us, kind, subject, body)
VALUES ('default', $10, CAST(unixepoch('subsec') * 1000000 AS INTEGER), 'lock.released', $2, $14);
INSERT INTO idempotency_records (project_id, agent_id, key, fingerprint, answer, created_at_us)
VALUES ('default', $3, $11, $12, $13, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
COMMIT";

/// The only connection.
pub(crate) struct Floor {
    connection: SqliteConnection,
    rows: Rows,
}

impl Floor {
    pub(crate) async fn open(options: &SqliteConnectOptions, first_turn: i64) -> Result<Self> {
        Ok(Self { connection: options.connect().await?, rows: Rows::new(0, first_turn) })
    }

    async fn acquire(&mut self) -> Result<()> {
        let row = self.rows.row("acquire");
        let statement = sqlx::query(ACQUIRE)
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
        statement.execute(&mut self.connection).await?;
        Ok(())
    }

    async fn release(&mut self) -> Result<()> {
        let row = self.rows.row("release");
        let fact = format!(r#"{{"lease":{},"end":{}}}"#, row.lease, row.end);
        let statement = sqlx::query(RELEASE)
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
            .bind(row.answer)
            .bind(fact);
        statement.execute(&mut self.connection).await?;
        Ok(())
    }
}

#[async_trait]
impl Client for Floor {
    async fn operate(&mut self) -> Result<()> {
        if self.rows.holds {
            self.release().await?;
        } else {
            self.acquire().await?;
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
