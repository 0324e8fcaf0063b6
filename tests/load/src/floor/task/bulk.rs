//! Tasks put into the database behind the server's back, many in one statement, as the server would have written them.

use super::{ATTEMPT, INPUT, LEASED, READY, RESULT, SUCCEEDED, TERMS, TITLE};
use crate::database::Database;
use anyhow::Result;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// In one commit.
const TASKS_OF_A_BATCH: i64 = 50_000;

/// What has become of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    Ready,
    Leased,
    Succeeded,
}

/// The numbers from `$1` to before `$2` with id and instant, 80 ms apart up to two days ago: a million are a day's, and
/// the answers to the requests that made them are forgotten.
const POSTGRES_NUMBERS: &str = "(
    SELECT n, id, us, 'tsk_' || replace(id::text, '-', '') AS task,
        to_char(to_timestamp(us / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at
    FROM (
        SELECT n, (lpad(to_hex(n), 16, '0') || repeat('0', 16))::uuid AS id,
            (extract(epoch FROM now() - interval '2 days') * 1000000)::bigint - ($3 - n) * 80000 AS us
        FROM generate_series($1, $2 - 1) AS n
    ) AS numbered
) AS numbers";

const SQLITE_NUMBERS: &str = "(
    WITH RECURSIVE counted (n) AS (SELECT $1 UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < $2)
    SELECT n, id, us, 'tsk_' || lower(hex(id)) AS task, strftime('%Y-%m-%dT%H:%M:%fZ', us / 1000000.0, 'unixepoch') AS at
    FROM (
        SELECT n, unhex(printf('%016x', n) || '0000000000000000') AS id,
            CAST(unixepoch('subsec', '-2 days') * 1000000 AS INTEGER) - ($3 - n) * 80000 AS us
        FROM counted
    ) AS numbered
) AS numbers";

const TASKS: &str = "INSERT INTO tasks (project_id, id, submitted_at_us, submitted_by, terms, title, input) \
    SELECT 'default', id, us, 'load-agent-0', replace($4, '$AT', at), $5, $6 FROM ";

const ATTEMPTS: &str = "INSERT INTO task_attempts (project_id, token, task_id, number, how, attempt, result) \
    SELECT 'default', n, id, 1, 'succeeded', \
    replace(replace(replace($4, '$AT', at), '$TASK', task), '$TOKEN', CAST(n AS text)), $5 FROM ";

impl Became {
    fn state(self) -> &'static str {
        match self {
            Self::Ready => READY,
            Self::Leased => LEASED,
            Self::Succeeded => SUCCEEDED,
        }
    }

    fn states(self, numbers: &str) -> String {
        let (columns, values) = match self {
            Self::Ready => ("ready_rank_us, status", "us + 2400000000, 'ready'"),
            Self::Leased => {
                ("due_us, status, agent_id, session_id", "us + 900000000, 'leased', 'load-agent-0', 'load-session-0'")
            }
            Self::Succeeded => ("status", "'succeeded'"),
        };
        format!(
            "INSERT INTO task_states (project_id, id, submitted_at_us, since_us, task_type, labels, state, {columns}) \
             SELECT 'default', id, us, us, 'review', '', replace(replace(replace($4, '$AT', at), \
             '$RANK', CAST(us + 2400000000 AS text)), '$TOKEN', CAST(n AS text)), {values} FROM {numbers}"
        )
    }
}

/// Puts in so many tasks, numbered from `first`. A task's number is its id and the token of its attempt.
pub(crate) async fn insert(database: &Database, became: Became, first: i64, count: i64) -> Result<()> {
    macro_rules! insert {
        ($options:expr, $numbers:expr) => {{
            let mut connection = $options.connect().await?;
            let end = first + count;
            let (tasks, states) = (format!("{TASKS}{}", $numbers), became.states($numbers));
            let attempts = format!("{ATTEMPTS}{}", $numbers);
            let mut from = first;
            while from < end {
                let to = end.min(from + TASKS_OF_A_BATCH);
                let mut batch = connection.begin().await?;
                let numbered = |sql: &str| sqlx::query(AssertSqlSafe(sql.to_owned())).bind(from).bind(to).bind(end);
                numbered(&tasks).bind(TERMS).bind(TITLE).bind(INPUT).execute(&mut *batch).await?;
                numbered(&states).bind(became.state()).execute(&mut *batch).await?;
                if became == Became::Succeeded {
                    numbered(&attempts).bind(ATTEMPT).bind(RESULT).execute(&mut *batch).await?;
                }
                batch.commit().await?;
                from = to;
            }
            connection.close().await?;
        }};
    }
    match database {
        Database::Sqlite { folder } => insert!(Database::sqlite_options(folder), SQLITE_NUMBERS),
        Database::Postgres { dsn } => insert!(Database::postgres_options(dsn)?, POSTGRES_NUMBERS),
    }
    Ok(())
}
