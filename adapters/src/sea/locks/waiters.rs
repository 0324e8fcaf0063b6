//! Rows of the line.

use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::{Column, Kind, hex_uuid, json_text};
use crate::sea::error::corrupt;
use domain::ids::{AgentId, ProjectId, SessionId, TicketId};
use domain::locks::lease::{Holder, Reason, Waiter};
use domain::locks::stored::StoredWaiter;
use domain::locks::wants::Wants;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
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
    ("wants", Kind::Json),
    ("reason", Kind::Text),
    ("joined_at_us", Kind::Int),
    ("kept_until_us", Kind::Int),
];

#[derive(Debug, FromQueryResult, Serialize, Deserialize)]
pub(super) struct WaiterRow {
    project_id: String,
    place: i64,
    #[serde(serialize_with = "hex_uuid")]
    ticket: Uuid,
    agent_id: String,
    session_id: String,
    #[serde(serialize_with = "json_text")]
    wants: serde_json::Value,
    reason: Option<String>,
    joined_at_us: i64,
    kept_until_us: i64,
}

impl WaiterRow {
    pub(super) fn of(project: &ProjectId, waiter: &Waiter) -> Result<Self, serde_json::Error> {
        let Waiter { ticket, place, holder: Holder { agent, session }, wants, reason, joined_at, kept_until } = waiter;
        Ok(Self {
            project_id: project.as_str().to_owned(),
            place: *place,
            ticket: ticket.uuid(),
            agent_id: agent.as_str().to_owned(),
            session_id: session.as_str().to_owned(),
            wants: serde_json::to_value(wants)?,
            reason: reason.as_ref().map(|reason| reason.as_str().to_owned()),
            joined_at_us: to_us(*joined_at),
            kept_until_us: to_us(*kept_until),
        })
    }
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
            wants: serde_json::from_value::<Wants>(wants).map_err(|error| corrupt(WAITERS, "wants", &name, error))?,
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
