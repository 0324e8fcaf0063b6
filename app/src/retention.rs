//! Forgets the past when it is older than it is to be kept, in small units of work.
//!
//! What cannot be told anew is not forgotten: sessions stay, because the name of an ended one must never come back, and
//! so do tasks that others need, and dead letters.

use crate::config::Retention;
use crate::memory::forgetting::forget_past;
use chrono::TimeDelta;
use domain::alerts;
use domain::idempotency::KEPT_HOURS;
use domain::locks::lease::HISTORY_KEPT_DAYS;
use domain::webhooks::delivery;
use ports::store::{Store, StoreError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The most rows that go in one unit of work.
const ROWS_MAX: u32 = 1_000;

/// The most tasks that go in one unit of work: they go with all they consist of, and their project waits meanwhile.
const TASKS_MAX: u32 = 200;

/// The most memories that go in one unit of work: nobody writes in their realms meanwhile.
const MEMORIES_MAX: u32 = 200;

/// The shortest rest between two units of work. It is never shorter than the one before took, so that no more than half of
/// the store's time is spent here.
const REST: Duration = Duration::from_millis(20);

/// A kind of past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    Alerts,
    Answers,
    Audit,
    Facts,
    Handoffs,
    Leases,
    Messages,
    WebhookDeliveries,
    Work,
}

impl Past {
    const fn rows_max(self) -> u32 {
        match self {
            Self::Work => TASKS_MAX,
            Self::Alerts
            | Self::Answers
            | Self::Audit
            | Self::Facts
            | Self::Handoffs
            | Self::Leases
            | Self::Messages
            | Self::WebhookDeliveries => ROWS_MAX,
        }
    }

    /// Forgets some of it; answers whether there may be more.
    async fn forget_some(self, store: &dyn Store, kept: TimeDelta) -> Result<bool, StoreError> {
        let mut uow = store.begin().await?;
        let (before, rows_max) = (uow.now().await? - kept, self.rows_max());
        let forgotten = match self {
            Self::Alerts => uow.alerts_prune(before, rows_max).await?,
            Self::Answers => uow.idempotency_prune(before, rows_max).await?,
            Self::Audit => uow.audit_prune(before, rows_max).await?,
            Self::Facts => uow.facts_prune(before, rows_max).await?,
            Self::Handoffs => uow.handoffs_prune(before, rows_max).await?,
            Self::Leases => uow.ended_prune(before, rows_max).await?,
            Self::Messages => uow.messages_prune(before, rows_max).await?,
            Self::WebhookDeliveries => uow.webhook_deliveries_prune(before, rows_max).await?,
            Self::Work => uow.tasks_prune(before, rows_max).await?,
        };
        uow.commit().await?;
        if forgotten > 0 {
            tracing::debug!(past = ?self, forgotten, %before, "the past was forgotten");
        }
        Ok(forgotten >= u64::from(rows_max))
    }
}

/// Forgets all that is too old, whatever one kind of it fails with; the first failure is told. Ends early when `stopping`
/// is cancelled.
pub async fn forget(store: &dyn Store, kept: &Retention, stopping: &CancellationToken) -> Result<(), StoreError> {
    let days = |days: u32| TimeDelta::days(days.into());
    let times = [
        (Past::Answers, Some(TimeDelta::hours(KEPT_HOURS))),
        (Past::Leases, Some(TimeDelta::days(HISTORY_KEPT_DAYS))),
        (Past::Alerts, Some(TimeDelta::days(alerts::alert::KEPT_DAYS))),
        (Past::WebhookDeliveries, Some(TimeDelta::days(delivery::KEPT_DAYS))),
        (Past::Work, kept.work_days.map(days)),
        (Past::Handoffs, kept.handoffs_days.map(days)),
        (Past::Messages, kept.messages_days.map(days)),
        (Past::Facts, kept.facts_days.map(days)),
        (Past::Audit, kept.audit_days.map(days)),
    ];
    let mut outcome = Ok(());
    for (past, kept) in times {
        let Some(kept) = kept else { continue };
        outcome = outcome.and(forget_kind(store, past, kept, stopping).await);
    }
    if let Some(days_kept) = kept.memory_days {
        outcome = outcome.and(forget_memories(store, days(days_kept), kept.memory_worth_min.into(), stopping).await);
    }
    outcome
}

async fn forget_kind(
    store: &dyn Store,
    past: Past,
    kept: TimeDelta,
    stopping: &CancellationToken,
) -> Result<(), StoreError> {
    while !stopping.is_cancelled() {
        let began = Instant::now();
        if !past.forget_some(store, kept).await? {
            break;
        }
        tokio::time::sleep(began.elapsed().max(REST)).await;
    }
    Ok(())
}

async fn forget_memories(
    store: &dyn Store,
    kept: TimeDelta,
    worth_min: i64,
    stopping: &CancellationToken,
) -> Result<(), StoreError> {
    while !stopping.is_cancelled() {
        let began = Instant::now();
        if !forget_past(store, kept, worth_min, MEMORIES_MAX).await? {
            break;
        }
        tokio::time::sleep(began.elapsed().max(REST)).await;
    }
    Ok(())
}
