//! Projects and API keys.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::identity::key::ApiKey;
use domain::identity::project::Project;
use domain::ids::{KeyId, ProjectId};
use domain::page::{Page, PageSize};

/// The projects.
#[async_trait]
pub trait ProjectRepository {
    /// The project of this name.
    async fn project_find(&mut self, id: &ProjectId) -> Result<Option<Project>, StoreError>;
    /// Lists projects by name, strictly after the cursor.
    async fn project_list(
        &mut self,
        after: Option<&ProjectId>,
        size: PageSize,
    ) -> Result<Page<Project, ProjectId>, StoreError>;
    /// Stores a new project with its lock table. MUST be [`StoreError::Conflict`] if the name is taken.
    async fn project_add(&mut self, project: &Project) -> Result<(), StoreError>;
    /// Stores when a project was archived. MUST be [`StoreError::Conflict`] unless it exists and is not archived.
    async fn project_archive(&mut self, project: &Project) -> Result<(), StoreError>;
}

/// The API keys of the store.
#[async_trait]
pub trait KeyRepository {
    /// The key of this name, good or not. In a unit of work that may write, it stays as read until commit.
    async fn key_find(&mut self, id: &KeyId) -> Result<Option<ApiKey>, StoreError>;
    /// Lists keys by name, strictly after the cursor: those of one project, or with `None` all.
    async fn key_list(
        &mut self,
        project: Option<&ProjectId>,
        after: Option<&KeyId>,
        size: PageSize,
    ) -> Result<Page<ApiKey, KeyId>, StoreError>;
    /// Whether any key is good at this instant.
    async fn key_any_good(&mut self, now: DateTime<Utc>) -> Result<bool, StoreError>;
    /// Stores a new key. MUST be [`StoreError::Conflict`] if the name is taken.
    async fn key_add(&mut self, key: &ApiKey) -> Result<(), StoreError>;
    /// Stores hash, rotation and revocation of a key. MUST be [`StoreError::Conflict`] unless it exists.
    async fn key_save(&mut self, key: &ApiKey) -> Result<(), StoreError>;
    /// Notes when keys were last used; never moves back, and unknown keys are passed over.
    async fn key_note_used(&mut self, used: &[(KeyId, DateTime<Utc>)]) -> Result<(), StoreError>;
}
