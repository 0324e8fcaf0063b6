//! What a receive and the sweeper are given.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::identity::principal::Role;
use domain::messages::audience::{Audience, Listening, Recipient};
use domain::messages::changes::Changes;
use domain::messages::delivery::{ATTEMPTS_MAX, Delivery};
use domain::messages::group::Member;
use domain::messages::message::{Ack, Message, Number, Sender};
use domain::work::name::{Capability, Environment};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

async fn brought(store: &TestStore, listenings: &[Listening], numbers: (i64, i64), rows_max: u32) -> Vec<i64> {
    let mut uow = store.begin_read().await;
    let numbers = (Number::new(numbers.0), Number::new(numbers.1));
    let found = uow.broadcasts_after(&default_project(), listenings, numbers, rows_max).await.unwrap();
    assert!(found.iter().all(|message| message.is_broadcast));
    found.iter().map(|message| message.number.value()).collect()
}

async fn an_agent_is_brought_the_broadcasts_it_listens_to(store: Arc<TestStore>) {
    let environment = |name| Environment::parse(name).unwrap();
    let audiences = [
        Audience::Everyone,
        capability("rust"),
        capability("Rust"),
        Audience::Environment(environment("ci")),
        Audience::Environment(environment("railway")),
        Audience::Orchestrators,
        Audience::Group(group("crew")),
        Audience::Group(group("late")),
        Audience::Everyone,
    ];
    let mut messages: Vec<Message> =
        (1..).zip(audiences).map(|(number, audience)| broadcast(number, audience)).collect();
    messages.push(from("ann", broadcast(10, Audience::Everyone)));
    messages.push(Message { sender: Sender::System, ..broadcast(11, Audience::Everyone) });
    messages.push(message(12));
    add(&store, messages.iter().map(|message| new(message.clone(), &[])).collect()).await;
    let other = add_project(&store, "other").await.id;
    add_to(&store, &other, vec![new(broadcast(1, Audience::Everyone), &[])]).await;

    let ann = Recipient {
        environments: BTreeSet::from([environment("ci")]),
        capabilities: BTreeSet::from([Capability::parse("rust").unwrap()]),
        groups: BTreeMap::from([(group("crew"), Number::new(6)), (group("late"), Number::new(8))]),
        ..recipient("ann")
    };
    assert_eq!(brought(&store, &ann.listenings(), (0, 99), 99).await, [1, 2, 4, 7, 9, 11]);
    for message in &messages {
        let is_brought = [1, 2, 4, 7, 9, 11].contains(&message.number.value());
        assert_eq!(ann.gets(message), is_brought, "the domain says the same of {}", message.number.value());
    }
    let steering = Recipient { role: Role::Admin, ..recipient("boss") };
    assert_eq!(brought(&store, &steering.listenings(), (0, 99), 99).await, [1, 6, 9, 10, 11]);
    let young = Recipient { registered_at: second(9), ..recipient("bob") };
    assert_eq!(brought(&store, &young.listenings(), (0, 99), 99).await, [9, 10, 11]);
    let younger = Recipient { registered_at: second(9) + MICRO, ..recipient("bob") };
    assert_eq!(brought(&store, &younger.listenings(), (0, 99), 99).await, [10, 11]);
    assert_eq!(brought(&store, &[], (0, 99), 99).await, Vec::<i64>::new());
}

async fn broadcasts_come_by_number_between_two_and_none_twice(store: Arc<TestStore>) {
    let messages = (1..=8).map(|number| {
        let audience = if number % 2 == 0 { Audience::Everyone } else { capability("rust") };
        new(broadcast(number, audience), &[])
    });
    add(&store, messages.collect()).await;
    let ann = Recipient { capabilities: BTreeSet::from([Capability::parse("rust").unwrap()]), ..recipient("ann") };
    let all = ann.listenings();
    assert_eq!(brought(&store, &all, (2, 7), 99).await, [3, 4, 5, 6, 7]);
    assert_eq!(brought(&store, &all, (0, 99), 3).await, [1, 2, 3]);
    assert_eq!(brought(&store, &all, (7, 7), 3).await, Vec::<i64>::new());
    let got = Delivery { is_counted: false, ..to("ann", &broadcast(3, capability("rust"))) };
    save_mail(&store, Changes { made: vec![read(5, got)], ..Changes::default() }).await;
    assert_eq!(brought(&store, &all, (0, 99), 4).await, [1, 2, 4, 5], "even when it is read");
    assert_eq!(brought(&store, &listenings("bob"), (0, 99), 2).await, [2, 4]);
}

async fn open_deliveries_come_by_number_up_to_one(store: Arc<TestStore>) {
    add(&store, (1..=5).map(|number| new(message(number), &["ann", "bob"])).collect()).await;
    let before = to("ann", &message(2));
    save_mail(&store, changed(before.clone(), read(9, before))).await;
    let before = to("ann", &message(3));
    save_mail(&store, changed(before.clone(), offered(60, before))).await;
    let mut uow = store.begin_read().await;
    let mut numbers = async |up_to, rows_max| {
        let found = uow.deliveries_open(&default_project(), &agent("ann"), Number::new(up_to), rows_max).await.unwrap();
        found.iter().map(|delivery| delivery.number.value()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(5, 9).await, [1, 3, 4, 5]);
    assert_eq!(numbers(4, 9).await, [1, 3, 4]);
    assert_eq!(numbers(9, 2).await, [1, 3]);
    assert_eq!(open(&store, "bob").await, [1, 2, 3, 4, 5]);
    assert_eq!(open(&store, "cid").await, Vec::<i64>::new());
}

async fn what_time_alone_has_ended_is_found_longest_over_first(store: Arc<TestStore>) {
    let expiring = |number, at| Message { expires_at: Some(second(at)), ..message(number) };
    let asked = Message { ack: Some(Ack { deadline: Some(second(20)) }), ..message(3) };
    add(
        &store,
        vec![
            new(expiring(1, 30), &["ann"]),
            new(expiring(2, 10), &["ann", "bob"]),
            new(asked, &["ann"]),
            new(message(4), &["ann"]),
            new(expiring(5, 10), &["ann"]),
        ],
    )
    .await;
    let last = |until| {
        let before = Delivery { attempts: ATTEMPTS_MAX - 1, ..to("ann", &message(4)) };
        offered(until, before)
    };
    save_mail(&store, changed(to("ann", &message(4)), last(25))).await;
    let in_hand = to("bob", &expiring(2, 10));
    save_mail(&store, changed(in_hand.clone(), offered(40, in_hand))).await;
    let over = to("ann", &expiring(5, 10));
    save_mail(&store, changed(over.clone(), read(6, over))).await;
    let other = add_project(&store, "other").await.id;
    add_to(&store, &other, vec![new(expiring(1, 50), &["ann"])]).await;

    let mut uow = store.begin_read().await;
    let mut due = async |now, rows_max| {
        let found = uow.deliveries_due(&default_project(), now, rows_max).await.unwrap();
        assert!(found.iter().all(|delivery| delivery.clone().settled(now).ended_at().is_some()));
        found.iter().map(|delivery| (delivery.number.value(), delivery.recipient.to_string())).collect::<Vec<_>>()
    };
    let all =
        [(2, "ann"), (3, "ann"), (4, "ann"), (1, "ann"), (2, "bob")].map(|(number, name)| (number, name.to_owned()));
    assert_eq!(due(second(40), 9).await, all);
    assert_eq!(due(second(40) - MICRO, 9).await, all[..4]);
    assert_eq!(due(second(25), 2).await, all[..2]);
    assert_eq!(due(second(10) - MICRO, 9).await, []);
    let projects = async |now, rows_max| {
        let found = store.begin_read().await.projects_with_deliveries_due(now, rows_max).await.unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(projects(second(9), 9).await, Vec::<String>::new());
    assert_eq!(projects(second(49), 9).await, ["default"]);
    assert_eq!(projects(second(50), 9).await, ["default", "other"]);
    assert_eq!(projects(second(50), 1).await.len(), 1);
}

async fn the_places_taken_in_inboxes_are_counted(store: Arc<TestStore>) {
    add(&store, (1..=3).map(|number| new(message(number), &["ann", "bob"])).collect()).await;
    let uncounted = Delivery { is_counted: false, ..to("cid", &message(1)) };
    let before = to("ann", &message(2));
    let mut changes = changed(before.clone(), read(9, before));
    changes.made.push(uncounted);
    save_mail(&store, changes).await;
    let before = to("ann", &message(3));
    save_mail(&store, changed(before.clone(), offered(60, before))).await;
    let mut uow = store.begin_read().await;
    let counts = uow.counted_open(&default_project(), &agents(&["ann", "cid", "bob", "dan"])).await.unwrap();
    assert_eq!(counts, BTreeMap::from([(agent("ann"), 2), (agent("bob"), 3)]));
    assert_eq!(uow.counted_open(&default_project(), &agents(&["cid"])).await.unwrap(), BTreeMap::new());
}

async fn a_group_brings_what_was_sent_after_its_member_joined(store: Arc<TestStore>) {
    let to_crew = |number| new(broadcast(number, Audience::Group(group("crew"))), &[]);
    add(&store, (1..=2).map(to_crew).collect()).await;
    let mut uow = store.begin().await;
    let head = uow.mail_head_lock(&default_project()).await.unwrap().unwrap();
    let member = Member {
        group: group("crew"),
        agent: agent("ann"),
        after: head.last_number,
        joined_at: second(9),
        added_by: agent("ann"),
    };
    uow.member_add(&default_project(), &member).await.unwrap();
    uow.commit().await.unwrap();
    add(&store, (3..=4).map(to_crew).collect()).await;
    let groups = store.begin_read().await.groups_of(&default_project(), &agents(&["ann"])).await.unwrap();
    let ann = Recipient { groups: groups[&agent("ann")].clone(), ..recipient("ann") };
    assert_eq!(brought(&store, &ann.listenings(), (0, 9), 9).await, [3, 4]);
}

on_every_store!(
    an_agent_is_brought_the_broadcasts_it_listens_to,
    broadcasts_come_by_number_between_two_and_none_twice,
    open_deliveries_come_by_number_up_to_one,
    what_time_alone_has_ended_is_found_longest_over_first,
    the_places_taken_in_inboxes_are_counted,
    a_group_brings_what_was_sent_after_its_member_joined,
);
