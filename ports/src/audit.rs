//! The audit log. It has no update and no delete.

use crate::store::StoreError;
use async_trait::async_trait;
use domain::audit::{Cursor, Entry, Filter};
use domain::ids::ProjectId;
use domain::page::{Page, PageSize};

/// The audit log.
#[async_trait]
pub trait AuditLog {
    /// Appends lines.
    async fn audit_append(&mut self, entries: &[Entry]) -> Result<(), StoreError>;
    /// Lists lines, newest first (by time, then id), strictly older than the cursor.
    async fn audit_list(
        &mut self,
        project: &ProjectId,
        filter: &Filter,
        after: Option<Cursor>,
        size: PageSize,
    ) -> Result<Page<Entry, Cursor>, StoreError>;
}
