//! One fact on its way to one webhook.

use crate::ids::{FactId, WebhookId};
use crate::webhooks::policy::DeliveryPolicy;
use crate::webhooks::refusal::WebhookRefusal;
use crate::work::retry::Chance;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The greatest length of what is sent, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// How much of an answer is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How much of what went wrong is kept, in characters.
pub const DETAIL_CHARS_MAX: usize = 300;

/// The most attempts that are kept of one delivery; of more, the latest.
pub const ATTEMPTS_KEPT_MAX: usize = 25;

/// How long a delivery is kept after its end, in days.
pub const KEPT_DAYS: i64 = 7;

/// A delivery. What is sent stands apart, since it can be long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The webhook it belongs to.
    pub webhook: WebhookId,
    /// Its place among those of the webhook: deliveries about one subject are told by it.
    pub number: u64,
    /// The fact it tells. The target knows it again by this.
    pub fact: FactId,
    /// The kind of the fact.
    pub kind: String,
    /// What the fact is about.
    pub subject: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How far it is.
    pub stage: Stage,
    /// Attempts made since it was made, or asked for again.
    pub attempts: u32,
    /// Attempts ever begun: the latest one alone may settle it.
    pub claims: u32,
    /// The attempts, the latest last.
    pub log: Vec<Attempt>,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// An earlier one about the same subject has to be told first.
    Behind,
    /// It is to be told.
    Due {
        /// Not before.
        at: DateTime<Utc>,
    },
    /// A server is telling it.
    Claimed {
        /// Since when.
        since: DateTime<Utc>,
        /// From when on that counts as lost.
        until: DateTime<Utc>,
    },
    /// The target has taken it.
    Delivered {
        /// When.
        at: DateTime<Utc>,
    },
    /// It was tried too often: a dead letter.
    Dead {
        /// When.
        at: DateTime<Utc>,
    },
}

impl Stage {
    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Due { .. } => "due",
            Self::Claimed { .. } => "claimed",
            Self::Delivered { .. } => "delivered",
            Self::Dead { .. } => "dead",
        }
    }

    /// The instant from which there is something to do about it.
    pub const fn due_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Due { at } => Some(at),
            Self::Claimed { until, .. } => Some(until),
            Self::Behind | Self::Delivered { .. } | Self::Dead { .. } => None,
        }
    }

    /// When it ended, if it has.
    pub const fn finished_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Delivered { at } | Self::Dead { at } => Some(at),
            Self::Behind | Self::Due { .. } | Self::Claimed { .. } => None,
        }
    }
}

/// One attempt, as it came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The target answered.
    Answered {
        /// The status. A redirect is not followed, so it is a failure like any other that is not 2xx.
        status: u16,
    },
    /// The address may not be called.
    AddressRefused {
        /// Why.
        detail: String,
    },
    /// The name of the host stands for no address.
    Unresolved {
        /// What was said.
        detail: String,
    },
    /// There was no answer in time.
    TimedOut,
    /// The connection could not be made or kept.
    Unreachable {
        /// What was said.
        detail: String,
    },
    /// The server that told it was not heard of again.
    Lost,
}

/// What an attempt means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The target has taken it.
    Delivered,
    /// It is to be tried again.
    Failed,
    /// The target wants nothing any more.
    Gone,
}

impl Outcome {
    /// What it means: 2xx is success, 410 the end, all else failure.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Answered { status: 200..=299 } => Verdict::Delivered,
            Self::Answered { status: 410 } => Verdict::Gone,
            Self::Answered { .. }
            | Self::AddressRefused { .. }
            | Self::Unresolved { .. }
            | Self::TimedOut
            | Self::Unreachable { .. }
            | Self::Lost => Verdict::Failed,
        }
    }

    /// Cuts what was said to its limit, without control characters.
    pub fn detail(text: &str) -> String {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_CHARS_MAX).collect()
    }
}

/// What becomes of a delivery that somebody wants to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is theirs to tell.
    Taken(Delivery),
    /// It was lost once too often, and is a dead letter now.
    GivenUp(Delivery),
    /// It is not time, or it is over.
    NotDue,
}

impl Delivery {
    /// Takes it to be told. A server that was not heard of in time has lost it.
    pub fn claim(&self, now: DateTime<Utc>, policy: &DeliveryPolicy) -> Claim {
        let mut taken = self.clone();
        match self.stage {
            Stage::Due { at } if at <= now => {}
            Stage::Claimed { since, until } if until <= now => {
                taken.note(Attempt { at: since, duration_ms: millis(until - since), outcome: Outcome::Lost });
            }
            Stage::Behind
            | Stage::Due { .. }
            | Stage::Claimed { .. }
            | Stage::Delivered { .. }
            | Stage::Dead { .. } => return Claim::NotDue,
        }
        if self.attempts >= policy.attempts_max {
            return Claim::GivenUp(Self { stage: Stage::Dead { at: now }, ..taken });
        }
        Claim::Taken(Self {
            stage: Stage::Claimed { since: now, until: now + policy.lease() },
            attempts: self.attempts.saturating_add(1),
            claims: self.claims.saturating_add(1),
            ..taken
        })
    }

    /// Notes how the attempt of a claim came out. `None` if somebody else has it by now: then it says nothing.
    pub fn settle(
        &self,
        claims: u32,
        attempt: Attempt,
        now: DateTime<Utc>,
        policy: &DeliveryPolicy,
        chance: Chance,
    ) -> Option<Self> {
        if self.claims != claims || !matches!(self.stage, Stage::Claimed { .. }) {
            return None;
        }
        let stage = match attempt.outcome.verdict() {
            Verdict::Delivered => Stage::Delivered { at: now },
            Verdict::Failed | Verdict::Gone if self.attempts >= policy.attempts_max => Stage::Dead { at: now },
            Verdict::Failed | Verdict::Gone => Stage::Due { at: now + policy.rest(self.attempts, chance) },
        };
        let mut settled = Self { stage, ..self.clone() };
        settled.note(attempt);
        Some(settled)
    }

    /// It is its turn: what stood before it has ended.
    #[must_use]
    pub fn advance(&self, now: DateTime<Utc>) -> Self {
        match self.stage {
            Stage::Behind => Self { stage: Stage::Due { at: now }, ..self.clone() },
            Stage::Due { .. } | Stage::Claimed { .. } | Stage::Delivered { .. } | Stage::Dead { .. } => self.clone(),
        }
    }

    /// Ends its rest, if it has one.
    #[must_use]
    pub fn hurry(&self, now: DateTime<Utc>) -> Self {
        match self.stage {
            Stage::Due { at } if at > now => Self { stage: Stage::Due { at: now }, ..self.clone() },
            Stage::Behind
            | Stage::Due { .. }
            | Stage::Claimed { .. }
            | Stage::Delivered { .. }
            | Stage::Dead { .. } => self.clone(),
        }
    }

    /// Lets it be told once more, from the first attempt on, before all that waits about its subject.
    pub fn redeliver(&self, now: DateTime<Utc>) -> Result<Self, WebhookRefusal> {
        match self.stage {
            Stage::Delivered { .. } | Stage::Dead { .. } => {
                Ok(Self { stage: Stage::Due { at: now }, attempts: 0, ..self.clone() })
            }
            Stage::Behind | Stage::Due { .. } | Stage::Claimed { .. } => {
                Err(WebhookRefusal::Pending { fact: self.fact })
            }
        }
    }

    fn note(&mut self, attempt: Attempt) {
        if self.log.len() >= ATTEMPTS_KEPT_MAX {
            self.log.remove(0);
        }
        self.log.push(attempt);
    }
}

fn millis(time: TimeDelta) -> u64 {
    u64::try_from(time.num_milliseconds()).unwrap_or(0)
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
