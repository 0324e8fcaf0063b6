//! Messages and agents for tests of this context.

use crate::identity::principal::Role;
use crate::ids::{AgentId, MessageId, SessionId};
use crate::locks::lease::Holder;
use crate::messages::audience::{Audience, GroupName, Named, Recipient};
use crate::messages::content::{Content, Links, Subject};
use crate::messages::message::{Message, MessageType, Number, Sender};
use crate::work::name::{Capability, Environment};
use crate::work::rank::Priority;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

pub(crate) fn holder(name: &str) -> Holder {
    Holder { agent: agent(name), session: session(&format!("{name}-1")) }
}

pub(crate) fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

pub(crate) fn environment(name: &str) -> Environment {
    Environment::parse(name).unwrap()
}

pub(crate) fn capability(name: &str) -> Capability {
    Capability::parse(name).unwrap()
}

pub(crate) fn message_id(number: i64) -> MessageId {
    MessageId::new(Uuid::from_u128(number.unsigned_abs().into()))
}

pub(crate) fn recipient(name: &str) -> Recipient {
    Recipient {
        agent: agent(name),
        role: Role::Agent,
        owner: None,
        environments: BTreeSet::new(),
        capabilities: BTreeSet::new(),
        registered_at: at(-1000),
        groups: BTreeMap::new(),
    }
}

pub(crate) fn content(subject: &str) -> Content {
    Content { subject: Subject::parse(subject).unwrap(), body: None, data: None, links: Links::default() }
}

/// A note of `sam` to `ann`.
pub(crate) fn message(number: i64) -> Message {
    Message {
        id: message_id(number),
        number: Number::new(number),
        at: at(number),
        sender: Sender::Agent(holder("sam")),
        on_behalf_of: None,
        task: None,
        audience: Audience::Agents(Named::one(agent("ann"))),
        message_type: MessageType::Note,
        kind: None,
        priority: Priority::DEFAULT,
        thread: message_id(number),
        in_reply_to: None,
        correlation_id: None,
        ack: None,
        expires_at: None,
        is_broadcast: false,
    }
}

pub(crate) fn broadcast(number: i64, audience: Audience) -> Message {
    Message { audience, is_broadcast: true, ..message(number) }
}
