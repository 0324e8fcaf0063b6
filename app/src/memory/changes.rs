//! What becomes of one memory after it was written.

use crate::call::Call;
use crate::executor::{Command, Decision, Executor, Scene};
use crate::memory::happenings::happening;
use crate::memory::locating::{locate, rater};
use crate::memory::recorder::{Halt, Recorder};
use crate::memory::secrets::{SecretAt, SecretsPolicy};
use crate::refusal::CallError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::identity::principal::{Action, Denial, Principal, authorize};
use domain::ids::MemoryId;
use domain::locks::lease::Reason;
use domain::memory::life::Editor;
use domain::memory::realm::Realm;
use domain::memory::record::{Feedback, Memory, Verdict};
use domain::memory::refusal::MemoryRefusal;
use ports::memory::MemoryChange;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is to become of a memory.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// It is kept for ever, or not any more.
    Pin {
        /// Which of the two.
        pinned: bool,
    },
    /// It holds in other times.
    Hold {
        /// From when on; as before if `None`.
        from: Option<DateTime<Utc>>,
        /// Until when.
        until: Option<DateTime<Utc>>,
    },
    /// Its words are taken away.
    Redact {
        /// Why.
        reason: Option<Reason>,
    },
}

/// How a memory is after a change. It says nothing of what the memory says.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Changed {
    /// The memory.
    pub id: MemoryId,
    /// What others found of it.
    pub feedback: Feedback,
    /// Whether it is kept for ever.
    pub pinned: bool,
    /// From when on it holds.
    pub valid_from: DateTime<Utc>,
    /// Until when it holds.
    pub valid_until: Option<DateTime<Utc>>,
    /// What took its place.
    pub superseded_by: Option<MemoryId>,
    /// Since when its words are gone.
    pub redacted_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl From<&Memory> for Changed {
    fn from(memory: &Memory) -> Self {
        Self {
            id: memory.id,
            feedback: memory.feedback,
            pinned: memory.pinned,
            valid_from: memory.valid_from,
            valid_until: memory.valid_until,
            superseded_by: memory.superseded.as_ref().map(|superseded| superseded.by),
            redacted_at: memory.redacted.as_ref().map(|redacted| redacted.at),
            updated_at: memory.updated_at,
        }
    }
}

/// Changes single memories.
#[derive(Clone)]
pub struct ChangeMemories {
    executor: Executor,
    secrets: SecretsPolicy,
}

impl ChangeMemories {
    /// Writes through the executor.
    pub fn new(executor: Executor, secrets: SecretsPolicy) -> Self {
        Self { executor, secrets }
    }

    /// Notes what the caller found of a memory.
    pub async fn rate(&self, call: &Call, id: MemoryId, verdict: Verdict) -> Result<Changed, CallError> {
        let realm = locate(&self.executor, call, id).await?;
        Ok(self.executor.execute(call, &Rate { realm, id, verdict }).await?.answer)
    }

    /// Fulfils a wish for a memory that the caller may edit; answers also what was masked in it.
    pub async fn change(&self, call: &Call, id: MemoryId, wish: Wish) -> Result<(Changed, Vec<SecretAt>), CallError> {
        let (wish, masked) = match wish {
            Wish::Redact { reason } => {
                let clean = self.secrets.clean("reason", reason)?;
                (Wish::Redact { reason: clean.value }, clean.masked)
            }
            wish => (wish, Vec::new()),
        };
        let realm = locate(&self.executor, call, id).await?;
        let answer = match &wish {
            Wish::Pin { .. } => self.executor.execute(call, &Pin(Edit { realm, id, wish })).await?.answer,
            Wish::Hold { .. } => self.executor.execute(call, &Hold(Edit { realm, id, wish })).await?.answer,
            Wish::Redact { .. } => self.executor.execute(call, &Redact(Edit { realm, id, wish })).await?.answer,
        };
        Ok((answer, masked))
    }

    /// Lets a memory take the place of another.
    pub async fn supersede(&self, call: &Call, old: MemoryId, by: MemoryId) -> Result<Changed, CallError> {
        let realm = locate(&self.executor, call, old).await?;
        Ok(self.executor.execute(call, &Supersede { realm, old, by }).await?.answer)
    }
}

/// What all projects see is changed by those who steer.
fn authorized(principal: &Principal, realm: Option<&Realm>) -> Result<(), Denial> {
    let is_steering = matches!(realm, Some(Realm::Shared));
    authorize(principal, if is_steering { Action::SteerMemory } else { Action::UseMemory })
}

/// A memory in its realm, which is locked first.
async fn load(
    uow: &mut dyn UnitOfWork,
    realm: Option<&Realm>,
    id: MemoryId,
) -> Result<Result<(Realm, Memory), MemoryRefusal>, StoreError> {
    let Some(realm) = realm else { return Ok(Err(MemoryRefusal::Unknown { id })) };
    uow.memory_realm_lock(realm).await?;
    let found = uow.memories_load(std::slice::from_ref(realm), &[id]).await?.pop();
    Ok(found.map(|memory| (realm.clone(), memory)).ok_or(MemoryRefusal::Unknown { id }))
}

/// Notes what an agent found of a memory.
#[derive(Debug, Serialize)]
struct Rate {
    /// Where it lies; no part of the request.
    #[serde(skip)]
    realm: Option<Realm>,
    id: MemoryId,
    verdict: Verdict,
}

#[async_trait]
impl Command for Rate {
    const OPERATION: &'static str = "memory.rate";
    const ACTION: Action = Action::UseMemory;
    type Answer = Changed;

    fn content(&self) -> Value {
        json!(self)
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (realm, before) = match load(uow, self.realm.as_ref(), self.id).await? {
            Ok(found) => found,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let call = scene.call;
        let by = rater(&realm, &call.project, &call.principal.agent);
        let by = by.map_err(|error| StoreError::Failed(Box::new(error)))?;
        let said = uow.memory_verdict(&realm, self.id, &by).await?;
        if said == Some(self.verdict) {
            return Ok(Decision::answered(Changed::from(&before), Vec::new()));
        }
        let after = match before.rated(said, self.verdict, scene.now) {
            Ok(after) => after,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let change = MemoryChange { before: Some(before.clone()), after: after.clone() };
        uow.memories_save(&realm, &[change]).await?;
        uow.memory_verdict_save(&realm, self.id, &by, self.verdict, scene.now).await?;
        let happening = happening(Self::OPERATION, "memory.rated", Some(&before), Some(&after));
        Ok(Decision::answered(Changed::from(&after), happening.into_iter().collect()))
    }
}

/// A change that only some may make.
#[derive(Debug, Serialize)]
struct Edit {
    /// Where it lies; no part of the request.
    #[serde(skip)]
    realm: Option<Realm>,
    id: MemoryId,
    wish: Wish,
}

impl Edit {
    async fn decide(
        &self,
        uow: &mut dyn UnitOfWork,
        scene: &Scene<'_>,
        (operation, kind): (&'static str, &'static str),
    ) -> Result<Decision<Changed>, StoreError> {
        let (realm, before) = match load(uow, self.realm.as_ref(), self.id).await? {
            Ok(found) => found,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let principal = &scene.call.principal;
        let editor = Editor { agent: principal.agent.clone(), role: principal.role };
        let after = match &self.wish {
            Wish::Pin { pinned } => before.pinned(&editor, *pinned, scene.now),
            Wish::Hold { from, until } => before.valid(&editor, from.unwrap_or(before.valid_from), *until, scene.now),
            Wish::Redact { reason } => before.without_words(&editor, reason.clone(), scene.now),
        };
        let after = match after {
            Ok(after) => after,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        let change = MemoryChange { before: Some(before.clone()), after: after.clone() };
        uow.memories_save(&realm, &[change]).await?;
        let happening = happening(operation, kind, Some(&before), Some(&after));
        Ok(Decision::answered(Changed::from(&after), happening.into_iter().collect()))
    }
}

/// Declares a command that is an [`Edit`].
macro_rules! edit {
    ($(#[$doc:meta])* $name:ident, $operation:literal, $kind:literal) => {
        $(#[$doc])*
        struct $name(Edit);

        #[async_trait]
        impl Command for $name {
            const OPERATION: &'static str = $operation;
            const ACTION: Action = Action::UseMemory;
            type Answer = Changed;

            fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
                authorized(principal, self.0.realm.as_ref())
            }

            fn content(&self) -> Value {
                json!(self.0)
            }

            fn target(&self) -> String {
                self.0.id.to_string()
            }

            async fn decide(
                &self,
                uow: &mut dyn UnitOfWork,
                scene: &Scene<'_>,
            ) -> Result<Decision<Self::Answer>, StoreError> {
                self.0.decide(uow, scene, (Self::OPERATION, $kind)).await
            }
        }
    };
}

edit!(
    /// Keeps a memory for ever, or not any more.
    Pin, "memory.pin", "memory.pinned"
);
edit!(
    /// Says when a memory holds.
    Hold, "memory.set_validity", "memory.validity_changed"
);
edit!(
    /// Takes the words of a memory away.
    Redact, "memory.redact", "memory.redacted"
);

/// Lets a memory take the place of another.
#[derive(Debug, Serialize)]
struct Supersede {
    /// Where the older one lies; no part of the request.
    #[serde(skip)]
    realm: Option<Realm>,
    old: MemoryId,
    by: MemoryId,
}

#[async_trait]
impl Command for Supersede {
    const OPERATION: &'static str = "memory.supersede";
    const ACTION: Action = Action::UseMemory;
    type Answer = Changed;

    fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
        authorized(principal, self.realm.as_ref())
    }

    fn content(&self) -> Value {
        json!(self)
    }

    fn target(&self) -> String {
        self.old.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(realm) = &self.realm else { return Ok(Decision::refused(MemoryRefusal::Unknown { id: self.old })) };
        uow.memory_realm_lock(realm).await?;
        let mut recorder = Recorder::new(uow, scene, Self::OPERATION);
        let old = match recorder.supersede(realm, self.by, self.old).await {
            Ok((old, _)) => old,
            Err(Halt::Refused(refusal)) => return Ok(Decision::refused(refusal)),
            Err(Halt::Store(error)) => return Err(error),
        };
        let happenings = recorder.finish().await?;
        Ok(Decision::answered(Changed::from(&old), happenings))
    }
}
