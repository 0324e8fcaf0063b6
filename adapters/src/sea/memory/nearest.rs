//! Finding the nearest vectors: by reading all of a realm, piece by piece, or by an index where the database has one.

use crate::sea::dialect::Kind;
use crate::sea::engines::{indexed, is_of};
use crate::sea::memory::query::Query;
use crate::sea::memory::rows::{CANDIDATE_FIELDS, CandidateRow};
use crate::sea::memory::vectors::VECTORS;
use crate::sea::unit::SeaUnitOfWork;
use domain::ids::MemoryId;
use domain::memory::candidate::Candidate;
use domain::memory::filter::{MemoryFilter, Order};
use domain::memory::realm::Realm;
use domain::memory::vector::nearest::Nearest;
use domain::memory::vector::{Vector, VectorSpace};
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// How many vectors are read at a time: what is compared in between keeps nobody waiting.
const PIECE: usize = 2_000;

/// How many are kept of those that were compared before a filter, for each that is wanted. Most of what lies in a realm is
/// shown by most filters.
const KEPT_EACH: usize = 4;

/// The least of those that are kept.
const KEPT_MIN: usize = 400;

/// Of how many memories, the newest, that a filter shows the vectors are compared, where it shows few of those near by.
const FILTERED_MAX: u32 = 50_000;

/// How many the index looks at once, at least and at most: pgvector allows no more.
const BREADTH_MIN: usize = 200;
const BREADTH_MAX: usize = 1_000;

/// Where a memory lies: realm and id.
type At = (String, Uuid);

#[derive(Debug, FromQueryResult)]
pub(super) struct VectorRow {
    memory_id: Uuid,
    vector: Vec<u8>,
}

#[derive(Debug, FromQueryResult)]
struct CountRow {
    n: i64,
}

#[derive(Debug, FromQueryResult)]
struct NearRow {
    #[sea_orm(nested)]
    candidate: CandidateRow,
    #[sea_orm(nested)]
    near: VectorRow,
}

#[derive(Debug, FromQueryResult)]
struct AtRow {
    realm: String,
    id: Uuid,
}

impl SeaUnitOfWork {
    pub(super) async fn nearest(
        &mut self,
        filter: &MemoryFilter,
        space: &VectorSpace,
        vector: &Vector,
        rows_max: u32,
    ) -> Result<Vec<(Candidate, f64)>, StoreError> {
        let wanted = usize::try_from(rows_max).unwrap_or(usize::MAX);
        if wanted == 0 || filter.realms.is_empty() {
            return Ok(Vec::new());
        }
        if self.found.indexed_dimension == Some(vector.dimension()) && self.are_many(&filter.realms).await? {
            let found = self.nearest_by_index(filter, space, vector, wanted).await?;
            if found.len() >= wanted {
                return Ok(found);
            }
            // The index gives up where a filter shows few of those near by.
            let near = self.nearest_of_shown(filter, space, vector, wanted).await?;
            return self.shown_of(filter, &near.into_sorted().into_iter().collect(), wanted).await;
        }
        // What lies in few places is found by them.
        if filter.stream.is_none() && filter.happened_from.is_none() {
            let near = self.nearest_of_all(&filter.realms, space, vector, wanted).await?;
            let is_all = near.is_all();
            let near: BTreeMap<At, f64> = near.into_sorted().into_iter().collect();
            let found = self.shown_of(filter, &near, wanted).await?;
            if is_all || found.len() >= wanted {
                return Ok(found);
            }
        }
        let near = self.nearest_of_shown(filter, space, vector, wanted).await?;
        self.shown_of(filter, &near.into_sorted().into_iter().collect(), wanted).await
    }

    /// Whether there are more memories in these realms than are compared one by one.
    async fn are_many(&mut self, realms: &[Realm]) -> Result<bool, StoreError> {
        let realms: Vec<String> = realms.iter().map(Realm::key).collect();
        let sql = "SELECT CAST(coalesce(sum(memories), 0) AS bigint) AS n FROM memory_realms WHERE realm = ANY($1)";
        let statement = self.statement(sql, [self.dialect.texts(&realms)]);
        let row: Option<CountRow> = self.row(statement, super::REALMS).await?;
        Ok(row.is_some_and(|row| u64::try_from(row.n).unwrap_or(0) > self.found.compared_max))
    }

    /// The nearest as the index has them, with their cosines as they are.
    async fn nearest_by_index(
        &mut self,
        filter: &MemoryFilter,
        space: &VectorSpace,
        vector: &Vector,
        wanted: usize,
    ) -> Result<Vec<(Candidate, f64)>, StoreError> {
        let dimension = vector.dimension();
        let realms: BTreeSet<String> = filter.realms.iter().map(Realm::key).collect();
        let realms: Vec<String> = realms.into_iter().collect();
        let numbers: Vec<String> = vector.numbers().map(|number| number.to_string()).collect();
        let first: [Value; 3] =
            [self.dialect.texts(&realms), space.key().into(), format!("[{}]", numbers.join(",")).into()];
        let query = Query::filtered(self.dialect, "s.realm = v.realm AND s.id = v.memory_id", first, filter);
        let breadth = wanted.clamp(BREADTH_MIN, BREADTH_MAX);
        let set = format!("SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = {breadth}");
        for part in set.split("; ") {
            let statement = self.statement(part, []);
            self.run(statement, VECTORS).await?;
        }
        // With an OFFSET, the planner leaves the query in the parentheses as it is: one look for each that the index gives.
        // The limit is no argument, since a plan for any limit would sort.
        let sql = format!(
            "SELECT {CANDIDATE_FIELDS}, v.memory_id, v.vector FROM {VECTORS} AS v CROSS JOIN LATERAL \
             (SELECT {CANDIDATE_FIELDS} FROM memories AS s WHERE {} OFFSET 0) AS s \
             WHERE v.realm = ANY($1) AND v.space = $2 AND {} \
             ORDER BY {} <=> $3::text::halfvec({dimension}) LIMIT {wanted}",
            query.conditions,
            is_of(dimension, "v.vector"),
            indexed(dimension, "v.vector")
        );
        let statement = self.statement(sql, query.values);
        let rows: Vec<NearRow> = self.rows(statement, VECTORS).await?;
        let mut found = Vec::with_capacity(rows.len());
        for NearRow { candidate, near } in rows {
            if let Some(cosine) = vector.cosine_to(&near.vector) {
                let candidate = Candidate::try_from(candidate);
                found.push((self.check(candidate)?, cosine));
            }
        }
        found.sort_by(|(a, near), (b, nearer)| nearer.total_cmp(near).then_with(|| a.id.cmp(&b.id)));
        Ok(found)
    }

    /// The nearest of all in these realms, more than are wanted.
    async fn nearest_of_all(
        &mut self,
        realms: &[Realm],
        space: &VectorSpace,
        vector: &Vector,
        wanted: usize,
    ) -> Result<Nearest<At>, StoreError> {
        let mut nearest = Nearest::new(wanted.saturating_mul(KEPT_EACH).max(KEPT_MIN));
        for realm in realms.iter().collect::<BTreeSet<_>>() {
            let realm = realm.key();
            let mut after = Uuid::nil();
            loop {
                let sql = format!(
                    "SELECT memory_id, vector FROM {VECTORS} \
                     WHERE realm = $1 AND memory_id > $2 AND space = $3 ORDER BY memory_id LIMIT {PIECE}"
                );
                let values = [realm.as_str().into(), after.into(), space.key().into()];
                let statement = self.statement(sql, values);
                let rows: Vec<VectorRow> = self.rows(statement, VECTORS).await?;
                compare(vector, &rows, |id, cosine| nearest.show(cosine, (realm.clone(), id)));
                match rows.last() {
                    Some(last) if rows.len() >= PIECE => after = last.memory_id,
                    _ => break,
                }
            }
        }
        Ok(nearest)
    }

    /// The nearest of what a filter shows, of the newest of it.
    async fn nearest_of_shown(
        &mut self,
        filter: &MemoryFilter,
        space: &VectorSpace,
        vector: &Vector,
        wanted: usize,
    ) -> Result<Nearest<At>, StoreError> {
        let (sql, values) = Query::listed(
            self.dialect,
            "s.realm, s.id, s.happened_at_us",
            filter,
            (Order::NewestFirst, None),
            FILTERED_MAX,
        );
        let statement = self.statement(sql, values);
        let shown: Vec<AtRow> = self.rows(statement, super::MEMORIES).await?;
        let mut by_realm: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
        for AtRow { realm, id } in shown {
            by_realm.entry(realm).or_default().push(id);
        }
        let mut nearest = Nearest::new(wanted);
        for (realm, ids) in by_realm {
            for ids in ids.chunks(PIECE) {
                let cosines = self.cosines_of(&realm, &space.key(), vector, ids).await?;
                for (id, cosine) in cosines {
                    nearest.show(cosine, (realm.clone(), id));
                }
            }
        }
        Ok(nearest)
    }

    /// The cosines of these memories of a realm.
    pub(super) async fn cosines_of(
        &mut self,
        realm: &str,
        space: &str,
        vector: &Vector,
        ids: &[Uuid],
    ) -> Result<Vec<(Uuid, f64)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT memory_id, vector FROM {VECTORS} WHERE realm = $1 AND memory_id {} AND space = $3",
            self.dialect.any("$2", Kind::Uuid)
        );
        let statement = self.statement(sql, [realm.into(), self.dialect.uuids(ids), space.into()]);
        let rows: Vec<VectorRow> = self.rows(statement, VECTORS).await?;
        let mut cosines = Vec::with_capacity(rows.len());
        compare(vector, &rows, |id, cosine| cosines.push((id, cosine)));
        Ok(cosines)
    }

    /// What a filter shows of these, the nearest first.
    async fn shown_of(
        &mut self,
        filter: &MemoryFilter,
        near: &BTreeMap<At, f64>,
        wanted: usize,
    ) -> Result<Vec<(Candidate, f64)>, StoreError> {
        if near.is_empty() {
            return Ok(Vec::new());
        }
        let realms: BTreeSet<&str> = near.keys().map(|(realm, _)| realm.as_str()).collect();
        let realms: Vec<String> = realms.into_iter().map(str::to_owned).collect();
        let ids: Vec<Uuid> = near.keys().map(|(_, id)| *id).collect();
        let (realm, id) = (self.dialect.any("$1", Kind::Text), self.dialect.any("$2", Kind::Uuid));
        let first: [Value; 2] = [self.dialect.texts(&realms), self.dialect.uuids(&ids)];
        let query = Query::filtered(self.dialect, format!("s.realm {realm} AND s.id {id}"), first, filter);
        let sql = format!("SELECT {CANDIDATE_FIELDS} FROM memories AS s WHERE {}", query.conditions);
        let statement = self.statement(sql, query.values);
        let rows: Vec<CandidateRow> = self.rows(statement, super::MEMORIES).await?;
        let candidates: Vec<Candidate> = self.read_rows(rows)?;
        let mut nearest = Nearest::new(wanted);
        let mut by_place: BTreeMap<(MemoryId, String), Candidate> = BTreeMap::new();
        for candidate in candidates {
            let at = (candidate.realm.key(), candidate.id.uuid());
            if let Some(cosine) = near.get(&at) {
                nearest.show(*cosine, (candidate.id, at.0.clone()));
                by_place.insert((candidate.id, at.0), candidate);
            }
        }
        let found = nearest.into_sorted().into_iter();
        Ok(found.filter_map(|(at, cosine)| Some((by_place.remove(&at)?, cosine))).collect())
    }
}

/// Compares a vector with stored ones; those of another dimension are passed over.
fn compare(vector: &Vector, rows: &[VectorRow], mut found: impl FnMut(Uuid, f64)) {
    for row in rows {
        if let Some(cosine) = vector.cosine_to(&row.vector) {
            found(row.memory_id, cosine);
        }
    }
}
