//! The log of facts.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::events::{Fact, Position};
use domain::ids::ProjectId;

/// The log of facts, which followers read later.
#[async_trait]
pub trait FactLog {
    /// Appends facts.
    async fn facts_append(&mut self, facts: &[Fact]) -> Result<(), StoreError>;
    /// The newest facts of a project, newest first.
    async fn facts_latest(&mut self, project: &ProjectId, rows_max: u32) -> Result<Vec<Fact>, StoreError>;
    /// The facts of a project after a position, or from the first one kept, in the order of the commits, each with its own
    /// position. What others are about to commit is left for later together with everything that comes after it, so that
    /// whoever goes on from the last position sees each fact once and misses none. A transaction of theirs that stays open
    /// holds up every follower.
    async fn facts_after(
        &mut self,
        project: &ProjectId,
        after: Option<Position>,
        rows_max: u32,
    ) -> Result<Vec<(Position, Fact)>, StoreError>;
    /// Whether there are committed facts of a project that [`Self::facts_after`] leaves for later. They come within
    /// milliseconds, unless a transaction stays open.
    async fn facts_unsettled(&mut self, project: &ProjectId) -> Result<bool, StoreError>;
    /// The position of the newest fact that [`Self::facts_after`] would give, of each of these projects that has any.
    async fn facts_newest(&mut self, projects: &[ProjectId]) -> Result<Vec<(ProjectId, Position)>, StoreError>;
    /// Where the facts end as far as [`Self::facts_after`] can see: after every fact it would give now, and before every
    /// one it would not give yet. A greater position was given out by another history of this database, such as the one
    /// that was lost when it was restored.
    async fn facts_horizon(&mut self) -> Result<Position, StoreError>;
    /// Up to where the facts of a project were deleted; `None` if none were. Whoever stands before it has missed some. To
    /// be asked after [`Self::facts_after`], so that what is deleted in between is noticed.
    async fn facts_forgotten(&mut self, project: &ProjectId) -> Result<Option<Position>, StoreError>;
    /// Deletes at most `rows_max` facts from before an instant, in all projects, and notes how far it went; answers how
    /// many.
    async fn facts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}
