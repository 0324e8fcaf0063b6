//! Two that come at once: one waits for the other, and sees what it did.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::model::messages::driver::{self, Answer, Command, Registry};
use crate::model::messages::sequence::draft;
use crate::samples::*;
use crate::{on_every_locking_store, on_every_store};
use domain::locks::lease::Holder;
use domain::messages::changes::Changes;
use domain::messages::conversation::Pace;
use domain::messages::inbox::COUNTED_OPEN_MAX;
use domain::messages::message::Number;
use domain::messages::refusal::MessageRefusal;
use domain::messages::send::FreshIds;
use ports::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

const A_WHILE: Duration = Duration::from_millis(200);

async fn who_sends_waits_for_who_sends(store: Arc<TestStore>) {
    add(&store, vec![new(message(1), &[])]).await;
    let door = store.second_door().await;
    let mut first = store.begin().await;
    first.mail_head_lock(&default_project()).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut second_comer = door.begin().await.unwrap();
        let head = second_comer.mail_head_lock(&default_project()).await.unwrap().unwrap();
        second_comer.commit().await.unwrap();
        head.last_number
    });
    assert!(timeout(A_WHILE, tasks.join_next()).await.is_err(), "the second one did not wait");
    let changes = Changes { new: vec![new(message(2), &["ann"])], ..Changes::default() };
    first.mail_save(&default_project(), &changes).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), Number::new(2));
}

async fn who_receives_waits_for_who_receives(store: Arc<TestStore>) {
    add(&store, vec![new(message(1), &["ann"])]).await;
    // The mailboxes are there: whoever makes one keeps others from making it too.
    let mut uow = store.begin().await;
    uow.mailboxes_lock(&default_project(), &agents(&["ann", "bob"])).await.unwrap();
    uow.commit().await.unwrap();
    let door = store.second_door().await;
    let mut first = store.begin().await;
    first.mailboxes_lock(&default_project(), &agents(&["ann", "bob"])).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut second_comer = door.begin().await.unwrap();
        second_comer.mailboxes_lock(&default_project(), &agents(&["ann"])).await.unwrap();
        let open = second_comer.deliveries_open(&default_project(), &agent("ann"), Number::MAX, 9).await.unwrap();
        second_comer.commit().await.unwrap();
        open
    });
    assert!(timeout(A_WHILE, tasks.join_next()).await.is_err(), "the second one did not wait");
    let after = offered(60, to("ann", &message(1)));
    first.mail_save(&default_project(), &changed(to("ann", &message(1)), after.clone())).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), [after]);
}

async fn one_send(door: &dyn Store, id: i64) -> Result<(), StoreError> {
    let mut uow = door.begin().await?;
    let head = uow.mail_head_lock(&default_project()).await?.unwrap();
    let message = domain::messages::message::Message { number: head.last_number.next(), ..message(id) };
    let changes = Changes { new: vec![new(message, &["ann"])], ..Changes::default() };
    uow.mail_save(&default_project(), &changes).await?;
    uow.commit().await
}

/// The head is made by whoever comes first.
async fn many_that_send_at_once_draw_each_number_once(store: Arc<TestStore>) {
    let mut tasks = JoinSet::new();
    for sender in 0..4 {
        let door = store.second_door().await;
        tasks.spawn(async move {
            for round in 0..5 {
                one_send(door.as_ref(), 100 + sender * 10 + round).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(open(&store, "ann").await, (1..=20).collect::<Vec<i64>>());
}

/// What a follower of numbers relies on.
async fn what_is_below_the_last_number_can_be_read(store: Arc<TestStore>) {
    let door = store.second_door().await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for id in 1..=30 {
            one_send(door.as_ref(), id).await.unwrap();
        }
    });
    loop {
        let mut uow = store.begin().await;
        let last = uow.mail_last_number(&default_project()).await.unwrap();
        let found = uow.deliveries_open(&default_project(), &agent("ann"), last, 99).await.unwrap();
        drop(uow);
        let numbers: Vec<i64> = found.iter().map(|delivery| delivery.number.value()).collect();
        assert_eq!(numbers, (1..=last.value()).collect::<Vec<i64>>());
        if last == Number::new(30) {
            break;
        }
        tokio::task::yield_now().await;
    }
    tasks.join_next().await.unwrap().unwrap();
}

/// The inbox of `ann` has one place left.
async fn no_inbox_holds_more_than_it_may_however_many_send_at_once(store: Arc<TestStore>) {
    let most = i64::from(COUNTED_OPEN_MAX);
    add(&store, (1..most).map(|number| new(message(number), &["ann"])).collect()).await;
    let registry: Registry = ["ann", "sam"].map(|name| (agent(name), recipient(name))).into();
    let mut tasks = JoinSet::new();
    for sender in 0..4 {
        let (door, registry) = (store.second_door().await, registry.clone());
        tasks.spawn(async move {
            let ids = FreshIds { message: message_id(2_000 + sender), notice: message_id(3_000 + sender) };
            let holder = Holder { agent: agent("sam"), session: session_id("sam-1") };
            let command = Command::Send(holder, Box::new(draft(named(&["ann"]))), ids, Pace::DEFAULT);
            driver::run(door.as_ref(), &default_project(), &registry, &command, false).await.unwrap()
        });
    }
    let mut refused = 0;
    while let Some(answer) = tasks.join_next().await {
        match answer.unwrap() {
            Answer::Sent(sent) => match *sent {
                Ok(sent) => assert_eq!(sent.message.number, Number::new(most)),
                Err(MessageRefusal::InboxesFull { agents }) => {
                    assert_eq!(agents, [agent("ann")]);
                    refused += 1;
                }
                Err(refusal) => panic!("{refusal}"),
            },
            answer => panic!("{answer:?}"),
        }
    }
    assert_eq!(refused, 3);
    let mut uow = store.begin_read().await;
    let counted = uow.counted_open(&default_project(), &agents(&["ann"])).await.unwrap();
    assert_eq!(counted[&agent("ann")], COUNTED_OPEN_MAX);
}

on_every_store!(
    no_inbox_holds_more_than_it_may_however_many_send_at_once,
    many_that_send_at_once_draw_each_number_once,
    what_is_below_the_last_number_can_be_read,
);
on_every_locking_store!(who_sends_waits_for_who_sends, who_receives_waits_for_who_receives);
