//! Working memory: a row for each session that keeps something, and one for each entry.

use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::corrupt;
use crate::sea::unit::{Access, SeaUnitOfWork};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, ProjectId, SessionId};
use domain::memory::working::content::{EntryKey, EntryValue, TokenBudget};
use domain::memory::working::{Changed, Entry, Scratchpad};
use ports::memory::working::WorkingRepository;
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const MEMORIES: &str = "working_memories";
const ENTRIES: &str = "working_entries";

const ENTRY_COLUMNS: [Column; 9] = [
    ("project_id", Kind::Text),
    ("session_id", Kind::Text),
    ("entry_key", Kind::Text),
    ("version", Kind::Int),
    ("tokens", Kind::Int),
    ("pinned", Kind::Bool),
    ("written_at_us", Kind::Int),
    ("expires_at_us", Kind::Int),
    ("value", Kind::Text),
];

#[derive(Debug, FromQueryResult)]
struct Head {
    agent_id: String,
    budget_tokens: i64,
    revision: i64,
    written_at_us: i64,
}

#[derive(Debug, FromQueryResult)]
struct EntryRow {
    entry_key: String,
    version: i64,
    tokens: i64,
    pinned: bool,
    written_at_us: i64,
    expires_at_us: Option<i64>,
    value: String,
}

impl TryFrom<EntryRow> for Entry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        let EntryRow { entry_key, version, tokens, pinned, written_at_us, expires_at_us, value } = row;
        let bad = |column: &'static str, error: Box<dyn std::error::Error + Send + Sync>| {
            corrupt(ENTRIES, column, &entry_key, error)
        };
        let value: serde_json::Value = serde_json::from_str(&value).map_err(|error| bad("value", error.into()))?;
        Ok(Self {
            key: EntryKey::parse(&entry_key).map_err(|error| bad("entry_key", error.into()))?,
            value: EntryValue::try_new(value).map_err(|error| bad("value", error.into()))?,
            version: u64::try_from(version).map_err(|error| bad("version", error.into()))?,
            tokens: u32::try_from(tokens).map_err(|error| bad("tokens", error.into()))?,
            pinned,
            written_at: instant(written_at_us, ENTRIES, "written_at_us", &entry_key)?,
            expires_at: expires_at_us.map(|us| instant(us, ENTRIES, "expires_at_us", &entry_key)).transpose()?,
        })
    }
}

#[derive(Debug, FromQueryResult)]
struct NameRow {
    project_id: String,
    session_id: String,
}

#[derive(Debug, FromQueryResult)]
struct CountRow {
    n: i64,
}

#[derive(Serialize)]
struct Stored<'a> {
    project_id: &'a str,
    session_id: &'a str,
    entry_key: &'a str,
    version: u64,
    tokens: u32,
    pinned: bool,
    written_at_us: i64,
    expires_at_us: Option<i64>,
    value: String,
}

fn read(session: &SessionId, head: Head, entries: Vec<Entry>) -> Result<Scratchpad, StoreError> {
    let Head { agent_id, budget_tokens, revision, written_at_us } = head;
    let bad = |column: &'static str, error: Box<dyn std::error::Error + Send + Sync>| {
        corrupt(MEMORIES, column, session, error)
    };
    let budget = u32::try_from(budget_tokens).map_err(|error| bad("budget_tokens", error.into()))?;
    Ok(Scratchpad {
        session: session.clone(),
        agent: AgentId::parse(&agent_id).map_err(|error| bad("agent_id", error.into()))?,
        budget: TokenBudget::try_new(budget).map_err(|error| bad("budget_tokens", error.into()))?,
        revision: u64::try_from(revision).map_err(|error| bad("revision", error.into()))?,
        written_at: instant(written_at_us, MEMORIES, "written_at_us", session.as_str())?,
        entries: entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect::<BTreeMap<_, _>>(),
    })
}

impl SeaUnitOfWork {
    /// Stores the row of a session; a conflict if somebody else did meanwhile.
    async fn working_head_save(&mut self, project: &ProjectId, pad: &Scratchpad) -> Result<(), StoreError> {
        let revision = i64::try_from(pad.revision).unwrap_or(i64::MAX);
        let sql = if revision == 1 {
            "INSERT INTO working_memories (project_id, session_id, agent_id, budget_tokens, revision, written_at_us) \
             VALUES ($1, $2, $3, $4, $5, $6)"
        } else {
            "UPDATE working_memories SET agent_id = $3, budget_tokens = $4, revision = $5, written_at_us = $6 \
             WHERE project_id = $1 AND session_id = $2 AND revision = $5 - 1"
        };
        let values: [Value; 6] = [
            project.as_str().into(),
            pad.session.as_str().into(),
            pad.agent.as_str().into(),
            i64::from(pad.budget.tokens()).into(),
            revision.into(),
            to_us(pad.written_at).into(),
        ];
        let statement = self.statement(sql, values);
        let written = self.run(statement, MEMORIES).await?;
        self.expect_rows(written, 1, MEMORIES)
    }

    async fn working_forget(&mut self, project: &str, sessions: &[String]) -> Result<(), StoreError> {
        let any = self.dialect.any("$2", Kind::Text);
        for table in [ENTRIES, MEMORIES] {
            let sql = format!("DELETE FROM {table} WHERE project_id = $1 AND session_id {any}");
            let statement = self.statement(sql, [project.into(), self.dialect.texts(sessions)]);
            self.run(statement, table).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl WorkingRepository for SeaUnitOfWork {
    async fn working_load(
        &mut self,
        project: &ProjectId,
        session: &SessionId,
    ) -> Result<Option<Scratchpad>, StoreError> {
        if self.access == Access::Write {
            self.hold().await?;
        }
        let named = || [Value::from(project.as_str()), session.as_str().into()];
        let sql = format!(
            "SELECT agent_id, budget_tokens, revision, written_at_us FROM working_memories \
             WHERE project_id = $1 AND session_id = $2{}",
            self.for_update()
        );
        let statement = self.statement(sql, named());
        let Some(head) = self.row::<Head>(statement, MEMORIES).await? else { return Ok(None) };
        let sql = "SELECT entry_key, version, tokens, pinned, written_at_us, expires_at_us, value \
             FROM working_entries WHERE project_id = $1 AND session_id = $2";
        let statement = self.statement(sql, named());
        let rows: Vec<EntryRow> = self.rows(statement, ENTRIES).await?;
        let entries = self.read_rows(rows)?;
        self.check(read(session, head, entries)).map(Some)
    }

    async fn working_save(&mut self, project: &ProjectId, changed: &Changed) -> Result<(), StoreError> {
        let Changed { pad, written, removed, compacted: _ } = changed;
        self.working_head_save(project, pad).await?;
        let keys: BTreeSet<&EntryKey> = removed.iter().chain(written.iter().map(|entry| &entry.key)).collect();
        let keys: Vec<String> = keys.into_iter().map(ToString::to_string).collect();
        let any = self.dialect.any("$3", Kind::Text);
        let sql = format!("DELETE FROM working_entries WHERE project_id = $1 AND session_id = $2 AND entry_key {any}");
        let values = [project.as_str().into(), pad.session.as_str().into(), self.dialect.texts(&keys)];
        let statement = self.statement(sql, values);
        self.run(statement, ENTRIES).await?;
        let rows: Vec<Stored<'_>> = written
            .iter()
            .map(|entry| Stored {
                project_id: project.as_str(),
                session_id: pad.session.as_str(),
                entry_key: entry.key.as_str(),
                version: entry.version,
                tokens: entry.tokens,
                pinned: entry.pinned,
                written_at_us: to_us(entry.written_at),
                expires_at_us: entry.expires_at.map(to_us),
                value: entry.value.value().to_string(),
            })
            .collect();
        self.insert_rows(ENTRIES, &ENTRY_COLUMNS, "", &rows).await
    }

    async fn working_inherited(
        &mut self,
        project: &ProjectId,
        (agent, session): (&AgentId, &SessionId),
        by: &AgentId,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) AS n FROM (SELECT 1 AS one FROM handoffs \
             WHERE project_id = $1 AND from_agent = $2 AND from_session = $3 AND taken_by = $4 LIMIT 1) AS taken";
        let values = [project.as_str().into(), agent.as_str().into(), session.as_str().into(), by.as_str().into()];
        let statement = self.statement(sql, values);
        let row: Option<CountRow> = self.row(statement, "handoffs").await?;
        Ok(row.is_some_and(|row| row.n > 0))
    }

    async fn working_expire(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_some(ENTRIES, "expires_at_us");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, ENTRIES).await
    }

    async fn working_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        self.hold().await?;
        let sql = format!(
            "SELECT w.project_id, w.session_id FROM working_memories AS w \
             JOIN sessions AS s ON s.project_id = w.project_id AND s.id = w.session_id \
             WHERE w.written_at_us < $1 AND s.ended_at_us < $1 ORDER BY w.written_at_us LIMIT $2{}",
            if self.for_update().is_empty() { "" } else { " FOR UPDATE OF w SKIP LOCKED" }
        );
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        let rows: Vec<NameRow> = self.rows(statement, MEMORIES).await?;
        let pruned = rows.len() as u64;
        let mut by_project: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for NameRow { project_id, session_id } in rows {
            by_project.entry(project_id).or_default().push(session_id);
        }
        for (project, sessions) in by_project {
            self.working_forget(&project, &sessions).await?;
        }
        Ok(pruned)
    }
}
