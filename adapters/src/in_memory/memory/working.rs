//! Working memory, by session.

use crate::in_memory::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::handoffs::Handoff;
use domain::ids::{AgentId, ProjectId, SessionId};
use domain::memory::working::{Changed, Scratchpad};
use ports::memory::working::WorkingRepository;
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(in crate::in_memory) type Table = BTreeMap<(ProjectId, SessionId), Scratchpad>;

#[async_trait]
impl WorkingRepository for InMemoryUnitOfWork {
    async fn working_load(
        &mut self,
        project: &ProjectId,
        session: &SessionId,
    ) -> Result<Option<Scratchpad>, StoreError> {
        Ok(self.read().working.get(&(project.clone(), session.clone())).cloned())
    }

    async fn working_save(&mut self, project: &ProjectId, changed: &Changed) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.working);
        let name = (project.clone(), changed.pad.session.clone());
        let stored = table.get(&name).map_or(0, |stored| stored.revision);
        if stored.checked_add(1) != Some(changed.pad.revision) {
            return conflict("working memory");
        }
        table.insert(name, changed.pad.clone());
        self.wrote();
        Ok(())
    }

    async fn working_inherited(
        &mut self,
        project: &ProjectId,
        (agent, session): (&AgentId, &SessionId),
        by: &AgentId,
    ) -> Result<bool, StoreError> {
        let is_given =
            |handoff: &Handoff| handoff.from.agent == *agent && handoff.from.session.as_ref() == Some(session);
        Ok(self.handoffs_of(project).any(|handoff| is_given(handoff) && handoff.taker() == Some(by)))
    }

    async fn working_expire(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let (mut room, mut gone) = (rows(rows_max), 0);
        for pad in Arc::make_mut(&mut self.write()?.working).values_mut() {
            pad.entries.retain(|_, entry| {
                let goes = entry.expires_at.is_some_and(|end| end < before) && room > 0;
                room -= usize::from(goes);
                gone += u64::from(goes);
                !goes
            });
        }
        self.wrote();
        Ok(gone)
    }

    async fn working_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let has_ended = |name: &(ProjectId, SessionId)| {
            let ended_at = self.read().agents.get(name).and_then(|session| session.ended_at);
            ended_at.is_some_and(|ended_at| ended_at < before)
        };
        let old: Vec<_> =
            self.read().working.keys().filter(|name| has_ended(name)).take(rows(rows_max)).cloned().collect();
        let table = Arc::make_mut(&mut self.write()?.working);
        for name in &old {
            table.remove(name);
        }
        self.wrote();
        Ok(old.len() as u64)
    }
}
