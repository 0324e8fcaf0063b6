//! The lock tables.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::RequestName;
use domain::ids::{AgentId, ProjectId, SessionId, TaskId};
use domain::locks::changes::Changes;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::{EndedLease, Lease, Token};
use domain::locks::stored::{StoredLease, StoredWaiter};
use domain::page::{Page, PageSize};
use domain::work::claim::ClaimFilter;
use domain::work::rank::Place;

/// The state of a project's lock table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableHead {
    /// The store's clock, read after the table was locked.
    pub now: DateTime<Utc>,
    /// The greatest token drawn, or the base of the epoch.
    pub last_token: i64,
    /// How often something was saved that those who wait should know of.
    pub version: i64,
}

/// What will be asked for under a lock table, as far as it is known before the first answer; each the argument of the
/// method of that name. The line and the project are asked for in any case.
#[derive(Debug, Default)]
pub struct Ahead {
    /// Records of requests.
    pub idempotency_load: Vec<RequestName>,
    /// Sessions, by name and as the default ones of agents.
    pub sessions_load: (Vec<SessionId>, Vec<AgentId>),
    /// Leases.
    pub leases_load: Option<KeyScope>,
    /// Leases by token.
    pub leases_load_by_token: Vec<Token>,
    /// Tasks.
    pub tasks_load: Vec<TaskId>,
    /// Who depends on them.
    pub dependents_load: Vec<TaskId>,
    /// Choices among the ready tasks, so many rows of each. Where there are any, also what is running.
    pub tasks_claimable: Vec<(ClaimFilter, Option<Place>, u32)>,
    /// Tasks due when the table is locked, at most so many.
    pub tasks_due: u32,
}

/// What those who wait for something in a project want to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The project.
    pub project: ProjectId,
    /// As [`TableHead::version`].
    pub version: i64,
    /// When next a lease, a place in line or a session ends unless it is heard from.
    pub next_end: Option<DateTime<Utc>>,
}

/// Which leases to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseFilter {
    /// Held by this agent.
    pub agent: Option<AgentId>,
    /// Held by this session.
    pub session: Option<SessionId>,
    /// With keys that begin so.
    pub key_prefix: Option<String>,
}

/// Where a listing of leases goes on: strictly after this one, by key, then token.
pub type LeaseCursor = (LockKey, Token);

/// The leases, past leases and waiters of every project.
///
/// Leases and waiters come with the end of their session as stored, read in the same statement. A lease or waiter whose
/// session is not stored ends by itself alone.
#[async_trait]
pub trait LockRepository {
    /// Locks a project's lock table until commit, then reads the clock and the counter. What is read from the table
    /// after this stays true until commit. `None` if there is no such project. In a unit of work that only reads,
    /// nothing is locked.
    async fn lock_table_lock(&mut self, project: &ProjectId) -> Result<Option<TableHead>, StoreError>;
    /// As [`Self::lock_table_lock`], and tells what will be asked for next, for stores that can look it up on the way.
    /// What is asked for and what is answered stays the same.
    async fn lock_table_lock_ahead(
        &mut self,
        project: &ProjectId,
        _ahead: &Ahead,
    ) -> Result<Option<TableHead>, StoreError> {
        self.lock_table_lock(project).await
    }
    /// The stored leases inside a scope, ended ones included.
    async fn leases_load(&mut self, project: &ProjectId, scope: &KeyScope) -> Result<Vec<StoredLease>, StoreError>;
    /// The stored leases under these tokens, ended ones included.
    async fn leases_load_by_token(
        &mut self,
        project: &ProjectId,
        tokens: &[Token],
    ) -> Result<Vec<StoredLease>, StoreError>;
    /// The stored leases of these sessions, ended ones included.
    async fn leases_load_by_session(
        &mut self,
        project: &ProjectId,
        sessions: &[SessionId],
    ) -> Result<Vec<StoredLease>, StoreError>;
    /// The stored leases that hold no more at an instant, for their own expiry or the end of their session, at most
    /// `rows_max`, by the instant they ended, then token.
    async fn leases_load_expired(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<StoredLease>, StoreError>;
    /// Lists leases that hold at `now`, by key, then token; those of dead sessions are not among them.
    async fn lease_list(
        &mut self,
        project: &ProjectId,
        filter: &LeaseFilter,
        now: DateTime<Utc>,
        after: Option<&LeaseCursor>,
        size: PageSize,
    ) -> Result<Page<Lease, LeaseCursor>, StoreError>;
    /// The past leases under these tokens.
    async fn ended_load(&mut self, project: &ProjectId, tokens: &[Token]) -> Result<Vec<EndedLease>, StoreError>;
    /// The past leases of exactly this key, by token, greatest first.
    async fn ended_list(
        &mut self,
        project: &ProjectId,
        key: &LockKey,
        rows_max: u32,
    ) -> Result<Vec<EndedLease>, StoreError>;
    /// Deletes at most `rows_max` past leases that ended before an instant; answers how many.
    async fn ended_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
    /// The whole line of a project, by place, lost places included.
    async fn waiters_load(&mut self, project: &ProjectId) -> Result<Vec<StoredWaiter>, StoreError>;
    /// The projects with leases expired, places lost, or sessions dead whose end is not written down, at an instant, at
    /// most `rows_max`: work for the sweeper.
    async fn projects_with_expired(&mut self, now: DateTime<Utc>, rows_max: u32) -> Result<Vec<ProjectId>, StoreError>;
    /// How many leases and waiters are stored in all projects.
    async fn lock_counts(&mut self) -> Result<(u64, u64), StoreError>;
    /// Looks at the lock tables of those projects that are there, without locking anything; the first end is the first one
    /// strictly after `since`. It is asked for several times a second as long as anybody waits, so it MUST cost little.
    async fn lock_tables_look(&mut self, projects: &[ProjectId], since: DateTime<Utc>)
    -> Result<Vec<Look>, StoreError>;
    /// Saves what a decision changed, and raises the version by one if it is news ([`Changes::is_news`]). MUST be [`StoreError::Conflict`] if the counter is not what was read any more.
    async fn lock_table_save(
        &mut self,
        project: &ProjectId,
        head: TableHead,
        changes: &Changes,
    ) -> Result<(), StoreError>;
    /// The epoch of all tokens.
    async fn epoch(&mut self) -> Result<i64, StoreError>;
    /// Raises the epoch and every project's counter to its base. MUST be [`StoreError::Conflict`] unless `epoch` is
    /// greater than the stored one.
    async fn epoch_raise(&mut self, epoch: i64) -> Result<(), StoreError>;
}
