//! The records of agents, by project and name, and what there is to see of agents.

use crate::in_memory::{InMemoryUnitOfWork, State, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::agents::Session;
use domain::agents::record::AgentRecord;
use domain::agents::status::{Held, SessionSigns, Signs};
use domain::agents::uptime::Span;
use domain::ids::{AgentId, ProjectId};
use domain::page::{Page, PageSize};
use ports::agents::{AgentFilter, AgentRepository};
use ports::store::StoreError;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(in crate::in_memory) type Registry = BTreeMap<(ProjectId, AgentId), AgentRecord>;

fn passes(record: &AgentRecord, filter: &AgentFilter) -> bool {
    let AgentFilter { agent_type, capability, environment, tag, least_role, is_registered } = filter;
    agent_type.as_ref().is_none_or(|agent_type| *agent_type == record.agent_type)
        && capability.as_ref().is_none_or(|capability| record.capabilities.contains(capability))
        && environment.is_none_or(|environment| environment == record.environment)
        && (tag.is_none() || *tag == record.tag)
        && least_role.is_none_or(|least| record.role >= least)
        && is_registered.is_none_or(|is_registered| is_registered == record.is_registered())
}

fn sessions_of<'a>(state: &'a State, project: &ProjectId, agent: &AgentId) -> impl Iterator<Item = &'a Session> {
    let sessions = state.agents.values();
    sessions.filter(move |session| session.project == *project && session.agent == *agent)
}

/// How many there are, and since when there is the first.
fn held(since: impl Iterator<Item = DateTime<Utc>>) -> Held {
    since.fold(Held::default(), |held, since| Held {
        count: held.count + 1,
        since: Some(held.since.map_or(since, |first| first.min(since))),
    })
}

fn signs_of(state: &State, session: &Session, now: DateTime<Utc>) -> SessionSigns {
    let (project, id) = (&session.project, &session.id);
    let leases = state.work.tasks(project).filter_map(|task| task.lease());
    let tasks = leases.filter(|lease| lease.holder.session == *id && lease.until > now).map(|lease| lease.since);
    let locks = state.locks.leases(project).filter(|lease| lease.holder.session == *id && lease.expires_at > now);
    let places = state.locks.waiters(project).filter(|place| place.holder.session == *id && place.kept_until > now);
    let bare = SessionSigns {
        id: id.clone(),
        ttl: session.ttl,
        started_at: session.started_at,
        last_seen_at: session.last_seen_at,
        live_until: session.live_until,
        ended_at: session.ended_at,
        tasks: Held::default(),
        locks: Held::default(),
        places: Held::default(),
    };
    if !session.is_live(now) {
        return bare;
    }
    SessionSigns {
        tasks: held(tasks),
        locks: held(locks.map(|lease| lease.granted_at)),
        places: held(places.map(|place| place.joined_at)),
        ..bare
    }
}

#[async_trait]
impl AgentRepository for InMemoryUnitOfWork {
    async fn agents_load(&mut self, project: &ProjectId, ids: &[AgentId]) -> Result<Vec<AgentRecord>, StoreError> {
        self.agents_look(project, ids).await
    }

    async fn agents_look(&mut self, project: &ProjectId, ids: &[AgentId]) -> Result<Vec<AgentRecord>, StoreError> {
        let registry = &self.read().registry;
        let ids: BTreeSet<&AgentId> = ids.iter().collect();
        Ok(ids.into_iter().filter_map(|id| registry.get(&(project.clone(), id.clone()))).cloned().collect())
    }

    async fn agent_list(
        &mut self,
        project: &ProjectId,
        filter: &AgentFilter,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<AgentRecord, AgentId>, StoreError> {
        let found = self.read().registry.values().filter(|record| record.project == *project);
        let found = found
            .filter(|record| after.is_none_or(|after| record.id > *after) && passes(record, filter))
            .take(rows(size.rows()) + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, size, |record: &AgentRecord| record.id.clone()))
    }

    async fn agents_add_missing(&mut self, records: &[AgentRecord]) -> Result<(), StoreError> {
        for record in records {
            let registry = Arc::make_mut(&mut self.write()?.registry);
            registry.entry((record.project.clone(), record.id.clone())).or_insert_with(|| record.clone());
            self.wrote();
        }
        Ok(())
    }

    async fn agents_save(&mut self, records: &[AgentRecord]) -> Result<(), StoreError> {
        for record in records {
            let registry = Arc::make_mut(&mut self.write()?.registry);
            let Some(stored) = registry.get_mut(&(record.project.clone(), record.id.clone())) else {
                return conflict("agent");
            };
            *stored = record.clone();
            self.wrote();
        }
        Ok(())
    }

    async fn agents_signs(
        &mut self,
        project: &ProjectId,
        ids: &[AgentId],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AgentId, Signs>, StoreError> {
        let state = self.read();
        let mut all = BTreeMap::new();
        for id in ids {
            let (mut open, mut ended): (Vec<&Session>, Vec<&Session>) =
                sessions_of(state, project, id).partition(|session| session.ended_at.is_none());
            let by_name = |session: &Session| session.id.clone();
            open.sort_by_key(|session| (Reverse(session.last_seen_at), by_name(session)));
            ended.sort_by_key(|session| (Reverse(session.ended_at), by_name(session)));
            let seen = open.into_iter().take(rows(Signs::SESSIONS_MAX)).chain(ended.into_iter().take(1));
            let sessions: Vec<SessionSigns> = seen.map(|session| signs_of(state, session, now)).collect();
            if !sessions.is_empty() {
                all.insert(id.clone(), Signs { sessions });
            }
        }
        Ok(all)
    }

    async fn session_spans(
        &mut self,
        project: &ProjectId,
        agent: &AgentId,
        after: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Span>, StoreError> {
        let lived = sessions_of(self.read(), project, agent).filter(|session| session.live_until > after);
        let spans = lived.map(|session| Span { started_at: session.started_at, live_until: session.live_until });
        Ok(spans.take(rows(rows_max)).collect())
    }
}
