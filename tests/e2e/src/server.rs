//! The built server as a process.

use crate::client::Client;
use crate::database::{in_repository, setting};
use crate::keyring::{Keyring, key_of};
use crate::logs::{Logs, note};
use crate::random::{Random, seed};
use crate::{Fault, Outcome};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// A server is ready within this time, also in a debug build on a busy machine.
pub const READY_WITHIN: Duration = Duration::from_secs(30);

/// How many of the last lines of a server's log are shown with a failed test.
const LOG_LINES_SHOWN: usize = 25;
/// And how much of each.
const LOG_CHARS_SHOWN: usize = 400;

/// The built server.
pub fn binary() -> Outcome<PathBuf> {
    let test = std::env::current_exe()?;
    let beside = || test.ancestors().nth(2).unwrap_or(Path::new(".")).join("pointsman");
    let path = setting("TEST_POINTSMAN_BIN").map_or_else(beside, PathBuf::from);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Fault::new(format!("{} is not built: run `cargo build -p pointsman` first", path.display())))
    }
}

/// A free port below those that the system hands out to outgoing connections.
fn free_port() -> Outcome<u16> {
    let mut random = Random::new(seed());
    for _ in 0..1_000 {
        let port = u16::try_from(10_000 + random.below(10_000))?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Fault::new("no port is free"))
}

/// A server to be started.
#[derive(Debug, Clone)]
pub struct Launch {
    variables: BTreeMap<String, String>,
    port: u16,
    clock: Option<String>,
}

impl Launch {
    /// A server with nothing configured but its folder and a free port.
    pub fn new(data: &Path) -> Outcome<Self> {
        let port = free_port()?;
        let launch = Self { variables: BTreeMap::new(), port, clock: None };
        Ok(launch.set("POINTSMAN_DATA", data.to_string_lossy()).set("API_PORT", port.to_string()))
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a variable out of its environment again.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// The port it is to listen on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Keeps its data in a database.
    #[must_use]
    pub fn postgres(self, dsn: &str) -> Self {
        self.set("DB_BACKEND", "postgres").set("POSTGRES_DSN", dsn)
    }

    /// Gives it a clock that is ahead or behind, such as by `+30m`.
    pub fn clock(self, offset: &str) -> Outcome<Self> {
        // Fetched here, if need be, since the server's own environment knows no way out.
        crate::database::run(std::process::Command::new(in_repository("tests/faketime")).arg("find"))?;
        Ok(Self { clock: Some(offset.to_owned()), ..self })
    }

    /// Gives it keys.
    #[must_use]
    pub fn keys(self, keyring: &Keyring) -> Self {
        keyring.variables().into_iter().fold(self, |launch, (name, value)| launch.set(name, value))
    }

    /// The command `pointsman` with these arguments and this environment, and nothing else from outside.
    pub fn command(&self, arguments: &[&str]) -> Outcome<Command> {
        let mut command = match &self.clock {
            Some(offset) => {
                let mut command = Command::new(in_repository("tests/faketime"));
                command.arg(offset).arg(binary()?);
                command
            }
            None => Command::new(binary()?),
        };
        command.args(arguments).env_clear().kill_on_drop(true);
        for name in ["PATH", "HOME", "TMPDIR", "TEST_CACHE_DIR"] {
            if let Some(value) = setting(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.variables);
        Ok(command)
    }

    /// Starts it and goes on without waiting.
    pub fn spawn(&self) -> Outcome<Server> {
        let logs = Logs::new()?;
        let mut command = self.command(&["serve"])?;
        command.stdin(std::process::Stdio::null()).stdout(logs.stdout_to()?).stderr(logs.stderr_to()?);
        Ok(Server { child: command.spawn()?, logs, launch: self.clone() })
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) -> Outcome<Server> {
        let mut server = self.spawn()?;
        server.ready().await?;
        Ok(server)
    }

    /// Starts it, expects it to refuse, and answers what it said.
    pub async fn refused(&self) -> Outcome<String> {
        let mut server = self.spawn()?;
        let status = server.ended(READY_WITHIN).await?;
        if status.success() {
            return Err(Fault::new("the server ended well where it should have refused to start"));
        }
        Ok(server.logs.everything())
    }
}

/// A server that was started. It is killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    logs: Logs,
    launch: Launch,
}

impl Server {
    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.launch.port)
    }

    /// The start of every URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// How it was started, to start it again.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// What it wrote.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Somebody without a key.
    pub fn stranger(&self) -> Outcome<Client> {
        Client::new(&self.url())
    }

    /// An agent of the server's keyring.
    pub fn agent(&self, name: &str) -> Outcome<Client> {
        Ok(self.stranger()?.key(key_of(name)))
    }

    /// Waits until it answers that it is ready.
    pub async fn ready(&mut self) -> Outcome {
        let client = self.stranger()?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(Fault::new(format!("the server ended with {status} instead of getting ready")));
            }
            if client.get("/ready").await.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Fault::new(format!("the server was not ready within {READY_WITHIN:?}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn signal(&self, name: &str) -> Outcome {
        let pid = self.child.id().ok_or_else(|| Fault::new("the server has ended already"))?;
        // `kill` is part of every shell, but not a program of its own on every machine.
        crate::database::run(std::process::Command::new("sh").args(["-c", &format!("kill -{name} {pid}")])).map(drop)
    }

    /// Asks it to stop.
    pub fn terminate(&self) -> Outcome {
        self.signal("TERM")
    }

    /// Lets it hang with everything it has open.
    pub fn pause(&self) -> Outcome {
        self.signal("STOP")
    }

    /// Ends a pause.
    pub fn resume(&self) -> Outcome {
        self.signal("CONT")
    }

    /// Ends it at once, as a crash would.
    pub async fn kill(&mut self) -> Outcome {
        Ok(self.child.kill().await?)
    }

    /// Waits for its end.
    pub async fn ended(&mut self, within: Duration) -> Outcome<ExitStatus> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => Err(Fault::new(format!("the server had not ended after {within:?}"))),
        }
    }

    /// Asks it to stop and expects it to end well within 10 s; how long it took.
    pub async fn stop(&mut self) -> Outcome<Duration> {
        let began = Instant::now();
        self.terminate()?;
        let status = self.ended(Duration::from_secs(10)).await?;
        if status.success() { Ok(began.elapsed()) } else { Err(Fault::new(format!("the server ended with {status}"))) }
    }

    /// Whether it still runs as the process that was started.
    pub fn still_runs(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let log = self.logs.everything();
        let lines: Vec<String> = log.lines().map(|line| line.chars().take(LOG_CHARS_SHOWN).collect()).collect();
        let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
        let shown = lines.get(from..).unwrap_or_default().join("\n");
        note(format_args!("--- the server on port {} wrote:\n{shown}", self.launch.port));
    }
}
