//! Circles of waiting are refused before they close, and named.

use super::board::*;
use crate::ids::TicketId;
use crate::locks::event::LockEvent;
use crate::locks::lease::Waiter;
use crate::locks::table::Acquire;

#[test]
fn two_sessions_that_want_each_others_locks_are_told_the_circle() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.hold("bob/1", "b");
    board.stand("ann/1", "b");
    assert_eq!(circle(board.wait("bob/1", "a")), ["bob/1 > a > ann/1", "ann/1 > b > bob/1"]);
    assert_eq!(board.waiters.len(), 1, "the one that was refused does not stand in line");
}

#[test]
fn three_sessions_in_a_circle_are_named_in_order() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.hold("bob/1", "b");
    board.hold("cat/1", "c");
    board.stand("ann/1", "b");
    board.stand("bob/1", "c");
    let told = circle(board.wait("cat/1", "a"));
    assert_eq!(told, ["cat/1 > a > ann/1", "ann/1 > b > bob/1", "bob/1 > c > cat/1"]);
}

#[test]
fn a_circle_names_those_in_it_only() {
    let mut board = board();
    board.hold("ann/1", "~a");
    board.hold("bob/1", "~a");
    board.hold("cat/1", "c");
    board.stand("bob/1", "c");
    assert_eq!(circle(board.wait("cat/1", "a")), ["cat/1 > a > bob/1", "bob/1 > c > cat/1"]);
}

#[test]
fn two_readers_that_both_want_to_write_are_a_circle() {
    let mut board = board();
    board.hold("ann/1", "~a");
    board.hold("bob/1", "~a");
    board.stand("ann/1", "a");
    assert_eq!(circle(board.wait("bob/1", "a")), ["bob/1 > a > ann/1", "ann/1 > a > bob/1"]);
}

#[test]
fn a_circle_through_trees_is_seen() {
    let mut board = board();
    board.hold("ann/1", "src/**");
    board.hold("bob/1", "docs/a.md");
    board.stand("ann/1", "docs/**");
    assert_eq!(circle(board.wait("bob/1", "src/x.rs")).len(), 2);
}

#[test]
fn a_circle_through_the_line_is_seen() {
    let mut board = board();
    board.hold("cat/1", "c");
    board.hold("dan/1", "d");
    board.stand("dan/1", "c");
    board.stand("bob/1", "k d");
    // Nobody holds `k`, but Bob came first, and what he waits for ends with Cat herself.
    let told = circle(board.wait("cat/1", "k"));
    assert_eq!(told, ["cat/1 > k > bob/1", "bob/1 > d > dan/1", "dan/1 > c > cat/1"]);
}

#[test]
fn a_long_queue_without_a_circle_is_no_deadlock() {
    let mut board = board();
    board.hold("ann/1", "a");
    for who in ["bob/1", "cat/1", "dan/1"] {
        board.hold(who, who);
        board.stand(who, "a");
    }
    assert_eq!(board.waiters.len(), 3);
}

#[test]
fn without_waiting_there_is_no_deadlock() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.hold("bob/1", "b");
    board.stand("ann/1", "b");
    assert_eq!(told(&held(board.take("bob/1", "a"))), ["a < a of ann/1"]);
}

#[test]
fn a_circle_ends_when_its_waiter_is_gone() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.hold("bob/1", "b");
    board.stand("ann/1", "b");
    board.pass(Waiter::KEPT_SECONDS);
    assert_eq!(board.stand("bob/1", "a").position, 1);
}

/// Ann waits for `q`, which Bob holds, and Bob for `y`, which Ann holds. Answers Ann's ticket.
///
/// It closed by grants: Bob did not stand in Ann's way for `q` until she gave `x` back, as he waited for her.
fn circle_that_closed_later(board: &mut Board) -> TicketId {
    let x = board.hold("ann/1", "x");
    board.hold("ann/1", "y");
    let q = board.hold("eve/1", "q");
    let first = board.stand("bob/1", "x q");
    board.stand("bob/1", "y");
    let ann = board.stand("ann/1", "q");
    board.release("ann/1", &[x.token]).unwrap();
    board.release("eve/1", &[q.token]).unwrap();
    granted(board.retry("bob/1", "x q", first.ticket).unwrap());
    ann.ticket
}

#[test]
fn a_circle_that_closed_later_is_seen_at_the_next_call_and_costs_the_place() {
    let mut board = board();
    let ticket = circle_that_closed_later(&mut board);
    assert_eq!(circle(board.retry("ann/1", "q", ticket)), ["ann/1 > q > bob/1", "bob/1 > y > ann/1"]);
    assert!(matches!(board.changes.events.as_slice(), [LockEvent::Left(_)]));
    assert!(!board.waiters.contains_key(&ticket));
    assert_eq!(board.waiters.len(), 1);
}

#[test]
fn a_ticket_shown_without_waiting_is_told_of_the_circle_too() {
    let mut board = board();
    let ticket = circle_that_closed_later(&mut board);
    let refused = board.acquire(&Acquire { ticket: Some(ticket), ..command("ann/1", "q") });
    assert_eq!(circle(refused).len(), 2);
    assert!(!board.waiters.contains_key(&ticket));
}
