//! Lists, searches, and what a sender is told.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::messages::audience::{Audience, Recipient};
use domain::messages::changes::{Changes, NewMessage};
use domain::messages::content::{Body, Content, CorrelationId};
use domain::messages::delivery::{Delivery, DeliveryStatus};
use domain::messages::listing::{Direction, MessageFilter, SearchWords, Viewer};
use domain::messages::message::{Message, MessageType, Number, Sender};
use domain::work::name::Capability;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

async fn listed(store: &TestStore, filter: &MessageFilter) -> Vec<i64> {
    let mut uow = store.begin_read().await;
    let page = uow.message_list(&default_project(), filter, None, size(50)).await.unwrap();
    assert_eq!(page.next, None);
    page.rows.iter().map(|message| message.number.value()).collect()
}

fn any() -> MessageFilter {
    MessageFilter::default()
}

fn search(words: &str) -> MessageFilter {
    MessageFilter { search: Some(SearchWords::parse(words).unwrap()), ..any() }
}

async fn messages_are_found_by_each_mark(store: Arc<TestStore>) {
    let mark = CorrelationId::parse("x/1").unwrap();
    add(
        &store,
        vec![
            new(message(1), &[]),
            new(from("ann", Message { message_type: MessageType::Request, ..message(2) }), &[]),
            new(Message { thread: message_id(2), correlation_id: Some(mark.clone()), ..message(3) }, &[]),
            new(Message { sender: Sender::System, message_type: MessageType::Event, ..message(4) }, &[]),
        ],
    )
    .await;
    let other = add_project(&store, "other").await.id;
    add_to(&store, &other, vec![new(message(1), &[])]).await;
    assert_eq!(listed(&store, &any()).await, [4, 3, 2, 1]);
    let oldest_first = MessageFilter { direction: Direction::OldestFirst, ..any() };
    assert_eq!(listed(&store, &oldest_first).await, [1, 2, 3, 4]);
    assert_eq!(listed(&store, &MessageFilter { sender: Some(agent("sam")), ..any() }).await, [3, 1]);
    assert_eq!(listed(&store, &MessageFilter { thread: Some(message_id(2)), ..oldest_first }).await, [2, 3]);
    let of_type = |message_type| MessageFilter { message_type: Some(message_type), ..any() };
    assert_eq!(listed(&store, &of_type(MessageType::Event)).await, [4]);
    assert_eq!(listed(&store, &of_type(MessageType::Alert)).await, Vec::<i64>::new());
    assert_eq!(listed(&store, &MessageFilter { correlation_id: Some(mark), ..any() }).await, [3]);
    let between = MessageFilter { since: Some(second(2)), before: Some(second(4)), ..any() };
    assert_eq!(listed(&store, &between).await, [3, 2]);
    let all_at_once = MessageFilter { sender: Some(agent("sam")), thread: Some(message_id(1)), ..between };
    assert_eq!(listed(&store, &all_at_once).await, Vec::<i64>::new());
    assert_eq!(listed(&store, &MessageFilter { before: None, since: Some(second(1)), ..all_at_once }).await, [1]);
}

async fn pages_tell_each_message_once_in_both_directions(store: Arc<TestStore>) {
    add(&store, (1..=5).map(|number| new(message(number), &[])).collect()).await;
    for (direction, expected) in [(Direction::NewestFirst, [5, 4, 3, 2, 1]), (Direction::OldestFirst, [1, 2, 3, 4, 5])]
    {
        let filter = MessageFilter { direction, ..any() };
        let (mut seen, mut after) = (Vec::new(), None);
        for rows in [2, 2, 1] {
            let mut uow = store.begin_read().await;
            let page = uow.message_list(&default_project(), &filter, after, size(2)).await.unwrap();
            assert_eq!(page.rows.len(), rows);
            seen.extend(page.rows.iter().map(|message| message.number.value()));
            after = page.next;
        }
        assert_eq!((seen, after), (expected.to_vec(), None));
    }
}

fn saying(number: i64, subject: &str, body: &str) -> NewMessage {
    let content = Content { body: Body::parse(body).ok(), ..text(subject) };
    NewMessage { content, ..new(message(number), &["ann"]) }
}

async fn words_are_found_whole_in_any_order_and_any_case(store: Arc<TestStore>) {
    let long = "y".repeat(5_000);
    add(
        &store,
        vec![
            saying(1, "Build broken", "src/main.rs:17 fails on CI; it's a test_case"),
            saying(2, "Größe ändern", "the BUILD is fine"),
            saying(3, "v1.2.3 released", "e-mail me@example.org, 1e5 and -7"),
            saying(4, "!!!", "…"),
            saying(5, &long[..200], &long),
            saying(6, "заявка выполнена", "日本語 テスト"),
        ],
    )
    .await;
    let found = async |words: &str| listed(&store, &search(words)).await;
    assert_eq!(found("build").await, [2, 1]);
    assert_eq!(found("BROKEN build").await, [1]);
    assert_eq!(found("src/main.rs").await, [1]);
    assert_eq!(found("rs 17 case").await, [1]);
    assert_eq!(found("buil").await, Vec::<i64>::new(), "words are whole");
    assert_eq!(found("größe ÄNDERN").await, [2]);
    assert_eq!(found("grosse").await, Vec::<i64>::new());
    assert_eq!(found("grobe").await, Vec::<i64>::new());
    assert_eq!(found("v1.2.3").await, [3]);
    assert_eq!(found("me@example.org 1e5 7").await, [3]);
    assert_eq!(found("and").await, [3], "no word is left out, nor taken for an operator");
    assert_eq!(found("near not or").await, Vec::<i64>::new());
    assert_eq!(found(&long[..500]).await, [5], "a long word is known by its beginning");
    assert_eq!(found("Заявка").await, [6]);
    assert_eq!(found("日本語").await, [6]);
    let narrowed = MessageFilter { sender: Some(agent("ann")), ..search("build") };
    assert_eq!(listed(&store, &narrowed).await, Vec::<i64>::new());
    let other = add_project(&store, "other").await.id;
    let page = store.begin_read().await.message_list(&other, &search("build"), None, size(9)).await.unwrap();
    assert_eq!(page.rows, []);
}

async fn an_agent_sees_what_it_sent_got_or_is_to_get(store: Arc<TestStore>) {
    let rust = capability("rust");
    add(
        &store,
        vec![
            new(message(1), &["ann", "bob"]),
            new(message(2), &["bob"]),
            new(from("ann", message(3)), &["bob"]),
            new(broadcast(4, rust.clone()), &[]),
            new(broadcast(5, Audience::Everyone), &[]),
            new(from("ann", broadcast(6, Audience::Orchestrators)), &[]),
            new(broadcast(7, Audience::Orchestrators), &[]),
            new(Message { audience: Audience::Everyone, ..message(8) }, &["bob"]),
        ],
    )
    .await;
    let got = Delivery { is_counted: false, ..to("ann", &broadcast(7, Audience::Orchestrators)) };
    save_mail(&store, Changes { made: vec![got], ..Changes::default() }).await;
    let view =
        |name: &str, listenings| MessageFilter { visible_to: Some(Viewer { agent: agent(name), listenings }), ..any() };
    assert_eq!(listed(&store, &view("ann", listenings("ann"))).await, [7, 6, 5, 3, 1]);
    assert_eq!(listed(&store, &view("ann", Vec::new())).await, [7, 6, 3, 1], "without a record");
    let able = Recipient { capabilities: BTreeSet::from([Capability::parse("rust").unwrap()]), ..recipient("cid") };
    assert_eq!(listed(&store, &view("cid", able.listenings())).await, [5, 4]);
    let young = Recipient { registered_at: second(5), ..able };
    assert_eq!(listed(&store, &view("cid", young.listenings())).await, [5]);
    let searched = MessageFilter { search: search("message").search, ..view("ann", listenings("ann")) };
    assert_eq!(listed(&store, &searched).await, [7, 6, 5, 3, 1]);
    assert_eq!(listed(&store, &any()).await.len(), 8, "who sees everything");
}

async fn a_sender_is_told_of_each_recipient(store: Arc<TestStore>) {
    let names = ["B", "a", "a/b", "a:b", "b"];
    add(&store, vec![new(message(1), &names), new(message(2), &["a"])]).await;
    save_mail(&store, changed(to("a", &message(1)), read(5, to("a", &message(1))))).await;
    save_mail(&store, changed(to("b", &message(1)), offered(60, to("b", &message(1))))).await;
    let (mut seen, mut after) = (Vec::new(), None);
    for rows in [2, 2, 1] {
        let mut uow = store.begin_read().await;
        let page = uow.delivery_list(&default_project(), message_id(1), after.as_ref(), size(2)).await.unwrap();
        assert_eq!(page.rows.len(), rows);
        seen.extend(page.rows);
        after = page.next;
    }
    let mut expected: Vec<Delivery> = names.iter().map(|name| to(name, &message(1))).collect();
    expected[1] = read(5, expected[1].clone());
    expected[4] = offered(60, expected[4].clone());
    assert_eq!((seen, after), (expected, None));
    let mut uow = store.begin_read().await;
    let counts = uow.delivery_counts(&default_project(), message_id(1)).await.unwrap();
    let expected = [(DeliveryStatus::Stored, 3), (DeliveryStatus::Offered, 1), (DeliveryStatus::Read, 1)];
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(uow.delivery_counts(&default_project(), message_id(9)).await.unwrap(), BTreeMap::new());
    let none = uow.delivery_list(&default_project(), message_id(9), None, size(2)).await.unwrap();
    assert_eq!(none.rows, []);
    let last = uow.message_list(&default_project(), &any(), Some(Number::new(1)), size(2)).await.unwrap();
    assert_eq!((last.rows, last.next), (vec![], None));
}

on_every_store!(
    messages_are_found_by_each_mark,
    pages_tell_each_message_once_in_both_directions,
    words_are_found_whole_in_any_order_and_any_case,
    an_agent_sees_what_it_sent_got_or_is_to_get,
    a_sender_is_told_of_each_recipient,
);
