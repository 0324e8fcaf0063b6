use super::*;
use crate::handoffs::content::Summary;
use crate::handoffs::{Giver, Offer, State, Stays};
use crate::ids::{AgentId, AgentType, HandoffId, SessionId};
use crate::locks::changes::Loaded;
use crate::locks::key::LockKey;
use crate::locks::lease::{Holder, Lease, Mode, Token};
use crate::locks::stored::StoredLease;
use crate::work::changes::Loaded as LoadedWork;
use crate::work::requires::Trust;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn token(value: i64) -> Token {
    Token::try_new(value).unwrap()
}

fn holder(name: &str) -> Holder {
    Holder { agent: AgentId::parse(name).unwrap(), session: SessionId::parse(name).unwrap() }
}

fn lease(number: i64, key: &str, mode: Mode, of: &str) -> StoredLease {
    let lease = Lease {
        key: LockKey::parse(key).unwrap(),
        mode,
        holder: holder(of),
        token: token(number),
        granted_at: now(),
        expires_at: now() + TimeDelta::seconds(60),
        reason: None,
    };
    StoredLease { lease, session_until: now() + TimeDelta::days(1) }
}

fn tables(leases: Vec<StoredLease>, last_token: i64) -> (LockTable, WorkTable) {
    let loaded = Loaded { now: now(), last_token, leases, waiters: Vec::new(), ended: Vec::new() };
    let mut locks = LockTable::new(loaded);
    let work = WorkTable::new(LoadedWork::default(), &mut locks);
    (locks, work)
}

/// What Ann hands over to Bob.
fn hand_over(tokens: &[i64], locks: &mut LockTable, work: &mut WorkTable) -> Result<Moved, LockRefusal> {
    let handoff = Handoff {
        id: HandoffId::new(Uuid::from_u128(7)),
        from: Giver { agent: holder("ann").agent, session: Some(holder("ann").session) },
        summary: Summary::parse("half").unwrap(),
        offer: Offer::Next,
        to_move: ToMove { locks: tokens.iter().copied().map(token).collect(), tasks: BTreeMap::new() },
        written_at: now(),
        expires_at: None,
        state: State::Offered,
        revision: 1,
    };
    let bob = Claimant {
        holder: holder("bob"),
        agent_type: AgentType::parse("worker").unwrap(),
        capabilities: BTreeSet::new(),
        environment: None,
        trust: Trust::STANDARD,
    };
    handoff.hand_over(&bob, Ttl::try_new(30).unwrap(), locks, work)
}

#[test]
fn all_that_can_go_goes_and_the_rest_is_told() {
    let leases = vec![
        lease(1, "a", Mode::Exclusive, "ann"),
        lease(2, "b", Mode::Shared, "ann"),
        lease(3, "b", Mode::Shared, "bob"),
        lease(4, "c", Mode::Exclusive, "cat"),
    ];
    let (mut locks, mut work) = tables(leases, 10);
    let moved = hand_over(&[1, 2, 4, 9], &mut locks, &mut work).unwrap();
    assert_eq!(moved.locks.iter().map(|lock| (lock.from, lock.token)).collect::<Vec<_>>(), [(token(1), token(11))]);
    let stays: Vec<_> = moved.not_moved.iter().map(|not| (not.named.clone(), not.stays.as_str())).collect();
    let lock = |number| Named::Lock { token: token(number) };
    assert_eq!(stays, [(lock(2), "taker_holds"), (lock(4), "with_other"), (lock(9), "unknown")]);
}

#[test]
fn what_is_tied_to_something_that_stays_stays_too() {
    let leases = vec![
        lease(1, "a/b", Mode::Shared, "ann"),
        lease(2, "a/b", Mode::Shared, "bob"),
        lease(3, "a/**", Mode::Shared, "ann"),
        lease(4, "x/**", Mode::Exclusive, "ann"),
        lease(5, "x/y", Mode::Exclusive, "ann"),
        lease(6, "z/**", Mode::Exclusive, "ann"),
        lease(7, "z/y", Mode::Exclusive, "ann"),
    ];
    let (mut locks, mut work) = tables(leases, 10);
    let moved = hand_over(&[1, 3, 4, 5, 7], &mut locks, &mut work).unwrap();
    let gone: Vec<i64> = moved.locks.iter().map(|lock| lock.from.value()).collect();
    assert_eq!(gone, [3, 4, 5], "two that agree can part, and two that do not go together");
    let tied = Stays::Tied { key: LockKey::parse("z/**").unwrap(), token: token(6) };
    let not = |number, stays| NotMoved { named: Named::Lock { token: token(number) }, stays };
    let taken = Stays::TakerHolds { key: LockKey::parse("a/b").unwrap(), token: token(2) };
    assert_eq!(moved.not_moved, [not(1, taken), not(7, tied)]);
}

#[test]
fn a_lock_that_stays_keeps_what_is_tied_to_it() {
    // Nobody has these by acquiring them; handing locks over must not part them all the same.
    let leases = vec![
        lease(1, "a/b", Mode::Exclusive, "ann"),
        lease(2, "a/b", Mode::Shared, "bob"),
        lease(3, "a/**", Mode::Exclusive, "ann"),
    ];
    let (mut locks, mut work) = tables(leases, 10);
    let moved = hand_over(&[1, 3], &mut locks, &mut work).unwrap();
    assert_eq!(moved.locks, []);
    let why: Vec<&str> = moved.not_moved.iter().map(|not| not.stays.as_str()).collect();
    assert_eq!(why, ["taker_holds", "tied"]);
}

#[test]
fn when_tokens_run_out_nothing_moves() {
    let leases = vec![lease(1, "a", Mode::Exclusive, "ann"), lease(2, "b", Mode::Exclusive, "ann")];
    let (mut locks, mut work) = tables(leases, Token::MAX - 1);
    assert_eq!(hand_over(&[1, 2], &mut locks, &mut work), Err(LockRefusal::TokensUsedUp));
    assert_eq!(*locks.changes(), crate::locks::changes::Changes::default());
}
