//! Records of answered requests.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::{Record, RequestName};

/// The records of requests that carried an idempotency key.
#[async_trait]
pub trait IdempotencyRepository {
    /// The records of requests, however old, each once, in any order.
    async fn idempotency_load(&mut self, names: &[RequestName]) -> Result<Vec<Record>, StoreError>;
    /// Stores records in place of those of the same requests that were created before `forgotten_before`. MUST be
    /// [`StoreError::Conflict`] when there is a younger one, or two of them are of the same request.
    async fn idempotency_add(&mut self, records: &[Record], forgotten_before: DateTime<Utc>) -> Result<(), StoreError>;
    /// Deletes at most `rows_max` records created before an instant; answers how many.
    async fn idempotency_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}
