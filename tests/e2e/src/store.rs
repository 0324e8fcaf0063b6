//! Where a server keeps its data, so that one story can be told on both.

use crate::Outcome;
use crate::database::{Cluster, Database};
use crate::keyring::Keyring;
use crate::server::{Launch, Server};
use std::path::Path;
use tempfile::TempDir;

/// A store that outlives the servers started on it.
#[derive(Debug)]
pub struct Store {
    data: TempDir,
    database: Option<Database>,
}

impl Store {
    /// A file in a folder of its own.
    pub fn sqlite() -> Outcome<Self> {
        Ok(Self { data: TempDir::new()?, database: None })
    }

    /// A database of its own.
    pub fn postgres() -> Outcome<Self> {
        Ok(Self { data: TempDir::new()?, database: Some(Database::create()?) })
    }

    /// A database in a cluster that is to be broken. It goes with the cluster.
    pub fn in_cluster(cluster: &Cluster) -> Outcome<Self> {
        Ok(Self { data: TempDir::new()?, database: Some(Database::create_in(cluster.dsn.clone())?) })
    }

    /// The folder of the embedded store and of the first key.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The database, if it is one.
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// A server on this store, not started yet.
    pub fn launch(&self) -> Outcome<Launch> {
        let launch = Launch::new(self.data())?;
        Ok(match &self.database {
            Some(database) => launch.postgres(&database.dsn),
            None => launch,
        })
    }

    /// The admin key that the first start without any key left in the folder.
    pub fn first_key(&self) -> Outcome<String> {
        Ok(std::fs::read_to_string(self.data().join("admin.key"))?.trim().to_owned())
    }

    /// A server on this store with the usual keys, ready.
    pub async fn serve(&self) -> Outcome<Server> {
        self.launch()?.keys(&Keyring::usual()).start().await
    }
}
