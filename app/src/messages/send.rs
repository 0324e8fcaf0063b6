//! Sending a message.

use crate::agents::enter::enter;
use crate::call::Call;
use crate::executor::{Answered, Command, Decision, Executor, Scene};
use crate::messages::{happenings, recipients};
use crate::refusal::CallError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::identity::principal::Action;
use domain::identity::project::ProjectRefusal;
use domain::ids::{AgentId, MessageId, SessionId};
use domain::locks::lease::Holder;
use domain::messages::audience::{ACK_RECIPIENTS_MAX, Audience, Recipient};
use domain::messages::conversation::{Pace, Pair};
use domain::messages::inbox::COUNTED_OPEN_MAX;
use domain::messages::message::Message;
use domain::messages::send::{Draft, FreshIds, HeldTask, Loaded, Replied, Sent, send};
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The use case.
#[derive(Clone)]
pub struct SendMessages {
    executor: Executor,
    pace: Pace,
}

impl SendMessages {
    /// Puts the parts together; `pace` is how many replies a minute two agents may send each other.
    pub fn new(executor: Executor, pace: Pace) -> Self {
        Self { executor, pace }
    }

    /// Sends a message from the session that the call runs in.
    pub async fn send(&self, call: &Call, draft: Draft) -> Result<Answered<SentAnswer>, CallError> {
        let session = match enter(&self.executor, call).await {
            Ok(session) => Some(session),
            // It is refused again where it is decided, a replay before everything else.
            Err(CallError::Refused(_)) => None,
            Err(error) => return Err(error),
        };
        let ids = self.executor.ids();
        let fresh = FreshIds { message: ids.message_id(), notice: ids.message_id() };
        self.executor.execute(call, &SendMessage { draft, session, fresh, pace: self.pace }).await
    }
}

/// Sends a message.
#[derive(Debug, Clone)]
pub struct SendMessage {
    /// What to send.
    pub draft: Draft,
    /// The session of the sender; `None` if it could not come into one.
    pub session: Option<SessionId>,
    /// Ids for what comes into being.
    pub fresh: FreshIds,
    /// How many replies a minute two agents may send each other.
    pub pace: Pace,
}

/// A message that was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SentAnswer {
    /// Its id.
    pub id: MessageId,
    /// The first message of its thread.
    pub thread: MessageId,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// To how many a delivery was made at once; `None` of a broadcast.
    pub recipients: Option<u32>,
    /// Whether the message it answers is answered by it now.
    pub answers: bool,
    /// The other agent, if the conversation with it is stopped from now on.
    pub stopped_with: Option<AgentId>,
}

impl From<&Sent> for SentAnswer {
    fn from(sent: &Sent) -> Self {
        Self {
            id: sent.message.id,
            thread: sent.message.thread,
            at: sent.message.at,
            recipients: sent.recipients,
            answers: sent.answered.is_some(),
            stopped_with: sent.stopped.clone(),
        }
    }
}

#[async_trait]
impl Command for SendMessage {
    const OPERATION: &'static str = "message.send";
    const ACTION: Action = Action::UseMessages;
    type Answer = SentAnswer;

    fn content(&self) -> Value {
        json!(self.draft)
    }

    fn target(&self) -> String {
        match (&self.draft.audience, self.draft.audience.key()) {
            (Audience::Agents(named), _) => named.iter().next().map_or_else(String::new, ToString::to_string),
            (_, Some(key)) => key.as_str().to_owned(),
            (_, None) => String::new(),
        }
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let call = scene.call;
        let session = self.session.clone().ok_or_else(sessionless)?;
        let sender = Holder { agent: call.principal.agent.clone(), session };
        let Some(loaded) = self.load(uow, call, sender).await? else {
            return Ok(Decision::refused(ProjectRefusal::Unknown { id: call.project.clone() }));
        };
        let counted = loaded.counted_open.clone();
        let sent = match send(self.draft.clone(), self.fresh, loaded) {
            Ok(sent) => sent,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.mail_save(&call.project, &sent.changes).await?;
        let mut happenings = happenings::of(&sent.changes, false);
        happenings
            .extend(sent.changes.conversations.iter().filter(|it| it.stopped_until.is_some()).map(happenings::stopped));
        happenings.extend(filled(&sent, &counted).map(|agent| happenings::inbox_filled(agent, COUNTED_OPEN_MAX)));
        Ok(Decision::answered((&sent).into(), happenings))
    }
}

impl SendMessage {
    /// Locks the mail head, and for a reply the sender's mailbox, and loads what is decided by. `None` if there is no such
    /// project.
    async fn load(&self, uow: &mut dyn UnitOfWork, call: &Call, sender: Holder) -> Result<Option<Loaded>, StoreError> {
        let (project, draft) = (&call.project, &self.draft);
        let Some(head) = uow.mail_head_lock(project).await? else { return Ok(None) };
        let own = recipients::one(uow, project, &sender.agent).await?;
        let replied = self.replied(uow, call, &sender.agent).await?;
        let other = replied.as_ref().and_then(|replied| replied.message.sender.agent().cloned());
        let mut found = match (&draft.audience, draft.is_broadcast()) {
            (_, true) => Vec::new(),
            (audience, false) => recipients::belonging(uow, project, audience, ACK_RECIPIENTS_MAX + 2).await?,
        };
        let mut conversation = None;
        if let Some(other) = other.filter(|other| *other != sender.agent) {
            add(&mut found, own.clone());
            add(&mut found, recipients::one(uow, project, &other).await?);
            let two = [&sender.agent, &other];
            let owners =
                found.iter().filter(|known| two.contains(&&known.agent)).filter_map(|known| known.owner.clone());
            let owners: BTreeSet<AgentId> = owners.collect();
            let owners: Vec<AgentId> = owners.into_iter().collect();
            for owner in recipients::of(uow, project, &owners).await? {
                add(&mut found, Some(owner));
            }
            let pair = Pair::of(sender.agent.clone(), other);
            conversation = uow.conversations_load(project, &[pair]).await?.pop();
        }
        let names: Vec<AgentId> = found.iter().map(|recipient| recipient.agent.clone()).collect();
        let group_members = match &draft.audience {
            Audience::Group(group) => uow.member_count(project, group).await?,
            _ => 0,
        };
        let task = uow.tasks_load(project, draft.task.as_slice()).await?.pop();
        let held_task = task.and_then(|task| HeldTask::of(&task, &sender, head.now));
        Ok(Some(Loaded {
            now: head.now,
            last_number: head.last_number,
            role: call.principal.role,
            sender,
            own,
            counted_open: uow.counted_open(project, &names).await?,
            recipients: found,
            group_members,
            replied,
            conversation,
            held: held_task,
            pace: self.pace,
        }))
    }

    async fn replied(
        &self,
        uow: &mut dyn UnitOfWork,
        call: &Call,
        sender: &AgentId,
    ) -> Result<Option<Replied>, StoreError> {
        let Some(id) = self.draft.in_reply_to else { return Ok(None) };
        uow.mailboxes_lock(&call.project, std::slice::from_ref(sender)).await?;
        let Some(message): Option<Message> = uow.messages_load(&call.project, &[id]).await?.pop() else {
            return Ok(None);
        };
        let delivery = uow.deliveries_load(&call.project, sender, &[id]).await?.pop();
        Ok(Some(Replied { message, delivery }))
    }
}

/// A call that could come into no session was let in all the same: a defect.
pub(super) fn sessionless() -> StoreError {
    StoreError::Failed("a call was admitted that could not come into a session".into())
}

fn add(found: &mut Vec<Recipient>, more: Option<Recipient>) {
    if let Some(more) = more.filter(|more| found.iter().all(|known| known.agent != more.agent)) {
        found.push(more);
    }
}

/// Whose inbox has no place left now.
fn filled<'a>(sent: &'a Sent, counted: &'a BTreeMap<AgentId, u32>) -> impl Iterator<Item = &'a AgentId> {
    let is_last = |agent: &&AgentId| counted.get(*agent).is_some_and(|open| open + 1 == COUNTED_OPEN_MAX);
    let deliveries = sent.changes.new.iter().flat_map(|new| &new.deliveries);
    deliveries.filter(|delivery| delivery.is_counted).map(|delivery| &delivery.recipient).filter(is_last)
}
