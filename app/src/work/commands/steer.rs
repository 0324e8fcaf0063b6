//! What others do to tasks. Whoever submitted a task may steer it; for those of others it takes a higher role.

use super::{content, ruling};
use crate::executor::{Defect, HotCommand, Ruling, Tables, Touches, Who, WorkTouches};
use crate::refusal::Refusal;
use chrono::{DateTime, Utc};
use domain::identity::principal::{Action, Denial, authorize};
use domain::ids::{AgentId, TaskId};
use domain::locks::lease::Reason;
use domain::work::rank::Priority;
use domain::work::refusal::WorkRefusal;
use domain::work::table::{Cancel, CancelOutcome, WorkTable};
use domain::work::task::Task;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Steers a task.
#[derive(Debug, Clone, Serialize)]
pub struct Steer<T> {
    /// Which.
    pub task: TaskId,
    /// How.
    #[serde(flatten)]
    pub turn: T,
}

/// A way to steer a task.
pub trait Turn: Serialize + Send + Sync + 'static {
    /// The operation in the audit log.
    const OPERATION: &'static str;
    /// Whether it may end the task or bring it back, which those that depend on it have to know.
    const ENDS_OR_REVIVES: bool = false;
    /// What comes of it.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// Decides.
    fn apply(&self, work: &mut WorkTable, task: TaskId, by: &AgentId) -> Result<Self::Answer, WorkRefusal>;
}

impl<T: Turn> HotCommand for Steer<T> {
    const OPERATION: &'static str = T::OPERATION;
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = T::Answer;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        let named = vec![self.task];
        let work = if T::ENDS_OR_REVIVES {
            WorkTouches { ending: named, ..WorkTouches::default() }
        } else {
            WorkTouches { tasks: named, ..WorkTouches::default() }
        };
        Touches { work, ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        if let Err(denial) = may_steer(tables, who, self.task) {
            return Ok(Ruling::of(Err::<T::Answer, Refusal>(denial.into())));
        }
        ruling(self.turn.apply(&mut tables.work, self.task, &who.call.principal.agent))
    }
}

/// Whether the caller may steer a task; one that is not there is another refusal's matter.
fn may_steer(tables: &Tables, who: &Who<'_>, task: TaskId) -> Result<(), Denial> {
    let principal = &who.call.principal;
    let is_own = tables.work.task(task).is_none_or(|task| task.terms.submitted_by == principal.agent);
    if is_own { Ok(()) } else { authorize(principal, Action::SteerWork) }
}

/// Cancels a task.
#[derive(Debug, Clone, Serialize)]
pub struct CancelTask {
    /// Why.
    pub reason: Option<Reason>,
    /// Whether all that depends on it is cancelled too.
    pub with_dependents: bool,
}

impl Turn for CancelTask {
    const OPERATION: &'static str = "task.cancel";
    const ENDS_OR_REVIVES: bool = true;
    type Answer = CancelOutcome;

    fn apply(&self, work: &mut WorkTable, task: TaskId, by: &AgentId) -> Result<CancelOutcome, WorkRefusal> {
        let (by, reason) = (by.clone(), self.reason.clone());
        work.cancel(task, Cancel { by, reason, with_dependents: self.with_dependents })
    }
}

/// Puts a task off, or brings it forward to now.
#[derive(Debug, Clone, Serialize)]
pub struct Reschedule {
    /// Not to be claimed before; `None` for now.
    pub not_before: Option<DateTime<Utc>>,
}

impl Turn for Reschedule {
    const OPERATION: &'static str = "task.reschedule";
    type Answer = Task;

    fn apply(&self, work: &mut WorkTable, task: TaskId, _by: &AgentId) -> Result<Task, WorkRefusal> {
        work.reschedule(task, self.not_before)
    }
}

/// Changes how urgent a task is.
#[derive(Debug, Clone, Serialize)]
pub struct Reprioritize {
    /// How urgent.
    pub priority: Priority,
}

impl Turn for Reprioritize {
    const OPERATION: &'static str = "task.reprioritize";
    type Answer = Task;

    fn apply(&self, work: &mut WorkTable, task: TaskId, _by: &AgentId) -> Result<Task, WorkRefusal> {
        work.reprioritize(task, self.priority)
    }
}

/// Tries a dead letter again.
#[derive(Debug, Clone, Serialize)]
pub struct Retry {}

impl Turn for Retry {
    const OPERATION: &'static str = "task.retry";
    const ENDS_OR_REVIVES: bool = true;
    type Answer = Task;

    fn apply(&self, work: &mut WorkTable, task: TaskId, _by: &AgentId) -> Result<Task, WorkRefusal> {
        work.retry(task)
    }
}

/// Throws a dead letter away.
#[derive(Debug, Clone, Serialize)]
pub struct Discard {}

impl Turn for Discard {
    const OPERATION: &'static str = "task.discard";
    type Answer = Task;

    fn apply(&self, work: &mut WorkTable, task: TaskId, by: &AgentId) -> Result<Task, WorkRefusal> {
        work.discard(task, by.clone())
    }
}
