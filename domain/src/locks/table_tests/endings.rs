//! How leases end, and what is told to those who come too late.

use super::board::*;
use crate::locks::event::LockEvent;
use crate::locks::lease::{EndedLease, Ending, Token};
use crate::locks::refusal::{LockRefusal, StaleToken};
use chrono::TimeDelta;
use std::collections::BTreeSet;

fn stale(answer: Result<impl std::fmt::Debug, LockRefusal>) -> StaleToken {
    match answer {
        Err(LockRefusal::Stale { mut stale }) if stale.len() == 1 => stale.remove(0),
        other => panic!("not one stale token: {other:?}"),
    }
}

#[test]
fn a_released_lock_is_free_at_once() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    let released = board.release("ann/1", &[lease.token]).unwrap().remove(0);
    let ended = EndedLease { lease, ended_at: board.now, ending: Ending::Released };
    assert_eq!((&released.ended, released.already), (&ended, false));
    assert_eq!(board.changes.freed(), [key("a")]);
    assert!(board.take("bob/1", "a").is_ok());
}

#[test]
fn releasing_twice_says_so_and_changes_nothing() {
    let mut board = board();
    let (a, b) = (board.hold("ann/1", "a"), board.hold("ann/1", "b"));
    let first = board.release("ann/1", &[a.token]).unwrap().remove(0);
    board.pass(5);
    board.hold("bob/1", "a");
    let again = board.release("ann/1", &[a.token]).unwrap().remove(0);
    assert!(again.already);
    assert_eq!(again.ended, first.ended);
    assert_eq!(board.changes, crate::locks::changes::Changes::default());
    let both = board.release("ann/1", &[a.token, b.token]).unwrap();
    let told: Vec<_> = both.iter().map(|released| (released.ended.lease.token, released.already)).collect();
    assert_eq!(told, [(a.token, true), (b.token, false)]);
}

#[test]
fn only_the_session_itself_may_say_released_twice() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.release("ann/1", &[lease.token]).unwrap();
    assert_eq!(stale(board.release("ann/2", &[lease.token])).ended.ending, Ending::Released);
    assert_eq!(stale(board.renew("ann/1", lease.token, 60)).ended.ending, Ending::Released);
}

#[test]
fn release_is_all_or_nothing() {
    let mut board = board();
    let mine = board.hold("ann/1", "a");
    let theirs = board.hold("bob/1", "b");
    let refused = board.release("ann/1", &[mine.token, theirs.token]);
    assert!(matches!(refused, Err(LockRefusal::NotHolder { token, .. }) if token == theirs.token));
    assert_eq!(board.leases.len(), 2);
    let unknown = Token::try_new(4711).unwrap();
    assert_eq!(board.release("ann/1", &[mine.token, unknown]), Err(LockRefusal::UnknownToken { token: unknown }));
    assert_eq!(board.leases.len(), 2);
}

#[test]
fn renewal_is_all_or_nothing_and_never_shortens() {
    let mut board = board();
    let (a, b) = (board.hold("ann/1", "a"), board.hold("ann/1", "b"));
    board.pass(10);
    let renewed = board.renew("ann/1", a.token, TTL_SECONDS).unwrap();
    assert_eq!(renewed.expires_at, a.expires_at + TimeDelta::seconds(10));
    assert_eq!((renewed.token, renewed.granted_at), (a.token, a.granted_at));
    assert_eq!(board.renew("ann/1", a.token, 5).unwrap().expires_at, renewed.expires_at);
    board.release("ann/1", &[b.token]).unwrap();
    let both = BTreeSet::from([a.token, b.token]);
    assert!(board.run(|table| table.renew(&holder("ann/1"), &both, ttl(600))).is_err());
    assert_eq!(board.leases[&a.token].expires_at, renewed.expires_at);
}

#[test]
fn a_stale_token_is_told_how_it_ended_and_who_holds_it_now() {
    let mut board = board();
    let lease = board.hold("ann/1", "src/a.rs");
    board.now = lease.expires_at;
    let tree = board.hold("bob/1", "src/**");
    board.pass(1);
    let told = stale(board.renew("ann/1", lease.token, 60));
    assert_eq!((told.token, &told.ended.ending), (lease.token, &Ending::Expired));
    assert_eq!(told.holders_now, [tree]);
}

#[test]
fn a_force_release_says_who_took_it_and_why() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    let forced = Ending::Forced { by: agent("boss"), reason: reason("stuck") };
    assert_eq!(board.force(lease.token).unwrap().ending, forced);
    assert!(matches!(board.changes.events.as_slice(), [LockEvent::Ended(_)]));
    let next = board.hold("bob/1", "a");
    assert!(next.token > lease.token);
    let told = stale(board.release("ann/1", &[lease.token]));
    assert_eq!((told.ended.ending, told.holders_now), (forced, vec![next]));
}

#[test]
fn a_force_release_with_an_old_token_does_not_hit_the_new_holder() {
    let mut board = board();
    let old = board.hold("ann/1", "a");
    board.release("ann/1", &[old.token]).unwrap();
    let new = board.hold("bob/1", "a");
    assert_eq!(stale(board.force(old.token)).holders_now, std::slice::from_ref(&new));
    assert_eq!(board.leases[&new.token], new);
    let unknown = Token::try_new(4711).unwrap();
    assert_eq!(board.force(unknown), Err(LockRefusal::UnknownToken { token: unknown }));
}

#[test]
fn a_force_release_takes_one_lease_and_no_other() {
    let mut board = board();
    let (a, b) = (board.hold("ann/1", "~a"), board.hold("bob/1", "~a"));
    board.force(a.token).unwrap();
    assert_eq!(board.leases.keys().copied().collect::<Vec<_>>(), [b.token]);
}

#[test]
fn the_end_of_a_session_ends_all_it_holds_and_all_it_waits_for() {
    let mut board = board();
    board.hold("bob/1", "z");
    let held = board.take("ann/1", "a b").unwrap();
    board.hold("ann/2", "c");
    board.stand("ann/1", "z");
    let other = board.stand("ann/2", "z");
    let ended = board.end_session("ann/1");
    assert_eq!(ended.iter().map(|ended| ended.lease.clone()).collect::<Vec<_>>(), held);
    assert!(ended.iter().all(|ended| ended.ending == Ending::SessionEnded && ended.ended_at == board.now));
    assert_eq!(board.leases.len(), 2, "bob's and the other session's");
    assert_eq!(board.waiters.keys().copied().collect::<Vec<_>>(), [other.ticket]);
    assert_eq!(board.changes.freed(), [key("a"), key("b"), key("z")]);
    assert_eq!(stale(board.renew("ann/1", held[0].token, 60)).ended.ending, Ending::SessionEnded);
}

#[test]
fn giving_everything_back_needs_nothing_to_be_held() {
    let mut board = board();
    assert_eq!(board.end_session("ann/1"), []);
    assert_eq!(board.changes, crate::locks::changes::Changes::default());
}

#[test]
fn what_ran_out_ends_before_the_command_is_looked_at() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.now = lease.expires_at + TimeDelta::hours(1);
    let ended = board.end_session("ann/1");
    assert_eq!(ended, [], "an expired lease cannot be given back");
    assert_eq!(board.ended[&lease.token].ending, Ending::Expired);
    assert_eq!(board.ended[&lease.token].ended_at, lease.expires_at, "it ended when it ran out, not when it was seen");
}

#[test]
fn what_was_granted_and_ended_in_one_decision_is_history_and_no_lease() {
    let mut board = board();
    let token = board.run(|table| {
        let lease = granted(table.acquire(&command("ann/1", "a")).unwrap()).remove(0);
        table.release(&holder("ann/1"), &[lease.token].into()).unwrap();
        lease.token
    });
    assert!(board.changes.leases_put.is_empty());
    assert_eq!(board.changes.leases_ended.len(), 1);
    assert_eq!(board.changes.last_token, Some(token.value()));
    let kinds: Vec<_> = board.changes.events.iter().map(LockEvent::kind).collect();
    assert_eq!(kinds, ["lock.acquired", "lock.released"]);
}
