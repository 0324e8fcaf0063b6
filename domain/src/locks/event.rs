//! What happens to locks, told once for the audit log and for followers.

use crate::audit::Change;
use crate::locks::lease::{EndedLease, Ending, Lease, Waiter};
use serde::Serialize;
use serde_json::{Value, json};

const HANDED_OVER: &str = "lock.handed_over";
const HAND_OVER: &str = "lock.hand_over";

/// One thing that happened to one lock or one place in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockEvent {
    /// Granted under a new token.
    Acquired(Lease),
    /// Asked for again by its holder, or renewed by token: lasts at least as long as before.
    Renewed {
        /// The lease before.
        before: Lease,
        /// The lease now.
        after: Lease,
    },
    /// Ended by somebody's command.
    Ended(EndedLease),
    /// Handed over to another session, under a new token.
    HandedOver {
        /// The lease as it ended.
        ended: EndedLease,
        /// The taker's lease.
        lease: Lease,
    },
    /// Ended by itself: its time ran out, or its session died.
    Lapsed(EndedLease),
    /// Somebody joined the line.
    Waiting(Waiter),
    /// Somebody left the line without the locks.
    Left(Waiter),
    /// Somebody was not heard from and lost the place in line.
    PlaceLost(Waiter),
}

impl LockEvent {
    /// The kind for followers, such as `lock.acquired`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Acquired(_) => "lock.acquired",
            Self::Renewed { .. } => "lock.renewed",
            Self::Ended(ended) | Self::Lapsed(ended) => match ended.ending {
                Ending::Released => "lock.released",
                Ending::Expired => "lock.expired",
                Ending::SessionEnded => "lock.session_ended",
                Ending::Replaced => "lock.replaced",
                Ending::HandedOver { .. } => HANDED_OVER,
                Ending::Forced { .. } => "lock.forced",
            },
            Self::HandedOver { .. } => HANDED_OVER,
            Self::Waiting(_) => "lock.waiting",
            Self::Left(_) => "lock.left",
            Self::PlaceLost(_) => "lock.place_lost",
        }
    }

    /// The operation for the audit log, such as `lock.acquire`.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Acquired(_) => "lock.acquire",
            Self::Renewed { .. } => "lock.renew",
            Self::Ended(ended) | Self::Lapsed(ended) => match ended.ending {
                Ending::Released => "lock.release",
                Ending::Expired => "lock.expire",
                Ending::SessionEnded => "lock.session_end",
                Ending::Replaced => "lock.replace",
                Ending::HandedOver { .. } => HAND_OVER,
                Ending::Forced { .. } => "lock.force_release",
            },
            Self::HandedOver { .. } => HAND_OVER,
            Self::Waiting(_) => "lock.wait",
            Self::Left(_) => "lock.leave",
            Self::PlaceLost(_) => "lock.lose_place",
        }
    }

    /// The key, or the first key of those waited for.
    pub fn subject(&self) -> &str {
        match self {
            Self::Acquired(lease) | Self::Renewed { after: lease, .. } | Self::HandedOver { lease, .. } => {
                lease.key.as_str()
            }
            Self::Ended(ended) | Self::Lapsed(ended) => ended.lease.key.as_str(),
            Self::Waiting(waiter) | Self::Left(waiter) | Self::PlaceLost(waiter) => {
                waiter.wants.keys().next().map_or("", |key| key.as_str())
            }
        }
    }

    /// Whether it happened by itself, and not because the caller asked for it.
    pub const fn is_by_itself(&self) -> bool {
        matches!(self, Self::Lapsed(_) | Self::PlaceLost(_))
    }

    /// From what to what.
    pub fn change(&self) -> Change {
        let (before, after) = match self {
            Self::Acquired(lease) => (None, Some(value(lease))),
            Self::Renewed { before, after } => (Some(value(before)), Some(value(after))),
            Self::Ended(ended) | Self::Lapsed(ended) => (Some(value(&ended.lease)), Some(ending(ended))),
            Self::HandedOver { ended, lease } => (Some(value(&ended.lease)), Some(value(lease))),
            Self::Waiting(waiter) => (None, Some(value(waiter))),
            Self::Left(waiter) | Self::PlaceLost(waiter) => (Some(value(waiter)), None),
        };
        Change { operation: self.operation().to_owned(), target: self.subject().to_owned(), before, after }
    }

    /// Everything a follower needs.
    pub fn body(&self) -> Value {
        match self {
            Self::Acquired(lease) | Self::Renewed { after: lease, .. } => value(lease),
            Self::Ended(ended) | Self::Lapsed(ended) => json!({ "lease": value(&ended.lease), "end": ending(ended) }),
            Self::HandedOver { ended, lease } => {
                json!({ "from": value(&ended.lease), "lease": value(lease), "end": ending(ended) })
            }
            Self::Waiting(waiter) | Self::Left(waiter) | Self::PlaceLost(waiter) => value(waiter),
        }
    }
}

fn ending(ended: &EndedLease) -> Value {
    let mut end = value(&ended.ending);
    if let Value::Object(fields) = &mut end {
        fields.insert("ended_at".to_owned(), value(&ended.ended_at));
    }
    end
}

fn value(of: &impl Serialize) -> Value {
    // These types have string keys only, so this cannot fail; null would show in the log all the same.
    serde_json::to_value(of).unwrap_or(Value::Null)
}
