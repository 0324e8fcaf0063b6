mod registry;
mod rows;
mod signs;

use crate::sea::clock::{instant, instant_maybe, to_us};
use crate::sea::dialect::batch::{Batch, Cell};
use crate::sea::dialect::{Column, IF_STILL, Kind};
use crate::sea::error::{corrupt, failed};
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::agents::{Session, SessionTtl};
use domain::ids::{AgentId, ProjectId, SessionId};
use domain::page::{Page, PageSize};
use ports::agents::{SessionFilter, SessionRepository};
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde::Deserialize;

const TABLE: &str = "sessions";
const FIELDS: &str = "project_id, id, agent_id, is_default, ttl_seconds, offers, started_at_us, last_seen_at_us, \
                      live_until_us, ended_at_us";

const COLUMNS: [Column; 10] = [
    ("project_id", Kind::Text),
    ("id", Kind::Text),
    ("agent_id", Kind::Text),
    ("is_default", Kind::Bool),
    ("ttl_seconds", Kind::Int),
    ("offers", Kind::Text),
    ("started_at_us", Kind::Int),
    ("last_seen_at_us", Kind::Int),
    ("live_until_us", Kind::Int),
    ("ended_at_us", Kind::Int),
];

/// What a sign of life or an end changes, and where.
const CHANGED: [Column; 8] = [
    ("project_id", Kind::Text),
    ("id", Kind::Text),
    ("ttl_seconds", Kind::Int),
    ("offers", Kind::Text),
    ("last_seen_at_us", Kind::Int),
    ("live_until_us", Kind::Int),
    ("ended_at_us", Kind::Int),
    ("locked_at_us", Kind::Int),
];

#[derive(Debug, FromQueryResult, Deserialize)]
struct Row {
    project_id: String,
    id: String,
    agent_id: String,
    is_default: bool,
    ttl_seconds: i64,
    offers: String,
    started_at_us: i64,
    last_seen_at_us: i64,
    live_until_us: i64,
    ended_at_us: Option<i64>,
}

/// A write of a session whose project's lock table was not locked before.
#[derive(Debug, thiserror::Error)]
#[error("the lock table of project {0} must be locked before a session of it is written")]
struct NotLocked(ProjectId);

impl TryFrom<Row> for Session {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let name = format!("{}/{}", row.project_id, row.id);
        let seconds = u32::try_from(row.ttl_seconds).map_err(|error| corrupt(TABLE, "ttl_seconds", &name, error))?;
        Ok(Self {
            project: ProjectId::parse(&row.project_id).map_err(|error| corrupt(TABLE, "project_id", &name, error))?,
            id: SessionId::parse(&row.id).map_err(|error| corrupt(TABLE, "id", &name, error))?,
            agent: AgentId::parse(&row.agent_id).map_err(|error| corrupt(TABLE, "agent_id", &name, error))?,
            is_default: row.is_default,
            ttl: SessionTtl::try_new(seconds).map_err(|error| corrupt(TABLE, "ttl_seconds", &name, error))?,
            offers: serde_json::from_str(&row.offers).map_err(|error| corrupt(TABLE, "offers", &name, error))?,
            started_at: instant(row.started_at_us, TABLE, "started_at_us", &name)?,
            last_seen_at: instant(row.last_seen_at_us, TABLE, "last_seen_at_us", &name)?,
            live_until: instant(row.live_until_us, TABLE, "live_until_us", &name)?,
            ended_at: instant_maybe(row.ended_at_us, TABLE, "ended_at_us", &name)?,
        })
    }
}

/// A session in the order of [`COLUMNS`].
fn new_cells(session: &Session) -> Result<[Cell<'_>; COLUMNS.len()], StoreError> {
    let Session { project, id, agent, is_default, ttl, offers, started_at, last_seen_at, live_until, ended_at } =
        session;
    Ok([
        project.as_str().into(),
        id.as_str().into(),
        agent.as_str().into(),
        (*is_default).into(),
        ttl.seconds().into(),
        serde_json::to_string(offers).map_err(failed)?.into(),
        to_us(*started_at).into(),
        to_us(*last_seen_at).into(),
        to_us(*live_until).into(),
        ended_at.map(to_us).into(),
    ])
}

/// What changed of a session, and when the table that guards it was locked, in the order of [`CHANGED`].
fn changed_cells(session: &Session, locked_at: DateTime<Utc>) -> Result<[Cell<'_>; CHANGED.len()], StoreError> {
    Ok([
        session.project.as_str().into(),
        session.id.as_str().into(),
        session.ttl.seconds().into(),
        serde_json::to_string(&session.offers).map_err(failed)?.into(),
        to_us(session.last_seen_at).into(),
        to_us(session.live_until).into(),
        session.ended_at.map(to_us).into(),
        to_us(locked_at).into(),
    ])
}

fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

impl SeaUnitOfWork {
    async fn sessions(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Session>, StoreError> {
        let statement = self.statement(format!("SELECT {FIELDS} FROM {TABLE} WHERE {condition}"), values);
        let rows: Vec<Row> = self.rows(statement, TABLE).await?;
        self.read_rows(rows)
    }

    /// When the table that guards a session was locked.
    fn locked_at(&self, session: &Session) -> Result<DateTime<Utc>, StoreError> {
        let head = self.tables.get(&session.project);
        head.map(|head| head.now).ok_or_else(|| failed(NotLocked(session.project.clone())))
    }

    /// Changes rows whose end is not written down; a conflict unless all of them fit the condition.
    async fn change_sessions(&mut self, sessions: &[Session], set: &str, condition: &str) -> Result<(), StoreError> {
        let rows = sessions.iter().map(|session| changed_cells(session, self.locked_at(session)?));
        let rows: Result<Vec<_>, StoreError> = rows.collect();
        let batch = Batch::new(&CHANGED, self.check(rows)?);
        let sql = format!(
            "UPDATE {TABLE} AS s SET {set} FROM {} \
             WHERE {IF_STILL} AND s.project_id = r.project_id AND s.id = r.id AND s.ended_at_us IS NULL{condition}",
            self.dialect.batch(&CHANGED)
        );
        self.write_each(&sql, batch, &[], TABLE).await
    }
}

#[async_trait]
impl SessionRepository for SeaUnitOfWork {
    async fn sessions_load(
        &mut self,
        project: &ProjectId,
        ids: &[SessionId],
        default_of: &[AgentId],
    ) -> Result<Vec<Session>, StoreError> {
        if ids.is_empty() && default_of.is_empty() {
            return Ok(Vec::new());
        }
        let any = |argument| self.dialect.any(argument, Kind::Text);
        // Two halves, so that each finds its index; UNION tells a session that both find once.
        let sql = format!(
            "SELECT {FIELDS} FROM {TABLE} WHERE project_id = $1 AND id {} \
             UNION SELECT {FIELDS} FROM {TABLE} \
             WHERE project_id = $1 AND is_default AND ended_at_us IS NULL AND agent_id {} ORDER BY id",
            any("$2"),
            any("$3")
        );
        let values = [project.as_str().into(), self.dialect.texts(&texts(ids)), self.dialect.texts(&texts(default_of))];
        let statement = self.statement(sql, values);
        let rows: Vec<Row> = self.rows_ahead(statement, TABLE).await?;
        self.read_rows(rows)
    }

    async fn sessions_dead(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let condition =
            "project_id = $1 AND ended_at_us IS NULL AND live_until_us <= $2 ORDER BY live_until_us, id LIMIT $3";
        let values = [project.as_str().into(), to_us(now).into(), i64::from(rows_max).into()];
        self.sessions(condition, values).await
    }

    async fn session_list(
        &mut self,
        project: &ProjectId,
        filter: &SessionFilter,
        now: DateTime<Utc>,
        after: Option<&SessionId>,
        size: PageSize,
    ) -> Result<Page<Session, SessionId>, StoreError> {
        let SessionFilter { agent, is_live } = filter;
        let mut values: Vec<Value> = Vec::new();
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let mut conditions = vec![format!("project_id = {}", bind(project.as_str().into()))];
        if let Some(agent) = agent {
            conditions.push(format!("agent_id = {}", bind(agent.as_str().into())));
        }
        match is_live {
            None => {}
            Some(true) => {
                conditions.push(format!("ended_at_us IS NULL AND live_until_us > {}", bind(to_us(now).into())));
            }
            Some(false) => {
                conditions.push(format!("(ended_at_us IS NOT NULL OR live_until_us <= {})", bind(to_us(now).into())));
            }
        }
        if let Some(id) = after {
            conditions.push(format!("id > {}", bind(id.as_str().into())));
        }
        let rows_max = bind((i64::from(size.rows()) + 1).into());
        let condition = format!("{} ORDER BY id LIMIT {rows_max}", conditions.join(" AND "));
        let found = self.sessions(&condition, values).await?;
        Ok(Page::cut(found, size, |session| session.id.clone()))
    }

    async fn sessions_add(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        if sessions.iter().any(|session| session.ended_at.is_some()) {
            // What is written about tasks afterwards looks at it.
            self.hold().await?;
        }
        let rows = sessions.iter().map(|session| self.locked_at(session).and_then(|_| new_cells(session)));
        let rows: Result<Vec<_>, StoreError> = rows.collect();
        let batch = Batch::new(&COLUMNS, self.check(rows)?);
        self.append(TABLE, batch).await
    }

    async fn sessions_seen(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        let latest = |column: &str| self.dialect.greater(&format!("s.{column}"), &format!("r.{column}"));
        let set = format!(
            "ttl_seconds = r.ttl_seconds, offers = r.offers, last_seen_at_us = {}, live_until_us = {}",
            latest("last_seen_at_us"),
            latest("live_until_us")
        );
        self.change_sessions(sessions, &set, " AND s.live_until_us > r.locked_at_us").await
    }

    async fn sessions_end(&mut self, sessions: &[Session]) -> Result<(), StoreError> {
        let set = "live_until_us = r.live_until_us, ended_at_us = r.ended_at_us";
        self.change_sessions(sessions, set, "").await?;
        self.end_sessions_of_tasks(sessions).await
    }
}
