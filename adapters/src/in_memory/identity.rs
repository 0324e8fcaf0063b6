//! Projects and keys, by name.

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::identity::key::ApiKey;
use domain::identity::principal::Scope;
use domain::identity::project::{DEFAULT_PROJECT, Project};
use domain::ids::{KeyId, ProjectId};
use domain::page::{Page, PageSize};
use ports::identity::{KeyRepository, ProjectRepository};
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

#[derive(Clone, Default)]
pub(super) struct Table {
    projects: BTreeMap<ProjectId, Project>,
    keys: BTreeMap<KeyId, ApiKey>,
}

impl Table {
    pub(super) fn with_default_project(created_at: DateTime<Utc>) -> Self {
        let projects = ProjectId::parse(DEFAULT_PROJECT)
            .map(|id| (id.clone(), Project { id, created_at, archived_at: None }))
            .into_iter()
            .collect();
        Self { projects, keys: BTreeMap::new() }
    }
}

fn from<T>(after: Option<&T>) -> (Bound<&T>, Bound<&T>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

#[async_trait]
impl ProjectRepository for InMemoryUnitOfWork {
    async fn project_find(&mut self, id: &ProjectId) -> Result<Option<Project>, StoreError> {
        Ok(self.read().identity.projects.get(id).cloned())
    }

    async fn project_list(
        &mut self,
        after: Option<&ProjectId>,
        size: PageSize,
    ) -> Result<Page<Project, ProjectId>, StoreError> {
        let projects = self.read().identity.projects.range::<ProjectId, _>(from(after));
        let found = projects.map(|(_, project)| project.clone()).take(rows(size.rows()) + 1).collect();
        Ok(Page::cut(found, size, |project: &Project| project.id.clone()))
    }

    async fn project_add(&mut self, project: &Project) -> Result<(), StoreError> {
        let state = self.write()?;
        let table = Arc::make_mut(&mut state.identity);
        if table.projects.contains_key(&project.id) {
            return conflict("project");
        }
        table.projects.insert(project.id.clone(), project.clone());
        Arc::make_mut(&mut state.locks).add_project(&project.id);
        self.wrote();
        Ok(())
    }

    async fn project_archive(&mut self, project: &Project) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.identity);
        match table.projects.get_mut(&project.id) {
            Some(stored) if stored.archived_at.is_none() => {
                stored.archived_at = project.archived_at;
                self.wrote();
                Ok(())
            }
            Some(_) | None => conflict("project"),
        }
    }
}

#[async_trait]
impl KeyRepository for InMemoryUnitOfWork {
    async fn key_find(&mut self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.read().identity.keys.get(id).cloned())
    }

    async fn key_list(
        &mut self,
        project: Option<&ProjectId>,
        after: Option<&KeyId>,
        size: PageSize,
    ) -> Result<Page<ApiKey, KeyId>, StoreError> {
        let is_listed = |key: &&ApiKey| match (project, &key.scope) {
            (None, _) => true,
            (Some(project), Scope::Project(own)) => own == project,
            (Some(_), Scope::AllProjects) => false,
        };
        let keys = self.read().identity.keys.range::<KeyId, _>(from(after)).map(|(_, key)| key);
        let found = keys.filter(is_listed).take(rows(size.rows()) + 1).cloned().collect();
        Ok(Page::cut(found, size, |key: &ApiKey| key.id.clone()))
    }

    async fn key_any_good(&mut self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        Ok(self.read().identity.keys.values().any(|key| key.is_good(now)))
    }

    async fn key_add(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.identity);
        if table.keys.contains_key(&key.id) {
            return conflict("key");
        }
        table.keys.insert(key.id.clone(), key.clone());
        self.wrote();
        Ok(())
    }

    async fn key_save(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.identity);
        match table.keys.get_mut(&key.id) {
            Some(stored) => {
                stored.secret_hash = key.secret_hash;
                stored.rotated_at = key.rotated_at;
                stored.revoked_at = key.revoked_at;
                self.wrote();
                Ok(())
            }
            None => conflict("key"),
        }
    }

    async fn key_note_used(&mut self, used: &[(KeyId, DateTime<Utc>)]) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.identity);
        for (id, at) in used {
            if let Some(stored) = table.keys.get_mut(id) {
                stored.last_used_at = stored.last_used_at.max(Some(*at));
            }
        }
        self.wrote();
        Ok(())
    }
}
