//! What a process writes, kept in files so that nothing is lost and nothing blocks.

use crate::Outcome;
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;

/// Standard output and standard error of one process.
#[derive(Debug)]
pub struct Logs {
    folder: TempDir,
}

impl Logs {
    /// Two empty files.
    pub fn new() -> Outcome<Self> {
        Ok(Self { folder: TempDir::new()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where standard output goes.
    pub fn stdout_to(&self) -> Outcome<Stdio> {
        Ok(File::create(self.path("stdout"))?.into())
    }

    /// Where standard error goes.
    pub fn stderr_to(&self) -> Outcome<Stdio> {
        Ok(File::create(self.path("stderr"))?.into())
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        read(self.path("stdout"))
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        read(self.path("stderr"))
    }

    /// Both, standard output first.
    pub fn everything(&self) -> String {
        self.stdout() + &self.stderr()
    }
}

fn read(path: PathBuf) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Says something that the runner shows with a failed test, or when it is told to capture nothing.
pub fn note(words: impl Display) {
    // Nobody misses it if it cannot be written.
    let _ = writeln!(std::io::stderr(), "{words}");
}
