//! Leases and places as a store has them, with what bounds them from outside: the life of their session.
//!
//! What a dead session holds is free at the instant of its death, whether anybody has noticed or not.

use crate::locks::lease::{EndedLease, Ending, Lease, Waiter};
use chrono::{DateTime, Utc};

/// A stored lease and until when its session lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLease {
    /// The lease.
    pub lease: Lease,
    /// When its session ends or ended, unless it is heard from; the lease's own expiry if no such session is stored.
    pub session_until: DateTime<Utc>,
}

impl StoredLease {
    /// Until when it holds, exclusive: its own expiry or the end of its session, whichever comes first.
    pub fn ends_at(&self) -> DateTime<Utc> {
        self.lease.expires_at.min(self.session_until)
    }

    /// Whether it holds at this instant. There is no grace.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        now < self.ends_at()
    }

    /// How a lease ended that holds no more.
    pub(crate) fn into_ended(self) -> EndedLease {
        let ended_at = self.ends_at();
        let ending = if ended_at < self.lease.expires_at { Ending::SessionEnded } else { Ending::Expired };
        EndedLease { lease: self.lease, ended_at, ending }
    }
}

/// A stored place in line and until when its session lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWaiter {
    /// The place.
    pub waiter: Waiter,
    /// When its session ends or ended, unless it is heard from; the place's own end if no such session is stored.
    pub session_until: DateTime<Utc>,
}

impl StoredWaiter {
    /// Whether the place is still kept at this instant, and somebody is there to take the locks.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        now < self.waiter.kept_until && now < self.session_until
    }
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
