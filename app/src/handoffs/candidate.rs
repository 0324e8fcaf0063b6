//! Who a caller is when something is offered.

use crate::call::Call;
use chrono::{DateTime, Utc};
use domain::agents::record::AgentRecord;
use domain::handoffs::Candidate;
use domain::ids::AgentId;
use domain::work::name::Capability;
use ports::store::{StoreError, UnitOfWork};
use std::collections::BTreeSet;

/// The caller, in the session it names or in its living default one, with what its record and that session offer.
pub(super) async fn candidate(
    uow: &mut dyn UnitOfWork,
    call: &Call,
    now: DateTime<Utc>,
) -> Result<Candidate, StoreError> {
    let agent = call.principal.agent.clone();
    let default_of = if call.session.is_none() { std::slice::from_ref(&agent) } else { &[] };
    let sessions = uow.sessions_load(&call.project, call.session.as_slice(), default_of).await?;
    let own = sessions.into_iter().find(|session| session.agent == agent && session.is_live(now));
    let mut capabilities = recorded(uow, call, &agent).await?;
    capabilities.extend(own.iter().flat_map(|session| session.offers.capabilities.iter().cloned()));
    let session = call.session.clone().or_else(|| own.map(|session| session.id));
    Ok(Candidate { agent, session, capabilities })
}

/// What the record of an agent says it can do.
pub(super) async fn recorded(
    uow: &mut dyn UnitOfWork,
    call: &Call,
    agent: &AgentId,
) -> Result<BTreeSet<Capability>, StoreError> {
    let records = uow.agents_look(&call.project, std::slice::from_ref(agent)).await?;
    let registered = records.into_iter().filter(AgentRecord::is_registered);
    Ok(registered.flat_map(|record| record.capabilities).collect())
}
