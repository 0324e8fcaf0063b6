mod head;
mod leases;
mod look;
mod waiters;

use crate::sea::clock::to_us;
use crate::sea::dialect::batch::Batch;
use crate::sea::dialect::{Column, IF_STILL, Kind, prefix_end};
use crate::sea::epoch::EpochCause;
use crate::sea::error::failed;
use crate::sea::locks::leases::{
    HISTORY, HISTORY_COLUMNS, HISTORY_FIELDS, HistoryRow, LEASE_COLUMNS, LEASE_FIELDS, LEASES, StoredLeaseRow,
    ended_cells, lease_cells,
};
use crate::sea::locks::waiters::{StoredWaiterRow, WAITER_COLUMNS, WAITER_FIELDS, WAITERS, waiter_cells};
use crate::sea::unit::{Access, SeaUnitOfWork};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, SessionId};
use domain::locks::changes::Changes;
use domain::locks::key::{KeyScope, LockKey};
use domain::locks::lease::{EndedLease, Lease, Token};
use domain::locks::stored::{StoredLease, StoredWaiter};
use domain::page::{Page, PageSize};
use ports::locks::{Ahead, LeaseCursor, LeaseFilter, LockRepository, Look, TableHead};
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde_json::json;
use uuid::Uuid;

const TABLES: &str = "lock_tables";

#[derive(FromQueryResult)]
struct ProjectRow {
    project_id: String,
}

#[derive(FromQueryResult)]
struct CountsRow {
    leases: i64,
    waiters: i64,
}

const RANGE_COLUMNS: [Column; 2] = [("lo", Kind::Text), ("hi", Kind::Text)];

/// Until when the session of a row lives: looked up by its key for each row, whatever the planner thinks of joins.
fn session_until(table: &str, own_end: &str) -> String {
    format!(
        "COALESCE((SELECT s.live_until_us FROM sessions AS s \
         WHERE s.project_id = {table}.project_id AND s.id = {table}.session_id), {table}.{own_end})"
    )
}

fn lease_session_until() -> String {
    session_until(LEASES, "expires_at_us")
}

fn tokens_of<'a>(tokens: impl IntoIterator<Item = &'a Token>) -> Vec<i64> {
    tokens.into_iter().map(|token| token.value()).collect()
}

impl SeaUnitOfWork {
    async fn leases(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<StoredLease>, StoreError> {
        let until = lease_session_until();
        let sql = format!("SELECT {LEASE_FIELDS}, {until} AS session_until_us FROM leases WHERE {condition}");
        let statement = self.statement(sql, values);
        let rows: Vec<StoredLeaseRow> = self.rows_ahead(statement, LEASES).await?;
        self.read_rows(rows)
    }

    async fn history(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<EndedLease>, StoreError> {
        let sql = format!("SELECT {HISTORY_FIELDS} FROM lease_history WHERE {condition}");
        let statement = self.statement(sql, values);
        let rows: Vec<HistoryRow> = self.rows(statement, HISTORY).await?;
        self.read_rows(rows)
    }

    /// Moves the counter from where it was read. A table that is locked here cannot have been moved by others.
    async fn move_counter(
        &mut self,
        project: &ProjectId,
        head: TableHead,
        drawn: Option<i64>,
        is_news: bool,
    ) -> Result<(), StoreError> {
        let read = head.last_token;
        let locked = self.tables.get(project).copied();
        if locked.is_some_and(|locked| locked.last_token != read) {
            return Err(self.spoil(StoreError::Conflict { what: TABLES }));
        }
        if locked.is_some() && drawn.is_none() && !is_news {
            return Ok(());
        }
        let last_token = drawn.unwrap_or(read);
        let (table, raised) = (locked.unwrap_or(head), i64::from(is_news));
        let moved = TableHead { last_token, version: table.version + raised, ..table };
        if self.optimistic(project).is_some_and(|optimistic| optimistic.read.is_some()) {
            // The statement that writes everything writes it.
            self.tables.insert(project.clone(), moved);
            return Ok(());
        }
        if let Some(sidecar) = self.sidecar.clone() {
            let reserved = sidecar.reserve(last_token).await;
            self.check(reserved)?;
        }
        let statement = self.statement(
            "UPDATE lock_tables SET last_token = $3, version = version + $4 WHERE project_id = $1 AND last_token = $2",
            [project.as_str().into(), read.into(), last_token.into(), raised.into()],
        );
        let written = self.run(statement, TABLES).await?;
        self.expect_rows(written, 1, TABLES)?;
        self.tables.insert(project.clone(), moved);
        Ok(())
    }

    async fn end_leases(&mut self, project: &ProjectId, ended: &[EndedLease]) -> Result<(), StoreError> {
        if ended.is_empty() {
            return Ok(());
        }
        let tokens = tokens_of(ended.iter().map(|ended| &ended.lease.token));
        let sql = format!(
            "DELETE FROM leases WHERE {IF_STILL} AND project_id = $1 AND token {}",
            self.dialect.any("$2", Kind::Int)
        );
        let statement = self.statement(sql, [project.as_str().into(), self.dialect.ints(&tokens)]);
        self.write(statement, None, LEASES).await?;
        self.append(HISTORY, Batch::new(&HISTORY_COLUMNS, ended.iter().map(|ended| ended_cells(project, ended)))).await
    }

    /// Writes leases; those with a greater token than any before are new.
    async fn put_leases(&mut self, project: &ProjectId, before: i64, leases: &[Lease]) -> Result<(), StoreError> {
        let (new, known): (Vec<_>, Vec<_>) = leases.iter().partition(|lease| lease.token.value() > before);
        let tail = "ON CONFLICT (project_id, token) DO UPDATE SET key = excluded.key, mode = excluded.mode, \
             agent_id = excluded.agent_id, session_id = excluded.session_id, granted_at_us = excluded.granted_at_us, \
             expires_at_us = excluded.expires_at_us, reason = excluded.reason";
        let cells = |lease| lease_cells(project, lease);
        self.put(LEASES, tail, Batch::new(&LEASE_COLUMNS, known.into_iter().map(cells))).await?;
        self.append(LEASES, Batch::new(&LEASE_COLUMNS, new.into_iter().map(cells))).await
    }

    async fn save_line(&mut self, project: &ProjectId, changes: &Changes) -> Result<(), StoreError> {
        if !changes.waiters_removed.is_empty() {
            let tickets: Vec<Uuid> = changes.waiters_removed.iter().map(|ticket| ticket.uuid()).collect();
            let any = self.dialect.any("$2", Kind::Uuid);
            let sql = format!("DELETE FROM waiters WHERE {IF_STILL} AND project_id = $1 AND ticket {any}");
            let statement = self.statement(sql, [project.as_str().into(), self.dialect.uuids(&tickets)]);
            self.write(statement, None, WAITERS).await?;
        }
        let rows = changes.waiters_put.iter().map(|waiter| waiter_cells(project, waiter).map_err(failed));
        let rows: Vec<_> = self.check(rows.collect())?;
        let tail = "ON CONFLICT (project_id, ticket) DO UPDATE SET place = excluded.place, \
             agent_id = excluded.agent_id, session_id = excluded.session_id, wants = excluded.wants, \
             reason = excluded.reason, joined_at_us = excluded.joined_at_us, kept_until_us = excluded.kept_until_us";
        self.put(WAITERS, tail, Batch::new(&WAITER_COLUMNS, rows)).await
    }
}

#[async_trait]
impl LockRepository for SeaUnitOfWork {
    async fn lock_table_lock(&mut self, project: &ProjectId) -> Result<Option<TableHead>, StoreError> {
        if self.optimistic(project).is_some_and(|optimistic| optimistic.read.is_none()) {
            let statement = self.head_query(project);
            return self.read_head(project, statement).await;
        }
        self.hold().await?;
        let statement = match self.access {
            Access::Write => self.head_lock(project),
            Access::Read => self.head_query(project),
        };
        self.read_head(project, statement).await
    }

    async fn lock_table_lock_ahead(
        &mut self,
        project: &ProjectId,
        ahead: &Ahead,
    ) -> Result<Option<TableHead>, StoreError> {
        self.lock_and_ask_ahead(project, ahead).await
    }

    async fn leases_load(&mut self, project: &ProjectId, scope: &KeyScope) -> Result<Vec<StoredLease>, StoreError> {
        let KeyScope { exact, ranges, everything } = scope;
        if *everything {
            return self.leases("project_id = $1 ORDER BY token", [project.as_str().into()]).await;
        }
        let mut found = Vec::new();
        if !exact.is_empty() {
            let condition = format!("project_id = $1 AND key {} ORDER BY token", self.dialect.any("$2", Kind::Text));
            let values = [project.as_str().into(), self.dialect.texts(exact)];
            found.extend(self.leases(&condition, values).await?);
        }
        if !ranges.is_empty() {
            let rows: Vec<_> = ranges.iter().map(|(lo, hi)| json!({ "lo": lo, "hi": hi })).collect();
            let records = self.dialect.records("$2", &RANGE_COLUMNS);
            let sql = format!(
                "SELECT {LEASE_FIELDS}, {} AS session_until_us FROM {records} \
                 JOIN leases ON project_id = $1 AND key >= r.lo AND key < r.hi ORDER BY token",
                lease_session_until()
            );
            let statement = self.statement(sql, [project.as_str().into(), json!(rows).to_string().into()]);
            let rows: Vec<StoredLeaseRow> = self.rows_ahead(statement, LEASES).await?;
            found.extend(self.read_rows::<_, StoredLease>(rows)?);
        }
        found.sort_by_key(|stored| stored.lease.token);
        found.dedup_by_key(|stored| stored.lease.token);
        Ok(found)
    }

    async fn leases_load_by_token(
        &mut self,
        project: &ProjectId,
        tokens: &[Token],
    ) -> Result<Vec<StoredLease>, StoreError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let condition = format!("project_id = $1 AND token {} ORDER BY token", self.dialect.any("$2", Kind::Int));
        let values = [project.as_str().into(), self.dialect.ints(&tokens_of(tokens))];
        self.leases(&condition, values).await
    }

    async fn leases_load_by_session(
        &mut self,
        project: &ProjectId,
        sessions: &[SessionId],
    ) -> Result<Vec<StoredLease>, StoreError> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let condition = format!("project_id = $1 AND session_id {} ORDER BY token", self.dialect.any("$2", Kind::Text));
        let sessions: Vec<String> = sessions.iter().map(ToString::to_string).collect();
        self.leases(&condition, [project.as_str().into(), self.dialect.texts(&sessions)]).await
    }

    async fn leases_load_expired(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<StoredLease>, StoreError> {
        let sql = format!(
            "SELECT * FROM (SELECT {LEASE_FIELDS}, {} AS session_until_us FROM leases WHERE project_id = $1) AS l \
             WHERE expires_at_us <= $2 OR session_until_us <= $2 ORDER BY {}, token LIMIT $3",
            lease_session_until(),
            self.dialect.lesser("expires_at_us", "session_until_us")
        );
        let values = [project.as_str().into(), to_us(now).into(), i64::from(rows_max).into()];
        let statement = self.statement(sql, values);
        let rows: Vec<StoredLeaseRow> = self.rows(statement, LEASES).await?;
        self.read_rows(rows)
    }

    async fn lease_list(
        &mut self,
        project: &ProjectId,
        filter: &LeaseFilter,
        now: DateTime<Utc>,
        after: Option<&LeaseCursor>,
        size: PageSize,
    ) -> Result<Page<Lease, LeaseCursor>, StoreError> {
        let LeaseFilter { agent, session, key_prefix } = filter;
        let mut values: Vec<Value> = Vec::new();
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let mut conditions = vec![
            format!("project_id = {}", bind(project.as_str().into())),
            format!("expires_at_us > {}", bind(to_us(now).into())),
            format!("{} > {}", lease_session_until(), bind(to_us(now).into())),
        ];
        if let Some(agent) = agent {
            conditions.push(format!("agent_id = {}", bind(agent.as_str().into())));
        }
        if let Some(session) = session {
            conditions.push(format!("session_id = {}", bind(session.as_str().into())));
        }
        // Not LIKE, which has characters of its own and passes over case on SQLite.
        if let Some(prefix) = key_prefix {
            conditions.push(format!("key >= {}", bind(prefix.as_str().into())));
            if let Some(end) = prefix_end(prefix) {
                conditions.push(format!("key < {}", bind(end.into())));
            }
        }
        if let Some((key, token)) = after {
            let (key, token) = (bind(key.as_str().into()), bind(token.value().into()));
            conditions.push(format!("(key, token) > ({key}, {token})"));
        }
        let rows_max = bind((i64::from(size.rows()) + 1).into());
        let condition = format!("{} ORDER BY key, token LIMIT {rows_max}", conditions.join(" AND "));
        let leases = self.leases(&condition, values).await?;
        let leases = leases.into_iter().map(|stored| stored.lease).collect();
        Ok(Page::cut(leases, size, |lease: &Lease| (lease.key.clone(), lease.token)))
    }

    async fn ended_load(&mut self, project: &ProjectId, tokens: &[Token]) -> Result<Vec<EndedLease>, StoreError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let condition = format!("project_id = $1 AND token {} ORDER BY token", self.dialect.any("$2", Kind::Int));
        let values = [project.as_str().into(), self.dialect.ints(&tokens_of(tokens))];
        self.history(&condition, values).await
    }

    async fn ended_list(
        &mut self,
        project: &ProjectId,
        key: &LockKey,
        rows_max: u32,
    ) -> Result<Vec<EndedLease>, StoreError> {
        let condition = "project_id = $1 AND key = $2 ORDER BY token DESC LIMIT $3";
        let values = [project.as_str().into(), key.as_str().into(), i64::from(rows_max).into()];
        self.history(condition, values).await
    }

    async fn ended_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_some(HISTORY, "ended_at_us");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, HISTORY).await
    }

    async fn waiters_load(&mut self, project: &ProjectId) -> Result<Vec<StoredWaiter>, StoreError> {
        let until = session_until(WAITERS, "kept_until_us");
        let sql = format!(
            "SELECT {WAITER_FIELDS}, {until} AS session_until_us FROM waiters WHERE project_id = $1 ORDER BY place"
        );
        let statement = self.statement(sql, [project.as_str().into()]);
        let rows: Vec<StoredWaiterRow> = self.rows_ahead(statement, WAITERS).await?;
        self.read_rows(rows)
    }

    async fn projects_with_expired(&mut self, now: DateTime<Utc>, rows_max: u32) -> Result<Vec<ProjectId>, StoreError> {
        let statement = self.statement(
            "SELECT project_id FROM leases WHERE expires_at_us <= $1 \
             UNION SELECT project_id FROM waiters WHERE kept_until_us <= $1 \
             UNION SELECT project_id FROM sessions WHERE ended_at_us IS NULL AND live_until_us <= $1 \
             ORDER BY project_id LIMIT $2",
            [to_us(now).into(), i64::from(rows_max).into()],
        );
        let rows: Vec<ProjectRow> = self.rows(statement, LEASES).await?;
        self.read_rows(rows)
    }

    async fn lock_counts(&mut self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT (SELECT count(*) FROM leases) AS leases, (SELECT count(*) FROM waiters) AS waiters";
        let statement = self.statement(sql, []);
        let counts: Option<CountsRow> = self.row(statement, LEASES).await?;
        Ok(counts.map_or((0, 0), |row| (row.leases.unsigned_abs(), row.waiters.unsigned_abs())))
    }

    async fn lock_tables_look(
        &mut self,
        projects: &[ProjectId],
        since: DateTime<Utc>,
    ) -> Result<Vec<Look>, StoreError> {
        self.look(projects, since).await
    }

    async fn lock_table_save(
        &mut self,
        project: &ProjectId,
        head: TableHead,
        changes: &Changes,
    ) -> Result<(), StoreError> {
        self.move_counter(project, head, changes.last_token, changes.is_news()).await?;
        // First what ends: a lease that replaces another one has its key and session.
        self.end_leases(project, &changes.leases_ended).await?;
        self.put_leases(project, head.last_token, &changes.leases_put).await?;
        self.save_line(project, changes).await
    }

    async fn epoch(&mut self) -> Result<i64, StoreError> {
        Ok(self.epoch_row("").await?.epoch)
    }

    async fn epoch_raise(&mut self, epoch: i64) -> Result<(), StoreError> {
        if self.epoch_raise_for(epoch, EpochCause::Command).await? {
            Ok(())
        } else {
            Err(self.spoil(StoreError::Conflict { what: "epochs" }))
        }
    }
}

impl TryFrom<ProjectRow> for ProjectId {
    type Error = StoreError;

    fn try_from(row: ProjectRow) -> Result<Self, StoreError> {
        let id = row.project_id;
        Self::parse(&id).map_err(|error| crate::sea::error::corrupt(LEASES, "project_id", &id, error))
    }
}
