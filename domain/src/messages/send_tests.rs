use super::*;
use crate::messages::delivery::DeliveryState;
use crate::messages::samples::*;
use crate::work::rank::AHEAD_DAYS_MAX;
use chrono::TimeDelta;
use uuid::Uuid;

const IDS: (i64, i64) = (500, 501);

fn draft() -> Draft {
    Draft {
        audience: Audience::Agents(Named::one(agent("ann"))),
        message_type: MessageType::Note,
        kind: None,
        priority: Priority::DEFAULT,
        content: content("hello"),
        in_reply_to: None,
        correlation_id: None,
        ack: None,
        expires_at: None,
        on_behalf_of: None,
        task: None,
    }
}

fn to(names: &[&str]) -> Audience {
    Audience::Agents(Named::try_new(names.iter().map(|name| agent(name)).collect()).unwrap())
}

/// What is loaded when `bob` sends.
fn loaded() -> Loaded {
    Loaded {
        now: at(100),
        last_number: Number::new(41),
        sender: holder("bob"),
        role: Role::Agent,
        own: Some(recipient("bob")),
        recipients: ["ann", "bob", "cid"].map(recipient).to_vec(),
        group_members: 0,
        counted_open: BTreeMap::new(),
        replied: None,
        conversation: None,
        held: None,
        pace: Pace::DEFAULT,
    }
}

fn sent(draft: Draft, loaded: Loaded) -> Result<Sent, MessageRefusal> {
    send(draft, FreshIds { message: message_id(IDS.0), notice: message_id(IDS.1) }, loaded)
}

#[test]
fn a_message_to_named_agents_is_delivered_at_once() {
    let done = sent(Draft { audience: to(&["ann", "cid"]), ..draft() }, loaded()).unwrap();
    let new = &done.changes.new[0];
    assert_eq!(
        (done.message.number, done.message.at, done.message.thread),
        (Number::new(42), at(100), done.message.id)
    );
    let expected = ["ann", "cid"].map(|name| Delivery::new(&done.message, agent(name), true));
    assert_eq!((&new.message, &new.deliveries[..]), (&done.message, &expected[..]));
    assert_eq!((done.recipients, done.message.is_broadcast), (Some(2), false));
    let to_itself = sent(Draft { audience: to(&["bob"]), ..draft() }, loaded()).unwrap();
    assert_eq!(to_itself.recipients, Some(1), "another session of it may listen");
}

#[test]
fn every_unknown_and_every_full_recipient_is_named() {
    let unknown = sent(Draft { audience: to(&["ann", "x", "y"]), ..draft() }, loaded());
    assert_eq!(unknown, Err(MessageRefusal::RecipientsUnknown { agents: vec![agent("x"), agent("y")] }));
    let full = BTreeMap::from([("ann", 1_000), ("cid", 1_001), ("bob", 999)].map(|(name, open)| (agent(name), open)));
    let to_all = Draft { audience: to(&["ann", "bob", "cid"]), ..draft() };
    let refused = sent(to_all, Loaded { counted_open: full.clone(), ..loaded() });
    assert_eq!(refused, Err(MessageRefusal::InboxesFull { agents: vec![agent("ann"), agent("cid")] }));
    let to_bob = Draft { audience: to(&["bob"]), ..draft() };
    assert!(sent(to_bob, Loaded { counted_open: full, ..loaded() }).is_ok());
}

#[test]
fn a_broadcast_makes_no_deliveries_and_fills_no_inbox() {
    let counted_open = BTreeMap::from([(agent("ann"), COUNTED_OPEN_MAX)]);
    for audience in [Audience::Everyone, Audience::Orchestrators, Audience::Capability(capability("rust"))] {
        let loaded = Loaded { counted_open: counted_open.clone(), recipients: Vec::new(), ..loaded() };
        let done = sent(Draft { audience, ..draft() }, loaded).unwrap();
        assert_eq!((done.recipients, done.message.is_broadcast), (None, true));
        assert!(done.changes.new[0].deliveries.is_empty());
    }
    let to_group = Draft { audience: Audience::Group(group("crew")), ..draft() };
    let nobody = MessageRefusal::AudienceEmpty { audience: "group:crew".into() };
    assert_eq!(sent(to_group.clone(), loaded()), Err(nobody));
    assert!(sent(to_group, Loaded { group_members: 1, ..loaded() }).is_ok());
}

#[test]
fn what_has_to_be_acknowledged_is_delivered_to_all_of_its_audience_but_the_sender() {
    let asked = Draft { audience: Audience::Everyone, ack: Some(Ack { deadline: Some(at(200)) }), ..draft() };
    let done = sent(asked.clone(), loaded()).unwrap();
    let names: Vec<&str> = done.changes.new[0].deliveries.iter().map(|made| made.recipient.as_str()).collect();
    assert_eq!((names, done.recipients, done.message.is_broadcast), (vec!["ann", "cid"], Some(2), false));
    assert!(done.changes.new[0].deliveries.iter().all(|made| made.is_counted && made.ack == asked.ack));
    let to_steer = Draft { audience: Audience::Orchestrators, ..asked.clone() };
    let nobody = MessageRefusal::AudienceEmpty { audience: "orchestrators".into() };
    assert_eq!(sent(to_steer, loaded()), Err(nobody));
    let crowd = |count: usize| (0..count).map(|number| recipient(&format!("a{number}"))).collect::<Vec<_>>();
    let sent_to = |count| sent(asked.clone(), Loaded { recipients: crowd(count), ..loaded() });
    assert_eq!(sent_to(ACK_RECIPIENTS_MAX).unwrap().recipients, Some(1_000));
    assert_eq!(sent_to(ACK_RECIPIENTS_MAX + 1), Err(MessageRefusal::AudienceTooLarge));
    let full = Loaded { counted_open: BTreeMap::from([(agent("cid"), COUNTED_OPEN_MAX)]), ..loaded() };
    assert_eq!(sent(asked, full), Err(MessageRefusal::InboxesFull { agents: vec![agent("cid")] }));
}

#[test]
fn instants_are_ahead_and_not_too_far() {
    let with = |deadline, expires_at| {
        let ack = Some(Ack { deadline });
        sent(Draft { ack, expires_at, ..draft() }, loaded()).map(|_| ())
    };
    let passed = |field: &str| Err(MessageRefusal::TimePassed { field: field.into() });
    assert_eq!(with(Some(at(100)), None), passed("ack_deadline"));
    assert_eq!(with(Some(at(101)), Some(at(100))), passed("expires_at"));
    assert_eq!(with(Some(at(101)), Some(at(101))), Ok(()));
    let far = at(101) + TimeDelta::days(AHEAD_DAYS_MAX);
    assert_eq!(with(None, Some(far)), Err(MessageRefusal::TimeTooFar { field: "expires_at".into() }));
}

#[test]
fn a_task_and_another_name_are_taken_only_if_they_are_true() {
    let task = TaskId::new(Uuid::from_u128(7));
    let held = Some(HeldTask { id: task, submitted_by: agent("boss") });
    let with_task = Draft { task: Some(task), ..draft() };
    assert_eq!(sent(with_task.clone(), loaded()), Err(MessageRefusal::TaskNotHeld { task }));
    let other = Some(HeldTask { id: TaskId::new(Uuid::from_u128(8)), submitted_by: agent("boss") });
    let refused = sent(with_task.clone(), Loaded { held: other, ..loaded() });
    assert_eq!(refused, Err(MessageRefusal::TaskNotHeld { task }));
    let done = sent(with_task.clone(), Loaded { held: held.clone(), ..loaded() }).unwrap();
    assert_eq!(done.message.task, Some(task));

    let for_boss = Draft { on_behalf_of: Some(agent("boss")), ..draft() };
    let untrue = Err(MessageRefusal::NotOnBehalf { agent: agent("boss") });
    assert_eq!(sent(for_boss.clone(), Loaded { held: held.clone(), ..loaded() }), untrue, "the task is not named");
    let with_both = Draft { on_behalf_of: Some(agent("boss")), ..with_task.clone() };
    let done = sent(with_both, Loaded { held: held.clone(), ..loaded() }).unwrap();
    assert_eq!(done.message.on_behalf_of, Some(agent("boss")));
    let for_other = Draft { on_behalf_of: Some(agent("cid")), ..with_task };
    assert!(sent(for_other, Loaded { held, ..loaded() }).is_err());
    assert!(sent(for_boss, Loaded { role: Role::Orchestrator, ..loaded() }).is_ok());
    assert!(sent(Draft { on_behalf_of: Some(agent("bob")), ..draft() }, loaded()).is_ok(), "for itself");
}

/// A message of `ann` to `bob`, who answers.
fn question() -> Message {
    Message { sender: Sender::Agent(holder("ann")), audience: to(&["bob"]), thread: message_id(1), ..message(3) }
}

fn reply() -> Draft {
    Draft { message_type: MessageType::Reply, in_reply_to: Some(message_id(3)), ..draft() }
}

fn asked() -> Loaded {
    let delivery = Some(Delivery::new(&question(), agent("bob"), true));
    Loaded { replied: Some(Replied { message: question(), delivery }), ..loaded() }
}

#[test]
fn a_reply_stays_in_the_thread_and_answers_the_delivery() {
    let done = sent(reply(), asked()).unwrap();
    assert_eq!((done.message.thread, done.message.in_reply_to), (message_id(1), Some(message_id(3))));
    let after = done.answered.unwrap();
    assert_eq!(after.state, DeliveryState::Answered { at: at(100), by: message_id(IDS.0) });
    assert_eq!((done.changes.changed.len(), &done.changes.changed[0].after), (1, &after));
    let again = Replied { message: question(), delivery: Some(after) };
    let done = sent(reply(), Loaded { replied: Some(again), ..loaded() }).unwrap();
    assert_eq!((done.answered, done.changes.changed), (None, Vec::new()));
}

#[test]
fn only_what_the_sender_can_know_of_is_answered() {
    assert_eq!(sent(Draft { in_reply_to: None, ..reply() }, asked()), Err(MessageRefusal::ReplyToNothing));
    let unknown = Err(MessageRefusal::RepliedUnknown { message: message_id(3) });
    assert_eq!(sent(reply(), loaded()), unknown);
    let foreign = |message| Some(Replied { message, delivery: None });
    assert_eq!(sent(reply(), Loaded { replied: foreign(question()), ..loaded() }), unknown);
    let steering = Loaded { replied: foreign(question()), role: Role::Orchestrator, ..loaded() };
    assert!(sent(reply(), steering).is_ok());
    let own = Message { sender: Sender::Agent(holder("bob")), ..question() };
    let done = sent(reply(), Loaded { replied: foreign(own), ..loaded() }).unwrap();
    assert_eq!((done.answered, done.changes.conversations), (None, Vec::new()), "it goes on with its own thread");
}

#[test]
fn a_broadcast_is_answered_also_by_who_never_received_it() {
    let to_all = Message { sender: Sender::Agent(holder("ann")), ..broadcast(3, Audience::Everyone) };
    let replied = Some(Replied { message: to_all, delivery: None });
    let done = sent(reply(), Loaded { replied: replied.clone(), ..loaded() }).unwrap();
    assert_eq!(done.changes.made, [done.answered.unwrap()]);
    assert!(!done.changes.made[0].is_counted);
    let stranger = sent(reply(), Loaded { replied, own: None, ..loaded() });
    assert!(matches!(stranger, Err(MessageRefusal::RepliedUnknown { .. })));
}

fn hot(pace: u32) -> Loaded {
    let pair = Pair::of(agent("ann"), agent("bob"));
    let replies = vec![at(30), at(40), at(50), at(60), at(90)];
    let conversation = Some(Conversation { pair, replies, stopped_until: None });
    Loaded { conversation, pace: Pace::try_new(pace).unwrap(), ..asked() }
}

#[test]
fn who_answers_too_often_is_slowed_and_then_stopped_with_a_notice() {
    let slowed = sent(reply(), hot(3));
    assert_eq!(slowed, Err(MessageRefusal::ConversationSlowed { with: agent("ann"), until: at(110) }));
    let plain = Draft { in_reply_to: None, message_type: MessageType::Note, ..reply() };
    assert!(sent(plain, hot(3)).unwrap().changes.conversations.is_empty(), "only replies count");

    let stopped = Loaded { now: at(120), ..hot(2) };
    let done = sent(reply(), stopped.clone()).unwrap();
    assert_eq!((done.stopped, done.changes.new.len()), (Some(agent("ann")), 2));
    let notice = &done.changes.new[1].message;
    assert_eq!((notice.number, notice.audience.clone()), (Number::new(43), Audience::Orchestrators));
    assert!(notice.is_broadcast && notice.kind.as_ref().unwrap().as_str() == "conversation.stopped");
    let until = at(720);
    let after = done.changes.conversations[0].clone();
    let refused = sent(reply(), Loaded { conversation: Some(after), now: at(719), ..asked() });
    assert_eq!(refused, Err(MessageRefusal::ConversationStopped { with: agent("ann"), until }));
}

#[test]
fn the_notice_goes_to_the_owners_if_there_are_any() {
    let owned = |name, owner| Recipient { owner: Some(agent(owner)), ..recipient(name) };
    let stop = |recipients: Vec<Recipient>| {
        let done = sent(reply(), Loaded { now: at(120), recipients, ..hot(2) }).unwrap();
        let notice = done.changes.new[1].clone();
        let got: Vec<String> = notice.deliveries.iter().map(|made| made.recipient.to_string()).collect();
        (notice.message.audience, got)
    };
    let (audience, got) = stop(vec![owned("ann", "sue"), owned("bob", "tom"), recipient("sue"), recipient("tom")]);
    assert_eq!((audience, got), (to(&["sue", "tom"]), vec!["sue".to_owned(), "tom".to_owned()]));
    let (audience, _) = stop(vec![owned("ann", "sue"), owned("bob", "gone"), recipient("sue")]);
    assert_eq!(audience, to(&["sue"]));
    let (audience, _) = stop(vec![owned("ann", "bob"), owned("bob", "ann")]);
    assert_eq!(audience, Audience::Orchestrators, "they own each other");
}
