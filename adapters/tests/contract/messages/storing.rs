//! Messages, contents and conversations come back as they were stored, with numbers in order.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::messages::audience::Audience;
use domain::messages::changes::Changes;
use domain::messages::content::Body;
use domain::messages::conversation::{Conversation, Pair};
use domain::messages::delivery::{Delivery, DeliveryState, FailCause};
use domain::messages::inbox::Mailbox;
use domain::messages::message::{Ack, Message, Number, Sender};
use ports::messages::MailHead;
use std::collections::BTreeMap;
use std::sync::Arc;

async fn loaded(store: &TestStore, number: i64) -> Option<Message> {
    let mut uow = store.begin_read().await;
    uow.messages_load(&default_project(), &[message_id(number)]).await.unwrap().pop()
}

async fn a_message_comes_back_to_the_last_field(store: Arc<TestStore>) {
    let messages = [
        message(1),
        full_message(2),
        Message { sender: Sender::System, ..broadcast(3, Audience::Everyone) },
        Message { ack: Some(Ack { deadline: None }), ..broadcast(4, Audience::Group(group("a/b:c"))) },
    ];
    add(&store, messages.iter().map(|message| new(message.clone(), &[])).collect()).await;
    for (number, message) in (1..).zip(messages) {
        assert_eq!(loaded(&store, number).await, Some(message));
    }
    assert_eq!(loaded(&store, 9).await, None);
    let other = add_project(&store, "other").await.id;
    let mut uow = store.begin_read().await;
    assert_eq!(uow.messages_load(&other, &[message_id(1)]).await.unwrap(), []);
}

async fn a_content_comes_back_to_the_last_character(store: Arc<TestStore>) {
    let long = Body::parse(&"x".repeat(Body::BYTES_MAX)).unwrap();
    let contents = [full_content(), text("…"), domain::messages::content::Content { body: Some(long), ..text("long") }];
    let messages = (1..).zip(&contents).map(|(number, content)| {
        let new = new(message(number), &[]);
        domain::messages::changes::NewMessage { content: content.clone(), ..new }
    });
    add(&store, messages.collect()).await;
    let mut uow = store.begin_read().await;
    let ids = [1, 2, 3, 9].map(message_id);
    let found = uow.message_contents_load(&default_project(), &ids).await.unwrap();
    let expected: BTreeMap<_, _> = (1..).map(message_id).zip(contents).collect();
    assert_eq!(found, expected);
}

async fn a_delivery_comes_back_in_every_state(store: Arc<TestStore>) {
    let states = [
        DeliveryState::Waiting { visible_at: second(5) + MICRO },
        DeliveryState::Offered { session: session_id("s:1/a@b.c_d-e"), until: second(6) + MICRO },
        DeliveryState::Read { at: second(7) },
        DeliveryState::Acknowledged { at: second(8) },
        DeliveryState::Answered { at: second(9), by: message_id(77) },
        DeliveryState::Expired { at: second(10) },
        DeliveryState::Failed { at: second(11), cause: FailCause::AckDeadline },
    ];
    let full = full_message(1);
    add(&store, vec![new(full.clone(), &[]), new(message(2), &["a7"])]).await;
    let made: Vec<Delivery> = (0..)
        .zip(states)
        .map(|(number, state)| Delivery {
            attempts: number,
            read_at: Some(second(3) + MICRO),
            acknowledged_at: Some(second(4) + MICRO),
            is_counted: number % 2 == 0,
            state,
            ..to(&format!("a{number}"), &full)
        })
        .collect();
    save_mail(&store, Changes { made: made.clone(), ..Changes::default() }).await;
    for expected in &made {
        assert_eq!(delivery(&store, expected.recipient.as_str(), 1).await.as_ref(), Some(expected));
    }
    assert_eq!(delivery(&store, "a7", 2).await, Some(to("a7", &message(2))), "made with its message");
    assert_eq!((delivery(&store, "a7", 1).await, delivery(&store, "a0", 2).await), (None, None));
    // Back and forth between all states, by change.
    let mut last = made[0].clone();
    for next in made.iter().skip(1).chain(&made[..1]) {
        let next = Delivery { recipient: last.recipient.clone(), is_counted: last.is_counted, ..next.clone() };
        save_mail(&store, changed(last, next.clone())).await;
        assert_eq!(delivery(&store, "a0", 1).await.as_ref(), Some(&next));
        last = next;
    }
}

async fn numbers_follow_each_other_and_ids_are_taken_once(store: Arc<TestStore>) {
    let here = default_project();
    let attempt = async |messages: Vec<Message>| {
        let new = messages.into_iter().map(|message| new(message, &[])).collect();
        try_save(&store, &here, Changes { new, ..Changes::default() }).await
    };
    assert_conflict(attempt(vec![message(2)]).await);
    assert_conflict(attempt(vec![message(1), message(3)]).await);
    attempt(vec![message(1), message(2)]).await.unwrap();
    assert_conflict(attempt(vec![Message { number: Number::new(2), ..message(9) }]).await);
    assert_conflict(attempt(vec![Message { number: Number::new(3), ..message(1) }]).await);
    assert_conflict(attempt(vec![Message { number: Number::new(4), ..message(9) }]).await);
    attempt(vec![Message { number: Number::new(3), ..message(9) }]).await.unwrap();
    let mut uow = store.begin().await;
    let head = uow.mail_head_lock(&here).await.unwrap();
    assert_eq!(head, Some(MailHead { now: store.now(), last_number: Number::new(3) }));
    assert_eq!(uow.mail_last_number(&here).await.unwrap(), Number::new(3));
    drop(uow);
    let other = add_project(&store, "other").await.id;
    add_to(&store, &other, vec![new(message(1), &[])]).await;
}

async fn only_projects_have_a_mail_head(store: Arc<TestStore>) {
    let unknown = project_id("unknown");
    for is_writing in [true, false] {
        let mut uow = if is_writing { store.begin().await } else { store.begin_read().await };
        assert_eq!(uow.mail_head_lock(&unknown).await.unwrap(), None);
        let head = uow.mail_head_lock(&default_project()).await.unwrap();
        assert_eq!(head, Some(MailHead { now: store.now(), last_number: Number::ZERO }));
        assert_eq!(uow.mail_last_number(&unknown).await.unwrap(), Number::ZERO);
        uow.commit().await.unwrap();
    }
}

async fn only_what_is_as_it_was_loaded_is_changed(store: Arc<TestStore>) {
    let here = default_project();
    let stored = Delivery { read_at: Some(second(2)), ..offered(60, to("ann", &message(1))) };
    add(&store, vec![new(message(1), &[])]).await;
    save_mail(&store, Changes { made: vec![stored.clone()], ..Changes::default() }).await;
    let state = |session: &str, until| DeliveryState::Offered { session: session_id(session), until: second(until) };
    let others = [
        Delivery { attempts: 2, ..stored.clone() },
        Delivery { read_at: None, ..stored.clone() },
        Delivery { state: state("s-9", 61), ..stored.clone() },
        Delivery { state: state("s-8", 60), ..stored.clone() },
        Delivery { state: DeliveryState::Waiting { visible_at: second(60) }, ..stored.clone() },
        Delivery { state: DeliveryState::Read { at: second(60) }, ..stored.clone() },
        Delivery { recipient: agent("bob"), ..stored.clone() },
    ];
    for before in others {
        let after = Delivery { recipient: before.recipient.clone(), ..read(5, stored.clone()) };
        assert_conflict(try_save(&store, &here, changed(before, after)).await);
    }
    assert_eq!(delivery(&store, "ann", 1).await, Some(stored.clone()));
    assert_conflict(try_save(&store, &here, Changes { made: vec![stored.clone()], ..Changes::default() }).await);
    save_mail(&store, changed(stored.clone(), read(5, stored.clone()))).await;
    assert_conflict(try_save(&store, &here, changed(stored.clone(), stored)).await);
}

async fn after_a_refused_save_nothing_is_kept(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    uow.mail_head_lock(&default_project()).await.unwrap();
    let first = Changes { new: vec![new(message(1), &["ann"])], ..Changes::default() };
    uow.mail_save(&default_project(), &first).await.unwrap();
    let changes = changed(to("bob", &message(1)), read(5, to("bob", &message(1))));
    assert_conflict(uow.mail_save(&default_project(), &changes).await);
    uow.commit().await.unwrap_err();
    assert_eq!((loaded(&store, 1).await, open(&store, "ann").await), (None, vec![]));
}

async fn a_conversation_is_remembered_as_it_was_left(store: Arc<TestStore>) {
    let pair = |one: &str, other: &str| Pair::of(agent(one), agent(other));
    let first = Conversation { replies: vec![second(1) + MICRO, second(2)], ..Conversation::new(pair("ann", "bob")) };
    let second_one = Conversation { stopped_until: Some(second(9)), ..Conversation::new(pair("bob", "cid")) };
    let put = async |conversation: &Conversation| {
        save_mail(&store, Changes { conversations: vec![conversation.clone()], ..Changes::default() }).await;
    };
    put(&first).await;
    put(&second_one).await;
    let pairs = [pair("bob", "ann"), pair("cid", "bob"), pair("ann", "cid"), pair("ann", "bob")];
    let load = async || {
        let mut uow = store.begin_read().await;
        let mut found = uow.conversations_load(&default_project(), &pairs).await.unwrap();
        found.sort_by(|one, other| one.pair.cmp(&other.pair));
        found
    };
    assert_eq!(load().await, [first.clone(), second_one.clone()]);
    let again = Conversation::new(first.pair);
    put(&again).await;
    assert_eq!(load().await, [again, second_one]);
    let other = add_project(&store, "other").await.id;
    assert_eq!(store.begin_read().await.conversations_load(&other, &pairs).await.unwrap(), []);
}

async fn how_far_an_agent_has_come_never_goes_back(store: Arc<TestStore>) {
    let boxes = async || {
        let mut uow = store.begin().await;
        let found = uow.mailboxes_lock(&default_project(), &agents(&["bob", "ann", "bob"])).await.unwrap();
        uow.commit().await.unwrap();
        found
    };
    let mailbox = |name, to| Mailbox { agent: agent(name), looked_to: Number::new(to) };
    let in_a_read = store.begin_read().await.mailboxes_lock(&default_project(), &agents(&["ann"])).await.unwrap();
    assert_eq!(in_a_read, [mailbox("ann", 0)]);
    assert_eq!(boxes().await, [mailbox("ann", 0), mailbox("bob", 0)]);
    for to in [7, 5] {
        save_mail(&store, Changes { mailbox: Some(mailbox("bob", to)), ..Changes::default() }).await;
        assert_eq!(boxes().await, [mailbox("ann", 0), mailbox("bob", 7)]);
    }
    save_mail(&store, Changes { mailbox: Some(mailbox("new", 3)), ..Changes::default() }).await;
    let in_a_read = store.begin_read().await.mailboxes_lock(&default_project(), &agents(&["new"])).await.unwrap();
    assert_eq!(in_a_read, [mailbox("new", 3)]);
}

on_every_store!(
    a_message_comes_back_to_the_last_field,
    a_content_comes_back_to_the_last_character,
    a_delivery_comes_back_in_every_state,
    numbers_follow_each_other_and_ids_are_taken_once,
    only_projects_have_a_mail_head,
    only_what_is_as_it_was_loaded_is_changed,
    after_a_refused_save_nothing_is_kept,
    a_conversation_is_remembered_as_it_was_left,
    how_far_an_agent_has_come_never_goes_back,
);
