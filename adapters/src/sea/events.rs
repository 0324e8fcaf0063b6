use crate::sea::clock::{instant, to_us};
use crate::sea::dialect::batch::Batch;
use crate::sea::dialect::{Column, Dialect, Kind};
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::events::{Fact, Position};
use domain::ids::{AgentId, FactId, ProjectId};
use ports::events::FactLog;
use ports::store::StoreError;
use sea_orm::{DbBackend, FromQueryResult};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

const TABLE: &str = "facts";

const COLUMNS: [Column; 7] = [
    ("project_id", Kind::Text),
    ("id", Kind::Uuid),
    ("at_us", Kind::Int),
    ("agent_id", Kind::Text),
    ("kind", Kind::Text),
    ("subject", Kind::Text),
    ("body", Kind::Text),
];

#[derive(Debug, FromQueryResult)]
struct Row {
    project_id: String,
    id: Uuid,
    at_us: i64,
    agent_id: String,
    kind: String,
    subject: String,
    body: String,
}

impl TryFrom<Row> for Fact {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { project_id, id, at_us, agent_id, kind, subject, body } = row;
        let id = FactId::new(id);
        let name = format!("{project_id}/{id}");
        Ok(Self {
            id,
            project: ProjectId::parse(&project_id).map_err(|error| corrupt(TABLE, "project_id", &name, error))?,
            at: instant(at_us, TABLE, "at_us", &name)?,
            agent: AgentId::parse(&agent_id).map_err(|error| corrupt(TABLE, "agent_id", &name, error))?,
            kind,
            subject,
            body: serde_json::from_str(&body).map_err(|error| corrupt(TABLE, "body", &name, error))?,
        })
    }
}

/// A row with its place in the log.
#[derive(Debug, FromQueryResult)]
struct PlacedRow {
    #[sea_orm(nested)]
    row: Row,
    #[sea_orm(nested)]
    place: Place,
}

impl TryFrom<PlacedRow> for (Position, Fact) {
    type Error = StoreError;

    fn try_from(PlacedRow { row, place }: PlacedRow) -> Result<Self, StoreError> {
        Ok((place.into(), row.try_into()?))
    }
}

/// A position, as the databases have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromQueryResult)]
struct Place {
    commit_number: i64,
    number: i64,
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        Self::new(place.commit_number.unsigned_abs(), place.number.unsigned_abs())
    }
}

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        Self { commit_number: position.commit().cast_signed(), number: position.number().cast_signed() }
    }
}

/// Up to where a project's facts were deleted.
#[derive(Debug, FromQueryResult, Serialize)]
struct Mark {
    project_id: String,
    commit_number: i64,
    number: i64,
}

impl TryFrom<Mark> for (ProjectId, Position) {
    type Error = StoreError;

    fn try_from(Mark { project_id, commit_number, number }: Mark) -> Result<Self, StoreError> {
        let project = ProjectId::parse(&project_id);
        let project = project.map_err(|error| corrupt(TABLE, "project_id", &project_id, error))?;
        Ok((project, Place { commit_number, number }.into()))
    }
}

const FORGOTTEN: &str = "facts_forgotten";

const MARK_COLUMNS: [Column; 3] = [("project_id", Kind::Text), ("commit_number", Kind::Int), ("number", Kind::Int)];

/// The least transaction on PostgreSQL that may still commit facts after the snapshot of this statement; everything before
/// it is settled. Snapshots are of the whole cluster: who is at work in another database is told by the activity, which is
/// read after the snapshot. Whoever ended in between is found there no more, and is waited for once more.
const SETTLED_BEFORE: &str = "coalesce((SELECT x FROM pg_snapshot_xip(pg_current_snapshot()) AS x WHERE NOT EXISTS (\
     SELECT FROM pg_stat_get_activity(NULL) AS a WHERE a.backend_xid::text::bigint = x::text::bigint & 4294967295 \
     AND a.datid <> (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY x LIMIT 1), \
     pg_snapshot_xmax(pg_current_snapshot()))";

/// How a database speaks of the places of facts.
struct FactWords {
    commit: &'static str,
    number: &'static str,
    /// Whether a fact stands after the position `$2`, `$3`.
    after: &'static str,
    /// Whether everything before a fact is committed or never will be.
    settled: String,
    order: &'static str,
    horizon: String,
    /// Looks for a fact that is committed and not settled; `None` where there is never one.
    unsettled: Option<String>,
    /// Looks for the newest settled fact of each project of `$1`.
    newest: String,
}

impl Dialect {
    /// Numbers are drawn before the commit, so on PostgreSQL they say nothing of the order of commits: whoever draws
    /// first may commit last. Facts go by transaction there, and wait until all earlier transactions are over. SQLite has
    /// one writer.
    fn fact_words(self) -> FactWords {
        match self.0 {
            DbBackend::Postgres => FactWords {
                commit: "xid::text::bigint",
                number: "seq",
                after: "(xid, seq) > ($2::text::xid8, $3)",
                settled: format!("xid < {SETTLED_BEFORE}"),
                order: "xid, seq",
                horizon: format!("SELECT ({SETTLED_BEFORE})::text::bigint AS commit_number, 0::bigint AS number"),
                unsettled: Some(format!(
                    "SELECT xid::text::bigint AS commit_number, seq AS number FROM facts \
                     WHERE project_id = $1 AND xid >= {SETTLED_BEFORE} LIMIT 1"
                )),
                newest: format!(
                    "SELECT r.value AS project_id, found.commit_number, found.number FROM unnest($1) AS r(value) \
                     CROSS JOIN LATERAL (SELECT xid::text::bigint AS commit_number, seq AS number FROM facts \
                     WHERE project_id = r.value AND xid < {SETTLED_BEFORE} ORDER BY xid DESC, seq DESC LIMIT 1) AS found"
                ),
            },
            _ => FactWords {
                commit: "0",
                number: "seq",
                after: "seq > CASE CAST($2 AS INTEGER) WHEN 0 THEN $3 ELSE 9223372036854775807 END",
                settled: "true".to_owned(),
                order: "seq",
                horizon: "SELECT 0 AS commit_number, seq AS number FROM sqlite_sequence WHERE name = 'facts'"
                    .to_owned(),
                unsettled: None,
                newest: "SELECT project_id, commit_number, number FROM (SELECT r.value AS project_id, \
                     0 AS commit_number, (SELECT max(seq) FROM facts WHERE project_id = r.value) AS number \
                     FROM json_each($1) AS r) WHERE number IS NOT NULL"
                    .to_owned(),
            },
        }
    }
}

#[async_trait]
impl FactLog for SeaUnitOfWork {
    async fn facts_append(&mut self, facts: &[Fact]) -> Result<(), StoreError> {
        let rows = facts.iter().map(|fact| {
            let Fact { id, project, at, agent, kind, subject, body } = fact;
            [
                project.as_str().into(),
                id.uuid().into(),
                to_us(*at).into(),
                agent.as_str().into(),
                kind.as_str().into(),
                subject.as_str().into(),
                body.to_string().into(),
            ]
        });
        self.append(TABLE, Batch::new(&COLUMNS, rows)).await
    }

    async fn facts_latest(&mut self, project: &ProjectId, rows_max: u32) -> Result<Vec<Fact>, StoreError> {
        let order = self.dialect.newest_facts_first();
        let sql = format!(
            "SELECT project_id, id, at_us, agent_id, kind, subject, body FROM facts WHERE project_id = $1 ORDER BY {order} LIMIT $2"
        );
        let statement = self.statement(sql, [project.as_str().into(), i64::from(rows_max).into()]);
        let rows: Vec<Row> = self.rows(statement, TABLE).await?;
        self.read_rows(rows)
    }

    async fn facts_after(
        &mut self,
        project: &ProjectId,
        after: Option<Position>,
        rows_max: u32,
    ) -> Result<Vec<(Position, Fact)>, StoreError> {
        let after = Place::from(after.unwrap_or(Position::START));
        let words = self.dialect.fact_words();
        let FactWords { commit, number, after: is_after, settled, order, .. } = words;
        let sql = format!(
            "SELECT project_id, id, at_us, agent_id, kind, subject, body, {commit} AS commit_number, {number} AS number \
             FROM facts WHERE project_id = $1 AND {is_after} AND {settled} ORDER BY {order} LIMIT $4"
        );
        let values = [
            project.as_str().into(),
            after.commit_number.to_string().into(),
            after.number.into(),
            i64::from(rows_max).into(),
        ];
        let rows: Vec<PlacedRow> = self.rows(self.statement(sql, values), TABLE).await?;
        self.read_rows(rows)
    }

    async fn facts_unsettled(&mut self, project: &ProjectId) -> Result<bool, StoreError> {
        let Some(sql) = self.dialect.fact_words().unsettled else { return Ok(false) };
        let found: Option<Place> = self.row(self.statement(sql, [project.as_str().into()]), TABLE).await?;
        Ok(found.is_some())
    }

    async fn facts_newest(&mut self, projects: &[ProjectId]) -> Result<Vec<(ProjectId, Position)>, StoreError> {
        let names: Vec<String> = projects.iter().map(|project| project.as_str().to_owned()).collect();
        let sql = self.dialect.fact_words().newest;
        let marks: Vec<Mark> = self.rows(self.statement(sql, [self.dialect.texts(&names)]), TABLE).await?;
        self.read_rows(marks)
    }

    async fn facts_horizon(&mut self) -> Result<Position, StoreError> {
        let statement = self.statement(self.dialect.fact_words().horizon, []);
        let place: Option<Place> = self.row(statement, TABLE).await?;
        Ok(place.map_or(Position::START, Position::from))
    }

    async fn facts_forgotten(&mut self, project: &ProjectId) -> Result<Option<Position>, StoreError> {
        let sql = "SELECT commit_number, number FROM facts_forgotten WHERE project_id = $1";
        let place: Option<Place> = self.row(self.statement(sql, [project.as_str().into()]), FORGOTTEN).await?;
        Ok(place.map(Position::from))
    }

    async fn facts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        self.hold().await?;
        self.ahead.forget();
        let FactWords { commit, number, .. } = self.dialect.fact_words();
        let delete = self.dialect.delete_oldest(TABLE, "xid, seq");
        let sql = format!("{delete} RETURNING project_id, {commit} AS commit_number, {number} AS number");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        let gone: Vec<Mark> = self.rows(statement, TABLE).await?;
        let pruned = gone.len();
        let mut marks: BTreeMap<String, Place> = BTreeMap::new();
        for Mark { project_id, commit_number, number } in gone {
            let place = Place { commit_number, number };
            marks.entry(project_id).and_modify(|mark| *mark = place.max(*mark)).or_insert(place);
        }
        let marks: Vec<Mark> = marks
            .into_iter()
            .map(|(project_id, Place { commit_number, number })| Mark { project_id, commit_number, number })
            .collect();
        // Whoever prunes at the same time may have gone further.
        let tail = "ON CONFLICT (project_id) DO UPDATE SET commit_number = excluded.commit_number, \
             number = excluded.number WHERE (excluded.commit_number, excluded.number) > \
             (facts_forgotten.commit_number, facts_forgotten.number)";
        self.insert_rows(FORGOTTEN, &MARK_COLUMNS, tail, &marks).await?;
        Ok(pruned as u64)
    }
}
