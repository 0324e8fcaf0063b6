//! A webhook: who is told what, and how that goes.

use crate::events::Position;
use crate::ids::{AgentId, WebhookId};
use crate::webhooks::address::Target;
use crate::webhooks::delivery::Verdict;
use crate::webhooks::follows::Follows;
use crate::webhooks::policy::DeliveryPolicy;
use crate::webhooks::refusal::WebhookRefusal;
use crate::webhooks::signing::{SigningSecret, SigningSecrets};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The most webhooks of a project.
pub const WEBHOOKS_MAX: u32 = 100;

/// The most deliveries of one webhook that wait to be told. While so many do, it reads no further facts; they stay in the
/// log of facts for it.
pub const PENDING_MAX: u32 = 1_000;

/// A webhook. What its deliveries are signed with stands apart, so that it is told nowhere by accident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where it goes.
    pub target: Target,
    /// What it tells.
    pub follows: Follows,
    /// Whether it goes on.
    pub standing: Standing,
    /// Attempts that failed since the last one that did not.
    pub failures: u32,
    /// When the first of those failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// Up to where it has read the facts.
    pub cursor: Position,
    /// The number its next delivery will have.
    pub next_number: u64,
    /// Who made it.
    pub created_by: AgentId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When somebody last changed it.
    pub changed_at: DateTime<Utc>,
    /// Until when the secret before the present one is valid, if there was one.
    pub old_secret_until: Option<DateTime<Utc>>,
}

/// Whether a webhook goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// It reads facts and tells them.
    Active,
    /// Somebody lets it rest: it reads nothing and tells nothing.
    Paused {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// It was given up: it reads nothing and tells nothing.
    Disabled {
        /// Since when.
        since: DateTime<Utc>,
        /// Why.
        because: DisabledBecause,
    },
}

impl Standing {
    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused { .. } => "paused",
            Self::Disabled { .. } => "disabled",
        }
    }
}

/// Why a webhook was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledBecause {
    /// Too many attempts failed in a row, for too long.
    Failing,
    /// The target answered 410: nobody is there any more.
    Gone,
}

/// What somebody wants to be different.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookPatch {
    /// Another address.
    pub target: Option<Target>,
    /// Other facts.
    pub follows: Option<Follows>,
}

impl Webhook {
    /// Takes a new webhook in, next to `others` of its project.
    pub fn create(wanted: Self, others: u32) -> Result<Self, WebhookRefusal> {
        if others >= WEBHOOKS_MAX { Err(WebhookRefusal::TooMany) } else { Ok(wanted) }
    }

    /// Changes what it tells, and where. What waits already is told at the new address.
    #[must_use]
    pub fn patch(&self, patch: &WebhookPatch, now: DateTime<Utc>) -> Self {
        let target = patch.target.as_ref().unwrap_or(&self.target).clone();
        let follows = patch.follows.as_ref().unwrap_or(&self.follows).clone();
        if target == self.target && follows == self.follows {
            return self.clone();
        }
        Self { target, follows, changed_at: now, ..self.clone() }
    }

    /// Lets it rest. Facts wait for it in their log, as long as that keeps them.
    #[must_use]
    pub fn pause(&self, now: DateTime<Utc>) -> Self {
        match self.standing {
            Standing::Paused { .. } => self.clone(),
            Standing::Active | Standing::Disabled { .. } => {
                Self { standing: Standing::Paused { since: now }, changed_at: now, ..self.clone() }
            }
        }
    }

    /// Lets it go on, as if it had never failed.
    #[must_use]
    pub fn resume(&self, now: DateTime<Utc>) -> Self {
        match self.standing {
            Standing::Active => self.clone(),
            Standing::Paused { .. } | Standing::Disabled { .. } => {
                let standing = Standing::Active;
                Self { standing, failures: 0, failing_since: None, changed_at: now, ..self.clone() }
            }
        }
    }

    /// Puts a new secret in place, beside which the one before stays valid for a while.
    #[must_use]
    pub fn rotate(
        &self,
        secrets: &SigningSecrets,
        secret: SigningSecret,
        now: DateTime<Utc>,
    ) -> (Self, SigningSecrets) {
        let secrets = secrets.rotate(secret, now);
        (Self { changed_at: now, old_secret_until: secrets.overlap_until(now), ..self.clone() }, secrets)
    }

    /// Notes how an attempt came out; gives the webhook up if that was one failure too many, or nobody is there any more.
    #[must_use]
    pub fn note(&self, verdict: Verdict, now: DateTime<Utc>, policy: &DeliveryPolicy) -> Self {
        if verdict == Verdict::Delivered {
            return Self { failures: 0, failing_since: None, ..self.clone() };
        }
        let (failures, since) = (self.failures.saturating_add(1), self.failing_since.unwrap_or(now));
        let is_too_much = failures >= policy.disable_after_failures && now - since >= policy.disable_after();
        let because = match verdict {
            Verdict::Gone => Some(DisabledBecause::Gone),
            Verdict::Delivered | Verdict::Failed => is_too_much.then_some(DisabledBecause::Failing),
        };
        let standing = match (self.standing, because) {
            (Standing::Active, Some(because)) => Standing::Disabled { since: now, because },
            (standing, _) => standing,
        };
        Self { standing, failures, failing_since: Some(since), ..self.clone() }
    }

    /// Whether it reads and tells.
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Active
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
