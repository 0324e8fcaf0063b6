//! Vectors of memories: which wait for one, and the vectors themselves.

use crate::sea::clock::{instant_maybe, to_us};
use crate::sea::dialect::batch::Batch;
use crate::sea::dialect::{Column, Dialect, Kind};
use crate::sea::error::corrupt;
use crate::sea::memory::rows::count;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::MemoryId;
use domain::memory::candidate::Candidate;
use domain::memory::filter::MemoryFilter;
use domain::memory::realm::Realm;
use domain::memory::record::Memory;
use domain::memory::vector::{Vector, VectorSpace};
use ports::memory::MemoryChange;
use ports::memory::vectors::{Embedded, Unembedded, VectorRepository, Waiting};
use ports::store::StoreError;
use sea_orm::{DbBackend, FromQueryResult};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub(super) const VECTORS: &str = "memory_vectors";
const DUE: &str = "memory_vectors_due";
const SPACE: &str = "memory_vector_space";

const DUE_COLUMNS: [Column; 6] = [
    ("realm", Kind::Text),
    ("memory_id", Kind::Uuid),
    ("words_revision", Kind::Int),
    ("space", Kind::Text),
    ("due_us", Kind::Int),
    ("since_us", Kind::Int),
];
const VECTOR_COLUMNS: [Column; 4] =
    [("realm", Kind::Text), ("memory_id", Kind::Uuid), ("space", Kind::Text), ("vector", Kind::Bytes)];

#[derive(Debug, FromQueryResult)]
struct DueRow {
    realm: String,
    memory_id: Uuid,
    words_revision: i64,
}

impl TryFrom<DueRow> for Unembedded {
    type Error = StoreError;

    fn try_from(DueRow { realm, memory_id, words_revision }: DueRow) -> Result<Self, StoreError> {
        Ok(Self {
            realm: Realm::parse(&realm).map_err(|error| corrupt(DUE, "realm", memory_id, error))?,
            id: MemoryId::new(memory_id),
            words_revision: u64::try_from(words_revision)
                .map_err(|error| corrupt(DUE, "words_revision", memory_id, error))?,
        })
    }
}

impl Dialect {
    /// Some rows of the first `limit` that a condition fits, in this order, leaving alone those that somebody else has in
    /// hand.
    fn some_due(self, table: &str, condition: &str, order: &str, limit: &str) -> String {
        if self.0 == DbBackend::Postgres {
            format!(
                "ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {condition} ORDER BY {order} LIMIT {limit} \
                 FOR UPDATE SKIP LOCKED))"
            )
        } else {
            format!("rowid IN (SELECT rowid FROM {table} WHERE {condition} ORDER BY {order} LIMIT {limit})")
        }
    }
}

/// A row as it is when it is changed: what it is locked by and read.
#[derive(Debug, FromQueryResult)]
struct StateRow {
    realm: String,
    memory_id: Uuid,
    words_revision: i64,
    space: String,
    due_us: i64,
    since_us: i64,
}

#[derive(Debug, FromQueryResult)]
struct WaitingRow {
    n: i64,
    oldest_us: Option<i64>,
}

#[derive(Debug, FromQueryResult)]
struct SpaceRow {
    space: String,
    set_us: i64,
}

impl SeaUnitOfWork {
    /// Notes what changes of a realm mean for its vectors.
    pub(super) async fn note_vectors(&mut self, realm: &Realm, changes: &[MemoryChange]) -> Result<(), StoreError> {
        let is_reworded =
            |change: &&MemoryChange| change.before.as_ref().is_none_or(|before| before.content != change.after.content);
        let reworded = changes.iter().filter(is_reworded).map(|change| &change.after);
        let (worded, gone): (Vec<&Memory>, Vec<&Memory>) = reworded.partition(|memory| memory.content.is_some());
        let key = realm.key();
        let rows: Result<Vec<_>, StoreError> = worded
            .iter()
            .map(|memory| {
                let (revision, at) = (count(memory.revision)?, to_us(memory.updated_at));
                Ok([key.as_str().into(), memory.id.uuid().into(), revision.into(), "".into(), at.into(), at.into()])
            })
            .collect();
        let batch = Batch::new(&DUE_COLUMNS, self.check(rows)?);
        let tail = "ON CONFLICT (realm, memory_id) DO UPDATE SET words_revision = excluded.words_revision, \
             space = excluded.space, due_us = excluded.due_us, since_us = excluded.since_us";
        self.put(DUE, tail, batch).await?;
        self.forget_vectors(realm, gone).await
    }

    /// Notes that memories of a realm are gone, or their words.
    pub(super) async fn forget_vectors(
        &mut self,
        realm: &Realm,
        memories: impl IntoIterator<Item = &Memory>,
    ) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = memories.into_iter().map(|memory| memory.id.uuid()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.delete_of(DUE, &realm.key(), &ids).await?;
        self.delete_of(VECTORS, &realm.key(), &ids).await
    }

    async fn delete_of(&mut self, table: &'static str, realm: &str, ids: &[Uuid]) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM {table} WHERE realm = $1 AND memory_id {}", self.dialect.any("$2", Kind::Uuid));
        let statement = self.statement(sql, [realm.into(), self.dialect.uuids(ids)]);
        self.run(statement, table).await.map(|_| ())
    }

    /// The rows of these as they are, to be changed.
    async fn vector_states(&mut self, of: &[&Unembedded]) -> Result<Vec<StateRow>, StoreError> {
        self.hold().await?;
        let realms: BTreeSet<String> = of.iter().map(|it| it.realm.key()).collect();
        let realms: Vec<String> = realms.into_iter().collect();
        let ids: Vec<Uuid> = of.iter().map(|it| it.id.uuid()).collect();
        let sql = format!(
            "SELECT realm, memory_id, words_revision, space, due_us, since_us FROM {DUE} \
             WHERE realm {} AND memory_id {} ORDER BY realm, memory_id{}",
            self.dialect.any("$1", Kind::Text),
            self.dialect.any("$2", Kind::Uuid),
            self.for_update()
        );
        let statement = self.statement(sql, [self.dialect.texts(&realms), self.dialect.uuids(&ids)]);
        let mut rows: Vec<StateRow> = self.rows(statement, DUE).await?;
        let wanted: BTreeSet<(String, Uuid, i64)> =
            of.iter().filter_map(|it| Some((it.realm.key(), it.id.uuid(), count(it.words_revision).ok()?))).collect();
        rows.retain(|row| wanted.contains(&(row.realm.clone(), row.memory_id, row.words_revision)));
        Ok(rows)
    }

    async fn put_vector_states(&mut self, rows: &[StateRow]) -> Result<(), StoreError> {
        let rows = rows.iter().map(|row| {
            [
                row.realm.as_str().into(),
                row.memory_id.into(),
                row.words_revision.into(),
                row.space.as_str().into(),
                row.due_us.into(),
                row.since_us.into(),
            ]
        });
        let tail = "ON CONFLICT (realm, memory_id) DO UPDATE SET space = excluded.space, due_us = excluded.due_us";
        self.put(DUE, tail, Batch::new(&DUE_COLUMNS, rows)).await
    }

    /// Takes some of those whose space fits a condition on `$1`.
    async fn claim_vectors(
        &mut self,
        condition: &str,
        key: &str,
        (now_us, until_us): (i64, i64),
        rows_max: u32,
    ) -> Result<Vec<DueRow>, StoreError> {
        let some = self.dialect.some_due(DUE, &format!("{condition} AND due_us <= $2"), "space, due_us", "$4");
        let sql = format!("UPDATE {DUE} SET due_us = $3 WHERE {some} RETURNING realm, memory_id, words_revision");
        let values = [key.into(), now_us.into(), until_us.into(), i64::from(rows_max).into()];
        let statement = self.statement(sql, values);
        self.rows(statement, DUE).await
    }
}

#[async_trait]
impl VectorRepository for SeaUnitOfWork {
    async fn vector_space(&mut self) -> Result<Option<(String, DateTime<Utc>)>, StoreError> {
        let statement = self.statement(format!("SELECT space, set_us FROM {SPACE} WHERE number = 1"), []);
        let row: Option<SpaceRow> = self.row(statement, SPACE).await?;
        let Some(SpaceRow { space, set_us }) = row else { return Ok(None) };
        let set_at = self.check(instant_maybe(Some(set_us), SPACE, "set_us", "1"))?;
        Ok(set_at.map(|at| (space, at)))
    }

    async fn vector_space_set(&mut self, space: &VectorSpace, at: DateTime<Utc>) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO {SPACE} (number, space, set_us) VALUES (1, $1, $2) \
             ON CONFLICT (number) DO UPDATE SET space = excluded.space, set_us = excluded.set_us"
        );
        let statement = self.statement(sql, [space.key().into(), to_us(at).into()]);
        self.run(statement, SPACE).await.map(|_| ())
    }

    async fn memory_vectors_claim(
        &mut self,
        space: &VectorSpace,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Unembedded>, StoreError> {
        self.hold().await?;
        let (key, times) = (space.key(), (to_us(now), to_us(until)));
        let mut rows = Vec::new();
        // Each of these is a piece of an index.
        for condition in ["space = '' AND $1 <> ''", "space > '' AND space < $1", "space > $1"] {
            let room = rows_max.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            if room > 0 {
                rows.extend(self.claim_vectors(condition, &key, times, room).await?);
            }
        }
        self.read_rows(rows)
    }

    async fn memory_vectors_release(&mut self, claimed: &[Unembedded], at: DateTime<Utc>) -> Result<(), StoreError> {
        let mut rows = self.vector_states(&claimed.iter().collect::<Vec<_>>()).await?;
        for row in &mut rows {
            row.due_us = to_us(at);
        }
        self.put_vector_states(&rows).await
    }

    async fn memory_vectors_save(&mut self, space: &VectorSpace, embedded: &[Embedded]) -> Result<u64, StoreError> {
        let mut rows = self.vector_states(&embedded.iter().map(|it| &it.of).collect::<Vec<_>>()).await?;
        let key = space.key();
        for row in &mut rows {
            row.space.clone_from(&key);
            // Nobody has it in hand any more.
            row.due_us = row.since_us;
        }
        self.put_vector_states(&rows).await?;
        let vectors: BTreeMap<(String, Uuid), Option<&Vector>> =
            embedded.iter().map(|it| ((it.of.realm.key(), it.of.id.uuid()), it.vector.as_ref())).collect();
        let vector_of = |row: &StateRow| vectors.get(&(row.realm.clone(), row.memory_id)).copied().flatten();
        let made = rows.iter().filter_map(|row| {
            let vector = vector_of(row)?;
            Some([row.realm.as_str().into(), row.memory_id.into(), key.as_str().into(), vector.as_bytes().into()])
        });
        let tail = "ON CONFLICT (realm, memory_id) DO UPDATE SET space = excluded.space, vector = excluded.vector";
        let batch = Batch::new(&VECTOR_COLUMNS, made);
        self.put(VECTORS, tail, batch).await?;
        for row in rows.iter().filter(|row| vector_of(row).is_none()) {
            self.delete_of(VECTORS, &row.realm, &[row.memory_id]).await?;
        }
        Ok(rows.len() as u64)
    }

    async fn memory_vectors_waiting(&mut self, space: &VectorSpace) -> Result<Waiting, StoreError> {
        let max = Waiting::COUNT_MAX;
        let some = |condition: &str| format!("SELECT since_us FROM {DUE} WHERE {condition} LIMIT {max}");
        let counted = |some: String, oldest: &str| {
            format!("SELECT count(*) AS n, {oldest} AS oldest_us FROM ({some}) AS counted")
        };
        let sql = format!(
            "SELECT CAST(sum(n) AS BIGINT) AS n, CAST(max(oldest_us) AS BIGINT) AS oldest_us FROM ({} UNION ALL {} \
             UNION ALL {}) AS pieces",
            counted(some("space = ''"), "min(since_us)"),
            counted(some("space > '' AND space < $1"), "NULL"),
            counted(some("space > $1"), "NULL"),
        );
        let statement = self.statement(sql, [space.key().into()]);
        let row: Option<WaitingRow> = self.row(statement, DUE).await?;
        let Some(WaitingRow { n, oldest_us }) = row else { return Ok(Waiting::default()) };
        let oldest = self.check(instant_maybe(oldest_us, DUE, "since_us", "the first"))?;
        Ok(Waiting { count: u64::try_from(n).unwrap_or(0).min(max), oldest })
    }

    async fn memory_nearest(
        &mut self,
        filter: &MemoryFilter,
        space: &VectorSpace,
        vector: &Vector,
        rows_max: u32,
    ) -> Result<Vec<(Candidate, f64)>, StoreError> {
        self.nearest(filter, space, vector, rows_max).await
    }

    async fn memory_cosines(
        &mut self,
        realms: &[Realm],
        space: &VectorSpace,
        vector: &Vector,
        ids: &[MemoryId],
    ) -> Result<BTreeMap<MemoryId, f64>, StoreError> {
        let mut cosines = BTreeMap::new();
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        for realm in realms.iter().collect::<BTreeSet<_>>() {
            let found = self.cosines_of(&realm.key(), &space.key(), vector, &ids).await?;
            cosines.extend(found.into_iter().map(|(id, cosine)| (MemoryId::new(id), cosine)));
        }
        Ok(cosines)
    }
}
