//! A lane: while one batch is being done, the jobs that arrive wait together and form the next one.
//!
//! There is no timer: an idle lane starts a job at once, and a busy one makes its batches as large as its load. So one
//! commit serves many requests, and a disk that syncs slowly is asked less often.

use async_trait::async_trait;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How many jobs may wait; one more is refused.
pub const QUEUE_MAX: usize = 4_096;

/// How many jobs a batch may have.
pub const BATCH_MAX: usize = 256;

/// Does the jobs of a lane.
#[async_trait]
pub trait Runner<J, R>: Send + Sync + 'static {
    /// Does a batch; one result for each job, in order. If it panics, it is called again for each job alone, so nothing of
    /// a batch that panicked may have taken effect.
    async fn run(&self, jobs: &[J]) -> Vec<R>;
}

/// Why a job has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// [`QUEUE_MAX`] jobs wait already; the job was not begun.
    #[error("too many wait already")]
    Full,
    /// The lane is gone.
    #[error("the lane has stopped")]
    Stopped,
    /// The job made its runner panic, and has had no effect.
    #[error("the job panicked")]
    Panicked,
}

struct Waiting<J, R> {
    job: J,
    answer: oneshot::Sender<Result<R, LaneError>>,
}

/// A queue and the task that empties it. The task ends when the last handle is gone and the queue is empty.
pub struct Lane<J, R> {
    queue: mpsc::Sender<Waiting<J, R>>,
}

impl<J: Send + Sync + 'static, R: Send + 'static> Lane<J, R> {
    /// Starts a lane on the current runtime.
    #[expect(clippy::disallowed_methods, reason = "the task ends with its last handle and catches panics itself")]
    pub fn start(runner: Arc<dyn Runner<J, R>>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(empty(jobs, runner));
        Self { queue }
    }

    /// Hands a job in and waits for its result. Whoever stops waiting before the job is begun takes it back.
    pub async fn submit(&self, job: J) -> Result<R, LaneError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { job, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LaneError::Full,
            mpsc::error::TrySendError::Closed(_) => LaneError::Stopped,
        })?;
        answered.await.unwrap_or(Err(LaneError::Stopped))
    }
}

async fn empty<J: Send + Sync + 'static, R: Send + 'static>(
    mut queue: mpsc::Receiver<Waiting<J, R>>,
    runner: Arc<dyn Runner<J, R>>,
) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let (jobs, answers): (Vec<J>, Vec<_>) = waiting
            .drain(..)
            .filter(|waiting| !waiting.answer.is_closed())
            .map(|Waiting { job, answer }| (job, answer))
            .unzip();
        for (result, answer) in run(runner.as_ref(), &jobs).await.into_iter().zip(answers) {
            // An error means that the caller went away meanwhile; what was done stays done.
            let _ = answer.send(result);
        }
    }
}

async fn run<J: Sync + 'static, R: 'static>(runner: &dyn Runner<J, R>, jobs: &[J]) -> Vec<Result<R, LaneError>> {
    if jobs.is_empty() {
        return Vec::new();
    }
    if let Some(results) = catch(runner, jobs).await {
        return results.into_iter().map(Ok).collect();
    }
    let mut results = Vec::with_capacity(jobs.len());
    for job in jobs {
        let alone = if jobs.len() > 1 { catch(runner, std::slice::from_ref(job)).await } else { None };
        results.push(alone.and_then(|mut results| results.pop()).ok_or(LaneError::Panicked));
    }
    results
}

async fn catch<J: Sync + 'static, R: 'static>(runner: &dyn Runner<J, R>, jobs: &[J]) -> Option<Vec<R>> {
    let results = AssertUnwindSafe(runner.run(jobs)).catch_unwind().await.ok();
    results.filter(|results| results.len() == jobs.len())
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
