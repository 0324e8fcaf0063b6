//! Sessions, by project and name. The agents themselves stand in `registry`.

mod registry;

pub(super) use registry::Registry;

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::agents::Session;
use domain::ids::{AgentId, ProjectId, SessionId};
use domain::page::{Page, PageSize};
use ports::agents::{SessionFilter, SessionRepository};
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Table = BTreeMap<(ProjectId, SessionId), Session>;

/// The default session of an agent whose end is not written down.
fn open_default<'a>(table: &'a Table, project: &ProjectId, agent: &AgentId) -> Option<&'a Session> {
    of_project(table, project)
        .find(|session| session.is_default && session.ended_at.is_none() && session.agent == *agent)
}

fn of_project<'a>(table: &'a Table, project: &ProjectId) -> impl Iterator<Item = &'a Session> {
    table.values().filter(move |session| session.project == *project)
}

fn passes(session: &Session, filter: &SessionFilter, now: DateTime<Utc>) -> bool {
    let SessionFilter { agent, is_live } = filter;
    agent.as_ref().is_none_or(|agent| *agent == session.agent)
        && is_live.is_none_or(|is_live| is_live == session.is_live(now))
}

/// The stored session, if its end is not written down.
fn open<'a>(table: &'a mut Table, session: &Session) -> Option<&'a mut Session> {
    let name = (session.project.clone(), session.id.clone());
    table.get_mut(&name).filter(|stored| stored.ended_at.is_none())
}

impl InMemoryUnitOfWork {
    /// Begins a write of a session; answers all of them, and when the table that guards this one was locked.
    fn write_session(&mut self, session: &Session) -> Result<(&mut Table, DateTime<Utc>), StoreError> {
        let locked_at = self.locked.get(&session.project).copied();
        let table = Arc::make_mut(&mut self.write()?.agents);
        locked_at.map(|at| (table, at)).ok_or_else(|| {
            StoreError::Failed("a lock table must be locked before a session of its project is written".into())
        })
    }
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
        let default = default_of.iter().filter_map(|agent| open_default(table, project, agent));
        let found: BTreeMap<&SessionId, &Session> =
            named.chain(default).map(|session| (&session.id, session)).collect();
        Ok(found.into_values().cloned().collect())
    }

    async fn sessions_dead(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let open = of_project(&self.read().agents, project).filter(|session| session.ended_at.is_none());
        let mut dead: Vec<Session> = open.filter(|session| !session.is_live(now)).cloned().collect();
        dead.sort_by(|one, other| (one.live_until, &one.id).cmp(&(other.live_until, &other.id)));
        dead.truncate(rows(rows_max));
        Ok(dead)
    }

    async fn session_list(
        &mut self,
        project: &ProjectId,
        filter: &SessionFilter,
        now: DateTime<Utc>,
        after: Option<&SessionId>,
        size: PageSize,
    ) -> Result<Page<Session, SessionId>, StoreError> {
        let found = of_project(&self.read().agents, project)
            .filter(|session| after.is_none_or(|after| session.id > *after) && passes(session, filter, now))
            .take(rows(size.rows()) + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, size, |session: &Session| session.id.clone()))
    }

    async fn sessions_add(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        for session in sessions {
            let (table, _) = self.write_session(session)?;
            let name = (session.project.clone(), session.id.clone());
            let is_open_default = session.is_default && session.ended_at.is_none();
            let second = is_open_default && open_default(table, &session.project, &session.agent).is_some();
            if second || table.contains_key(&name) {
                return conflict("session");
            }
            table.insert(name, session.clone());
            self.wrote();
        }
        Ok(())
    }

    async fn sessions_seen(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        for session in sessions {
            let (table, locked_at) = self.write_session(session)?;
            let Some(stored) = open(table, session).filter(|stored| stored.is_live(locked_at)) else {
                return conflict("session");
            };
            stored.ttl = session.ttl;
            stored.offers = session.offers.clone();
            stored.last_seen_at = stored.last_seen_at.max(session.last_seen_at);
            stored.live_until = stored.live_until.max(session.live_until);
            self.wrote();
        }
        Ok(())
    }

    async fn sessions_end(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        for session in sessions {
            let (table, _) = self.write_session(session)?;
            let Some(stored) = open(table, session) else { return conflict("session") };
            stored.live_until = session.live_until;
            stored.ended_at = session.ended_at;
            self.wrote();
        }
        Ok(())
    }
}
