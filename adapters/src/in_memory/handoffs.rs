//! Handoffs.

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::handoffs::Handoff;
use domain::handoffs::content::Content;
use domain::handoffs::listing::{HandoffCursor, HandoffFilter};
use domain::ids::{AgentId, HandoffId, ProjectId};
use domain::page::{Page, PageSize};
use ports::handoffs::HandoffRepository;
use ports::store::StoreError;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    projects: BTreeMap<ProjectId, BTreeMap<HandoffId, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    handoff: Handoff,
    content: Arc<Content>,
    declined_by: BTreeSet<AgentId>,
}

impl InMemoryUnitOfWork {
    /// Begins a write of a handoff; answers all of its project.
    fn write_handoffs(&mut self, project: &ProjectId) -> Result<&mut BTreeMap<HandoffId, Entry>, StoreError> {
        Ok(Arc::make_mut(&mut self.write()?.handoffs).projects.entry(project.clone()).or_default())
    }

    /// The handoffs of a project.
    pub(super) fn handoffs_of(&self, project: &ProjectId) -> impl Iterator<Item = &Handoff> {
        self.handoff_entries(project).map(|entry| &entry.handoff)
    }

    fn handoff_entries(&self, project: &ProjectId) -> impl Iterator<Item = &Entry> {
        self.read().handoffs.projects.get(project).into_iter().flat_map(BTreeMap::values)
    }
}

fn cursor(handoff: &Handoff) -> HandoffCursor {
    HandoffCursor { at: handoff.written_at, id: handoff.id }
}

#[async_trait]
impl HandoffRepository for InMemoryUnitOfWork {
    async fn handoffs_load(&mut self, project: &ProjectId, ids: &[HandoffId]) -> Result<Vec<Handoff>, StoreError> {
        let named = self.handoff_entries(project).filter(|entry| ids.contains(&entry.handoff.id));
        Ok(named.map(|entry| entry.handoff.clone()).collect())
    }

    async fn handoff_content(&mut self, project: &ProjectId, id: HandoffId) -> Result<Option<Content>, StoreError> {
        let found = self.handoff_entries(project).find(|entry| entry.handoff.id == id);
        Ok(found.map(|entry| entry.content.as_ref().clone()))
    }

    async fn handoff_list(
        &mut self,
        project: &ProjectId,
        filter: &HandoffFilter,
        now: DateTime<Utc>,
        after: Option<HandoffCursor>,
        size: PageSize,
    ) -> Result<Page<Handoff, HandoffCursor>, StoreError> {
        let age = |cursor: HandoffCursor| (cursor.at, cursor.id);
        let is_older = |handoff: &Handoff| after.is_none_or(|after| age(cursor(handoff)) < age(after));
        let passing = self.handoff_entries(project).filter(|Entry { handoff, content, declined_by }| {
            is_older(handoff) && filter.accepts(handoff, content, declined_by, now)
        });
        let mut found: Vec<&Handoff> = passing.map(|entry| &entry.handoff).collect();
        found.sort_by_key(|handoff| Reverse(age(cursor(handoff))));
        let found = found.into_iter().take(rows(size.rows()) + 1).cloned().collect();
        Ok(Page::cut(found, size, cursor))
    }

    async fn handoffs_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, HandoffId)>, StoreError> {
        let all = self.read().handoffs.projects.iter();
        let all = all.flat_map(|(project, entries)| entries.values().map(move |entry| (project, &entry.handoff)));
        let mut due: Vec<_> = all.filter(|(_, handoff)| handoff.expire(now).is_some()).collect();
        due.sort_by_key(|(_, handoff)| handoff.expires_at);
        Ok(due.into_iter().take(rows(rows_max)).map(|(project, handoff)| (project.clone(), handoff.id)).collect())
    }

    async fn handoff_add(
        &mut self,
        project: &ProjectId,
        handoff: &Handoff,
        content: &Content,
    ) -> Result<(), StoreError> {
        let of_project = self.write_handoffs(project)?;
        if of_project.contains_key(&handoff.id) {
            return conflict("handoff");
        }
        let entry =
            Entry { handoff: handoff.clone(), content: Arc::new(content.clone()), declined_by: BTreeSet::new() };
        of_project.insert(handoff.id, entry);
        self.wrote();
        Ok(())
    }

    async fn handoff_save(&mut self, project: &ProjectId, handoff: &Handoff) -> Result<(), StoreError> {
        let stored = self.write_handoffs(project)?.get_mut(&handoff.id);
        let before = stored.filter(|stored| stored.handoff.revision.saturating_add(1) == handoff.revision);
        let Some(before) = before else { return conflict("handoff") };
        before.handoff = handoff.clone();
        self.wrote();
        Ok(())
    }

    async fn handoff_declined(
        &mut self,
        project: &ProjectId,
        id: HandoffId,
        by: &AgentId,
        _at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let entry = self.write_handoffs(project)?.get_mut(&id);
        let is_new = entry.is_some_and(|entry| entry.declined_by.insert(by.clone()));
        self.wrote();
        Ok(is_new)
    }

    async fn handoffs_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let mut old = Vec::new();
        for (project, entries) in &self.read().handoffs.projects {
            let is_old = |handoff: &&Handoff| handoff.over_since().is_some_and(|since| since < before);
            let found = entries.values().map(|entry| &entry.handoff).filter(is_old);
            old.extend(found.map(|handoff| (handoff.over_since(), project.clone(), handoff.id)));
        }
        old.sort();
        old.truncate(rows(rows_max));
        let table = Arc::make_mut(&mut self.write()?.handoffs);
        for (_, project, id) in &old {
            if let Some(entries) = table.projects.get_mut(project) {
                entries.remove(id);
            }
        }
        self.wrote();
        Ok(old.len() as u64)
    }
}
