//! What answers about tasks look like on the wire.

use crate::locks::obstacles::ConflictView;
use crate::work::attempts::views::AttemptView;
use crate::work::look::queries::TaskDetail;
use crate::work::obstacles::HasView;
use crate::work::views::{DelayView, RequiresView, StatusView, TaskView};
use chrono::{DateTime, Utc};
use domain::work::content::Payload;
use domain::work::listing::StatusCount;
use domain::work::requires::Lack;
use domain::work::why::{DependencyState, KeyHolder, Why};
use poem_openapi::types::Any;
use poem_openapi::{Enum, Object};
use serde_json::Value;

/// How many holders of a concurrency key are shown.
const HOLDERS_SHOWN: usize = 100;

/// A page of tasks.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskPage", skip_serializing_if_is_none)]
pub struct TaskPageView {
    /// At most the asked number, newest first.
    pub tasks: Vec<TaskView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// How many tasks of a kind are in a state.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskCount")]
pub struct CountView {
    /// The kind.
    #[oai(rename = "type")]
    pub task_type: String,
    /// The state.
    pub status: StatusView,
    /// How many.
    pub tasks: u64,
}

impl From<StatusCount> for CountView {
    fn from(StatusCount { task_type, status, tasks }: StatusCount) -> Self {
        Self { task_type: task_type.into(), status: status.into(), tasks }
    }
}

/// How many tasks of each kind are in each state.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskCounts")]
pub struct CountsView {
    /// Each of them; what there is none of is left out.
    pub counts: Vec<CountView>,
}

/// A task with everything that is written about it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskDetail", skip_serializing_if_is_none)]
pub struct TaskDetailView {
    /// The task.
    pub task: TaskView,
    /// What is to be done, at length.
    pub description: Option<String>,
    /// What the agent needs to know.
    pub input: Option<Any<Value>>,
    /// What came of it, if it succeeded with a result.
    pub result: Option<Any<Value>>,
    /// The tasks it depends on.
    pub depends_on: Vec<String>,
    /// How long a claim lasts without a heartbeat, in seconds.
    pub lease_seconds: u32,
    /// How long it rests at most after the first failure, in seconds.
    pub backoff_first_seconds: u32,
    /// How long it rests at most after any failure, in seconds.
    pub backoff_cap_seconds: u32,
}

impl From<TaskDetail> for TaskDetailView {
    fn from(TaskDetail { task, content, result, depends_on }: TaskDetail) -> Self {
        Self {
            lease_seconds: task.terms.lease.seconds(),
            backoff_first_seconds: task.terms.retry.backoff_first_seconds(),
            backoff_cap_seconds: task.terms.retry.backoff_cap_seconds(),
            task: TaskView::new(&task, content.title),
            description: content.description.map(Into::into),
            input: content.input.map(Payload::into).map(Any),
            result: result.map(Payload::into).map(Any),
            depends_on: depends_on.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The past attempts of a task.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Attempts")]
pub struct AttemptsView {
    /// At most 500, newest first.
    pub attempts: Vec<AttemptView>,
}

/// What keeps a task from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "WhyReason", rename_all = "snake_case")]
pub enum ReasonView {
    /// Nothing: it is running.
    Running,
    /// It has ended.
    Ended,
    /// Tasks it depends on are not finished.
    UnfinishedDependencies,
    /// Tasks it depends on ended without success, and it was submitted to wait for them all the same.
    FailedDependencies,
    /// It may not be claimed yet.
    NotBefore,
    /// Locks it needs cannot be had.
    ResourcesHeld,
    /// No agent that lives may have it.
    NoAgent,
    /// As many of its key run as may.
    ConcurrencyLimit,
    /// It stands in line.
    InLine,
}

/// A task that another waits for.
#[derive(Debug, Clone, Object)]
#[oai(rename = "DependencyState")]
pub struct DependencyStateView {
    /// The task.
    pub task_id: String,
    /// What it is in.
    pub status: StatusView,
}

impl From<DependencyState> for DependencyStateView {
    fn from(DependencyState { task, status }: DependencyState) -> Self {
        Self { task_id: task.to_string(), status: status.into() }
    }
}

/// A task that runs under a concurrency key.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ConcurrencyHolder")]
pub struct KeyHolderView {
    /// The task.
    pub task_id: String,
    /// Who has it.
    pub held_by: HasView,
}

impl From<KeyHolder> for KeyHolderView {
    fn from(KeyHolder { task, with }: KeyHolder) -> Self {
        Self { task_id: task.to_string(), held_by: with.into() }
    }
}

/// One reason why a task is not running. Which members there are depends on `reason`.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Why", skip_serializing_if_is_none)]
pub struct WhyView {
    /// In a word.
    pub reason: ReasonView,
    /// In a sentence.
    pub detail: String,
    /// Who has it, when it is `running`.
    pub held_by: Option<HasView>,
    /// How it `ended`.
    pub status: Option<StatusView>,
    /// The tasks it waits for.
    pub dependencies: Option<Vec<DependencyStateView>>,
    /// When it may be claimed.
    pub until: Option<DateTime<Utc>>,
    /// Why it waits until then.
    pub delay: Option<DelayView>,
    /// Which locks cannot be had, and who stands in the way.
    pub conflicts: Option<Vec<ConflictView>>,
    /// What it asks of the agent.
    pub requires: Option<RequiresView>,
    /// How many sessions live.
    pub live_sessions: Option<u64>,
    /// What the one that comes nearest lacks.
    pub nearest_lacks: Option<Vec<String>>,
    /// The concurrency key.
    pub key: Option<String>,
    /// How many of that key may run.
    pub limit: Option<u32>,
    /// How many of that key run.
    pub running: Option<u64>,
    /// Those that run, at most 100, and who has them.
    pub holders: Option<Vec<KeyHolderView>>,
    /// How many that can be claimed stand before it.
    pub ahead: Option<u64>,
    /// Its priority: 1 goes first, 10 last.
    pub priority: Option<u8>,
    /// How many steps of priority its wait has been worth so far.
    pub aging_boost: Option<f64>,
    /// How much waiting one step is worth, in seconds.
    pub aging_step_seconds: Option<i64>,
    /// Since when it can be claimed.
    pub since: Option<DateTime<Utc>>,
}

/// Why a task is not running.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WhyNot")]
pub struct ExplainedView {
    /// The task.
    pub task_id: String,
    /// What it is in.
    pub status: StatusView,
    /// Every reason there is, the one that has to go away first coming first.
    pub reasons: Vec<WhyView>,
}

fn plain(reason: ReasonView, detail: String) -> WhyView {
    WhyView {
        reason,
        detail,
        held_by: None,
        status: None,
        dependencies: None,
        until: None,
        delay: None,
        conflicts: None,
        requires: None,
        live_sessions: None,
        nearest_lacks: None,
        key: None,
        limit: None,
        running: None,
        holders: None,
        ahead: None,
        priority: None,
        aging_boost: None,
        aging_step_seconds: None,
        since: None,
    }
}

impl From<Why> for WhyView {
    fn from(why: Why) -> Self {
        let detail = sentence(&why);
        match why {
            Why::Running { with } => Self { held_by: Some(with.into()), ..plain(ReasonView::Running, detail) },
            Why::Ended { status } => Self { status: Some(status.into()), ..plain(ReasonView::Ended, detail) },
            Why::UnfinishedDependencies { dependencies } => Self {
                dependencies: Some(dependencies.into_iter().map(Into::into).collect()),
                ..plain(ReasonView::UnfinishedDependencies, detail)
            },
            Why::FailedDependencies { dependencies } => Self {
                dependencies: Some(dependencies.into_iter().map(Into::into).collect()),
                ..plain(ReasonView::FailedDependencies, detail)
            },
            Why::NotBefore { until, delay } => {
                Self { until: Some(until), delay: Some(delay.into()), ..plain(ReasonView::NotBefore, detail) }
            }
            Why::ResourcesHeld { conflicts } => Self {
                conflicts: Some(conflicts.into_iter().map(Into::into).collect()),
                ..plain(ReasonView::ResourcesHeld, detail)
            },
            Why::NoAgent { requires, live, nearest_lacks } => Self {
                requires: Some((&requires).into()),
                live_sessions: Some(live as u64),
                nearest_lacks: Some(nearest_lacks.iter().map(lacking).collect()),
                ..plain(ReasonView::NoAgent, detail)
            },
            Why::ConcurrencyLimit { key, limit, holders } => Self {
                key: Some(key.into()),
                limit: Some(limit),
                running: Some(holders.len() as u64),
                holders: Some(holders.into_iter().take(HOLDERS_SHOWN).map(Into::into).collect()),
                ..plain(ReasonView::ConcurrencyLimit, detail)
            },
            Why::InLine { ahead, priority, boost_hundredths, aging_step_seconds, since } => Self {
                ahead: Some(ahead),
                priority: Some(priority.number()),
                aging_boost: Some(steps(boost_hundredths)),
                aging_step_seconds: Some(aging_step_seconds),
                since: Some(since),
                ..plain(ReasonView::InLine, detail)
            },
        }
    }
}

fn sentence(why: &Why) -> String {
    match why {
        Why::Running { with } => format!("`{}` works on it until {}", with.holder.agent, with.until),
        Why::Ended { status } => format!("it has ended: {}", status.as_str()),
        Why::UnfinishedDependencies { dependencies } => {
            format!("{} of the tasks it depends on are not finished", dependencies.len())
        }
        Why::FailedDependencies { dependencies } => {
            format!("{} of the tasks it depends on ended without success, and it waits for them", dependencies.len())
        }
        Why::NotBefore { until, .. } => format!("it may not be claimed before {until}"),
        Why::ResourcesHeld { conflicts } => format!("{} obstacles are in the way of its locks", conflicts.len()),
        Why::NoAgent { live: 0, .. } => "no agent lives".to_owned(),
        Why::NoAgent { live, .. } => format!("none of the {live} sessions that live may have it"),
        Why::ConcurrencyLimit { key, limit, .. } => format!("{limit} tasks of `{key}` run, and no more may"),
        Why::InLine { ahead: 0, .. } => "it is the next to be claimed".to_owned(),
        Why::InLine { ahead, .. } => format!("{ahead} tasks that can be claimed stand before it"),
    }
}

fn lacking(lack: &Lack) -> String {
    match lack {
        Lack::Capability(capability) => format!("the capability `{capability}`"),
        Lack::Environment(environment) => format!("the environment `{environment}`"),
        Lack::Trust(trust) => format!("trust {}", trust.level()),
        Lack::AgentType(types) => {
            let types: Vec<String> = types.iter().map(|name| format!("`{name}`")).collect();
            format!("an agent type among {}", types.join(", "))
        }
        Lack::SubmittedIt => "not being the one that submitted it".to_owned(),
    }
}

fn steps(hundredths: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no task waits for the thousands of years it takes")]
    let hundredths = hundredths as f64;
    hundredths / 100.0
}
