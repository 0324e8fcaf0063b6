//! Alerts: few, each row with the truth as JSON beside the columns that are searched by.

use crate::sea::clock::to_us;
use crate::sea::dialect::{Column, Kind, prefix_end};
use crate::sea::error::{corrupt, failed};
use crate::sea::unit::SeaUnitOfWork;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::alerts::alert::Alert;
use domain::alerts::content::{DedupKey, Severity};
use domain::alerts::listing::{AlertCursor, AlertFilter};
use domain::events::Position;
use domain::ids::{AlertId, ProjectId};
use domain::page::{Page, PageSize};
use ports::alerts::AlertRepository;
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde::Serialize;
use uuid::Uuid;
use uuid::fmt::Simple;

const ALERTS: &str = "alerts";
const CURSORS: &str = "alert_cursors";

const COLUMNS: [Column; 9] = [
    ("project_id", Kind::Text),
    ("id", Kind::Uuid),
    ("dedup_key", Kind::Text),
    ("first_us", Kind::Int),
    ("due_us", Kind::Int),
    ("resolved_us", Kind::Int),
    ("severity", Kind::Int),
    ("stage", Kind::Text),
    ("alert", Kind::Text),
];

#[derive(Debug, FromQueryResult)]
struct Row {
    id: Uuid,
    alert: String,
}

impl TryFrom<Row> for Alert {
    type Error = StoreError;

    fn try_from(Row { id, alert }: Row) -> Result<Self, StoreError> {
        serde_json::from_str(&alert).map_err(|error| corrupt(ALERTS, "alert", AlertId::new(id), error))
    }
}

#[derive(Debug, FromQueryResult)]
struct NameRow {
    project_id: String,
    id: Uuid,
}

impl TryFrom<NameRow> for (ProjectId, AlertId) {
    type Error = StoreError;

    fn try_from(NameRow { project_id, id }: NameRow) -> Result<Self, StoreError> {
        let id = AlertId::new(id);
        let project = ProjectId::parse(&project_id).map_err(|error| corrupt(ALERTS, "project_id", id, error))?;
        Ok((project, id))
    }
}

#[derive(Debug, FromQueryResult)]
struct CursorRow {
    position: String,
}

#[derive(FromQueryResult)]
struct CountRow {
    n: i64,
}

#[derive(Serialize)]
struct Written<'a> {
    project_id: &'a str,
    id: Simple,
    dedup_key: &'a str,
    first_us: i64,
    due_us: Option<i64>,
    resolved_us: Option<i64>,
    severity: i64,
    stage: &'static str,
    alert: String,
}

/// How bad, as a number that can be compared.
const fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
        Severity::Critical => 3,
    }
}

fn written<'a>(project: &'a ProjectId, alert: &'a Alert) -> Result<Written<'a>, StoreError> {
    Ok(Written {
        project_id: project.as_str(),
        id: alert.id.uuid().simple(),
        dedup_key: alert.dedup_key.as_str(),
        first_us: to_us(alert.first_at),
        due_us: alert.escalates_at.map(to_us),
        resolved_us: alert.resolved_at().map(to_us),
        severity: rank(alert.severity),
        stage: alert.state.stage().as_str(),
        alert: serde_json::to_string(alert).map_err(failed)?,
    })
}

impl SeaUnitOfWork {
    async fn alerts(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Alert>, StoreError> {
        let statement = self.statement(format!("SELECT id, alert FROM {ALERTS} WHERE {condition}"), values);
        let rows: Vec<Row> = self.rows(statement, ALERTS).await?;
        self.read_rows(rows)
    }
}

#[async_trait]
impl AlertRepository for SeaUnitOfWork {
    async fn alerts_lock(&mut self, project: &ProjectId) -> Result<(), StoreError> {
        self.stand_in_line(ALERTS, project).await
    }

    async fn alerts_load(&mut self, project: &ProjectId, ids: &[AlertId]) -> Result<Vec<Alert>, StoreError> {
        let condition = format!("project_id = $1 AND id {} ORDER BY id", self.dialect.any("$2", Kind::Uuid));
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let values = [project.as_str().into(), self.dialect.uuids(&ids)];
        self.alerts(&condition, values).await
    }

    async fn alerts_standing(&mut self, project: &ProjectId, keys: &[DedupKey]) -> Result<Vec<Alert>, StoreError> {
        let condition = format!(
            "project_id = $1 AND resolved_us IS NULL AND dedup_key {} ORDER BY dedup_key",
            self.dialect.any("$2", Kind::Text)
        );
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let values = [project.as_str().into(), self.dialect.texts(&keys)];
        self.alerts(&condition, values).await
    }

    async fn alerts_standing_under(
        &mut self,
        project: &ProjectId,
        prefix: &str,
        rows_max: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let mut values: Vec<Value> = vec![project.as_str().into(), prefix.into(), i64::from(rows_max).into()];
        let end = prefix_end(prefix).map_or("", |end| {
            values.push(end.into());
            " AND dedup_key < $4"
        });
        let condition =
            format!("project_id = $1 AND resolved_us IS NULL AND dedup_key >= $2{end} ORDER BY dedup_key LIMIT $3");
        self.alerts(&condition, values).await
    }

    async fn alerts_standing_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) AS n FROM alerts WHERE project_id = $1 AND resolved_us IS NULL";
        let statement = self.statement(sql, [project.as_str().into()]);
        let row: Option<CountRow> = self.row(statement, ALERTS).await?;
        let count = u32::try_from(row.map_or(0, |row| row.n));
        self.check(count.map_err(|error| corrupt(ALERTS, "count", project, error)))
    }

    async fn alert_list(
        &mut self,
        project: &ProjectId,
        filter: &AlertFilter,
        after: Option<AlertCursor>,
        size: PageSize,
    ) -> Result<Page<Alert, AlertCursor>, StoreError> {
        let AlertFilter { stage, severity_min } = filter;
        let (at, id) = after.map_or((i64::MAX, Uuid::max()), |after| (to_us(after.at), after.id.uuid()));
        let least = severity_min.map_or(0, rank);
        let mut values: Vec<Value> = vec![project.as_str().into(), at.into(), id.into(), least.into()];
        values.push((i64::from(size.rows()) + 1).into());
        let of_stage = stage.map_or("", |stage| {
            values.push(stage.as_str().into());
            " AND stage = $6"
        });
        let condition = format!(
            "project_id = $1 AND (first_us, id) < ($2, $3) AND severity >= $4{of_stage} \
             ORDER BY first_us DESC, id DESC LIMIT $5"
        );
        Ok(Page::cut(self.alerts(&condition, values).await?, size, AlertCursor::of))
    }

    async fn alerts_due(&mut self, now: DateTime<Utc>, rows_max: u32) -> Result<Vec<(ProjectId, AlertId)>, StoreError> {
        let sql =
            "SELECT project_id, id FROM alerts WHERE due_us IS NOT NULL AND due_us <= $1 ORDER BY due_us, id LIMIT $2";
        let statement = self.statement(sql, [to_us(now).into(), i64::from(rows_max).into()]);
        let rows: Vec<NameRow> = self.rows(statement, ALERTS).await?;
        self.read_rows(rows)
    }

    async fn alerts_save(&mut self, project: &ProjectId, alerts: &[Alert]) -> Result<(), StoreError> {
        let rows: Result<Vec<Written<'_>>, StoreError> = alerts.iter().map(|alert| written(project, alert)).collect();
        let rows = self.check(rows)?;
        self.hold().await?;
        let tail = "ON CONFLICT (project_id, id) DO UPDATE SET due_us = excluded.due_us, \
             resolved_us = excluded.resolved_us, severity = excluded.severity, stage = excluded.stage, \
             alert = excluded.alert";
        self.insert_rows(ALERTS, &COLUMNS, tail, &rows).await
    }

    async fn alerts_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_some(ALERTS, "resolved_us");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, ALERTS).await
    }

    async fn alert_cursor(&mut self, project: &ProjectId) -> Result<Option<Position>, StoreError> {
        let sql = "SELECT position FROM alert_cursors WHERE project_id = $1";
        let statement = self.statement(sql, [project.as_str().into()]);
        let row: Option<CursorRow> = self.row(statement, CURSORS).await?;
        let read = row.map(|row| Position::parse(&row.position)).transpose();
        self.check(read.map_err(|error| corrupt(CURSORS, "position", project, error)))
    }

    async fn alert_cursor_save(&mut self, project: &ProjectId, position: Position) -> Result<(), StoreError> {
        let sql = "INSERT INTO alert_cursors (project_id, position) VALUES ($1, $2) \
             ON CONFLICT (project_id) DO UPDATE SET position = excluded.position";
        let statement = self.statement(sql, [project.as_str().into(), position.to_string().into()]);
        self.run(statement, CURSORS).await?;
        Ok(())
    }
}
