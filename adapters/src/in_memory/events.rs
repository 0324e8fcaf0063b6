//! The log of facts, by project, in the order of the commits.

use super::{InMemoryUnitOfWork, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::events::Fact;
use domain::ids::ProjectId;
use ports::events::FactLog;
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Table = BTreeMap<ProjectId, Vec<Arc<Fact>>>;

#[async_trait]
impl FactLog for InMemoryUnitOfWork {
    async fn facts_append(&mut self, facts: &[Fact]) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.events);
        for fact in facts {
            table.entry(fact.project.clone()).or_default().push(Arc::new(fact.clone()));
        }
        self.wrote();
        Ok(())
    }

    async fn facts_latest(&mut self, project: &ProjectId, rows_max: u32) -> Result<Vec<Fact>, StoreError> {
        let facts = self.read().events.get(project).into_iter().flatten();
        Ok(facts.rev().take(rows(rows_max)).map(|fact| fact.as_ref().clone()).collect())
    }

    async fn facts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let mut room = rows(rows_max);
        let mut pruned = 0;
        for facts in Arc::make_mut(&mut self.write()?.events).values_mut() {
            facts.retain(|fact| {
                let goes = fact.at < before && room > 0;
                room -= usize::from(goes);
                pruned += u64::from(goes);
                !goes
            });
        }
        self.wrote();
        Ok(pruned)
    }
}
