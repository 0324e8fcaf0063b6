//! Agents and their sessions.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::agents::Session;
use domain::agents::environment::{EnvironmentKind, EnvironmentTag};
use domain::agents::record::AgentRecord;
use domain::agents::status::Signs;
use domain::agents::uptime::Span;
use domain::identity::principal::Role;
use domain::ids::{AgentId, AgentType, ProjectId, SessionId};
use domain::page::{Page, PageSize};
use domain::work::name::Capability;
use std::collections::BTreeMap;

/// Which sessions to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Those that live, or those that do not.
    pub is_live: Option<bool>,
}

/// The sessions of all agents.
///
/// They are guarded by the lock table of their project. Whoever adds, ends or has seen one MUST have locked that table
/// ([`crate::locks::LockRepository::lock_table_lock`]) before in the same unit of work, and before reading what is decided
/// by; a write without it is [`StoreError::Failed`]. So what is loaded under the table's lock, sessions as well as until
/// when the holders of leases live, stays true until commit.
#[async_trait]
pub trait SessionRepository {
    /// The sessions of these names, live or ended, and the default sessions of these agents whose end is not written
    /// down, each once, by name.
    async fn sessions_load(
        &mut self,
        project: &ProjectId,
        ids: &[SessionId],
        default_of: &[AgentId],
    ) -> Result<Vec<Session>, StoreError>;
    /// The sessions that are dead at an instant and whose end is not written down, longest dead first, at most
    /// `rows_max`: work for the reaper.
    async fn sessions_dead(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Session>, StoreError>;
    /// Lists sessions by name, strictly after the cursor; whether they live is asked for `now`.
    async fn session_list(
        &mut self,
        project: &ProjectId,
        filter: &SessionFilter,
        now: DateTime<Utc>,
        after: Option<&SessionId>,
        size: PageSize,
    ) -> Result<Page<Session, SessionId>, StoreError>;
    /// Stores new sessions, each once. MUST be [`StoreError::Conflict`] if a name is taken, or if an agent would have a
    /// second default session whose end is not written down.
    async fn sessions_add(&mut self, sessions: &[Session]) -> Result<(), StoreError>;
    /// Stores TTL, offers, last sign of life and end of sessions, each once. Neither sign nor end ever moves back. MUST be
    /// [`StoreError::Conflict`] unless each is stored, has no end written down, and lived when the table was locked.
    async fn sessions_seen(&mut self, sessions: &[Session]) -> Result<(), StoreError>;
    /// Writes the ends of sessions down, each once. What they held MUST be ended in the same unit of work. MUST be
    /// [`StoreError::Conflict`] unless each is stored and has no end written down.
    async fn sessions_end(&mut self, sessions: &[Session]) -> Result<(), StoreError>;
}

/// Which agents to list; `None` means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFilter {
    /// Of this kind.
    pub agent_type: Option<AgentType>,
    /// That can do this.
    pub capability: Option<Capability>,
    /// That run in such a place.
    pub environment: Option<EnvironmentKind>,
    /// That run there.
    pub tag: Option<EnvironmentTag>,
    /// Whose role is this one or a greater one.
    pub least_role: Option<Role>,
    /// Those that are registered, or those that are not any more.
    pub is_registered: Option<bool>,
}

/// The records of all agents, and what there is to see of them.
#[async_trait]
pub trait AgentRepository {
    /// The records of these agents, deregistered ones included, by name, each once; unknown ones are passed over. In a
    /// unit of work that may write, what was found stays as it is until commit.
    async fn agents_load(&mut self, project: &ProjectId, ids: &[AgentId]) -> Result<Vec<AgentRecord>, StoreError>;
    /// As [`Self::agents_load`], and keeps nobody from changing them.
    async fn agents_look(&mut self, project: &ProjectId, ids: &[AgentId]) -> Result<Vec<AgentRecord>, StoreError>;
    /// Lists agents by name, strictly after the cursor.
    async fn agent_list(
        &mut self,
        project: &ProjectId,
        filter: &AgentFilter,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<AgentRecord, AgentId>, StoreError>;
    /// Stores the records of agents that have none; the records there are stay as they are. Whoever does the same at the
    /// same time is waited for, and no conflict.
    async fn agents_add_missing(&mut self, records: &[AgentRecord]) -> Result<(), StoreError>;
    /// Stores changed records, each once. MUST be [`StoreError::Conflict`] unless each is there.
    async fn agents_save(&mut self, records: &[AgentRecord]) -> Result<(), StoreError>;
    /// What there is to see of these agents at an instant, whether they have a record or not: of each at most
    /// [`Signs::SESSIONS_MAX`] sessions whose end is not written down, those heard from last, and the one that ended
    /// last, and what those of them hold that live. Agents of whom there is nothing to see are left out.
    async fn agents_signs(
        &mut self,
        project: &ProjectId,
        ids: &[AgentId],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AgentId, Signs>, StoreError>;
    /// When the sessions of an agent lived, of those that lived after an instant, at most `rows_max`; in no particular
    /// order.
    async fn session_spans(
        &mut self,
        project: &ProjectId,
        agent: &AgentId,
        after: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Span>, StoreError>;
}
