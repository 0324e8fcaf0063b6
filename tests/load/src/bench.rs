//! What is measured on one store, in which order.

use crate::database::Database;
use crate::disk;
use crate::drive::Measure;
use crate::floor::measure::{Floors, locks};
use crate::goals::{self, Goal};
use crate::history::{History, MANY_FINISHED};
use crate::idle;
use crate::operation::Operation;
use crate::plan::Plan;
use crate::queue::Queue;
use crate::report::{Report, middle};
use crate::say;
use crate::series::{Series, Side, sides};
use crate::statistics::median;
use crate::target::{CONNECTIONS, Site, Target};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const AGENTS: u32 = 64;
/// How many clients claim where a history is compared with none.
const CLIENTS_OF_HISTORY: [u32; 2] = [1, 16];
/// How many clients the measures without a floor have.
const CLIENTS_OF_EXTRAS: u32 = 16;
/// How many files they fight for where they do.
const FILES_FOUGHT_FOR: u64 = 4;
/// How long a look at the disk's sync rate is; there is one before each series of runs.
const SYNC_LOOK: Duration = Duration::from_millis(200);
const IDLE: &str = "64 idle claimers";
const CONTENDED: &str = "contended acquire+release, 4 files for all, waiting";
const READS: [(&str, &str); 3] = [
    ("lock status", "/v1/locks/status?key=shared/src/file_0.rs"),
    ("lock list, empty", "/v1/locks?limit=50"),
    ("me", "/v1/me"),
];

/// What has been measured so far.
#[derive(Default)]
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    pub(crate) work: PathBuf,
    pub(crate) report: Report,
    pub(crate) syncs: Vec<f64>,
    pub(crate) memory: Vec<(&'static str, u64)>,
    /// Those that are not about a measure beside its floor.
    pub(crate) other_goals: Vec<Goal>,
}

impl Bench {
    /// Everything on one store, whose databases these are: the server's, the floor's, and two for claims without and with
    /// a history.
    pub(crate) async fn measure_store(
        &mut self,
        site: &Site,
        store: &'static str,
        [holding, floor, none, many]: [Database; 4],
    ) -> Result<()> {
        self.syncs.push(disk::syncs_per_second(&self.work, SYNC_LOOK)?);
        let target = Target::start(site, store, "server", holding, floor, AGENTS).await?;
        self.measure_one_server(target).await?;
        if self.plan.has(MANY_FINISHED) {
            let clients = CLIENTS_OF_HISTORY.to_vec();
            let mut history = History::start(site, store, [none, many], self.plan.finished, clients).await?;
            history.measure(self.plan.rounds).await?;
            let changes = history.report(&mut self.report).await?;
            self.other_goals.extend(changes.into_iter().map(|change| goals::history(self.plan.finished, change)));
        }
        Ok(())
    }

    async fn measure_one_server(&mut self, mut target: Target) -> Result<()> {
        if self.plan.has(IDLE) {
            let idle = idle::measure(&mut target, AGENTS, self.plan.idle).await?;
            self.other_goals.push(goals::idle(target.store, AGENTS, idle));
        }
        self.measure_operations(&mut target).await?;
        self.measure_extras(&mut target).await?;
        let memory = target.resident_mib()?;
        self.memory.push((target.store, memory));
        self.other_goals.push(goals::memory(target.store, memory));
        target.stop().await
    }

    /// What was aimed at, and whether it was reached.
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let mut goals = goals::beside_floors(&self.report.rows, median(self.syncs.iter().copied()));
        goals.extend_from_slice(&self.other_goals);
        goals
    }

    /// What has a floor to stand beside: in each round everything once.
    async fn measure_operations(&mut self, target: &mut Target) -> Result<()> {
        let chosen: Vec<Operation> = Operation::ALL.into_iter().filter(|one| self.plan.has(one.name())).collect();
        let mut series: BTreeMap<Operation, Series> = BTreeMap::new();
        let (mut queue, mut floors, mut locked) = (Queue::of(target).await?, Floors::new(), Vec::new());
        let connections = target.floor_connections();
        for round in 0..self.plan.rounds {
            for operation in &chosen {
                self.syncs.push(disk::syncs_per_second(&self.work, SYNC_LOOK)?);
                for side in sides(&self.plan.clients, connections, round) {
                    let measure = one_run(target, &mut queue, &mut floors, *operation, side).await?;
                    let (store, name, rate) = (target.store, operation.name(), measure.ops_per_s);
                    say(&format!("{store}, round {}, {name}, {side}: {rate:.0}/s", round + 1));
                    series.entry(*operation).or_default().add(side, measure);
                }
                if *operation == Operation::AcquireRelease && connections > 1 {
                    locked.push(locks(target, CONNECTIONS, true).await?);
                }
            }
            queue.drain(target).await?;
        }
        for (operation, series) in series {
            series.report(&mut self.report, operation, target.store, connections)?;
            if let (Operation::AcquireRelease, Some(locked)) = (operation, middle(&locked)) {
                let name = "raw floor, each under the project's lock";
                self.report.add_extra(name, target.store, CONNECTIONS, locked);
            }
        }
        Ok(())
    }

    /// What has no floor to stand beside.
    async fn measure_extras(&mut self, target: &mut Target) -> Result<()> {
        let (clients, store) = (CLIENTS_OF_EXTRAS, target.store);
        if self.plan.has(CONTENDED) {
            let contended = target.contended(clients, FILES_FOUGHT_FOR).await?;
            self.report.add_extra(CONTENDED, store, clients, contended);
        }
        for (name, path) in READS {
            if self.plan.has(name) {
                let read = target.read(clients, path).await?;
                self.report.add_extra(name, store, clients, read);
            }
        }
        Ok(())
    }
}

async fn one_run(
    target: &mut Target,
    queue: &mut Queue,
    floors: &mut Floors,
    operation: Operation,
    side: Side,
) -> Result<Measure> {
    match side {
        Side::Floor(connections) => floors.measure(target, operation, connections).await,
        Side::Http(clients) if operation == Operation::AcquireRelease => target.acquire_release(clients).await,
        Side::Http(clients) => queue.measure(target, operation, clients).await,
    }
}
