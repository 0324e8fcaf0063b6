//! The audit log. A line is never changed, and removed only for its age.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
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
    /// Deletes at most `rows_max` lines from before an instant, in all projects; answers how many. A database MUST refuse
    /// to delete any other line whatever is asked of it, and this too unless all the lines are
    /// [`domain::audit::KEPT_DAYS_MIN`] old by its own clock.
    async fn audit_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}
