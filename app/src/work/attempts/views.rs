//! What attempts that are over look like on the wire.

use crate::work::views::StatusView;
use chrono::{DateTime, Utc};
use domain::work::attempt::{Attempt, AttemptEnd};
use domain::work::content::Payload;
use poem_openapi::types::Any;
use poem_openapi::{Enum, Object};
use serde_json::Value;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "AttemptEnd", rename_all = "snake_case")]
pub enum AttemptEndView {
    /// The work was done.
    Succeeded,
    /// The agent said that it failed.
    Failed,
    /// The agent handed it back unharmed.
    Released,
    /// The agent put it off.
    Snoozed,
    /// The agent handed it over: it goes on under the same number and a greater token.
    HandedOver,
    /// Nothing was heard in time.
    Lapsed,
    /// The session it was made in was ended in good order.
    SessionClosed,
    /// The session it was made in died.
    SessionDied,
}

/// An attempt that is over.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Attempt", skip_serializing_if_is_none)]
pub struct AttemptView {
    /// The task.
    pub task_id: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The fencing token it was made under.
    pub token: i64,
    /// The agent that made it.
    pub agent: String,
    /// In which of its sessions.
    pub session: String,
    /// When it began.
    pub since: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How it ended.
    pub how: AttemptEndView,
    /// What came of it, if it succeeded with a result.
    pub result: Option<Any<Value>>,
    /// What went wrong, if it failed.
    pub error: Option<String>,
    /// Whether another attempt may mend that.
    pub retryable: Option<bool>,
    /// Why it was handed back.
    pub reason: Option<String>,
    /// The agent it was handed over to.
    pub handed_to: Option<String>,
    /// The handoff it went over with.
    pub handoff_id: Option<String>,
    /// Until when it was put off.
    pub snoozed_until: Option<DateTime<Utc>>,
    /// What the task was in afterwards.
    pub status_after: StatusView,
    /// When the task could be claimed again, if it had to wait for an instant.
    pub next_at: Option<DateTime<Utc>>,
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let Attempt { task, number, token, holder, since, ended_at, end, left, next_at } = attempt;
        let view = Self {
            task_id: task.to_string(),
            attempt: number,
            token: token.value(),
            agent: holder.agent.into(),
            session: holder.session.into(),
            since,
            ended_at,
            how: AttemptEndView::Lapsed,
            result: None,
            error: None,
            retryable: None,
            reason: None,
            handed_to: None,
            handoff_id: None,
            snoozed_until: None,
            status_after: left.into(),
            next_at,
        };
        match end {
            AttemptEnd::Succeeded { result } => {
                let result = result.map(Payload::into).map(Any);
                Self { how: AttemptEndView::Succeeded, result, ..view }
            }
            AttemptEnd::Failed { error, retryable } => {
                Self { how: AttemptEndView::Failed, error: Some(error.into()), retryable: Some(retryable), ..view }
            }
            AttemptEnd::Released { reason } => {
                Self { how: AttemptEndView::Released, reason: reason.map(Into::into), ..view }
            }
            AttemptEnd::Snoozed { until } => Self { how: AttemptEndView::Snoozed, snoozed_until: Some(until), ..view },
            AttemptEnd::HandedOver { to, handoff } => Self {
                how: AttemptEndView::HandedOver,
                handed_to: Some(to.agent.into()),
                handoff_id: Some(handoff.into()),
                ..view
            },
            AttemptEnd::Lapsed => Self { how: AttemptEndView::Lapsed, ..view },
            AttemptEnd::SessionClosed => Self { how: AttemptEndView::SessionClosed, ..view },
            AttemptEnd::SessionDied => Self { how: AttemptEndView::SessionDied, ..view },
        }
    }
}
