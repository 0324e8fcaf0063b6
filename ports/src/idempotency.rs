//! Records of answered requests.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::{Record, RequestName};

/// The records of requests that carried an idempotency key.
#[async_trait]
pub trait IdempotencyRepository {
    /// The record of a request, however old.
    async fn idempotency_find(&mut self, name: &RequestName) -> Result<Option<Record>, StoreError>;
    /// Stores a record, in place of one that was created before `forgotten_before`. MUST be [`StoreError::Conflict`]
    /// when there is a younger one.
    async fn idempotency_add(&mut self, record: &Record, forgotten_before: DateTime<Utc>) -> Result<(), StoreError>;
    /// Deletes at most `rows_max` records created before an instant; answers how many.
    async fn idempotency_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}
