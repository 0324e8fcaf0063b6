//! What is told of messages: to the audit log with their subject, to followers without. Bodies are told to nobody but those
//! they were sent to.

use crate::executor::Happening;
use domain::audit::Change;
use domain::ids::AgentId;
use domain::messages::changes::{Changes, NewMessage};
use domain::messages::conversation::{Conversation, Pair};
use domain::messages::delivery::{Delivery, DeliveryState};
use domain::messages::group::Member;
use domain::messages::message::{Message, Sender};
use serde_json::{Value, json};

/// The kind of the fact that an inbox has become full.
pub const INBOX_FILLED: &str = "inbox.filled";

/// A message was sent; by itself if Pointsman wrote it.
pub fn sent(new: &NewMessage) -> Happening {
    let NewMessage { message, content, deliveries } = new;
    let body = outline(message);
    let mut after = body.clone();
    after["subject"] = json!(content.subject.as_str());
    after["deliveries"] = json!(deliveries.len());
    Happening {
        change: change("message.send", message.id.to_string(), None, Some(after)),
        kind: "message.sent",
        body,
        by_itself: message.sender == Sender::System,
    }
}

/// What became of a delivery that is not what it was.
pub fn moved(before: Option<&Delivery>, after: &Delivery, by_itself: bool) -> Happening {
    let (operation, kind) = match &after.state {
        DeliveryState::Waiting { .. } => ("message.return", "message.returned"),
        DeliveryState::Offered { .. } => ("message.receive", "message.offered"),
        DeliveryState::Read { .. } => ("message.read", "message.read"),
        DeliveryState::Acknowledged { .. } => ("message.acknowledge", "message.acknowledged"),
        DeliveryState::Answered { .. } => ("message.answer", "message.answered"),
        DeliveryState::Expired { .. } => ("message.expire", "message.expired"),
        DeliveryState::Failed { .. } => ("message.fail", "message.failed"),
    };
    // Marked as read, and still to be acknowledged.
    let is_read = before.is_some_and(|before| before.read_at.is_none()) && after.read_at.is_some() && after.is_open();
    let (operation, kind) = if is_read { ("message.read", "message.read") } else { (operation, kind) };
    let body = json!({
        "message": after.message, "recipient": after.recipient, "sender": after.sender,
        "status": after.status(), "attempts": after.attempts, "state": after.state,
    });
    let was = before.map(|before| json!({ "recipient": before.recipient, "state": before.state }));
    Happening { change: change(operation, after.message.to_string(), was, Some(body.clone())), kind, body, by_itself }
}

/// Everything that changed hands in a decision, in order; what was sent first.
pub fn of(changes: &Changes, by_itself: bool) -> Vec<Happening> {
    let new = changes.new.iter().map(sent);
    let before = changes.changed.iter().map(|changed| moved(Some(&changed.before), &changed.after, by_itself));
    let waits = |delivery: &&Delivery| !matches!(delivery.state, DeliveryState::Waiting { .. });
    // A delivery that is only noted for its recipient is no event: the message was sent to it before.
    let made = changes.made.iter().filter(waits).map(|made| moved(None, made, by_itself));
    new.chain(before).chain(made).collect()
}

/// The last place of an inbox was taken.
pub fn inbox_filled(agent: &AgentId, messages: u32) -> Happening {
    let body = json!({ "agent": agent, "messages": messages });
    Happening {
        change: change("inbox.fill", agent.to_string(), None, Some(body.clone())),
        kind: INBOX_FILLED,
        body,
        by_itself: true,
    }
}

/// Two agents did nothing but answer each other.
pub fn stopped(conversation: &Conversation) -> Happening {
    let body = json!({ "agents": agents(&conversation.pair), "stopped_until": conversation.stopped_until });
    Happening {
        change: change("conversation.stop", name(&conversation.pair), None, Some(body.clone())),
        kind: "conversation.stopped",
        body,
        by_itself: true,
    }
}

/// Two agents may answer each other again.
pub fn resumed(conversation: &Conversation) -> Happening {
    let before = json!({ "agents": agents(&conversation.pair), "stopped_until": conversation.stopped_until });
    let body = json!({ "agents": agents(&conversation.pair) });
    Happening {
        change: change("conversation.resume", name(&conversation.pair), Some(before), Some(body.clone())),
        kind: "conversation.resumed",
        body,
        by_itself: false,
    }
}

/// An agent joined a group.
pub fn joined(member: &Member) -> Happening {
    let body = json!({ "group": member.group, "agent": member.agent });
    Happening {
        change: change("group.join", member.group.to_string(), None, Some(body.clone())),
        kind: "group.joined",
        body,
        by_itself: false,
    }
}

/// An agent left a group.
pub fn left(member: &Member) -> Happening {
    let body = json!({ "group": member.group, "agent": member.agent });
    Happening {
        change: change("group.leave", member.group.to_string(), Some(body.clone()), None),
        kind: "group.left",
        body,
        by_itself: false,
    }
}

/// What two agents are called together.
pub fn name(pair: &Pair) -> String {
    format!("{} and {}", pair.first(), pair.second())
}

fn agents(pair: &Pair) -> [&AgentId; 2] {
    [pair.first(), pair.second()]
}

fn outline(message: &Message) -> Value {
    json!({
        "message": message.id, "from": message.sender, "to": message.audience, "type": message.message_type,
        "kind": message.kind, "priority": message.priority, "thread": message.thread,
        "in_reply_to": message.in_reply_to, "task": message.task, "on_behalf_of": message.on_behalf_of,
        "ack": message.ack, "expires_at": message.expires_at,
    })
}

fn change(operation: &str, target: String, before: Option<Value>, after: Option<Value>) -> Change {
    Change { operation: operation.to_owned(), target, before, after }
}
