//! Memories: what is ranked by in columns, what they say as JSON beside. Tokens find candidates, counts plan and score.

mod nearest;
pub(super) mod paradedb;
mod procedures;
mod query;
mod rows;
mod save;
mod vectors;
mod words;
mod working;

use crate::sea::clock::to_us;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::{corrupt, failed};
use crate::sea::memory::query::Query;
use crate::sea::memory::rows::{CANDIDATE_FIELDS, CandidateRow, MEMORY_FIELDS, MemoryRow, count, number};
use crate::sea::unit::{Access, SeaUnitOfWork};
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
use ports::memory::{MemoryChange, MemoryRepository};
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

const CONTENTS: &str = "memory_contents";
const MEMORIES: &str = "memories";
const REALMS: &str = "memory_realms";
const STREAMS: &str = "memory_streams";
const TERMS: &str = "memory_terms";
const TOKENS: &str = "memory_tokens";
const VERDICTS: &str = "memory_verdicts";

const BETWEEN: [Column; 3] = [("stream", Kind::Text), ("first_position", Kind::Int), ("last_position", Kind::Int)];

#[derive(Debug, FromQueryResult)]
struct TotalsRow {
    memories: i64,
    length: i64,
}

impl TryFrom<TotalsRow> for Totals {
    type Error = StoreError;

    fn try_from(TotalsRow { memories, length }: TotalsRow) -> Result<Self, StoreError> {
        let read = |column, value| u64::try_from(value).map_err(|error| corrupt(REALMS, column, value, error));
        Ok(Self { memories: read("memories", memories)?, length: read("length", length)? })
    }
}

#[derive(Debug, FromQueryResult)]
struct CountRow {
    /// `None` for the totals.
    term: Option<i64>,
    memories: i64,
    length: i64,
}

#[derive(Debug, FromQueryResult)]
struct PositionRow {
    last_position: i64,
}

#[derive(Debug, FromQueryResult)]
struct VerdictRow {
    verdict: String,
}

/// Places of a row next to each other.
#[derive(Serialize)]
struct Between<'a> {
    stream: &'a str,
    first_position: i64,
    last_position: i64,
}

/// These places with so many before and behind, each once.
fn around(places: &[Place], reach: u32) -> Result<Vec<Between<'_>>, StoreError> {
    let mut sorted: Vec<(&str, u64)> = places.iter().map(|it| (it.stream.as_str(), it.position)).collect();
    sorted.sort_unstable();
    let mut all: Vec<Between<'_>> = Vec::new();
    for (stream, position) in sorted {
        let first_position = count(position.saturating_sub(reach.into()))?;
        let last_position = count(position.saturating_add(reach.into()))?;
        match all.last_mut() {
            Some(before) if before.stream == stream && first_position <= before.last_position.saturating_add(1) => {
                before.last_position = last_position;
            }
            _ => all.push(Between { stream, first_position, last_position }),
        }
    }
    Ok(all)
}

impl SeaUnitOfWork {
    async fn memories(
        &mut self,
        rest: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Memory>, StoreError> {
        let statement = self.statement(format!("SELECT {MEMORY_FIELDS} FROM {MEMORIES} AS s WHERE {rest}"), values);
        let rows: Vec<MemoryRow> = self.rows(statement, MEMORIES).await?;
        self.read_rows(rows)
    }

    async fn memory_candidate_rows(&mut self, sql: String, values: Vec<Value>) -> Result<Vec<Candidate>, StoreError> {
        let statement = self.statement(sql, values);
        let rows: Vec<CandidateRow> = self.rows(statement, MEMORIES).await?;
        self.read_rows(rows)
    }

    /// From here on there is a transaction, in which what is found stays as it is, if this may write.
    async fn hold_to_write(&mut self) -> Result<(), StoreError> {
        match self.access {
            Access::Write => self.hold().await,
            Access::Read => Ok(()),
        }
    }
}

#[async_trait]
impl MemoryRepository for SeaUnitOfWork {
    async fn memory_realm_lock(&mut self, realm: &Realm) -> Result<Totals, StoreError> {
        self.hold().await?;
        let sql = format!("SELECT memories, length FROM memory_realms WHERE realm = $1{}", self.for_update());
        let key = realm.key();
        let statement = self.statement(sql, [key.as_str().into()]);
        let mut row: Option<TotalsRow> = self.row(statement.clone(), REALMS).await?;
        if row.is_none() {
            let sql = "INSERT INTO memory_realms (realm, memories, length) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING";
            let insert = self.statement(sql, [key.into()]);
            self.run(insert, REALMS).await?;
            row = self.row(statement, REALMS).await?;
        }
        let totals = row.map(Totals::try_from).transpose();
        Ok(self.check(totals)?.unwrap_or_default())
    }

    async fn memories_load(&mut self, realms: &[Realm], ids: &[MemoryId]) -> Result<Vec<Memory>, StoreError> {
        if realms.is_empty() || ids.is_empty() {
            return Ok(Vec::new());
        }
        self.hold_to_write().await?;
        let realms: Vec<String> = realms.iter().map(Realm::key).collect();
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let (realm, id) = (self.dialect.any("$1", Kind::Text), self.dialect.any("$2", Kind::Uuid));
        // In one order, so that nobody waits for each other.
        let rest = format!("s.realm {realm} AND s.id {id} ORDER BY s.id, s.realm");
        let values = [self.dialect.texts(&realms), self.dialect.uuids(&ids)];
        if !self.for_update().is_empty() {
            // What was waited for has changed, and what stands beside it would be read as it was before.
            let sql = format!("SELECT s.number FROM {MEMORIES} AS s WHERE {rest}{}", self.for_update());
            let statement = self.statement(sql, values.clone());
            self.query(statement, MEMORIES).await?;
        }
        self.memories(&rest, values).await
    }

    async fn memory_twin(
        &mut self,
        realm: &Realm,
        fingerprint: Fingerprint,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Memory>, StoreError> {
        self.hold_to_write().await?;
        let rest = format!(
            "s.realm = $1 AND s.fingerprint = $2 AND s.happened_at_us BETWEEN $3 AND $4 \
             AND s.superseded_by IS NULL AND s.redacted_at_us IS NULL \
             ORDER BY s.happened_at_us DESC, s.id DESC LIMIT 1{}",
            self.for_update()
        );
        let fingerprint = fingerprint.0.to_vec();
        let values = [realm.key().into(), fingerprint.into(), to_us(from).into(), to_us(until).into()];
        Ok(self.memories(&rest, values).await?.pop())
    }

    async fn memory_last_position(&mut self, realm: &Realm, stream: &Stream) -> Result<u64, StoreError> {
        let sql = "SELECT last_position FROM memory_streams WHERE realm = $1 AND stream_hash = $2";
        let hash = number(TermHash::of_stream(realm, stream.as_str()));
        let statement = self.statement(sql, [realm.key().into(), hash.into()]);
        let row: Option<PositionRow> = self.row(statement, STREAMS).await?;
        let last = row.map_or(0, |row| row.last_position);
        self.check(u64::try_from(last).map_err(|error| corrupt(STREAMS, "last_position", last, error)))
    }

    async fn memories_save(&mut self, realm: &Realm, changes: &[MemoryChange]) -> Result<(), StoreError> {
        self.save_memories(realm, changes).await
    }

    async fn memories_forget(&mut self, realm: &Realm, memories: &[Memory]) -> Result<(), StoreError> {
        self.forget_memories(realm, memories).await
    }

    async fn memory_verdict(
        &mut self,
        realm: &Realm,
        id: MemoryId,
        by: &AgentId,
    ) -> Result<Option<Verdict>, StoreError> {
        let sql = "SELECT verdict FROM memory_verdicts WHERE realm = $1 AND memory_id = $2 AND agent_id = $3";
        let statement = self.statement(sql, [realm.key().into(), id.uuid().into(), by.as_str().into()]);
        let row: Option<VerdictRow> = self.row(statement, VERDICTS).await?;
        let read = row.map(|VerdictRow { verdict }| {
            Verdict::parse(&verdict).ok_or_else(|| corrupt(VERDICTS, "verdict", id, "it is not known"))
        });
        self.check(read.transpose())
    }

    async fn memory_verdict_save(
        &mut self,
        realm: &Realm,
        id: MemoryId,
        by: &AgentId,
        verdict: Verdict,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO memory_verdicts (realm, memory_id, agent_id, verdict, at_us) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (realm, memory_id, agent_id) DO UPDATE SET verdict = excluded.verdict, at_us = excluded.at_us";
        let values =
            [realm.key().into(), id.uuid().into(), by.as_str().into(), verdict.as_str().into(), to_us(at).into()];
        let statement = self.statement(sql, values);
        self.run(statement, VERDICTS).await.map(|_| ())
    }

    async fn memory_list(
        &mut self,
        filter: &MemoryFilter,
        order: Order,
        after: Option<MemoryCursor>,
        size: PageSize,
    ) -> Result<Page<Memory, MemoryCursor>, StoreError> {
        let rows_max = size.rows().saturating_add(1);
        let (sql, values) = Query::listed(self.dialect, MEMORY_FIELDS, filter, (order, after), rows_max);
        let statement = self.statement(sql, values);
        let rows: Vec<MemoryRow> = self.rows(statement, MEMORIES).await?;
        let found: Vec<Memory> = self.read_rows(rows)?;
        Ok(Page::cut(found, size, |memory| MemoryCursor { happened_at: memory.happened_at, id: memory.id }))
    }

    async fn memory_statistics(&mut self, realm: &Realm, terms: &[TermHash]) -> Result<Statistics, StoreError> {
        let terms: Vec<i64> = terms.iter().map(|term| number(*term)).collect();
        let any = self.dialect.any("$2", Kind::Int);
        let sql = format!(
            "SELECT NULL AS term, memories, length FROM memory_realms WHERE realm = $1 UNION ALL \
             SELECT term, memories, 0 AS length FROM memory_terms WHERE realm = $1 AND term {any}"
        );
        let statement = self.statement(sql, [realm.key().into(), self.dialect.ints(&terms)]);
        let rows: Vec<CountRow> = self.rows(statement, TERMS).await?;
        let mut statistics = Statistics { totals: Totals::default(), frequencies: BTreeMap::new() };
        for CountRow { term, memories, length } in rows {
            let totals = self.check(Totals::try_from(TotalsRow { memories, length }))?;
            match term {
                None => statistics.totals = totals,
                Some(term) => {
                    statistics.frequencies.insert(TermHash(term.cast_unsigned()), totals.memories);
                }
            }
        }
        Ok(statistics)
    }

    async fn memory_candidates(
        &mut self,
        filter: &MemoryFilter,
        wanted: &Wanted,
    ) -> Result<Vec<Candidate>, StoreError> {
        if wanted.any_of.is_empty() || !filter.realms.contains(&wanted.realm) {
            return Ok(Vec::new());
        }
        if self.found.has_pg_search {
            let (sql, values) = paradedb::candidates(self.dialect, filter, wanted);
            return self.memory_candidate_rows(sql, values).await;
        }
        if let Some(sql) = self.dialect.before_candidates() {
            let statement = self.statement(sql, []);
            self.run(statement, MEMORIES).await?;
        }
        let (sql, values) = self.dialect.candidates(filter, wanted);
        self.memory_candidate_rows(sql, values).await
    }

    async fn memory_latest(&mut self, filter: &MemoryFilter, rows_max: u32) -> Result<Vec<Candidate>, StoreError> {
        let (sql, values) = Query::listed(self.dialect, CANDIDATE_FIELDS, filter, (Order::NewestFirst, None), rows_max);
        self.memory_candidate_rows(sql, values).await
    }

    async fn memory_neighbours(
        &mut self,
        realm: &Realm,
        as_of: DateTime<Utc>,
        places: &[Place],
        reach: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let between = self.check(around(places, reach))?;
        if between.is_empty() {
            return Ok(Vec::new());
        }
        let between = self.check(serde_json::to_string(&between).map_err(failed))?;
        let Query { conditions, values, .. } = Query::held(self.dialect, between.into(), realm, as_of);
        let records = self.dialect.records("$1", &BETWEEN);
        let found = self.dialect.between_places(&records, CANDIDATE_FIELDS, &conditions);
        self.memory_candidate_rows(format!("SELECT {CANDIDATE_FIELDS} FROM {found}"), values).await
    }

    async fn memories_past(
        &mut self,
        before: DateTime<Utc>,
        worth_min: i64,
        rows_max: u32,
    ) -> Result<Vec<Memory>, StoreError> {
        let rest = "s.happened_at_us < $1 AND NOT s.pinned AND s.worth < $2 ORDER BY s.happened_at_us LIMIT $3";
        self.memories(rest, [to_us(before).into(), worth_min.into(), i64::from(rows_max).into()]).await
    }
}
