//! What a use case on the hot path looks like: it decides on tables that were loaded for a whole batch.

use crate::call::Call;
use crate::executor::admission::Entrance;
use crate::executor::command::Happening;
use crate::refusal::Refusal;
use domain::agents::Session;
use domain::handoffs::Handoff;
use domain::identity::principal::{Action, Denial, Principal, authorize};
use domain::ids::{HandoffId, ScheduleId, TaskId};
use domain::locks::key::LockKey;
use domain::locks::lease::{Holder, Token};
use domain::locks::table::LockTable;
use domain::work::claim::ClaimFilter;
use domain::work::rank::Place;
use domain::work::schedule::Schedule;
use domain::work::table::WorkTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

/// A change that may be decided together with others of its project, in one unit of work.
pub trait HotCommand: Send + Sync + 'static {
    /// The operation in the audit log, such as `lock.acquire`.
    const OPERATION: &'static str;
    /// What the caller's role must allow.
    const ACTION: Action;
    /// Whether it runs in a session.
    const IN_SESSION: bool;
    /// Whether the project must not be archived.
    const CHANGES_PROJECT: bool = true;
    /// What the caller gets.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// How it comes into its session.
    fn entrance(&self) -> Entrance {
        if Self::IN_SESSION { Entrance::Inside } else { Entrance::Beside }
    }

    /// The content of the request: the same content under the same idempotency key is the same request.
    fn content(&self) -> Value;

    /// The thing it is about, for the audit line of a refusal.
    fn target(&self) -> String;

    /// What has to be loaded for it, beside the line.
    fn touches(&self) -> Touches;

    /// Decides. A refusal leaves the tables as they were, so that it never touches the neighbours in the batch.
    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect>;
}

/// What a command is about.
#[derive(Debug, Clone, Default)]
pub struct Touches {
    /// Keys that are wanted.
    pub keys: Vec<LockKey>,
    /// Leases by their tokens.
    pub tokens: Vec<Token>,
    /// Everything the caller's session holds.
    pub own_session: bool,
    /// What has expired, at most this many rows.
    pub expired_rows_max: u32,
    /// Sessions that have died unnoticed, with all they held, at most this many.
    pub dead_sessions_max: u32,
    /// Tasks.
    pub work: WorkTouches,
    /// Schedules.
    pub schedules: Vec<ScheduleId>,
    /// Handoffs, with all that is to go over with them.
    pub handoffs: Vec<HandoffId>,
}

/// What a command on tasks is about.
#[derive(Debug, Clone, Default)]
pub struct WorkTouches {
    /// Tasks that are named.
    pub tasks: Vec<TaskId>,
    /// Of these, tasks that may end or come back: with all that depend on them.
    pub ending: Vec<TaskId>,
    /// Tasks that new ones are to depend on or be part of: with how many depend on them already.
    pub depended_on: Vec<TaskId>,
    /// Keys that new tasks are done under: a claim of the same batch may take them.
    pub lock_keys: Vec<LockKey>,
    /// Tokens of claims.
    pub tokens: Vec<Token>,
    /// Tasks to choose from.
    pub choice: Option<Choice>,
    /// What has run out or come due, at most this many rows.
    pub due_rows_max: u32,
}

/// Which ready tasks a claim chooses from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// Which are wanted.
    pub filter: ClaimFilter,
    /// Strictly behind this place; `None` from the beginning.
    pub after: Option<Place>,
    /// How many are wanted.
    pub tasks: u32,
}

/// What a batch was loaded into, and what else is to be saved.
pub struct Tables {
    /// The project's locks, as far as the batch touches them.
    pub locks: LockTable,
    /// The project's tasks, as far as the batch touches them.
    pub work: WorkTable,
    /// How far the candidates of each choice were loaded: the last place, where the list was cut.
    pub horizons: BTreeMap<(ClaimFilter, Option<Place>), Place>,
    /// The schedules that were named and are there, each as it is now.
    pub schedules: BTreeMap<ScheduleId, Schedule>,
    /// Schedules that a command changed.
    pub schedules_changed: BTreeSet<ScheduleId>,
    /// The handoffs that were named and are there, each as it is now.
    pub handoffs: BTreeMap<HandoffId, Handoff>,
    /// Handoffs that a command changed.
    pub handoffs_changed: BTreeSet<HandoffId>,
    /// Sessions that a command changed otherwise, each as it is now.
    pub sessions_changed: Vec<Session>,
    /// Sessions that end.
    pub sessions_ended: Vec<Session>,
    /// Sessions that had died unnoticed, as they were stored.
    pub sessions_dead: Vec<Session>,
}

impl Tables {
    /// Puts a changed schedule in place of the one before.
    pub fn change_schedule(&mut self, schedule: Schedule) {
        self.schedules_changed.insert(schedule.id);
        self.schedules.insert(schedule.id, schedule);
    }

    /// Puts a changed handoff in place of the one before.
    pub fn change_handoff(&mut self, handoff: Handoff) {
        self.handoffs_changed.insert(handoff.id);
        self.handoffs.insert(handoff.id, handoff);
    }
}

/// Who wants it.
pub struct Who<'a> {
    /// The call.
    pub call: &'a Call,
    /// The session it runs in, or beside.
    pub session: Option<&'a Session>,
}

impl Who<'_> {
    /// The session of a command that runs in one.
    pub fn session(&self) -> Result<&Session, Defect> {
        self.session.ok_or(Defect("a command without a session asked for it"))
    }

    /// The holder of what is taken, for a command that runs in a session.
    pub fn holder(&self) -> Result<Holder, Defect> {
        let session = self.session()?.id.clone();
        Ok(Holder { agent: self.call.principal.agent.clone(), session })
    }
}

/// Something that must be true is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Defect(pub &'static str);

/// How a command came out.
#[derive(Debug)]
pub struct Ruling<T> {
    /// The answer or the refusal.
    pub result: Result<T, Refusal>,
    /// What happened beside the tables, in order.
    pub happenings: Vec<Happening>,
    /// Whether this is the caller's final answer, to be replayed.
    pub is_final: bool,
}

impl<T> Ruling<T> {
    /// A final answer or refusal.
    pub fn of<E: Into<Refusal>>(result: Result<T, E>) -> Self {
        Self { result: result.map_err(Into::into), happenings: Vec::new(), is_final: true }
    }
}

/// How a command came out, when only the caller knows the type of its answer.
pub(super) struct ErasedRuling {
    pub(super) result: ErasedResult,
    pub(super) happenings: Vec<Happening>,
    /// The result for the record of the request, if it is final and to be recorded.
    pub(super) recorded: Option<Value>,
}

/// An answer whose type only the caller knows, or a refusal.
pub(super) type ErasedResult = Result<Box<dyn Any + Send>, Refusal>;

/// A command whose answer's type only the caller knows, so that different commands share a batch.
pub(super) trait ErasedCommand: Send + Sync {
    fn operation(&self) -> &'static str;
    fn in_session(&self) -> bool;
    fn entrance(&self) -> Entrance;
    fn changes_project(&self) -> bool;
    fn authorize(&self, principal: &Principal) -> Result<(), Denial>;
    fn content(&self) -> Value;
    fn target(&self) -> String;
    fn touches(&self) -> Touches;
    fn decide(&self, tables: &mut Tables, who: &Who<'_>, record: bool) -> Result<ErasedRuling, Defect>;
    fn replay(&self, recorded: &Value) -> Result<ErasedResult, serde_json::Error>;
}

impl<C: HotCommand> ErasedCommand for C {
    fn operation(&self) -> &'static str {
        C::OPERATION
    }

    fn in_session(&self) -> bool {
        C::IN_SESSION
    }

    fn entrance(&self) -> Entrance {
        HotCommand::entrance(self)
    }

    fn changes_project(&self) -> bool {
        C::CHANGES_PROJECT
    }

    fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
        authorize(principal, C::ACTION)
    }

    fn content(&self) -> Value {
        HotCommand::content(self)
    }

    fn target(&self) -> String {
        HotCommand::target(self)
    }

    fn touches(&self) -> Touches {
        HotCommand::touches(self)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>, record: bool) -> Result<ErasedRuling, Defect> {
        let Ruling { result, happenings, is_final } = HotCommand::decide(self, tables, who)?;
        let recorded = (record && is_final).then(|| serde_json::to_value(&result)).transpose();
        let recorded = recorded.map_err(|_| Defect("an answer cannot be recorded"))?;
        Ok(ErasedRuling { result: result.map(erase), happenings, recorded })
    }

    fn replay(&self, recorded: &Value) -> Result<ErasedResult, serde_json::Error> {
        let result: Result<C::Answer, Refusal> = serde::Deserialize::deserialize(recorded)?;
        Ok(result.map(erase))
    }
}

fn erase<T: Send + 'static>(answer: T) -> Box<dyn Any + Send> {
    Box::new(answer)
}
