//! Schedules: few, rarely written, each row with the truth as JSON beside the columns that are searched by. The input of
//! its tasks stands apart, since `null` is one.

use crate::sea::clock::to_us;
use crate::sea::error::{corrupt, failed};
use crate::sea::unit::{Access, SeaUnitOfWork};
use crate::sea::work::rows::to_text;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, ScheduleId};
use domain::page::{Page, PageSize};
use domain::work::name::ScheduleName;
use domain::work::schedule::Schedule;
use ports::store::StoreError;
use ports::work::ScheduleRepository;
use sea_orm::{FromQueryResult, Value};

const SCHEDULES: &str = "schedules";
const FIELDS: &str = "project_id, name, schedule, input";

#[derive(Debug, FromQueryResult)]
struct Row {
    project_id: String,
    name: String,
    schedule: String,
    input: Option<String>,
}

#[derive(FromQueryResult)]
struct CountRow {
    n: i64,
}

impl TryFrom<Row> for (ProjectId, Schedule) {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { project_id, name, schedule, input } = row;
        let name = format!("{project_id}/{name}");
        let project = ProjectId::parse(&project_id).map_err(|error| corrupt(SCHEDULES, "project_id", &name, error))?;
        let mut schedule: Schedule =
            serde_json::from_str(&schedule).map_err(|error| corrupt(SCHEDULES, "schedule", &name, error))?;
        let input = input.map(|text| serde_json::from_str(&text)).transpose();
        schedule.draft.content.input = input.map_err(|error| corrupt(SCHEDULES, "input", &name, error))?;
        Ok((project, schedule))
    }
}

/// A revision beyond what a database can count.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no revision")]
struct RevisionTooHigh(u64);

/// The columns of a schedule, behind that of its project.
fn values_of(project: &ProjectId, schedule: &Schedule) -> Result<Vec<Value>, StoreError> {
    let revision = i64::try_from(schedule.revision).map_err(|_| failed(RevisionTooHigh(schedule.revision)))?;
    let due = schedule.next_at.filter(|_| !schedule.paused).map(to_us);
    let mut without_input = schedule.clone();
    let input = without_input.draft.content.input.take();
    Ok(vec![
        project.as_str().into(),
        schedule.id.uuid().into(),
        schedule.name.as_str().into(),
        revision.into(),
        due.into(),
        to_text(&without_input)?.into(),
        input.map(|input| to_text(input.value())).transpose()?.into(),
    ])
}

impl SeaUnitOfWork {
    async fn schedules(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<(ProjectId, Schedule)>, StoreError> {
        let statement = self.statement(format!("SELECT {FIELDS} FROM {SCHEDULES} WHERE {condition}"), values);
        let rows: Vec<Row> = self.rows(statement, SCHEDULES).await?;
        self.read_rows(rows)
    }

    async fn write_schedule(&mut self, sql: &str, project: &ProjectId, schedule: &Schedule) -> Result<(), StoreError> {
        let values = self.check(values_of(project, schedule))?;
        let statement = self.statement(sql, values);
        let written = self.run(statement, SCHEDULES).await?;
        self.expect_rows(written, 1, SCHEDULES)
    }
}

#[async_trait]
impl ScheduleRepository for SeaUnitOfWork {
    async fn schedule_find(&mut self, project: &ProjectId, id: ScheduleId) -> Result<Option<Schedule>, StoreError> {
        if self.access == Access::Write {
            self.hold().await?;
        }
        let condition = format!("project_id = $1 AND id = $2{}", self.for_update());
        let mut found = self.schedules(&condition, [project.as_str().into(), id.uuid().into()]).await?;
        Ok(found.pop().map(|(_, schedule)| schedule))
    }

    async fn schedule_find_named(
        &mut self,
        project: &ProjectId,
        name: &ScheduleName,
    ) -> Result<Option<Schedule>, StoreError> {
        let values = [project.as_str().into(), name.as_str().into()];
        let mut found = self.schedules("project_id = $1 AND name = $2", values).await?;
        Ok(found.pop().map(|(_, schedule)| schedule))
    }

    async fn schedule_list(
        &mut self,
        project: &ProjectId,
        after: Option<&ScheduleName>,
        size: PageSize,
    ) -> Result<Page<Schedule, ScheduleName>, StoreError> {
        let after = after.map_or("", ScheduleName::as_str);
        let values = [project.as_str().into(), after.into(), (i64::from(size.rows()) + 1).into()];
        let found = self.schedules("project_id = $1 AND name > $2 ORDER BY name LIMIT $3", values).await?;
        let schedules = found.into_iter().map(|(_, schedule)| schedule).collect();
        Ok(Page::cut(schedules, size, |schedule: &Schedule| schedule.name.clone()))
    }

    async fn schedule_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) AS n FROM schedules WHERE project_id = $1";
        let statement = self.statement(sql, [project.as_str().into()]);
        let row: Option<CountRow> = self.row(statement, SCHEDULES).await?;
        let count = u32::try_from(row.map_or(0, |row| row.n));
        self.check(count.map_err(|error| corrupt(SCHEDULES, "count", project, error)))
    }

    async fn schedules_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, Schedule)>, StoreError> {
        let condition = "due_us IS NOT NULL AND due_us <= $1 ORDER BY due_us LIMIT $2";
        self.schedules(condition, [to_us(now).into(), i64::from(rows_max).into()]).await
    }

    async fn schedule_add(&mut self, project: &ProjectId, schedule: &Schedule) -> Result<(), StoreError> {
        let sql = "INSERT INTO schedules (project_id, id, name, revision, due_us, schedule, input) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        self.write_schedule(sql, project, schedule).await
    }

    async fn schedule_save(&mut self, project: &ProjectId, schedule: &Schedule) -> Result<(), StoreError> {
        let sql = "UPDATE schedules SET name = $3, revision = $4, due_us = $5, schedule = $6, input = $7 \
             WHERE project_id = $1 AND id = $2 AND revision = $4 - 1";
        self.write_schedule(sql, project, schedule).await
    }

    async fn schedule_remove(&mut self, project: &ProjectId, id: ScheduleId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM schedules WHERE project_id = $1 AND id = $2";
        let statement = self.statement(sql, [project.as_str().into(), id.uuid().into()]);
        Ok(self.run(statement, SCHEDULES).await? > 0)
    }
}
