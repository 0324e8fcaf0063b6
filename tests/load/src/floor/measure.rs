//! Runs of the floors.

use crate::database::Database;
use crate::drive::Measure;
use crate::floor::task::bulk::{self, Became};
use crate::floor::{postgres, sqlite, task};
use crate::operation::Operation;
use crate::pace::Pace;
use crate::queue::READY;
use crate::target::Target;
use anyhow::Result;

/// Operations of one connection in one run are fewer than this, so that no run repeats another's names.
const TURNS_OF_A_RUN: i64 = 10_000_000;
/// The tasks of a run are fewer than this, for the same reason.
const TASKS_OF_A_RUN: i64 = 1 << 32;

/// Put in quickly, so that a run of the floor is never short of them.
const TASKS_LEAST: u64 = 20_000;

/// The floor of one store.
pub(crate) struct Floors {
    pace: Pace,
}

impl Floors {
    pub(crate) fn new() -> Self {
        Self { pace: Pace::at_least(TASKS_LEAST) }
    }

    /// One run of the floor of an operation over so many connections; over one on `SQLite`, which has one writer.
    pub(crate) async fn measure(
        &mut self,
        target: &mut Target,
        operation: Operation,
        connections: u32,
    ) -> Result<Measure> {
        if operation == Operation::AcquireRelease {
            return locks(target, connections, false).await;
        }
        loop {
            let need = self.pace.need(operation, connections);
            let measure = tasks(target, operation, connections, i64::try_from(need)?).await?;
            if self.pace.note(operation, connections, need, &measure) {
                return Ok(measure);
            }
        }
    }
}

/// Locks are taken and given back. If `locked`, each operation locks the project's row first; on `SQLite`, where a
/// writer locks everything, that is no difference.
pub(crate) async fn locks(target: &mut Target, connections: u32, locked: bool) -> Result<Measure> {
    let first_turn = i64::from(target.next_run()) * TURNS_OF_A_RUN;
    let database = target.floor().clone();
    let measure = match &database {
        Database::Sqlite { folder } => {
            let client = sqlite::Floor::open(&Database::sqlite_options(folder), first_turn).await?;
            target.run_counted(&database, Operation::AcquireRelease, vec![client]).await?
        }
        Database::Postgres { dsn } => {
            let options = Database::postgres_options(dsn)?;
            let mut clients = Vec::new();
            for connection in 0..connections {
                clients.push(postgres::Floor::open(&options, connection, first_turn, locked).await?);
            }
            target.run_counted(&database, Operation::AcquireRelease, clients).await?
        }
    };
    target.check_no_lease(&database).await?;
    Ok(measure)
}

/// Tasks are submitted, claimed or completed, out of at least `need` that are there beforehand.
async fn tasks(target: &mut Target, operation: Operation, connections: u32, need: i64) -> Result<Measure> {
    let first = i64::from(target.next_run()) * TASKS_OF_A_RUN;
    let database = target.floor().clone();
    let each = need / i64::from(connections);
    let most = match operation {
        Operation::Claim => {
            let ready = i64::try_from(database.count(READY).await?)?;
            bulk::insert(&database, Became::Ready, first, need - ready).await?;
            each
        }
        Operation::Complete => {
            bulk::insert(&database, Became::Leased, first, each * i64::from(connections)).await?;
            each
        }
        Operation::Submit | Operation::AcquireRelease => i64::MAX,
    };
    database.analyze().await?;
    match &database {
        Database::Sqlite { folder } => {
            let options = Database::sqlite_options(folder);
            let client = task::sqlite::Floor::open(&options, operation, first, most).await?;
            target.run_counted(&database, operation, vec![client]).await
        }
        Database::Postgres { dsn } => {
            let options = Database::postgres_options(dsn)?;
            let mut clients = Vec::new();
            for connection in 0..connections {
                let which = [connection, connections];
                clients.push(task::postgres::Floor::open(&options, operation, which, first, most).await?);
            }
            target.run_counted(&database, operation, clients).await
        }
    }
}
