//! Vectors of memories.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::MemoryId;
use domain::memory::candidate::Candidate;
use domain::memory::filter::MemoryFilter;
use domain::memory::realm::Realm;
use domain::memory::vector::{Vector, VectorSpace};
use std::collections::BTreeMap;

/// A memory that waits for its vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unembedded {
    /// Where it lies.
    pub realm: Realm,
    /// Which.
    pub id: MemoryId,
    /// The revision in which it got the words that it has.
    pub words_revision: u64,
}

/// What became of a memory that waited.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Which it was.
    pub of: Unembedded,
    /// Its vector; `None` if there can be none, as the model does not take its words.
    pub vector: Option<Vector>,
}

/// How many wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many have no vector of the space, at most [`Waiting::COUNT_MAX`].
    pub count: u64,
    /// Since when the first of those waits that have no vector at all.
    pub oldest: Option<DateTime<Utc>>,
}

impl Waiting {
    /// Where counting stops.
    pub const COUNT_MAX: u64 = 100_000;
}

/// The vectors of memories: one of each, of the model that was used last.
///
/// A store notes with [`MemoryRepository::memories_save`](crate::memory::MemoryRepository::memories_save) that a memory
/// with new words waits for its vector, and forgets the vector of one that lost its words or was forgotten, in the same
/// commit. Nothing is read but from the realms that are named.
#[async_trait]
pub trait VectorRepository {
    /// The space that is in use, and since when: what was set last.
    async fn vector_space(&mut self) -> Result<Option<(String, DateTime<Utc>)>, StoreError>;

    /// Sets the space in use. Servers that are set to another one stop making vectors of theirs.
    async fn vector_space_set(&mut self, space: &VectorSpace, at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Takes memories of all realms that have no vector of this space, those without any first, at most `rows_max`, so that
    /// nobody else takes them before `until`, unless they get new words. If none waits, that costs next to nothing.
    async fn memory_vectors_claim(
        &mut self,
        space: &VectorSpace,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Unembedded>, StoreError>;

    /// Gives back what was claimed, to be taken again from `at` on.
    async fn memory_vectors_release(&mut self, claimed: &[Unembedded], at: DateTime<Utc>) -> Result<(), StoreError>;

    /// Stores vectors of this space, each only if its memory still has the words that it was made of. Answers how many
    /// were stored.
    async fn memory_vectors_save(&mut self, space: &VectorSpace, embedded: &[Embedded]) -> Result<u64, StoreError>;

    /// How many memories have no vector of this space.
    async fn memory_vectors_waiting(&mut self, space: &VectorSpace) -> Result<Waiting, StoreError>;

    /// What a filter shows and has a vector of this space, nearest first with the cosine, at most `rows_max`. An index may
    /// miss some that it should have found; none is there that should not be.
    async fn memory_nearest(
        &mut self,
        filter: &MemoryFilter,
        space: &VectorSpace,
        vector: &Vector,
        rows_max: u32,
    ) -> Result<Vec<(Candidate, f64)>, StoreError>;

    /// The cosines of these memories, of those that lie in these realms and have a vector of this space.
    async fn memory_cosines(
        &mut self,
        realms: &[Realm],
        space: &VectorSpace,
        vector: &Vector,
        ids: &[MemoryId],
    ) -> Result<BTreeMap<MemoryId, f64>, StoreError>;
}
