//! A store in the memory of the process: the yardstick of what the ports mean.
//!
//! One unit of work writes at a time. It works on a draft that shares its tables with the committed state and copies
//! only those it changes; the commit puts the draft in place of the state, a drop throws it away.

mod agents;
mod alerts;
mod audit;
mod events;
mod handoffs;
mod idempotency;
mod identity;
mod locks;
mod memory;
mod messages;
mod webhooks;
mod work;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::ProjectId;
use ports::clock::Clock;
use ports::store::{PoolState, SchemaState, Store, StoreError, UnitOfWork};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long a unit of work waits for the one before it to end.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A store that is gone when the process ends. Clones are doors to the same store.
#[derive(Clone)]
pub struct InMemoryStore {
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

struct Shared {
    writer: Arc<Mutex<()>>,
    committed: RwLock<State>,
}

/// Every table. A clone shares them all.
#[derive(Clone)]
struct State {
    agents: Arc<agents::Table>,
    registry: Arc<agents::Registry>,
    alerts: Arc<alerts::Table>,
    audit: Arc<audit::Table>,
    events: Arc<events::Table>,
    handoffs: Arc<handoffs::Table>,
    idempotency: Arc<idempotency::Table>,
    identity: Arc<identity::Table>,
    locks: Arc<locks::Table>,
    memory: Arc<memory::Table>,
    messages: Arc<messages::Table>,
    procedures: Arc<memory::procedures::Table>,
    vectors: Arc<memory::vectors::Table>,
    webhooks: Arc<webhooks::Table>,
    work: Arc<work::Table>,
    working: Arc<memory::working::Table>,
}

struct InMemoryUnitOfWork {
    clock: Arc<dyn Clock>,
    draft: State,
    /// `None` in a unit of work that only reads.
    writer: Option<Writer>,
    /// Writes that began and did not succeed. As in a database, nothing of such a unit of work can be kept.
    failed_writes: u32,
    /// The lock tables locked here, and when.
    locked: BTreeMap<ProjectId, DateTime<Utc>>,
}

struct Writer {
    shared: Arc<Shared>,
    _turn: OwnedMutexGuard<()>,
}

impl InMemoryStore {
    /// A store with nothing in it but the project `default`. The clock is the store's clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let created_at = clock.now();
        let committed = RwLock::new(State {
            agents: Arc::default(),
            registry: Arc::default(),
            alerts: Arc::default(),
            audit: Arc::default(),
            events: Arc::default(),
            handoffs: Arc::default(),
            idempotency: Arc::default(),
            identity: Arc::new(identity::Table::with_default_project(created_at)),
            locks: Arc::new(locks::Table::with_default_project()),
            memory: Arc::default(),
            messages: Arc::default(),
            procedures: Arc::default(),
            vectors: Arc::default(),
            webhooks: Arc::default(),
            work: Arc::default(),
            working: Arc::default(),
        });
        Self { clock, shared: Arc::new(Shared { writer: Arc::default(), committed }) }
    }

    fn unit(&self, writer: Option<Writer>) -> Box<dyn UnitOfWork> {
        let draft = self.shared.committed.read().unwrap_or_else(PoisonError::into_inner).clone();
        Box::new(InMemoryUnitOfWork {
            clock: Arc::clone(&self.clock),
            draft,
            writer,
            failed_writes: 0,
            locked: BTreeMap::new(),
        })
    }
}

#[async_trait]
impl Store for InMemoryStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let turn = tokio::time::timeout(BEGIN_TIMEOUT, Arc::clone(&self.shared.writer).lock_owned())
            .await
            .map_err(|_| StoreError::Unavailable("a task holds one unit of work at a time".into()))?;
        Ok(self.unit(Some(Writer { shared: Arc::clone(&self.shared), _turn: turn })))
    }

    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(self.unit(None))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn schema(&self) -> Result<SchemaState, StoreError> {
        Ok(SchemaState::Current)
    }

    fn pool(&self) -> PoolState {
        PoolState::default()
    }
}

impl InMemoryUnitOfWork {
    fn read(&self) -> &State {
        &self.draft
    }

    /// Begins a write, which counts as failed until [`Self::wrote`].
    fn write(&mut self) -> Result<&mut State, StoreError> {
        self.failed_writes += 1;
        match self.writer {
            Some(_) => Ok(&mut self.draft),
            None => Err(StoreError::Failed("a unit of work that only reads cannot write".into())),
        }
    }

    /// Ends a write that succeeded.
    fn wrote(&mut self) {
        self.failed_writes -= 1;
    }
}

#[async_trait]
impl UnitOfWork for InMemoryUnitOfWork {
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        Ok(self.clock.now())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        if self.failed_writes > 0 {
            return Err(StoreError::Failed("a write of this unit of work failed, so it can only be dropped".into()));
        }
        if let Some(writer) = self.writer {
            *writer.shared.committed.write().unwrap_or_else(PoisonError::into_inner) = self.draft;
        }
        Ok(())
    }
}

/// The answer to whoever came second.
fn conflict<T>(what: &'static str) -> Result<T, StoreError> {
    Err(StoreError::Conflict { what })
}

/// A limit of rows as a number of items.
fn rows(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
