//! What an agent says about a task it has.

use super::{content, ruling};
use crate::executor::{Defect, HotCommand, Ruling, Tables, Touches, Who, WorkTouches};
use chrono::{DateTime, Utc};
use domain::identity::principal::Action;
use domain::ids::TaskId;
use domain::locks::lease::{Reason, Token};
use domain::work::content::{Fault, Note, Payload, Progress};
use domain::work::refusal::WorkRefusal;
use domain::work::retry::Chance;
use domain::work::table::{Beat, ClaimRef, Finished};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A word about a claim.
#[derive(Debug, Clone, Serialize)]
pub struct Say<W> {
    /// The task.
    pub task: TaskId,
    /// The token of the claim.
    pub token: Token,
    /// What is said.
    #[serde(flatten)]
    pub word: W,
}

/// What can be said about a claim.
pub trait Word: Serialize + Send + Sync + 'static {
    /// The operation in the audit log.
    const OPERATION: &'static str;
    /// Whether the attempt is over then.
    const ENDS_ATTEMPT: bool = true;
    /// What comes of it.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// Decides.
    fn apply(&self, tables: &mut Tables, claim: &ClaimRef) -> Result<Self::Answer, WorkRefusal>;
}

impl<W: Word> HotCommand for Say<W> {
    const OPERATION: &'static str = W::OPERATION;
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = W::Answer;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        let (named, tokens) = (vec![self.task], vec![self.token]);
        let work = if W::ENDS_ATTEMPT {
            WorkTouches { ending: named, tokens, ..WorkTouches::default() }
        } else {
            WorkTouches { tasks: named, tokens, ..WorkTouches::default() }
        };
        Touches { work, ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let claim = ClaimRef { task: self.task, token: self.token, holder: who.holder()? };
        ruling(self.word.apply(tables, &claim))
    }
}

/// Lets a claim last longer.
#[derive(Debug, Clone, Serialize)]
pub struct Heartbeat {
    /// How far it has come; `None` leaves what was said before.
    pub progress: Option<Progress>,
    /// How it is getting on; `None` leaves what was said before.
    pub note: Option<Note>,
}

impl Word for Heartbeat {
    const OPERATION: &'static str = "task.heartbeat";
    const ENDS_ATTEMPT: bool = false;
    type Answer = Beat;

    fn apply(&self, tables: &mut Tables, claim: &ClaimRef) -> Result<Beat, WorkRefusal> {
        tables.work.heartbeat(&mut tables.locks, claim, self.progress, self.note.clone())
    }
}

/// Says that the work is done.
#[derive(Debug, Clone, Serialize)]
pub struct Complete {
    /// What came of it.
    pub result: Option<Payload>,
}

impl Word for Complete {
    const OPERATION: &'static str = "task.complete";
    type Answer = Finished;

    fn apply(&self, tables: &mut Tables, claim: &ClaimRef) -> Result<Finished, WorkRefusal> {
        tables.work.complete(&mut tables.locks, claim, self.result.clone())
    }
}

/// Says that the attempt went wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Fail {
    /// What went wrong.
    pub error: Fault,
    /// Whether another attempt may mend it.
    #[serde(rename = "retryable")]
    pub is_retryable: bool,
    /// What decides on how long it rests; no part of the request.
    #[serde(skip)]
    pub chance: Chance,
}

impl Word for Fail {
    const OPERATION: &'static str = "task.fail";
    type Answer = Finished;

    fn apply(&self, tables: &mut Tables, claim: &ClaimRef) -> Result<Finished, WorkRefusal> {
        tables.work.fail(&mut tables.locks, claim, self.error.clone(), self.is_retryable, self.chance)
    }
}

/// Gives a task back unharmed.
#[derive(Debug, Clone, Serialize)]
pub struct Release {
    /// Why.
    pub reason: Option<Reason>,
}

impl Word for Release {
    const OPERATION: &'static str = "task.release";
    type Answer = Finished;

    fn apply(&self, tables: &mut Tables, claim: &ClaimRef) -> Result<Finished, WorkRefusal> {
        tables.work.release(&mut tables.locks, claim, self.reason.clone())
    }
}

/// Puts a task off until an instant.
#[derive(Debug, Clone, Serialize)]
pub struct Snooze {
    /// Until when nobody has it.
    pub until: DateTime<Utc>,
}

impl Word for Snooze {
    const OPERATION: &'static str = "task.snooze";
    type Answer = Finished;

    fn apply(&self, tables: &mut Tables, claim: &ClaimRef) -> Result<Finished, WorkRefusal> {
        tables.work.snooze(&mut tables.locks, claim, self.until)
    }
}
