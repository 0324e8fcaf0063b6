//! What bounds a lease and a place from outside.

use super::*;
use crate::ids::{AgentId, SessionId, TicketId};
use crate::locks::key::LockKey;
use crate::locks::lease::{Holder, Mode, Token};
use crate::locks::wants::{Want, Wants};
use chrono::TimeDelta;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn holder() -> Holder {
    Holder { agent: AgentId::parse("ann").unwrap(), session: SessionId::parse("s1").unwrap() }
}

/// A lease of ten seconds in a session that lives until then.
fn stored(session_until: DateTime<Utc>) -> StoredLease {
    let lease = Lease {
        key: LockKey::parse("a").unwrap(),
        mode: Mode::Exclusive,
        holder: holder(),
        token: Token::try_new(1).unwrap(),
        granted_at: at(0),
        expires_at: at(10),
        reason: None,
    };
    StoredLease { lease, session_until }
}

#[test]
fn a_lease_holds_until_its_expiry_or_the_end_of_its_session() {
    for (session_until, ends_at, ending) in [
        (at(4), at(4), Ending::SessionEnded),
        (at(10) - TimeDelta::microseconds(1), at(10) - TimeDelta::microseconds(1), Ending::SessionEnded),
        (at(10), at(10), Ending::Expired),
        (at(99), at(10), Ending::Expired),
    ] {
        let stored = stored(session_until);
        assert_eq!(stored.ends_at(), ends_at);
        assert!(stored.is_live(ends_at - TimeDelta::microseconds(1)) && !stored.is_live(ends_at));
        let ended = stored.clone().into_ended();
        assert_eq!((ended.lease, ended.ended_at, ended.ending), (stored.lease, ends_at, ending));
    }
}

#[test]
fn a_place_is_kept_no_longer_than_its_session_lives() {
    let wants = Wants::try_new(vec![Want { key: LockKey::parse("a").unwrap(), mode: Mode::Shared }]).unwrap();
    let waiter = Waiter {
        ticket: TicketId::new(uuid::Uuid::from_u128(1)),
        place: 1,
        holder: holder(),
        wants,
        reason: None,
        joined_at: at(0),
        kept_until: at(10),
    };
    for (session_until, lost_at) in [(at(4), at(4)), (at(10), at(10)), (at(99), at(10))] {
        let stored = StoredWaiter { waiter: waiter.clone(), session_until };
        assert!(stored.is_live(lost_at - TimeDelta::microseconds(1)) && !stored.is_live(lost_at));
    }
}
