//! Memories.

pub mod procedures;
pub mod vectors;
pub mod working;

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MemoryId};
use domain::memory::candidate::{Candidate, Statistics, Totals, Wanted};
use domain::memory::content::Stream;
use domain::memory::filter::{MemoryCursor, MemoryFilter, Order};
use domain::memory::realm::Realm;
use domain::memory::record::{Memory, Place, Verdict};
use domain::memory::remember::Fingerprint;
use domain::memory::terms::TermHash;
use domain::page::{Page, PageSize};

/// A memory before and after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryChange {
    /// As it was loaded; `None` of a new one.
    pub before: Option<Memory>,
    /// As it is now.
    pub after: Memory,
}

/// The memories of every project, with what is needed to find them.
///
/// Nothing is read but from the realms that are named. A store finds candidates and never ranks them; what it indexes is
/// what [`domain::memory::index`] says.
#[async_trait]
pub trait MemoryRepository {
    /// Takes a realm for writing, until commit: whoever adds, merges, supersedes, redacts or forgets in it has it alone.
    /// Realms MUST be taken in their order. Answers what is counted in it.
    async fn memory_realm_lock(&mut self, realm: &Realm) -> Result<Totals, StoreError>;

    /// The memories of these ids that lie in these realms, by id, each once; others are passed over. In a unit of work
    /// that may write, what was found stays as it is until commit.
    async fn memories_load(&mut self, realms: &[Realm], ids: &[MemoryId]) -> Result<Vec<Memory>, StoreError>;

    /// The memory of a fingerprint that happened last, of those between two instants, both included, that were neither
    /// superseded nor redacted.
    async fn memory_twin(
        &mut self,
        realm: &Realm,
        fingerprint: Fingerprint,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Memory>, StoreError>;

    /// The last place of a row that was ever taken; 0 if none was. It never falls, whatever is forgotten.
    async fn memory_last_position(&mut self, realm: &Realm, stream: &Stream) -> Result<u64, StoreError>;

    /// Stores new and changed memories of a realm, with their index and what is counted. MUST be
    /// [`StoreError::Conflict`] unless each stored one has the revision right before, and a new one is new, at a place that
    /// none has. No memory stands in it twice. Author, project, scope, type, place and when it was stored never change.
    async fn memories_save(&mut self, realm: &Realm, changes: &[MemoryChange]) -> Result<(), StoreError>;

    /// Deletes memories of a realm with all that belongs to them. Nothing of them stays in the store's files once it had
    /// time to clean up. MUST be [`StoreError::Conflict`] unless each is stored at the revision it has here.
    async fn memories_forget(&mut self, realm: &Realm, memories: &[Memory]) -> Result<(), StoreError>;

    /// What an agent found of a memory.
    async fn memory_verdict(
        &mut self,
        realm: &Realm,
        id: MemoryId,
        by: &AgentId,
    ) -> Result<Option<Verdict>, StoreError>;

    /// Notes what an agent found of a memory, instead of what it found before.
    async fn memory_verdict_save(
        &mut self,
        realm: &Realm,
        id: MemoryId,
        by: &AgentId,
        verdict: Verdict,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Lists what a filter shows, by when it happened, then id, strictly behind the cursor in that order.
    async fn memory_list(
        &mut self,
        filter: &MemoryFilter,
        order: Order,
        after: Option<MemoryCursor>,
        size: PageSize,
    ) -> Result<Page<Memory, MemoryCursor>, StoreError>;

    /// What is counted in a realm, in all and of these terms.
    async fn memory_statistics(&mut self, realm: &Realm, terms: &[TermHash]) -> Result<Statistics, StoreError>;

    /// What a filter shows of a realm and has the wanted terms, in any order, at most as many as wanted.
    async fn memory_candidates(&mut self, filter: &MemoryFilter, wanted: &Wanted)
    -> Result<Vec<Candidate>, StoreError>;

    /// What a filter shows, those that happened last, at most `rows_max`: the candidates where nothing is searched for.
    async fn memory_latest(&mut self, filter: &MemoryFilter, rows_max: u32) -> Result<Vec<Candidate>, StoreError>;

    /// The memories of a realm that hold at an instant and stand at most `reach` places before or behind one of these
    /// places, these included, each once, in any order.
    async fn memory_neighbours(
        &mut self,
        realm: &Realm,
        as_of: DateTime<Utc>,
        places: &[Place],
        reach: u32,
    ) -> Result<Vec<Candidate>, StoreError>;

    /// Memories of all projects that happened before an instant, are not pinned and are worth less than `worth_min` (see
    /// [`Memory::worth`]), longest ago first, at most `rows_max`.
    async fn memories_past(
        &mut self,
        before: DateTime<Utc>,
        worth_min: i64,
        rows_max: u32,
    ) -> Result<Vec<Memory>, StoreError>;
}
