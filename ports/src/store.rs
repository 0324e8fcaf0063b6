//! The store and its unit of work.

use crate::agents::{AgentRepository, SessionRepository};
use crate::alerts::AlertRepository;
use crate::audit::AuditLog;
use crate::events::FactLog;
use crate::handoffs::HandoffRepository;
use crate::idempotency::IdempotencyRepository;
use crate::identity::{KeyRepository, ProjectRepository};
use crate::locks::LockRepository;
use crate::memory::MemoryRepository;
use crate::memory::procedures::ProcedureRepository;
use crate::memory::vectors::VectorRepository;
use crate::memory::working::WorkingRepository;
use crate::messages::{GroupRepository, MailListing, MailRepository};
use crate::webhooks::WebhookRepository;
use crate::work::{ScheduleRepository, TaskRepository};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// What went wrong in a store. Absence is not an error: finders answer `Option`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else got there first; nothing was changed. Trying the whole use case again may work.
    #[error("conflict on {what}")]
    Conflict {
        /// What was fought for.
        what: &'static str,
    },
    /// The store cannot be reached, or did not answer in time. Trying again later may work.
    ///
    /// When a commit ends so, it is not known whether it happened.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store holds something it must not hold.
    #[error("corrupt {what}")]
    Corrupt {
        /// Table, column and row.
        what: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store refused a statement in a way that trying again will not mend.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How full the connection pool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Open connections.
    pub size: u32,
    /// Open connections that nobody uses.
    pub idle: u32,
}

/// Whether the schema fits this binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// Every migration is applied and none is unknown.
    Current,
    /// Migrations wait to be applied.
    Behind {
        /// Their names, in order.
        pending: Vec<String>,
    },
    /// A newer binary migrated it.
    Newer {
        /// Migrations this binary does not know.
        unknown: Vec<String>,
    },
}

/// What finds memories by their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordEngine {
    /// Looking at each.
    Plain,
    /// The full-text index of SQLite.
    Fts5,
    /// The inverted index of PostgreSQL.
    Postgres,
    /// `pg_search` of `ParadeDB`.
    PgSearch,
}

/// What finds memories by their vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorEngine {
    /// Comparing all of them.
    Exact,
    /// An HNSW index of `pgvector`, where there are so many that comparing them takes long.
    Pgvector,
}

/// What finds memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchEngines {
    /// By their words.
    pub words: WordEngine,
    /// By their vectors.
    pub vectors: VectorEngine,
}

/// A database, or something that keeps its promises.
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a unit of work that may write. Nothing else may be awaited in it, and a task holds one at a time.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
    /// As [`Self::begin`], where it is unlikely that anybody else wants the same: it may do without locks, and then what
    /// was loaded need not stay true. Instead the commit MUST be [`StoreError::Conflict`] if it did not, and what
    /// [`Self::begin`] has as a conflict on a write may be one on the commit.
    async fn begin_optimistic(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.begin().await
    }
    /// Begins a unit of work that only reads; it never waits for a writer. Writing in it is an error.
    async fn begin_read(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
    /// As [`Self::begin_read`], for single questions and for what never changes: each sees what is committed when it is
    /// asked.
    async fn begin_glance(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        self.begin_read().await
    }
    /// Answers whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
    /// Compares the schema with what this binary knows.
    async fn schema(&self) -> Result<SchemaState, StoreError>;
    /// What memories are found with.
    fn engines(&self) -> SearchEngines {
        SearchEngines { words: WordEngine::Plain, vectors: VectorEngine::Exact }
    }
    /// Makes what finds vectors of a dimension sooner, if the database can have it and does not yet, which may take long.
    /// MUST be called outside of any unit of work, before there are many of them, and now and then later.
    async fn prepare_vectors(&self, _dimension: usize) -> Result<(), StoreError> {
        Ok(())
    }
    /// How full the pool is; zeros where there is none.
    fn pool(&self) -> PoolState;
}

/// One transaction over everything: the sum of the repositories. Dropping it rolls back.
#[async_trait]
pub trait UnitOfWork:
    AgentRepository
    + AlertRepository
    + AuditLog
    + FactLog
    + HandoffRepository
    + IdempotencyRepository
    + KeyRepository
    + LockRepository
    + GroupRepository
    + MailListing
    + MailRepository
    + MemoryRepository
    + ProcedureRepository
    + ProjectRepository
    + ScheduleRepository
    + SessionRepository
    + TaskRepository
    + VectorRepository
    + WebhookRepository
    + WorkingRepository
    + Send
{
    /// The store's clock, in microseconds, now (not at the start of the transaction).
    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError>;
    /// Makes everything durable at once, or nothing. MUST fail if a write of this unit of work failed before.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
