//! The changes to records of agents.

use crate::executor::{Command, Decision, Happening, Scene};
use crate::messages::sweeper::abandon;
use async_trait::async_trait;
use domain::agents::record::{AgentChange, AgentRecord, deregister_agent, register_agent, update_agent};
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::ids::{AgentId, MessageId};
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};

/// Registers the caller, or says anew what it is.
#[derive(Debug, Clone)]
pub struct RegisterAgent {
    /// Who is calling, as its key says.
    pub id: AgentId,
    /// What it says of itself.
    pub change: AgentChange,
}

#[async_trait]
impl Command for RegisterAgent {
    const OPERATION: &'static str = "agent.register";
    const ACTION: Action = Action::UseAgents;
    type Answer = AgentRecord;

    fn content(&self) -> Value {
        json!(self.change)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<AgentRecord>, StoreError> {
        let Scene { call, now } = scene;
        let found = load(uow, scene, &self.id).await?;
        let is_new = found.is_none();
        let record = if let Some(record) = found {
            record
        } else {
            // Whoever does the same at the same time is waited for, and then found.
            let blank = AgentRecord::of_key(call.project.clone(), &call.principal, *now);
            uow.agents_add_missing(&[blank]).await?;
            load(uow, scene, &self.id).await?.ok_or(StoreError::Conflict { what: "agent" })?
        };
        let registered = match register_agent(&record, &call.principal, self.change.clone(), *now) {
            Ok(registered) => registered,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        if registered == record && !is_new {
            return Ok(Decision::answered(registered, Vec::new()));
        }
        uow.agents_save(std::slice::from_ref(&registered)).await?;
        let before = (!is_new).then_some(&record);
        let happening = happening(Self::OPERATION, "agent.registered", before, &registered);
        Ok(Decision::answered(registered, vec![happening]))
    }
}

/// Changes the record of an agent.
#[derive(Debug, Clone)]
pub struct UpdateAgent {
    /// Which.
    pub id: AgentId,
    /// What is to change.
    pub change: AgentChange,
}

#[async_trait]
impl Command for UpdateAgent {
    const OPERATION: &'static str = "agent.update";
    const ACTION: Action = Action::UseAgents;
    type Answer = AgentRecord;

    fn content(&self) -> Value {
        json!({ "id": self.id, "change": self.change })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<AgentRecord>, StoreError> {
        let found = load(uow, scene, &self.id).await?;
        let principal = &scene.call.principal;
        match update_agent(principal, &self.id, found.as_ref(), self.change.clone(), scene.now) {
            Ok(updated) => save(uow, (Self::OPERATION, "agent.updated"), found, updated).await,
            Err(refusal) => Ok(Decision::refused(refusal)),
        }
    }
}

/// Takes an agent out of the project. Its record stays.
#[derive(Debug, Clone)]
pub struct DeregisterAgent {
    /// Which.
    pub id: AgentId,
    /// Ids for what is told to those whose messages it has not taken.
    pub notices: Vec<MessageId>,
}

#[async_trait]
impl Command for DeregisterAgent {
    const OPERATION: &'static str = "agent.deregister";
    const ACTION: Action = Action::UseAgents;
    type Answer = AgentRecord;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<AgentRecord>, StoreError> {
        let found = load(uow, scene, &self.id).await?;
        match deregister_agent(&scene.call.principal, &self.id, found.as_ref(), scene.now) {
            Ok(gone) => {
                let mut decision = save(uow, (Self::OPERATION, "agent.deregistered"), found, gone).await?;
                decision.happenings.extend(abandon(uow, &scene.call.project, &self.id, &self.notices).await?);
                Ok(decision)
            }
            Err(refusal) => Ok(Decision::refused(refusal)),
        }
    }
}

async fn load(uow: &mut dyn UnitOfWork, scene: &Scene<'_>, id: &AgentId) -> Result<Option<AgentRecord>, StoreError> {
    Ok(uow.agents_load(&scene.call.project, std::slice::from_ref(id)).await?.pop())
}

/// Saves a record and tells so, unless it is as it was.
async fn save(
    uow: &mut dyn UnitOfWork,
    (operation, kind): (&str, &'static str),
    before: Option<AgentRecord>,
    after: AgentRecord,
) -> Result<Decision<AgentRecord>, StoreError> {
    if before.as_ref() == Some(&after) {
        return Ok(Decision::answered(after, Vec::new()));
    }
    uow.agents_save(std::slice::from_ref(&after)).await?;
    let happening = happening(operation, kind, before.as_ref(), &after);
    Ok(Decision::answered(after, vec![happening]))
}

/// The audit log has the whole record before and after; followers get all but the metadata, which can be long.
fn happening(operation: &str, kind: &'static str, before: Option<&AgentRecord>, after: &AgentRecord) -> Happening {
    let change = Change {
        operation: operation.to_owned(),
        target: after.id.to_string(),
        before: before.map(|before| json!(before)),
        after: Some(json!(after)),
    };
    let mut body = json!(after);
    if let Some(fields) = body.as_object_mut() {
        fields.remove("metadata");
        fields.remove("project");
    }
    Happening { change, kind, body, by_itself: false }
}
