//! What runs beside the requests: named loops that do a round, rest, and stop when told.

use crate::alerts::evaluator;
use crate::audit;
use crate::config::{Alerts, Retention};
use crate::executor::Executor;
use crate::handoffs;
use crate::identity::authenticate::Authenticator;
use crate::memory::embedding::Embedding;
use crate::memory::working;
use crate::messages;
use crate::messages::unread::UnreadBoard;
use crate::refusal::{CallError, chain};
use crate::retention;
use crate::sweeper;
use crate::telemetry::Metrics;
use crate::webhooks::relay::Relay;
use crate::work::schedules;
use domain::memory::working::Kept;
use ports::bell::Bell;
use ports::calendar::Calendar;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two rounds of ending what ran out: what a session held is told to be free within two seconds of its death.
const TIDY_INTERVAL: Duration = Duration::from_secs(1);

/// Between two rounds of writing signs of life. Also how close to its death a session may be heard from and live on.
const SIGNS_INTERVAL: Duration = Duration::from_millis(100);

/// Between two rounds of writing folded refusals, noting used keys and counting.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// Between two rounds of firing schedules.
const FIRE_INTERVAL: Duration = Duration::from_secs(1);

/// Between two rounds of forgetting the past.
const FORGET_INTERVAL: Duration = Duration::from_mins(1);

/// Between two rounds of ending messages whose time is over.
const MAIL_INTERVAL: Duration = Duration::from_secs(1);

/// Between two looks at what there is to read for the agents that call.
const UNREAD_INTERVAL: Duration = Duration::from_secs(1);

/// Between two looks for what alerts are to be raised about.
const ALERT_INTERVAL: Duration = Duration::from_secs(1);

/// Between two rounds of clearing away what working memory has expired.
const WORKING_INTERVAL: Duration = Duration::from_secs(30);

/// What the loops work with.
pub struct Tools<'a> {
    /// What runs every change.
    pub executor: &'a Executor,
    /// Who may come in.
    pub authenticator: &'a Arc<Authenticator>,
    /// What knows when schedules fire.
    pub calendar: &'a Arc<dyn Calendar>,
    /// Where everything is counted.
    pub metrics: &'a Metrics,
    /// How servers tell each other.
    pub bell: &'a Arc<dyn Bell>,
    /// How long the past is kept.
    pub kept: &'a Retention,
    /// What there is to read for the agents that call.
    pub unread: &'a Arc<UnreadBoard>,
    /// What tells webhooks.
    pub relay: &'a Relay,
    /// When alerts are raised and become worse.
    pub alerts: &'a Alerts,
    /// How long working memory is kept.
    pub working: Kept,
    /// What turns memories into vectors, if anything does.
    pub embedding: Option<&'a Embedding>,
}

/// Starts every loop; each ends soon after `stopping` is cancelled.
pub fn start(tools: &Tools<'_>, stopping: &CancellationToken) -> TaskTracker {
    let Tools {
        executor,
        authenticator,
        calendar,
        metrics,
        bell,
        kept,
        unread,
        relay,
        alerts,
        working: working_kept,
        embedding,
    } = *tools;
    let loops = TaskTracker::new();
    let (watching, stop) = (executor.clone(), stopping.clone());
    loops.spawn(async move { watching.watcher().watch(watching.store(), &stop).await });
    let (telling, mouth, stop) = (executor.watcher().clone(), bell.clone(), stopping.clone());
    loops.spawn(async move { telling.tell(mouth.as_ref(), &stop).await });
    let (hearing, ear, stop) = (executor.clone(), bell.clone(), stopping.clone());
    loops.spawn(async move { hearing.watcher().hear(ear.as_ref(), hearing.pulse(), &stop).await });
    let (looking, stop) = (executor.clone(), stopping.clone());
    loops.spawn(async move { looking.pulse().watch(looking.store(), &stop).await });
    let (beating, stop) = (executor.pulse().clone(), stopping.clone());
    loops.spawn(async move { beating.catch_up(&stop).await });
    let (telling, mouth, stop) = (executor.pulse().clone(), bell.clone(), stopping.clone());
    loops.spawn(async move { telling.tell(mouth.as_ref(), &stop).await });
    let (relaying, stop) = (relay.clone(), stopping.clone());
    loops.spawn(async move { relaying.run(&stop).await });
    if let Some(embedding) = embedding {
        let (embedding, executor, stop) = (embedding.clone(), executor.clone(), stopping.clone());
        loops.spawn(async move { embedding.run(executor.store(), &stop).await });
    }
    let (watching, settings) = (executor.clone(), *alerts);
    loops.spawn(every("alerts", ALERT_INTERVAL, stopping.clone(), move || {
        let executor = watching.clone();
        async move { evaluator::round(&executor, &settings).await }
    }));
    let sweeping = executor.clone();
    loops.spawn(every("tidying", TIDY_INTERVAL, stopping.clone(), move || {
        let executor = sweeping.clone();
        async move { sweeper::sweep(&executor).await }
    }));
    let listening = executor.clone();
    loops.spawn(every("signs of life", SIGNS_INTERVAL, stopping.clone(), move || {
        let executor = listening.clone();
        async move { Ok(executor.signs_of_life().write(executor.store()).await?) }
    }));
    let (firing, calendar) = (executor.clone(), calendar.clone());
    loops.spawn(every("schedules", FIRE_INTERVAL, stopping.clone(), move || {
        let (executor, calendar) = (firing.clone(), calendar.clone());
        async move { schedules::firing::fire_due(&executor, &calendar).await }
    }));
    let ending = executor.clone();
    loops.spawn(every("mail", MAIL_INTERVAL, stopping.clone(), move || {
        let executor = ending.clone();
        async move { messages::sweeper::round(&executor).await }
    }));
    let (counting, board) = (executor.clone(), unread.clone());
    loops.spawn(every("unread mail", UNREAD_INTERVAL, stopping.clone(), move || {
        let (executor, board) = (counting.clone(), board.clone());
        async move { Ok(board.refresh(executor.store()).await?) }
    }));
    let expiring = executor.clone();
    loops.spawn(every("handoffs", TIDY_INTERVAL, stopping.clone(), move || {
        let executor = expiring.clone();
        async move { handoffs::expiry::expire_due(&executor).await }
    }));
    let clearing = executor.clone();
    loops.spawn(every("working memory", WORKING_INTERVAL, stopping.clone(), move || {
        let executor = clearing.clone();
        async move { working::sweeper::round(&executor, working_kept).await }
    }));
    let folding = executor.clone();
    loops.spawn(every("audit", SWEEP_INTERVAL, stopping.clone(), move || {
        let executor = folding.clone();
        async move { audit::sweeper::write_folded(&executor, false).await }
    }));
    let noting = authenticator.clone();
    loops.spawn(every("keys", SWEEP_INTERVAL, stopping.clone(), move || {
        let authenticator = noting.clone();
        async move { authenticator.flush_usage(false).await.map_err(CallError::Store) }
    }));
    let (forgetting, kept, stop) = (executor.clone(), *kept, stopping.clone());
    loops.spawn(every("retention", FORGET_INTERVAL, stopping.clone(), move || {
        let (executor, stop) = (forgetting.clone(), stop.clone());
        async move { Ok(retention::forget(executor.store(), &kept, &stop).await?) }
    }));
    let (counting, gauges) = (executor.clone(), metrics.clone());
    loops.spawn(every("metrics", SWEEP_INTERVAL, stopping.clone(), move || {
        let (executor, metrics) = (counting.clone(), gauges.clone());
        async move {
            let (leases, waiters) = executor.store().begin_read().await?.lock_counts().await?;
            metrics.locks_held(leases);
            metrics.lock_waiters(waiters);
            Ok(())
        }
    }));
    loops.close();
    loops
}

async fn every<F, R>(name: &'static str, rest: Duration, stopping: CancellationToken, mut round: F)
where
    F: FnMut() -> R + Send,
    R: Future<Output = Result<(), CallError>> + Send,
{
    let mut failing = false;
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        match round().await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!(worker = name, "works again");
            }
            Ok(()) => {}
            // Told once, not every round, while the database is away.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(worker = name, error = chain(&error), "failed, and will try again");
            }
            Err(error) => tracing::debug!(worker = name, error = chain(&error), "still fails"),
        }
    }
}
