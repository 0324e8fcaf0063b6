//! What stands in the way of a caller, as refusals tell it.

use crate::locks::views::{EndedView, ModeView};
use chrono::{DateTime, Utc};
use domain::locks::conflict::{Conflict, Obstacle};
use domain::locks::lease::Lease;
use domain::locks::refusal::{CycleStep, StaleToken};
use poem_openapi::{Enum, Object};

/// How somebody stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ConflictKind", rename_all = "snake_case")]
pub enum ConflictKind {
    /// By holding it.
    Holder,
    /// By having come first.
    AheadInLine,
}

/// One reason why one wanted key cannot be had.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LockConflict", skip_serializing_if_is_none)]
pub struct ConflictView {
    /// The key that was wanted.
    pub wanted: String,
    /// The overlapping key of the other.
    pub key: String,
    /// The other's mode.
    pub mode: ModeView,
    /// The other agent.
    pub agent: String,
    /// Its session.
    pub session: String,
    /// Since when it holds or waits.
    pub since: DateTime<Utc>,
    /// What for.
    pub reason: Option<String>,
    /// Whether it holds or waits.
    pub kind: ConflictKind,
    /// The token it holds under.
    pub token: Option<i64>,
    /// When that lock ends unless it is renewed.
    pub until: Option<DateTime<Utc>>,
}

impl From<Conflict> for ConflictView {
    fn from(conflict: Conflict) -> Self {
        let Conflict { wanted, key, mode, agent, session, since, reason, obstacle } = conflict;
        let (kind, token, until) = match obstacle {
            Obstacle::Holder { token, until } => (ConflictKind::Holder, Some(token.value()), Some(until)),
            // Tickets are shown to their owners only.
            Obstacle::AheadInLine { ticket: _ } => (ConflictKind::AheadInLine, None, None),
        };
        Self {
            wanted: wanted.into(),
            key: key.into(),
            mode: mode.into(),
            agent: agent.into(),
            session: session.into(),
            since,
            reason: reason.map(Into::into),
            kind,
            token,
            until,
        }
    }
}

/// One step of a circle of waiting.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CycleStep")]
pub struct CycleStepView {
    /// Who waits.
    pub agent: String,
    /// In which session.
    pub session: String,
    /// For which key.
    pub waits_for: String,
    /// Which agent stands in the way.
    pub held_by: String,
    /// In which session.
    pub held_by_session: String,
}

impl From<CycleStep> for CycleStepView {
    fn from(CycleStep { agent, session, waits_for, held_by, held_by_session }: CycleStep) -> Self {
        Self {
            agent: agent.into(),
            session: session.into(),
            waits_for: waits_for.into(),
            held_by: held_by.into(),
            held_by_session: held_by_session.into(),
        }
    }
}

/// Who holds something now.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LockHolder")]
pub struct HolderView {
    /// What is held.
    pub key: String,
    /// How.
    pub mode: ModeView,
    /// Under which token.
    pub token: i64,
    /// By which agent.
    pub agent: String,
    /// In which of its sessions.
    pub session: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when, unless renewed.
    pub until: DateTime<Utc>,
}

impl From<Lease> for HolderView {
    fn from(Lease { key, mode, holder, token, granted_at, expires_at, reason: _ }: Lease) -> Self {
        Self {
            key: key.into(),
            mode: mode.into(),
            token: token.value(),
            agent: holder.agent.into(),
            session: holder.session.into(),
            since: granted_at,
            until: expires_at,
        }
    }
}

/// A token that stands for nothing any more.
#[derive(Debug, Clone, Object)]
#[oai(rename = "StaleToken")]
pub struct StaleView {
    /// The token that was presented.
    pub token: i64,
    /// The lock it stood for, and what became of it.
    pub ended: EndedView,
    /// Who holds something that overlaps its key now.
    pub holders_now: Vec<HolderView>,
}

impl From<StaleToken> for StaleView {
    fn from(StaleToken { token, ended, holders_now }: StaleToken) -> Self {
        Self {
            token: token.value(),
            ended: ended.into(),
            holders_now: holders_now.into_iter().map(Into::into).collect(),
        }
    }
}
