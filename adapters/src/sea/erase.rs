//! What is taken away for good, and where else it stands.

use crate::sea::unit::SeaUnitOfWork;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::time::timeout;

impl SeaUnitOfWork {
    /// Empties the write-ahead log of a SQLite file, which still has the pages as they were. It waits for those who read;
    /// if that takes too long, the log is emptied the next time, and when the file is closed. PostgreSQL cleans up by itself.
    pub(super) async fn empty_log(&self) {
        if self.dialect.0 != DbBackend::Sqlite {
            return;
        }
        let checkpoint = Statement::from_string(self.dialect.0, "PRAGMA wal_checkpoint(TRUNCATE)");
        let pool = self.source.pool();
        let done = timeout(self.statement_timeout, async {
            let row = pool.query_one_raw(checkpoint).await?;
            row.map_or(Ok(0), |row| row.try_get_by_index::<i64>(0))
        });
        match done.await {
            Ok(Ok(0)) => {}
            Ok(Ok(_)) | Err(_) => tracing::warn!("what was erased is still in the log of the database file"),
            Ok(Err(error)) => tracing::warn!(%error, "what was erased is still in the log of the database file"),
        }
    }
}
