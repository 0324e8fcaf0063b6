//! A server over one kind of store, its floor beside it, and the runs against both.

use crate::cpu::{Meter, resident_kib};
use crate::database::Database;
use crate::drive::{Client, Measure, Schedule, drive};
use crate::http::{Caller, Connection};
use crate::locks::{AcquireRelease, Files, Read};
use crate::operation::Operation;
use crate::server::{Server, Settings};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// Connections to `PostgreSQL`: as many for the server as for the floor.
pub(crate) const CONNECTIONS: u32 = 16;
const LEASES: &str = "SELECT count(*) FROM leases WHERE project_id = 'default'";
/// The key that makes the clients' keys; it lives as long as the server.
const ADMIN_KEY: &str = "load-admin-key-0123456789abcdef";

/// What is needed to start.
#[derive(Clone)]
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
    pub(crate) meter: Meter,
    runs: u32,
}

impl Target {
    /// Starts a server over one database, makes the floor's tables in the other, and as many agents as there are clients.
    /// The server's log is named after its store and `name`.
    pub(crate) async fn start(
        site: &Site,
        store: &'static str,
        name: &str,
        holding: Database,
        floor: Database,
        agents: u32,
    ) -> Result<Self> {
        floor.migrate(site, store).await?;
        let mut settings = holding.settings(CONNECTIONS);
        settings.extend(admin());
        let server = Server::start(&site.program, settings, &site.work.join(format!("{store}-{name}.log"))).await?;
        let callers = make_callers(&server, agents).await?;
        let meter = site.meter.with_server(server.pid);
        Ok(Self { store, server, holding, floor, callers, schedule: site.schedule, meter, runs: 0 })
    }

    /// Each client takes and gives back locks on files of its own.
    pub(crate) async fn acquire_release(&mut self, clients: u32) -> Result<Measure> {
        let clients = self.lock_clients(clients, Files::Own).await?;
        let measure = self.run_counted(&self.holding, Operation::AcquireRelease, clients).await?;
        self.check_no_lease(&self.holding).await?;
        Ok(measure)
    }

    /// All clients want the same few files, and wait for them in line.
    pub(crate) async fn contended(&mut self, clients: u32, files: u64) -> Result<Measure> {
        let clients = self.lock_clients(clients, |_| Files::Shared { number: files, wait_seconds: 30 }).await?;
        drive(clients, self.schedule, &self.meter).await
    }

    /// Each client asks one thing again and again.
    pub(crate) async fn read(&mut self, clients: u32, path: &str) -> Result<Measure> {
        let connections = self.connections(clients).await?.into_iter();
        let readers: Vec<Read> = connections.map(|made| Read::new(made, path.to_owned())).collect();
        drive(readers, self.schedule, &self.meter).await
    }

    /// Memory of the server that is in RAM, in MiB.
    pub(crate) fn resident_mib(&self) -> Result<u64> {
        Ok(resident_kib(self.server.pid)? / 1024)
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }

    /// The database behind the server.
    pub(crate) fn holding(&self) -> &Database {
        &self.holding
    }

    /// The database of the floor.
    pub(crate) fn floor(&self) -> &Database {
        &self.floor
    }

    /// How many connections its floor has at most: on `SQLite` there is one writer.
    pub(crate) fn floor_connections(&self) -> u32 {
        match self.floor {
            Database::Sqlite { .. } => 1,
            Database::Postgres { .. } => CONNECTIONS,
        }
    }

    /// A number that no other run has.
    pub(crate) fn next_run(&mut self) -> u32 {
        self.runs += 1;
        self.runs
    }

    /// A connection for each of the first so many agents.
    pub(crate) async fn connections(&self, clients: u32) -> Result<Vec<Connection>> {
        let callers = self.callers.get(..usize::try_from(clients)?);
        let mut connections = Vec::new();
        for caller in callers.context("there are not as many agents as clients")? {
            connections.push(Connection::open(self.server.address, caller).await?);
        }
        Ok(connections)
    }

    /// Fails if something is still held.
    pub(crate) async fn check_no_lease(&self, database: &Database) -> Result<()> {
        match database.count(LEASES).await? {
            0 => Ok(()),
            leases => bail!("{leases} leases are left after everything was given back"),
        }
    }

    async fn lock_clients(&mut self, clients: u32, files: impl Fn(u32) -> Files) -> Result<Vec<AcquireRelease>> {
        let run = self.next_run();
        let connections = (0_u32..).zip(self.connections(clients).await?);
        let made = connections.map(|(client, connection)| {
            let name = format!("load-{run}-{client}");
            AcquireRelease::new(connection, files(client), name, u64::from(client))
        });
        Ok(made.collect())
    }

    /// Runs and holds what was acknowledged against what is there: an operation that left no trace was none.
    pub(crate) async fn run_counted<C: Client>(
        &self,
        database: &Database,
        operation: Operation,
        clients: Vec<C>,
    ) -> Result<Measure> {
        let before = database.count(operation.audited()).await?;
        let measure = drive(clients, self.schedule, &self.meter).await?;
        check_audited(before, database.count(operation.audited()).await?, measure.acknowledged)?;
        Ok(measure)
    }
}

fn check_audited(before: u64, after: u64, acknowledged: u64) -> Result<()> {
    let audited = after.saturating_sub(before);
    if audited != acknowledged {
        bail!("{acknowledged} operations were acknowledged, and {audited} stand in the audit log");
    }
    Ok(())
}

/// Lets the one in who makes the clients' keys.
pub(crate) fn admin() -> Settings {
    let identities = json!({ ADMIN_KEY: { "agent_id": "load-admin", "agent_type": "load", "role": "admin" } });
    vec![
        ("COORDINATION_API_KEYS", ADMIN_KEY.into()),
        ("COORDINATION_API_KEY_IDENTITIES", identities.to_string().into()),
    ]
}

/// A key, an agent and a session for each client.
pub(crate) async fn make_callers(server: &Server, agents: u32) -> Result<Vec<Caller>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_acknowledged_operation_must_have_left_its_line() {
        assert!(check_audited(10, 30, 20).is_ok());
        assert!(check_audited(10, 29, 20).is_err());
        assert!(check_audited(10, 31, 20).is_err());
        assert!(check_audited(10, 9, 1).is_err());
    }
}
