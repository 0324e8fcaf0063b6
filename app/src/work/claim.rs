//! Claiming tasks, with or without waiting for some.

pub mod bodies;
pub mod views;

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::CallError;
use crate::watcher::Waiting;
use crate::work::commands::{ClaimOnce, Look};
use crate::work::reading::{HandedOut, Reader};
use domain::work::claim::{CANDIDATES_MAX, ClaimFilter, ClaimSize, PassedOver};
use domain::work::name::{Capability, Environment};
use domain::work::terms::LeaseLength;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How many looks one pass over the queue may take: each sees at least 50 candidates.
const LOOKS_MAX: u32 = CANDIDATES_MAX / 50;

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Which tasks.
    pub filter: ClaimFilter,
    /// How many.
    pub size: ClaimSize,
    /// For how long without a heartbeat; `None` leaves it to each task.
    pub lease: Option<LeaseLength>,
    /// What the caller can do; `None` for what its session offers.
    pub capabilities: Option<BTreeSet<Capability>>,
    /// Where it runs; `None` for what its session offers.
    pub environment: Option<Environment>,
    /// How long to wait for something to claim; zero answers at once.
    pub wait: Duration,
}

/// What a caller gets.
#[derive(Debug)]
pub struct ClaimAnswer {
    /// The tasks with everything their agent needs, first things first.
    pub tasks: Vec<HandedOut>,
    /// What stood first and was passed over.
    pub passed_over: PassedOver,
}

/// The use case.
#[derive(Clone)]
pub struct ClaimTasks {
    executor: Executor,
    reader: Reader,
    stopping: CancellationToken,
}

impl ClaimTasks {
    /// Puts the parts together; waits end when `stopping` is cancelled.
    pub fn new(executor: Executor, reader: Reader, stopping: CancellationToken) -> Self {
        Self { executor, reader, stopping }
    }

    /// Claims tasks, waiting for as long as asked until there is one.
    pub async fn claim(&self, call: &Call, request: &ClaimRequest) -> Result<ClaimAnswer, CallError> {
        let deadline = Instant::now() + request.wait;
        let waiting = (!request.wait.is_zero()).then(|| self.executor.watcher().wait_in(&call.project));
        let until_refresh = || waiting.as_ref().map_or(Duration::ZERO, Waiting::until_refresh);
        let mut listener = self.executor.doorbell().listen();
        loop {
            let is_last = Instant::now() >= deadline || self.stopping.is_cancelled();
            let look = self.pass(call, request, is_last).await?;
            let passed_over = look.claimed.passed_over;
            if is_last || !look.claimed.tasks.is_empty() {
                let tasks = self.reader.hand_out(&call.project, look.claimed.tasks).await?;
                return Ok(ClaimAnswer { tasks, passed_over });
            }
            let was_passed_over = passed_over != PassedOver::default();
            let patience = deadline.saturating_duration_since(Instant::now());
            tokio::select! {
                () = listener.heard_of_work(&call.project, &request.filter, was_passed_over) => {}
                () = tokio::time::sleep(until_refresh().min(patience)) => {}
                () = self.stopping.cancelled() => {}
            }
        }
    }

    /// Goes over the queue from the beginning until something is found or [`CANDIDATES_MAX`] candidates were seen.
    async fn pass(&self, call: &Call, request: &ClaimRequest, is_last: bool) -> Result<Look, CallError> {
        let ClaimRequest { filter, size, lease, capabilities, environment, wait } = request;
        let mut once = ClaimOnce {
            content: json!({
                "types": filter.types(), "labels": filter.labels(), "max_tasks": size.tasks(), "lease": lease,
                "capabilities": capabilities, "environment": environment, "wait_ms": wait.as_millis(),
            }),
            filter: filter.clone(),
            size: *size,
            lease: *lease,
            capabilities: capabilities.clone(),
            environment: environment.clone(),
            after: None,
            passed_over: PassedOver::default(),
            is_last,
            looks_on: true,
        };
        let mut looks = 1;
        loop {
            once.looks_on = looks < LOOKS_MAX;
            let mut look = self.executor.execute_hot(call, once.clone()).await?.answer;
            match look.horizon.take() {
                Some(horizon) if once.looks_on && look.claimed.tasks.is_empty() => {
                    once.after = Some(horizon);
                    once.passed_over = look.claimed.passed_over;
                }
                _ => return Ok(look),
            }
            looks += 1;
        }
    }
}
