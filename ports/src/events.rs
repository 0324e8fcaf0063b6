//! The log of facts.

use crate::store::StoreError;
use async_trait::async_trait;
use domain::events::Fact;
use domain::ids::ProjectId;

/// The log of facts, which followers read later.
#[async_trait]
pub trait FactLog {
    /// Appends facts.
    async fn facts_append(&mut self, facts: &[Fact]) -> Result<(), StoreError>;
    /// The newest facts of a project, newest first.
    async fn facts_latest(&mut self, project: &ProjectId, rows_max: u32) -> Result<Vec<Fact>, StoreError>;
}
