//! The log of facts.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::events::Fact;
use domain::ids::ProjectId;

/// The log of facts, which followers read later.
#[async_trait]
pub trait FactLog {
    /// Appends facts.
    async fn facts_append(&mut self, facts: &[Fact]) -> Result<(), StoreError>;
    /// The newest facts of a project, newest first.
    async fn facts_latest(&mut self, project: &ProjectId, rows_max: u32) -> Result<Vec<Fact>, StoreError>;
    /// Deletes at most `rows_max` facts from before an instant, in all projects; answers how many.
    async fn facts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}
