//! Handing tasks in.

use super::ruling;
use crate::executor::{Defect, HotCommand, Ruling, Tables, Touches, Who, WorkTouches};
use domain::identity::principal::Action;
use domain::work::refusal::SubmissionFault;
use domain::work::submission::Submit;
use domain::work::task::Task;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Hands tasks in.
#[derive(Debug, Clone)]
pub struct SubmitTasks {
    /// What the caller asked for, before ids were drawn.
    pub content: Value,
    /// The tasks.
    pub submit: Submit,
}

/// What became of one task of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submitted {
    /// It is there.
    Task(Box<Task>),
    /// It could not be submitted.
    Refused(SubmissionFault),
}

impl HotCommand for SubmitTasks {
    const OPERATION: &'static str = "task.submit";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Vec<Submitted>;

    fn content(&self) -> Value {
        self.content.clone()
    }

    fn target(&self) -> String {
        format!("{} tasks", self.submit.items().len())
    }

    fn touches(&self) -> Touches {
        let depended_on = self.submit.known().into_iter().collect();
        let lock_keys = self.submit.lock_keys().cloned().collect();
        Touches { work: WorkTouches { depended_on, lock_keys, ..WorkTouches::default() }, ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, _who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let submitted = tables.work.submit(&self.submit).map(|answers| {
            answers
                .into_iter()
                .map(|answer| match answer {
                    Ok(task) => Submitted::Task(Box::new(task)),
                    Err(fault) => Submitted::Refused(fault),
                })
                .collect()
        });
        ruling(submitted)
    }
}
