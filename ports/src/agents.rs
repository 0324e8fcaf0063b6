//! Sessions.

use crate::store::StoreError;
use async_trait::async_trait;
use domain::agents::Session;
use domain::ids::{AgentId, ProjectId, SessionId};

/// The sessions of all agents.
#[async_trait]
pub trait SessionRepository {
    /// The sessions of these names, live or ended, and the default sessions of these agents that have not ended, each
    /// once, by name. Sessions are guarded by their project's lock table: what was read after `lock_table_lock` stays
    /// true until commit, and whoever starts or ends a session MUST have locked the table before.
    async fn sessions_load(
        &mut self,
        project: &ProjectId,
        ids: &[SessionId],
        default_of: &[AgentId],
    ) -> Result<Vec<Session>, StoreError>;
    /// Stores new sessions, all of one project. MUST be [`StoreError::Conflict`] if a name is taken, or if a second live
    /// default session of an agent would exist.
    async fn sessions_add(&mut self, sessions: &[Session]) -> Result<(), StoreError>;
    /// Stores the end of a session. MUST be [`StoreError::Conflict`] unless the stored one is live.
    async fn session_end(&mut self, session: &Session) -> Result<(), StoreError>;
}
