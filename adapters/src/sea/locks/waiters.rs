//! Rows of the line.

use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::batch::Cell;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::corrupt;
use domain::ids::{AgentId, ProjectId, SessionId, TicketId};
use domain::locks::lease::{Holder, Reason, Waiter};
use domain::locks::stored::StoredWaiter;
use domain::locks::wants::Wants;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::Deserialize;
use uuid::Uuid;

pub(super) const WAITERS: &str = "waiters";

pub(super) const WAITER_FIELDS: &str =
    "project_id, place, ticket, agent_id, session_id, wants, reason, joined_at_us, kept_until_us";

pub(super) const WAITER_COLUMNS: [Column; 9] = [
    ("project_id", Kind::Text),
    ("place", Kind::Int),
    ("ticket", Kind::Uuid),
    ("agent_id", Kind::Text),
    ("session_id", Kind::Text),
    ("wants", Kind::Text),
    ("reason", Kind::Text),
    ("joined_at_us", Kind::Int),
    ("kept_until_us", Kind::Int),
];

#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct WaiterRow {
    project_id: String,
    place: i64,
    ticket: Uuid,
    agent_id: String,
    session_id: String,
    wants: String,
    reason: Option<String>,
    joined_at_us: i64,
    kept_until_us: i64,
}

/// Somebody in the line in the order of [`WAITER_COLUMNS`].
pub(super) fn waiter_cells<'a>(
    project: &'a ProjectId,
    waiter: &'a Waiter,
) -> Result<[Cell<'a>; WAITER_COLUMNS.len()], serde_json::Error> {
    let Waiter { ticket, place, holder: Holder { agent, session }, wants, reason, joined_at, kept_until } = waiter;
    Ok([
        project.as_str().into(),
        (*place).into(),
        ticket.uuid().into(),
        agent.as_str().into(),
        session.as_str().into(),
        serde_json::to_string(wants)?.into(),
        reason.as_ref().map(Reason::as_str).into(),
        to_us(*joined_at).into(),
        to_us(*kept_until).into(),
    ])
}

impl TryFrom<WaiterRow> for Waiter {
    type Error = StoreError;

    fn try_from(row: WaiterRow) -> Result<Self, StoreError> {
        let WaiterRow { project_id, place, ticket, agent_id, session_id, wants, reason, joined_at_us, kept_until_us } =
            row;
        let name = format!("{project_id}/{place}");
        let reason = reason.map(|reason| Reason::parse(&reason)).transpose();
        Ok(Self {
            ticket: TicketId::new(ticket),
            place,
            holder: Holder {
                agent: AgentId::parse(&agent_id).map_err(|error| corrupt(WAITERS, "agent_id", &name, error))?,
                session: SessionId::parse(&session_id).map_err(|error| corrupt(WAITERS, "session_id", &name, error))?,
            },
            wants: serde_json::from_str::<Wants>(&wants).map_err(|error| corrupt(WAITERS, "wants", &name, error))?,
            reason: reason.map_err(|error| corrupt(WAITERS, "reason", &name, error))?,
            joined_at: instant(joined_at_us, WAITERS, "joined_at_us", &name)?,
            kept_until: instant(kept_until_us, WAITERS, "kept_until_us", &name)?,
        })
    }
}

/// A row and until when its session lives.
#[derive(Debug, FromQueryResult, Deserialize)]
pub(super) struct StoredWaiterRow {
    #[sea_orm(nested)]
    #[serde(flatten)]
    waiter: WaiterRow,
    session_until_us: i64,
}

impl TryFrom<StoredWaiterRow> for StoredWaiter {
    type Error = StoreError;

    fn try_from(row: StoredWaiterRow) -> Result<Self, StoreError> {
        let StoredWaiterRow { waiter, session_until_us } = row;
        let name = format!("{}/{}", waiter.project_id, waiter.session_id);
        Ok(Self {
            session_until: instant(session_until_us, "sessions", "live_until_us", &name)?,
            waiter: waiter.try_into()?,
        })
    }
}
