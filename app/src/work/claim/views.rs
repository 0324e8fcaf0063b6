//! What claimed tasks, and the answers to word about them, look like on the wire.

use crate::locks::views::LeaseView;
use crate::work::attempts::views::AttemptView;
use crate::work::claim::ClaimAnswer;
use crate::work::reading::{DependencyResult, HandedOut};
use crate::work::views::{StatusView, TaskView};
use chrono::{DateTime, Utc};
use domain::work::claim::PassedOver;
use domain::work::content::{Content, Payload};
use domain::work::table::{Beat, Finished};
use domain::work::task::{CancelRequest, Task};
use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;

/// A task that another depends on, and what came of it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "DependencyResult", skip_serializing_if_is_none)]
pub struct DependencyView {
    /// The task.
    pub task_id: String,
    /// What it is in.
    pub status: StatusView,
    /// What came of it, if it succeeded with a result.
    pub result: Option<Any<Value>>,
}

impl From<DependencyResult> for DependencyView {
    fn from(DependencyResult { task, status, result }: DependencyResult) -> Self {
        Self { task_id: task.to_string(), status: status.into(), result: result.map(Payload::into).map(Any) }
    }
}

/// A task with everything its agent needs.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ClaimedTask", skip_serializing_if_is_none)]
pub struct ClaimedView {
    /// The task.
    pub task: TaskView,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The fencing token that every word about the attempt must carry. Below 2^53.
    pub token: i64,
    /// Until when it lasts without a heartbeat: from then on anybody may have it.
    pub lease_until: DateTime<Utc>,
    /// What to do, at length.
    pub description: Option<String>,
    /// What the agent needs to know.
    pub input: Option<Any<Value>>,
    /// The locks that were taken with it.
    pub locks: Vec<LeaseView>,
    /// The tasks it depended on, and what came of them.
    pub dependencies: Vec<DependencyView>,
}

impl ClaimedView {
    fn new(handed: HandedOut) -> Option<Self> {
        let HandedOut { claimed, content: Content { title, description, input }, dependencies } = handed;
        let lease = claimed.task.lease()?.clone();
        Some(Self {
            attempt: lease.attempt,
            token: lease.token.value(),
            lease_until: lease.until,
            description: description.map(Into::into),
            input: input.map(Payload::into).map(Any),
            locks: claimed.locks.into_iter().map(|lock| LeaseView::new(lock, lease.since)).collect(),
            dependencies: dependencies.into_iter().map(Into::into).collect(),
            task: TaskView::new(&claimed.task, title),
        })
    }
}

/// How many tasks that stood first were passed over, by the first reason that was found.
#[derive(Debug, Clone, Object)]
#[oai(rename = "PassedOver")]
pub struct PassedOverView {
    /// The agent lacks something they require.
    pub lacking: u32,
    /// Something refused them to this agent.
    pub withheld: u32,
    /// As many of their concurrency key run as may.
    pub concurrency: u32,
    /// Their locks cannot be had.
    pub resources: u32,
}

impl From<PassedOver> for PassedOverView {
    fn from(PassedOver { lacking, withheld, concurrency, resources }: PassedOver) -> Self {
        Self { lacking, withheld, concurrency, resources }
    }
}

/// Tasks that were claimed; finding none is an answer too.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ClaimedTasks")]
pub struct ClaimedTasksView {
    /// First things first.
    pub tasks: Vec<ClaimedView>,
    /// What stood first and was passed over.
    pub passed_over: PassedOverView,
}

impl From<ClaimAnswer> for ClaimedTasksView {
    fn from(ClaimAnswer { tasks, passed_over }: ClaimAnswer) -> Self {
        Self { tasks: tasks.into_iter().filter_map(ClaimedView::new).collect(), passed_over: passed_over.into() }
    }
}

/// Somebody's wish to cancel a task.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CancelRequest", skip_serializing_if_is_none)]
pub struct CancelRequestView {
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

impl From<CancelRequest> for CancelRequestView {
    fn from(CancelRequest { by, reason, at, with_dependents: _ }: CancelRequest) -> Self {
        Self { by: by.into(), reason: reason.map(Into::into), at }
    }
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskHeartbeat", skip_serializing_if_is_none)]
pub struct BeatView {
    /// The task.
    pub task_id: String,
    /// Until when the claim lasts now.
    pub lease_until: DateTime<Utc>,
    /// How far it has come, as last said.
    pub progress: Option<u8>,
    /// How it is getting on, as last said.
    pub note: Option<String>,
    /// Whether somebody asked to stop; then the task is taken at `lease_until`, and heartbeats do not move that any more.
    pub cancel_requested: bool,
    /// Who asked, and why.
    pub cancel: Option<CancelRequestView>,
    /// Tokens of the task's locks that are not held any more: somebody took them away, or the agent gave them back.
    pub locks_lost: Vec<i64>,
}

impl From<Beat> for BeatView {
    fn from(Beat { task, until, cancel, locks_lost }: Beat) -> Self {
        let lease = task.lease();
        Self {
            task_id: task.id.to_string(),
            lease_until: until,
            progress: lease.and_then(|lease| lease.progress).map(Into::into),
            note: lease.and_then(|lease| lease.note.clone()).map(Into::into),
            cancel_requested: cancel.is_some(),
            cancel: cancel.map(Into::into),
            locks_lost: locks_lost.into_iter().map(|token| token.value()).collect(),
        }
    }
}

/// The answer to the end of an attempt.
#[derive(Debug, Clone, Object)]
#[oai(rename = "FinishedAttempt")]
pub struct FinishedView {
    /// The task.
    pub task_id: String,
    /// What the task was in afterwards.
    pub status: StatusView,
    /// The attempt as it ended.
    pub attempt: AttemptView,
    /// Whether the same had been said before; then this call changed nothing.
    pub already: bool,
}

impl From<Finished> for FinishedView {
    fn from(Finished { attempt, already }: Finished) -> Self {
        Self { task_id: attempt.task.to_string(), status: attempt.left.into(), attempt: attempt.into(), already }
    }
}

/// What became of one task of a call.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SubmittedTask", skip_serializing_if_is_none)]
pub struct SubmittedView {
    /// Its position in the call, from 0.
    pub index: u32,
    /// What it is called in the call.
    pub name: Option<String>,
    /// The task, if it is there.
    pub task: Option<TaskView>,
    /// Why it could not be submitted.
    pub fault: Option<String>,
}

/// What became of the tasks of a call, in the order they were given.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SubmittedTasks")]
pub struct SubmittedTasksView {
    /// Each of them.
    pub tasks: Vec<SubmittedView>,
}

/// One task.
#[derive(Debug, Clone, Object)]
#[oai(rename = "OneTask")]
pub struct OneTaskView {
    /// The task as it is now.
    pub task: TaskView,
}

impl OneTaskView {
    /// A task and its content.
    pub fn new(task: &Task, content: Content) -> Self {
        Self { task: TaskView::new(task, content.title) }
    }
}

/// How a cancel came out.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CancelledTask")]
pub struct CancelledView {
    /// The task now: cancelled, or leased and told to stop.
    pub task: TaskView,
    /// Everything that was cancelled at once.
    pub cancelled: Vec<String>,
    /// Whether it was cancelled, or told to stop, before.
    pub already: bool,
    /// Whether more that depends on it will follow by itself.
    pub more_to_come: bool,
}
