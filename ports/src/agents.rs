//! Sessions.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::agents::Session;
use domain::ids::{AgentId, ProjectId, SessionId};
use domain::page::{Page, PageSize};

/// Which sessions to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Those that live, or those that do not.
    pub is_live: Option<bool>,
}

/// The sessions of all agents.
///
/// They are guarded by the lock table of their project. Whoever adds, ends or has seen one MUST have locked that table
/// ([`crate::locks::LockRepository::lock_table_lock`]) before in the same unit of work, and before reading what is decided
/// by; a write without it is [`StoreError::Failed`]. So what is loaded under the table's lock, sessions as well as until
/// when the holders of leases live, stays true until commit.
#[async_trait]
pub trait SessionRepository {
    /// The sessions of these names, live or ended, and the default sessions of these agents whose end is not written
    /// down, each once, by name.
    async fn sessions_load(
        &mut self,
        project: &ProjectId,
        ids: &[SessionId],
        default_of: &[AgentId],
    ) -> Result<Vec<Session>, StoreError>;
    /// The sessions that are dead at an instant and whose end is not written down, longest dead first, at most
    /// `rows_max`: work for the reaper.
    async fn sessions_dead(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Session>, StoreError>;
    /// Lists sessions by name, strictly after the cursor; whether they live is asked for `now`.
    async fn session_list(
        &mut self,
        project: &ProjectId,
        filter: &SessionFilter,
        now: DateTime<Utc>,
        after: Option<&SessionId>,
        size: PageSize,
    ) -> Result<Page<Session, SessionId>, StoreError>;
    /// Stores new sessions, each once. MUST be [`StoreError::Conflict`] if a name is taken, or if an agent would have a
    /// second default session whose end is not written down.
    async fn sessions_add(&mut self, sessions: &[Session]) -> Result<(), StoreError>;
    /// Stores TTL, offers, last sign of life and end of sessions, each once. Neither sign nor end ever moves back. MUST be
    /// [`StoreError::Conflict`] unless each is stored, has no end written down, and lived when the table was locked.
    async fn sessions_seen(&mut self, sessions: &[Session]) -> Result<(), StoreError>;
    /// Writes the ends of sessions down, each once. What they held MUST be ended in the same unit of work. MUST be
    /// [`StoreError::Conflict`] unless each is stored and has no end written down.
    async fn sessions_end(&mut self, sessions: &[Session]) -> Result<(), StoreError>;
}
