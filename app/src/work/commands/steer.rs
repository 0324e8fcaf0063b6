//! What others do to tasks. Whoever submitted a task may steer it; for those of others it takes a higher role.

use super::{content, ruling};
use crate::executor::{Defect, HotCommand, Ruling, Tables, Touches, Who, WorkTouches};
use crate::refusal::Refusal;
use chrono::{DateTime, Utc};
use domain::identity::principal::{Action, Denial, authorize};
use domain::ids::TaskId;
use domain::locks::lease::Reason;
use domain::work::rank::Priority;
use domain::work::table::{Cancel, CancelOutcome};
use domain::work::task::Task;
use serde::Serialize;
use serde_json::Value;

fn ending(task: TaskId) -> Touches {
    Touches { work: WorkTouches { ending: vec![task], ..WorkTouches::default() }, ..Touches::default() }
}

fn named(task: TaskId) -> Touches {
    Touches { work: WorkTouches { tasks: vec![task], ..WorkTouches::default() }, ..Touches::default() }
}

/// Whether the caller may steer a task; one that is not there is another refusal's matter.
fn may_steer(tables: &Tables, who: &Who<'_>, task: TaskId) -> Result<(), Denial> {
    let principal = &who.call.principal;
    let is_own = tables.work.task(task).is_none_or(|task| task.terms.submitted_by == principal.agent);
    if is_own { Ok(()) } else { authorize(principal, Action::SteerWork) }
}

fn denied<T>(denial: Denial) -> Ruling<T> {
    Ruling::of(Err::<T, Refusal>(denial.into()))
}

/// Cancels a task.
#[derive(Debug, Clone, Serialize)]
pub struct CancelTask {
    /// Which.
    pub task: TaskId,
    /// Why.
    pub reason: Option<Reason>,
    /// Whether all that depends on it is cancelled too.
    pub with_dependents: bool,
}

impl HotCommand for CancelTask {
    const OPERATION: &'static str = "task.cancel";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = CancelOutcome;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        ending(self.task)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        if let Err(denial) = may_steer(tables, who, self.task) {
            return Ok(denied(denial));
        }
        let by = who.call.principal.agent.clone();
        let cancel = Cancel { by, reason: self.reason.clone(), with_dependents: self.with_dependents };
        ruling(tables.work.cancel(self.task, cancel))
    }
}

/// Puts a task off, or brings it forward to now.
#[derive(Debug, Clone, Serialize)]
pub struct Reschedule {
    /// Which.
    pub task: TaskId,
    /// Not to be claimed before; `None` for now.
    pub not_before: Option<DateTime<Utc>>,
}

impl HotCommand for Reschedule {
    const OPERATION: &'static str = "task.reschedule";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Task;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        named(self.task)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        if let Err(denial) = may_steer(tables, who, self.task) {
            return Ok(denied(denial));
        }
        ruling(tables.work.reschedule(self.task, self.not_before))
    }
}

/// Changes how urgent a task is.
#[derive(Debug, Clone, Serialize)]
pub struct Reprioritize {
    /// Which.
    pub task: TaskId,
    /// How urgent.
    pub priority: Priority,
}

impl HotCommand for Reprioritize {
    const OPERATION: &'static str = "task.reprioritize";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Task;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        named(self.task)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        if let Err(denial) = may_steer(tables, who, self.task) {
            return Ok(denied(denial));
        }
        ruling(tables.work.reprioritize(self.task, self.priority))
    }
}

/// Tries a dead letter again.
#[derive(Debug, Clone, Serialize)]
pub struct Retry {
    /// Which.
    pub task: TaskId,
}

impl HotCommand for Retry {
    const OPERATION: &'static str = "task.retry";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Task;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        ending(self.task)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        if let Err(denial) = may_steer(tables, who, self.task) {
            return Ok(denied(denial));
        }
        ruling(tables.work.retry(self.task))
    }
}

/// Throws a dead letter away.
#[derive(Debug, Clone, Serialize)]
pub struct Discard {
    /// Which.
    pub task: TaskId,
}

impl HotCommand for Discard {
    const OPERATION: &'static str = "task.discard";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Task;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        named(self.task)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        if let Err(denial) = may_steer(tables, who, self.task) {
            return Ok(denied(denial));
        }
        ruling(tables.work.discard(self.task, who.call.principal.agent.clone()))
    }
}
