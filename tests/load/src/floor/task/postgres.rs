//! The floor of work on `PostgreSQL`: one prepared statement for each operation, which is its own transaction.

use super::{INPUT, RESULT, Rows, TERMS, TITLE, bind_common, told};
use crate::drive::Client;
use crate::operation::Operation;
use anyhow::{Result, bail};
use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};

/// Audit line, fact and idempotency record, `$1` to `$13`; `$from` says where the task and the time come from.
macro_rules! told_of {
    ($operation:literal, $kind:literal, $task:literal, $from:literal) => {
        concat!(
            "entry AS (
    INSERT INTO audit_entries
        (project_id, at_us, id, agent_id, session_id, key_id, operation, target, before, after, outcome, repeats,
         request_id, trace_id, duration_us)
    SELECT 'default', us, $5, $1, $2, $3, '",
            $operation,
            "', ",
            $task,
            ", $6, $7, 'ok', 1, $8, NULL, 900
    FROM ",
            $from,
            "
), fact AS (
    INSERT INTO facts (project_id, id, at_us, kind, subject, body)
    SELECT 'default', $9, us, '",
            $kind,
            "', ",
            $task,
            ", $10 FROM ",
            $from,
            "
)
INSERT INTO idempotency_records (project_id, agent_id, key, fingerprint, answer, created_at_us)
SELECT 'default', $1, $11, $12, $13, us FROM ",
            $from
        )
    };
}

const SUBMIT: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us),
task AS (
    INSERT INTO tasks (project_id, id, submitted_at_us, submitted_by, terms, title, input)
    SELECT 'default', $14, us, $1, $16, $17, $18 FROM clock
), state AS (
    INSERT INTO task_states
        (project_id, id, submitted_at_us, ready_rank_us, since_us, status, task_type, labels, state)
    SELECT 'default', $14, us, us + 2400000000, us, 'ready', 'review', '', $4 FROM clock
), ",
    told_of!("task.submit", "task.submitted", "$15", "clock")
);

const CLAIM: &str = concat!(
    "WITH picked AS MATERIALIZED (
    SELECT id, 'tsk_' || replace(id::text, '-', '') AS task,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us
    FROM task_states WHERE project_id = 'default' AND task_type = 'review' AND ready_rank_us IS NOT NULL
    ORDER BY ready_rank_us, id LIMIT 1 FOR UPDATE SKIP LOCKED
), state AS (
    UPDATE task_states AS s
    SET ready_rank_us = NULL, due_us = us + 900000000, since_us = us, status = 'leased', agent_id = $1,
        session_id = $2, state = $4
    FROM picked WHERE s.project_id = 'default' AND s.id = picked.id
), ",
    told_of!("task.claim", "task.claimed", "task", "picked")
);

const COMPLETE: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us),
state AS (
    UPDATE task_states
    SET due_us = NULL, since_us = us, status = 'succeeded', agent_id = NULL, session_id = NULL, state = $4
    FROM clock WHERE project_id = 'default' AND id = $14 RETURNING us
), attempt AS (
    INSERT INTO task_attempts (project_id, token, task_id, number, how, attempt, result)
    SELECT 'default', $17, $14, 1, 'succeeded', $16, $18 FROM state
), ",
    told_of!("task.complete", "task.completed", "$15", "state")
);

/// One connection.
pub(crate) struct Floor {
    connection: PgConnection,
    operation: Operation,
    rows: Rows,
    most: i64,
}

impl Floor {
    /// A connection with so many tasks to work on at most: one of several, those of a run that begins with `first`.
    pub(crate) async fn open(
        options: &PgConnectOptions,
        operation: Operation,
        [connection, connections]: [u32; 2],
        first: i64,
        most: i64,
    ) -> Result<Self> {
        let rows = Rows::new(connection, connections, first);
        Ok(Self { connection: options.connect().await?, operation, rows, most })
    }
}

#[async_trait]
impl Client for Floor {
    async fn operate(&mut self) -> Result<()> {
        let Self { connection, operation, rows, .. } = self;
        let done = match operation {
            Operation::Submit => {
                let row = rows.submit();
                let (id, task) = (row.id, row.task);
                let terms = told(TERMS, "", "");
                let statement = bind_common!(SUBMIT, rows, row).bind(id).bind(task);
                statement.bind(terms).bind(TITLE).bind(INPUT).execute(connection).await?
            }
            Operation::Claim => {
                let row = rows.claim();
                bind_common!(CLAIM, rows, row).execute(connection).await?
            }
            Operation::Complete => {
                let row = rows.complete();
                let attempt = row.attempt();
                let (id, task, number) = (row.id, row.task, row.number);
                let statement = bind_common!(COMPLETE, rows, row).bind(id).bind(task);
                statement.bind(attempt).bind(number).bind(RESULT).execute(connection).await?
            }
            Operation::AcquireRelease => bail!("locks have a floor of their own"),
        };
        if done.rows_affected() != 1 {
            bail!("the floor's statement wrote {} records instead of one", done.rows_affected());
        }
        rows.turn += 1;
        Ok(())
    }

    fn has_more(&self) -> bool {
        self.rows.turn < self.most
    }
}
