//! PostgreSQL for tests: a database of its own, or a cluster of its own for tests that break it.

use crate::random::seed;
use crate::{Fault, Outcome};
use reqwest::Url;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// One setting of the environment.
#[expect(clippy::disallowed_methods, reason = "the tests have no configuration but what their runner exports")]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A file of the repository.
pub fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A program's output, trimmed; a fault with its complaint if it fails.
pub fn run(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let program = command.get_program().to_string_lossy();
    Err(Fault::new(format!("{program}: {}: {complaint}", output.status)))
}

/// Runs SQL where a connection string points and prints rows bare, columns apart by `|`.
pub fn psql(dsn: &str, sql: &str) -> Outcome<String> {
    let folder = match setting("TEST_POSTGRES_BIN") {
        Some(folder) => folder,
        None => run(Command::new(in_repository("tests/postgres")).arg("find"))?,
    };
    let psql = Path::new(&folder).join("psql");
    run(Command::new(psql).args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-c", sql]))
}

/// A database of its own in a cluster, dropped at the end.
#[derive(Debug)]
pub struct Database {
    cluster_dsn: String,
    name: String,
    /// Where the server finds it.
    pub dsn: String,
}

impl Database {
    /// An empty database in the cluster of `TEST_POSTGRES_DSN`.
    pub fn create() -> Outcome<Self> {
        let cluster = setting("TEST_POSTGRES_DSN").ok_or_else(|| {
            Fault::new("TEST_POSTGRES_DSN is not set: run tests/run, or start a cluster with tests/postgres start")
        })?;
        Self::create_in(cluster)
    }

    /// An empty database in a cluster.
    pub fn create_in(cluster_dsn: String) -> Outcome<Self> {
        let name = format!("e2e_{:016x}", seed());
        psql(&cluster_dsn, &format!("CREATE DATABASE {name}"))?;
        let mut url = Url::parse(&cluster_dsn)?;
        url.set_path(&name);
        Ok(Self { cluster_dsn, name, dsn: url.into() })
    }

    /// Runs SQL in it.
    pub fn sql(&self, sql: &str) -> Outcome<String> {
        psql(&self.dsn, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It may be gone together with its cluster.
        let _ = psql(&self.cluster_dsn, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// A cluster of its own, to be stopped, crashed and paused; gone at the end.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    /// Where the server finds its database.
    pub dsn: String,
}

impl Cluster {
    /// A fresh cluster that runs.
    pub fn start() -> Outcome<Self> {
        let folder = TempDir::new()?;
        // The cluster's user is another one when the tests run as root.
        run(Command::new("chmod").arg("755").arg(folder.path()))?;
        let dsn = run(Command::new(in_repository("tests/postgres")).arg("start").arg(folder.path().join("pg")))?;
        Ok(Self { folder, dsn })
    }

    /// What it has written to its log.
    pub fn log(&self) -> Outcome<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.folder.path().join("pg/postgres.log"))?).into_owned())
    }

    fn control(&self, action: &str, option: Option<&str>) -> Outcome {
        let mut command = Command::new(in_repository("tests/postgres"));
        command.arg(action).arg(self.folder.path().join("pg")).args(option);
        run(&mut command).map(drop)
    }

    /// Stops it in good order.
    pub fn stop(&self) -> Outcome {
        self.control("stop", None)
    }

    /// Starts it again on its port.
    pub fn start_again(&self) -> Outcome {
        self.control("start", None)
    }

    /// A crash with recovery.
    pub fn crash_and_restart(&self) -> Outcome {
        self.control("restart", Some("--immediate"))
    }

    /// Lets it hang: it keeps its connections and answers nothing.
    pub fn pause(&self) -> Outcome {
        self.control("pause", None)
    }

    /// Ends a pause.
    pub fn resume(&self) -> Outcome {
        self.control("resume", None)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The runner of the tests stops what is left over.
        let _ = self.control("stop", Some("--immediate"));
    }
}
