//! Deliveries: the truth as JSON beside the columns that are searched by, and what is sent.

use crate::sea::clock::to_us;
use crate::sea::dialect::{Column, Kind};
use crate::sea::error::corrupt;
use crate::sea::unit::SeaUnitOfWork;
use crate::sea::webhooks::to_text;
use domain::ids::{ProjectId, WebhookId};
use domain::webhooks::delivery::Delivery;
use domain::webhooks::fan_out::NewDelivery;
use ports::store::StoreError;
use sea_orm::{FromQueryResult, Value};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::fmt::Simple;

pub(super) const DELIVERIES: &str = "webhook_deliveries";

const COLUMNS: [Column; 10] = [
    ("project_id", Kind::Text),
    ("webhook_id", Kind::Uuid),
    ("number", Kind::Int),
    ("fact_id", Kind::Uuid),
    ("due_us", Kind::Int),
    ("finished_us", Kind::Int),
    ("stage", Kind::Text),
    ("subject", Kind::Text),
    ("delivery", Kind::Text),
    ("body", Kind::Text),
];

/// What changes of a delivery, and what it is found by.
const CHANGING: [Column; 7] = [
    ("project_id", Kind::Text),
    ("webhook_id", Kind::Uuid),
    ("number", Kind::Int),
    ("due_us", Kind::Int),
    ("finished_us", Kind::Int),
    ("stage", Kind::Text),
    ("delivery", Kind::Text),
];

#[derive(Debug, FromQueryResult)]
pub(super) struct DeliveryRow {
    number: i64,
    delivery: String,
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = StoreError;

    fn try_from(DeliveryRow { number, delivery }: DeliveryRow) -> Result<Self, StoreError> {
        serde_json::from_str(&delivery).map_err(|error| corrupt(DELIVERIES, "delivery", number, error))
    }
}

#[derive(Debug, FromQueryResult)]
struct BodyRow {
    number: i64,
    body: String,
}

#[derive(Serialize)]
struct Written<'a> {
    project_id: &'a str,
    webhook_id: Simple,
    number: i64,
    fact_id: Simple,
    due_us: Option<i64>,
    finished_us: Option<i64>,
    stage: &'static str,
    subject: &'a str,
    delivery: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

/// A number as a database counts; one beyond that, which no webhook reaches, is the greatest.
pub(super) fn to_int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Several of them.
pub(super) fn to_ints(numbers: &[u64]) -> Vec<i64> {
    numbers.iter().copied().map(to_int).collect()
}

fn written<'a>(
    project: &'a ProjectId,
    delivery: &'a Delivery,
    body: Option<&'a str>,
) -> Result<Written<'a>, StoreError> {
    Ok(Written {
        project_id: project.as_str(),
        webhook_id: delivery.webhook.uuid().simple(),
        number: to_int(delivery.number),
        fact_id: delivery.fact.uuid().simple(),
        due_us: delivery.stage.due_at().map(to_us),
        finished_us: delivery.stage.finished_at().map(to_us),
        stage: delivery.stage.as_str(),
        subject: &delivery.subject,
        delivery: to_text(delivery)?,
        body,
    })
}

impl SeaUnitOfWork {
    pub(super) async fn webhook_deliveries(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let statement = self.statement(format!("SELECT number, delivery FROM {DELIVERIES} WHERE {condition}"), values);
        let rows: Vec<DeliveryRow> = self.rows(statement, DELIVERIES).await?;
        self.read_rows(rows)
    }

    pub(super) async fn add_webhook_deliveries(
        &mut self,
        project: &ProjectId,
        deliveries: &[NewDelivery],
    ) -> Result<(), StoreError> {
        let rows = deliveries.iter().map(|new| written(project, &new.delivery, Some(&new.body)));
        let rows: Result<Vec<Written<'_>>, StoreError> = rows.collect();
        let rows = self.check(rows)?;
        self.hold().await?;
        self.insert_rows(DELIVERIES, &COLUMNS, "", &rows).await
    }

    pub(super) async fn save_webhook_deliveries(
        &mut self,
        project: &ProjectId,
        deliveries: &[Delivery],
    ) -> Result<(), StoreError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let rows: Result<Vec<Written<'_>>, StoreError> =
            deliveries.iter().map(|delivery| written(project, delivery, None)).collect();
        let rows = self.check(rows.and_then(|rows| to_text(&rows)))?;
        let sql = format!(
            "UPDATE {DELIVERIES} AS t SET due_us = r.due_us, finished_us = r.finished_us, stage = r.stage, \
             delivery = r.delivery FROM {} \
             WHERE t.project_id = r.project_id AND t.webhook_id = r.webhook_id AND t.number = r.number",
            self.dialect.records("$1", &CHANGING)
        );
        let statement = self.statement(sql, [rows.into()]);
        let saved = self.run(statement, DELIVERIES).await?;
        self.expect_rows(saved, u64::try_from(deliveries.len()).unwrap_or(u64::MAX), DELIVERIES)
    }

    pub(super) async fn webhook_bodies(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        numbers: &[u64],
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        let sql = format!(
            "SELECT number, body FROM {DELIVERIES} WHERE project_id = $1 AND webhook_id = $2 AND number {}",
            self.dialect.any("$3", Kind::Int)
        );
        let numbers = self.dialect.ints(&to_ints(numbers));
        let statement = self.statement(sql, [project.as_str().into(), webhook.uuid().into(), numbers]);
        let rows: Vec<BodyRow> = self.rows(statement, DELIVERIES).await?;
        Ok(rows.into_iter().map(|BodyRow { number, body }| (number.unsigned_abs(), body)).collect())
    }
}
