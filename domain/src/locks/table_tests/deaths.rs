//! Sessions that die without a word: what they held is free at once, and so are their places.

use super::board::*;
use crate::locks::conflict::Obstacle;
use crate::locks::event::LockEvent;
use crate::locks::lease::{Ending, Waiter};
use crate::locks::refusal::LockRefusal;
use chrono::TimeDelta;

#[test]
fn what_a_dead_session_held_is_free_at_the_instant_of_its_death() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.dies_in("ann/1", 20);
    board.now += TimeDelta::seconds(20) - TimeDelta::microseconds(1);
    assert_eq!(told(&held(board.take("bob/1", "a"))), ["a < a of ann/1"]);
    board.now += TimeDelta::microseconds(1);
    let next = board.hold("bob/1", "a");
    assert!(next.token > lease.token);
    let ended = &board.ended[&lease.token];
    assert_eq!((ended.ended_at, &ended.ending), (board.now, &Ending::SessionEnded));
    assert!(lease.expires_at > board.now);
}

#[test]
fn a_death_that_is_noticed_late_is_dated_right_and_happened_by_itself() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.dies_in("ann/1", 20);
    let death = board.now + TimeDelta::seconds(20);
    board.pass(3600);
    board.hold("bob/1", "a");
    let ended = &board.ended[&lease.token];
    assert_eq!((ended.ended_at, &ended.ending), (death, &Ending::SessionEnded));
    let [lapsed, acquired] = board.changes.events.as_slice() else { panic!("{:?}", board.changes.events) };
    assert_eq!(*lapsed, LockEvent::Lapsed(ended.clone()));
    assert_eq!((lapsed.kind(), lapsed.operation()), ("lock.session_ended", "lock.session_end"));
    assert!(lapsed.is_by_itself() && !acquired.is_by_itself());
    assert!(board.changes.freed().contains(&key("a")));
}

#[test]
fn whoever_ends_a_session_does_so_and_it_does_not_happen_by_itself() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.end_session("ann/1");
    assert!(matches!(board.changes.events.as_slice(), [event @ LockEvent::Ended(_)] if !event.is_by_itself()));
}

#[test]
fn a_lease_that_ran_out_before_its_session_died_has_expired() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.dies_in("ann/1", i64::from(TTL_SECONDS) + 1);
    board.pass(3600);
    board.hold("bob/1", "a");
    assert_eq!(
        (board.ended[&lease.token].ended_at, &board.ended[&lease.token].ending),
        (lease.expires_at, &Ending::Expired)
    );
    assert!(board.changes.events[0].is_by_itself());
}

#[test]
fn another_session_of_the_agent_keeps_what_it_holds() {
    let mut board = board();
    board.hold("ann/1", "a");
    let other = board.hold("ann/2", "b");
    board.dies_in("ann/1", 20);
    board.pass(20);
    assert_eq!(told(&held(board.take("bob/1", "a b"))), ["b < b of ann/2"]);
    assert_eq!(board.leases.keys().copied().collect::<Vec<_>>(), [other.token]);
}

#[test]
fn a_dead_session_is_told_what_became_of_its_lease() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.dies_in("ann/1", 20);
    board.pass(20);
    let next = board.hold("bob/1", "a");
    for answer in [board.renew("ann/1", lease.token, 60).map(drop), board.release("ann/1", &[lease.token]).map(drop)] {
        let Err(LockRefusal::Stale { stale }) = answer else { panic!("{answer:?}") };
        assert_eq!(stale[0].ended.ending, Ending::SessionEnded);
        assert_eq!(stale[0].holders_now, std::slice::from_ref(&next));
    }
    assert_eq!(board.end_session("ann/1"), [], "there is nothing left to give back");
}

#[test]
fn a_renewal_does_not_outlive_the_session() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.dies_in("ann/1", 20);
    board.renew("ann/1", lease.token, 3600).unwrap();
    board.pass(20);
    assert!(board.take("bob/1", "a").is_ok());
}

#[test]
fn the_place_of_a_dead_session_is_lost_and_holds_nobody_up() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.pass(1);
    let bob = board.stand("bob/1", "a").ticket;
    board.stand("cat/1", "a");
    board.dies_in("bob/1", Waiter::KEPT_SECONDS - 5);
    board.pass(Waiter::KEPT_SECONDS - 6);
    board.release("ann/1", &[lease.token]).unwrap();
    assert!(board.take("dan/1", "a").is_err());
    board.pass(1);
    assert_eq!(told(&held(board.take("dan/1", "a"))), ["a < a of cat/1…"]);
    assert!(matches!(board.changes.events.as_slice(), [LockEvent::PlaceLost(waiter)] if waiter.ticket == bob));
    assert!(!board.waiters.contains_key(&bob));
}

#[test]
fn a_holder_is_told_to_be_in_the_way_until_its_session_ends() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    let until = |board: &mut Board| match held(board.take("bob/1", "a"))[0].obstacle {
        Obstacle::Holder { until, .. } => until,
        Obstacle::AheadInLine { .. } => panic!("nobody waits"),
    };
    assert_eq!(until(&mut board), lease.expires_at);
    board.dies_in("ann/1", 20);
    assert_eq!(until(&mut board), board.now + TimeDelta::seconds(20));
    board.dies_in("ann/1", 9999);
    assert_eq!(until(&mut board), lease.expires_at);
}

#[test]
fn nobody_waits_in_a_circle_with_the_dead() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.hold("bob/1", "b");
    board.stand("ann/1", "b");
    board.dies_in("ann/1", 5);
    board.pass(5);
    assert!(board.take("bob/1", "a").is_ok());
}
