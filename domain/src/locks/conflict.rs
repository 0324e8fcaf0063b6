//! What stands in the way of a request: live leases of others, and others who came first.

use crate::ids::{AgentId, SessionId, TicketId};
use crate::locks::key::LockKey;
use crate::locks::lease::{Holder, Lease, Mode, Reason, Token, Waiter};
use crate::locks::wants::{Want, Wants};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How somebody stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Obstacle {
    /// By holding it.
    Holder {
        /// The token it is held under.
        token: Token,
        /// When that lease ends unless it is renewed, or its session does unless it is heard from.
        until: DateTime<Utc>,
    },
    /// By having come first.
    AheadInLine {
        /// Its ticket.
        ticket: TicketId,
    },
}

/// One reason why one wanted key cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The key that was wanted.
    pub wanted: LockKey,
    /// The overlapping key of the other.
    pub key: LockKey,
    /// The other's mode.
    pub mode: Mode,
    /// The other agent.
    pub agent: AgentId,
    /// The other session.
    pub session: SessionId,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What for.
    pub reason: Option<Reason>,
    /// How it stands in the way.
    pub obstacle: Obstacle,
}

impl Conflict {
    /// A lease stands in the way of a wanted key.
    pub(crate) fn with_holder(wanted: &LockKey, lease: &Lease) -> Self {
        Self {
            wanted: wanted.clone(),
            key: lease.key.clone(),
            mode: lease.mode,
            agent: lease.holder.agent.clone(),
            session: lease.holder.session.clone(),
            since: lease.granted_at,
            reason: lease.reason.clone(),
            obstacle: Obstacle::Holder { token: lease.token, until: lease.expires_at },
        }
    }

    /// Somebody in line for `other` stands in the way of a wanted key.
    pub(crate) fn with_waiter(wanted: &LockKey, waiter: &Waiter, other: &Want) -> Self {
        Self {
            wanted: wanted.clone(),
            key: other.key.clone(),
            mode: other.mode,
            agent: waiter.holder.agent.clone(),
            session: waiter.holder.session.clone(),
            since: waiter.joined_at,
            reason: waiter.reason.clone(),
            obstacle: Obstacle::AheadInLine { ticket: waiter.ticket },
        }
    }
}

/// Everything that stands in the way of `holder` getting `wants`, whose place in line is `place`.
///
/// First come first served: whoever came earlier and wants something overlapping goes first, for single keys as for
/// several, so nobody starves. One exception keeps the line moving: somebody who waits for a lease of `holder` itself
/// cannot go first anyway and does not stand in its way (the lock manager of Postgres orders its queues so too).
pub fn conflicts(leases: &[Lease], waiters: &[Waiter], holder: &Holder, wants: &Wants, place: i64) -> Vec<Conflict> {
    let mut found = Vec::new();
    let first: Vec<&Waiter> = waiters.iter().filter(|waiter| goes_first(leases, waiter, holder, place)).collect();
    for want in wants.iter() {
        let clashes = |key: &LockKey, mode: Mode| !mode.agrees_with(want.mode) && key.overlaps(&want.key);
        for lease in leases.iter().filter(|lease| lease.holder.session != holder.session) {
            if clashes(&lease.key, lease.mode) {
                found.push(Conflict::with_holder(&want.key, lease));
            }
        }
        for waiter in &first {
            for other in waiter.wants.iter().filter(|other| clashes(&other.key, other.mode)) {
                found.push(Conflict::with_waiter(&want.key, waiter, other));
            }
        }
    }
    found
}

fn goes_first(leases: &[Lease], waiter: &Waiter, holder: &Holder, place: i64) -> bool {
    waiter.place < place && waiter.holder.session != holder.session && !waits_for(leases, waiter, holder)
}

fn waits_for(leases: &[Lease], waiter: &Waiter, holder: &Holder) -> bool {
    leases.iter().filter(|lease| lease.holder.session == holder.session).any(|lease| {
        waiter.wants.iter().any(|want| !want.mode.agrees_with(lease.mode) && want.key.overlaps(&lease.key))
    })
}
