//! What an inbox shows without offering anything, and how much of it is unread.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::messages::audience::{Audience, Recipient};
use domain::messages::changes::Changes;
use domain::messages::delivery::Delivery;
use domain::messages::inbox::Mailbox;
use domain::messages::listing::{InboxEntry, UNREAD_BROADCASTS_MAX, Unread, UnreadAsk};
use domain::messages::message::{Message, Number};
use domain::work::rank::Priority;
use ports::messages::InboxAsk;
use std::collections::BTreeMap;
use std::sync::Arc;

fn urgent(message: Message) -> Message {
    Message { priority: Priority::try_new(2).unwrap(), ..message }
}

/// Of `ann`: 1 open, 2 read, 3 a broadcast it got, 4 one it looked past, 5 one it did not look at, 6 its own, 7 one that
/// expires, 8 in hand, 9 to others.
async fn fill(store: &TestStore) -> Vec<Message> {
    let messages = vec![
        message(1),
        message(2),
        broadcast(3, Audience::Everyone),
        broadcast(4, Audience::Everyone),
        urgent(broadcast(5, Audience::Everyone)),
        from("ann", broadcast(6, Audience::Everyone)),
        Message { expires_at: Some(second(100)), ..broadcast(7, Audience::Everyone) },
        urgent(message(8)),
        message(9),
        broadcast(10, Audience::Orchestrators),
    ];
    let recipients = |number: usize| if [0, 1, 7].contains(&number) { vec!["ann"] } else { vec!["bob"] };
    let is_delivered = |message: &Message| !message.is_broadcast;
    let made = messages
        .iter()
        .enumerate()
        .map(|(at, message)| new(message.clone(), &if is_delivered(message) { recipients(at) } else { vec![] }));
    add(store, made.collect()).await;
    let got = Delivery { is_counted: false, ..to("ann", &messages[2]) };
    let mailbox = Some(Mailbox { agent: agent("ann"), looked_to: Number::new(4) });
    save_mail(store, Changes { made: vec![got], mailbox, ..Changes::default() }).await;
    save_mail(store, changed(to("ann", &messages[1]), read(20, to("ann", &messages[1])))).await;
    save_mail(store, changed(to("ann", &messages[7]), offered(60, to("ann", &messages[7])))).await;
    messages
}

async fn shown(store: &TestStore, open_only: bool, now: i64, after: Option<i64>, rows: u32) -> (Vec<i64>, Option<i64>) {
    let listenings = listenings("ann");
    let ask = InboxAsk { agent: &agent("ann"), listenings: &listenings, open_only, now: second(now) };
    let mut uow = store.begin_read().await;
    let page = uow.inbox_list(&default_project(), ask, after.map(Number::new), size(rows)).await.unwrap();
    let numbers = page.rows.iter().map(|entry| entry.message.number.value()).collect();
    (numbers, page.next.map(Number::value))
}

async fn an_inbox_shows_what_was_got_and_what_is_yet_to_be_looked_at(store: Arc<TestStore>) {
    let messages = fill(&store).await;
    assert_eq!(shown(&store, false, 50, None, 9).await, (vec![8, 7, 5, 3, 2, 1], None));
    assert_eq!(shown(&store, true, 50, None, 9).await, (vec![8, 7, 5, 3, 1], None));
    assert_eq!(shown(&store, true, 100, None, 9).await, (vec![8, 5, 3, 1], None), "7 has expired");
    assert_eq!(shown(&store, false, 50, None, 3).await, (vec![8, 7, 5], Some(5)));
    assert_eq!(shown(&store, false, 50, Some(5), 4).await, (vec![3, 2, 1], None));
    assert_eq!(shown(&store, false, 50, Some(1), 4).await, (vec![], None));

    let listenings = listenings("ann");
    let ask = InboxAsk { agent: &agent("ann"), listenings: &listenings, open_only: false, now: second(50) };
    let page = store.begin_read().await.inbox_list(&default_project(), ask, None, size(9)).await.unwrap();
    let entry = |number: usize, delivery| InboxEntry { message: messages[number - 1].clone(), delivery };
    assert_eq!(page.rows[0], entry(8, Some(offered(60, to("ann", &messages[7])))));
    assert_eq!(page.rows[2], entry(5, None));
    assert_eq!(page.rows[3].delivery.as_ref().map(|delivery| delivery.is_counted), Some(false));
    let unlisted = InboxAsk { listenings: &[], ..ask };
    let page = store.begin_read().await.inbox_list(&default_project(), unlisted, None, size(9)).await.unwrap();
    assert_eq!(page.rows.len(), 4, "without a record it still has what it got");
}

async fn what_is_unread_is_counted_for_many_at_once(store: Arc<TestStore>) {
    fill(&store).await;
    let ask = |name: &str| UnreadAsk { agent: agent(name), listenings: listenings(name) };
    let unlisted = UnreadAsk { agent: agent("dan"), listenings: Vec::new() };
    let asks = [ask("ann"), ask("bob"), ask("cid"), unlisted];
    let counts = store.begin_read().await.unread_counts(&default_project(), &asks, second(50)).await.unwrap();
    let unread = |unread, urgent| Unread { unread, urgent };
    let expected = BTreeMap::from([
        // 1, 3, 5, 7, 8
        (agent("ann"), unread(5, 2)),
        // 3, 4, 5, 6, 7, 9
        (agent("bob"), unread(6, 1)),
        (agent("cid"), unread(5, 1)),
        (agent("dan"), unread(0, 0)),
    ]);
    assert_eq!(counts, expected);
    let counts = store.begin_read().await.unread_counts(&default_project(), &asks[..1], second(100)).await.unwrap();
    assert_eq!(counts, BTreeMap::from([(agent("ann"), unread(4, 2))]), "7 has expired");
    let nobody = store.begin_read().await.unread_counts(&default_project(), &[], second(50)).await.unwrap();
    assert_eq!(nobody, BTreeMap::new());
}

async fn what_was_read_or_is_over_is_not_unread(store: Arc<TestStore>) {
    let expiring = Message { expires_at: Some(second(30)), ..message(1) };
    let asked = Message { ack: Some(domain::messages::message::Ack { deadline: None }), ..message(2) };
    add(&store, vec![new(expiring, &["ann"]), new(asked.clone(), &["ann"])]).await;
    let count = async |now| {
        let asks = [UnreadAsk { agent: agent("ann"), listenings: Vec::new() }];
        let counts = store.begin_read().await.unread_counts(&default_project(), &asks, second(now)).await.unwrap();
        counts[&agent("ann")].unread
    };
    assert_eq!((count(29).await, count(30).await), (2, 1));
    let seen = Delivery { read_at: Some(second(5)), ..to("ann", &asked) };
    save_mail(&store, changed(to("ann", &asked), seen)).await;
    assert_eq!((count(29).await, count(30).await), (1, 0), "it is open, but read");
}

async fn of_each_audience_only_so_many_are_counted(store: Arc<TestStore>) {
    let most = i64::from(UNREAD_BROADCASTS_MAX);
    add(&store, (1..=most + 2).map(|number| new(broadcast(number, Audience::Everyone), &[])).collect()).await;
    let ann = Recipient { ..recipient("ann") };
    let asks = [UnreadAsk { agent: agent("ann"), listenings: ann.listenings() }];
    let counts = store.begin_read().await.unread_counts(&default_project(), &asks, second(0)).await.unwrap();
    assert_eq!(counts[&agent("ann")].unread, UNREAD_BROADCASTS_MAX);
}

on_every_store!(
    an_inbox_shows_what_was_got_and_what_is_yet_to_be_looked_at,
    what_is_unread_is_counted_for_many_at_once,
    what_was_read_or_is_over_is_not_unread,
    of_each_audience_only_so_many_are_counted,
);
