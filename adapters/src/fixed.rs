//! Gateways that do as they are told: a clock that stands until it is moved, and ids that count.
//!
//! Tests pass them in where a process would pass the machine's, so that every answer is the same on every run.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::ids::{
    AlertId, AuditEntryId, FactId, HandoffId, MemoryId, MessageId, ScheduleId, TaskId, TicketId, WebhookId,
};
use domain::work::retry::Chance;
use ports::clock::Clock;
use ports::ids::IdSource;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that shows this instant, cut to whole microseconds.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(whole_microseconds(now)))
    }

    /// Moves the clock, forwards or back.
    pub fn advance(&self, by: TimeDelta) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = whole_microseconds(*now + by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole_microseconds(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}

/// Ids and secrets that count up from one. Everybody can guess them.
#[derive(Debug, Default)]
pub struct CountedIds(AtomicU64);

impl CountedIds {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.next()))
    }
}

impl IdSource for CountedIds {
    fn audit_entry_id(&self) -> AuditEntryId {
        AuditEntryId::new(self.uuid())
    }

    fn fact_id(&self) -> FactId {
        FactId::new(self.uuid())
    }

    fn handoff_id(&self) -> HandoffId {
        HandoffId::new(self.uuid())
    }

    fn ticket_id(&self) -> TicketId {
        TicketId::new(self.uuid())
    }

    fn memory_id(&self) -> MemoryId {
        MemoryId::new(self.uuid())
    }

    fn message_id(&self) -> MessageId {
        MessageId::new(self.uuid())
    }

    fn task_id(&self) -> TaskId {
        TaskId::new(self.uuid())
    }

    fn schedule_id(&self) -> ScheduleId {
        ScheduleId::new(self.uuid())
    }

    fn alert_id(&self) -> AlertId {
        AlertId::new(self.uuid())
    }

    fn webhook_id(&self) -> WebhookId {
        WebhookId::new(self.uuid())
    }

    fn chance(&self) -> Chance {
        Chance(self.next())
    }

    fn random_name(&self) -> String {
        format!("{:032x}", self.next())
    }

    fn secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        for (to, from) in secret.iter_mut().rev().zip(self.next().to_le_bytes()) {
            *to = from;
        }
        secret
    }
}
