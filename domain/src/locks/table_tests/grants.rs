//! Who gets what: modes, trees, several keys at once, the same session again.

use super::board::*;
use crate::locks::conflict::Obstacle;
use crate::locks::event::LockEvent;
use crate::locks::lease::{Ending, Mode};
use crate::locks::refusal::LockRefusal;
use crate::locks::table::Acquire;
use chrono::TimeDelta;

#[test]
fn several_keys_are_granted_together_each_under_its_own_token() {
    let mut board = board();
    let leases = board.take("ann/1", "b a ~c").unwrap();
    let got: Vec<_> = leases.iter().map(|lease| (lease.key.as_str(), lease.mode, lease.token.value())).collect();
    assert_eq!(got, [("a", Mode::Exclusive, 1), ("b", Mode::Exclusive, 2), ("c", Mode::Shared, 3)]);
    assert_eq!(board.leases.len(), 3);
    assert_eq!(board.last_token, 3);
}

#[test]
fn if_one_key_is_held_none_is_granted_and_nothing_changes() {
    let mut board = board();
    board.hold("ann/1", "b");
    assert_eq!(told(&held(board.take("bob/1", "a b c"))), ["b < b of ann/1"]);
    assert_eq!(board.changes, crate::locks::changes::Changes::default());
    assert_eq!(board.leases.len(), 1);
}

#[test]
fn a_refusal_lists_every_conflict_with_all_there_is_to_know() {
    let mut board = board();
    let by_ann =
        board.acquire(&Acquire { reason: Some(reason("refactoring")), ..command("ann/1", "src/a.rs") }).unwrap();
    let by_ann = granted(by_ann).remove(0);
    board.pass(1);
    board.hold("bob/1", "~docs/**");
    board.stand("cat/1", "docs/x.md");
    let conflicts = held(board.take("dan/1", "src/** docs/x.md db:migration-slot"));
    assert_eq!(
        told(&conflicts),
        ["docs/x.md < docs/** of bob/1", "docs/x.md < docs/x.md of cat/1…", "src/** < src/a.rs of ann/1"]
    );
    let last = conflicts.last().unwrap();
    assert_eq!((last.agent.as_str(), last.mode, last.since), ("ann", Mode::Exclusive, by_ann.granted_at));
    assert_eq!(last.reason, Some(reason("refactoring")));
    assert_eq!(last.obstacle, Obstacle::Holder { token: by_ann.token, until: by_ann.expires_at });
    assert_eq!(conflicts.first().unwrap().mode, Mode::Shared);
}

#[test]
fn shared_agrees_with_shared_only() {
    for (first, second, agree) in [("~a", "~a", true), ("~a", "a", false), ("a", "~a", false), ("a", "a", false)] {
        let mut board = board();
        board.hold("ann/1", first);
        assert_eq!(board.take("bob/1", second).is_ok(), agree, "{first} then {second}");
    }
}

#[test]
fn a_tree_and_what_is_in_it_exclude_each_other_both_ways_round() {
    for (first, second, agree) in [
        ("src/**", "src/a.rs", false),
        ("src/a.rs", "src/**", false),
        ("src/**", "src", false),
        ("**", "src/deep/x", false),
        ("src/deep/**", "**", false),
        ("src/**", "srcx", true),
        ("src", "src/a.rs", true),
        ("**", "db:schema:users", true),
        ("~src/**", "~src/a.rs", true),
        ("~src/**", "src/a.rs", false),
        ("src/a.rs", "~src/**", false),
    ] {
        let mut board = board();
        board.hold("ann/1", first);
        assert_eq!(board.take("bob/1", second).is_ok(), agree, "{first} then {second}");
    }
}

#[test]
fn asking_again_for_what_one_holds_gives_the_same_token_and_a_fresh_ttl() {
    let mut board = board();
    let before = board.hold("ann/1", "a");
    board.pass(20);
    let again = board.hold("ann/1", "a");
    assert_eq!(again.token, before.token);
    assert_eq!(again.granted_at, before.granted_at);
    assert_eq!(again.expires_at, before.expires_at + TimeDelta::seconds(20));
    assert_eq!(board.leases.len(), 1);
    assert!(matches!(board.changes.events.as_slice(), [LockEvent::Renewed { .. }]));
}

#[test]
fn asking_again_never_makes_a_lease_shorter() {
    let mut board = board();
    let before = board.hold("ann/1", "a");
    let again = board.acquire(&Acquire { ttl: ttl(5), ..command("ann/1", "a") }).unwrap();
    assert_eq!(granted(again).remove(0).expires_at, before.expires_at);
}

#[test]
fn asking_again_keeps_the_reason_unless_there_is_a_new_one() {
    let mut board = board();
    let with = |words: &str| Acquire { reason: Some(reason(words)), ..command("ann/1", "a") };
    board.acquire(&with("first")).unwrap();
    assert_eq!(board.hold("ann/1", "a").reason, Some(reason("first")));
    board.acquire(&with("second")).unwrap();
    assert_eq!(board.hold("ann/1", "a").reason, Some(reason("second")));
}

#[test]
fn asking_for_less_than_one_holds_keeps_the_stronger_lease() {
    let mut board = board();
    let before = board.hold("ann/1", "a");
    let again = board.hold("ann/1", "~a");
    assert_eq!((again.token, again.mode), (before.token, Mode::Exclusive));
}

#[test]
fn an_upgrade_draws_a_new_token_and_ends_the_old_lease_as_replaced() {
    let mut board = board();
    let shared = granted(
        board.acquire(&Acquire { ttl: ttl(500), reason: Some(reason("reading")), ..command("ann/1", "~a") }).unwrap(),
    )
    .remove(0);
    board.pass(1);
    let exclusive = board.hold("ann/1", "a");
    assert!(exclusive.token > shared.token);
    assert_eq!((exclusive.mode, exclusive.granted_at), (Mode::Exclusive, board.now));
    assert_eq!(exclusive.expires_at, shared.expires_at, "never shorter");
    assert_eq!(exclusive.reason, Some(reason("reading")));
    let ended = &board.ended[&shared.token];
    assert_eq!((&ended.ending, ended.ended_at), (&Ending::Replaced, board.now));
    assert_eq!(board.leases.len(), 1);
}

#[test]
fn an_upgrade_has_to_wait_for_the_other_readers() {
    let mut board = board();
    board.hold("ann/1", "~a");
    let other = board.hold("bob/1", "~a");
    assert_eq!(told(&held(board.take("ann/1", "a"))), ["a < a of bob/1"]);
    board.release("bob/1", &[other.token]).unwrap();
    assert_eq!(board.hold("ann/1", "a").mode, Mode::Exclusive);
}

#[test]
fn another_session_of_the_same_agent_does_not_hold_the_lock() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    assert_eq!(told(&held(board.take("ann/2", "a"))), ["a < a of ann/1"]);
    let refused = Err(LockRefusal::NotHolder {
        token: lease.token,
        agent: lease.holder.agent.clone(),
        session: lease.holder.session.clone(),
    });
    assert_eq!(board.renew("ann/2", lease.token, 60), refused);
    assert_eq!(board.release("ann/2", &[lease.token]).map(|_| lease.clone()), refused);
    assert_eq!(board.leases[&lease.token], lease);
}

#[test]
fn one_session_may_hold_a_tree_and_a_file_in_it() {
    let mut board = board();
    let tree = board.hold("ann/1", "src/**");
    let file = board.hold("ann/1", "src/a.rs");
    board.release("ann/1", &[tree.token]).unwrap();
    assert_eq!(told(&held(board.take("bob/1", "src/**"))), ["src/** < src/a.rs of ann/1"]);
    assert!(board.take("bob/1", "src/b.rs").is_ok());
    assert!(board.leases.contains_key(&file.token));
}

#[test]
fn a_lease_holds_until_the_very_instant_it_expires_and_not_longer() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.now = lease.expires_at - TimeDelta::microseconds(1);
    assert!(board.take("bob/1", "a").is_err());
    board.now = lease.expires_at;
    let next = board.hold("bob/1", "a");
    assert!(next.token > lease.token);
    let ended = &board.ended[&lease.token];
    assert_eq!((&ended.ending, ended.ended_at), (&Ending::Expired, lease.expires_at));
}

#[test]
fn an_expired_lease_is_not_revived_by_its_own_holder() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.now = lease.expires_at;
    assert!(matches!(board.renew("ann/1", lease.token, 60), Err(LockRefusal::Stale { .. })));
    assert!(board.hold("ann/1", "a").token > lease.token);
}

#[test]
fn a_check_tells_the_conflicts_and_changes_nothing() {
    let mut board = board();
    board.hold("ann/1", "a");
    let conflicts = board.run(|table| table.check(&holder("bob/1"), &wants("a b")));
    assert_eq!(told(&conflicts), ["a < a of ann/1"]);
    assert_eq!(board.changes, crate::locks::changes::Changes::default());
    assert_eq!(board.run(|table| table.check(&holder("ann/1"), &wants("a b"))), []);
}

#[test]
fn the_state_of_a_key_is_everything_that_overlaps_it() {
    let mut board = board();
    let tree = board.hold("ann/1", "src/**");
    board.hold("ann/1", "docs/a.md");
    let place = board.stand("bob/1", "src/a.rs docs/a.md");
    let (leases, waiters) = board.run(|table| table.around(&key("src/a.rs")));
    assert_eq!(leases, [tree]);
    assert_eq!(waiters.iter().map(|waiter| waiter.ticket).collect::<Vec<_>>(), [place.ticket]);
    let (leases, waiters) = board.run(|table| table.around(&key("tests/a.rs")));
    assert!(leases.is_empty() && waiters.is_empty());
}
