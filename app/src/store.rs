//! Opens the store the configuration asks for, with its schema and epoch in order.

use crate::config::{Config, Database, SqliteSynchronous};
use adapters::in_memory::InMemoryStore;
use adapters::sea::connect::{PostgresOptions, SqliteOptions};
use adapters::sea::{MigrateError, SeaStore};
use adapters::system::SystemClock;
use ports::store::{Store, StoreError};
use std::sync::Arc;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be made.
    #[error("the data folder {folder} cannot be made: {source}")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of the embedded database cannot be used.
    #[error("the database {file} cannot be opened: {source}")]
    File {
        /// The file.
        file: String,
        /// What the database said.
        source: StoreError,
    },
    /// The database does not answer, or refuses.
    #[error("the database cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The schema cannot be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// There is no database to work on.
    #[error("DB_BACKEND=memory keeps nothing: there is no schema and no epoch")]
    NothingKept,
}

/// Opens the database, as it is.
pub async fn connect(config: &Config) -> Result<SeaStore, OpenError> {
    match &config.database {
        Database::Sqlite { synchronous } => {
            let folder = &config.data.folder;
            make_private_folder(folder)
                .map_err(|source| OpenError::Folder { folder: folder.display().to_string(), source })?;
            let file = config.data.sqlite_file();
            let mut options = SqliteOptions::new(&file);
            options.synchronous_full = matches!(synchronous, SqliteSynchronous::Full);
            let connected = SeaStore::connect_sqlite(&options).await;
            connected.map_err(|source| OpenError::File { file: file.display().to_string(), source })
        }
        Database::Postgres(postgres) => {
            let mut options = PostgresOptions::new(postgres.dsn.expose());
            options.pool_min = postgres.pool_min;
            options.pool_max = postgres.pool_max;
            options.acquire_timeout = postgres.acquire_timeout;
            options.statement_timeout = postgres.statement_timeout;
            options.lock_timeout = postgres.lock_timeout;
            Ok(SeaStore::connect_postgres(&options).await?)
        }
        Database::Memory => Err(OpenError::NothingKept),
    }
}

/// Opens the store, brings its schema up to date and settles the epoch of its tokens.
pub async fn open(config: &Config) -> Result<Arc<dyn Store>, OpenError> {
    if matches!(config.database, Database::Memory) {
        return Ok(Arc::new(InMemoryStore::new(Arc::new(SystemClock))));
    }
    let store = connect(config).await?;
    store.migrate().await?;
    store.settle_epoch().await?;
    Ok(Arc::new(store))
}

#[cfg(unix)]
fn make_private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}
