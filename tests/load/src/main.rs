//! The load generator. `tests/load/run` builds it, gives it a server and a cluster, and cleans up after it.

mod cpu;
mod database;
mod disk;
mod drive;
mod floor;
mod http;
mod locks;
mod report;
mod server;
mod statistics;
mod target;

use crate::cpu::Meter;
use crate::database::Database;
use crate::drive::{Measure, Schedule};
use crate::report::{Report, middle};
use crate::statistics::median;
use crate::target::{CONNECTIONS, Site, Target, sqlite_databases};
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How many clients there are, in turn.
const CLIENTS: [u32; 3] = [1, 16, 64];
/// How many clients the measures without a floor have.
const CLIENTS_OF_EXTRAS: u32 = 16;
/// How many files they fight for where they do.
const FILES_FOUGHT_FOR: u64 = 4;
const AGENTS: u32 = 64;
/// How long a look at the disk's sync rate is; there is one before each pair of runs.
const SYNC_LOOK: Duration = Duration::from_millis(300);
const ACQUIRE_RELEASE: &str = "lock acquire+release";
const CONTENDED: &str = "contended acquire+release, 4 files for all, waiting";
const READS: [(&str, &str); 3] = [
    ("lock status", "/v1/locks/status?key=shared/src/file_0.rs"),
    ("lock list, empty", "/v1/locks?limit=50"),
    ("me, which reads nothing", "/v1/me"),
];

/// Measures lock operations over HTTP beside what the databases can do at best.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server's program.
    #[arg(long)]
    server: PathBuf,
    /// A folder for the data and logs of the run, on the disk that is to be measured.
    #[arg(long)]
    work: PathBuf,
    /// A cluster in which databases may be made.
    #[arg(long)]
    postgres_dsn: Option<String>,
    /// The process id of the cluster's first process.
    #[arg(long, requires = "postgres_dsn")]
    postgres_pid: Option<u32>,
    /// One of the stores alone.
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Shorter and fewer runs.
    #[arg(long)]
    quick: bool,
    /// So many clients alone, instead of each number in turn.
    #[arg(long)]
    clients: Option<u32>,
    /// Only the measures whose name begins so.
    #[arg(long, value_name = "NAME")]
    measure: Option<String>,
    /// Also write the measures with a floor to this file, and the others to FILE.extra.json.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    Sqlite,
    Postgres,
}

/// How often and how long.
#[derive(Debug, Clone, Default)]
struct Plan {
    rounds: usize,
    clients: Vec<u32>,
    measure: String,
}

impl Plan {
    fn new(arguments: &Arguments) -> Self {
        Self {
            rounds: if arguments.quick { 3 } else { 5 },
            clients: arguments.clients.map_or(CLIENTS.to_vec(), |clients| vec![clients]),
            measure: arguments.measure.clone().unwrap_or_default(),
        }
    }

    fn has(&self, measure: &str) -> bool {
        measure.starts_with(&self.measure)
    }
}

fn schedule(quick: bool) -> Schedule {
    let (warm_up_ms, window_ms) = if quick { (500, 2_000) } else { (1_000, 5_000) };
    Schedule { warm_up: Duration::from_millis(warm_up_ms), window: Duration::from_millis(window_ms) }
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = run(Arguments::parse()) => outcome,
        // Servers end with this process's futures.
        signal = tokio::signal::ctrl_c() => signal.map_err(Into::into).and_then(|()| bail!("interrupted")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Words for the person at the terminal, while the table goes to stdout. Without a listener they are lost.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "load: {words}");
}

async fn run(arguments: Arguments) -> Result<()> {
    let (plan, schedule) = (Plan::new(&arguments), schedule(arguments.quick));
    fs::create_dir_all(&arguments.work).with_context(|| arguments.work.display().to_string())?;
    let work = fs::canonicalize(&arguments.work)?;
    let site = Site { program: arguments.server, work, schedule, meter: Meter::of_generator()? };
    let rounds = plan.rounds;
    let mut bench = Bench { plan, work: site.work.clone(), ..Bench::default() };
    if arguments.only != Some(Only::Postgres) {
        let (holding, floor) = sqlite_databases(&site.work);
        let target = Target::start(&site, "sqlite", holding, floor, AGENTS).await?;
        bench.measure_store(target).await?;
    }
    if arguments.only != Some(Only::Sqlite) {
        let (Some(dsn), Some(pid)) = (arguments.postgres_dsn, arguments.postgres_pid) else {
            bail!("for PostgreSQL, --postgres-dsn and --postgres-pid are needed");
        };
        let site = Site { meter: site.meter.with_database(pid), ..site };
        let holding = Database::create_postgres(&dsn, "load_server").await?;
        let floor = Database::create_postgres(&dsn, "load_floor").await?;
        let target = Target::start(&site, "postgres", holding, floor, AGENTS).await?;
        bench.measure_store(target).await?;
    }
    let mut out = std::io::stdout().lock();
    bench.report.print(&mut out)?;
    writeln!(out, "\nMedians of {rounds} runs of {} s; one operation is one HTTP request.", schedule.window.as_secs())?;
    writeln!(out, "Disk, fdatasync/s of one 4 KiB block: {}.", spread(&bench.syncs))?;
    writeln!(out, "Memory of the server at the end: {}.", bench.memory.join(", "))?;
    arguments.json.map_or(Ok(()), |path| bench.report.write_json(&path))
}

/// The middle, the least and the greatest.
fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN);
    let greatest = values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN);
    let middle = median(values.iter().copied()).unwrap_or(f64::NAN);
    format!("{middle:.0} in the middle, {least:.0} to {greatest:.0} between the runs")
}

/// What has been measured so far.
#[derive(Default)]
struct Bench {
    plan: Plan,
    work: PathBuf,
    report: Report,
    syncs: Vec<f64>,
    memory: Vec<String>,
}

impl Bench {
    /// Everything on one store.
    async fn measure_store(&mut self, mut target: Target) -> Result<()> {
        if self.plan.has(ACQUIRE_RELEASE) {
            self.measure_locks(&mut target).await?;
        }
        self.measure_extras(&mut target).await?;
        self.memory.push(format!("{} MiB on {}", target.resident_mib()?, target.store));
        target.stop().await
    }

    async fn measure_locks(&mut self, target: &mut Target) -> Result<()> {
        let clients = self.plan.clients.clone();
        let mut pairs: Vec<(Vec<Measure>, Vec<Measure>)> = vec![Default::default(); clients.len()];
        let (mut locked, mut alone) = (Vec::new(), Vec::new());
        for round in 0..self.plan.rounds {
            for (clients, (http, floor)) in clients.iter().zip(&mut pairs) {
                self.syncs.push(disk::syncs_per_second(&self.work, SYNC_LOOK)?);
                // By turns first and last, so that neither always meets what the other left behind.
                if round % 2 == 0 {
                    floor.push(target.floor(CONNECTIONS).await?);
                }
                let measured = target.acquire_release(*clients).await?;
                say(&format!("{}, round {}, {clients} clients: {:.0}/s", target.store, round + 1, measured.ops_per_s));
                http.push(measured);
                if round % 2 != 0 {
                    floor.push(target.floor(CONNECTIONS).await?);
                }
            }
            alone.push(target.floor(1).await?);
            if target.store == "postgres" {
                locked.push(target.locked_floor(CONNECTIONS).await?);
            }
        }
        for (clients, (http, floor)) in clients.into_iter().zip(&pairs) {
            let (Some(http), Some(floor)) = (middle(http), middle(floor)) else { bail!("nothing was measured") };
            self.report.add(ACQUIRE_RELEASE, target.store, clients, http, floor);
        }
        if let Some(locked) = middle(&locked) {
            let all: Vec<Measure> = pairs.iter().flat_map(|(_, floor)| floor).copied().collect();
            let Some(all) = middle(&all) else { bail!("nothing was measured") };
            self.report.add_extra("raw floor", target.store, CONNECTIONS, all);
            self.report.add_extra("raw floor, each under the project's lock", target.store, CONNECTIONS, locked);
        }
        let Some(alone) = middle(&alone) else { bail!("nothing was measured") };
        self.report.add_extra("raw floor", target.store, 1, alone);
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
