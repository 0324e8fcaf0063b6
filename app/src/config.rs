//! The configuration: environment variables, read once at start, refused as a whole when anything is wrong with them.
//!
//! Each section is one struct in one file; [`mod@reference`] is the one list of names, defaults and bounds, from which
//! `docs/configuration.md` and `.env.example` are written.

use std::ffi::OsString;

mod alerts;
mod client;
mod data;
mod database;
mod embedder;
mod faults;
mod http;
mod identity;
mod locks;
mod memory;
mod messages;
mod reader;
pub mod reference;
mod retention;
mod secret;
mod telemetry;
mod unknown;
mod webhooks;

pub use alerts::Alerts;
pub use client::Client;
pub use data::Data;
pub use database::{Database, Postgres, SqliteSynchronous};
pub use embedder::{Embedder, EmbedderEndpoint};
pub use faults::{ConfigErrors, Fault};
pub use http::Http;
pub use identity::{EnvKey, Identity, KEY_BYTES_MAX, KEY_BYTES_MIN, KEYS_MAX, KeyIdentity, KeyRole};
pub use locks::Locks;
pub use memory::Memory;
pub use messages::Messages;
pub use retention::Retention;
pub use secret::Secret;
pub use telemetry::{LogFormat, Otlp, Telemetry};
pub use webhooks::Webhooks;

use reader::Reader;

/// Everything a server needs to know at start.
#[derive(Debug, Clone)]
pub struct Config {
    /// When alerts are raised and become worse.
    pub alerts: Alerts,
    /// Where files are kept.
    pub data: Data,
    /// The store.
    pub database: Database,
    /// What turns memories into vectors.
    pub embedder: Embedder,
    /// The HTTP server.
    pub http: Http,
    /// Keys from the environment.
    pub identity: Identity,
    /// Lock defaults.
    pub locks: Locks,
    /// How memories are kept and found.
    pub memory: Memory,
    /// Limits of messages.
    pub messages: Messages,
    /// How long the past is kept.
    pub retention: Retention,
    /// Logs, traces, metrics.
    pub telemetry: Telemetry,
    /// How webhooks are told.
    pub webhooks: Webhooks,
    /// Sentences for the log: what was set and passed over, and what is accepted but unwise.
    pub notices: Vec<String>,
}

impl Config {
    /// Reads every section from `variables`, as `std::env::vars_os()` gives them. Empty values count as not set.
    ///
    /// # Errors
    ///
    /// Every fault at once: bad values, values that contradict each other, unknown names under Pointsman's prefixes.
    pub fn from_vars<I, K, V>(variables: I) -> Result<Self, ConfigErrors>
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let mut reader = Reader::new(variables);
        let mut notices = Vec::new();
        let config = Self {
            alerts: Alerts::read(&mut reader),
            data: Data::read(&mut reader),
            database: Database::read(&mut reader, &mut notices),
            embedder: Embedder::read(&mut reader, &mut notices),
            http: Http::read(&mut reader, &mut notices),
            identity: Identity::read(&mut reader, &mut notices),
            locks: Locks::read(&mut reader),
            memory: Memory::read(&mut reader),
            messages: Messages::read(&mut reader),
            retention: Retention::read(&mut reader),
            telemetry: Telemetry::read(&mut reader),
            webhooks: Webhooks::read(&mut reader),
            notices,
        };
        reader.finish(config)
    }
}

#[cfg(test)]
mod tests;
