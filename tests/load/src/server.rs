//! The server under load: a process of its own, with a configuration of its own.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Settings as environment variables.
pub(crate) type Settings = Vec<(&'static str, OsString)>;

/// The program with these settings and nothing else from the environment.
fn command(program: &Path, settings: &Settings, log: &Path) -> Result<Command> {
    let log = File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
    let mut command = Command::new(program);
    command.env_clear().envs(settings.iter().map(|(name, value)| (*name, value)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    Ok(command)
}

/// Makes the tables in the store these settings name, without serving.
pub(crate) async fn migrate(program: &Path, settings: &Settings, log: &Path) -> Result<()> {
    let status = command(program, settings, log)?.args(["migrate", "up"]).status().await;
    let status = status.with_context(|| format!("running {}", program.display()))?;
    if !status.success() {
        bail!("`migrate up` failed ({status}); see {}", log.display());
    }
    Ok(())
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the server on a free port and waits until it is ready.
    pub(crate) async fn start(program: &Path, mut settings: Settings, log: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        settings.push(("API_PORT", port.to_string().into()));
        let mut child = command(program, &settings, log)?
            .arg("serve")
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let pid = child.id().context("the server has no process id")?;
        let began = Instant::now();
        while !is_ready(address).await {
            if let Some(status) = child.try_wait()? {
                bail!("the server ended at start ({status}); see {}", log.display());
            }
            if began.elapsed() > START_TIMEOUT {
                bail!("the server was not ready after {} s; see {}", START_TIMEOUT.as_secs(), log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { child, pid, address })
    }

    /// Asks it to stop, and waits for it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().await?;
        if !asked.success() {
            bail!("the server had ended before it was asked to");
        }
        let status = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        let status = status.context("the server did not stop in time")??;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer.starts_with("HTTP/1.1 200 "))
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Ok(true)))
}
