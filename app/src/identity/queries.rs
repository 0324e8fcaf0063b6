//! Looking at keys and projects.

use crate::call::Call;
use crate::executor::Executor;
use crate::identity::commands::KeyRecord;
use crate::refusal::{CallError, Refusal};
use domain::identity::key::manageable;
use domain::identity::principal::{Action, Scope, authorize, authorize_all_projects};
use domain::identity::project::{Project, ProjectRefusal};
use domain::ids::{KeyId, ProjectId};
use domain::page::{Page, PageSize};
use ports::store::UnitOfWork;

/// The use cases that only read.
#[derive(Clone)]
pub struct IdentityQueries {
    executor: Executor,
}

impl IdentityQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// Refuses a call to a project that is not there.
    pub async fn enter(&self, call: &Call) -> Result<(), CallError> {
        let mut uow = self.executor.store().begin_read().await?;
        must_be_there(uow.as_mut(), &call.project).await
    }

    /// Lists keys by id: those of one project, or with `None` all that the caller may see. A project that is not there is
    /// refused, for it is not one without keys.
    pub async fn keys(
        &self,
        call: &Call,
        project: Option<ProjectId>,
        after: Option<&KeyId>,
        size: PageSize,
    ) -> Result<Page<KeyRecord, KeyId>, CallError> {
        authorize(&call.principal, Action::ManageKeys).map_err(Refusal::Denied)?;
        let project = match (project, &call.principal.scope) {
            (None, Scope::AllProjects) => None,
            (None, Scope::Project(own)) => Some(own.clone()),
            (Some(named), _) => {
                let scope = Scope::Project(named.clone());
                manageable(&call.principal, &scope).map_err(Refusal::Denied)?;
                Some(named)
            }
        };
        let mut uow = self.executor.store().begin_read().await?;
        must_be_there(uow.as_mut(), project.as_ref().unwrap_or(&call.project)).await?;
        let Page { rows, next } = uow.key_list(project.as_ref(), after, size).await?;
        let rows = rows.iter().map(KeyRecord::try_from).collect::<Result<_, _>>();
        Ok(Page { rows: rows.map_err(|error| CallError::Internal(error.to_string()))?, next })
    }

    /// Lists projects by name.
    pub async fn projects(
        &self,
        call: &Call,
        after: Option<&ProjectId>,
        size: PageSize,
    ) -> Result<Page<Project, ProjectId>, CallError> {
        authorize_all_projects(&call.principal, Action::ManageProjects).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        Ok(uow.project_list(after, size).await?)
    }
}

async fn must_be_there(uow: &mut dyn UnitOfWork, project: &ProjectId) -> Result<(), CallError> {
    match uow.project_find(project).await? {
        Some(_) => Ok(()),
        None => Err(Refusal::Project(ProjectRefusal::Unknown { id: project.clone() }).into()),
    }
}
