//! What is forgotten, and what is not.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::messages::audience::Audience;
use domain::messages::changes::Changes;
use domain::messages::conversation::{Conversation, Pair};
use domain::messages::listing::{MessageFilter, SearchWords};
use domain::messages::message::{Message, Number};
use std::sync::Arc;

async fn prune(store: &TestStore, before: i64, rows_max: u32) -> u64 {
    let mut uow = store.begin().await;
    let pruned = uow.messages_prune(second(before), rows_max).await.unwrap();
    uow.commit().await.unwrap();
    pruned
}

async fn left(store: &TestStore) -> Vec<i64> {
    let mut uow = store.begin_read().await;
    let page = uow.message_list(&default_project(), &MessageFilter::default(), None, size(99)).await.unwrap();
    page.rows.iter().rev().map(|message| message.number.value()).collect()
}

async fn end(store: &TestStore, name: &str, message: &Message, at: i64) {
    save_mail(store, changed(to(name, message), read(at, to(name, message)))).await;
}

async fn only_what_was_over_before_is_forgotten(store: Arc<TestStore>) {
    add(
        &store,
        vec![
            new(message(1), &["ann", "bob"]),
            new(message(2), &["ann", "bob"]),
            new(message(3), &["ann"]),
            new(broadcast(4, Audience::Everyone), &[]),
            new(message(5), &[]),
        ],
    )
    .await;
    end(&store, "ann", &message(1), 10).await;
    end(&store, "bob", &message(1), 20).await;
    end(&store, "ann", &message(2), 10).await;
    end(&store, "ann", &message(3), 10).await;
    assert_eq!(prune(&store, 3, 9).await, 0);
    assert_eq!(prune(&store, 5, 9).await, 1, "the broadcast; 5 is not older than that");
    assert_eq!(left(&store).await, [1, 2, 3, 5]);
    assert_eq!(prune(&store, 20, 9).await, 2, "3 and 5");
    assert_eq!(left(&store).await, [1, 2]);
    assert_eq!(prune(&store, 99, 9).await, 1);
    assert_eq!(left(&store).await, [2], "bob has it open");
    assert_eq!(delivery(&store, "ann", 1).await, None);
    assert_eq!((open(&store, "bob").await, delivery(&store, "ann", 2).await.is_some()), (vec![2], true));
}

async fn what_an_open_reply_goes_back_to_is_kept(store: Arc<TestStore>) {
    let in_thread = |number, thread| Message { thread: message_id(thread), ..message(number) };
    add(
        &store,
        vec![
            new(message(1), &[]),
            new(in_thread(2, 1), &[]),
            new(in_thread(3, 1), &["ann"]),
            new(message(4), &[]),
            new(in_thread(5, 4), &["ann"]),
        ],
    )
    .await;
    end(&store, "ann", &in_thread(5, 4), 9).await;
    assert_eq!(prune(&store, 99, 9).await, 2);
    assert_eq!(left(&store).await, [1, 2, 3]);
    end(&store, "ann", &in_thread(3, 1), 9).await;
    assert_eq!(prune(&store, 99, 9).await, 3);
}

async fn it_goes_in_batches_oldest_first_through_all_projects(store: Arc<TestStore>) {
    let other = add_project(&store, "a-other").await.id;
    add(&store, (1..=5).map(|number| new(message(number), &[])).collect()).await;
    add_to(&store, &other, (1..=2).map(|number| new(message(number), &["ann"])).collect()).await;
    assert_eq!(prune(&store, 99, 2).await, 2);
    assert_eq!(left(&store).await, [3, 4, 5]);
    assert_eq!((prune(&store, 99, 9).await, prune(&store, 99, 9).await), (3, 0));
    let mut uow = store.begin_read().await;
    assert_eq!(uow.deliveries_open(&other, &agent("ann"), Number::MAX, 9).await.unwrap().len(), 2);
}

async fn words_and_contents_go_with_the_message_and_numbers_stay_drawn(store: Arc<TestStore>) {
    add(&store, (1..=2).map(|number| new(message(number), &[])).collect()).await;
    assert_eq!(prune(&store, 2, 9).await, 1);
    let filter = MessageFilter { search: Some(SearchWords::parse("message").unwrap()), ..MessageFilter::default() };
    let mut uow = store.begin_read().await;
    let found = uow.message_list(&default_project(), &filter, None, size(9)).await.unwrap();
    assert_eq!(found.rows, [message(2)]);
    let contents = uow.message_contents_load(&default_project(), &[message_id(1)]).await.unwrap();
    assert!(contents.is_empty());
    drop(uow);
    assert_eq!(prune(&store, 99, 9).await, 1);
    add(&store, vec![new(message(3), &[])]).await;
    assert_eq!(left(&store).await, [3]);
}

async fn a_conversation_that_does_not_matter_any_more_is_forgotten(store: Arc<TestStore>) {
    let pair = Pair::of(agent("ann"), agent("bob"));
    let conversation = Conversation { stopped_until: Some(second(50)), ..Conversation::new(pair.clone()) };
    save_mail(&store, Changes { conversations: vec![conversation], ..Changes::default() }).await;
    let count = async || {
        let mut uow = store.begin_read().await;
        uow.conversations_load(&default_project(), std::slice::from_ref(&pair)).await.unwrap().len()
    };
    prune(&store, 50, 9).await;
    assert_eq!(count().await, 1);
    prune(&store, 51, 9).await;
    assert_eq!(count().await, 0);
}

on_every_store!(
    only_what_was_over_before_is_forgotten,
    what_an_open_reply_goes_back_to_is_kept,
    it_goes_in_batches_oldest_first_through_all_projects,
    words_and_contents_go_with_the_message_and_numbers_stay_drawn,
    a_conversation_that_does_not_matter_any_more_is_forgotten,
);
