//! Finding out where a memory lies, before anything is locked.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::CallError;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, InvalidId, MemoryId, ProjectId, SessionId};
use domain::memory::realm::{Realm, Scope};
use ports::store::{StoreError, UnitOfWork};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Everything that the caller may read.
pub(super) fn readable(call: &Call) -> Vec<Realm> {
    Realm::readable(&call.project, &call.principal.agent, &BTreeSet::from(Scope::ALL))
}

/// The realm of a memory that the caller may read. A memory never moves, so that this stays true; `None` if there is none.
pub(super) async fn locate(executor: &Executor, call: &Call, id: MemoryId) -> Result<Option<Realm>, CallError> {
    let mut uow = executor.store().begin_read().await?;
    let found = uow.memories_load(&readable(call), &[id]).await?.pop();
    Ok(found.map(|memory| memory.realm()))
}

/// The session a caller is in: the one it names, or its living default one.
pub(super) async fn session(
    uow: &mut dyn UnitOfWork,
    call: &Call,
    now: DateTime<Utc>,
) -> Result<Option<SessionId>, StoreError> {
    if call.session.is_some() {
        return Ok(call.session.clone());
    }
    let agent = &call.principal.agent;
    let sessions = uow.sessions_load(&call.project, &[], std::slice::from_ref(agent)).await?;
    let own = sessions.into_iter().find(|session| session.agent == *agent && session.is_live(now));
    Ok(own.map(|session| session.id))
}

/// The name under which the verdict of an agent is kept: in a realm of all projects, agents of two projects may have the
/// same name.
pub(super) fn rater(realm: &Realm, project: &ProjectId, agent: &AgentId) -> Result<AgentId, InvalidId> {
    if !matches!(realm, Realm::Shared) {
        return Ok(agent.clone());
    }
    AgentId::parse(&format!("{project}/{agent}")).or_else(|_| {
        let digest = Sha256::digest(agent.as_str().as_bytes());
        let number = digest.iter().take(16).fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
        AgentId::parse(&format!("{project}/{number:032x}"))
    })
}
