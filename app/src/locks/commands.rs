//! The changes to locks, one command each.

use crate::executor::{Defect, HotCommand, Ruling, Tables, Touches, Who};
use chrono::{DateTime, Utc};
use domain::identity::principal::Action;
use domain::ids::TicketId;
use domain::locks::conflict::Conflict;
use domain::locks::lease::{EndedLease, Ending, Lease, Reason, Token, Ttl};
use domain::locks::refusal::{LockRefusal, Place};
use domain::locks::table::{Acquire, Acquired, OnConflict, Released};
use domain::locks::wants::Wants;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

fn content(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or(Value::Null)
}

fn touched(tokens: &BTreeSet<Token>) -> Touches {
    Touches { tokens: tokens.iter().copied().collect(), ..Touches::default() }
}

fn token_list(tokens: &BTreeSet<Token>) -> String {
    tokens.iter().map(|token| format!("token {}", token.value())).collect::<Vec<_>>().join(", ")
}

/// One try to take locks. [`super::acquire`] tries until they are had or the wait is over.
#[derive(Debug, Clone)]
pub struct AcquireOnce {
    /// What the caller asked for, whatever the try.
    pub content: Value,
    /// What.
    pub wants: Wants,
    /// For how long.
    pub ttl: Ttl,
    /// What for.
    pub reason: Option<Reason>,
    /// The place in line, if there is one.
    pub ticket: Option<TicketId>,
    /// Stand in line, or refuse.
    pub on_conflict: OnConflict,
}

/// How a try came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AcquireAnswer {
    /// All of it is held.
    Granted {
        /// The leases, by key.
        leases: Vec<Lease>,
        /// The store's clock at the grant.
        now: DateTime<Utc>,
    },
    /// The caller stands in line.
    InLine {
        /// Where.
        place: Place,
        /// Behind whom.
        conflicts: Vec<Conflict>,
        /// The store's clock at the look.
        now: DateTime<Utc>,
    },
}

impl HotCommand for AcquireOnce {
    const OPERATION: &'static str = "lock.acquire";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = AcquireAnswer;

    fn content(&self) -> Value {
        self.content.clone()
    }

    fn target(&self) -> String {
        self.wants.keys().next().map_or_else(String::new, ToString::to_string)
    }

    fn touches(&self) -> Touches {
        Touches { keys: self.wants.keys().cloned().collect(), ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let command = Acquire {
            holder: who.holder()?,
            wants: self.wants.clone(),
            ttl: self.ttl,
            reason: self.reason.clone(),
            ticket: self.ticket,
            on_conflict: self.on_conflict,
        };
        let now = tables.locks.now();
        let result = tables.locks.acquire(&command).map(|acquired| match acquired {
            Acquired::Granted(leases) => AcquireAnswer::Granted { leases, now },
            Acquired::InLine { place, conflicts } => AcquireAnswer::InLine { place, conflicts, now },
        });
        let is_final = !matches!(result, Ok(AcquireAnswer::InLine { .. }));
        Ok(Ruling { is_final, ..Ruling::of(result) })
    }
}

/// Lets leases last longer.
#[derive(Debug, Clone, Serialize)]
pub struct Renew {
    /// Which.
    pub tokens: BTreeSet<Token>,
    /// For how long from now.
    pub ttl: Ttl,
}

/// Leases as they are at an instant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LeasesAt {
    /// The leases.
    pub leases: Vec<Lease>,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

impl HotCommand for Renew {
    const OPERATION: &'static str = "lock.renew";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = LeasesAt;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        token_list(&self.tokens)
    }

    fn touches(&self) -> Touches {
        touched(&self.tokens)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let now = tables.locks.now();
        let renewed = tables.locks.renew(&who.holder()?, &self.tokens, self.ttl);
        Ok(Ruling::of(renewed.map(|leases| LeasesAt { leases, now })))
    }
}

/// Gives leases back.
#[derive(Debug, Clone, Serialize)]
pub struct Release {
    /// Which.
    pub tokens: BTreeSet<Token>,
}

/// A lease that was given back now or before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleasedLease {
    /// The lease as it ended.
    pub ended: EndedLease,
    /// Whether it had been given back before.
    pub already: bool,
}

impl HotCommand for Release {
    const OPERATION: &'static str = "lock.release";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = Vec<ReleasedLease>;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        token_list(&self.tokens)
    }

    fn touches(&self) -> Touches {
        touched(&self.tokens)
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let released = tables.locks.release(&who.holder()?, &self.tokens);
        let view = |Released { ended, already }| ReleasedLease { ended, already };
        Ok(Ruling::of(released.map(|released| released.into_iter().map(view).collect())))
    }
}

/// Gives everything of the caller's session back.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseAll;

impl HotCommand for ReleaseAll {
    const OPERATION: &'static str = "lock.release_all";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = Vec<EndedLease>;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        "session".to_owned()
    }

    fn touches(&self) -> Touches {
        Touches { own_session: true, ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let ended = tables.locks.release_session(&who.session()?.id, &Ending::Released);
        Ok(Ruling::of(Ok::<_, LockRefusal>(ended)))
    }
}

/// Takes a lock away from its holder.
#[derive(Debug, Clone, Serialize)]
pub struct ForceRelease {
    /// The token it was seen under.
    pub token: Token,
    /// Why, for the holder to read.
    pub reason: Reason,
}

impl HotCommand for ForceRelease {
    const OPERATION: &'static str = "lock.force_release";
    const ACTION: Action = Action::ForceRelease;
    const IN_SESSION: bool = false;
    type Answer = EndedLease;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        format!("token {}", self.token.value())
    }

    fn touches(&self) -> Touches {
        touched(&BTreeSet::from([self.token]))
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let by = who.call.principal.agent.clone();
        Ok(Ruling::of(tables.locks.force_release(self.token, by, self.reason.clone())))
    }
}

/// Gives a place in line up.
#[derive(Debug, Clone, Serialize)]
pub struct Leave {
    /// The place.
    pub ticket: TicketId,
}

impl HotCommand for Leave {
    const OPERATION: &'static str = "lock.leave";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = true;
    type Answer = bool;

    fn content(&self) -> Value {
        content(self)
    }

    fn target(&self) -> String {
        self.ticket.to_string()
    }

    fn touches(&self) -> Touches {
        Touches::default()
    }

    fn decide(&self, tables: &mut Tables, who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        Ok(Ruling::of(tables.locks.leave(&who.holder()?, self.ticket)))
    }
}
