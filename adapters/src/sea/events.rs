use crate::sea::clock::{instant, to_us};
use crate::sea::batch::Batch;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::events::Fact;
use domain::ids::{FactId, ProjectId};
use ports::events::FactLog;
use ports::store::StoreError;
use sea_orm::FromQueryResult;
use uuid::Uuid;

const TABLE: &str = "facts";

const COLUMNS: [Column; 6] = [
    ("project_id", Kind::Text),
    ("id", Kind::Uuid),
    ("at_us", Kind::Int),
    ("kind", Kind::Text),
    ("subject", Kind::Text),
    ("body", Kind::Text),
];

#[derive(Debug, FromQueryResult)]
struct Row {
    project_id: String,
    id: Uuid,
    at_us: i64,
    kind: String,
    subject: String,
    body: String,
}

impl TryFrom<Row> for Fact {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { project_id, id, at_us, kind, subject, body } = row;
        let id = FactId::new(id);
        let name = format!("{project_id}/{id}");
        Ok(Self {
            id,
            project: ProjectId::parse(&project_id).map_err(|error| corrupt(TABLE, "project_id", &name, error))?,
            at: instant(at_us, TABLE, "at_us", &name)?,
            kind,
            subject,
            body: serde_json::from_str(&body).map_err(|error| corrupt(TABLE, "body", &name, error))?,
        })
    }
}

#[async_trait]
impl FactLog for SeaUnitOfWork {
    async fn facts_append(&mut self, facts: &[Fact]) -> Result<(), StoreError> {
        let rows = facts.iter().map(|fact| {
            let Fact { id, project, at, kind, subject, body } = fact;
            [
                project.as_str().into(),
                id.uuid().into(),
                to_us(*at).into(),
                kind.as_str().into(),
                subject.as_str().into(),
                body.to_string().into(),
            ]
        });
        self.insert_rows(TABLE, "", Batch::new(&COLUMNS, rows)).await
    }

    async fn facts_latest(&mut self, project: &ProjectId, rows_max: u32) -> Result<Vec<Fact>, StoreError> {
        let order = self.dialect.newest_facts_first();
        let sql = format!(
            "SELECT project_id, id, at_us, kind, subject, body FROM facts WHERE project_id = $1 ORDER BY {order} LIMIT $2"
        );
        let statement = self.statement(sql, [project.as_str().into(), i64::from(rows_max).into()]);
        let rows: Vec<Row> = self.rows(statement, TABLE).await?;
        self.read_rows(rows)
    }

    async fn facts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_oldest(TABLE, "xid, seq");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, TABLE).await
    }
}
