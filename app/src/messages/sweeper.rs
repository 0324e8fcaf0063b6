//! Writes down which messages have expired or failed by time alone, and tells their senders; nobody waits for it to be
//! right about them.

use crate::call::Call;
use crate::executor::{Command, Decision, Executor, Happening, Scene};
use crate::messages::{happenings, recipients};
use crate::refusal::CallError;
use async_trait::async_trait;
use domain::identity::principal::Action;
use domain::ids::{AgentId, MessageId, ProjectId};
use domain::messages::changes::Changes;
use domain::messages::delivery::Delivery;
use domain::messages::inbox::OPEN_ROWS_MAX;
use domain::messages::sweep::{self, Overdue, SWEEP_ROWS_MAX, sweep};
use ports::messages::MailHead;
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most projects of one round.
const PROJECTS_MAX: u32 = 100;

/// How often a round goes over a project that still has something to write down.
const TURNS_MAX: u32 = 20;

/// One round over all projects.
pub async fn round(executor: &Executor) -> Result<(), CallError> {
    for _ in 0..TURNS_MAX {
        let projects = due(executor).await?;
        if projects.is_empty() {
            break;
        }
        for project in projects {
            let ids = executor.ids();
            let call =
                Call::of_system(project, ids.random_name()).map_err(|error| CallError::Internal(error.to_string()))?;
            let fresh = (0..SWEEP_ROWS_MAX).map(|_| ids.message_id()).collect();
            executor.execute(&call, &SweepDeliveries { fresh }).await?;
        }
    }
    Ok(())
}

async fn due(executor: &Executor) -> Result<Vec<ProjectId>, StoreError> {
    let mut uow = executor.store().begin_read().await?;
    let now = uow.now().await?;
    uow.projects_with_deliveries_due(now, PROJECTS_MAX).await
}

/// Ends the deliveries of a project whose time is over.
#[derive(Debug, Clone)]
pub struct SweepDeliveries {
    /// Ids for notices.
    pub fresh: Vec<MessageId>,
}

#[async_trait]
impl Command for SweepDeliveries {
    const OPERATION: &'static str = "message.sweep";
    const ACTION: Action = Action::UseMessages;
    // What was sent before the project was archived ends all the same.
    const IN_PROJECT: bool = false;
    type Answer = ();

    fn content(&self) -> Value {
        json!("deliveries")
    }

    fn target(&self) -> String {
        "deliveries".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let Some(head) = uow.mail_head_lock(project).await? else { return Ok(Decision::answered((), Vec::new())) };
        let found = uow.deliveries_due(project, head.now, SWEEP_ROWS_MAX).await?;
        let agents: BTreeSet<AgentId> = found.iter().map(|delivery| delivery.recipient.clone()).collect();
        let agents: Vec<AgentId> = agents.into_iter().collect();
        uow.mailboxes_lock(project, &agents).await?;
        // They may have changed before their mailboxes were locked.
        let deliveries = uow.deliveries_due(project, head.now, SWEEP_ROWS_MAX).await?;
        let deliveries: Vec<_> = deliveries.into_iter().filter(|it| agents.contains(&it.recipient)).collect();
        let changes = sweep(overdue(uow, project, head, deliveries).await?, &self.fresh);
        Ok(Decision::answered((), saved(uow, project, &changes).await?))
    }
}

/// Ends what an agent has not taken, and takes it out of its groups, since it is deregistered in this unit of work; answers
/// what is to be told.
pub async fn abandon(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    agent: &AgentId,
    fresh: &[MessageId],
) -> Result<Vec<Happening>, StoreError> {
    let Some(head) = uow.mail_head_lock(project).await? else { return Ok(Vec::new()) };
    uow.mailboxes_lock(project, std::slice::from_ref(agent)).await?;
    let deliveries = uow.deliveries_open(project, agent, head.last_number, OPEN_ROWS_MAX).await?;
    let changes = sweep::abandon(overdue(uow, project, head, deliveries).await?, fresh);
    let mut told = saved(uow, project, &changes).await?;
    let groups = uow.groups_of(project, std::slice::from_ref(agent)).await?.remove(agent).unwrap_or_default();
    for group in groups.keys() {
        if let Some(member) = uow.member_find(project, group, agent).await? {
            uow.member_remove(project, group, agent).await?;
            told.push(happenings::left(&member));
        }
    }
    Ok(told)
}

async fn overdue(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    head: MailHead,
    deliveries: Vec<Delivery>,
) -> Result<Overdue, StoreError> {
    let ids: BTreeSet<MessageId> = deliveries.iter().map(|delivery| delivery.message).collect();
    let messages = uow.messages_load(project, &ids.into_iter().collect::<Vec<_>>()).await?;
    let senders: BTreeSet<AgentId> = messages.iter().filter_map(|it| it.sender.agent().cloned()).collect();
    let senders = recipients::of(uow, project, &senders.into_iter().collect::<Vec<_>>()).await?;
    let senders = senders.into_iter().map(|sender| sender.agent).collect();
    Ok(Overdue { now: head.now, last_number: head.last_number, deliveries, messages, senders })
}

async fn saved(uow: &mut dyn UnitOfWork, project: &ProjectId, changes: &Changes) -> Result<Vec<Happening>, StoreError> {
    if !changes.is_empty() {
        uow.mail_save(project, changes).await?;
    }
    Ok(happenings::of(changes, true))
}
