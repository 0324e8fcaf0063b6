//! What is measured on one store, in which order.

use crate::disk;
use crate::drive::Measure;
use crate::floor::measure::{Floors, locks};
use crate::operation::Operation;
use crate::plan::Plan;
use crate::queue::Queue;
use crate::report::{Report, middle};
use crate::say;
use crate::series::{Series, Side, sides};
use crate::target::{CONNECTIONS, Target};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How many clients the measures without a floor have.
const CLIENTS_OF_EXTRAS: u32 = 16;
/// How many files they fight for where they do.
const FILES_FOUGHT_FOR: u64 = 4;
/// How long a look at the disk's sync rate is; there is one before each series of runs.
const SYNC_LOOK: Duration = Duration::from_millis(200);
const CONTENDED: &str = "contended acquire+release, 4 files for all, waiting";
const READS: [(&str, &str); 3] = [
    ("lock status", "/v1/locks/status?key=shared/src/file_0.rs"),
    ("lock list, empty", "/v1/locks?limit=50"),
    ("me, which reads nothing", "/v1/me"),
];

/// What has been measured so far.
#[derive(Default)]
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    pub(crate) work: PathBuf,
    pub(crate) report: Report,
    pub(crate) syncs: Vec<f64>,
    pub(crate) memory: Vec<(&'static str, u64)>,
}

impl Bench {
    /// Everything on one store.
    pub(crate) async fn measure_store(&mut self, mut target: Target) -> Result<()> {
        self.measure_operations(&mut target).await?;
        self.measure_extras(&mut target).await?;
        self.memory.push((target.store, target.resident_mib()?));
        target.stop().await
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
