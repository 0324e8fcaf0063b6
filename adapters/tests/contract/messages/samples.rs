//! Messages and deliveries to store.

use crate::harness::{TestStore, default_project, start};
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::principal::Role;
use domain::ids::{AgentId, HandoffId, MessageId, ProjectId, TaskId};
use domain::locks::key::LockKey;
use domain::locks::lease::Holder;
use domain::messages::audience::{Audience, GroupName, Listening, Named, Recipient};
use domain::messages::changes::{ChangedDelivery, Changes, NewMessage};
use domain::messages::content::{Body, Content, CorrelationId, Data, Link, Links, MessageKind, Subject};
use domain::messages::delivery::{Delivery, DeliveryState};
use domain::messages::message::{Ack, Message, MessageType, Number, Sender};
use domain::work::name::Capability;
use domain::work::rank::Priority;
use ports::store::StoreError;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub(crate) const MICRO: TimeDelta = TimeDelta::microseconds(1);

pub(crate) fn second(number: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(number)
}

pub(crate) fn message_id(number: i64) -> MessageId {
    MessageId::new(Uuid::from_u128(number.unsigned_abs().into()))
}

pub(crate) fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

pub(crate) fn named(names: &[&str]) -> Audience {
    Audience::Agents(Named::try_new(names.iter().map(|name| agent(name)).collect()).unwrap())
}

pub(crate) fn capability(name: &str) -> Audience {
    Audience::Capability(Capability::parse(name).unwrap())
}

pub(crate) fn recipient(name: &str) -> Recipient {
    Recipient {
        agent: agent(name),
        role: Role::Agent,
        owner: None,
        environments: BTreeSet::new(),
        capabilities: BTreeSet::new(),
        registered_at: start(),
        groups: BTreeMap::new(),
    }
}

pub(crate) fn listenings(name: &str) -> Vec<Listening> {
    recipient(name).listenings()
}

pub(crate) fn text(subject: &str) -> Content {
    Content { subject: Subject::parse(subject).unwrap(), body: None, data: None, links: Links::default() }
}

pub(crate) fn full_content() -> Content {
    let links = vec![
        Link::Task(TaskId::new(Uuid::from_u128(7))),
        Link::Lock(LockKey::parse("src/main.rs").unwrap()),
        Link::Handoff(HandoffId::new(Uuid::from_u128(8))),
        Link::Message(message_id(9)),
    ];
    Content {
        subject: Subject::parse("It's \"done\" \\ größer, 100%?").unwrap(),
        body: Some(Body::parse("first\n\tsecond 'line' \u{10FFFD}").unwrap()),
        data: Some(Data::try_new(json!({ "a": [1, null, "\u{0}"], "b": 1.5 })).unwrap()),
        links: Links::try_new(links).unwrap(),
    }
}

/// A note of `sam` to `ann`, sent so many seconds after the start.
pub(crate) fn message(number: i64) -> Message {
    Message {
        id: message_id(number),
        number: Number::new(number),
        at: second(number),
        sender: Sender::Agent(Holder { agent: agent("sam"), session: session_id("sam-1") }),
        on_behalf_of: None,
        task: None,
        audience: named(&["ann"]),
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

pub(crate) fn full_message(number: i64) -> Message {
    Message {
        on_behalf_of: Some(agent("b:1/a@b.c_d-e")),
        task: Some(TaskId::new(Uuid::from_u128(5))),
        message_type: MessageType::Reply,
        kind: Some(MessageKind::parse("review.done").unwrap()),
        priority: Priority::LAST,
        thread: message_id(1),
        in_reply_to: Some(message_id(2)),
        correlation_id: Some(CorrelationId::parse("x/1").unwrap()),
        ack: Some(Ack { deadline: Some(second(90) + MICRO) }),
        expires_at: Some(second(91) + MICRO),
        ..message(number)
    }
}

pub(crate) fn from(sender: &str, message: Message) -> Message {
    let session = session_id(&format!("{sender}-1"));
    Message { sender: Sender::Agent(Holder { agent: agent(sender), session }), ..message }
}

pub(crate) fn broadcast(number: i64, audience: Audience) -> Message {
    Message { audience, is_broadcast: true, ..message(number) }
}

pub(crate) fn to(name: &str, message: &Message) -> Delivery {
    Delivery::new(message, agent(name), true)
}

pub(crate) fn offered(until: i64, delivery: Delivery) -> Delivery {
    let state = DeliveryState::Offered { session: session_id("s-9"), until: second(until) };
    Delivery { attempts: delivery.attempts + 1, state, ..delivery }
}

pub(crate) fn read(at: i64, delivery: Delivery) -> Delivery {
    Delivery { read_at: Some(second(at)), state: DeliveryState::Read { at: second(at) }, ..delivery }
}

/// A message with its deliveries to these agents.
pub(crate) fn new(message: Message, recipients: &[&str]) -> NewMessage {
    let deliveries = recipients.iter().map(|name| to(name, &message)).collect();
    NewMessage { content: text(&format!("message {}", message.number.value())), message, deliveries }
}

pub(crate) async fn try_save(store: &TestStore, project: &ProjectId, changes: Changes) -> Result<(), StoreError> {
    let mut uow = store.begin().await;
    uow.mail_head_lock(project).await.unwrap().unwrap();
    uow.mail_save(project, &changes).await?;
    uow.commit().await
}

pub(crate) async fn save_mail(store: &TestStore, changes: Changes) {
    try_save(store, &default_project(), changes).await.unwrap();
}

pub(crate) async fn add_to(store: &TestStore, project: &ProjectId, new: Vec<NewMessage>) {
    try_save(store, project, Changes { new, ..Changes::default() }).await.unwrap();
}

pub(crate) async fn add(store: &TestStore, new: Vec<NewMessage>) {
    add_to(store, &default_project(), new).await;
}

pub(crate) fn changed(before: Delivery, after: Delivery) -> Changes {
    Changes { changed: vec![ChangedDelivery { before, after }], ..Changes::default() }
}

pub(crate) async fn delivery(store: &TestStore, name: &str, number: i64) -> Option<Delivery> {
    let mut uow = store.begin_read().await;
    uow.deliveries_load(&default_project(), &agent(name), &[message_id(number)]).await.unwrap().pop()
}

pub(crate) async fn open(store: &TestStore, name: &str) -> Vec<i64> {
    let mut uow = store.begin_read().await;
    let found = uow.deliveries_open(&default_project(), &agent(name), Number::MAX, 100).await.unwrap();
    found.iter().map(|delivery| delivery.number.value()).collect()
}

pub(crate) fn agents(names: &[&str]) -> Vec<AgentId> {
    names.iter().map(|name| agent(name)).collect()
}
