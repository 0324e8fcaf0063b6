//! The changes to API keys, one command each. Secrets are drawn before and never leave through audit, facts or records.

use crate::config::Secret;
use crate::executor::{Command, Decision, Happening, Scene};
use crate::identity::token::{Minted, MintedSecret};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::audit::Change;
use domain::identity::key::{self, ApiKey, agent_of_unbound_key};
use domain::identity::principal::{Action, Role, Scope};
use domain::identity::project::{ProjectRefusal, writable};
use domain::ids::{AgentId, AgentType, InvalidId, KeyId};
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Everything about a key that may be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its public name.
    pub id: KeyId,
    /// Where it is good.
    pub scope: Scope,
    /// The agent it speaks for.
    pub agent: AgentId,
    /// The kind of that agent.
    pub agent_type: AgentType,
    /// What it may do.
    pub role: Role,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it stops being good by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When its secret was last replaced.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<&ApiKey> for KeyRecord {
    type Error = InvalidId;
    fn try_from(key: &ApiKey) -> Result<Self, InvalidId> {
        Ok(Self {
            id: key.id.clone(),
            scope: key.scope.clone(),
            agent: key.agent.clone().map_or_else(|| agent_of_unbound_key(&key.id), Ok)?,
            agent_type: key.agent_type.clone(),
            role: key.role,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            rotated_at: key.rotated_at,
            revoked_at: key.revoked_at,
        })
    }
}

/// A key with a fresh secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssuedKey {
    /// The key.
    pub key: KeyRecord,
    /// What callers send. `None` in a replay: it is not recorded.
    #[serde(skip)]
    pub token: Option<Secret>,
}

/// When a new key expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Expiry {
    /// Never.
    Never,
    /// At an instant.
    At(DateTime<Utc>),
    /// So many seconds after its creation.
    AfterSeconds(u32),
}

impl Expiry {
    fn from(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Never => None,
            Self::At(end) => Some(end),
            Self::AfterSeconds(seconds) => Some(now + TimeDelta::seconds(i64::from(seconds))),
        }
    }
}

/// Creates a key.
#[derive(Debug, Clone)]
pub struct CreateKey {
    /// Where it is to be good.
    pub scope: Scope,
    /// The agent it is to speak for; `None` is one of its own.
    pub agent: Option<AgentId>,
    /// The kind of that agent.
    pub agent_type: AgentType,
    /// What it may do.
    pub role: Role,
    /// When it expires.
    pub expiry: Expiry,
    /// Its id and secret.
    pub minted: Minted,
}

#[async_trait]
impl Command for CreateKey {
    const OPERATION: &'static str = "key.create";
    const ACTION: Action = Action::ManageKeys;
    type Answer = IssuedKey;

    fn content(&self) -> Value {
        let Self { scope, agent, agent_type, role, expiry, minted: _ } = self;
        json!({ "scope": scope, "agent": agent, "agent_type": agent_type, "role": role, "expiry": expiry })
    }

    fn target(&self) -> String {
        self.minted.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let wanted = ApiKey {
            id: self.minted.id.clone(),
            scope: self.scope.clone(),
            agent: self.agent.clone(),
            agent_type: self.agent_type.clone(),
            role: self.role,
            secret_hash: self.minted.secret.hash,
            created_at: scene.now,
            expires_at: self.expiry.from(scene.now),
            last_used_at: None,
            rotated_at: None,
            revoked_at: None,
        };
        let key = match key::create(&scene.call.principal, wanted, scene.now) {
            Ok(key) => key,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        if let Scope::Project(project) = &key.scope {
            let found = uow.project_find(project).await?;
            if let Err(refusal) = writable(found.as_ref(), project) {
                return Ok(Decision::refused(refusal));
            }
        }
        uow.key_add(&key).await?;
        let record = record(&key)?;
        let happening = happening(Self::OPERATION, "key.created", None, &record);
        let token = Some(self.minted.secret.token(&record.id));
        Ok(Decision::answered(IssuedKey { key: record, token }, vec![happening]))
    }
}

/// Replaces the secret of a key at once.
#[derive(Debug, Clone)]
pub struct RotateKey {
    /// Which.
    pub id: KeyId,
    /// The new secret.
    pub secret: MintedSecret,
}

#[async_trait]
impl Command for RotateKey {
    const OPERATION: &'static str = "key.rotate";
    const ACTION: Action = Action::ManageKeys;
    type Answer = IssuedKey;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let found = uow.key_find(&self.id).await?;
        let before = found.as_ref().map(record).transpose()?;
        let key = match key::rotate(&scene.call.principal, found, &self.id, self.secret.hash, scene.now) {
            Ok(key) => key,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.key_save(&key).await?;
        let record = record(&key)?;
        let happening = happening(Self::OPERATION, "key.rotated", before.as_ref(), &record);
        let token = Some(self.secret.token(&record.id));
        Ok(Decision::answered(IssuedKey { key: record, token }, vec![happening]))
    }
}

/// Revokes a key for good.
#[derive(Debug, Clone)]
pub struct RevokeKey {
    /// Which.
    pub id: KeyId,
}

#[async_trait]
impl Command for RevokeKey {
    const OPERATION: &'static str = "key.revoke";
    const ACTION: Action = Action::ManageKeys;
    /// Keys of an archived project can still be revoked.
    const IN_PROJECT: bool = false;
    type Answer = KeyRecord;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        if uow.project_find(project).await?.is_none() {
            return Ok(Decision::refused(ProjectRefusal::Unknown { id: project.clone() }));
        }
        let found = uow.key_find(&self.id).await?;
        let before = found.as_ref().map(record).transpose()?;
        let key = match key::revoke(&scene.call.principal, found, &self.id, scene.now) {
            Ok(key) => key,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.key_save(&key).await?;
        let record = record(&key)?;
        let happening = happening(Self::OPERATION, "key.revoked", before.as_ref(), &record);
        Ok(Decision::answered(record, vec![happening]))
    }
}

/// How the first key of all came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirstKey {
    /// It is stored now.
    Created,
    /// Another key is good already; nothing was changed.
    NotNeeded,
    /// The key is known and no longer good; nothing was changed.
    Spent,
}

/// Stores an admin key of all projects, unless some key is good.
#[derive(Debug, Clone)]
pub struct CreateFirstKey {
    /// The agent it is to speak for.
    pub agent: AgentId,
    /// The kind of that agent.
    pub agent_type: AgentType,
    /// Its id and secret.
    pub minted: Minted,
}

#[async_trait]
impl Command for CreateFirstKey {
    const OPERATION: &'static str = "key.create";
    const ACTION: Action = Action::ManageKeys;
    type Answer = FirstKey;

    fn content(&self) -> Value {
        Value::Null
    }

    fn target(&self) -> String {
        self.minted.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        // Servers that start together stand in line here, so that only the first of them finds no key.
        uow.lock_table_lock(&scene.call.project).await?;
        if uow.key_any_good(scene.now).await? {
            return Ok(Decision::answered(FirstKey::NotNeeded, Vec::new()));
        }
        if uow.key_find(&self.minted.id).await?.is_some() {
            return Ok(Decision::answered(FirstKey::Spent, Vec::new()));
        }
        let key = ApiKey {
            id: self.minted.id.clone(),
            scope: Scope::AllProjects,
            agent: Some(self.agent.clone()),
            agent_type: self.agent_type.clone(),
            role: Role::Admin,
            secret_hash: self.minted.secret.hash,
            created_at: scene.now,
            expires_at: None,
            last_used_at: None,
            rotated_at: None,
            revoked_at: None,
        };
        uow.key_add(&key).await?;
        let happening = happening(Self::OPERATION, "key.created", None, &record(&key)?);
        Ok(Decision::answered(FirstKey::Created, vec![happening]))
    }
}

fn record(key: &ApiKey) -> Result<KeyRecord, StoreError> {
    KeyRecord::try_from(key).map_err(|source| StoreError::Corrupt {
        what: format!("api_keys.agent_id of {}", key.id),
        source: source.into(),
    })
}

fn happening(operation: &str, kind: &'static str, before: Option<&KeyRecord>, after: &KeyRecord) -> Happening {
    let change = Change {
        operation: operation.to_owned(),
        target: after.id.to_string(),
        before: before.map(|before| json!(before)),
        after: Some(json!(after)),
    };
    Happening { change, kind, body: json!(after), by_itself: false }
}
