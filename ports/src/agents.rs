//! Sessions.

use crate::store::StoreError;
use async_trait::async_trait;
use domain::agents::Session;
use domain::ids::{AgentId, ProjectId, SessionId};

/// The sessions of all agents.
#[async_trait]
pub trait SessionRepository {
    /// The session of this name, live or ended. In a unit of work that may write, it stays as read until commit.
    async fn session_find(&mut self, project: &ProjectId, id: &SessionId) -> Result<Option<Session>, StoreError>;
    /// The agent's default session that has not ended, at most one. Locked like [`Self::session_find`].
    async fn session_find_default(
        &mut self,
        project: &ProjectId,
        agent: &AgentId,
    ) -> Result<Option<Session>, StoreError>;
    /// Stores a new session. MUST be [`StoreError::Conflict`] if the name is taken, or if a second live default
    /// session of the agent would exist.
    async fn session_add(&mut self, session: &Session) -> Result<(), StoreError>;
    /// Stores the end of a session. MUST be [`StoreError::Conflict`] unless the stored one is live.
    async fn session_end(&mut self, session: &Session) -> Result<(), StoreError>;
}
