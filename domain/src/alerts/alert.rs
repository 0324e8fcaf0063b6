//! An alert: open until somebody acknowledges it, there until somebody resolves it, worse while nobody does either.

use crate::alerts::content::{AlertDetail, AlertTitle, DedupKey, Severity};
use crate::alerts::refusal::AlertRefusal;
use crate::identity::principal::Role;
use crate::ids::{AgentId, AlertId};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The most alerts of a project that are not resolved.
pub const UNRESOLVED_MAX: u32 = 10_000;

/// How often an alert escalates.
pub const ESCALATIONS_MAX: u32 = 3;

/// How long a resolved alert is kept, in days.
pub const KEPT_DAYS: i64 = 30;

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What it is about.
    pub dedup_key: DedupKey,
    /// How bad it is by now.
    pub severity: Severity,
    /// In one line.
    pub title: AlertTitle,
    /// At length.
    pub detail: Option<AlertDetail>,
    /// Who raised it first: an agent, or the server itself.
    pub raised_by: AgentId,
    /// How far it is.
    pub state: State,
    /// How often it was raised.
    pub count: u64,
    /// When it was first raised.
    pub first_at: DateTime<Utc>,
    /// When it was last raised.
    pub last_at: DateTime<Utc>,
    /// How often it has escalated.
    pub escalations: u32,
    /// When it escalates next; `None` if it does not.
    pub escalates_at: Option<DateTime<Utc>>,
}

/// How far an alert is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Nobody has taken it up.
    Open,
    /// Somebody sees to it.
    Acknowledged {
        /// Who.
        by: AgentId,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// It is over.
    Resolved {
        /// Who said so: an agent, or the server itself.
        by: AgentId,
        /// When.
        at: DateTime<Utc>,
    },
}

/// How far an alert is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nobody has taken it up.
    Open,
    /// Somebody sees to it.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl Stage {
    /// The name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

impl State {
    /// In a word.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Open => Stage::Open,
            Self::Acknowledged { .. } => Stage::Acknowledged,
            Self::Resolved { .. } => Stage::Resolved,
        }
    }
}

/// What somebody raises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// What it is about.
    pub dedup_key: DedupKey,
    /// How bad it is.
    pub severity: Severity,
    /// In one line.
    pub title: AlertTitle,
    /// At length.
    pub detail: Option<AlertDetail>,
    /// How often it has happened.
    pub times: u32,
}

/// When alerts escalate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escalation {
    /// After how long without anybody taking it up; `None` never.
    pub after: Option<TimeDelta>,
}

impl Escalation {
    fn next(self, now: DateTime<Utc>, escalations: u32) -> Option<DateTime<Utc>> {
        self.after.filter(|_| escalations < ESCALATIONS_MAX).map(|after| now + after)
    }
}

/// What a raise did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// The alert before; `None` if it is new.
    pub before: Option<Alert>,
    /// The alert now.
    pub alert: Alert,
    /// Whether orchestrators are to be told: it is new, or worse than they know.
    pub is_news: bool,
}

impl Alert {
    /// Raises an alert. `standing` is the one of this key that is not resolved, and `unresolved` how many there are.
    pub fn raise(
        id: AlertId,
        raise: &Raise,
        by: &AgentId,
        standing: Option<&Self>,
        unresolved: u32,
        now: DateTime<Utc>,
        escalation: Escalation,
    ) -> Result<Raised, AlertRefusal> {
        let Raise { dedup_key, severity, title, detail, times } = raise.clone();
        let Some(before) = standing else {
            if unresolved >= UNRESOLVED_MAX {
                return Err(AlertRefusal::TooMany);
            }
            let alert = Self {
                id,
                dedup_key,
                severity,
                title,
                detail,
                raised_by: by.clone(),
                state: State::Open,
                count: times.max(1).into(),
                first_at: now,
                last_at: now,
                escalations: 0,
                escalates_at: escalation.next(now, 0),
            };
            return Ok(Raised { before: None, alert, is_news: true });
        };
        let mut alert = Self {
            title,
            detail: detail.or_else(|| before.detail.clone()),
            count: before.count.saturating_add(times.max(1).into()),
            last_at: now,
            ..before.clone()
        };
        let is_news = severity > before.severity;
        if is_news {
            alert.severity = severity;
            // Whoever took it up took up something less.
            if alert.state != State::Open {
                alert.state = State::Open;
                alert.escalates_at = escalation.next(now, alert.escalations);
            }
        }
        Ok(Raised { before: Some(before.clone()), alert, is_news })
    }

    /// Makes it worse if its time has come and nobody has taken it up.
    pub fn escalate(&self, now: DateTime<Utc>, escalation: Escalation) -> Option<Self> {
        let is_due = self.escalates_at.is_some_and(|at| at <= now);
        if self.state != State::Open || !is_due || self.escalations >= ESCALATIONS_MAX {
            return None;
        }
        let escalations = self.escalations + 1;
        let escalates_at = escalation.next(now, escalations);
        Some(Self { severity: self.severity.worse(), escalations, escalates_at, ..self.clone() })
    }

    /// Somebody sees to it. Said twice, the first stays.
    pub fn acknowledge(&self, by: &AgentId, now: DateTime<Utc>) -> Result<Self, AlertRefusal> {
        match &self.state {
            State::Open => {
                let state = State::Acknowledged { by: by.clone(), at: now };
                Ok(Self { state, escalates_at: None, ..self.clone() })
            }
            State::Acknowledged { .. } => Ok(self.clone()),
            State::Resolved { .. } => Err(AlertRefusal::Resolved { id: self.id }),
        }
    }

    /// It is over. Orchestrators may say so of any, others of those they raised. Said twice, the first stays.
    pub fn resolve(&self, by: &AgentId, role: Role, now: DateTime<Utc>) -> Result<Self, AlertRefusal> {
        if role < Role::Orchestrator && *by != self.raised_by {
            return Err(AlertRefusal::NotYours { id: self.id });
        }
        match &self.state {
            State::Open | State::Acknowledged { .. } => {
                let state = State::Resolved { by: by.clone(), at: now };
                Ok(Self { state, escalates_at: None, ..self.clone() })
            }
            State::Resolved { .. } => Ok(self.clone()),
        }
    }

    /// When it was resolved.
    pub const fn resolved_at(&self) -> Option<DateTime<Utc>> {
        match &self.state {
            State::Resolved { at, .. } => Some(*at),
            State::Open | State::Acknowledged { .. } => None,
        }
    }
}

#[cfg(test)]
#[path = "alert_tests.rs"]
mod tests;
