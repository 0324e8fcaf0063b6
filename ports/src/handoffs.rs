//! Handoffs.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::handoffs::Handoff;
use domain::handoffs::content::Content;
use domain::handoffs::listing::{HandoffCursor, HandoffFilter};
use domain::ids::{AgentId, HandoffId, ProjectId};
use domain::page::{Page, PageSize};

/// The handoffs of every project.
///
/// They stand apart from the lock table of their project: whoever writes, declines or withdraws one locks nothing but its
/// row. Their lists can be long and never change, and have a method of their own.
#[async_trait]
pub trait HandoffRepository {
    /// The handoffs of these ids, by id, each once; unknown ones are passed over. In a unit of work that may write, what
    /// was found stays as it is until commit.
    async fn handoffs_load(&mut self, project: &ProjectId, ids: &[HandoffId]) -> Result<Vec<Handoff>, StoreError>;

    /// The lists of a handoff; `None` if there is no such handoff.
    async fn handoff_content(&mut self, project: &ProjectId, id: HandoffId) -> Result<Option<Content>, StoreError>;

    /// Lists handoffs, newest first (by time of writing, then id), strictly older than the cursor. What has expired is
    /// asked for `now`, whatever was written down.
    async fn handoff_list(
        &mut self,
        project: &ProjectId,
        filter: &HandoffFilter,
        now: DateTime<Utc>,
        after: Option<HandoffCursor>,
        size: PageSize,
    ) -> Result<Page<Handoff, HandoffCursor>, StoreError>;

    /// The offers of all projects that have expired at an instant and of which that is not written down, longest expired
    /// first, at most `rows_max`. An empty answer MUST cost next to nothing.
    async fn handoffs_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, HandoffId)>, StoreError>;

    /// Stores a new handoff. MUST be [`StoreError::Conflict`] if its id is taken in the project.
    async fn handoff_add(
        &mut self,
        project: &ProjectId,
        handoff: &Handoff,
        content: &Content,
    ) -> Result<(), StoreError>;

    /// Stores a changed handoff. MUST be [`StoreError::Conflict`] unless the stored one has the revision right before:
    /// that is what lets it be taken once, however many servers there are.
    async fn handoff_save(&mut self, project: &ProjectId, handoff: &Handoff) -> Result<(), StoreError>;

    /// Notes that an agent has declined an offer that still stands for others; false if that was known.
    async fn handoff_declined(
        &mut self,
        project: &ProjectId,
        id: HandoffId,
        by: &AgentId,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Deletes at most `rows_max` handoffs of which nothing could become since before an instant, with all that belongs
    /// to them; answers how many. Offers stay.
    async fn handoffs_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}
