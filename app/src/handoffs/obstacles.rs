//! What stands in the way of a handoff, and what stays where it is, as answers and refusals tell it.

use chrono::{DateTime, Utc};
use domain::handoffs::{Named, NotMoved, Stays};
use domain::locks::lease::Holder;
use poem_openapi::{Enum, Object};

/// Why something stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "StaysWhy", rename_all = "snake_case")]
pub enum StaysWhyView {
    /// Nothing is known under the token.
    Unknown,
    /// It is not held under the token any more.
    Ended,
    /// Another session has it.
    WithOther,
    /// It was locked for a task, and goes over only with that.
    OfTask,
    /// The taker has locked the same key already.
    TakerHolds,
    /// The giver keeps something that overlaps it: both must go together.
    Tied,
    /// The taker lacks what the task requires.
    TakerLacks,
}

/// A lock or a task that stays where it is.
#[derive(Debug, Clone, Object)]
#[oai(rename = "NotMoved", skip_serializing_if_is_none)]
pub struct NotMovedView {
    /// The task, if it is one; a lock otherwise.
    pub task_id: Option<String>,
    /// The token it was named by.
    pub token: i64,
    /// Why.
    pub why: StaysWhyView,
    /// Why, in words.
    pub detail: String,
}

impl From<NotMoved> for NotMovedView {
    fn from(NotMoved { named, stays }: NotMoved) -> Self {
        let (task_id, token) = match named {
            Named::Lock { token } => (None, token),
            Named::Task { task, token } => (Some(task.to_string()), token),
        };
        let why = match &stays {
            Stays::Unknown => StaysWhyView::Unknown,
            Stays::Ended => StaysWhyView::Ended,
            Stays::WithOther { .. } => StaysWhyView::WithOther,
            Stays::OfTask { .. } => StaysWhyView::OfTask,
            Stays::TakerHolds { .. } => StaysWhyView::TakerHolds,
            Stays::Tied { .. } => StaysWhyView::Tied,
            Stays::TakerLacks { .. } => StaysWhyView::TakerLacks,
        };
        Self { task_id, token: token.value(), why, detail: stays.to_string() }
    }
}

/// Who took a handoff.
#[derive(Debug, Clone, Object)]
#[oai(rename = "HandoffTaker")]
pub struct TakerView {
    /// The agent.
    pub agent: String,
    /// In which of its sessions.
    pub session: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl TakerView {
    /// Who, and since when.
    pub fn new(Holder { agent, session }: Holder, at: DateTime<Utc>) -> Self {
        Self { agent: agent.into(), session: session.into(), at }
    }
}
