//! Writes down which offers nobody took in time, for the log and those who follow; correctness never waits for it.

use crate::call::Call;
use crate::executor::{Command, Decision, Executor, Happening, Scene};
use crate::handoffs::commands::happening;
use crate::refusal::CallError;
use async_trait::async_trait;
use domain::identity::principal::Action;
use domain::ids::{HandoffId, ProjectId};
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most offers of one turn.
const OFFERS_MAX: u32 = 200;

/// The most turns of one round.
const TURNS_MAX: u32 = 20;

/// One round over all projects. A project where it fails keeps no other from it.
pub async fn expire_due(executor: &Executor) -> Result<(), CallError> {
    for _ in 0..TURNS_MAX {
        let due = due(executor).await?;
        let count = due.values().map(Vec::len).sum::<usize>();
        let mut failure = None;
        for (project, ids) in due {
            let call = Call::of_system(project, executor.ids().random_name())
                .map_err(|error| CallError::Internal(error.to_string()))?;
            failure = executor.execute(&call, &ExpireHandoffs { ids }).await.err().or(failure);
        }
        match failure {
            Some(error) => return Err(error),
            None if count < OFFERS_MAX as usize => return Ok(()),
            None => {}
        }
    }
    Ok(())
}

async fn due(executor: &Executor) -> Result<BTreeMap<ProjectId, Vec<HandoffId>>, CallError> {
    let mut uow = executor.store().begin_read().await?;
    let now = uow.now().await?;
    let mut by_project: BTreeMap<ProjectId, Vec<HandoffId>> = BTreeMap::new();
    for (project, id) in uow.handoffs_due(now, OFFERS_MAX).await? {
        by_project.entry(project).or_default().push(id);
    }
    Ok(by_project)
}

/// Writes the end of offers down, those that have expired.
#[derive(Debug, Clone)]
pub struct ExpireHandoffs {
    /// Which may have.
    pub ids: Vec<HandoffId>,
}

#[async_trait]
impl Command for ExpireHandoffs {
    const OPERATION: &'static str = "handoff.expire";
    const ACTION: Action = Action::UseHandoffs;
    /// Offers of an archived project expire too.
    const IN_PROJECT: bool = false;
    type Answer = ();

    fn content(&self) -> Value {
        json!(self.ids)
    }

    fn target(&self) -> String {
        "expired".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let mut happenings = Vec::new();
        for before in uow.handoffs_load(project, &self.ids).await? {
            // Somebody else may have been here first.
            let Some(after) = before.expire(scene.now) else { continue };
            uow.handoff_save(project, &after).await?;
            let happening = happening(Self::OPERATION, "handoff.expired", Some(&before), &after);
            happenings.push(Happening { by_itself: true, ..happening });
        }
        Ok(Decision::answered((), happenings))
    }
}
