//! What Pointsman itself writes: that deliveries ended without having arrived, and to whom that is told.
//!
//! Each delivery that expires or fails is told in exactly one notice; one notice names all of a message that ended
//! together. Notices themselves are told about to nobody.

use crate::ids::{AgentId, MessageId};
use crate::messages::audience::{Audience, Named};
use crate::messages::changes::{Changes, NewMessage};
use crate::messages::content::{Content, Data, Link, Links, MessageKind, Subject};
use crate::messages::delivery::{Delivery, DeliveryState, FailCause};
use crate::messages::message::{Ack, Message, MessageType, Number, Sender};
use crate::work::rank::Priority;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The most deliveries that are ended in one sweep of a project.
pub const SWEEP_ROWS_MAX: u32 = 200;
/// After how many days a notice is of no use any more.
pub const NOTICE_DAYS: i64 = 30;
/// The kind of a notice that deliveries failed or expired.
pub const DELIVERY_FAILED: &str = "delivery.failed";
/// The kind of a notice that a conversation was stopped.
pub const CONVERSATION_STOPPED: &str = "conversation.stopped";

/// What Pointsman itself says.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
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
    /// The message it is about, and its thread.
    pub about: Option<(MessageId, MessageId)>,
    /// Whether it has to be acknowledged.
    pub ack: Option<Ack>,
    /// From when on it is of no use.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a message of Pointsman's own, which is never refused and takes no place of an inbox. `there` are agents with a
/// record, among them at least those it goes to if it names them, or has to be acknowledged.
pub fn announce(
    announcement: Announcement,
    id: MessageId,
    number: Number,
    now: DateTime<Utc>,
    there: &BTreeSet<AgentId>,
) -> NewMessage {
    let Announcement { audience, message_type, kind, priority, content, about, ack, expires_at } = announcement;
    let recipients: Vec<AgentId> = match (&audience, ack) {
        (Audience::Agents(named), _) => named.iter().filter(|agent| there.contains(*agent)).cloned().collect(),
        (_, Some(_)) => there.iter().cloned().collect(),
        (_, None) => Vec::new(),
    };
    let is_broadcast = ack.is_none() && !matches!(audience, Audience::Agents(_));
    let message = Message {
        id,
        number,
        at: now,
        sender: Sender::System,
        on_behalf_of: None,
        task: None,
        audience,
        message_type,
        kind,
        priority,
        thread: about.map_or(id, |(_, thread)| thread),
        in_reply_to: about.map(|(message, _)| message),
        correlation_id: None,
        ack,
        expires_at,
        is_broadcast,
    };
    let deliveries = recipients.into_iter().map(|agent| Delivery::new(&message, agent, false)).collect();
    NewMessage { message, content, deliveries }
}

/// Deliveries that are to end, after the mail head and the mailboxes of their recipients were locked.
#[derive(Debug, Clone, PartialEq)]
pub struct Overdue {
    /// The store's clock.
    pub now: DateTime<Utc>,
    /// The last number drawn.
    pub last_number: Number,
    /// The deliveries; those that are not to end are passed over.
    pub deliveries: Vec<Delivery>,
    /// Their messages.
    pub messages: Vec<Message>,
    /// Those of their senders that have a record, and do not go.
    pub senders: BTreeSet<AgentId>,
}

/// Writes down which deliveries have ended by time alone, and tells their senders.
///
/// `fresh` are ids for notices. What there is no id for is left for the next time.
pub fn sweep(overdue: Overdue, fresh: &[MessageId]) -> Changes {
    let now = overdue.now;
    end(overdue, fresh, |delivery| {
        let after = delivery.clone().settled(now);
        (!after.is_open()).then_some(after)
    })
}

/// Ends all open deliveries of an agent that was deregistered, and tells their senders. Those whose time was over already
/// end in that way.
pub fn abandon(overdue: Overdue, fresh: &[MessageId]) -> Changes {
    let now = overdue.now;
    end(overdue, fresh, |delivery| {
        let mut after = delivery.clone().settled(now);
        if after.is_open() {
            after.state = DeliveryState::Failed { at: now, cause: FailCause::RecipientGone };
        }
        Some(after)
    })
}

fn end(overdue: Overdue, fresh: &[MessageId], how: impl Fn(&Delivery) -> Option<Delivery>) -> Changes {
    let Overdue { now, last_number, deliveries, messages, senders } = overdue;
    let mut changes = Changes::default();
    let mut by_message: BTreeMap<Number, Vec<(Delivery, Delivery)>> = BTreeMap::new();
    for before in deliveries.into_iter().filter(Delivery::is_open) {
        if let Some(after) = how(&before) {
            by_message.entry(before.number).or_default().push((before, after));
        }
    }
    let mut fresh = fresh.iter();
    let mut number = last_number;
    for (message, ends) in by_message {
        let about = messages.iter().find(|known| known.number == message);
        if let Some(about) = about
            && let Some(sender) = about.sender.agent().filter(|sender| senders.contains(*sender))
        {
            let Some(id) = fresh.next() else { continue };
            number = number.next();
            let ended: Vec<&Delivery> = ends.iter().map(|(_, after)| after).collect();
            changes.new.push(announce(failure(about, sender, &ended, now), *id, number, now, &senders));
        }
        for (before, after) in ends {
            changes.change(before, after);
        }
    }
    changes
}

fn failure(about: &Message, sender: &AgentId, ended: &[&Delivery], now: DateTime<Utc>) -> Announcement {
    let recipients: Vec<_> = ended
        .iter()
        .map(|delivery| {
            let cause = match delivery.state {
                DeliveryState::Failed { cause, .. } => Some(cause.as_str()),
                _ => None,
            };
            json!({ "agent": delivery.recipient, "status": delivery.status(), "cause": cause })
        })
        .collect();
    let subject = match ended {
        [one] => format!("A message to {} was not taken", one.recipient),
        several => format!("A message was not taken by {} agents", several.len()),
    };
    let data = json!({ "message": about.id, "recipients": recipients });
    Announcement {
        audience: Audience::Agents(Named::one(sender.clone())),
        message_type: MessageType::Event,
        kind: MessageKind::parse(DELIVERY_FAILED).ok(),
        priority: Priority::DEFAULT,
        content: content(&subject, data, vec![Link::Message(about.id)]),
        about: Some((about.id, about.thread)),
        ack: None,
        expires_at: Some(now + TimeDelta::days(NOTICE_DAYS)),
    }
}

/// What is told when a conversation is stopped.
pub(crate) fn stopped(one: &AgentId, other: &AgentId, audience: Audience, thread: MessageId) -> Announcement {
    let subject = "Two agents did nothing but answer each other, and were stopped";
    Announcement {
        audience,
        message_type: MessageType::Event,
        kind: MessageKind::parse(CONVERSATION_STOPPED).ok(),
        priority: Priority::FIRST,
        content: content(subject, json!({ "agents": [one, other] }), vec![Link::Message(thread)]),
        about: None,
        ack: None,
        expires_at: None,
    }
}

fn content(subject: &str, data: serde_json::Value, links: Vec<Link>) -> Content {
    Content {
        subject: Subject::fixed(subject),
        body: None,
        data: Data::try_new(data).ok(),
        links: Links::try_new(links).unwrap_or_default(),
    }
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
