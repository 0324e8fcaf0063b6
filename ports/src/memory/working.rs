//! Working memory.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, ProjectId, SessionId};
use domain::memory::working::{Changed, Scratchpad};

/// What the sessions of every project keep in their heads.
#[async_trait]
pub trait WorkingRepository {
    /// All that a session keeps, expired entries included; `None` if it never kept anything, or that is forgotten. In a
    /// unit of work that may write, what was found stays as it is until commit.
    async fn working_load(
        &mut self,
        project: &ProjectId,
        session: &SessionId,
    ) -> Result<Option<Scratchpad>, StoreError>;

    /// Stores a change. MUST be [`StoreError::Conflict`] unless what is stored has the revision right before, or nothing is
    /// stored and the revision is 1.
    async fn working_save(&mut self, project: &ProjectId, changed: &Changed) -> Result<(), StoreError>;

    /// Whether an agent took a handoff that this session of another one gave.
    async fn working_inherited(
        &mut self,
        project: &ProjectId,
        from: (&AgentId, &SessionId),
        by: &AgentId,
    ) -> Result<bool, StoreError>;

    /// Deletes at most `rows_max` entries of all projects that expired before an instant; answers how many.
    async fn working_expire(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;

    /// Deletes at most `rows_max` working memories with their entries, of all projects, whose sessions' ends were written
    /// down as before an instant; answers how many.
    async fn working_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}
