//! What answers about locks look like on the wire.

use crate::locks::commands::{LeasesAt, ReleasedLease};
use crate::locks::obstacles::ConflictView;
use crate::locks::queries::KeyStatus;
use chrono::{DateTime, Utc};
use domain::locks::lease::{EndedLease, Ending, Lease, Mode, Waiter};
use poem_openapi::{Enum, Object};

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "LockMode", rename_all = "snake_case")]
pub enum ModeView {
    /// Many may hold it in this mode at once.
    Shared,
    /// Nobody else holds it in any mode.
    Exclusive,
}

impl From<ModeView> for Mode {
    fn from(mode: ModeView) -> Self {
        match mode {
            ModeView::Shared => Self::Shared,
            ModeView::Exclusive => Self::Exclusive,
        }
    }
}

impl From<Mode> for ModeView {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Shared => Self::Shared,
            Mode::Exclusive => Self::Exclusive,
        }
    }
}

/// A lock that is held.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Lock", skip_serializing_if_is_none)]
pub struct LeaseView {
    /// What is held, in canonical spelling.
    pub key: String,
    /// How.
    pub mode: ModeView,
    /// The fencing token: greater than that of every earlier holder of the key. Below 2^53.
    pub token: i64,
    /// By which agent.
    pub agent: String,
    /// In which of its sessions.
    pub session: String,
    /// Since when.
    pub granted_at: DateTime<Utc>,
    /// Until when, unless renewed.
    pub expires_at: DateTime<Utc>,
    /// How long from the moment of this answer, in milliseconds; independent of clocks.
    pub expires_in_ms: i64,
    /// What for.
    pub reason: Option<String>,
}

impl LeaseView {
    pub(crate) fn new(lease: Lease, now: DateTime<Utc>) -> Self {
        let Lease { key, mode, holder, token, granted_at, expires_at, reason } = lease;
        Self {
            key: key.into(),
            mode: mode.into(),
            token: token.value(),
            agent: holder.agent.into(),
            session: holder.session.into(),
            granted_at,
            expires_at,
            expires_in_ms: (expires_at - now).num_milliseconds().max(0),
            reason: reason.map(Into::into),
        }
    }
}

/// Locks that are held.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Locks")]
pub struct LeasesView {
    /// Each of them.
    pub locks: Vec<LeaseView>,
}

impl From<LeasesAt> for LeasesView {
    fn from(LeasesAt { leases, now }: LeasesAt) -> Self {
        Self { locks: leases.into_iter().map(|lease| LeaseView::new(lease, now)).collect() }
    }
}

/// A page of locks.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LockPage", skip_serializing_if_is_none)]
pub struct LeasePageView {
    /// At most the asked number, by key.
    pub locks: Vec<LeaseView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// A lock that was given back.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReleasedLock")]
pub struct ReleasedView {
    /// What was held.
    pub key: String,
    /// How.
    pub mode: ModeView,
    /// Under which token.
    pub token: i64,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Whether it had been released before; then this call changed nothing.
    pub already_released: bool,
}

impl From<ReleasedLease> for ReleasedView {
    fn from(ReleasedLease { ended, already }: ReleasedLease) -> Self {
        let EndedLease { lease, ended_at, ending: _ } = ended;
        Self {
            key: lease.key.into(),
            mode: lease.mode.into(),
            token: lease.token.value(),
            ended_at,
            already_released: already,
        }
    }
}

/// Locks that were given back.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReleasedLocks")]
pub struct ReleasedLocksView {
    /// Each of them.
    pub released: Vec<ReleasedView>,
}

impl From<Vec<ReleasedLease>> for ReleasedLocksView {
    fn from(released: Vec<ReleasedLease>) -> Self {
        Self { released: released.into_iter().map(Into::into).collect() }
    }
}

impl From<Vec<EndedLease>> for ReleasedLocksView {
    fn from(ended: Vec<EndedLease>) -> Self {
        ended.into_iter().map(|ended| ReleasedLease { ended, already: false }).collect::<Vec<_>>().into()
    }
}

/// How a lock came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "LockEnding", rename_all = "snake_case")]
pub enum EndingView {
    /// Its holder gave it back.
    Released,
    /// Its time ran out.
    Expired,
    /// Its session ended.
    SessionEnded,
    /// Its holder got a stronger one on the same key.
    Replaced,
    /// Its holder handed it over, and the taker holds the key under a greater token.
    HandedOver,
    /// Somebody took it away.
    Forced,
}

/// A lock of the past.
#[derive(Debug, Clone, Object)]
#[oai(rename = "EndedLock", skip_serializing_if_is_none)]
pub struct EndedView {
    /// What was held.
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
    pub granted_at: DateTime<Utc>,
    /// Until when.
    pub ended_at: DateTime<Utc>,
    /// How it ended.
    pub how: EndingView,
    /// Who took it away, or over.
    pub by: Option<String>,
    /// The handoff it went over with.
    pub handoff_id: Option<String>,
    /// Why it was taken away.
    pub end_reason: Option<String>,
    /// What it was held for.
    pub reason: Option<String>,
}

impl From<EndedLease> for EndedView {
    fn from(EndedLease { lease, ended_at, ending }: EndedLease) -> Self {
        let (how, by, handoff, end_reason) = match ending {
            Ending::Released => (EndingView::Released, None, None, None),
            Ending::Expired => (EndingView::Expired, None, None, None),
            Ending::SessionEnded => (EndingView::SessionEnded, None, None, None),
            Ending::Replaced => (EndingView::Replaced, None, None, None),
            Ending::HandedOver { to, handoff } => (EndingView::HandedOver, Some(to), Some(handoff), None),
            Ending::Forced { by, reason } => (EndingView::Forced, Some(by), None, Some(reason)),
        };
        let Lease { key, mode, holder, token, granted_at, expires_at: _, reason } = lease;
        Self {
            key: key.into(),
            mode: mode.into(),
            token: token.value(),
            agent: holder.agent.into(),
            session: holder.session.into(),
            granted_at,
            ended_at,
            how,
            by: by.map(Into::into),
            handoff_id: handoff.map(Into::into),
            end_reason: end_reason.map(Into::into),
            reason: reason.map(Into::into),
        }
    }
}

/// A lock that was taken away.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ForcedLock")]
pub struct ForcedView {
    /// The lock as it ended.
    pub released: EndedView,
}

/// What an acquire would come to.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LockCheck")]
pub struct CheckView {
    /// Whether all keys could be had now.
    pub grantable: bool,
    /// Everything that stands in the way.
    pub conflicts: Vec<ConflictView>,
}

/// Somebody in line.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LockWaiter", skip_serializing_if_is_none)]
pub struct WaiterView {
    /// The place among those who wait for this key, from 1.
    pub position: u64,
    /// Which agent.
    pub agent: String,
    /// In which of its sessions.
    pub session: String,
    /// Everything it waits for.
    pub keys: Vec<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What for.
    pub reason: Option<String>,
}

/// One key, everything about it.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LockStatus")]
pub struct StatusView {
    /// The key in canonical spelling.
    pub key: String,
    /// Who holds something that overlaps it.
    pub holders: Vec<LeaseView>,
    /// Who waits for something that overlaps it, in order of arrival.
    pub line: Vec<WaiterView>,
    /// The last ten past holders of exactly this key, latest first.
    pub history: Vec<EndedView>,
}

impl StatusView {
    pub(super) fn new(key: String, status: KeyStatus) -> Self {
        let KeyStatus { holders, line, history, now } = status;
        let waiter = |(position, waiter): (u64, Waiter)| WaiterView {
            position,
            keys: waiter.wants.keys().map(ToString::to_string).collect(),
            agent: waiter.holder.agent.into(),
            session: waiter.holder.session.into(),
            since: waiter.joined_at,
            reason: waiter.reason.map(Into::into),
        };
        Self {
            key,
            holders: holders.into_iter().map(|lease| LeaseView::new(lease, now)).collect(),
            line: (1..).zip(line).map(waiter).collect(),
            history: history.into_iter().map(Into::into).collect(),
        }
    }
}

/// Whether a place in line was given up.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LeftLine")]
pub struct LeftView {
    /// False if there was no such place any more.
    pub left: bool,
}
