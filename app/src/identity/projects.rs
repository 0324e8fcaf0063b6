//! The changes to projects, one command each.

use crate::executor::{Command, Decision, Happening, Scene};
use async_trait::async_trait;
use domain::audit::Change;
use domain::identity::principal::{Action, Denial, Principal, authorize_all_projects};
use domain::identity::project::{self, Project};
use domain::ids::ProjectId;
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Creates a project.
#[derive(Debug, Clone)]
pub struct CreateProject {
    /// Its name.
    pub id: ProjectId,
}

#[async_trait]
impl Command for CreateProject {
    const OPERATION: &'static str = "project.create";
    const ACTION: Action = Action::ManageProjects;
    type Answer = Project;

    fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
        authorize_all_projects(principal, Self::ACTION)
    }

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let found = uow.project_find(&self.id).await?;
        let project = match project::create(found.as_ref(), self.id.clone(), scene.now) {
            Ok(project) => project,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.project_add(&project).await?;
        let happening = happening(Self::OPERATION, "project.created", None, &project);
        Ok(Decision::answered(project, vec![happening]))
    }
}

/// Archives a project for good.
#[derive(Debug, Clone)]
pub struct ArchiveProject {
    /// Its name.
    pub id: ProjectId,
}

#[async_trait]
impl Command for ArchiveProject {
    const OPERATION: &'static str = "project.archive";
    const ACTION: Action = Action::ManageProjects;
    type Answer = Project;

    fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
        authorize_all_projects(principal, Self::ACTION)
    }

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let found = uow.project_find(&self.id).await?;
        let project = match project::archive(found.clone(), &self.id, scene.now) {
            Ok(project) => project,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.project_archive(&project).await?;
        let happening = happening(Self::OPERATION, "project.archived", found.as_ref(), &project);
        Ok(Decision::answered(project, vec![happening]))
    }
}

/// Creates those projects that are not there yet; the others stay as they are.
#[derive(Debug, Clone)]
pub struct EnsureProjects {
    /// Their names.
    pub ids: BTreeSet<ProjectId>,
}

#[async_trait]
impl Command for EnsureProjects {
    const OPERATION: &'static str = "project.create";
    const ACTION: Action = Action::ManageProjects;
    type Answer = ();

    fn content(&self) -> Value {
        json!({ "ids": self.ids })
    }

    fn target(&self) -> String {
        self.ids.iter().map(ProjectId::as_str).collect::<Vec<_>>().join(", ")
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let mut happenings = Vec::new();
        for id in &self.ids {
            let found = uow.project_find(id).await?;
            if let Ok(project) = project::create(found.as_ref(), id.clone(), scene.now) {
                uow.project_add(&project).await?;
                happenings.push(happening(Self::OPERATION, "project.created", None, &project));
            }
        }
        Ok(Decision::answered((), happenings))
    }
}

fn happening(operation: &str, kind: &'static str, before: Option<&Project>, after: &Project) -> Happening {
    let change = Change {
        operation: operation.to_owned(),
        target: after.id.to_string(),
        before: before.map(|before| json!(before)),
        after: Some(json!(after)),
    };
    Happening { change, kind, body: json!(after), by_itself: false }
}
