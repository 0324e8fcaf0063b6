//! The load generator. `tests/load/run` builds it, gives it a server and a cluster, and cleans up after it.

mod bench;
mod cpu;
mod database;
mod disk;
mod drive;
mod floor;
mod goals;
mod history;
mod http;
mod idle;
mod locks;
mod memories;
mod mesh;
mod operation;
mod pace;
mod plan;
mod queue;
mod report;
mod series;
mod server;
mod statistics;
mod target;
mod tasks;

use crate::bench::Bench;
use crate::cpu::Meter;
use crate::database::Database;
use crate::plan::{Plan, schedule};
use crate::statistics::median;
use crate::target::Site;
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Of each store: the server's, the floor's, and two for claims without and with a history.
const DATABASES: [&str; 4] = ["server", "floor", "unused", "used"];

/// Measures locks and work over HTTP beside what the databases can do at best.
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
        let databases = DATABASES.map(|name| Database::sqlite(&site.work, &format!("sqlite-{name}")));
        bench.measure_store(&site, "sqlite", databases).await?;
        let database = async |name: &str| Ok(Database::sqlite(&site.work, &format!("sqlite-{name}")));
        bench.other_goals.extend(memories::measure_all(&site, "sqlite", &bench.plan, database).await?);
    }
    if arguments.only != Some(Only::Sqlite) {
        let (Some(dsn), Some(pid)) = (arguments.postgres_dsn, arguments.postgres_pid) else {
            bail!("for PostgreSQL, --postgres-dsn and --postgres-pid are needed");
        };
        let site = Site { meter: site.meter.with_database(pid), ..site };
        let mut databases = Vec::new();
        for name in DATABASES {
            databases.push(Database::create_postgres(&dsn, &format!("load_{name}")).await?);
        }
        let Ok(databases) = databases.try_into() else { bail!("as many databases as names") };
        bench.measure_store(&site, "postgres", databases).await?;
        bench.other_goals.extend(mesh::measure(&site, &dsn, &bench.plan).await?);
        let database = async |name: &str| Database::create_postgres(&dsn, &format!("load_{name}")).await;
        bench.other_goals.extend(memories::measure_all(&site, "postgres", &bench.plan, database).await?);
    }
    let mut out = std::io::stdout().lock();
    bench.report.print(&mut out)?;
    let seconds = schedule.window.as_secs_f64();
    writeln!(out, "\nMedians of {rounds} runs of {seconds} s; one operation is one HTTP request.")?;
    writeln!(out, "Disk, fdatasync/s of one 4 KiB block: {}.", spread(&bench.syncs))?;
    writeln!(out, "Memory of the server at the end: {}.", told_memory(&bench.memory))?;
    writeln!(out, "\nWhat was aimed at:\n")?;
    goals::print(&bench.goals(), &mut out)?;
    arguments.json.map_or(Ok(()), |path| bench.report.write_json(&path))
}

fn told_memory(memory: &[(&str, u64)]) -> String {
    let each: Vec<String> = memory.iter().map(|(store, mib)| format!("{mib} MiB on {store}")).collect();
    each.join(", ")
}

/// The middle, the least and the greatest.
fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN);
    let greatest = values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN);
    let middle = median(values.iter().copied()).unwrap_or(f64::NAN);
    format!("{middle:.0} in the middle, {least:.0} to {greatest:.0} between the runs")
}
