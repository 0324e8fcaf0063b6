//! Who is in which group, and conversations that were stopped.

use crate::executor::{Command, Decision, Scene};
use crate::messages::happenings;
use async_trait::async_trait;
use domain::identity::principal::Action;
use domain::identity::project::ProjectRefusal;
use domain::ids::AgentId;
use domain::messages::audience::GroupName;
use domain::messages::changes::Changes;
use domain::messages::conversation::{Conversation, Pair};
use domain::messages::group::{Member, Mover, Standing, join, leave};
use domain::messages::refusal::MessageRefusal;
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};

/// Lets an agent join a group.
#[derive(Debug, Clone)]
pub struct JoinGroup {
    /// The group.
    pub group: GroupName,
    /// Who.
    pub agent: AgentId,
}

#[async_trait]
impl Command for JoinGroup {
    const OPERATION: &'static str = "group.join";
    const ACTION: Action = Action::UseMessages;
    type Answer = Member;

    fn content(&self) -> Value {
        json!({ "group": self.group, "agent": self.agent })
    }

    fn target(&self) -> String {
        self.group.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let Some(head) = uow.mail_head_lock(project).await? else {
            return Ok(Decision::refused(ProjectRefusal::Unknown { id: project.clone() }));
        };
        let record = uow.agents_look(project, std::slice::from_ref(&self.agent)).await?.pop();
        if !record.is_some_and(|record| record.is_registered()) {
            return Ok(Decision::refused(MessageRefusal::RecipientsUnknown { agents: vec![self.agent.clone()] }));
        }
        let groups = uow.groups_of(project, std::slice::from_ref(&self.agent)).await?;
        let groups_of_agent = groups.get(&self.agent).map_or(0, std::collections::BTreeMap::len);
        let standing = Standing {
            member: uow.member_find(project, &self.group, &self.agent).await?,
            members: uow.member_count(project, &self.group).await?,
            groups: uow.group_count(project).await?,
            groups_of_agent: u32::try_from(groups_of_agent).unwrap_or(u32::MAX),
            last_number: head.last_number,
            now: head.now,
        };
        match join(&self.group, &self.agent, &mover(scene), &standing) {
            Ok(Some(member)) => {
                uow.member_add(project, &member).await?;
                let happening = happenings::joined(&member);
                Ok(Decision::answered(member, vec![happening]))
            }
            Ok(None) => match standing.member {
                Some(member) => Ok(Decision::answered(member, Vec::new())),
                None => Err(StoreError::Failed("nobody joined a group and nobody was in it".into())),
            },
            Err(refusal) => Ok(Decision::refused(refusal)),
        }
    }
}

/// Lets an agent leave a group.
#[derive(Debug, Clone)]
pub struct LeaveGroup {
    /// The group.
    pub group: GroupName,
    /// Who.
    pub agent: AgentId,
}

#[async_trait]
impl Command for LeaveGroup {
    const OPERATION: &'static str = "group.leave";
    const ACTION: Action = Action::UseMessages;
    type Answer = Member;

    fn content(&self) -> Value {
        json!({ "group": self.group, "agent": self.agent })
    }

    fn target(&self) -> String {
        self.group.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        uow.mail_head_lock(project).await?;
        let member = uow.member_find(project, &self.group, &self.agent).await?;
        match leave(&self.group, &self.agent, &mover(scene), member) {
            Ok(member) => {
                uow.member_remove(project, &self.group, &self.agent).await?;
                let happening = happenings::left(&member);
                Ok(Decision::answered(member, vec![happening]))
            }
            Err(refusal) => Ok(Decision::refused(refusal)),
        }
    }
}

/// Lets two agents answer each other again.
#[derive(Debug, Clone)]
pub struct ResumeConversation {
    /// The two.
    pub pair: Pair,
}

#[async_trait]
impl Command for ResumeConversation {
    const OPERATION: &'static str = "conversation.resume";
    const ACTION: Action = Action::SteerMessages;
    type Answer = Conversation;

    fn content(&self) -> Value {
        json!(self.pair)
    }

    fn target(&self) -> String {
        happenings::name(&self.pair)
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let Some(head) = uow.mail_head_lock(project).await? else {
            return Ok(Decision::refused(ProjectRefusal::Unknown { id: project.clone() }));
        };
        let stopped = uow.conversations_load(project, std::slice::from_ref(&self.pair)).await?.pop();
        let resumed = stopped.as_ref().and_then(|stopped| Some((stopped, stopped.resumed(head.now)?)));
        let Some((before, after)) = resumed else {
            let (first, second) = (self.pair.first().clone(), self.pair.second().clone());
            return Ok(Decision::refused(MessageRefusal::ConversationNotStopped { first, second }));
        };
        let changes = Changes { conversations: vec![after.clone()], ..Changes::default() };
        uow.mail_save(project, &changes).await?;
        let happening = happenings::resumed(before);
        Ok(Decision::answered(after, vec![happening]))
    }
}

fn mover(scene: &Scene<'_>) -> Mover {
    let principal = &scene.call.principal;
    Mover { agent: principal.agent.clone(), role: principal.role }
}
