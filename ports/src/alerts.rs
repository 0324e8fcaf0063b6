//! Alerts, and how far the facts were looked through for them.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::alerts::alert::Alert;
use domain::alerts::content::DedupKey;
use domain::alerts::listing::{AlertCursor, AlertFilter};
use domain::events::Position;
use domain::ids::{AlertId, ProjectId};
use domain::page::{Page, PageSize};

/// The alerts of every project.
///
/// Whoever changes alerts of a project first locks them all ([`Self::alerts_lock`]), and what is read after that stays
/// true until commit. They are few.
#[async_trait]
pub trait AlertRepository {
    /// Whoever changes alerts of a project stands in line here until the commit.
    async fn alerts_lock(&mut self, project: &ProjectId) -> Result<(), StoreError>;

    /// The alerts of these ids, by id; unknown ones are passed over.
    async fn alerts_load(&mut self, project: &ProjectId, ids: &[AlertId]) -> Result<Vec<Alert>, StoreError>;

    /// The alerts of these keys that are not resolved.
    async fn alerts_standing(&mut self, project: &ProjectId, keys: &[DedupKey]) -> Result<Vec<Alert>, StoreError>;

    /// The alerts that are not resolved and whose key begins so, by key, at most `rows_max`.
    async fn alerts_standing_under(
        &mut self,
        project: &ProjectId,
        prefix: &str,
        rows_max: u32,
    ) -> Result<Vec<Alert>, StoreError>;

    /// How many alerts of a project are not resolved.
    async fn alerts_standing_count(&mut self, project: &ProjectId) -> Result<u32, StoreError>;

    /// Lists alerts, newest first (by time of the first raise, then id), strictly older than the cursor.
    async fn alert_list(
        &mut self,
        project: &ProjectId,
        filter: &AlertFilter,
        after: Option<AlertCursor>,
        size: PageSize,
    ) -> Result<Page<Alert, AlertCursor>, StoreError>;

    /// The alerts of all projects that are to escalate by an instant, longest due first, at most `rows_max`.
    async fn alerts_due(&mut self, now: DateTime<Utc>, rows_max: u32) -> Result<Vec<(ProjectId, AlertId)>, StoreError>;

    /// Stores new and changed alerts. MUST be [`StoreError::Conflict`] if two of a project that are not resolved have the
    /// same key.
    async fn alerts_save(&mut self, project: &ProjectId, alerts: &[Alert]) -> Result<(), StoreError>;

    /// Deletes at most `rows_max` alerts that were resolved before an instant, in all projects; answers how many.
    async fn alerts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;

    /// Up to where the facts of a project were looked through; `None` if never.
    async fn alert_cursor(&mut self, project: &ProjectId) -> Result<Option<Position>, StoreError>;

    /// Notes up to where the facts of a project were looked through.
    async fn alert_cursor_save(&mut self, project: &ProjectId, position: Position) -> Result<(), StoreError>;
}
