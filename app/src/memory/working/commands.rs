//! The changes to working memory, one command each. Neither log nor followers learn what is kept.

use crate::agents::enter::enter;
use crate::call::Call;
use crate::executor::{Command, Decision, Executor, Happening, Scene};
use crate::memory::secrets::{SecretAt, SecretsPolicy};
use crate::refusal::CallError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::ids::SessionId;
use domain::memory::working::content::{EntryKey, TokenBudget};
use domain::memory::working::{Changed, Compacted, Note, Scratchpad, WorkingRefusal};
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a working memory is after a change, without what is in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Used {
    /// Whose it is.
    pub session: SessionId,
    /// What its entries may cost together.
    pub budget: TokenBudget,
    /// What they cost.
    pub tokens: u32,
    /// How many there are.
    pub entries: usize,
    /// What gave way, the oldest first.
    pub compacted: Vec<Compacted>,
}

impl Used {
    fn of(changed: &Changed) -> Self {
        let Changed { pad, compacted, .. } = changed;
        Self {
            session: pad.session.clone(),
            budget: pad.budget,
            tokens: pad.tokens(),
            entries: pad.entries.len(),
            compacted: compacted.clone(),
        }
    }
}

/// An entry that was written, without its value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WrittenEntry {
    /// Its key.
    pub key: EntryKey,
    /// Its version.
    pub version: u64,
    /// What it costs.
    pub tokens: u32,
    /// Whether it never gives way.
    pub pinned: bool,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// From when on it is gone.
    pub expires_at: Option<DateTime<Utc>>,
    /// How the whole is now.
    pub used: Used,
}

/// Changes the working memory of the caller's session.
#[derive(Clone)]
pub struct KeepWorking {
    executor: Executor,
    secrets: SecretsPolicy,
    default_budget: TokenBudget,
}

impl KeepWorking {
    /// Writes through the executor. A session for which no budget was set has the default one.
    pub fn new(executor: Executor, secrets: SecretsPolicy, default_budget: TokenBudget) -> Self {
        Self { executor, secrets, default_budget }
    }

    /// Writes an entry; answers also what was masked in it.
    pub async fn write(&self, call: &Call, note: Note) -> Result<(WrittenEntry, Vec<SecretAt>), CallError> {
        // A key cannot be masked: it would be another one.
        let key = SecretsPolicy::Refuse.clean("key", note.key)?.value;
        let clean = self.secrets.clean("value", note.value)?;
        let session = enter(&self.executor, call).await?;
        let note = Note { key, value: clean.value, ..note };
        let command = WriteEntry { session, note, default_budget: self.default_budget };
        Ok((self.executor.execute(call, &command).await?.answer, clean.masked))
    }

    /// Takes an entry out.
    pub async fn remove(&self, call: &Call, key: EntryKey, if_version: Option<u64>) -> Result<Used, CallError> {
        let session = enter(&self.executor, call).await?;
        Ok(self.executor.execute(call, &RemoveEntry { session, key, if_version }).await?.answer)
    }

    /// Sets the budget.
    pub async fn limit(&self, call: &Call, budget: TokenBudget) -> Result<Used, CallError> {
        let session = enter(&self.executor, call).await?;
        Ok(self.executor.execute(call, &LimitWorking { session, budget }).await?.answer)
    }
}

/// Writes an entry.
#[derive(Debug, Clone)]
struct WriteEntry {
    session: SessionId,
    note: Note,
    default_budget: TokenBudget,
}

#[async_trait]
impl Command for WriteEntry {
    const OPERATION: &'static str = "working_memory.write";
    const ACTION: Action = Action::UseMemory;
    type Answer = WrittenEntry;

    fn content(&self) -> Value {
        let Note { key, value, ttl, pinned, if_version } = &self.note;
        json!({ "key": key, "value": value, "ttl": ttl, "pinned": pinned, "if_version": if_version })
    }

    fn asked(&self) -> Value {
        let Note { key, value: _, ttl, pinned, if_version } = &self.note;
        json!({ "key": key, "ttl_seconds": ttl, "pinned": pinned, "if_version": if_version })
    }

    fn target(&self) -> String {
        self.session.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let stored = uow.working_load(&scene.call.project, &self.session).await?;
        let fresh = || {
            let agent = scene.call.principal.agent.clone();
            Scratchpad::new(self.session.clone(), agent, self.default_budget, scene.now)
        };
        let pad = stored.unwrap_or_else(fresh);
        let changed = match pad.write(self.note.clone(), scene.now) {
            Ok(changed) => changed,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.working_save(&scene.call.project, &changed).await?;
        let Some(entry) = changed.pad.entries.get(&self.note.key) else {
            return Err(StoreError::Failed("an entry was written and is not there".into()));
        };
        let answer = WrittenEntry {
            key: entry.key.clone(),
            version: entry.version,
            tokens: entry.tokens,
            pinned: entry.pinned,
            written_at: entry.written_at,
            expires_at: entry.expires_at,
            used: Used::of(&changed),
        };
        let told = json!({
            "key": answer.key, "version": answer.version, "tokens": answer.tokens, "pinned": answer.pinned,
            "expires_at": answer.expires_at,
        });
        let happening = happening(Self::OPERATION, "working_memory.written", &changed, Some(told));
        Ok(Decision::answered(answer, vec![happening]))
    }
}

/// Takes an entry out.
#[derive(Debug, Clone)]
struct RemoveEntry {
    session: SessionId,
    key: EntryKey,
    if_version: Option<u64>,
}

#[async_trait]
impl Command for RemoveEntry {
    const OPERATION: &'static str = "working_memory.remove";
    const ACTION: Action = Action::UseMemory;
    type Answer = Used;

    fn content(&self) -> Value {
        json!({ "key": self.key, "if_version": self.if_version })
    }

    fn target(&self) -> String {
        self.session.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let stored = uow.working_load(&scene.call.project, &self.session).await?;
        let Some(pad) = stored else {
            return Ok(Decision::refused(WorkingRefusal::Unknown { key: self.key.clone() }));
        };
        let changed = match pad.remove(&self.key, self.if_version, scene.now) {
            Ok(changed) => changed,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.working_save(&scene.call.project, &changed).await?;
        let told = json!({ "removed": self.key });
        let happening = happening(Self::OPERATION, "working_memory.removed", &changed, Some(told));
        Ok(Decision::answered(Used::of(&changed), vec![happening]))
    }
}

/// Sets the budget.
#[derive(Debug, Clone)]
struct LimitWorking {
    session: SessionId,
    budget: TokenBudget,
}

#[async_trait]
impl Command for LimitWorking {
    const OPERATION: &'static str = "working_memory.limit";
    const ACTION: Action = Action::UseMemory;
    type Answer = Used;

    fn content(&self) -> Value {
        json!({ "budget": self.budget })
    }

    fn target(&self) -> String {
        self.session.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let stored = uow.working_load(&scene.call.project, &self.session).await?;
        let fresh = || {
            let agent = scene.call.principal.agent.clone();
            Scratchpad::new(self.session.clone(), agent, self.budget, scene.now)
        };
        let changed = match stored.unwrap_or_else(fresh).limit(self.budget, scene.now) {
            Ok(changed) => changed,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.working_save(&scene.call.project, &changed).await?;
        let happening = happening(Self::OPERATION, "working_memory.limited", &changed, None);
        Ok(Decision::answered(Used::of(&changed), vec![happening]))
    }
}

/// What happened to a working memory. Followers learn how full it is, the log also which key it was about.
fn happening(operation: &str, kind: &'static str, changed: &Changed, about: Option<Value>) -> Happening {
    let Changed { pad, compacted, .. } = changed;
    let body = json!({
        "session": pad.session, "agent": pad.agent, "entries": pad.entries.len(), "tokens": pad.tokens(),
        "budget": pad.budget, "compacted": compacted.len(),
    });
    let mut after = body.clone();
    if let (Value::Object(after), Some(about)) = (&mut after, about) {
        after.insert("entry".to_owned(), about);
    }
    let change =
        Change { operation: operation.to_owned(), target: pad.session.to_string(), before: None, after: Some(after) };
    Happening { change, kind, body, by_itself: false }
}
