//! Standing in line: first come first served, kept and lost places, tickets.

use super::board::*;
use crate::locks::event::LockEvent;
use crate::locks::lease::Waiter;
use crate::locks::refusal::{LockRefusal, Place};
use crate::locks::table::{Acquire, Acquired, OnConflict};
use chrono::TimeDelta;

#[test]
fn whoever_came_first_goes_first() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    let (bob, cat) = (board.stand("bob/1", "a"), board.stand("cat/1", "a"));
    assert_eq!((bob.position, cat.position), (1, 2));
    board.release("ann/1", &[lease.token]).unwrap();
    assert_eq!(in_line(board.retry("cat/1", "a", cat.ticket).unwrap()).position, 2, "bob is first");
    assert_eq!(told(&held(board.take("dan/1", "a"))), ["a < a of bob/1…", "a < a of cat/1…"]);
    granted(board.retry("bob/1", "a", bob.ticket).unwrap());
    assert_eq!(in_line(board.retry("cat/1", "a", cat.ticket).unwrap()), Place { ticket: cat.ticket, position: 1 });
}

#[test]
fn somebody_new_does_not_overtake_one_who_waits_for_several_keys() {
    let mut board = board();
    board.hold("ann/1", "a");
    let bob = board.stand("bob/1", "a b");
    assert_eq!(told(&held(board.take("cat/1", "b"))), ["b < b of bob/1…"]);
    assert!(board.take("cat/1", "c").is_ok(), "what nobody waits for is free");
    assert_eq!(board.waiters[&bob.ticket].wants, wants("a b"));
}

#[test]
fn a_shared_request_does_not_overtake_a_waiting_exclusive_one() {
    let mut board = board();
    board.hold("ann/1", "~a");
    board.stand("bob/1", "a");
    assert_eq!(told(&held(board.take("cat/1", "~a"))), ["a < a of bob/1…"]);
}

#[test]
fn shared_requests_in_line_do_not_stand_in_each_others_way() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    let (bob, cat) = (board.stand("bob/1", "~a"), board.stand("cat/1", "~a"));
    assert_eq!((bob.position, cat.position), (1, 1));
    board.release("ann/1", &[lease.token]).unwrap();
    granted(board.retry("cat/1", "~a", cat.ticket).unwrap());
    granted(board.retry("bob/1", "~a", bob.ticket).unwrap());
}

#[test]
fn whoever_waits_for_my_own_lease_does_not_block_me() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.stand("bob/1", "a b");
    assert!(board.take("ann/1", "b").is_ok(), "bob cannot go before ann gives a back");
    assert!(board.take("ann/1", "a").is_ok(), "nor is the refresh of a lease held up");
}

#[test]
fn whoever_waits_for_a_lease_that_mine_agrees_with_still_goes_first() {
    let mut board = board();
    board.hold("ann/1", "~a");
    board.hold("cat/1", "b");
    board.stand("bob/1", "~a b");
    assert_eq!(told(&held(board.take("ann/1", "b"))), ["b < b of cat/1", "b < b of bob/1…"]);
}

#[test]
fn my_own_other_place_does_not_block_me() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.stand("bob/1", "a b");
    assert!(board.take("bob/1", "b").is_ok());
    assert!(board.take("bob/2", "b").is_err(), "another session of the agent is somebody else");
}

#[test]
fn a_place_is_behind_those_that_are_there_only() {
    let mut board = board();
    board.hold("ann/1", "a");
    let bob = board.stand("bob/1", "a");
    let cat = board.stand("cat/1", "a");
    assert!(board.waiters[&bob.ticket].place < board.waiters[&cat.ticket].place);
    assert_eq!(in_line(board.retry("bob/1", "a", bob.ticket).unwrap()).position, 1);
}

#[test]
fn a_place_is_kept_for_its_time_after_the_last_sign_of_life() {
    let mut board = board();
    board.hold("ann/1", "a");
    let bob = board.stand("bob/1", "a");
    board.pass(Waiter::KEPT_SECONDS - 1);
    let again = in_line(board.retry("bob/1", "a", bob.ticket).unwrap());
    assert_eq!(again.ticket, bob.ticket);
    assert_eq!(board.waiters[&bob.ticket].kept_until, board.now + TimeDelta::seconds(Waiter::KEPT_SECONDS));
    assert!(board.changes.events.is_empty(), "being heard from is no news");
    board.pass(Waiter::KEPT_SECONDS);
    let refused = board.retry("bob/1", "a", bob.ticket);
    assert_eq!(refused, Err(LockRefusal::TicketExpired { ticket: bob.ticket }));
    assert!(matches!(board.changes.events.as_slice(), [LockEvent::PlaceLost(_)]));
    assert!(board.waiters.is_empty());
}

#[test]
fn a_lost_place_holds_nobody_up() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.stand("bob/1", "a");
    board.release("ann/1", &[lease.token]).unwrap();
    assert!(board.take("cat/1", "a").is_err());
    board.pass(Waiter::KEPT_SECONDS);
    assert!(board.take("cat/1", "a").is_ok());
}

#[test]
fn a_ticket_is_good_for_its_own_session_and_its_own_wishes_only() {
    let mut board = board();
    board.hold("ann/1", "a");
    let ticket = board.stand("bob/1", "a").ticket;
    assert_eq!(board.retry("bob/2", "a", ticket), Err(LockRefusal::TicketNotYours { ticket }));
    assert_eq!(board.retry("bob/1", "b", ticket), Err(LockRefusal::TicketMismatch { ticket }));
    assert_eq!(board.retry("bob/1", "~a", ticket), Err(LockRefusal::TicketMismatch { ticket }));
    let unknown = super::board::ticket(99);
    assert_eq!(board.retry("bob/1", "a", unknown), Err(LockRefusal::TicketExpired { ticket: unknown }));
    assert_eq!(board.waiters.len(), 1);
}

#[test]
fn a_ticket_without_waiting_keeps_the_place_and_says_where_it_is() {
    let mut board = board();
    board.hold("ann/1", "a");
    let place = board.stand("bob/1", "a");
    board.pass(10);
    let refused = board.acquire(&Acquire { ticket: Some(place.ticket), ..command("bob/1", "a") }).unwrap_err();
    assert!(matches!(refused, LockRefusal::Held { place: Some(kept), .. } if kept == place));
    board.pass(10);
    assert!(board.retry("bob/1", "a", place.ticket).is_ok());
}

#[test]
fn a_refusal_without_waiting_leaves_no_place() {
    let mut board = board();
    board.hold("ann/1", "a");
    assert!(matches!(board.acquire(&command("bob/1", "a")), Err(LockRefusal::Held { place: None, .. })));
    assert!(board.waiters.is_empty());
}

#[test]
fn a_grant_takes_the_waiter_out_of_the_line_without_saying_that_it_left() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    let place = board.stand("bob/1", "a");
    board.release("ann/1", &[lease.token]).unwrap();
    granted(board.retry("bob/1", "a", place.ticket).unwrap());
    assert!(board.waiters.is_empty());
    assert!(matches!(board.changes.events.as_slice(), [LockEvent::Acquired(_)]));
    let again = board.retry("bob/1", "a", place.ticket);
    assert_eq!(again, Err(LockRefusal::TicketExpired { ticket: place.ticket }), "a ticket is good for one grant");
}

#[test]
fn leaving_gives_the_place_up_for_good() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    let ticket = board.stand("bob/1", "a").ticket;
    let not_yours = board.run(|table| table.leave(&holder("cat/1"), ticket));
    assert_eq!(not_yours, Err(LockRefusal::TicketNotYours { ticket }));
    assert_eq!(board.run(|table| table.leave(&holder("bob/1"), ticket)), Ok(true));
    assert!(matches!(board.changes.events.as_slice(), [LockEvent::Left(_)]));
    assert_eq!(board.changes.freed(), [key("a")], "those behind look again");
    assert_eq!(board.run(|table| table.leave(&holder("bob/1"), ticket)), Ok(false));
    board.release("ann/1", &[lease.token]).unwrap();
    assert!(board.take("cat/1", "a").is_ok());
}

#[test]
fn a_full_line_takes_nobody_more_but_keeps_those_in_it() {
    let mut board = board();
    board.hold("ann/1", "a");
    let first = board.stand("bob/1", "a");
    let mut template = board.waiters[&first.ticket].clone();
    for number in 1..Waiter::PER_PROJECT_MAX as u128 {
        template.ticket = ticket(1_000_000 + number);
        template.place += 1;
        board.waiters.insert(template.ticket, template.clone());
    }
    board.last_token = template.place;
    assert_eq!(board.wait("cat/1", "a"), Err(LockRefusal::LineFull));
    assert!(board.retry("bob/1", "a", first.ticket).is_ok());
    assert!(board.take("cat/1", "b").is_ok(), "what is free needs no line");
    board.run(|table| table.leave(&holder("bob/1"), first.ticket)).unwrap();
    assert!(matches!(board.wait("cat/1", "a"), Ok(Acquired::InLine { .. })));
}

#[test]
fn one_session_cannot_fill_the_line() {
    let mut board = board();
    board.hold("ann/1", "a");
    for _ in 0..Waiter::PER_SESSION_MAX {
        board.stand("bob/1", "a");
    }
    assert_eq!(board.wait("bob/1", "a"), Err(LockRefusal::LineFull));
    assert!(matches!(board.wait("bob/2", "a"), Ok(Acquired::InLine { .. })));
}

#[test]
fn a_shared_grant_lets_the_next_in_line_look_again() {
    let mut board = board();
    board.hold("ann/1", "~a");
    assert_eq!(board.changes.freed(), [key("a")]);
    board.hold("bob/1", "b");
    assert_eq!(board.changes.freed(), []);
}

#[test]
fn waiting_with_nothing_in_the_way_is_a_grant() {
    let mut board = board();
    granted(board.wait("ann/1", "a").unwrap());
    assert!(board.waiters.is_empty());
    let waiting = OnConflict::Wait(ticket(77));
    let refused = board.acquire(&Acquire { on_conflict: waiting, ..command("bob/1", "a") });
    assert_eq!(in_line(refused.unwrap()).ticket, ticket(77), "the ticket is the one that was passed in");
}
