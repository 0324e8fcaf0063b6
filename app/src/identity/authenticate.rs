//! From a token to who is calling.

use crate::identity::env_keys::EnvKeys;
use crate::identity::token::{TOKEN_BYTES_MAX, hash, split};
use crate::identity::usage::Usage;
use crate::telemetry::Metrics;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::key::{ApiKey, SecretHash};
use domain::identity::principal::Principal;
use domain::ids::KeyId;
use ports::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// How long a key is believed to be as it was read. A key revoked elsewhere is good for no longer than this.
pub const CACHED_FOR: Duration = Duration::from_secs(1);

/// How many keys are remembered at once; further ones are read each time.
pub const CACHED_KEYS_MAX: usize = 10_000;

/// Compared with when there is nothing to compare with, so that an unknown key takes as long as a wrong secret.
const NO_HASH: SecretHash = SecretHash([0; 32]);

/// Why a token opens nothing. Callers are told the same of the first three.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// There is no such key, or the secret is wrong.
    #[error("unknown key")]
    Unknown,
    /// The key's time is over.
    #[error("expired key")]
    Expired,
    /// The key was revoked.
    #[error("revoked key")]
    Revoked,
    /// The store could not say.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// A key as it was read, good or not.
#[derive(Clone)]
struct Seen {
    key: ApiKey,
    /// The store's clock at the read.
    read_at: DateTime<Utc>,
    /// Taken before the read, so that nothing is believed for too long.
    since: Instant,
}

/// Tells who calls with a token.
pub struct Authenticator {
    env: EnvKeys,
    store: Arc<dyn Store>,
    metrics: Metrics,
    seen: RwLock<HashMap<KeyId, Seen>>,
    usage: Usage,
}

impl Authenticator {
    /// Accepts the keys of the environment and those of the store.
    pub fn new(env: EnvKeys, store: Arc<dyn Store>, metrics: Metrics) -> Self {
        Self { env, store, metrics, seen: RwLock::default(), usage: Usage::default() }
    }

    /// The keys of the environment.
    pub fn env_keys(&self) -> &EnvKeys {
        &self.env
    }

    /// Who calls with this token. Counts what fails.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, AuthError> {
        let outcome = self.decide(token).await;
        if let Err(error) = &outcome {
            self.metrics.authentication_failure(match error {
                AuthError::Unknown => "unknown",
                AuthError::Expired => "expired",
                AuthError::Revoked => "revoked",
                AuthError::Unavailable(_) => "unavailable",
            });
        }
        outcome
    }

    /// Reads this key anew at its next use: it was changed here.
    pub fn forget(&self, id: &KeyId) {
        self.seen.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Writes when keys were last used: each at most once a minute, or with `all` everything noted. For a background
    /// task and for the stop; no request waits for it.
    pub async fn flush_usage(&self, all: bool) -> Result<(), StoreError> {
        let due = self.usage.due(all);
        if due.is_empty() {
            return Ok(());
        }
        let mut uow = self.store.begin().await?;
        uow.key_note_used(&due).await?;
        uow.commit().await?;
        self.usage.written(&due);
        Ok(())
    }

    async fn decide(&self, token: &str) -> Result<Principal, AuthError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Unknown);
        }
        if let Some(principal) = self.env.find(token) {
            return Ok(principal.clone());
        }
        let (id, secret) = split(token).ok_or(AuthError::Unknown)?;
        let hash = hash(secret);
        if let Some(seen) = self.remembered(&id).filter(|seen| matches(&seen.key.secret_hash, &hash)) {
            return seen.principal();
        }
        // Not remembered, or the secret was replaced since.
        let seen = self.read(&id).await?;
        let stored = seen.as_ref().map_or(&NO_HASH, |seen| &seen.key.secret_hash);
        let is_right = matches(stored, &hash);
        let seen = seen.filter(|_| is_right).ok_or(AuthError::Unknown)?;
        let principal = seen.principal()?;
        self.usage.note(&id, seen.read_at);
        self.remember(seen);
        Ok(principal)
    }

    fn remembered(&self, id: &KeyId) -> Option<Seen> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.get(id).filter(|seen| seen.since.elapsed() < CACHED_FOR).cloned()
    }

    fn remember(&self, seen: Seen) {
        let mut all = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CACHED_KEYS_MAX {
            all.retain(|_, seen| seen.since.elapsed() < CACHED_FOR);
        }
        if all.len() < CACHED_KEYS_MAX {
            all.insert(seen.key.id.clone(), seen);
        }
    }

    async fn read(&self, id: &KeyId) -> Result<Option<Seen>, StoreError> {
        let since = Instant::now();
        let mut uow = self.store.begin_read().await?;
        let read_at = uow.now().await?;
        Ok(uow.key_find(id).await?.map(|key| Seen { key, read_at, since }))
    }
}

impl Seen {
    fn principal(&self) -> Result<Principal, AuthError> {
        let elapsed = TimeDelta::from_std(self.since.elapsed()).unwrap_or(TimeDelta::MAX);
        if self.key.revoked_at.is_some() {
            return Err(AuthError::Revoked);
        }
        if !self.key.is_good(self.read_at + elapsed) {
            return Err(AuthError::Expired);
        }
        self.key.principal().map_err(|source| {
            AuthError::Unavailable(StoreError::Corrupt {
                what: format!("api_keys.agent_id of {}", self.key.id),
                source: source.into(),
            })
        })
    }
}

fn matches(stored: &SecretHash, given: &SecretHash) -> bool {
    stored.0.ct_eq(&given.0).into()
}
