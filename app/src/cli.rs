//! The command line: what can be asked of the binary, and how it tells how that went.

use crate::config::{Config, ConfigErrors};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

pub mod docs;
pub mod exit;
pub mod key;
pub mod output;
pub mod schema;

use exit::{Exit, Failure, Message};

/// How long what is left may run once the command is done.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// The environment of the process.
pub type Variables = Vec<(OsString, OsString)>;

/// Coordinates fleets of AI agents: locks with fencing tokens, a work queue, and an audit log.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API. Everything is set by environment variables
    Serve,
    /// Look at the schema of the database, or bring it up to date
    #[command(subcommand)]
    Migrate(schema::Migrate),
    /// Manage the epoch of fencing tokens
    #[command(subcommand)]
    Epoch(schema::Epoch),
    /// Manage API keys, through a running server
    Key(key::Key),
    /// Write pages of the documentation to standard output
    #[command(subcommand, hide = true)]
    Docs(docs::Docs),
}

/// Reads the arguments and does what they say.
pub fn main(arguments: impl IntoIterator<Item = OsString>, variables: Variables) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output, mistakes to standard error; a reader that went away is no news.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    // Fails only if a provider is there already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(cli.command, variables) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            match &failure.message {
                Message::Words(words) => output::error(words),
                Message::Problem(problem) => output::problem(problem),
            }
            failure.exit.into()
        }
    }
}

fn run(command: Command, variables: Variables) -> Result<(), Failure> {
    match command {
        Command::Serve => {
            let config = configuration(variables)?;
            let workers = config.http.workers.map(usize::from);
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            if let Some(workers) = workers {
                builder.worker_threads(workers);
            }
            on(&mut builder, async { crate::serve::run(config).await.map_err(Failure::from) })
        }
        Command::Migrate(command) => once(schema::migrate(command, configuration(variables)?)),
        Command::Epoch(command) => once(schema::epoch(command, configuration(variables)?)),
        Command::Key(command) => once(key::run(command, variables)),
        Command::Docs(command) => docs::run(command),
    }
}

fn configuration(variables: Variables) -> Result<Config, ConfigErrors> {
    Config::from_vars(variables)
}

/// Runs something short on the thread that is there.
fn once(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    on(&mut tokio::runtime::Builder::new_current_thread(), work)
}

fn on(builder: &mut tokio::runtime::Builder, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::words(Exit::Failed, format!("the runtime cannot be started: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LINGER_MAX);
    result
}
