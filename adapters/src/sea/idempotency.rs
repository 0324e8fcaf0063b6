use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::batch::{Batch, Cell};
use crate::sea::dialect::{Column, Kind, bytes_of_hex};
use crate::sea::error::{corrupt, failed};
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::idempotency::{IdempotencyKey, Record, RequestName};
use domain::ids::{AgentId, ProjectId};
use ports::idempotency::IdempotencyRepository;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const TABLE: &str = "idempotency_records";

const FIELDS: &str = "project_id, agent_id, key, fingerprint, answer, created_at_us";

const COLUMNS: [Column; 6] = [
    ("project_id", Kind::Text),
    ("agent_id", Kind::Text),
    ("key", Kind::Text),
    ("fingerprint", Kind::Bytes),
    ("answer", Kind::Text),
    ("created_at_us", Kind::Int),
];

#[derive(Debug, FromQueryResult, Deserialize)]
struct Row {
    project_id: String,
    agent_id: String,
    key: String,
    #[serde(deserialize_with = "bytes_of_hex")]
    fingerprint: Vec<u8>,
    answer: String,
    created_at_us: i64,
}

/// A fingerprint that has not 32 bytes.
#[derive(Debug, thiserror::Error)]
#[error("it has {0} bytes, not 32")]
struct WrongLength(usize);

impl TryFrom<Row> for Record {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { project_id, agent_id, key, fingerprint, answer, created_at_us } = row;
        let name = format!("{project_id}/{agent_id}/{key}");
        Ok(Self {
            name: RequestName {
                project: ProjectId::parse(&project_id).map_err(|error| corrupt(TABLE, "project_id", &name, error))?,
                agent: AgentId::parse(&agent_id).map_err(|error| corrupt(TABLE, "agent_id", &name, error))?,
                key: IdempotencyKey::parse(&key).map_err(|error| corrupt(TABLE, "key", &name, error))?,
            },
            fingerprint: fingerprint
                .try_into()
                .map_err(|bytes: Vec<u8>| corrupt(TABLE, "fingerprint", &name, WrongLength(bytes.len())))?,
            answer: serde_json::from_str(&answer).map_err(|error| corrupt(TABLE, "answer", &name, error))?,
            created_at: instant(created_at_us, TABLE, "created_at_us", &name)?,
        })
    }
}

/// A record in the order of [`COLUMNS`].
fn cells(record: &Record) -> [Cell<'_>; COLUMNS.len()] {
    let Record { name: RequestName { project, agent, key }, fingerprint, answer, created_at } = record;
    [
        project.as_str().into(),
        agent.as_str().into(),
        key.as_str().into(),
        fingerprint.as_slice().into(),
        answer.to_string().into(),
        to_us(*created_at).into(),
    ]
}

/// A request that is looked for.
#[derive(Serialize)]
struct Asked<'a> {
    p: &'a str,
    a: &'a str,
    k: &'a str,
}

impl<'a> From<&'a RequestName> for Asked<'a> {
    fn from(RequestName { project, agent, key }: &'a RequestName) -> Self {
        Self { p: project.as_str(), a: agent.as_str(), k: key.as_str() }
    }
}

#[async_trait]
impl IdempotencyRepository for SeaUnitOfWork {
    async fn idempotency_load(&mut self, names: &[RequestName]) -> Result<Vec<Record>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names: BTreeSet<&RequestName> = names.iter().collect();
        let asked: Vec<Asked<'_>> = names.iter().copied().map(Asked::from).collect();
        let asked = serde_json::to_string(&asked).map_err(failed);
        let asked = self.check(asked)?;
        let asked_rows = self.dialect.records("$1", &[("p", Kind::Text), ("a", Kind::Text), ("k", Kind::Text)]);
        let sql = self.dialect.look_up(TABLE, FIELDS, &asked_rows, "project_id = r.p AND agent_id = r.a AND key = r.k");
        let statement = self.statement(sql, [asked.into()]);
        let rows: Vec<Row> = self.rows_ahead(statement, TABLE).await?;
        let records: Vec<Record> = self.read_rows(rows)?;
        self.requests_new.extend(names.into_iter().cloned());
        for record in &records {
            self.requests_new.remove(&record.name);
        }
        Ok(records)
    }

    async fn idempotency_add(&mut self, records: &[Record], forgotten_before: DateTime<Utc>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        // PostgreSQL would fail in words of its own.
        let names: BTreeSet<&RequestName> = records.iter().map(|record| &record.name).collect();
        self.expect_rows(names.len() as u64, records.len() as u64, TABLE)?;
        // Who looked and found nothing need not look again; if somebody else was faster, the key is refused.
        let (new, others): (Vec<&Record>, Vec<&Record>) =
            records.iter().partition(|record| self.requests_new.contains(&record.name));
        self.append(TABLE, Batch::new(&COLUMNS, new.into_iter().map(cells))).await?;
        let tail = "ON CONFLICT (project_id, agent_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, \
             answer = excluded.answer, created_at_us = excluded.created_at_us \
             WHERE idempotency_records.created_at_us < $2";
        let sql = self.dialect.insert(TABLE, &COLUMNS, &self.dialect.batch(&COLUMNS), tail);
        let others = Batch::new(&COLUMNS, others.into_iter().map(cells));
        self.write_each(&sql, others, &[to_us(forgotten_before).into()], TABLE).await
    }

    async fn idempotency_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_some(TABLE, "created_at_us");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, TABLE).await
    }
}
