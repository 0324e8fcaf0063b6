//! The log of facts, by project, in the order of the commits.

use super::{InMemoryUnitOfWork, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::events::{Fact, Position};
use domain::ids::ProjectId;
use ports::events::FactLog;
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// The number of the last fact.
    last: u64,
    logs: BTreeMap<ProjectId, Log>,
}

#[derive(Debug, Clone, Default)]
struct Log {
    facts: BTreeMap<Position, Arc<Fact>>,
    forgotten: Option<Position>,
}

#[async_trait]
impl FactLog for InMemoryUnitOfWork {
    async fn facts_append(&mut self, facts: &[Fact]) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.events);
        for fact in facts {
            table.last += 1;
            let log = table.logs.entry(fact.project.clone()).or_default();
            log.facts.insert(Position::new(0, table.last), Arc::new(fact.clone()));
        }
        self.wrote();
        Ok(())
    }

    async fn facts_latest(&mut self, project: &ProjectId, rows_max: u32) -> Result<Vec<Fact>, StoreError> {
        let facts = self.read().events.logs.get(project).into_iter().flat_map(|log| log.facts.values().rev());
        Ok(facts.take(rows(rows_max)).map(|fact| fact.as_ref().clone()).collect())
    }

    async fn facts_after(
        &mut self,
        project: &ProjectId,
        after: Option<Position>,
        rows_max: u32,
    ) -> Result<Vec<(Position, Fact)>, StoreError> {
        let from = (Bound::Excluded(after.unwrap_or(Position::START)), Bound::Unbounded);
        let facts = self.read().events.logs.get(project).into_iter().flat_map(|log| log.facts.range(from));
        Ok(facts.take(rows(rows_max)).map(|(position, fact)| (*position, fact.as_ref().clone())).collect())
    }

    async fn facts_unsettled(&mut self, _project: &ProjectId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn facts_newest(&mut self, projects: &[ProjectId]) -> Result<Vec<(ProjectId, Position)>, StoreError> {
        let logs = &self.read().events.logs;
        let newest = |project: &ProjectId| logs.get(project)?.facts.last_key_value().map(|(position, _)| *position);
        Ok(projects.iter().filter_map(|project| Some((project.clone(), newest(project)?))).collect())
    }

    async fn facts_horizon(&mut self) -> Result<Position, StoreError> {
        Ok(Position::new(0, self.read().events.last))
    }

    async fn facts_forgotten(&mut self, project: &ProjectId) -> Result<Option<Position>, StoreError> {
        Ok(self.read().events.logs.get(project).and_then(|log| log.forgotten))
    }

    async fn facts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let mut room = rows(rows_max);
        let mut pruned = 0;
        for Log { facts, forgotten } in Arc::make_mut(&mut self.write()?.events).logs.values_mut() {
            facts.retain(|position, fact| {
                let goes = fact.at < before && room > 0;
                room -= usize::from(goes);
                pruned += u64::from(goes);
                if goes {
                    *forgotten = (*forgotten).max(Some(*position));
                }
                !goes
            });
        }
        self.wrote();
        Ok(pruned)
    }
}
