//! How well memories are recalled: judged questions asked of the built server, on each store, by words, by meaning and
//! by both. `tests/recall/run` builds the server and starts what is needed.

mod asking;
mod data;
mod judging;
mod memory;
mod report;

use crate::asking::{Mode, Subject};
use crate::data::Collection;
use crate::report::Report;
use clap::{Parser, ValueEnum};
use e2e::Outcome;
use e2e::store::Store;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures recall over judged questions.
#[derive(Debug, Parser)]
struct Arguments {
    /// A folder with a folder for each collection: `memories.jsonl` and `queries.jsonl`.
    #[arg(long)]
    data: PathBuf,
    /// Also write the rows to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// One of the stores alone.
    #[arg(long, value_enum)]
    only: Option<Backend>,
    /// Where vectors are made (`…/v1`). Without it only words are measured.
    #[arg(long, value_name = "URL")]
    embedder: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(&fault.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Words for the person at the terminal, while the table goes to stdout. Without a listener they are lost.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "recall: {words}");
}

async fn run(arguments: Arguments) -> Outcome {
    let collections = Collection::read_all(&arguments.data)?;
    let modes = match arguments.embedder {
        Some(_) => &[Mode::Lexical, Mode::Vector, Mode::Hybrid][..],
        None => &[Mode::Lexical],
    };
    let mut report = Report::default();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        if arguments.only.is_some_and(|only| only != backend) {
            continue;
        }
        let store = match backend {
            Backend::Sqlite => Store::sqlite()?,
            Backend::Postgres => Store::postgres()?,
        };
        let mut subject = Subject::start(&store, arguments.embedder.as_deref()).await?;
        for (number, collection) in collections.iter().enumerate() {
            let learned = subject.learn(number, collection).await?;
            say(&format!("{}: {} memories of {} are stored", backend.name(), learned.memories(), collection.name));
            for mode in modes {
                let judged = subject.examine(collection, &learned, *mode).await?;
                report.add(&collection.name, backend.name(), mode.name(), &judged);
            }
        }
        subject.stop().await?;
    }
    let mut out = std::io::stdout().lock();
    report.print(&mut out)?;
    arguments.json.map_or(Ok(()), |path| report.write_json(&path))
}
