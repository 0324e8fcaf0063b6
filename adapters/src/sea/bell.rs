//! Word between servers by `NOTIFY`, on two connections of its own.
//!
//! Never inside the transaction that has the news: a commit with a notification waits for every other one in the whole
//! cluster.

use crate::sea::connect::{PostgresOptions, postgres_connection};
use crate::sea::error::{NoAnswer, sort, unavailable};
use crate::system::RandomIds;
use async_trait::async_trait;
use domain::ids::ProjectId;
use ports::bell::{Bell, Word};
use ports::ids::IdSource;
use ports::store::StoreError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sea_orm::sqlx::{self, Connection, Executor, PgConnection};
use sea_orm::{DbErr, RuntimeErr};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The channel of all servers of a database.
const CHANNEL: &str = "pointsman";

/// A notification must be shorter than this, in bytes.
const NOTE_BYTES_LIMIT: usize = 8_000;

/// How long nothing may be heard before it is asked whether the line still stands. A dead one need not say so.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The connection that listens was lost.
#[derive(Debug, thiserror::Error)]
#[error("the connection that listens for word from other servers was lost")]
struct LineLost;

/// What is sent. No projects stand for all of them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    from: String,
    projects: Option<BTreeSet<ProjectId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facts: Option<BTreeSet<ProjectId>>,
}

/// Word by `NOTIFY` on PostgreSQL.
///
/// Through a pooler that hands connections out for single transactions nothing is heard.
pub struct SeaBell {
    /// By which this server knows its own notes.
    name: String,
    connect: PgConnectOptions,
    connect_timeout: Duration,
    answer_timeout: Duration,
    mouth: Mutex<Option<PgConnection>>,
    ear: Mutex<Option<PgListener>>,
}

impl SeaBell {
    /// A bell in a database; it is connected to when needed.
    pub fn postgres(options: &PostgresOptions) -> Result<Self, StoreError> {
        // Nothing is lost with a note, so its commit need not wait for the disk.
        let connect = postgres_connection(options)?.options([("synchronous_commit", "off")]);
        Ok(Self {
            name: RandomIds.random_name(),
            connect: connect.application_name("pointsman bell"),
            connect_timeout: options.connect_timeout,
            answer_timeout: options.statement_timeout,
            mouth: Mutex::default(),
            ear: Mutex::default(),
        })
    }

    fn note(&self, word: &Word) -> String {
        let from = || self.name.clone();
        let note = match word.clone() {
            Word::Projects(projects) => Note { from: from(), projects: Some(projects), ..Note::default() },
            Word::Facts(projects) => Note { from: from(), facts: Some(projects), ..Note::default() },
            Word::Anywhere => Note { from: from(), ..Note::default() },
        };
        let text = |note: &Note| serde_json::to_string(note).unwrap_or_default();
        let whole = text(&note);
        if whole.len() < NOTE_BYTES_LIMIT { whole } else { text(&Note { from: from(), ..Note::default() }) }
    }

    /// What a note says; `None` if it is our own.
    fn read(&self, note: &str) -> Option<Word> {
        match serde_json::from_str(note) {
            Ok(Note { from, .. }) if from == self.name => None,
            Ok(Note { projects: Some(projects), .. }) => Some(Word::Projects(projects)),
            Ok(Note { facts: Some(projects), .. }) => Some(Word::Facts(projects)),
            // Of another version perhaps; that there is news is all that is to be known.
            Ok(Note { projects: None, facts: None, .. }) | Err(_) => Some(Word::Anywhere),
        }
    }

    async fn listen(&self) -> Result<PgListener, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let connect = async {
            let pool = pool.acquire_timeout(self.connect_timeout).connect_with(self.connect.clone()).await?;
            let mut ear = PgListener::connect_with(&pool).await?;
            ear.eager_reconnect(false);
            ear.ignore_pool_close_event(true);
            ear.listen(CHANNEL).await?;
            Ok(ear)
        };
        within(self.connect_timeout, connect).await
    }

    /// The next note, or whether the line still stands where there is none for long.
    async fn next_note(&self, ear: &mut PgListener) -> Result<String, StoreError> {
        loop {
            match timeout(SILENCE_MAX, ear.try_recv()).await {
                Ok(Ok(Some(note))) => return Ok(note.payload().to_owned()),
                Ok(Ok(None)) => return Err(unavailable(LineLost)),
                Ok(Err(error)) => return Err(sorted(error)),
                Err(_) => within(self.answer_timeout, (&mut *ear).execute("SELECT 1")).await.map(drop)?,
            }
        }
    }
}

#[async_trait]
impl Bell for SeaBell {
    async fn tell(&self, word: &Word) -> Result<(), StoreError> {
        let mut mouth = self.mouth.lock().await;
        // Taken out meanwhile, so that a connection that fails, or is given up half-way, is not used again.
        let mut line = match mouth.take() {
            Some(line) => line,
            None => within(self.connect_timeout, PgConnection::connect_with(&self.connect)).await?,
        };
        let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(self.note(word));
        within(self.answer_timeout, notify.execute(&mut line)).await?;
        *mouth = Some(line);
        Ok(())
    }

    async fn hear(&self) -> Result<Word, StoreError> {
        let mut ear = self.ear.lock().await;
        loop {
            let Some(line) = ear.as_mut() else {
                *ear = Some(self.listen().await?);
                return Ok(Word::Anywhere);
            };
            match self.next_note(line).await {
                Ok(note) => {
                    if let Some(word) = self.read(&note) {
                        return Ok(word);
                    }
                }
                Err(error) => {
                    *ear = None;
                    return Err(error);
                }
            }
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match timeout(limit, work).await {
        Ok(done) => done.map_err(sorted),
        Err(_) => Err(unavailable(NoAnswer(limit))),
    }
}

fn sorted(error: sqlx::Error) -> StoreError {
    sort(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))), "the bell")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn projects(names: impl IntoIterator<Item = String>) -> Word {
        Word::Projects(names.into_iter().map(|name| ProjectId::parse(&name).unwrap()).collect())
    }

    fn bell() -> SeaBell {
        SeaBell::postgres(&PostgresOptions::new("postgres://nobody@127.0.0.1:1/nothing")).unwrap()
    }

    #[test]
    fn a_note_says_to_others_what_was_told_and_nothing_to_its_writer() {
        let (one, other) = (bell(), bell());
        let some = projects(["a".to_owned(), "b-2".to_owned()]);
        let facts = Word::Facts([ProjectId::parse("c").unwrap()].into());
        for word in [some, facts, Word::Anywhere] {
            let note = one.note(&word);
            assert_eq!(other.read(&note), Some(word));
            assert_eq!(one.read(&note), None);
        }
    }

    #[test]
    fn a_note_that_would_be_too_long_says_anywhere() {
        let (one, other) = (bell(), bell());
        let few = projects((0..100).map(|number| format!("project-{number:032}")));
        assert_eq!(other.read(&one.note(&few)), Some(few));
        let many = projects((0..1_000).map(|number| format!("project-{number:032}")));
        let note = one.note(&many);
        assert!(note.len() < NOTE_BYTES_LIMIT);
        assert_eq!(other.read(&note), Some(Word::Anywhere));
    }

    #[test]
    fn a_note_that_nobody_understands_says_anywhere() {
        for note in ["", "{}", "[1]", r#"{"from":"x","projects":["not a name\u0000"]}"#] {
            assert_eq!(bell().read(note), Some(Word::Anywhere), "{note}");
        }
    }
}
