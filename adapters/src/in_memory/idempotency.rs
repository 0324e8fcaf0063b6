//! The records of answered requests, by request.

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::{Record, RequestName};
use ports::idempotency::IdempotencyRepository;
use ports::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Records never change, so a copy of the table shares them.
pub(super) type Table = BTreeMap<RequestName, Arc<Record>>;

#[async_trait]
impl IdempotencyRepository for InMemoryUnitOfWork {
    async fn idempotency_load(&mut self, names: &[RequestName]) -> Result<Vec<Record>, StoreError> {
        let table = &self.read().idempotency;
        let names: BTreeSet<&RequestName> = names.iter().collect();
        Ok(names.into_iter().filter_map(|name| table.get(name)).map(|record| record.as_ref().clone()).collect())
    }

    async fn idempotency_add(&mut self, records: &[Record], forgotten_before: DateTime<Utc>) -> Result<(), StoreError> {
        let mut added = BTreeSet::new();
        for record in records {
            let table = Arc::make_mut(&mut self.write()?.idempotency);
            let is_young = |stored: &Arc<Record>| stored.created_at >= forgotten_before;
            if !added.insert(&record.name) || table.get(&record.name).is_some_and(is_young) {
                return conflict("idempotency key");
            }
            table.insert(record.name.clone(), Arc::new(record.clone()));
            self.wrote();
        }
        Ok(())
    }

    async fn idempotency_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let table = Arc::make_mut(&mut self.write()?.idempotency);
        let old: Vec<RequestName> = table
            .values()
            .filter(|record| record.created_at < before)
            .take(rows(rows_max))
            .map(|record| record.name.clone())
            .collect();
        for name in &old {
            table.remove(name);
        }
        self.wrote();
        Ok(old.len() as u64)
    }
}
