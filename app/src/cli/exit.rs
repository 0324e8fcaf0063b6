//! How a command ended, as a number that scripts may rely on.

use crate::config::ConfigErrors;
use crate::identity::bootstrap::BootstrapError;
use crate::refusal::CallError;
use crate::serve::ServeError;
use crate::store::OpenError;
use adapters::http_client::HttpClientError;
use adapters::sea::MigrateError;
use ports::store::StoreError;
use serde_json::Value;
use std::error::Error;
use std::process::ExitCode;

/// The exit codes, as `docs/cli.md` promises them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done = 0,
    /// It failed in a way that is none of the others.
    Failed = 1,
    /// The arguments or the configuration are wrong; nothing was tried.
    Usage = 2,
    /// The server or the database does not answer, or has too much to do: try again.
    Unavailable = 3,
    /// There is no key, or it is not a good one.
    Unauthenticated = 4,
    /// The key does not allow it.
    Denied = 5,
    /// There is no such thing.
    Unknown = 6,
    /// It is not possible as things stand.
    Conflict = 7,
    /// A value is not acceptable.
    Invalid = 8,
    /// The schema of the database is not the one of this binary.
    SchemaDiffers = 9,
}

impl Exit {
    /// Every code.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Unavailable,
        Self::Unauthenticated,
        Self::Denied,
        Self::Unknown,
        Self::Conflict,
        Self::Invalid,
        Self::SchemaDiffers,
    ];

    /// What the status of an answer comes to.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Done,
            401 => Self::Unauthenticated,
            403 => Self::Denied,
            404 => Self::Unknown,
            409 | 410 => Self::Conflict,
            400 | 413 | 415 | 422 => Self::Invalid,
            429 | 502..=504 => Self::Unavailable,
            _ => Self::Failed,
        }
    }

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A command that was not done.
#[derive(Debug)]
pub struct Failure {
    /// The code to end with.
    pub exit: Exit,
    /// What to say.
    pub message: Message,
}

/// What is said of a failure, on standard error.
#[derive(Debug)]
pub enum Message {
    /// A sentence for people.
    Words(String),
    /// The server's problem as it came, for programs.
    Problem(Value),
}

impl Failure {
    /// In these words.
    pub fn words(exit: Exit, words: impl Into<String>) -> Self {
        Self { exit, message: Message::Words(words.into()) }
    }

    /// With everything that led to it.
    pub fn new(exit: Exit, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some errors tell their source's words as their own.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self::words(exit, message)
    }
}

impl From<ConfigErrors> for Failure {
    fn from(error: ConfigErrors) -> Self {
        Self::new(Exit::Usage, &error)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let exit = match &error {
            ServeError::Store(error) => of_open(error),
            ServeError::Identity(error) => of_bootstrap(error),
            ServeError::EnvKeys(_) | ServeError::Pace(_) | ServeError::Ttl(_) => Exit::Usage,
            ServeError::Telemetry(_)
            | ServeError::Listen { .. }
            | ServeError::Signals(_)
            | ServeError::Embedder(_)
            | ServeError::Webhooks(_)
            | ServeError::Wiring(_) => Exit::Failed,
        };
        Self::new(exit, &error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(of_open(&error), &error)
    }
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        Self::new(of_migrate(&error), &error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(of_store(&error), &error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::new(of_call(&error), &error)
    }
}

impl From<HttpClientError> for Failure {
    fn from(error: HttpClientError) -> Self {
        let exit = match &error {
            HttpClientError::Address
            | HttpClientError::HostNotAllowed { .. }
            | HttpClientError::InTheClear { .. }
            | HttpClientError::Key => Exit::Usage,
            HttpClientError::Unreachable(_) => Exit::Unavailable,
            HttpClientError::Build(_) | HttpClientError::TooLong | HttpClientError::NotJson { .. } => Exit::Failed,
        };
        Self::new(exit, &error)
    }
}

fn of_bootstrap(error: &BootstrapError) -> Exit {
    match error {
        BootstrapError::Env(_) | BootstrapError::NoKey => Exit::Usage,
        BootstrapError::Call(error) => of_call(error),
        BootstrapError::KeyFile(_) | BootstrapError::Name(_) => Exit::Failed,
    }
}

fn of_call(error: &CallError) -> Exit {
    match error {
        CallError::Refused(_) => Exit::Conflict,
        CallError::Store(error) => of_store(error),
        CallError::ShuttingDown { .. } => Exit::Unavailable,
        CallError::Internal(_) => Exit::Failed,
    }
}

fn of_open(error: &OpenError) -> Exit {
    match error {
        OpenError::Store(error) | OpenError::File { source: error, .. } => of_store(error),
        OpenError::Migrate(error) => of_migrate(error),
        OpenError::Folder { .. } => Exit::Failed,
        OpenError::NothingKept => Exit::Usage,
    }
}

fn of_migrate(error: &MigrateError) -> Exit {
    match error {
        MigrateError::Newer { .. } => Exit::SchemaDiffers,
        MigrateError::Store(error) => of_store(error),
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Unavailable(_) | StoreError::Conflict { .. } => Exit::Unavailable,
        StoreError::Corrupt { .. } | StoreError::Failed(_) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_documentation_and_no_other() {
        let page = include_str!("../../../docs/cli.md");
        let table = page.split("## Exit codes").nth(1).unwrap();
        let listed: Vec<u8> =
            table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()?.trim().parse().ok()).collect();
        assert_eq!(listed, Exit::ALL.map(Exit::code));
    }

    #[test]
    fn answers_map_to_codes() {
        use Exit::{Conflict, Denied, Done, Failed, Invalid, Unauthenticated, Unavailable, Unknown};
        let codes = [200, 201, 401, 403, 404, 409, 410, 422, 429, 503, 500, 302].map(Exit::of_status);
        let expected = [
            Done,
            Done,
            Unauthenticated,
            Denied,
            Unknown,
            Conflict,
            Conflict,
            Invalid,
            Unavailable,
            Unavailable,
            Failed,
            Failed,
        ];
        assert_eq!(codes, expected);
    }
}
