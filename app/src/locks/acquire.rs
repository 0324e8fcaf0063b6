//! Taking locks, with or without waiting in line.

use crate::call::Call;
use crate::executor::{Answered, Executor};
use crate::locks::commands::{AcquireAnswer, AcquireOnce, LeasesAt, Leave};
use crate::refusal::CallError;
use crate::telemetry::Metrics;
use crate::watcher::Waiting;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::TicketId;
use domain::locks::conflict::{Conflict, Obstacle};
use domain::locks::lease::{Reason, Ttl};
use domain::locks::table::OnConflict;
use domain::locks::wants::Wants;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct AcquireRequest {
    /// What.
    pub wants: Wants,
    /// For how long.
    pub ttl: Ttl,
    /// What for.
    pub reason: Option<Reason>,
    /// How long to wait in line at most; zero refuses at once.
    pub wait: Duration,
    /// A place taken by an earlier call.
    pub ticket: Option<TicketId>,
}

/// The use case.
#[derive(Clone)]
pub struct AcquireLocks {
    executor: Executor,
    metrics: Metrics,
    stopping: CancellationToken,
}

impl AcquireLocks {
    /// Puts the parts together; waits end when `stopping` is cancelled.
    pub fn new(executor: Executor, metrics: Metrics, stopping: CancellationToken) -> Self {
        Self { executor, metrics, stopping }
    }

    /// Takes all of the locks, waiting in line for as long as asked.
    pub async fn acquire(&self, call: &Call, request: &AcquireRequest) -> Result<Answered<LeasesAt>, CallError> {
        let started = Instant::now();
        let deadline = started + request.wait;
        let waiting = (!request.wait.is_zero()).then(|| self.executor.watcher().wait_in(&call.project));
        let until_refresh = || waiting.as_ref().map_or(Duration::ZERO, Waiting::until_refresh);
        let mut listener = self.executor.doorbell().listen();
        let mut place = PlaceGuard { executor: self.executor.clone(), call: call.clone(), ticket: None };
        let mut attempt = AcquireOnce {
            content: json!({
                "wants": request.wants, "ttl": request.ttl, "reason": request.reason,
                "wait_ms": request.wait.as_millis(), "ticket": request.ticket,
            }),
            wants: request.wants.clone(),
            ttl: request.ttl,
            reason: request.reason.clone(),
            ticket: request.ticket,
            on_conflict: OnConflict::Refuse,
        };
        let outcome = loop {
            let waits_on = Instant::now() < deadline;
            let ticket = attempt.ticket.unwrap_or_else(|| self.executor.ids().ticket_id());
            attempt.on_conflict = if waits_on { OnConflict::Wait(ticket) } else { OnConflict::Refuse };
            if waits_on {
                // Before the attempt: if this call is dropped while the place is being stored, it is given up again.
                place.ticket = Some(ticket);
            }
            match self.executor.execute_hot(call, attempt.clone()).await {
                Ok(Answered { answer: AcquireAnswer::Granted { leases, now }, is_replay }) => {
                    if !is_replay {
                        place.ticket = None;
                    }
                    break Ok(Answered { answer: LeasesAt { leases, now }, is_replay });
                }
                Ok(Answered { answer: AcquireAnswer::InLine { conflicts, now, .. }, .. }) => {
                    attempt.ticket = Some(ticket);
                    let look_again = next_look(&conflicts, now, deadline).min(until_refresh());
                    tokio::select! {
                        () = listener.heard_of_locks(&call.project, &request.wants) => {}
                        () = tokio::time::sleep(look_again) => {}
                        () = self.stopping.cancelled() => {
                            place.ticket = None;
                            break Err(CallError::ShuttingDown { ticket: Some(ticket) });
                        }
                    }
                }
                Err(error) => {
                    if matches!(error, CallError::Refused(_)) {
                        // A refusal has either kept the place on purpose or taken it away.
                        place.ticket = None;
                    }
                    break Err(error);
                }
            }
        };
        if !request.wait.is_zero() || request.ticket.is_some() {
            let result = if outcome.is_ok() { "granted" } else { "refused" };
            self.metrics.lock_wait(result, started.elapsed().as_secs_f64());
        }
        outcome
    }
}

/// Until the earliest lease in the way ends, but no longer than the caller's patience.
fn next_look(conflicts: &[Conflict], now: DateTime<Utc>, deadline: Instant) -> Duration {
    let until = |conflict: &Conflict| match conflict.obstacle {
        // A millisecond on top, so that an expiry is not looked at just before it happens.
        Obstacle::Holder { until, .. } => (until - now + TimeDelta::milliseconds(1)).to_std().ok(),
        Obstacle::AheadInLine { .. } => None,
    };
    let patience = deadline.saturating_duration_since(Instant::now());
    conflicts.iter().filter_map(until).fold(patience, Duration::min)
}

/// Gives the place in line up when the caller goes away.
struct PlaceGuard {
    executor: Executor,
    call: Call,
    ticket: Option<TicketId>,
}

impl Drop for PlaceGuard {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (executor, call) = (self.executor.clone(), Call { idempotency_key: None, ..self.call.clone() });
        runtime.spawn(async move {
            if let Err(error) = executor.execute_hot(&call, Leave { ticket }).await {
                // The place is lost by itself after a few seconds.
                tracing::debug!(%ticket, %error, "a place in line could not be given up");
            }
        });
    }
}
