//! Looking at locks without changing them.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use chrono::{DateTime, Utc};
use domain::agents::vouch;
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::SessionId;
use domain::locks::changes::Loaded;
use domain::locks::conflict::Conflict;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::{EndedLease, HISTORY_ROWS_MAX, Holder, Lease, Waiter};
use domain::locks::table::LockTable;
use domain::locks::wants::Wants;
use domain::page::{Page, PageSize};
use ports::locks::{LeaseCursor, LeaseFilter};
use ports::store::UnitOfWork;
use std::collections::BTreeSet;

/// One key, everything about it.
#[derive(Debug)]
pub struct KeyStatus {
    /// Live leases that overlap it.
    pub holders: Vec<Lease>,
    /// Who waits for something that overlaps it, in order.
    pub line: Vec<Waiter>,
    /// Past holders of exactly this key, latest first.
    pub history: Vec<EndedLease>,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

/// The use cases that only read.
#[derive(Clone)]
pub struct LockQueries {
    executor: Executor,
}

impl LockQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    /// What would stand in the way of an acquire now; empty when it would succeed.
    pub async fn check(&self, call: &Call, wants: &Wants) -> Result<(Vec<Conflict>, DateTime<Utc>), CallError> {
        authorize(&call.principal, Action::UseLocks).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        let keys: Vec<LockKey> = wants.keys().cloned().collect();
        let (table, _) = snapshot(uow.as_mut(), call, &keys).await?;
        let session = self.own_session(uow.as_mut(), call, table.now()).await?;
        let holder = Holder { agent: call.principal.agent.clone(), session };
        Ok((table.check(&holder, wants), table.now()))
    }

    /// Who holds a key, who waits for it, who held it.
    pub async fn status(&self, call: &Call, key: &LockKey) -> Result<KeyStatus, CallError> {
        authorize(&call.principal, Action::UseLocks).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        let (table, tidied) = snapshot(uow.as_mut(), call, std::slice::from_ref(key)).await?;
        let (holders, line) = table.around(key);
        let mut history: Vec<EndedLease> = tidied.into_iter().filter(|ended| ended.lease.key == *key).collect();
        history.extend(uow.ended_list(&call.project, key, HISTORY_ROWS_MAX).await?);
        history.sort_by_key(|ended| std::cmp::Reverse(ended.lease.token));
        history.truncate(HISTORY_ROWS_MAX as usize);
        Ok(KeyStatus { holders, line, history, now: table.now() })
    }

    /// Lists live leases by key.
    pub async fn list(
        &self,
        call: &Call,
        filter: &LeaseFilter,
        after: Option<&LeaseCursor>,
        size: PageSize,
    ) -> Result<(Page<Lease, LeaseCursor>, DateTime<Utc>), CallError> {
        authorize(&call.principal, Action::UseLocks).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        let now = uow.now().await?;
        if uow.project_find(&call.project).await?.is_none() {
            return Err(unknown_project(call));
        }
        Ok((uow.lease_list(&call.project, filter, now, after, size).await?, now))
    }

    /// The session that an acquire of this call would run in. The call is a sign of life of it.
    async fn own_session(
        &self,
        uow: &mut dyn UnitOfWork,
        call: &Call,
        now: DateTime<Utc>,
    ) -> Result<SessionId, CallError> {
        let default_of = if call.session.is_none() { std::slice::from_ref(&call.principal.agent) } else { &[] };
        let found = uow.sessions_load(&call.project, call.session.as_slice(), default_of).await?.pop();
        let vouched = vouch(&call.session_request(), found, now).map_err(Refusal::Session)?;
        match (vouched, &call.session) {
            (Some(resolved), _) => {
                let id = resolved.session().id.clone();
                self.executor.signs_of_life().note(resolved);
                Ok(id)
            }
            (None, Some(id)) => Ok(id.clone()),
            // It has none yet: a name that nobody else has, for any fixed one could be somebody's.
            (None, None) => SessionId::parse(&format!("ses_{}", self.executor.ids().random_name()))
                .map_err(|error| CallError::Internal(error.to_string())),
        }
    }
}

fn unknown_project(call: &Call) -> CallError {
    CallError::Refused(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }))
}

/// The table around some keys as it is now, and what of it had run out.
pub(crate) async fn snapshot(
    uow: &mut dyn UnitOfWork,
    call: &Call,
    keys: &[LockKey],
) -> Result<(LockTable, Vec<EndedLease>), CallError> {
    let head = uow.lock_table_lock(&call.project).await?.ok_or_else(|| unknown_project(call))?;
    let waiters = uow.waiters_load(&call.project).await?;
    let waited: BTreeSet<LockKey> = waiters.iter().flat_map(|stored| stored.waiter.wants.keys().cloned()).collect();
    let leases = uow.leases_load(&call.project, &KeyScope::overlapping(keys.iter().chain(&waited))).await?;
    let loaded = Loaded { now: head.now, last_token: head.last_token, leases, waiters, ended: Vec::new() };
    let table = LockTable::new(loaded);
    let tidied = table.changes().leases_ended.clone();
    Ok((table, tidied))
}
