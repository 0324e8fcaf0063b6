//! Memories.

pub(super) mod procedures;
pub(super) mod vectors;
pub(super) mod working;

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MemoryId};
use domain::memory::candidate::{Candidate, Indexed, Statistics, Totals, Wanted};
use domain::memory::content::Stream;
use domain::memory::filter::{MemoryCursor, MemoryFilter, Order};
use domain::memory::index::index;
use domain::memory::realm::Realm;
use domain::memory::record::{Memory, Place, Verdict};
use domain::memory::remember::Fingerprint;
use domain::memory::terms::TermHash;
use domain::page::{Page, PageSize};
use ports::memory::{MemoryChange, MemoryRepository};
use ports::store::StoreError;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    realms: BTreeMap<Realm, Room>,
}

/// What lies in a realm.
#[derive(Debug, Clone, Default)]
struct Room {
    memories: BTreeMap<MemoryId, Arc<Entry>>,
    last_positions: BTreeMap<String, u64>,
    verdicts: BTreeMap<(MemoryId, AgentId), Verdict>,
}

#[derive(Debug)]
struct Entry {
    memory: Memory,
    /// `None` once it has no words any more.
    indexed: Option<Indexed>,
}

impl Entry {
    fn candidate(&self) -> Option<Candidate> {
        self.indexed.as_ref().map(|indexed| Candidate::of(&self.memory, indexed))
    }

    fn has(&self, any_of: &[Vec<TermHash>]) -> bool {
        let has = |indexed: &Indexed, term| indexed.words.contains(term) || indexed.tags.contains(term);
        self.indexed.as_ref().is_some_and(|it| any_of.iter().any(|all| all.iter().all(|term| has(it, term))))
    }
}

impl Room {
    fn totals(&self) -> Totals {
        let indexed = self.memories.values().filter_map(|entry| entry.indexed.as_ref());
        indexed.fold(Totals::default(), |all, one| Totals {
            memories: all.memories + 1,
            length: all.length + u64::from(one.length),
        })
    }

    /// Whether a memory may become what it is after the change.
    fn takes(&self, realm: &Realm, change: &MemoryChange) -> bool {
        let MemoryChange { before, after } = change;
        let stored = self.memories.get(&after.id).map(|entry| &entry.memory);
        let is_taken = |place: &Place| self.memories.values().any(|entry| entry.memory.place == *place);
        after.realm() == *realm
            && match (stored, before) {
                (None, None) => !is_taken(&after.place),
                (Some(stored), Some(_)) => stored.revision.saturating_add(1) == after.revision,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

impl InMemoryUnitOfWork {
    /// Begins a write of memories; answers all of the realm.
    fn write_memories(&mut self, realm: &Realm) -> Result<&mut Room, StoreError> {
        Ok(Arc::make_mut(&mut self.write()?.memory).realms.entry(realm.clone()).or_default())
    }

    fn room(&self, realm: &Realm) -> Option<&Room> {
        self.read().memory.realms.get(realm)
    }

    fn entries(&self, realm: &Realm) -> impl Iterator<Item = &Entry> {
        self.room(realm).into_iter().flat_map(|room| room.memories.values().map(AsRef::as_ref))
    }

    /// What a filter shows, newest first.
    fn shown(&self, filter: &MemoryFilter) -> Vec<&Entry> {
        let everywhere = self.read().memory.realms.values().flat_map(|room| room.memories.values());
        let mut shown: Vec<&Entry> =
            everywhere.map(AsRef::as_ref).filter(|entry| filter.shows(&entry.memory)).collect();
        shown.sort_by_key(|entry| Reverse(cursor(&entry.memory)));
        shown
    }
}

fn cursor(memory: &Memory) -> MemoryCursor {
    MemoryCursor { happened_at: memory.happened_at, id: memory.id }
}

#[async_trait]
impl MemoryRepository for InMemoryUnitOfWork {
    async fn memory_realm_lock(&mut self, realm: &Realm) -> Result<Totals, StoreError> {
        let totals = self.write_memories(realm)?.totals();
        self.wrote();
        Ok(totals)
    }

    async fn memories_load(&mut self, realms: &[Realm], ids: &[MemoryId]) -> Result<Vec<Memory>, StoreError> {
        let all = realms.iter().flat_map(|realm| self.entries(realm)).map(|entry| &entry.memory);
        let mut found: Vec<Memory> = all.filter(|memory| ids.contains(&memory.id)).cloned().collect();
        found.sort_by_key(|memory| (memory.id, memory.realm()));
        found.dedup_by_key(|memory| (memory.id, memory.realm()));
        Ok(found)
    }

    async fn memory_twin(
        &mut self,
        realm: &Realm,
        fingerprint: Fingerprint,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Memory>, StoreError> {
        let is_twin = |memory: &&Memory| {
            memory.fingerprint() == Some(fingerprint)
                && memory.superseded.is_none()
                && (from..=until).contains(&memory.happened_at)
        };
        let twins = self.entries(realm).map(|entry| &entry.memory).filter(is_twin);
        Ok(twins.max_by_key(|memory| cursor(memory)).cloned())
    }

    async fn memory_last_position(&mut self, realm: &Realm, stream: &Stream) -> Result<u64, StoreError> {
        Ok(self.room(realm).and_then(|room| room.last_positions.get(stream.as_str())).copied().unwrap_or(0))
    }

    async fn memories_save(&mut self, realm: &Realm, changes: &[MemoryChange]) -> Result<(), StoreError> {
        let room = self.write_memories(realm)?;
        for change in changes {
            if !room.takes(realm, change) {
                return conflict("memory");
            }
            let after = &change.after;
            let last = room.last_positions.entry(after.place.stream.as_str().to_owned()).or_default();
            *last = (*last).max(after.place.position);
            let entry = Entry { memory: after.clone(), indexed: index(after) };
            room.memories.insert(after.id, Arc::new(entry));
        }
        Arc::make_mut(&mut self.draft.vectors).note(realm, changes);
        self.wrote();
        Ok(())
    }

    async fn memories_forget(&mut self, realm: &Realm, memories: &[Memory]) -> Result<(), StoreError> {
        let room = self.write_memories(realm)?;
        for memory in memories {
            let stored = room.memories.remove(&memory.id);
            if stored.is_none_or(|stored| stored.memory.revision != memory.revision) {
                return conflict("memory");
            }
            room.verdicts.retain(|(id, _), _| *id != memory.id);
        }
        Arc::make_mut(&mut self.draft.vectors).forget(realm, memories);
        self.wrote();
        Ok(())
    }

    async fn memory_verdict(
        &mut self,
        realm: &Realm,
        id: MemoryId,
        by: &AgentId,
    ) -> Result<Option<Verdict>, StoreError> {
        Ok(self.room(realm).and_then(|room| room.verdicts.get(&(id, by.clone()))).copied())
    }

    async fn memory_verdict_save(
        &mut self,
        realm: &Realm,
        id: MemoryId,
        by: &AgentId,
        verdict: Verdict,
        _at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write_memories(realm)?.verdicts.insert((id, by.clone()), verdict);
        self.wrote();
        Ok(())
    }

    async fn memory_list(
        &mut self,
        filter: &MemoryFilter,
        order: Order,
        after: Option<MemoryCursor>,
        size: PageSize,
    ) -> Result<Page<Memory, MemoryCursor>, StoreError> {
        let mut shown = self.shown(filter);
        if order == Order::OldestFirst {
            shown.reverse();
        }
        let is_behind = |memory: &&Memory| match order {
            Order::NewestFirst => after.is_none_or(|after| cursor(memory) < after),
            Order::OldestFirst => after.is_none_or(|after| cursor(memory) > after),
        };
        let behind = shown.into_iter().map(|entry| &entry.memory).filter(is_behind);
        Ok(Page::cut(behind.take(rows(size.rows()) + 1).cloned().collect(), size, cursor))
    }

    async fn memory_statistics(&mut self, realm: &Realm, terms: &[TermHash]) -> Result<Statistics, StoreError> {
        let mut statistics =
            Statistics { totals: self.room(realm).map(Room::totals).unwrap_or_default(), ..Statistics::default() };
        for term in terms {
            let indexed = self.entries(realm).filter_map(|entry| entry.indexed.as_ref());
            let memories = indexed.filter(|indexed| indexed.words.contains(term)).count() as u64;
            if memories > 0 {
                statistics.frequencies.insert(*term, memories);
            }
        }
        Ok(statistics)
    }

    async fn memory_candidates(
        &mut self,
        filter: &MemoryFilter,
        wanted: &Wanted,
    ) -> Result<Vec<Candidate>, StoreError> {
        let here = self.entries(&wanted.realm).filter(|entry| filter.shows(&entry.memory));
        let found = here.filter(|entry| entry.has(&wanted.any_of)).filter_map(Entry::candidate);
        Ok(found.take(rows(wanted.rows_max)).collect())
    }

    async fn memory_latest(&mut self, filter: &MemoryFilter, rows_max: u32) -> Result<Vec<Candidate>, StoreError> {
        let latest = self.shown(filter).into_iter().take(rows(rows_max));
        Ok(latest.filter_map(Entry::candidate).collect())
    }

    async fn memory_neighbours(
        &mut self,
        realm: &Realm,
        as_of: DateTime<Utc>,
        places: &[Place],
        reach: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let is_near = |place: &Place| {
            let reach = u64::from(reach);
            places.iter().any(|it| it.stream == place.stream && it.position.abs_diff(place.position) <= reach)
        };
        let near = self.entries(realm).filter(|entry| is_near(&entry.memory.place) && entry.memory.holds_at(as_of));
        Ok(near.filter_map(Entry::candidate).collect())
    }

    async fn memories_past(
        &mut self,
        before: DateTime<Utc>,
        worth_min: i64,
        rows_max: u32,
    ) -> Result<Vec<Memory>, StoreError> {
        let all = self.read().memory.realms.values().flat_map(|room| room.memories.values());
        let is_past = |memory: &&Memory| memory.happened_at < before && !memory.pinned && memory.worth() < worth_min;
        let mut past: Vec<&Memory> = all.map(|entry| &entry.memory).filter(is_past).collect();
        past.sort_by_key(|memory| cursor(memory));
        Ok(past.into_iter().take(rows(rows_max)).cloned().collect())
    }
}
