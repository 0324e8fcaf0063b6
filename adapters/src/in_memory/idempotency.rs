//! The records of answered requests, by request.

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::{Record, RequestName};
use ports::idempotency::IdempotencyRepository;
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Table = BTreeMap<RequestName, Record>;

#[async_trait]
impl IdempotencyRepository for InMemoryUnitOfWork {
    async fn idempotency_load(&mut self, names: &[RequestName]) -> Result<Vec<Record>, StoreError> {
        let table = &self.read().idempotency;
        Ok(names.iter().filter_map(|name| table.get(name).cloned()).collect())
    }

    async fn idempotency_add(&mut self, records: &[Record], forgotten_before: DateTime<Utc>) -> Result<(), StoreError> {
        for record in records {
            let table = Arc::make_mut(&mut self.write()?.idempotency);
            if table.get(&record.name).is_some_and(|stored| stored.created_at >= forgotten_before) {
                return conflict("idempotency key");
            }
            table.insert(record.name.clone(), record.clone());
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
