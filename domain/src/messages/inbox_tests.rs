use super::*;
use crate::messages::audience::Audience;
use crate::messages::delivery::{DeliveryStatus, FailCause};
use crate::messages::message::{Ack, Sender};
use crate::messages::samples::*;
use crate::work::rank::Priority;
use proptest::prelude::*;

fn from(sender: &str, number: i64, priority: u8) -> Message {
    let priority = Priority::try_new(priority).unwrap();
    Message { sender: Sender::Agent(holder(sender)), priority, ..message(number) }
}

fn delivery(message: &Message) -> Delivery {
    Delivery::new(message, agent("ann"), true)
}

fn offered(message: &Message, until: i64, attempts: u32) -> Delivery {
    let state = DeliveryState::Offered { session: session("ann-1"), until: at(until) };
    Delivery { attempts, state, ..delivery(message) }
}

fn inbox(open: Vec<Delivery>, now: i64) -> Inbox {
    let mailbox = Mailbox { agent: agent("ann"), looked_to: Number::ZERO };
    Inbox { now: at(now), mailbox, last_number: Number::new(10_000), broadcasts: Vec::new(), open }
}

fn take(count: u32) -> Receive {
    let count = ReceiveCount::try_new(count).unwrap();
    Receive { session: session("ann-1"), visibility: Visibility::DEFAULT, count }
}

fn numbers(received: &Received) -> Vec<i64> {
    received.offered.iter().map(|delivery| delivery.number.value()).collect()
}

fn got(open: Vec<Delivery>, now: i64, count: u32) -> Vec<i64> {
    numbers(&receive(&take(count), &recipient("ann"), inbox(open, now)))
}

#[test]
fn the_urgent_come_first_and_waiting_makes_urgent() {
    let open = [from("a", 1, 5), from("b", 2, 1), from("c", 3, 9)];
    assert_eq!(got(open.iter().map(delivery).collect(), 100, 9), [2, 1, 3]);
    assert_eq!(got(open.iter().map(delivery).collect(), 100, 2), [2, 1]);
    // One step of priority is worth ten minutes.
    let late = Message { at: at(700), ..from("b", 4, 4) };
    assert_eq!(got(vec![delivery(&from("a", 1, 5)), delivery(&late)], 700, 9), [1, 4]);
    let in_time = Message { at: at(600), ..late };
    assert_eq!(got(vec![delivery(&from("a", 1, 5)), delivery(&in_time)], 700, 9), [4, 1]);
}

#[test]
fn what_stands_before_an_urgent_one_of_its_sender_is_as_urgent() {
    let open = [from("a", 1, 9), from("b", 2, 3), from("a", 3, 1), from("a", 4, 9)];
    assert_eq!(got(open.iter().map(delivery).collect(), 100, 9), [1, 3, 2, 4]);
    assert_eq!(got(open.iter().map(delivery).collect(), 100, 1), [1], "and goes first, alone if need be");
}

#[test]
fn what_is_put_off_keeps_what_its_sender_sent_later_and_what_is_in_hand_does_not() {
    let put_off = Delivery { state: DeliveryState::Waiting { visible_at: at(50) }, ..delivery(&from("a", 1, 5)) };
    let open = vec![put_off, delivery(&from("a", 2, 1)), delivery(&from("b", 3, 5))];
    assert_eq!(got(open.clone(), 49, 9), [3]);
    assert_eq!(got(open.clone(), 50, 9), [1, 2, 3]);
    assert_eq!(next_visible_at(&open[..1], at(10)), Some(at(50)));
    let in_hand = vec![offered(&from("a", 1, 5), 60, 1), delivery(&from("a", 2, 5))];
    assert_eq!(got(in_hand.clone(), 59, 9), [2]);
    assert_eq!(got(in_hand.clone(), 60, 9), [1, 2], "it lapsed, and comes again in its place");
    assert_eq!(next_visible_at(&in_hand[..1], at(10)), Some(at(60)));
}

#[test]
fn an_offer_is_a_lease_that_counts_as_an_attempt() {
    let received = receive(&take(1), &recipient("ann"), inbox(vec![offered(&from("a", 1, 5), 60, 1)], 60));
    let [ChangedDelivery { before, after }] = &received.changes.changed[..] else { panic!("one") };
    assert_eq!(*before, offered(&from("a", 1, 5), 60, 1));
    assert_eq!((&received.offered[0], after.attempts), (after, 2));
    assert_eq!(after.state, DeliveryState::Offered { session: session("ann-1"), until: at(120) });
    assert!(received.changes.made.is_empty());
}

#[test]
fn what_ran_out_is_passed_over_and_not_touched() {
    let used_up = offered(&from("a", 1, 5), 60, ATTEMPTS_MAX);
    let expired = Delivery { expires_at: Some(at(50)), ..delivery(&from("b", 2, 5)) };
    let late = Delivery { ack: Some(Ack { deadline: Some(at(60)) }), ..delivery(&from("c", 3, 5)) };
    let received = receive(&take(9), &recipient("ann"), inbox(vec![used_up.clone(), expired, late], 60));
    assert_eq!((received.changes.changed, received.changes.made, received.offered), (vec![], vec![], vec![]));
    assert_eq!(next_visible_at(&[used_up], at(10)), None);
}

fn crew(numbers: std::ops::RangeInclusive<i64>) -> Vec<Message> {
    numbers.map(|number| broadcast(number, Audience::Everyone)).collect()
}

#[test]
fn broadcasts_become_deliveries_when_they_are_looked_at() {
    let loaded = Inbox { broadcasts: crew(3..=4), ..inbox(vec![delivery(&from("sam", 9, 5))], 100) };
    let received = receive(&take(2), &recipient("ann"), loaded);
    assert_eq!(numbers(&received), [3, 4], "in the order of their sender");
    assert_eq!(received.changes.mailbox, Some(Mailbox { agent: agent("ann"), looked_to: Number::new(10_000) }));
    assert_eq!(received.changes.made, received.offered);
    assert!(received.offered.iter().all(|made| !made.is_counted && made.attempts == 1));
    assert!(received.changes.changed.is_empty());
    let some = Inbox { broadcasts: crew(3..=4), ..inbox(vec![], 100) };
    let received = receive(&take(1), &recipient("ann"), some);
    assert_eq!((numbers(&received), received.changes.made.len()), (vec![3], 2));
    assert_eq!(received.changes.made[1].state, DeliveryState::Waiting { visible_at: at(4) });
}

#[test]
fn expired_foreign_and_looked_at_broadcasts_are_passed_over() {
    let expired = Message { expires_at: Some(at(50)), ..broadcast(3, Audience::Everyone) };
    let foreign = broadcast(4, Audience::Orchestrators);
    let mailbox = Mailbox { agent: agent("ann"), looked_to: Number::new(2) };
    let mut broadcasts = crew(2..=2);
    broadcasts.extend([expired, foreign]);
    let received = receive(&take(9), &recipient("ann"), Inbox { mailbox, broadcasts, ..inbox(vec![], 50) });
    assert_eq!((received.offered.len(), received.changes.made.len()), (0, 0));
    assert_eq!(received.changes.mailbox.unwrap().looked_to, Number::new(10_000));
    let nothing = Mailbox { agent: agent("ann"), looked_to: Number::new(10_000) };
    assert!(receive(&take(9), &recipient("ann"), Inbox { mailbox: nothing, ..inbox(vec![], 50) }).changes.is_empty());
}

#[test]
fn behind_the_broadcasts_that_were_looked_at_nothing_is_offered() {
    let later = delivery(&from("sam", 9_000, 1));
    let many = crew(1..=i64::from(LOOK_ROWS_MAX));
    let received =
        receive(&take(1), &recipient("ann"), Inbox { broadcasts: many, ..inbox(vec![later.clone()], 10_000) });
    assert_eq!(received.changes.mailbox.unwrap().looked_to, Number::new(i64::from(LOOK_ROWS_MAX)));
    let uncounted = |number| Delivery { is_counted: false, ..offered(&message(number), 20_000, 1) };
    let mut open: Vec<Delivery> = (1..i64::from(UNCOUNTED_OPEN_MAX)).map(uncounted).collect();
    open.push(later);
    let loaded = Inbox { broadcasts: crew(2_000..=2_001), ..inbox(open, 10_000) };
    let received = receive(&take(9), &recipient("ann"), loaded);
    assert_eq!(numbers(&received), [2_000], "there was room for one, and the rest of that sender has to wait");
    assert_eq!(received.changes.mailbox.unwrap().looked_to, Number::new(2_000));
}

#[test]
fn reading_ends_a_delivery_unless_it_has_to_be_acknowledged() {
    let plain = offered(&from("a", 1, 5), 60, 1);
    let read = mark_read(&plain, at(5)).unwrap();
    assert_eq!((read.delivery.state.clone(), read.already), (DeliveryState::Read { at: at(5) }, false));
    assert_eq!(mark_read(&read.delivery, at(6)), Ok(Said { delivery: read.delivery.clone(), already: true }));
    let asked = Delivery { ack: Some(Ack { deadline: None }), ..plain.clone() };
    let seen = mark_read(&asked, at(5)).unwrap();
    assert_eq!((&seen.delivery.state, seen.delivery.read_at), (&asked.state, Some(at(5))));
    assert_eq!(mark_read(&seen.delivery, at(6)), Ok(Said { delivery: seen.delivery.clone(), already: true }));
    assert_eq!(got(vec![seen.delivery], 60, 9), [1], "it comes again");
}

#[test]
fn a_delivery_is_acknowledged_once_in_hand_or_not() {
    for before in [delivery(&from("a", 1, 5)), offered(&from("a", 1, 5), 60, 1), offered(&from("a", 1, 5), 3, 1)] {
        let said = acknowledge(&before, at(5)).unwrap();
        assert_eq!((&said.delivery.state, said.already), (&DeliveryState::Acknowledged { at: at(5) }, false));
        assert_eq!((said.delivery.read_at, said.delivery.acknowledged_at), (Some(at(5)), Some(at(5))));
        assert_eq!(acknowledge(&said.delivery, at(6)), Ok(Said { delivery: said.delivery.clone(), already: true }));
        assert!(mark_read(&said.delivery, at(6)).unwrap().already);
    }
    let read = mark_read(&delivery(&from("a", 1, 5)), at(4)).unwrap().delivery;
    let said = acknowledge(&read, at(5)).unwrap();
    assert_eq!((said.delivery.read_at, said.delivery.acknowledged_at), (Some(at(4)), Some(at(5))));
}

#[test]
fn what_expired_or_failed_cannot_be_finished_any_more() {
    let expired = Delivery { expires_at: Some(at(5)), ..delivery(&from("a", 1, 5)) };
    let used_up = offered(&from("a", 1, 5), 5, ATTEMPTS_MAX);
    for (before, status) in [(expired, DeliveryStatus::Expired), (used_up, DeliveryStatus::Failed)] {
        let refused = MessageRefusal::DeliveryEnded { message: message_id(1), status, at: at(5) };
        assert_eq!(mark_read(&before, at(5)), Err(refused.clone()));
        assert_eq!(acknowledge(&before, at(5)), Err(refused.clone()));
        assert_eq!(give_back(&before, &session("ann-1"), ReturnDelay::default(), at(5)), Err(refused));
        assert_eq!(answer(&before, message_id(9), at(5)), None);
    }
}

#[test]
fn only_the_session_that_has_it_returns_it() {
    let now = at(5);
    let before = offered(&from("a", 1, 5), 60, 1);
    let late = ReturnDelay::try_new(30).unwrap();
    let back = give_back(&before, &session("ann-1"), late, now).unwrap();
    assert_eq!((back.state, back.attempts), (DeliveryState::Waiting { visible_at: at(35) }, 1));
    let refused = Err(MessageRefusal::NotOffered { message: message_id(1) });
    assert_eq!(give_back(&before, &session("ann-2"), late, now), refused);
    assert_eq!(give_back(&before, &session("ann-1"), late, at(60)), refused, "it lapsed");
    assert_eq!(give_back(&delivery(&from("a", 1, 5)), &session("ann-1"), late, now), refused);
    let last = give_back(&offered(&from("a", 1, 5), 60, ATTEMPTS_MAX), &session("ann-1"), late, now).unwrap();
    assert_eq!(last.settled(now).state, DeliveryState::Failed { at: now, cause: FailCause::AttemptsUsedUp });
    let read = mark_read(&before, now).unwrap().delivery;
    assert!(matches!(give_back(&read, &session("ann-1"), late, now), Err(MessageRefusal::DeliveryEnded { .. })));
}

#[test]
fn an_answer_finishes_what_is_open_read_or_acknowledged_once() {
    let open = offered(&from("a", 1, 5), 60, 1);
    let acknowledged = acknowledge(&open, at(3)).unwrap().delivery;
    let read = mark_read(&open, at(3)).unwrap().delivery;
    for before in [open, acknowledged, read] {
        let after = answer(&before, message_id(9), at(5)).unwrap();
        assert_eq!(after.state, DeliveryState::Answered { at: at(5), by: message_id(9) });
        assert_eq!(after.acknowledged_at, before.acknowledged_at);
        assert_eq!(answer(&after, message_id(10), at(6)), None);
        assert!(acknowledge(&after, at(6)).unwrap().already);
    }
}

#[test]
fn bounds_are_checked() {
    assert!(Visibility::try_new(4).is_err() && Visibility::try_new(5).is_ok());
    assert!(Visibility::try_new(3600).is_ok() && Visibility::try_new(3601).is_err());
    assert!(ReceiveCount::try_new(0).is_err() && ReceiveCount::try_new(51).is_err());
    assert!(ReturnDelay::try_new(3600).is_ok() && ReturnDelay::try_new(3601).is_err());
}

proptest! {
    #[test]
    fn of_each_sender_the_earlier_come_first_and_none_is_left_out(
        sent in prop::collection::vec((0..3_usize, 1..=10_u8, 0..2_u8), 1..40), count in 1..=50_u32,
    ) {
        let senders = ["a", "b", "c"];
        let open: Vec<Delivery> = (1..).zip(&sent).map(|(number, (sender, priority, in_hand))| {
            let message = from(senders[*sender], number, *priority);
            if *in_hand == 1 { offered(&message, 500, 1) } else { delivery(&message) }
        }).collect();
        let free = open.iter().filter(|delivery| matches!(delivery.state, DeliveryState::Waiting { .. }));
        let expected = free.clone().count().min(count as usize);
        let offers = got(open.clone(), 100, count);
        prop_assert_eq!(offers.len(), expected);
        for sender in senders {
            let sender = agent(sender);
            let of_sender = |number: &&i64| open[usize::try_from(**number - 1).unwrap()].sender.as_ref() == Some(&sender);
            let got: Vec<i64> = offers.iter().filter(of_sender).copied().collect();
            let waiting = free.clone().filter(|delivery| delivery.sender.as_ref() == Some(&sender));
            let first: Vec<i64> = waiting.map(|delivery| delivery.number.value()).take(got.len()).collect();
            prop_assert_eq!(got, first);
        }
    }
}
