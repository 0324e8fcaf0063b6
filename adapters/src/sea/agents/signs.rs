//! What there is to see of agents: their sessions and what these hold.

use super::texts;
use crate::sea::clock::{instant, instant_maybe, to_us};
use crate::sea::dialect::Kind;
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use chrono::{DateTime, Utc};
use domain::agents::SessionTtl;
use domain::agents::status::{Held, SessionSigns, Signs};
use domain::agents::uptime::Span;
use domain::ids::{AgentId, ProjectId, SessionId};
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use std::collections::{BTreeMap, HashMap};

const SESSIONS: &str = "sessions";
const SEEN: &str = "project_id, id, agent_id, ttl_seconds, started_at_us, last_seen_at_us, live_until_us, ended_at_us";

#[derive(FromQueryResult)]
struct SeenRow {
    project_id: String,
    id: String,
    agent_id: String,
    ttl_seconds: i64,
    started_at_us: i64,
    last_seen_at_us: i64,
    live_until_us: i64,
    ended_at_us: Option<i64>,
}

/// A session and whose it is.
struct Seen(AgentId, SessionSigns);

impl TryFrom<SeenRow> for Seen {
    type Error = StoreError;

    fn try_from(row: SeenRow) -> Result<Self, StoreError> {
        let name = format!("{}/{}", row.project_id, row.id);
        let seconds = u32::try_from(row.ttl_seconds).map_err(|error| corrupt(SESSIONS, "ttl_seconds", &name, error))?;
        let agent = AgentId::parse(&row.agent_id).map_err(|error| corrupt(SESSIONS, "agent_id", &name, error))?;
        let signs = SessionSigns {
            id: SessionId::parse(&row.id).map_err(|error| corrupt(SESSIONS, "id", &name, error))?,
            ttl: SessionTtl::try_new(seconds).map_err(|error| corrupt(SESSIONS, "ttl_seconds", &name, error))?,
            started_at: instant(row.started_at_us, SESSIONS, "started_at_us", &name)?,
            last_seen_at: instant(row.last_seen_at_us, SESSIONS, "last_seen_at_us", &name)?,
            live_until: instant(row.live_until_us, SESSIONS, "live_until_us", &name)?,
            ended_at: instant_maybe(row.ended_at_us, SESSIONS, "ended_at_us", &name)?,
            tasks: Held::default(),
            locks: Held::default(),
            places: Held::default(),
        };
        Ok(Self(agent, signs))
    }
}

#[derive(FromQueryResult)]
struct HeldRow {
    what: String,
    session_id: String,
    n: i64,
    since_us: Option<i64>,
}

#[derive(FromQueryResult)]
struct SpanRow {
    started_at_us: i64,
    live_until_us: i64,
}

impl TryFrom<SpanRow> for Span {
    type Error = StoreError;

    fn try_from(row: SpanRow) -> Result<Self, StoreError> {
        Ok(Self {
            started_at: instant(row.started_at_us, SESSIONS, "started_at_us", "a span")?,
            live_until: instant(row.live_until_us, SESSIONS, "live_until_us", "a span")?,
        })
    }
}

/// What sessions may hold: a name for it, the table, since when a row of it counts, and until when.
const HOLDINGS: [(&str, &str, &str, &str); 3] = [
    ("task", "task_states", "since_us", "due_us"),
    ("lock", "leases", "granted_at_us", "expires_at_us"),
    ("place", "waiters", "joined_at_us", "kept_until_us"),
];

type Holdings = HashMap<(String, String), Held>;

impl SeaUnitOfWork {
    /// As the port has it.
    pub(super) async fn signs(
        &mut self,
        project: &ProjectId,
        ids: &[AgentId],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AgentId, Signs>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let seen = self.seen(project, ids).await?;
        let live: Vec<String> = seen
            .iter()
            .filter(|Seen(_, signs)| signs.is_live(now))
            .map(|Seen(_, signs)| signs.id.to_string())
            .collect();
        let held = self.held(project, &live, now).await?;
        let mut all: BTreeMap<AgentId, Signs> = BTreeMap::new();
        for Seen(agent, signs) in seen {
            let held = |what: &str| held.get(&(what.to_owned(), signs.id.to_string())).copied().unwrap_or_default();
            let signs = SessionSigns { tasks: held("task"), locks: held("lock"), places: held("place"), ..signs };
            all.entry(agent).or_default().sessions.push(signs);
        }
        Ok(all)
    }

    async fn seen(&mut self, project: &ProjectId, ids: &[AgentId]) -> Result<Vec<Seen>, StoreError> {
        let agents = self.dialect.elements("$2", Kind::Text);
        let fields: Vec<String> = SEEN.split(", ").map(|field| format!("s.{field}")).collect();
        let half = |is_open: &str, order: &str, rows_max: u32| {
            let condition = format!("s.project_id = $1 AND s.agent_id = r.value AND s.ended_at_us IS {is_open}");
            let order = format!("ORDER BY {order} DESC, s.id LIMIT {rows_max}");
            let found = self.dialect.first_of_each(&agents, SESSIONS, SEEN, &condition, &order);
            format!("SELECT {} FROM {found}", fields.join(", "))
        };
        let open = half("NULL", "s.last_seen_at_us", Signs::SESSIONS_MAX);
        let ended = half("NOT NULL", "s.ended_at_us", 1);
        let sql = format!("{open} UNION ALL {ended}");
        let statement = self.statement(sql, [project.as_str().into(), self.dialect.texts(&texts(ids))]);
        let rows: Vec<SeenRow> = self.rows(statement, SESSIONS).await?;
        self.read_rows(rows)
    }

    /// What these sessions hold, by kind and session.
    async fn held(
        &mut self,
        project: &ProjectId,
        sessions: &[String],
        now: DateTime<Utc>,
    ) -> Result<Holdings, StoreError> {
        if sessions.is_empty() {
            return Ok(HashMap::new());
        }
        let names = self.dialect.elements("$2", Kind::Text);
        let parts = HOLDINGS.map(|(what, table, since, until)| {
            let condition = format!("found.project_id = $1 AND found.session_id = r.value AND found.{until} > $3");
            let found = self.dialect.beside(&names, table, since, &condition);
            format!(
                "SELECT '{what}' AS what, r.value AS session_id, count(*) AS n, min(found.{since}) AS since_us \
                 FROM {found} GROUP BY r.value"
            )
        });
        let values = [project.as_str().into(), self.dialect.texts(sessions), to_us(now).into()];
        let statement = self.statement(parts.join(" UNION ALL "), values);
        let rows: Vec<HeldRow> = self.rows(statement, SESSIONS).await?;
        let held = rows.into_iter().map(|HeldRow { what, session_id, n, since_us }| {
            let since = instant_maybe(since_us, SESSIONS, "what it holds", &session_id)?;
            Ok(((what, session_id), Held { count: u32::try_from(n).unwrap_or(u32::MAX), since }))
        });
        let held = held.collect();
        self.check(held)
    }

    /// As the port has it.
    pub(super) async fn spans(
        &mut self,
        project: &ProjectId,
        agent: &AgentId,
        after: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Span>, StoreError> {
        // Two halves, so that each finds its index. Of an ended session both columns have the same instant.
        let half = |condition: &str| {
            format!(
                "SELECT started_at_us, live_until_us FROM {SESSIONS} \
                 WHERE project_id = $1 AND agent_id = $2 AND {condition} > $3"
            )
        };
        let open = half("ended_at_us IS NULL AND live_until_us");
        let ended = half("ended_at_us IS NOT NULL AND ended_at_us");
        let values = [project.as_str().into(), agent.as_str().into(), to_us(after).into(), i64::from(rows_max).into()];
        let statement = self.statement(format!("{open} UNION ALL {ended} LIMIT $4"), values);
        let rows: Vec<SpanRow> = self.rows(statement, SESSIONS).await?;
        self.read_rows(rows)
    }
}
