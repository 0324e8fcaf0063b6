//! What clients do with locks over HTTP.

use crate::drive::Client;
use crate::http::Connection;
use anyhow::{Result, bail};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

/// The files one client works on by turns.
const FILES_OF_A_CLIENT: u64 = 100;

const REASON: &str = "refactor the parser";

#[derive(Deserialize)]
struct Granted {
    locks: Vec<GrantedLock>,
}

#[derive(Deserialize)]
struct GrantedLock {
    token: u64,
}

#[derive(Deserialize)]
struct Released {
    released: Vec<ReleasedLock>,
}

#[derive(Deserialize)]
struct ReleasedLock {
    token: u64,
    already_released: bool,
}

/// Whose keys a client asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Files {
    /// Those of this client alone.
    Own(u32),
    /// So many, the same for all; a client waits in line for as long as this.
    Shared { number: u64, wait_seconds: u32 },
}

impl Files {
    fn key(self, turn: u64) -> String {
        match self {
            Self::Own(client) => format!("crates/parser-{client}/src/file_{}.rs", turn % FILES_OF_A_CLIENT),
            Self::Shared { number, .. } => format!("shared/src/file_{}.rs", turn % number.max(1)),
        }
    }

    fn wait_seconds(self) -> u32 {
        match self {
            Self::Own(_) => 0,
            Self::Shared { wait_seconds, .. } => wait_seconds,
        }
    }
}

/// Takes a lock, gives it back, takes the next one: two operations each time round.
pub(crate) struct AcquireRelease {
    connection: Connection,
    files: Files,
    /// Different for each client and run, so that no idempotency key is used twice.
    name: String,
    turn: u64,
    held: Option<u64>,
}

impl AcquireRelease {
    pub(crate) fn new(connection: Connection, files: Files, name: String, first_turn: u64) -> Self {
        Self { connection, files, name, turn: first_turn, held: None }
    }

    async fn acquire(&mut self) -> Result<()> {
        let body = json!({
            "keys": [{ "key": self.files.key(self.turn), "mode": "exclusive" }],
            "reason": REASON,
            "wait_seconds": self.files.wait_seconds(),
        });
        let name = format!("{}-{}-acquire", self.name, self.turn);
        let granted: Granted = self.connection.post("/v1/locks/acquire", &name, body.to_string()).await?;
        let [lock] = granted.locks.as_slice() else { bail!("{} locks were granted for one key", granted.locks.len()) };
        self.held = Some(lock.token);
        Ok(())
    }

    async fn release(&mut self, token: u64) -> Result<()> {
        let name = format!("{}-{}-release", self.name, self.turn);
        let body = json!({ "tokens": [token] }).to_string();
        let answer: Released = self.connection.post("/v1/locks/release", &name, body).await?;
        match answer.released.as_slice() {
            [lock] if lock.token == token && !lock.already_released => {}
            released => bail!("token {token} was not released once: {} answers", released.len()),
        }
        self.held = None;
        self.turn += 1;
        Ok(())
    }
}

#[async_trait]
impl Client for AcquireRelease {
    async fn operate(&mut self) -> Result<()> {
        match self.held {
            Some(token) => self.release(token).await,
            None => self.acquire().await,
        }
    }

    async fn finish(&mut self) -> Result<u64> {
        match self.held {
            Some(token) => self.release(token).await.map(|()| 1),
            None => Ok(0),
        }
    }
}

/// Asks one thing again and again.
pub(crate) struct Read {
    connection: Connection,
    path: String,
}

impl Read {
    pub(crate) fn new(connection: Connection, path: String) -> Self {
        Self { connection, path }
    }
}

#[async_trait]
impl Client for Read {
    async fn operate(&mut self) -> Result<()> {
        let answer: Value = self.connection.get(&self.path).await?;
        if answer.is_object() { Ok(()) } else { bail!("{} was answered {answer}", self.path) }
    }
}
