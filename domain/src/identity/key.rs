//! API keys kept in the store. Only a hash of the secret is known here.

use crate::identity::principal::{Denial, Principal, Role, Scope};
use crate::ids::{AgentId, AgentType, InvalidId, KeyId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// SHA-256 of a key's secret. The secret has 256 random bits, so a fast hash is enough.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHash(pub [u8; 32]);

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash(****)")
    }
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name, part of the token callers send.
    pub id: KeyId,
    /// Where it is good.
    pub scope: Scope,
    /// The agent it speaks for; `None` is the agent `key-<id>`.
    pub agent: Option<AgentId>,
    /// The kind of that agent.
    pub agent_type: AgentType,
    /// What it may do.
    pub role: Role,
    /// The hash of its secret.
    pub secret_hash: SecretHash,
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

/// Why a key cannot be used or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum KeyRefusal {
    /// There is no such key where the caller may look.
    #[error("there is no key `{id}`")]
    Unknown {
        /// The key that was named.
        id: KeyId,
    },
    /// It was revoked.
    #[error("key `{id}` was revoked")]
    Revoked {
        /// The key that was named.
        id: KeyId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The expiry is not in the future.
    #[error("`expires_at` must lie in the future")]
    ExpiryPassed,
    /// Somebody else's scope.
    #[error(transparent)]
    Denied(Denial),
}

impl ApiKey {
    /// Whether it opens the door at this instant.
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Who calls with it.
    pub fn principal(&self) -> Result<Principal, InvalidId> {
        let agent = match &self.agent {
            Some(agent) => agent.clone(),
            None => agent_of_unbound_key(&self.id)?,
        };
        Ok(Principal {
            key: self.id.clone(),
            scope: self.scope.clone(),
            agent,
            agent_type: self.agent_type.clone(),
            role: self.role,
        })
    }
}

/// The agent that an unbound key speaks for: `key-<id>`.
pub fn agent_of_unbound_key(id: &KeyId) -> Result<AgentId, InvalidId> {
    AgentId::parse(&format!("key-{id}"))
}

/// Whether a caller may manage keys of a scope: its own project's, or any with a key of all projects.
pub fn manageable(caller: &Principal, scope: &Scope) -> Result<(), Denial> {
    match (&caller.scope, scope) {
        (Scope::AllProjects, _) => Ok(()),
        (Scope::Project(own), Scope::Project(other)) if own == other => Ok(()),
        (Scope::Project(bound), Scope::Project(claimed)) => {
            Err(Denial::OtherProject { bound: bound.clone(), claimed: claimed.clone() })
        }
        (Scope::Project(_), Scope::AllProjects) => Err(Denial::NeedsAllProjects),
    }
}

/// Checks a new key before it is stored.
pub fn create(caller: &Principal, key: ApiKey, now: DateTime<Utc>) -> Result<ApiKey, KeyRefusal> {
    manageable(caller, &key.scope).map_err(KeyRefusal::Denied)?;
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(KeyRefusal::ExpiryPassed);
    }
    Ok(key)
}

/// Replaces the secret at once; the old one stops working.
pub fn rotate(
    caller: &Principal,
    found: Option<ApiKey>,
    id: &KeyId,
    secret_hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<ApiKey, KeyRefusal> {
    let key = changeable(caller, found, id)?;
    Ok(ApiKey { secret_hash, rotated_at: Some(now), ..key })
}

/// Revokes a key for good.
pub fn revoke(caller: &Principal, found: Option<ApiKey>, id: &KeyId, now: DateTime<Utc>) -> Result<ApiKey, KeyRefusal> {
    let key = changeable(caller, found, id)?;
    Ok(ApiKey { revoked_at: Some(now), ..key })
}

/// A key outside the caller's scope is as unknown as one that does not exist.
fn changeable(caller: &Principal, found: Option<ApiKey>, id: &KeyId) -> Result<ApiKey, KeyRefusal> {
    let key = found
        .filter(|key| manageable(caller, &key.scope).is_ok())
        .ok_or_else(|| KeyRefusal::Unknown { id: id.clone() })?;
    match key.revoked_at {
        Some(at) => Err(KeyRefusal::Revoked { id: key.id, at }),
        None => Ok(key),
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
