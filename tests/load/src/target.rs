//! A server over one kind of store, its floor beside it, and the runs against both.

use crate::cpu::{Meter, resident_kib};
use crate::database::{Database, Left};
use crate::drive::{Client, Measure, Schedule, drive};
use crate::floor;
use crate::http::{Caller, Connection};
use crate::locks::{AcquireRelease, Files, Read};
use crate::server::{Server, migrate};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Connections to `PostgreSQL`: as many for the server as for the floor.
pub(crate) const CONNECTIONS: u32 = 16;
/// Operations of one connection in one run are fewer than this, so that no run repeats another's names.
const TURNS_OF_A_RUN: u32 = 10_000_000;
/// The key that makes the clients' keys; it lives as long as the server.
const ADMIN_KEY: &str = "load-admin-key-0123456789abcdef";

/// What is needed to start.
pub(crate) struct Site {
    pub(crate) program: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) schedule: Schedule,
    pub(crate) meter: Meter,
}

#[derive(Deserialize)]
struct CreatedKey {
    secret: String,
}

/// A server and its floor.
pub(crate) struct Target {
    pub(crate) store: &'static str,
    server: Server,
    holding: Database,
    floor: Database,
    callers: Vec<Caller>,
    schedule: Schedule,
    meter: Meter,
    runs: u32,
}

impl Target {
    /// Starts a server over one database, makes the floor's tables in the other, and as many agents as there are clients.
    pub(crate) async fn start(
        site: &Site,
        store: &'static str,
        holding: Database,
        floor: Database,
        agents: u32,
    ) -> Result<Self> {
        migrate(&site.program, &floor.settings(CONNECTIONS), &site.work.join(format!("{store}-floor.log"))).await?;
        let mut settings = holding.settings(CONNECTIONS);
        let identities = json!({ ADMIN_KEY: { "agent_id": "load-admin", "agent_type": "load", "role": "admin" } });
        settings.push(("COORDINATION_API_KEYS", ADMIN_KEY.into()));
        settings.push(("COORDINATION_API_KEY_IDENTITIES", identities.to_string().into()));
        let server = Server::start(&site.program, settings, &site.work.join(format!("{store}-server.log"))).await?;
        let callers = make_callers(&server, agents).await?;
        let meter = site.meter.with_server(server.pid);
        Ok(Self { store, server, holding, floor, callers, schedule: site.schedule, meter, runs: 0 })
    }

    /// The raw floor over so many connections; over one on `SQLite`, which has one writer.
    pub(crate) async fn floor(&mut self, connections: u32) -> Result<Measure> {
        self.floor_of(connections, false).await
    }

    /// The floor if each operation locks the project's row first. On `SQLite`, where a writer locks everything, this is
    /// the floor.
    pub(crate) async fn locked_floor(&mut self, connections: u32) -> Result<Measure> {
        self.floor_of(connections, true).await
    }

    async fn floor_of(&mut self, connections: u32, locked: bool) -> Result<Measure> {
        self.runs += 1;
        let first_turn = self.runs.checked_mul(TURNS_OF_A_RUN).context("too many runs")?;
        let database = self.floor.clone();
        match &database {
            Database::Sqlite { folder } => {
                let client = floor::sqlite::Floor::open(&Database::sqlite_options(folder), first_turn).await?;
                self.run_counted(&database, vec![client]).await
            }
            Database::Postgres { dsn } => {
                let options = Database::postgres_options(dsn)?;
                let mut clients = Vec::new();
                for connection in 0..connections {
                    clients.push(floor::postgres::Floor::open(&options, connection, first_turn, locked).await?);
                }
                self.run_counted(&database, clients).await
            }
        }
    }

    /// Each client takes and gives back locks on files of its own.
    pub(crate) async fn acquire_release(&mut self, clients: u32) -> Result<Measure> {
        let clients = self.lock_clients(clients, Files::Own).await?;
        self.run_counted(&self.holding.clone(), clients).await
    }

    /// All clients want the same few files, and wait for them in line.
    pub(crate) async fn contended(&mut self, clients: u32, files: u64) -> Result<Measure> {
        let clients = self.lock_clients(clients, |_| Files::Shared { number: files, wait_seconds: 30 }).await?;
        drive(clients, self.schedule, &self.meter).await
    }

    /// Each client asks one thing again and again.
    pub(crate) async fn read(&mut self, clients: u32, path: &str) -> Result<Measure> {
        let mut readers = Vec::new();
        for caller in self.callers_of(clients)? {
            readers.push(Read::new(Connection::open(self.server.address, caller).await?, path.to_owned()));
        }
        drive(readers, self.schedule, &self.meter).await
    }

    /// Memory of the server that is in RAM, in MiB.
    pub(crate) fn resident_mib(&self) -> Result<u64> {
        Ok(resident_kib(self.server.pid)? / 1024)
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }

    fn callers_of(&self, clients: u32) -> Result<&[Caller]> {
        self.callers.get(..usize::try_from(clients)?).context("there are not as many agents as clients")
    }

    async fn lock_clients(&mut self, clients: u32, files: impl Fn(u32) -> Files) -> Result<Vec<AcquireRelease>> {
        self.runs += 1;
        let mut made = Vec::new();
        for (client, caller) in (0_u32..).zip(self.callers_of(clients)?) {
            let connection = Connection::open(self.server.address, caller).await?;
            let name = format!("load-{}-{client}", self.runs);
            made.push(AcquireRelease::new(connection, files(client), name, u64::from(client)));
        }
        Ok(made)
    }

    /// Runs and holds what was acknowledged against what is there: an operation that left no trace was none.
    async fn run_counted<C: Client>(&self, database: &Database, clients: Vec<C>) -> Result<Measure> {
        let before = database.left().await?;
        let measure = drive(clients, self.schedule, &self.meter).await?;
        check(before, database.left().await?, measure.acknowledged)?;
        Ok(measure)
    }
}

fn check(before: Left, after: Left, acknowledged: u64) -> Result<()> {
    let audited = after.operations - before.operations;
    if audited != acknowledged {
        bail!("{acknowledged} operations were acknowledged, and {audited} stand in the audit log");
    }
    if after.leases != 0 {
        bail!("{} leases are left after everything was given back", after.leases);
    }
    Ok(())
}

/// A key, an agent and a session for each client.
async fn make_callers(server: &Server, agents: u32) -> Result<Vec<Caller>> {
    let admin = Caller { key: ADMIN_KEY.to_owned(), session: None };
    let mut connection = Connection::open(server.address, &admin).await?;
    let mut callers = Vec::new();
    for agent in 0..agents {
        let body = json!({ "agent": format!("load-agent-{agent}"), "agent_type": "load", "role": "agent" });
        let created: CreatedKey = connection
            .post("/v1/keys", &format!("load-key-{agent}"), body.to_string())
            .await
            .context("making a key")?;
        callers.push(Caller { key: created.secret, session: Some(format!("load-session-{agent}")) });
    }
    Ok(callers)
}

/// Where the floor's and the server's data are.
pub(crate) fn sqlite_databases(work: &Path) -> (Database, Database) {
    (Database::sqlite(work, "sqlite-server"), Database::sqlite(work, "sqlite-floor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_acknowledged_operation_must_have_left_its_line() {
        let before = Left { operations: 10, leases: 0 };
        assert!(check(before, Left { operations: 30, leases: 0 }, 20).is_ok());
        assert!(check(before, Left { operations: 29, leases: 0 }, 20).is_err());
        assert!(check(before, Left { operations: 31, leases: 0 }, 20).is_err());
        assert!(check(before, Left { operations: 30, leases: 1 }, 20).is_err());
    }
}
