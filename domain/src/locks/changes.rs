//! What goes into a decision on locks, and what comes out of it.

use crate::ids::TicketId;
use crate::locks::event::LockEvent;
use crate::locks::key::LockKey;
use crate::locks::lease::{EndedLease, Lease, Mode, Waiter};
use crate::locks::stored::{StoredLease, StoredWaiter};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// What a store loads for a command, all read under the project's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The store's clock.
    pub now: DateTime<Utc>,
    /// The greatest token drawn so far in the project, or the base of its epoch.
    pub last_token: i64,
    /// The stored leases that overlap anything the command touches, ended ones included.
    pub leases: Vec<StoredLease>,
    /// The whole line of the project, lost places included.
    pub waiters: Vec<StoredWaiter>,
    /// The past leases of tokens the command names.
    pub ended: Vec<EndedLease>,
}

/// What has to be saved after a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The greatest token, if any was drawn.
    pub last_token: Option<i64>,
    /// Leases that are new or changed.
    pub leases_put: Vec<Lease>,
    /// Leases that ended: to be moved to the past.
    pub leases_ended: Vec<EndedLease>,
    /// Waiters that are new or heard from.
    pub waiters_put: Vec<Waiter>,
    /// Places that are gone.
    pub waiters_removed: Vec<TicketId>,
    /// What happened, in order.
    pub events: Vec<LockEvent>,
    /// Whether something else that is saved with this is news for those who wait, such as tasks that became ready.
    pub is_news_beside: bool,
}

impl Changes {
    /// Whether anybody who waits in the project should look again.
    pub fn is_news(&self) -> bool {
        self.is_news_beside || !self.freed().is_empty()
    }

    /// The keys that became freer: whoever waits for one of them should look again.
    pub fn freed(&self) -> Vec<LockKey> {
        let mut keys: BTreeSet<LockKey> = self.leases_ended.iter().map(|ended| ended.lease.key.clone()).collect();
        for event in &self.events {
            match event {
                LockEvent::Left(waiter) | LockEvent::PlaceLost(waiter) => keys.extend(waiter.wants.keys().cloned()),
                // A shared grant lets those behind it see that they may go too.
                LockEvent::Acquired(lease) if lease.mode == Mode::Shared => {
                    keys.insert(lease.key.clone());
                }
                LockEvent::Acquired(_)
                | LockEvent::Renewed { .. }
                | LockEvent::Ended(_)
                | LockEvent::HandedOver { .. }
                | LockEvent::Lapsed(_)
                | LockEvent::Waiting(_) => {}
            }
        }
        keys.into_iter().collect()
    }
}
