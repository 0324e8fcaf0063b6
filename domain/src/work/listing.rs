//! Lists and counts of tasks.

use crate::ids::{AgentId, TaskId};
use crate::work::name::{Label, TaskType};
use crate::work::task::{Status, Task};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which tasks to list; `None` and an empty set mean any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// In one of these.
    pub statuses: BTreeSet<Status>,
    /// Of this kind.
    pub task_type: Option<TaskType>,
    /// With this label.
    pub label: Option<Label>,
    /// Submitted by this agent.
    pub submitted_by: Option<AgentId>,
    /// Being worked on by this agent.
    pub held_by: Option<AgentId>,
    /// Part of this task.
    pub parent: Option<TaskId>,
}

impl TaskFilter {
    /// Dead letters.
    pub fn dead_letters() -> Self {
        Self { statuses: BTreeSet::from([Status::Dead]), ..Self::default() }
    }

    /// Whether a task passes.
    pub fn accepts(&self, task: &Task) -> bool {
        let holder = task.lease().map(|lease| &lease.holder.agent);
        (self.statuses.is_empty() || self.statuses.contains(&task.status()))
            && self.task_type.as_ref().is_none_or(|wanted| *wanted == task.terms.task_type)
            && self.label.as_ref().is_none_or(|label| task.terms.labels.have(label))
            && self.submitted_by.as_ref().is_none_or(|agent| *agent == task.terms.submitted_by)
            && self.held_by.as_ref().is_none_or(|agent| Some(agent) == holder)
            && self.parent.is_none_or(|parent| Some(parent) == task.terms.parent)
    }
}

/// Where a listing of tasks goes on: strictly older than this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCursor {
    /// When the last task shown was submitted.
    pub submitted_at: DateTime<Utc>,
    /// Its id.
    pub id: TaskId,
}

impl TaskCursor {
    /// After this task.
    pub fn after(task: &Task) -> Self {
        Self { submitted_at: task.terms.submitted_at, id: task.id }
    }
}

/// How many tasks of a kind are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCount {
    /// The kind.
    pub task_type: TaskType,
    /// The state.
    pub status: Status,
    /// How many.
    pub tasks: u64,
}

/// How many attempts of a task are shown.
pub const ATTEMPTS_ROWS_MAX: u32 = 500;
