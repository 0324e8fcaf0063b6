//! The floor of work on `SQLite`: one transaction for each operation, over one connection that waits for the disk.

use super::{INPUT, RESULT, Rows, TERMS, TITLE, bind_common, told};
use crate::drive::Client;
use crate::operation::Operation;
use anyhow::{Result, bail};
use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

macro_rules! now {
    () => {
        "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
    };
}

/// The task that a claim takes, named in the same way by each statement before the last.
macro_rules! first_ready {
    ($columns:literal) => {
        concat!(
            "(SELECT ",
            $columns,
            " FROM task_states WHERE project_id = 'default' AND task_type = 'review' \
             AND ready_rank_us IS NOT NULL ORDER BY ready_rank_us, id LIMIT 1)"
        )
    };
}

/// Audit line, fact and idempotency record, `$1` to `$13`.
macro_rules! told_of {
    ($operation:literal, $kind:literal, $task:expr) => {
        concat!(
            "INSERT INTO audit_entries
    (project_id, at_us, id, agent_id, session_id, key_id, operation, target, before, after, outcome, repeats,
     request_id, trace_id, duration_us)
VALUES ('default', ",
            now!(),
            ", $5, $1, $2, $3, '",
            $operation,
            "', ",
            $task,
            ", $6, $7, 'ok', 1, $8, NULL, 900);
INSERT INTO facts (project_id, id, at_us, kind, subject, body)
VALUES ('default', $9, ",
            now!(),
            ", '",
            $kind,
            "', ",
            $task,
            ", $10);
INSERT INTO idempotency_records (project_id, agent_id, key, fingerprint, answer, created_at_us)
VALUES ('default', $1, $11, $12, $13, ",
            now!(),
            ");
"
        )
    };
}

const SUBMIT: &str = concat!(
    "BEGIN IMMEDIATE;
INSERT INTO tasks (project_id, id, submitted_at_us, submitted_by, terms, title, input)
VALUES ('default', $14, ",
    now!(),
    ", $1, $16, $17, $18);
INSERT INTO task_states (project_id, id, submitted_at_us, ready_rank_us, since_us, status, task_type, labels, state)
VALUES ('default', $14, ",
    now!(),
    ", ",
    now!(),
    " + 2400000000, ",
    now!(),
    ", 'ready', 'review', '', $4);
",
    told_of!("task.submit", "task.submitted", "$15"),
    "COMMIT"
);

const CLAIM: &str = concat!(
    "BEGIN IMMEDIATE;
",
    told_of!("task.claim", "task.claimed", first_ready!("'tsk_' || lower(hex(id))")),
    "UPDATE task_states
SET ready_rank_us = NULL, due_us = ",
    now!(),
    " + 900000000, since_us = ",
    now!(),
    ", status = 'leased', agent_id = $1,
    session_id = $2, state = $4
WHERE project_id = 'default' AND id = ",
    first_ready!("id"),
    ";
COMMIT"
);

const COMPLETE: &str = concat!(
    "BEGIN IMMEDIATE;
UPDATE task_states
SET due_us = NULL, since_us = ",
    now!(),
    ", status = 'succeeded', agent_id = NULL, session_id = NULL, state = $4
WHERE project_id = 'default' AND id = $14;
INSERT INTO task_attempts (project_id, token, task_id, number, how, attempt, result)
VALUES ('default', $17, $14, 1, 'succeeded', $16, $18);
",
    told_of!("task.complete", "task.completed", "$15"),
    "COMMIT"
);

/// The only connection.
pub(crate) struct Floor {
    connection: SqliteConnection,
    operation: Operation,
    rows: Rows,
    most: i64,
}

impl Floor {
    /// A connection with so many tasks to work on at most, those of a run that begins with `first`.
    pub(crate) async fn open(
        options: &SqliteConnectOptions,
        operation: Operation,
        first: i64,
        most: i64,
    ) -> Result<Self> {
        Ok(Self { connection: options.connect().await?, operation, rows: Rows::new(0, 1, first), most })
    }
}

#[async_trait]
impl Client for Floor {
    async fn operate(&mut self) -> Result<()> {
        let Self { connection, operation, rows, .. } = self;
        match operation {
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
        rows.turn += 1;
        Ok(())
    }

    fn has_more(&self) -> bool {
        self.rows.turn < self.most
    }
}
