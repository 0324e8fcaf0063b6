//! The changes to locks, one command each.

use crate::executor::{Command, Decision, Happening, Scene};
use crate::locks::load::{About, Opened};
use crate::refusal::Refusal;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::identity::principal::Action;
use domain::ids::TicketId;
use domain::locks::conflict::Conflict;
use domain::locks::key::LockKey;
use domain::locks::lease::{EndedLease, Ending, Holder, Lease, Reason, Token, Ttl};
use domain::locks::refusal::{LockRefusal, Place};
use domain::locks::table::{Acquire, Acquired, LockTable, OnConflict, Released};
use domain::locks::wants::Wants;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn holder(scene: &Scene<'_>) -> Result<Holder, StoreError> {
    Ok(Holder { agent: scene.call.principal.agent.clone(), session: scene.session_id()? })
}

fn content(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or(Value::Null)
}

fn token_list(tokens: &BTreeSet<Token>) -> String {
    tokens.iter().map(|token| format!("token {}", token.value())).collect::<Vec<_>>().join(", ")
}

/// Opens the table, decides, saves: the same for every command.
async fn decide_with<T>(
    uow: &mut dyn UnitOfWork,
    scene: &Scene<'_>,
    about: About<'_>,
    rule: impl FnOnce(&mut LockTable) -> Result<T, LockRefusal> + Send,
) -> Result<Decision<T>, StoreError> {
    let mut opened = Opened::load(uow, &scene.call.project, about).await?;
    let at = Some(opened.table.now());
    let result = rule(&mut opened.table).map_err(Refusal::Lock);
    let (happenings, freed) = opened.save(uow, &scene.call.project).await?;
    Ok(Decision { result, happenings, freed, is_final: true, at })
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

#[async_trait]
impl Command for AcquireOnce {
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

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let command = Acquire {
            holder: holder(scene)?,
            wants: self.wants.clone(),
            ttl: self.ttl,
            reason: self.reason.clone(),
            ticket: self.ticket,
            on_conflict: self.on_conflict,
        };
        let keys: Vec<LockKey> = self.wants.keys().cloned().collect();
        let decision = decide_with(uow, scene, About::Keys(&keys), |table| {
            let now = table.now();
            Ok(match table.acquire(&command)? {
                Acquired::Granted(leases) => AcquireAnswer::Granted { leases, now },
                Acquired::InLine { place, conflicts } => AcquireAnswer::InLine { place, conflicts, now },
            })
        })
        .await?;
        let is_final = !matches!(decision.result, Ok(AcquireAnswer::InLine { .. }));
        Ok(Decision { is_final, ..decision })
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

#[async_trait]
impl Command for Renew {
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

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let holder = holder(scene)?;
        decide_with(uow, scene, About::Tokens(&self.tokens), |table| {
            let now = table.now();
            Ok(LeasesAt { leases: table.renew(&holder, &self.tokens, self.ttl)?, now })
        })
        .await
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

#[async_trait]
impl Command for Release {
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

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let holder = holder(scene)?;
        decide_with(uow, scene, About::Tokens(&self.tokens), |table| {
            let released = table.release(&holder, &self.tokens)?;
            Ok(released.into_iter().map(|Released { ended, already }| ReleasedLease { ended, already }).collect())
        })
        .await
    }
}

/// Gives everything of the caller's session back.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseAll;

#[async_trait]
impl Command for ReleaseAll {
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

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let session = scene.session_id()?;
        decide_with(
            uow,
            scene,
            About::Session(&session),
            |table| Ok(table.release_session(&session, &Ending::Released)),
        )
        .await
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

#[async_trait]
impl Command for ForceRelease {
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

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let tokens = BTreeSet::from([self.token]);
        let by = scene.call.principal.agent.clone();
        decide_with(uow, scene, About::Tokens(&tokens), |table| {
            table.force_release(self.token, by, self.reason.clone())
        })
        .await
    }
}

/// Gives a place in line up.
#[derive(Debug, Clone, Serialize)]
pub struct Leave {
    /// The place.
    pub ticket: TicketId,
}

#[async_trait]
impl Command for Leave {
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

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let holder = holder(scene)?;
        decide_with(uow, scene, About::Line, |table| table.leave(&holder, self.ticket)).await
    }
}

/// Ends what has run out, so that the log tells it; nobody needs it for correctness.
#[derive(Debug, Clone)]
pub struct Tidy {
    /// The most leases to end in one unit of work.
    pub rows_max: u32,
}

#[async_trait]
impl Command for Tidy {
    const OPERATION: &'static str = "lock.tidy";
    const ACTION: Action = Action::UseLocks;
    const IN_SESSION: bool = false;
    const IN_PROJECT: bool = false;
    type Answer = ();

    fn content(&self) -> Value {
        json!(self.rows_max)
    }

    fn target(&self) -> String {
        "expired".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        decide_with(uow, scene, About::Expired(self.rows_max), |_| Ok(())).await
    }
}

/// Everything of a session ends with it: for the end of a session, in the same unit of work.
pub async fn end_with_session(
    uow: &mut dyn UnitOfWork,
    scene: &Scene<'_>,
) -> Result<(Vec<EndedLease>, Vec<Happening>, Vec<LockKey>), StoreError> {
    let session = scene.session_id()?;
    let mut opened = Opened::load(uow, &scene.call.project, About::Session(&session)).await?;
    let ended = opened.table.release_session(&session, &Ending::SessionEnded);
    let (happenings, freed) = opened.save(uow, &scene.call.project).await?;
    Ok((ended, happenings, freed))
}
