//! Sending: whether a message may be sent, and what comes into being when it is.

use crate::identity::principal::Role;
use crate::ids::{AgentId, MessageId, TaskId};
use crate::locks::lease::Holder;
use crate::messages::audience::{ACK_RECIPIENTS_MAX, Audience, Named, Recipient};
use crate::messages::changes::{Changes, NewMessage};
use crate::messages::content::{Content, CorrelationId, MessageKind};
use crate::messages::conversation::{Conversation, Pace, Pair};
use crate::messages::delivery::Delivery;
use crate::messages::inbox::{self, COUNTED_OPEN_MAX};
use crate::messages::message::{Ack, Message, MessageType, Number, Sender};
use crate::messages::refusal::MessageRefusal;
use crate::messages::sweep::{self, Announcement};
use crate::work::rank::{Priority, is_within_reach};
use crate::work::task::Task;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What somebody wants to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// To whom.
    pub audience: Audience,
    /// What it asks.
    pub message_type: MessageType,
    /// What it is about.
    pub kind: Option<MessageKind>,
    /// How urgent it is.
    pub priority: Priority,
    /// What agents read of it.
    pub content: Content,
    /// The message it answers.
    pub in_reply_to: Option<MessageId>,
    /// The sender's mark.
    pub correlation_id: Option<CorrelationId>,
    /// Whether it has to be acknowledged.
    pub ack: Option<Ack>,
    /// From when on it is of no use.
    pub expires_at: Option<DateTime<Utc>>,
    /// For whom the sender writes.
    pub on_behalf_of: Option<AgentId>,
    /// The task it is about.
    pub task: Option<TaskId>,
}

impl Draft {
    /// Whether the deliveries are made when recipients first receive it.
    pub fn is_broadcast(&self) -> bool {
        self.ack.is_none() && !matches!(self.audience, Audience::Agents(_))
    }
}

/// A message that is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replied {
    /// It.
    pub message: Message,
    /// Its delivery to the one who answers, if there is one.
    pub delivery: Option<Delivery>,
}

/// A task that a session holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTask {
    /// Which.
    pub id: TaskId,
    /// Whose it is.
    pub submitted_by: AgentId,
}

impl HeldTask {
    /// The task, if this is who holds it now.
    pub fn of(task: &Task, holder: &Holder, now: DateTime<Utc>) -> Option<Self> {
        let is_held = task.lease().is_some_and(|lease| lease.holder == *holder && now < lease.until);
        is_held.then(|| Self { id: task.id, submitted_by: task.terms.submitted_by.clone() })
    }
}

/// What is loaded for a send, after the mail head was locked and, for a reply, the sender's mailbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The store's clock.
    pub now: DateTime<Utc>,
    /// The last number drawn.
    pub last_number: Number,
    /// Who sends.
    pub sender: Holder,
    /// The role of the sender's key.
    pub role: Role,
    /// The sender as a recipient, if it has a record: it may answer the broadcasts it gets.
    pub own: Option<Recipient>,
    /// The agents that are named; or if the message has to be acknowledged, all that may belong to its audience, but no
    /// more of them than one above [`ACK_RECIPIENTS_MAX`] and the sender; and of a reply those who may have to be told
    /// that it went in circles: the sender, the one who is answered, and the owners of both.
    pub recipients: Vec<Recipient>,
    /// How many members the group has that it goes to. Of any other audience nobody asks.
    pub group_members: u32,
    /// How many counted open deliveries the recipients have. Those with none may be left out.
    pub counted_open: BTreeMap<AgentId, u32>,
    /// The message it answers, if that is there.
    pub replied: Option<Replied>,
    /// The conversation of the sender with the one who is answered, if anything is remembered of it.
    pub conversation: Option<Conversation>,
    /// The task it is about, if the sender's session holds that.
    pub held: Option<HeldTask>,
    /// How many replies a minute two agents may send each other.
    pub pace: Pace,
}

/// Ids for what comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreshIds {
    /// Of the message.
    pub message: MessageId,
    /// Of a notice, if there has to be one.
    pub notice: MessageId,
}

/// What came of a send.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The message.
    pub message: Message,
    /// To how many a delivery was made at once; `None` of a broadcast.
    pub recipients: Option<u32>,
    /// The delivery it answered, as it is now.
    pub answered: Option<Delivery>,
    /// The other agent, if the conversation with it is stopped from now on.
    pub stopped: Option<AgentId>,
    /// What has to be saved.
    pub changes: Changes,
}

/// Sends a message, or says why not.
pub fn send(draft: Draft, ids: FreshIds, loaded: Loaded) -> Result<Sent, MessageRefusal> {
    check_times(&draft, loaded.now)?;
    check_truth(&draft, &loaded)?;
    let replied = check_reply(&draft, &loaded)?;
    let recipients = check_recipients(&draft, &loaded)?;
    let mut changes = Changes::default();
    let stopped = converse(&loaded, replied, &mut changes)?;
    let answered = replied.and_then(|replied| {
        let before = replied.delivery.clone().or_else(|| made_by_answer(replied, &loaded))?;
        let after = inbox::answer(&before, ids.message, loaded.now)?;
        match replied.delivery {
            Some(_) => changes.change(before, after.clone()),
            None => changes.made.push(after.clone()),
        }
        Some(after)
    });
    let is_broadcast = draft.is_broadcast();
    let thread = replied.map_or(ids.message, |replied| replied.message.thread);
    let notice = stopped.as_ref().map(|with| stop_notice(&loaded, with, thread));
    let message = Message {
        id: ids.message,
        number: loaded.last_number.next(),
        at: loaded.now,
        sender: Sender::Agent(loaded.sender),
        on_behalf_of: draft.on_behalf_of,
        task: draft.task,
        audience: draft.audience,
        message_type: draft.message_type,
        kind: draft.kind,
        priority: draft.priority,
        thread,
        in_reply_to: draft.in_reply_to,
        correlation_id: draft.correlation_id,
        ack: draft.ack,
        expires_at: draft.expires_at,
        is_broadcast,
    };
    let deliveries: Vec<Delivery> = recipients.into_iter().map(|agent| Delivery::new(&message, agent, true)).collect();
    let count = u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
    changes.new.push(NewMessage { message: message.clone(), content: draft.content, deliveries });
    if let Some(notice) = notice {
        let there = loaded.recipients.into_iter().map(|recipient| recipient.agent).collect();
        changes.new.push(sweep::announce(notice, ids.notice, message.number.next(), loaded.now, &there));
    }
    Ok(Sent { message, recipients: (!is_broadcast).then_some(count), answered, stopped, changes })
}

fn check_times(draft: &Draft, now: DateTime<Utc>) -> Result<(), MessageRefusal> {
    let deadline = draft.ack.and_then(|ack| ack.deadline);
    for (field, at) in [("ack_deadline", deadline), ("expires_at", draft.expires_at)] {
        let Some(at) = at else { continue };
        if at <= now {
            return Err(MessageRefusal::TimePassed { field: field.to_owned() });
        }
        if !is_within_reach(at, now) {
            return Err(MessageRefusal::TimeTooFar { field: field.to_owned() });
        }
    }
    Ok(())
}

/// Whether what the sender says of itself is true.
fn check_truth(draft: &Draft, loaded: &Loaded) -> Result<(), MessageRefusal> {
    let held = loaded.held.as_ref().filter(|held| Some(held.id) == draft.task);
    if let Some(task) = draft.task
        && held.is_none()
    {
        return Err(MessageRefusal::TaskNotHeld { task });
    }
    let Some(agent) = &draft.on_behalf_of else { return Ok(()) };
    let submitted_it = held.is_some_and(|held| held.submitted_by == *agent);
    let is_true = *agent == loaded.sender.agent || submitted_it || loaded.role >= Role::Orchestrator;
    if is_true { Ok(()) } else { Err(MessageRefusal::NotOnBehalf { agent: agent.clone() }) }
}

/// The message that is answered, if the sender can know of it.
fn check_reply<'a>(draft: &Draft, loaded: &'a Loaded) -> Result<Option<&'a Replied>, MessageRefusal> {
    let Some(id) = draft.in_reply_to else {
        let is_reply = draft.message_type == MessageType::Reply;
        return if is_reply { Err(MessageRefusal::ReplyToNothing) } else { Ok(None) };
    };
    let knows = |replied: &&Replied| {
        replied.message.id == id
            && (replied.message.sender.agent() == Some(&loaded.sender.agent)
                || replied.delivery.is_some()
                || loaded.own.as_ref().is_some_and(|own| own.gets(&replied.message))
                || loaded.role >= Role::Orchestrator)
    };
    let replied = loaded.replied.as_ref().filter(knows);
    replied.map(Some).ok_or(MessageRefusal::RepliedUnknown { message: id })
}

/// Who gets a delivery at once.
fn check_recipients(draft: &Draft, loaded: &Loaded) -> Result<BTreeSet<AgentId>, MessageRefusal> {
    let empty = || {
        let audience = draft.audience.key().map_or_else(String::new, |key| key.as_str().to_owned());
        MessageRefusal::AudienceEmpty { audience }
    };
    if matches!(draft.audience, Audience::Group(_)) && loaded.group_members == 0 {
        return Err(empty());
    }
    if draft.is_broadcast() {
        return Ok(BTreeSet::new());
    }
    let is_named = matches!(draft.audience, Audience::Agents(_));
    let gets = |recipient: &&Recipient| {
        draft.audience.includes(recipient) && (is_named || recipient.agent != loaded.sender.agent)
    };
    let found: BTreeSet<AgentId> =
        loaded.recipients.iter().filter(gets).map(|recipient| recipient.agent.clone()).collect();
    if let Audience::Agents(named) = &draft.audience {
        let unknown: Vec<AgentId> = named.iter().filter(|agent| !found.contains(*agent)).cloned().collect();
        if !unknown.is_empty() {
            return Err(MessageRefusal::RecipientsUnknown { agents: unknown });
        }
    }
    if found.is_empty() {
        return Err(empty());
    }
    if found.len() > ACK_RECIPIENTS_MAX {
        return Err(MessageRefusal::AudienceTooLarge);
    }
    let is_full = |agent: &&AgentId| loaded.counted_open.get(*agent).is_some_and(|open| *open >= COUNTED_OPEN_MAX);
    let full: Vec<AgentId> = found.iter().filter(is_full).cloned().collect();
    if full.is_empty() { Ok(found) } else { Err(MessageRefusal::InboxesFull { agents: full }) }
}

/// Counts a reply between two agents; answers the other one if that stops their conversation.
fn converse(
    loaded: &Loaded,
    replied: Option<&Replied>,
    changes: &mut Changes,
) -> Result<Option<AgentId>, MessageRefusal> {
    let other = replied.and_then(|replied| replied.message.sender.agent());
    let Some(other) = other.filter(|other| **other != loaded.sender.agent) else { return Ok(None) };
    let pair = Pair::of(loaded.sender.agent.clone(), other.clone());
    let known = loaded.conversation.clone().filter(|conversation| conversation.pair == pair);
    let mut conversation = known.unwrap_or_else(|| Conversation::new(pair));
    let is_stopped =
        conversation.reply(loaded.pace, loaded.now).map_err(|held| MessageRefusal::held(other.clone(), held))?;
    changes.conversations.push(conversation);
    Ok(is_stopped.then(|| other.clone()))
}

/// The delivery of a broadcast that is answered before it was received.
fn made_by_answer(replied: &Replied, loaded: &Loaded) -> Option<Delivery> {
    loaded.own.as_ref().and_then(|own| inbox::made(&replied.message, own))
}

/// Tells the owners of both agents; orchestrators if they have none with a record, or only each other.
fn stop_notice(loaded: &Loaded, with: &AgentId, thread: MessageId) -> Announcement {
    let two = [&loaded.sender.agent, with];
    let find = |agent: &AgentId| loaded.recipients.iter().find(|recipient| recipient.agent == *agent);
    let owners = two.iter().filter_map(|agent| find(agent)?.owner.as_ref());
    let owners: BTreeSet<AgentId> =
        owners.filter(|owner| !two.contains(owner) && find(owner).is_some()).cloned().collect();
    let audience = Named::try_new(owners).map_or(Audience::Orchestrators, Audience::Agents);
    sweep::stopped(&loaded.sender.agent, with, audience, thread)
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
