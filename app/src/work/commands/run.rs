//! What an agent says about a task it has.

use super::{content, ruling};
use crate::executor::{Defect, HotCommand, Ruling, Tables, Touches, Who, WorkTouches};
use chrono::{DateTime, Utc};
use domain::identity::principal::Action;
use domain::ids::TaskId;
use domain::locks::lease::{Reason, Token};
use domain::work::content::{Fault, Note, Payload, Progress};
use domain::work::retry::Chance;
use domain::work::table::{Beat, ClaimRef, Finished};
use serde::Serialize;
use serde_json::{Value, json};

fn claim_of(task: TaskId, token: Token, who: &Who<'_>) -> Result<ClaimRef, Defect> {
    Ok(ClaimRef { task, token, holder: who.holder()? })
}

fn going_on(task: TaskId, token: Token) -> Touches {
    let work = WorkTouches { tasks: vec![task], tokens: vec![token], ..WorkTouches::default() };
    Touches { work, ..Touches::default() }
}

fn ending(task: TaskId, token: Token) -> Touches {
    let work = WorkTouches { ending: vec![task], tokens: vec![token], ..WorkTouches::default() };
    Touches { work, ..Touches::default() }
}

/// Lets a claim last longer.
#[derive(Debug, Clone, Serialize)]
pub struct Heartbeat {
    /// The task.
    pub task: TaskId,
    /// The token of the claim.
    pub token: Token,
    /// How far it has come; `None` leaves what was said before.
    pub progress: Option<Progress>,
    /// How it is getting on; `None` leaves what was said before.
    pub note: Option<Note>,
}

impl HotCommand for Heartbeat {
    const OPERATION: &'static str = "task.heartbeat";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Beat;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        going_on(self.task, self.token)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let claim = claim_of(self.task, self.token, who)?;
        ruling(tables.work.heartbeat(&mut tables.locks, &claim, self.progress, self.note.clone()))
    }
}

/// Says that the work is done.
#[derive(Debug, Clone, Serialize)]
pub struct Complete {
    /// The task.
    pub task: TaskId,
    /// The token of the claim.
    pub token: Token,
    /// What came of it.
    pub result: Option<Payload>,
}

impl HotCommand for Complete {
    const OPERATION: &'static str = "task.complete";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Finished;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        ending(self.task, self.token)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let claim = claim_of(self.task, self.token, who)?;
        ruling(tables.work.complete(&mut tables.locks, &claim, self.result.clone()))
    }
}

/// Says that the attempt went wrong.
#[derive(Debug, Clone)]
pub struct Fail {
    /// The task.
    pub task: TaskId,
    /// The token of the claim.
    pub token: Token,
    /// What went wrong.
    pub error: Fault,
    /// Whether another attempt may mend it.
    pub is_retryable: bool,
    /// What decides on how long it rests.
    pub chance: Chance,
}

impl HotCommand for Fail {
    const OPERATION: &'static str = "task.fail";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Finished;

    fn content(&self) -> Value {
        json!({ "task": self.task, "token": self.token, "error": self.error, "retryable": self.is_retryable })
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        ending(self.task, self.token)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let claim = claim_of(self.task, self.token, who)?;
        let (error, retryable) = (self.error.clone(), self.is_retryable);
        ruling(tables.work.fail(&mut tables.locks, &claim, error, retryable, self.chance))
    }
}

/// Gives a task back unharmed.
#[derive(Debug, Clone, Serialize)]
pub struct Release {
    /// The task.
    pub task: TaskId,
    /// The token of the claim.
    pub token: Token,
    /// Why.
    pub reason: Option<Reason>,
}

impl HotCommand for Release {
    const OPERATION: &'static str = "task.release";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Finished;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        ending(self.task, self.token)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let claim = claim_of(self.task, self.token, who)?;
        ruling(tables.work.release(&mut tables.locks, &claim, self.reason.clone()))
    }
}

/// Puts a task off until an instant.
#[derive(Debug, Clone, Serialize)]
pub struct Snooze {
    /// The task.
    pub task: TaskId,
    /// The token of the claim.
    pub token: Token,
    /// Until when nobody has it.
    pub until: DateTime<Utc>,
}

impl HotCommand for Snooze {
    const OPERATION: &'static str = "task.snooze";
    const ACTION: Action = Action::UseWork;
    const IN_SESSION: bool = true;
    type Answer = Finished;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.task.to_string()
    }

    fn touches(&self) -> Touches {
        ending(self.task, self.token)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let claim = claim_of(self.task, self.token, who)?;
        ruling(tables.work.snooze(&mut tables.locks, &claim, self.until))
    }
}
