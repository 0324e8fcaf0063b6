//! Forgetting what a filter shows.

use crate::call::Call;
use crate::executor::{Command, Decision, Executor, Scene};
use crate::memory::filtering::Sought;
use crate::memory::happenings::happening;
use crate::memory::recorder::lock;
use crate::refusal::CallError;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::principal::{Action, Denial, Principal, Role, authorize};
use domain::ids::MemoryId;
use domain::memory::filter::{MemoryCursor, MemoryFilter, Order};
use domain::memory::realm::{Realm, Scope};
use domain::memory::record::Memory;
use domain::page::{Page, PageSize};
use ports::store::{Store, StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The most memories that are forgotten in one call.
pub const FORGOTTEN_MAX: usize = 1_000;

/// What was forgotten, or would be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forgotten {
    /// Which.
    pub ids: Vec<MemoryId>,
    /// Whether the filter shows more than these.
    pub has_more: bool,
}

/// Forgets what a filter shows: of agents only what they wrote themselves.
pub async fn forget(executor: &Executor, call: &Call, sought: Sought, is_trial: bool) -> Result<Forgotten, CallError> {
    Ok(executor.execute(call, &Forget { sought, is_trial }).await?.answer)
}

#[derive(Debug, Serialize)]
struct Forget {
    sought: Sought,
    is_trial: bool,
}

impl Forget {
    /// The filter: whoever may not steer forgets what is its own.
    fn filter(&self, call: &Call, now: DateTime<Utc>) -> MemoryFilter {
        let mut filter = self.sought.clone().filter_of_all_times(call, now);
        if call.principal.role < Role::Orchestrator {
            filter.agents = BTreeSet::from([call.principal.agent.clone()]);
        }
        filter
    }
}

#[async_trait]
impl Command for Forget {
    const OPERATION: &'static str = "memory.forget";
    const ACTION: Action = Action::UseMemory;
    type Answer = Forgotten;

    fn authorize(&self, principal: &Principal) -> Result<(), Denial> {
        let is_anothers = self.sought.agents.iter().any(|agent| *agent != principal.agent);
        let is_steering = is_anothers || self.sought.scopes.contains(&Scope::Shared);
        authorize(principal, if is_steering { Action::SteerMemory } else { Action::UseMemory })
    }

    fn content(&self) -> Value {
        json!(self)
    }

    fn asked(&self) -> Value {
        json!({ "scopes": self.sought.scopes, "dry_run": self.is_trial })
    }

    fn target(&self) -> String {
        "memories".to_owned()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let filter = self.filter(scene.call, scene.now);
        if !self.is_trial {
            lock(uow, &filter.realms.iter().cloned().collect()).await?;
        }
        let (memories, has_more) = found(uow, &filter).await?;
        let ids = memories.iter().map(|memory| memory.id).collect();
        let mut happenings = Vec::new();
        if !self.is_trial {
            let mut by_realm: BTreeMap<Realm, Vec<Memory>> = BTreeMap::new();
            for memory in memories {
                happenings.extend(happening(Self::OPERATION, "memory.forgotten", Some(&memory), None));
                by_realm.entry(memory.realm()).or_default().push(memory);
            }
            for (realm, memories) in by_realm {
                uow.memories_forget(&realm, &memories).await?;
            }
        }
        Ok(Decision::answered(Forgotten { ids, has_more }, happenings))
    }
}

async fn found(uow: &mut dyn UnitOfWork, filter: &MemoryFilter) -> Result<(Vec<Memory>, bool), StoreError> {
    let (mut all, mut after): (Vec<Memory>, Option<MemoryCursor>) = (Vec::new(), None);
    loop {
        let Page { rows, next } = uow.memory_list(filter, Order::NewestFirst, after, PageSize::LARGEST).await?;
        all.extend(rows);
        after = next;
        if after.is_none() || all.len() >= FORGOTTEN_MAX {
            break;
        }
    }
    let has_more = after.is_some() || all.len() > FORGOTTEN_MAX;
    all.truncate(FORGOTTEN_MAX);
    Ok((all, has_more))
}

/// Forgets some of what is older than it is kept and worth too little; answers whether there may be more. Its realms are
/// locked after it was looked for, so what has changed since then stays.
pub(crate) async fn forget_past(
    store: &dyn Store,
    kept: TimeDelta,
    worth_min: i64,
    rows_max: u32,
) -> Result<bool, StoreError> {
    let mut reading = store.begin_read().await?;
    let before = reading.now().await? - kept;
    let past = reading.memories_past(before, worth_min, rows_max).await?;
    drop(reading);
    let has_more = u32::try_from(past.len()).is_ok_and(|found| found >= rows_max);
    let mut by_realm: BTreeMap<Realm, Vec<MemoryId>> = BTreeMap::new();
    for memory in past {
        by_realm.entry(memory.realm()).or_default().push(memory.id);
    }
    for (realm, ids) in by_realm {
        let mut uow = store.begin().await?;
        uow.memory_realm_lock(&realm).await?;
        let found = uow.memories_load(std::slice::from_ref(&realm), &ids).await?;
        let is_past = |memory: &Memory| memory.happened_at < before && !memory.pinned && memory.worth() < worth_min;
        let past: Vec<Memory> = found.into_iter().filter(is_past).collect();
        uow.memories_forget(&realm, &past).await?;
        uow.commit().await?;
        tracing::debug!(forgotten = past.len(), %before, "old memories were forgotten");
    }
    Ok(has_more)
}
