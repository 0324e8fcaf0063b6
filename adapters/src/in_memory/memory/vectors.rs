//! Vectors of memories.

use super::Entry;
use crate::in_memory::{InMemoryUnitOfWork, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::MemoryId;
use domain::memory::candidate::Candidate;
use domain::memory::filter::MemoryFilter;
use domain::memory::realm::Realm;
use domain::memory::record::Memory;
use domain::memory::vector::nearest::Nearest;
use domain::memory::vector::{Vector, VectorSpace};
use ports::memory::MemoryChange;
use ports::memory::vectors::{Embedded, Unembedded, VectorRepository, Waiting};
use ports::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The vectors of all memories that have words.
#[derive(Debug, Clone, Default)]
pub(in crate::in_memory) struct Table {
    space: Option<(String, DateTime<Utc>)>,
    rows: BTreeMap<(Realm, MemoryId), Row>,
}

#[derive(Debug, Clone)]
struct Row {
    words_revision: u64,
    /// Of which space its vector is, or that there is none of it; `None` until then.
    space: Option<String>,
    due_at: DateTime<Utc>,
    since: DateTime<Utc>,
    vector: Option<Stored>,
}

/// A vector and the space that it is of.
#[derive(Debug, Clone)]
struct Stored {
    space: String,
    vector: Arc<Vector>,
}

impl Table {
    /// Notes what changes of a realm mean for its vectors.
    pub(in crate::in_memory) fn note(&mut self, realm: &Realm, changes: &[MemoryChange]) {
        for MemoryChange { before, after } in changes {
            if before.as_ref().is_some_and(|before| before.content == after.content) {
                continue;
            }
            let at = (realm.clone(), after.id);
            let old = self.rows.remove(&at);
            if after.content.is_some() {
                let row = Row {
                    words_revision: after.revision,
                    space: None,
                    due_at: after.updated_at,
                    since: after.updated_at,
                    vector: old.and_then(|old| old.vector),
                };
                self.rows.insert(at, row);
            }
        }
    }

    /// Notes that memories of a realm are forgotten.
    pub(in crate::in_memory) fn forget(&mut self, realm: &Realm, memories: &[Memory]) {
        for memory in memories {
            self.rows.remove(&(realm.clone(), memory.id));
        }
    }

    fn vector(&self, realm: &Realm, id: MemoryId, space: &str) -> Option<&Vector> {
        let stored = self.rows.get(&(realm.clone(), id))?.vector.as_ref()?;
        (stored.space == space).then_some(&stored.vector)
    }
}

impl Row {
    fn waits(&self, space: &str) -> bool {
        self.space.as_deref() != Some(space)
    }
}

#[async_trait]
impl VectorRepository for InMemoryUnitOfWork {
    async fn vector_space(&mut self) -> Result<Option<(String, DateTime<Utc>)>, StoreError> {
        Ok(self.read().vectors.space.clone())
    }

    async fn vector_space_set(&mut self, space: &VectorSpace, at: DateTime<Utc>) -> Result<(), StoreError> {
        Arc::make_mut(&mut self.write()?.vectors).space = Some((space.key(), at));
        self.wrote();
        Ok(())
    }

    async fn memory_vectors_claim(
        &mut self,
        space: &VectorSpace,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Unembedded>, StoreError> {
        let key = space.key();
        let table = Arc::make_mut(&mut self.write()?.vectors);
        let mut due: Vec<_> = table.rows.iter_mut().filter(|(_, row)| row.waits(&key) && row.due_at <= now).collect();
        due.sort_by_key(|(at, row)| (row.space.is_some(), row.due_at, (*at).clone()));
        let claimed = due.into_iter().take(rows(rows_max)).map(|((realm, id), row)| {
            row.due_at = until;
            Unembedded { realm: realm.clone(), id: *id, words_revision: row.words_revision }
        });
        let claimed = claimed.collect();
        self.wrote();
        Ok(claimed)
    }

    async fn memory_vectors_release(&mut self, claimed: &[Unembedded], at: DateTime<Utc>) -> Result<(), StoreError> {
        let table = Arc::make_mut(&mut self.write()?.vectors);
        for Unembedded { realm, id, words_revision } in claimed {
            let row = table.rows.get_mut(&(realm.clone(), *id));
            row.filter(|row| row.words_revision == *words_revision).into_iter().for_each(|row| row.due_at = at);
        }
        self.wrote();
        Ok(())
    }

    async fn memory_vectors_save(&mut self, space: &VectorSpace, embedded: &[Embedded]) -> Result<u64, StoreError> {
        let table = Arc::make_mut(&mut self.write()?.vectors);
        let mut saved = 0;
        for Embedded { of, vector } in embedded {
            let row = table.rows.get_mut(&(of.realm.clone(), of.id));
            let Some(row) = row.filter(|row| row.words_revision == of.words_revision) else { continue };
            row.space = Some(space.key());
            row.due_at = row.since;
            row.vector = vector.as_ref().map(|vector| Stored { space: space.key(), vector: Arc::new(vector.clone()) });
            saved += 1;
        }
        self.wrote();
        Ok(saved)
    }

    async fn memory_vectors_waiting(&mut self, space: &VectorSpace) -> Result<Waiting, StoreError> {
        let key = space.key();
        let waiting = || self.read().vectors.rows.values().filter(|row| row.waits(&key));
        Ok(Waiting {
            count: (waiting().count() as u64).min(Waiting::COUNT_MAX),
            oldest: waiting().filter(|row| row.space.is_none()).map(|row| row.since).min(),
        })
    }

    async fn memory_nearest(
        &mut self,
        filter: &MemoryFilter,
        space: &VectorSpace,
        vector: &Vector,
        rows_max: u32,
    ) -> Result<Vec<(Candidate, f64)>, StoreError> {
        let key = space.key();
        let mut nearest = Nearest::new(rows(rows_max));
        let mut shown: BTreeMap<(MemoryId, Realm), Candidate> = BTreeMap::new();
        for candidate in self.shown(filter).into_iter().filter_map(Entry::candidate) {
            let stored = self.read().vectors.vector(&candidate.realm, candidate.id, &key);
            if let Some(cosine) = stored.and_then(|stored| vector.cosine(stored)) {
                let at = (candidate.id, candidate.realm.clone());
                nearest.show(cosine, at.clone());
                shown.insert(at, candidate);
            }
        }
        let found = nearest.into_sorted().into_iter();
        Ok(found.filter_map(|(at, cosine)| Some((shown.remove(&at)?, cosine))).collect())
    }

    async fn memory_cosines(
        &mut self,
        realms: &[Realm],
        space: &VectorSpace,
        vector: &Vector,
        ids: &[MemoryId],
    ) -> Result<BTreeMap<MemoryId, f64>, StoreError> {
        let (key, table) = (space.key(), &self.read().vectors);
        let all = realms.iter().flat_map(|realm| ids.iter().map(move |id| (realm, *id)));
        let cosine = |(realm, id)| Some((id, vector.cosine(table.vector(realm, id, &key)?)?));
        Ok(all.filter_map(cosine).collect())
    }
}
