//! What a crowd costs that follows events at one server, while they happen at another.

use super::{AGENTS, Pair, RATE, SENDERS, send};
use crate::cpu::resident_kib;
use crate::statistics::{percent, rounded};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many follow.
const CROWD: u32 = 1_000;
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What stands before each event's content.
const MARK: &[u8] = b"\ndata: {";

/// What the crowd cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Crowd {
    /// Processor time of the server they follow at, in percent of one core.
    pub(crate) server_percent: f64,
    /// Its memory that is in RAM, in MiB, with all of them connected.
    pub(crate) memory_mib: u64,
    /// How long after the last event was answered all had all of them, in milliseconds.
    pub(crate) behind_ms: f64,
}

pub(super) async fn measure(pair: &Pair, window: Duration) -> Result<Crowd> {
    let mut following = JoinSet::new();
    let (wanted, until) = watch::channel(u64::MAX);
    for follower in 0..CROWD {
        let key = &pair.caller(SENDERS + follower % (AGENTS - SENDERS))?.key;
        let stream = open(pair.other.address, key).await?;
        following.spawn(count(stream, until.clone()));
    }
    let before = pair.meter.read()?;
    let began = Instant::now();
    // To everyone: one row and one fact, whatever the number of agents.
    let sent = send(pair, &json!({ "everyone": true }), window, |_, _| {}).await?;
    let took = began.elapsed();
    let used = pair.meter.read()?.since(before);
    let memory_mib = resident_kib(pair.other.pid)? / 1024;
    let ended = Instant::now();
    wanted.send_replace(sent.into());
    let all = async {
        while let Some(counted) = following.join_next().await {
            let counted = counted??;
            if counted != u64::from(sent) {
                bail!("{sent} events happened, and somebody was told of {counted}");
            }
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, all).await.context("some did not get everything in time")??;
    let rate = f64::from(sent) / took.as_secs_f64();
    if rate < f64::from(RATE) * 0.9 {
        bail!("no more than {rate:.0} events happened in a second");
    }
    Ok(Crowd {
        server_percent: rounded(percent(used.server, took), 1),
        memory_mib,
        behind_ms: rounded(ended.elapsed().as_secs_f64() * 1e3, 0),
    })
}

/// Follows what is sent, from now on.
async fn open(address: std::net::SocketAddr, key: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET /v1/events?kind=message.sent HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         accept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // The position, with which a stream begins, says that it follows.
    while !head.windows(4).any(|four| four == b"\nid:") {
        if stream.read_buf(&mut head).await? == 0 {
            bail!("nobody may follow: {}", String::from_utf8_lossy(&head));
        }
    }
    Ok(stream)
}

/// Counts events until there are as many as are wanted.
async fn count(mut stream: TcpStream, mut wanted: watch::Receiver<u64>) -> Result<u64> {
    let (mut buffer, mut counted) = (Vec::with_capacity(64 * 1024), 0);
    loop {
        if counted >= *wanted.borrow() {
            return Ok(counted);
        }
        tokio::select! {
            read = stream.read_buf(&mut buffer) => {
                if read? == 0 {
                    bail!("a stream ended");
                }
                counted += buffer.windows(MARK.len()).filter(|part| *part == MARK).count() as u64;
                let rest = buffer.len().saturating_sub(MARK.len() - 1);
                buffer.drain(..rest);
            }
            changed = wanted.changed() => changed?,
        }
    }
}
