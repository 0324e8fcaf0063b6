//! The file beside a SQLite database that remembers which tokens were drawn, in case the database is restored.
//!
//! It holds the highest epoch, the incarnation that the database must name, and a bound on all tokens drawn. Writes
//! happen inside a transaction that writes, so that two processes never cross; and always before the database is
//! written, so that a crash in between only makes tokens greater than they had to be.

use crate::sea::error::{corrupt, failed, unavailable};
use ports::store::StoreError;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many tokens are written down ahead of their use.
const AHEAD: i64 = 4_096;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Card {
    /// The highest epoch.
    pub(super) epoch: i64,
    /// The incarnation of the database that belongs to this file.
    pub(super) incarnation: String,
    /// No token above this was drawn.
    pub(super) tokens_below: i64,
}

/// The file.
#[derive(Debug)]
pub(super) struct Sidecar {
    path: PathBuf,
    /// The bound as last written from here.
    tokens_below: AtomicI64,
}

impl Sidecar {
    /// The file of a database: its path with `.epoch` behind it.
    pub(super) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".epoch");
        Self { path: path.into(), tokens_below: AtomicI64::new(0) }
    }

    /// What it says; `None` if there is none.
    pub(super) async fn read(self: &Arc<Self>) -> Result<Option<Card>, StoreError> {
        self.blocking(Self::read_now).await
    }

    /// Writes it and waits for the disk.
    pub(super) async fn write(self: &Arc<Self>, card: Card) -> Result<(), StoreError> {
        self.blocking(move |sidecar| sidecar.write_now(&card)).await
    }

    /// Makes sure that the bound is not below this token. Nothing happens without a file: the next start will see that
    /// it is missing.
    pub(super) async fn reserve(self: &Arc<Self>, token: i64) -> Result<(), StoreError> {
        if token <= self.tokens_below.load(Ordering::Acquire) {
            return Ok(());
        }
        self.change(move |card| card.tokens_below = card.tokens_below.max(token + AHEAD)).await
    }

    /// Makes sure that the highest epoch is not below this one.
    pub(super) async fn raise(self: &Arc<Self>, epoch: i64) -> Result<(), StoreError> {
        self.change(move |card| card.epoch = card.epoch.max(epoch)).await
    }

    async fn change(self: &Arc<Self>, change: impl FnOnce(&mut Card) + Send + 'static) -> Result<(), StoreError> {
        self.blocking(move |sidecar| {
            let Some(mut card) = sidecar.read_now()? else { return Ok(()) };
            change(&mut card);
            sidecar.write_now(&card)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let sidecar = self.clone();
        tokio::task::spawn_blocking(move || work(&sidecar)).await.map_err(failed)?
    }

    fn read_now(&self) -> Result<Option<Card>, StoreError> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| corrupt("file", "content", self.path.display(), error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn write_now(&self, card: &Card) -> Result<(), StoreError> {
        self.replace(&serde_json::to_vec(card).map_err(failed)?).map_err(unavailable)?;
        self.tokens_below.store(card.tokens_below, Ordering::Release);
        Ok(())
    }

    /// Puts a new file in the place of the old one, so that a crash leaves one of the two whole.
    fn replace(&self, content: &[u8]) -> std::io::Result<()> {
        let mut draft = self.path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&draft, &self.path)?;
        match self.path.parent() {
            Some(folder) if cfg!(unix) && !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }
}
