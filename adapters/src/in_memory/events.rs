//! The log of facts, by project, in the order of the commits.

use super::{InMemoryUnitOfWork, rows};
use async_trait::async_trait;
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
}
