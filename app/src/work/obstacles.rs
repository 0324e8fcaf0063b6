//! What stands in the way of a caller, as refusals about tasks tell it.

use crate::http::problem::FieldError;
use crate::work::attempts::views::AttemptView;
use crate::work::views::StatusView;
use chrono::{DateTime, Utc};
use domain::work::refusal::{FaultAt, Has, StaleClaim, SubmissionFault};
use poem_openapi::Object;

/// Who has a task.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskHolder")]
pub struct HasView {
    /// The agent.
    pub agent: String,
    /// In which of its sessions.
    pub session: String,
    /// Under which token.
    pub token: i64,
    /// Until when, unless it is heard from.
    pub until: DateTime<Utc>,
}

impl From<Has> for HasView {
    fn from(Has { holder, token, until }: Has) -> Self {
        Self { agent: holder.agent.into(), session: holder.session.into(), token: token.value(), until }
    }
}

/// A claim that stands for nothing any more.
#[derive(Debug, Clone, Object)]
#[oai(rename = "StaleClaim", skip_serializing_if_is_none)]
pub struct StaleClaimView {
    /// The task.
    pub task_id: String,
    /// The token that was presented.
    pub token: i64,
    /// The attempt it stood for, and how that ended.
    pub attempt: AttemptView,
    /// What the task is in now.
    pub status: StatusView,
    /// Who has it now.
    pub now_with: Option<HasView>,
}

impl From<StaleClaim> for StaleClaimView {
    fn from(StaleClaim { task, token, attempt, status, now_with }: StaleClaim) -> Self {
        Self {
            task_id: task.to_string(),
            token: token.value(),
            attempt: attempt.into(),
            status: status.into(),
            now_with: now_with.map(Into::into),
        }
    }
}

/// The faults of a submission, field by field.
pub fn faults(faults: Vec<FaultAt>) -> Vec<FieldError> {
    let error = |FaultAt { index, fault }: FaultAt| FieldError {
        field: format!("tasks[{index}]{}", field(&fault)),
        reason: fault.to_string(),
    };
    faults.into_iter().map(error).collect()
}

const fn field(fault: &SubmissionFault) -> &'static str {
    match fault {
        SubmissionFault::NameTaken { .. } => ".name",
        SubmissionFault::UnknownDependency { .. }
        | SubmissionFault::TooManyDependents { .. }
        | SubmissionFault::DependencyRefused { .. }
        | SubmissionFault::Cycle { .. } => ".depends_on",
        SubmissionFault::UnknownParent { .. } | SubmissionFault::ParentCycle { .. } => ".parent",
        SubmissionFault::DeadlineTooEarly { .. } => ".deadline",
        SubmissionFault::TooFarAhead { .. } => "",
    }
}
