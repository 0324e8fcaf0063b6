//! What tasks look like on the wire.

use crate::locks::views::ModeView;
use chrono::{DateTime, Utc};
use domain::locks::wants::Wants;
use domain::work::content::Title;
use domain::work::requires::Requires;
use domain::work::task::{CancelCause, DeathCause, Delay, Status, Task, TaskLease, TaskState};
use domain::work::terms::{Concurrency, OnDependencyFailure};
use poem_openapi::{Enum, Object};

/// What a task is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "TaskStatus", rename_all = "snake_case")]
pub enum StatusView {
    /// Whoever fits may claim it.
    Ready,
    /// Nobody may claim it before an instant.
    Scheduled,
    /// It waits for other tasks.
    Blocked,
    /// Somebody works on it.
    Leased,
    /// It failed, and rests before the next attempt.
    Failed,
    /// It was done.
    Succeeded,
    /// It failed for good: a dead letter.
    Dead,
    /// Nobody is to do it any more.
    Cancelled,
    /// Its deadline came first.
    Expired,
}

impl From<StatusView> for Status {
    fn from(status: StatusView) -> Self {
        match status {
            StatusView::Ready => Self::Ready,
            StatusView::Scheduled => Self::Scheduled,
            StatusView::Blocked => Self::Blocked,
            StatusView::Leased => Self::Leased,
            StatusView::Failed => Self::Failed,
            StatusView::Succeeded => Self::Succeeded,
            StatusView::Dead => Self::Dead,
            StatusView::Cancelled => Self::Cancelled,
            StatusView::Expired => Self::Expired,
        }
    }
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        match status {
            Status::Ready => Self::Ready,
            Status::Scheduled => Self::Scheduled,
            Status::Blocked => Self::Blocked,
            Status::Leased => Self::Leased,
            Status::Failed => Self::Failed,
            Status::Succeeded => Self::Succeeded,
            Status::Dead => Self::Dead,
            Status::Cancelled => Self::Cancelled,
            Status::Expired => Self::Expired,
        }
    }
}

/// What becomes of a task when one it depends on ends without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "OnDependencyFailure", rename_all = "snake_case")]
pub enum OnDependencyFailureView {
    /// It is cancelled.
    Cancel,
    /// It runs all the same.
    Run,
    /// It waits until that one succeeds after all.
    Block,
}

impl From<OnDependencyFailureView> for OnDependencyFailure {
    fn from(policy: OnDependencyFailureView) -> Self {
        match policy {
            OnDependencyFailureView::Cancel => Self::Cancel,
            OnDependencyFailureView::Run => Self::Run,
            OnDependencyFailureView::Block => Self::Block,
        }
    }
}

impl From<OnDependencyFailure> for OnDependencyFailureView {
    fn from(policy: OnDependencyFailure) -> Self {
        match policy {
            OnDependencyFailure::Cancel => Self::Cancel,
            OnDependencyFailure::Run => Self::Run,
            OnDependencyFailure::Block => Self::Block,
        }
    }
}

/// Why a task waits for an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "TaskDelay", rename_all = "snake_case")]
pub enum DelayView {
    /// It was submitted or rescheduled so.
    NotBefore,
    /// It rests after a failed attempt.
    Retry,
    /// The agent that had it put it off.
    Snooze,
}

impl From<Delay> for DelayView {
    fn from(delay: Delay) -> Self {
        match delay {
            Delay::NotBefore => Self::NotBefore,
            Delay::Retry => Self::Retry,
            Delay::Snooze => Self::Snooze,
        }
    }
}

/// What a task asks of the agent that is to do it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskRequirements", skip_serializing_if_is_none)]
pub struct RequiresView {
    /// All of these.
    pub capabilities: Vec<String>,
    /// Running here.
    pub environment: Option<String>,
    /// Trusted at least so far, 0 to 4.
    pub trust_min: Option<u8>,
    /// Of one of these kinds; empty means any.
    pub agent_types: Vec<String>,
    /// Not the agent that submitted the task.
    pub not_submitter: bool,
}

impl From<&Requires> for RequiresView {
    fn from(requires: &Requires) -> Self {
        let asked = requires.asked();
        Self {
            capabilities: asked.capabilities.iter().map(ToString::to_string).collect(),
            environment: asked.environment.as_ref().map(ToString::to_string),
            trust_min: asked.trust_min.map(Into::into),
            agent_types: asked.agent_types.iter().map(ToString::to_string).collect(),
            not_submitter: asked.not_submitter,
        }
    }
}

/// A lock that a task is done under.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskResource")]
pub struct ResourceView {
    /// The key, in canonical spelling.
    pub key: String,
    /// How it is held.
    pub mode: ModeView,
}

impl ResourceView {
    /// All locks of a task.
    pub fn all(wants: &Wants) -> Vec<Self> {
        wants.iter().map(|want| Self { key: want.key.to_string(), mode: want.mode.into() }).collect()
    }
}

/// How many tasks of a key may run at a time.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskConcurrency")]
pub struct ConcurrencyView {
    /// The key.
    pub key: String,
    /// The task starts only while fewer than so many of the key run.
    pub limit: u32,
}

impl From<&Concurrency> for ConcurrencyView {
    fn from(concurrency: &Concurrency) -> Self {
        Self { key: concurrency.key.to_string(), limit: concurrency.limit.number() }
    }
}

/// A claim that has not ended.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskLease", skip_serializing_if_is_none)]
pub struct TaskLeaseView {
    /// The agent that works on the task.
    pub agent: String,
    /// In which of its sessions.
    pub session: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The fencing token that every word about the attempt must carry. Below 2^53.
    pub token: i64,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when, unless it is heard from.
    pub until: DateTime<Utc>,
    /// How far it has come, in percent.
    pub progress: Option<u8>,
    /// How it is getting on.
    pub note: Option<String>,
    /// Whether somebody asked to cancel it.
    pub cancel_requested: bool,
}

impl From<&TaskLease> for TaskLeaseView {
    fn from(lease: &TaskLease) -> Self {
        Self {
            agent: lease.holder.agent.to_string(),
            session: lease.holder.session.to_string(),
            attempt: lease.attempt,
            token: lease.token.value(),
            since: lease.since,
            until: lease.until,
            progress: lease.progress.map(Into::into),
            note: lease.note.clone().map(Into::into),
            cancel_requested: lease.cancel.is_some(),
        }
    }
}

/// What brought a task to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "TaskEnd", rename_all = "snake_case")]
pub enum EndView {
    /// Every attempt was used up.
    AttemptsUsedUp,
    /// An attempt failed in a way that another will not mend.
    NotRetryable,
    /// Somebody asked to cancel it.
    Asked,
    /// One it depends on did not succeed, or was cancelled with all that depends on it.
    Dependency,
    /// It was a dead letter, and somebody threw it away.
    Discarded,
}

/// Why a task is dead or cancelled.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskEndCause", skip_serializing_if_is_none)]
pub struct CauseView {
    /// In a word.
    pub why: EndView,
    /// Who cancelled it or threw it away.
    pub by: Option<String>,
    /// Why, in that agent's words.
    pub reason: Option<String>,
    /// The other task that brought it about.
    pub task: Option<String>,
}

impl CauseView {
    const fn plain(why: EndView) -> Self {
        Self { why, by: None, reason: None, task: None }
    }
}

impl From<DeathCause> for CauseView {
    fn from(cause: DeathCause) -> Self {
        match cause {
            DeathCause::AttemptsUsedUp => Self::plain(EndView::AttemptsUsedUp),
            DeathCause::NotRetryable => Self::plain(EndView::NotRetryable),
        }
    }
}

impl From<CancelCause> for CauseView {
    fn from(cause: CancelCause) -> Self {
        match cause {
            CancelCause::Asked(request) => Self {
                by: Some(request.by.into()),
                reason: request.reason.map(Into::into),
                ..Self::plain(EndView::Asked)
            },
            CancelCause::Dependency { task, with_dependents: _ } => {
                Self { task: Some(task.to_string()), ..Self::plain(EndView::Dependency) }
            }
            CancelCause::Discarded { by } => Self { by: Some(by.into()), ..Self::plain(EndView::Discarded) },
        }
    }
}

/// A task, without what only its agent reads.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Task", skip_serializing_if_is_none)]
pub struct TaskView {
    /// Its id.
    pub id: String,
    /// Its kind.
    #[oai(rename = "type")]
    pub task_type: String,
    /// In one line.
    pub title: String,
    /// What it is in.
    pub status: StatusView,
    /// How urgent it is: 1 goes first, 10 last.
    pub priority: u8,
    /// Its marks.
    pub labels: Vec<String>,
    /// Who submitted it, as proved by the key.
    pub submitted_by: String,
    /// When it was submitted.
    pub submitted_at: DateTime<Utc>,
    /// It is not to be claimed before.
    pub not_before: Option<DateTime<Utc>>,
    /// It is to be finished before.
    pub deadline: Option<DateTime<Utc>>,
    /// How many times it was claimed; also the number of the latest attempt.
    pub attempts_made: u32,
    /// How many times it may be claimed in all. Rises when an attempt is handed back unharmed, and on a retry by hand.
    pub attempts_allowed: u32,
    /// The task it is a part of.
    pub parent: Option<String>,
    /// How many of its key may run at a time.
    pub concurrency: Option<ConcurrencyView>,
    /// What it asks of the agent; absent if nothing.
    pub requires: Option<RequiresView>,
    /// The locks it is done under; absent if none.
    pub resources: Option<Vec<ResourceView>>,
    /// What becomes of it when one it depends on fails.
    pub on_dependency_failure: OnDependencyFailureView,
    /// The claim it is under, when it is `leased`.
    pub lease: Option<TaskLeaseView>,
    /// How many it waits for, when it is `blocked`.
    pub pending: Option<u32>,
    /// When it may be claimed, when it is `scheduled` or `failed`.
    pub until: Option<DateTime<Utc>>,
    /// Why it waits until then.
    pub delay: Option<DelayView>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it is dead or cancelled.
    pub cause: Option<CauseView>,
}

impl TaskView {
    /// A task and its title, which is loaded apart.
    pub fn new(task: &Task, title: Title) -> Self {
        let terms = &task.terms;
        let view = Self {
            id: task.id.to_string(),
            task_type: terms.task_type.to_string(),
            title: title.into(),
            status: task.status().into(),
            priority: task.priority.number(),
            labels: terms.labels.iter().map(ToString::to_string).collect(),
            submitted_by: terms.submitted_by.to_string(),
            submitted_at: terms.submitted_at,
            not_before: task.not_before,
            deadline: task.deadline,
            attempts_made: task.attempts_made,
            attempts_allowed: task.attempts_allowed,
            parent: terms.parent.map(|parent| parent.to_string()),
            concurrency: terms.concurrency.as_ref().map(Into::into),
            requires: (terms.requires != Requires::default()).then(|| (&terms.requires).into()),
            resources: terms.resources.as_ref().map(ResourceView::all),
            on_dependency_failure: terms.on_dependency_failure.into(),
            lease: None,
            pending: None,
            until: None,
            delay: None,
            ended_at: None,
            cause: None,
        };
        match &task.state {
            TaskState::Ready { since: _ } => view,
            TaskState::Scheduled { until, delay } => Self { until: Some(*until), delay: Some((*delay).into()), ..view },
            TaskState::Blocked { pending } => Self { pending: Some(*pending), ..view },
            TaskState::Leased(lease) => Self { lease: Some(lease.into()), ..view },
            TaskState::Succeeded { at } | TaskState::Expired { at } => Self { ended_at: Some(*at), ..view },
            TaskState::Dead { at, cause } => Self { ended_at: Some(*at), cause: Some((*cause).into()), ..view },
            TaskState::Cancelled { at, cause } => {
                Self { ended_at: Some(*at), cause: Some(cause.clone().into()), ..view }
            }
        }
    }
}
