//! Why a command on tasks was refused.

use crate::ids::{AgentId, SessionId, TaskId};
use crate::locks::lease::{Holder, Token};
use crate::locks::refusal::LockRefusal;
use crate::work::attempt::Attempt;
use crate::work::name::LocalName;
use crate::work::rank::AHEAD_DAYS_MAX;
use crate::work::submission::{Dependencies, TaskRef};
use crate::work::task::Status;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why one task of a call cannot be submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum SubmissionFault {
    /// Two tasks of the call have one name.
    #[error("another task of this call is called `{name}` too")]
    NameTaken {
        /// The name.
        name: LocalName,
    },
    /// It depends on something that is not there.
    #[error("it depends on `{on}`, which does not exist")]
    UnknownDependency {
        /// What.
        on: TaskRef,
    },
    /// It is part of something that is not there.
    #[error("it is part of `{parent}`, which does not exist")]
    UnknownParent {
        /// What.
        parent: TaskRef,
    },
    /// It depends on itself, directly or through others.
    #[error("it depends on itself: {}", circle(cycle))]
    Cycle {
        /// The circle: each depends on the next, the last on the first.
        cycle: Vec<LocalName>,
    },
    /// It is part of itself, directly or through others.
    #[error("it is part of itself: {}", circle(cycle))]
    ParentCycle {
        /// The circle: each is part of the next, the last of the first.
        cycle: Vec<LocalName>,
    },
    /// Something it depends on was refused.
    #[error("`{name}`, which it depends on or is part of, was refused")]
    DependencyRefused {
        /// What.
        name: LocalName,
    },
    /// Too many depend on one task.
    #[error("{} tasks depend on {on} already", Dependencies::DEPENDENTS_MAX)]
    TooManyDependents {
        /// The task.
        on: TaskRef,
    },
    /// The deadline has come already, or comes before the task can be claimed.
    #[error("`deadline` must be in the future and after `not_before`")]
    DeadlineTooEarly {
        /// The deadline.
        deadline: DateTime<Utc>,
    },
    /// A time is too far ahead.
    #[error("times may be at most {AHEAD_DAYS_MAX} days ahead")]
    TooFarAhead {
        /// The time.
        at: DateTime<Utc>,
    },
}

fn circle(names: &[LocalName]) -> String {
    let first = names.first().map(LocalName::as_str).unwrap_or_default();
    let mut text = String::new();
    for name in names {
        text.push_str(name.as_str());
        text.push_str(" → ");
    }
    text.push_str(first);
    text
}

/// A fault, and the task of the call that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultAt {
    /// The position in the call, from 0.
    pub index: usize,
    /// What is wrong.
    pub fault: SubmissionFault,
}

/// A token that stands for nothing any more, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StaleClaim {
    /// The task.
    pub task: TaskId,
    /// The token that was presented.
    pub token: Token,
    /// The attempt it stood for and how that ended.
    pub attempt: Attempt,
    /// What the task is in now.
    pub status: Status,
    /// Who has it now, under which token and until when.
    pub now_with: Option<Has>,
}

/// Who has a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Has {
    /// Who.
    pub holder: Holder,
    /// Under which token.
    pub token: Token,
    /// Until when, unless it is heard from.
    pub until: DateTime<Utc>,
}

/// Why a command on tasks changed nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum WorkRefusal {
    /// Tasks of a call cannot be submitted.
    #[error("{} of the tasks cannot be submitted", faults.len())]
    Submission {
        /// Each of them.
        faults: Vec<FaultAt>,
    },
    /// There is no such task in the project.
    #[error("there is no task {task} in this project")]
    UnknownTask {
        /// The task that was named.
        task: TaskId,
    },
    /// The attempt of the token is over.
    #[error("token {} of task {} stands for nothing any more", claim.token.value(), claim.task)]
    Stale {
        /// What became of it, and who has the task now.
        claim: Box<StaleClaim>,
    },
    /// The claim belongs to another session.
    #[error("task {task} is with session `{session}` of `{agent}`")]
    NotHolder {
        /// The task.
        task: TaskId,
        /// The agent that has it.
        agent: AgentId,
        /// Its session.
        session: SessionId,
    },
    /// The task was never claimed under the token, or it ended long ago.
    #[error("token {} is not known for task {task}", token.value())]
    UnknownToken {
        /// The task.
        task: TaskId,
        /// The token that was presented.
        token: Token,
    },
    /// The task has ended, in another way than asked for.
    #[error("task {task} is {} already", status.as_str())]
    Ended {
        /// The task.
        task: TaskId,
        /// How it ended.
        status: Status,
    },
    /// Somebody works on the task.
    #[error("somebody is working on task {task}: cancel it, or wait")]
    Running {
        /// The task.
        task: TaskId,
        /// Who.
        with: Has,
    },
    /// The task is not a dead letter.
    #[error("task {task} is {}, not dead", status.as_str())]
    NotDead {
        /// The task.
        task: TaskId,
        /// What it is in.
        status: Status,
    },
    /// The deadline of the task has come.
    #[error("the deadline of task {task} was {deadline}")]
    PastDeadline {
        /// The task.
        task: TaskId,
        /// Its deadline.
        deadline: DateTime<Utc>,
    },
    /// A time that must be ahead is not, or is too far ahead.
    #[error("`{at}` must be in the future and at most {AHEAD_DAYS_MAX} days ahead")]
    OutOfReach {
        /// The time.
        at: DateTime<Utc>,
    },
    /// The locks could not be decided on.
    #[error(transparent)]
    Locks(#[from] LockRefusal),
    /// What the decision rests on was not loaded: a fault of the server, not of the caller.
    #[error("the decision on task {task} was not prepared")]
    NotPrepared {
        /// The task.
        task: TaskId,
    },
}
