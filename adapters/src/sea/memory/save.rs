//! Writing memories: a few statements, however many there are.

use super::rows::{ID, LASTING, STATE, WORDS, count, lasting_cells, number, state_cells, word_cells};
use super::{CONTENTS, MEMORIES, REALMS, STREAMS, TERMS, TOKENS, VERDICTS};
use crate::sea::dialect::batch::{Batch, Cell};
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::failed;
use crate::sea::unit::SeaUnitOfWork;
use domain::memory::candidate::Indexed;
use domain::memory::index::index;
use domain::memory::realm::Realm;
use domain::memory::record::Memory;
use domain::memory::remember::Fingerprint;
use domain::memory::terms::TermHash;
use ports::memory::MemoryChange;
use ports::store::StoreError;
use std::collections::BTreeMap;
use uuid::Uuid;

const NEW: [Column; 33] = joined(joined::<1, 8, 9>(ID, LASTING), joined::<19, 5, 24>(STATE, WORDS));
const CHANGED: [Column; 20] = joined(ID, STATE);
const REWORDED: [Column; 25] = joined(ID, joined::<19, 5, 24>(STATE, WORDS));
const CONTENT_COLUMNS: [Column; 3] = [("realm", Kind::Text), ("memory_id", Kind::Uuid), ("content", Kind::Text)];
const OLD: [Column; 2] = [("id", Kind::Uuid), ("revision", Kind::Int)];
const TOKEN_COLUMNS: [Column; 2] = [("id", Kind::Uuid), ("tokens", Kind::Text)];
const TERM_COLUMNS: [Column; 3] = [("realm", Kind::Text), ("term", Kind::Int), ("memories", Kind::Int)];
const STREAM_COLUMNS: [Column; 3] = [("realm", Kind::Text), ("stream_hash", Kind::Int), ("last_position", Kind::Int)];

const fn joined<const A: usize, const B: usize, const N: usize>(one: [Column; A], other: [Column; B]) -> [Column; N] {
    let mut all = [("", Kind::Text); N];
    let mut at = 0;
    while at < N {
        all[at] = if at < A { one[at] } else { other[at - A] };
        at += 1;
    }
    all
}

/// A memory that would be stored where it does not lie.
#[derive(Debug, thiserror::Error)]
#[error("a memory of another realm")]
struct Elsewhere;

/// A change, with what the index knows before and after, if that differs.
struct Indexing<'a> {
    change: &'a MemoryChange,
    fingerprint: Option<Fingerprint>,
    old: Option<Indexed>,
    new: Option<Indexed>,
    is_reworded: bool,
}

impl<'a> Indexing<'a> {
    fn of(change: &'a MemoryChange) -> Self {
        let MemoryChange { before, after } = change;
        let is_reworded = before.as_ref().is_none_or(|before| before.content != after.content);
        let indexed = |memory: &Memory| if is_reworded { index(memory) } else { None };
        Self {
            change,
            fingerprint: if is_reworded { after.fingerprint() } else { None },
            old: before.as_ref().and_then(indexed),
            new: indexed(after),
            is_reworded,
        }
    }

    fn is_new(&self) -> bool {
        self.change.before.is_none()
    }

    fn id(&self) -> Uuid {
        self.change.after.id.uuid()
    }

    /// Whether the tokens differ; then both sides are replaced.
    fn tokens_differ(&self) -> bool {
        let tokens = |indexed: &Option<Indexed>| indexed.as_ref().map(|it| (it.words.clone(), it.tags.clone()));
        tokens(&self.old) != tokens(&self.new)
    }

    fn new_cells(&self, realm: &'a str) -> Result<Vec<Cell<'_>>, StoreError> {
        let after = &self.change.after;
        let mut cells: Vec<Cell<'_>> = vec![self.id().into()];
        cells.extend(lasting_cells(realm, after)?);
        cells.extend(state_cells(after)?);
        cells.extend(self.word_cells());
        Ok(cells)
    }

    fn changed_cells(&self) -> Result<Vec<Cell<'_>>, StoreError> {
        let mut cells: Vec<Cell<'_>> = vec![self.id().into()];
        cells.extend(state_cells(&self.change.after)?);
        if self.is_reworded {
            cells.extend(self.word_cells());
        }
        Ok(cells)
    }

    fn word_cells(&self) -> [Cell<'_>; 5] {
        word_cells(&self.change.after, self.fingerprint.as_ref(), self.new.as_ref())
    }
}

/// What changes in the counts of a realm.
#[derive(Default)]
struct Counts {
    memories: i64,
    length: i64,
    terms: BTreeMap<TermHash, i64>,
}

impl Counts {
    fn add(&mut self, indexed: Option<&Indexed>, sign: i64) {
        let Some(indexed) = indexed else { return };
        self.memories += sign;
        self.length += sign * i64::from(indexed.length);
        for term in &indexed.words {
            *self.terms.entry(*term).or_default() += sign;
        }
    }
}

impl SeaUnitOfWork {
    pub(super) async fn save_memories(&mut self, realm: &Realm, changes: &[MemoryChange]) -> Result<(), StoreError> {
        self.hold().await?;
        if changes.iter().any(|change| change.after.realm() != *realm) {
            return Err(self.spoil(failed(Elsewhere)));
        }
        let all: Vec<Indexing<'_>> = changes.iter().map(Indexing::of).collect();
        let key = realm.key();
        let (new, old): (Vec<&Indexing<'_>>, Vec<&Indexing<'_>>) = all.iter().partition(|it| it.is_new());
        let (reworded, as_worded): (Vec<_>, Vec<_>) = old.into_iter().partition(|it| it.is_reworded);
        let cells: Result<Vec<_>, StoreError> = new.iter().map(|it| it.new_cells(&key)).collect();
        let batch = Batch::of_cells(&NEW, self.check(cells)?.concat());
        self.write_each(&self.dialect.insert_memories(&NEW), batch, &[], MEMORIES).await?;
        for (columns, rows) in [(&REWORDED as &'static [Column], &reworded), (&CHANGED, &as_worded)] {
            let cells: Result<Vec<_>, StoreError> = rows.iter().map(|it| it.changed_cells()).collect();
            let batch = Batch::of_cells(columns, self.check(cells)?.concat());
            let sql = self.dialect.update_memories(columns);
            self.write_each(&sql, batch, &[key.as_str().into()], MEMORIES).await?;
        }
        self.save_contents(&key, all.iter().filter(|it| it.is_reworded).map(|it| &it.change.after)).await?;
        let mut counts = Counts::default();
        for it in &all {
            counts.add(it.old.as_ref(), -1);
            counts.add(it.new.as_ref(), 1);
        }
        self.save_counts(&key, counts).await?;
        self.save_positions(realm, new.iter().map(|it| &it.change.after)).await?;
        let differing: Vec<&Indexing<'_>> = all.iter().filter(|it| it.tokens_differ()).collect();
        let gone: Vec<Uuid> = differing.iter().filter(|it| it.old.is_some()).map(|it| it.id()).collect();
        self.delete_tokens(&key, &gone).await?;
        let tokens = differing.iter().filter_map(|it| Some([it.id().into(), it.new.as_ref()?.tokens().into()]));
        let batch = Batch::new(&TOKEN_COLUMNS, tokens);
        if let Some(sql) = self.dialect.insert_tokens(&TOKEN_COLUMNS) {
            self.write_each(&sql, batch, &[key.as_str().into()], TOKENS).await?;
        }
        self.note_vectors(realm, changes).await
    }

    pub(super) async fn forget_memories(&mut self, realm: &Realm, memories: &[Memory]) -> Result<(), StoreError> {
        if memories.is_empty() {
            return Ok(());
        }
        self.hold().await?;
        self.has_erased = true;
        let key = realm.key();
        let ids: Vec<Uuid> = memories.iter().map(|memory| memory.id.uuid()).collect();
        self.delete_tokens(&key, &ids).await?;
        let rows = memories.iter().map(|memory| Ok([memory.id.uuid().into(), count(memory.revision)?.into()]));
        let rows: Result<Vec<_>, StoreError> = rows.collect();
        let batch = Batch::new(&OLD, self.check(rows)?);
        self.write_each(&self.dialect.delete_memories(&OLD), batch, &[key.as_str().into()], MEMORIES).await?;
        for table in [CONTENTS, VERDICTS] {
            self.delete_of_memories(table, &key, &ids).await?;
        }
        let mut counts = Counts::default();
        for memory in memories {
            counts.add(index(memory).as_ref(), -1);
        }
        self.save_counts(&key, counts).await?;
        self.forget_vectors(realm, memories).await
    }

    /// Writes what memories say, or deletes what they said.
    async fn save_contents<'a>(
        &mut self,
        key: &str,
        memories: impl Iterator<Item = &'a Memory> + Send,
    ) -> Result<(), StoreError> {
        let (worded, gone): (Vec<&Memory>, Vec<&Memory>) = memories.partition(|memory| memory.content.is_some());
        let rows = worded.iter().filter_map(|memory| Some((memory.id.uuid(), memory.content.as_ref()?)));
        let rows = rows.map(|(id, content)| Ok([key.into(), id.into(), serde_json::to_string(content)?.into()]));
        let rows: Result<Vec<_>, serde_json::Error> = rows.collect();
        let batch = Batch::new(&CONTENT_COLUMNS, self.check(rows.map_err(failed))?);
        let tail = "ON CONFLICT (realm, memory_id) DO UPDATE SET content = excluded.content";
        self.put(CONTENTS, tail, batch).await?;
        let gone: Vec<Uuid> = gone.iter().map(|memory| memory.id.uuid()).collect();
        self.has_erased |= !gone.is_empty();
        self.delete_of_memories(CONTENTS, key, &gone).await
    }

    /// Deletes what a table has of memories.
    async fn delete_of_memories(&mut self, table: &'static str, key: &str, ids: &[Uuid]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let any = self.dialect.any("$2", Kind::Uuid);
        let sql = format!("DELETE FROM {table} WHERE realm = $1 AND memory_id {any}");
        let statement = self.statement(sql, [key.into(), self.dialect.uuids(ids)]);
        self.run(statement, table).await.map(|_| ())
    }

    async fn save_counts(&mut self, key: &str, counts: Counts) -> Result<(), StoreError> {
        let Counts { memories, length, mut terms } = counts;
        if memories != 0 || length != 0 {
            let sql = "INSERT INTO memory_realms (realm, memories, length) VALUES ($1, $2, $3) ON CONFLICT (realm) \
                 DO UPDATE SET memories = memory_realms.memories + excluded.memories, \
                 length = memory_realms.length + excluded.length";
            let statement = self.statement(sql, [key.into(), memories.into(), length.into()]);
            self.run(statement, REALMS).await?;
        }
        terms.retain(|_, memories| *memories != 0);
        let rows = terms.iter().map(|(term, memories)| [key.into(), number(*term).into(), (*memories).into()]);
        let tail = "ON CONFLICT (realm, term) DO UPDATE SET memories = memory_terms.memories + excluded.memories";
        self.put(TERMS, tail, Batch::new(&TERM_COLUMNS, rows)).await?;
        let fewer: Vec<i64> = terms.iter().filter(|(_, by)| **by < 0).map(|(term, _)| number(*term)).collect();
        if fewer.is_empty() {
            return Ok(());
        }
        let any = self.dialect.any("$2", Kind::Int);
        let sql = format!("DELETE FROM memory_terms WHERE realm = $1 AND term {any} AND memories <= 0");
        let statement = self.statement(sql, [key.into(), self.dialect.ints(&fewer)]);
        self.run(statement, TERMS).await.map(|_| ())
    }

    async fn save_positions<'a>(
        &mut self,
        realm: &Realm,
        new: impl Iterator<Item = &'a Memory> + Send,
    ) -> Result<(), StoreError> {
        let mut last: BTreeMap<i64, u64> = BTreeMap::new();
        for memory in new {
            let position = last.entry(number(TermHash::of_stream(realm, memory.place.stream.as_str()))).or_default();
            *position = (*position).max(memory.place.position);
        }
        let key = realm.key();
        let rows = last.into_iter().map(|(hash, last)| Ok([key.as_str().into(), hash.into(), count(last)?.into()]));
        let rows: Result<Vec<_>, StoreError> = rows.collect();
        let batch = Batch::new(&STREAM_COLUMNS, self.check(rows)?);
        let greater = self.dialect.greater("memory_streams.last_position", "excluded.last_position");
        let tail = format!("ON CONFLICT (realm, stream_hash) DO UPDATE SET last_position = {greater}");
        self.put(STREAMS, &tail, batch).await
    }

    async fn delete_tokens(&mut self, key: &str, ids: &[Uuid]) -> Result<(), StoreError> {
        match self.dialect.delete_tokens().filter(|_| !ids.is_empty()) {
            Some(sql) => {
                let statement = self.statement(sql, [key.into(), self.dialect.uuids(ids)]);
                self.run(statement, TOKENS).await.map(|_| ())
            }
            None => Ok(()),
        }
    }
}
