//! Sessions, by project and name.

use super::{InMemoryUnitOfWork, conflict};
use async_trait::async_trait;
use domain::agents::Session;
use domain::ids::{AgentId, ProjectId, SessionId};
use ports::agents::SessionRepository;
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Table = BTreeMap<(ProjectId, SessionId), Session>;

fn live_default<'a>(table: &'a Table, project: &ProjectId, agent: &AgentId) -> Option<&'a Session> {
    table.values().find(|session| {
        session.is_default && session.ended_at.is_none() && session.agent == *agent && session.project == *project
    })
}

#[async_trait]
impl SessionRepository for InMemoryUnitOfWork {
    async fn sessions_load(
        &mut self,
        project: &ProjectId,
        ids: &[SessionId],
        default_of: &[AgentId],
    ) -> Result<Vec<Session>, StoreError> {
        let table = &self.read().agents;
        let named = ids.iter().filter_map(|id| table.get(&(project.clone(), id.clone())));
        let default = default_of.iter().filter_map(|agent| live_default(table, project, agent));
        let found: BTreeMap<&SessionId, &Session> =
            named.chain(default).map(|session| (&session.id, session)).collect();
        Ok(found.into_values().cloned().collect())
    }

    async fn sessions_add(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        for session in sessions {
            let table = Arc::make_mut(&mut self.write()?.agents);
            let name = (session.project.clone(), session.id.clone());
            let is_live_default = session.is_default && session.ended_at.is_none();
            let second = is_live_default && live_default(table, &session.project, &session.agent).is_some();
            if second || table.contains_key(&name) {
                return conflict("session");
            }
            table.insert(name, session.clone());
            self.wrote();
        }
        Ok(())
    }

    async fn session_end(&mut self, session: &Session) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.agents);
        match table.get_mut(&(session.project.clone(), session.id.clone())) {
            Some(stored) if stored.ended_at.is_none() => {
                stored.ended_at = session.ended_at;
                self.wrote();
                Ok(())
            }
            Some(_) | None => conflict("session"),
        }
    }
}
