//! Opens the store the configuration asks for, with its schema and epoch in order.

use crate::config::{Config, Database, Postgres, SqliteSynchronous};
use adapters::in_memory::InMemoryStore;
use adapters::sea::connect::{PostgresOptions, SqliteOptions};
use adapters::sea::{MigrateError, SeaBell, SeaStore};
use adapters::silent::SilentBell;
use adapters::system::SystemClock;
use ports::bell::Bell;
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

/// What the servers of the store call each other by.
pub fn bell(config: &Config) -> Result<Arc<dyn Bell>, OpenError> {
    match &config.database {
        Database::Postgres(postgres) => Ok(Arc::new(SeaBell::postgres(&postgres_options(postgres))?)),
        Database::Sqlite { .. } | Database::Memory => Ok(Arc::new(SilentBell)),
    }
}

fn postgres_options(postgres: &Postgres) -> PostgresOptions {
    PostgresOptions {
        pool_min: postgres.pool_min,
        pool_max: postgres.pool_max,
        acquire_timeout: postgres.acquire_timeout,
        statement_timeout: postgres.statement_timeout,
        lock_timeout: postgres.lock_timeout,
        ..PostgresOptions::new(postgres.dsn.expose())
    }
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
        Database::Postgres(postgres) => Ok(SeaStore::connect_postgres(&postgres_options(postgres)).await?),
        Database::Memory => Err(OpenError::NothingKept),
    }
}

/// Opens the store, brings its schema up to date and settles the epoch of its tokens.
pub async fn open(config: &Config) -> Result<Arc<dyn Store>, OpenError> {
    if matches!(config.database, Database::Memory) {
        return Ok(Arc::new(InMemoryStore::new(Arc::new(SystemClock))));
    }
    let store = connect(config).await?;
    for step in store.migrate().await? {
        tracing::info!(step, "the schema was brought forward");
    }
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

#[cfg(test)]
mod tests {
    use super::open;
    use crate::config::Config;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[tokio::test]
    async fn each_step_of_the_schema_is_told_once_and_only_when_it_is_taken() {
        let folder = tempfile::TempDir::new().unwrap();
        let config = Config::from_vars([("POINTSMAN_DATA", folder.path().to_str().unwrap())]).unwrap();
        let lines = Lines::default();
        let log = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(&config.telemetry.filter))
            .with_writer(lines.clone())
            .finish();
        let _logged = tracing::subscriber::set_default(log);
        drop(open(&config).await.unwrap());
        let told = String::from_utf8(lines.0.lock().unwrap().split_off(0)).unwrap();
        for step in ["m0001_identity", "m0002_locks", "m0006_idempotency"] {
            assert_eq!(told.lines().filter(|line| line.contains(step)).count(), 1, "{step}: {told}");
        }
        drop(open(&config).await.unwrap());
        let told = String::from_utf8(lines.0.lock().unwrap().split_off(0)).unwrap();
        assert!(!told.contains("schema"), "{told}");
    }
}
