//! Rows of leases and past leases.

use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::batch::Cell;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{UnknownValue, corrupt};
use domain::ids::{AgentId, HandoffId, ProjectId, SessionId};
use domain::locks::key::LockKey;
use domain::locks::lease::{EndedLease, Ending, Holder, Lease, Mode, Reason, Token};
use domain::locks::stored::StoredLease;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::Deserialize;

pub(super) const LEASES: &str = "leases";
pub(super) const HISTORY: &str = "lease_history";

pub(super) const LEASE_FIELDS: &str =
    "project_id, token, key, mode, agent_id, session_id, granted_at_us, expires_at_us, reason";

pub(super) const LEASE_COLUMNS: [Column; 9] = [
    ("project_id", Kind::Text),
    ("token", Kind::Int),
    ("key", Kind::Text),
    ("mode", Kind::Text),
    ("agent_id", Kind::Text),
    ("session_id", Kind::Text),
    ("granted_at_us", Kind::Int),
    ("expires_at_us", Kind::Int),
    ("reason", Kind::Text),
];

pub(super) const HISTORY_FIELDS: &str = "project_id, token, key, mode, agent_id, session_id, granted_at_us, \
     expires_at_us, reason, ended_at_us, ending, forced_by, forced_reason";

pub(super) const HISTORY_COLUMNS: [Column; 13] = [
    ("project_id", Kind::Text),
    ("token", Kind::Int),
    ("key", Kind::Text),
    ("mode", Kind::Text),
    ("agent_id", Kind::Text),
    ("session_id", Kind::Text),
    ("granted_at_us", Kind::Int),
    ("expires_at_us", Kind::Int),
    ("reason", Kind::Text),
    ("ended_at_us", Kind::Int),
    ("ending", Kind::Text),
    ("forced_by", Kind::Text),
    ("forced_reason", Kind::Text),
];

#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct LeaseRow {
    project_id: String,
    token: i64,
    key: String,
    mode: String,
    agent_id: String,
    session_id: String,
    granted_at_us: i64,
    expires_at_us: i64,
    reason: Option<String>,
}

/// A lease in the order of [`LEASE_COLUMNS`].
pub(super) fn lease_cells<'a>(project: &'a ProjectId, lease: &'a Lease) -> [Cell<'a>; LEASE_COLUMNS.len()] {
    let Lease { key, mode, holder: Holder { agent, session }, token, granted_at, expires_at, reason } = lease;
    [
        project.as_str().into(),
        token.value().into(),
        key.as_str().into(),
        mode.as_str().into(),
        agent.as_str().into(),
        session.as_str().into(),
        to_us(*granted_at).into(),
        to_us(*expires_at).into(),
        reason.as_ref().map(Reason::as_str).into(),
    ]
}

impl LeaseRow {
    fn read(self, table: &str) -> Result<Lease, StoreError> {
        let Self { project_id, token, key, mode, agent_id, session_id, granted_at_us, expires_at_us, reason } = self;
        let name = format!("{project_id}/{token}");
        let reason = reason.map(|reason| Reason::parse(&reason)).transpose();
        Ok(Lease {
            key: LockKey::parse(&key).map_err(|error| corrupt(table, "key", &name, error))?,
            mode: Mode::parse(&mode).ok_or_else(|| corrupt(table, "mode", &name, UnknownValue(mode)))?,
            holder: Holder {
                agent: AgentId::parse(&agent_id).map_err(|error| corrupt(table, "agent_id", &name, error))?,
                session: SessionId::parse(&session_id).map_err(|error| corrupt(table, "session_id", &name, error))?,
            },
            token: Token::try_new(token).map_err(|error| corrupt(table, "token", &name, error))?,
            granted_at: instant(granted_at_us, table, "granted_at_us", &name)?,
            expires_at: instant(expires_at_us, table, "expires_at_us", &name)?,
            reason: reason.map_err(|error| corrupt(table, "reason", &name, error))?,
        })
    }
}

/// A row and until when its session lives.
#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct StoredLeaseRow {
    #[sea_orm(nested)]
    #[serde(flatten)]
    lease: LeaseRow,
    session_until_us: i64,
}

impl TryFrom<StoredLeaseRow> for StoredLease {
    type Error = StoreError;

    fn try_from(row: StoredLeaseRow) -> Result<Self, StoreError> {
        let StoredLeaseRow { lease, session_until_us } = row;
        let name = format!("{}/{}", lease.project_id, lease.session_id);
        Ok(Self {
            session_until: instant(session_until_us, "sessions", "live_until_us", &name)?,
            lease: lease.read(LEASES)?,
        })
    }
}

#[derive(Debug, FromQueryResult)]
pub(super) struct HistoryRow {
    #[sea_orm(nested)]
    lease: LeaseRow,
    ended_at_us: i64,
    ending: String,
    forced_by: Option<String>,
    forced_reason: Option<String>,
}

const RELEASED: &str = "released";
const EXPIRED: &str = "expired";
const SESSION_ENDED: &str = "session_ended";
const REPLACED: &str = "replaced";
const FORCED: &str = "forced";
/// Its columns are those of an end by force: by whom it was taken over, and the handoff.
const HANDED_OVER: &str = "handed_over";

/// An end by force, or by a handoff, that does not say who and why.
#[derive(Debug, thiserror::Error)]
#[error("nothing stands here though the lease was ended by force or handed over")]
struct ForceUnexplained;

/// A past lease in the order of [`HISTORY_COLUMNS`].
pub(super) fn ended_cells<'a>(project: &'a ProjectId, ended: &'a EndedLease) -> [Cell<'a>; HISTORY_COLUMNS.len()] {
    let EndedLease { lease, ended_at, ending } = ended;
    let (ending, forced) = match ending {
        Ending::Released => (RELEASED, None),
        Ending::Expired => (EXPIRED, None),
        Ending::SessionEnded => (SESSION_ENDED, None),
        Ending::Replaced => (REPLACED, None),
        Ending::HandedOver { to, handoff } => (HANDED_OVER, Some((to.as_str().into(), handoff.to_string().into()))),
        Ending::Forced { by, reason } => (FORCED, Some((by.as_str().into(), reason.as_str().into()))),
    };
    let (forced_by, forced_reason): (Cell<'_>, Cell<'_>) = forced.unwrap_or((Cell::Null, Cell::Null));
    let [project, token, key, mode, agent, session, granted_at, expires_at, reason] = lease_cells(project, lease);
    [
        project,
        token,
        key,
        mode,
        agent,
        session,
        granted_at,
        expires_at,
        reason,
        to_us(*ended_at).into(),
        ending.into(),
        forced_by,
        forced_reason,
    ]
}

impl TryFrom<HistoryRow> for EndedLease {
    type Error = StoreError;

    fn try_from(row: HistoryRow) -> Result<Self, StoreError> {
        let HistoryRow { lease, ended_at_us, ending, forced_by, forced_reason } = row;
        let name = format!("{}/{}", lease.project_id, lease.token);
        let ending = match ending.as_str() {
            RELEASED => Ending::Released,
            EXPIRED => Ending::Expired,
            SESSION_ENDED => Ending::SessionEnded,
            REPLACED => Ending::Replaced,
            FORCED => {
                let by = forced_by.ok_or_else(|| corrupt(HISTORY, "forced_by", &name, ForceUnexplained))?;
                let reason = forced_reason.ok_or_else(|| corrupt(HISTORY, "forced_reason", &name, ForceUnexplained))?;
                Ending::Forced {
                    by: AgentId::parse(&by).map_err(|error| corrupt(HISTORY, "forced_by", &name, error))?,
                    reason: Reason::parse(&reason).map_err(|error| corrupt(HISTORY, "forced_reason", &name, error))?,
                }
            }
            HANDED_OVER => {
                let to = forced_by.ok_or_else(|| corrupt(HISTORY, "forced_by", &name, ForceUnexplained))?;
                let handoff =
                    forced_reason.ok_or_else(|| corrupt(HISTORY, "forced_reason", &name, ForceUnexplained))?;
                Ending::HandedOver {
                    to: AgentId::parse(&to).map_err(|error| corrupt(HISTORY, "forced_by", &name, error))?,
                    handoff: HandoffId::parse(&handoff)
                        .map_err(|error| corrupt(HISTORY, "forced_reason", &name, error))?,
                }
            }
            _ => return Err(corrupt(HISTORY, "ending", &name, UnknownValue(ending))),
        };
        Ok(Self { lease: lease.read(HISTORY)?, ended_at: instant(ended_at_us, HISTORY, "ended_at_us", &name)?, ending })
    }
}
