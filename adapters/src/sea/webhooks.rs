//! Webhooks: few, each row with the truth as JSON beside the columns that are searched by. The secrets stand in a column
//! of their own, which nothing reads but what signs.

mod deliveries;

use crate::sea::clock::to_us;
use crate::sea::dialect::Kind;
use crate::sea::error::{corrupt, failed};
use crate::sea::unit::{Access, SeaUnitOfWork};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deliveries::DELIVERIES;
use domain::ids::{FactId, ProjectId, WebhookId};
use domain::page::{Page, PageSize};
use domain::webhooks::delivery::Delivery;
use domain::webhooks::fan_out::NewDelivery;
use domain::webhooks::signing::SigningSecrets;
use domain::webhooks::webhook::Webhook;
use ports::store::StoreError;
use ports::webhooks::WebhookRepository;
use sea_orm::{DbBackend, FromQueryResult, Value};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const WEBHOOKS: &str = "webhooks";

#[derive(Debug, FromQueryResult)]
struct Row {
    project_id: String,
    id: Uuid,
    webhook: String,
}

impl TryFrom<Row> for (ProjectId, Webhook) {
    type Error = StoreError;

    fn try_from(Row { project_id, id, webhook }: Row) -> Result<Self, StoreError> {
        let id = WebhookId::new(id);
        let project = ProjectId::parse(&project_id).map_err(|error| corrupt(WEBHOOKS, "project_id", id, error))?;
        let webhook = serde_json::from_str(&webhook).map_err(|error| corrupt(WEBHOOKS, "webhook", id, error))?;
        Ok((project, webhook))
    }
}

#[derive(Debug, FromQueryResult)]
struct NameRow {
    project_id: String,
    id: Uuid,
}

impl TryFrom<NameRow> for (ProjectId, WebhookId) {
    type Error = StoreError;

    fn try_from(NameRow { project_id, id }: NameRow) -> Result<Self, StoreError> {
        let id = WebhookId::new(id);
        let project = ProjectId::parse(&project_id).map_err(|error| corrupt(WEBHOOKS, "project_id", id, error))?;
        Ok((project, id))
    }
}

#[derive(Debug, FromQueryResult)]
struct SecretsRow {
    secrets: String,
}

#[derive(FromQueryResult)]
struct CountRow {
    n: i64,
}

fn to_text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(failed)
}

impl SeaUnitOfWork {
    async fn webhooks(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<(ProjectId, Webhook)>, StoreError> {
        let sql = format!("SELECT project_id, id, webhook FROM {WEBHOOKS} WHERE {condition}");
        let statement = self.statement(sql, values);
        let rows: Vec<Row> = self.rows(statement, WEBHOOKS).await?;
        self.read_rows(rows)
    }

    /// Whoever comes second waits until the first has committed. SQLite has one writer, who has locked everything.
    pub(super) async fn stand_in_line(&mut self, what: &'static str, project: &ProjectId) -> Result<(), StoreError> {
        self.hold().await?;
        if self.dialect.0 != DbBackend::Postgres || self.access == Access::Read {
            return Ok(());
        }
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let statement = self.statement(sql, [format!("{what} of {project}").into()]);
        self.query(statement, what).await.map(drop)
    }

    /// Writes one row of a webhook.
    async fn write_webhook(&mut self, sql: &str, values: Vec<Value>) -> Result<(), StoreError> {
        let statement = self.statement(sql, values);
        let written = self.run(statement, WEBHOOKS).await?;
        self.expect_rows(written, 1, WEBHOOKS)
    }

    /// Counts rows.
    async fn count_of(
        &mut self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
        what: &'static str,
    ) -> Result<u32, StoreError> {
        let statement = self.statement(sql, values);
        let row: Option<CountRow> = self.row(statement, what).await?;
        let count = u32::try_from(row.map_or(0, |row| row.n));
        self.check(count.map_err(|error| corrupt(what, "count", "all", error)))
    }
}

#[async_trait]
impl WebhookRepository for SeaUnitOfWork {
    async fn webhooks_lock(&mut self, project: &ProjectId) -> Result<(), StoreError> {
        self.stand_in_line(WEBHOOKS, project).await
    }

    async fn webhooks_load(&mut self, project: &ProjectId, ids: &[WebhookId]) -> Result<Vec<Webhook>, StoreError> {
        if self.access == Access::Write {
            self.hold().await?;
        }
        let condition =
            format!("project_id = $1 AND id {} ORDER BY id{}", self.dialect.any("$2", Kind::Uuid), self.for_update());
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let values = [project.as_str().into(), self.dialect.uuids(&ids)];
        Ok(self.webhooks(&condition, values).await?.into_iter().map(|(_, webhook)| webhook).collect())
    }

    async fn webhook_list(
        &mut self,
        project: &ProjectId,
        after: Option<WebhookId>,
        size: PageSize,
    ) -> Result<Page<Webhook, WebhookId>, StoreError> {
        let after = after.map_or(Uuid::nil(), WebhookId::uuid);
        let values = [project.as_str().into(), after.into(), (i64::from(size.rows()) + 1).into()];
        let found = self.webhooks("project_id = $1 AND id > $2 ORDER BY id LIMIT $3", values).await?;
        let webhooks = found.into_iter().map(|(_, webhook)| webhook).collect();
        Ok(Page::cut(webhooks, size, |webhook: &Webhook| webhook.id))
    }

    async fn webhook_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) AS n FROM webhooks WHERE project_id = $1";
        self.count_of(sql, [project.as_str().into()], WEBHOOKS).await
    }

    async fn webhooks_active(
        &mut self,
        after: Option<&(ProjectId, WebhookId)>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, Webhook)>, StoreError> {
        let (project, id) = after.map_or(("", Uuid::nil()), |(project, id)| (project.as_str(), id.uuid()));
        let condition = "state = 'active' AND (project_id, id) > ($1, $2) ORDER BY project_id, id LIMIT $3";
        self.webhooks(condition, [project.into(), id.into(), i64::from(rows_max).into()]).await
    }

    async fn webhooks_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, WebhookId)>, StoreError> {
        let sql = "SELECT project_id, id FROM (SELECT w.project_id, w.id, (SELECT min(d.due_us) \
             FROM webhook_deliveries AS d WHERE d.project_id = w.project_id AND d.webhook_id = w.id \
             AND d.due_us IS NOT NULL) AS due_us FROM webhooks AS w WHERE w.state = 'active') AS active \
             WHERE due_us <= $1 ORDER BY due_us, project_id, id LIMIT $2";
        let statement = self.statement(sql, [to_us(now).into(), i64::from(rows_max).into()]);
        let rows: Vec<NameRow> = self.rows(statement, WEBHOOKS).await?;
        self.read_rows(rows)
    }

    async fn webhook_secrets(
        &mut self,
        project: &ProjectId,
        id: WebhookId,
    ) -> Result<Option<SigningSecrets>, StoreError> {
        let sql = "SELECT secrets FROM webhooks WHERE project_id = $1 AND id = $2";
        let statement = self.statement(sql, [project.as_str().into(), id.uuid().into()]);
        let row: Option<SecretsRow> = self.row(statement, WEBHOOKS).await?;
        // What is wrong with them is not told: the text of the error could quote them.
        let read = row.map(|row| serde_json::from_str(&row.secrets)).transpose();
        self.check(read.map_err(|_| corrupt(WEBHOOKS, "secrets", id, "they cannot be read")))
    }

    async fn webhook_add(
        &mut self,
        project: &ProjectId,
        webhook: &Webhook,
        secrets: &SigningSecrets,
    ) -> Result<(), StoreError> {
        let (text, secrets) = (self.check(to_text(webhook))?, self.check(to_text(secrets))?);
        let (project, id, state) =
            (project.as_str().into(), webhook.id.uuid().into(), webhook.standing.as_str().into());
        let sql = "INSERT INTO webhooks (project_id, id, state, webhook, secrets) VALUES ($1, $2, $3, $4, $5)";
        self.write_webhook(sql, vec![project, id, state, text.into(), secrets.into()]).await
    }

    async fn webhook_secrets_save(
        &mut self,
        project: &ProjectId,
        id: WebhookId,
        secrets: &SigningSecrets,
    ) -> Result<(), StoreError> {
        let secrets = self.check(to_text(secrets))?;
        let sql = "UPDATE webhooks SET secrets = $3 WHERE project_id = $1 AND id = $2";
        self.write_webhook(sql, vec![project.as_str().into(), id.uuid().into(), secrets.into()]).await
    }

    async fn webhook_save(&mut self, project: &ProjectId, webhook: &Webhook) -> Result<(), StoreError> {
        let text = self.check(to_text(webhook))?;
        let (project, id, state) =
            (project.as_str().into(), webhook.id.uuid().into(), webhook.standing.as_str().into());
        let sql = "UPDATE webhooks SET state = $3, webhook = $4 WHERE project_id = $1 AND id = $2";
        self.write_webhook(sql, vec![project, id, state, text.into()]).await
    }

    async fn webhook_remove(&mut self, project: &ProjectId, id: WebhookId) -> Result<bool, StoreError> {
        let values = || [project.as_str().into(), id.uuid().into()];
        let sql = "DELETE FROM webhook_deliveries WHERE project_id = $1 AND webhook_id = $2 AND finished_us IS NULL";
        let statement = self.statement(sql, values());
        self.run(statement, DELIVERIES).await?;
        let statement = self.statement("DELETE FROM webhooks WHERE project_id = $1 AND id = $2", values());
        Ok(self.run(statement, WEBHOOKS).await? > 0)
    }

    async fn webhook_deliveries_add(
        &mut self,
        project: &ProjectId,
        deliveries: &[NewDelivery],
    ) -> Result<(), StoreError> {
        self.add_webhook_deliveries(project, deliveries).await
    }

    async fn webhook_deliveries_save(
        &mut self,
        project: &ProjectId,
        deliveries: &[Delivery],
    ) -> Result<(), StoreError> {
        self.save_webhook_deliveries(project, deliveries).await
    }

    async fn webhook_deliveries_due(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        by: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let condition = "project_id = $1 AND webhook_id = $2 AND due_us IS NOT NULL AND due_us <= $3 \
             ORDER BY due_us, number LIMIT $4";
        let (by, rows_max) = (to_us(by).into(), i64::from(rows_max).into());
        self.webhook_deliveries(condition, [project.as_str().into(), webhook.uuid().into(), by, rows_max]).await
    }

    async fn webhook_deliveries_first(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        subjects: &BTreeSet<String>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let condition = format!(
            "project_id = $1 AND webhook_id = $2 AND number IN (SELECT min(number) FROM {DELIVERIES} \
             WHERE project_id = $1 AND webhook_id = $2 AND finished_us IS NULL AND subject {} GROUP BY subject) \
             ORDER BY subject",
            self.dialect.any("$3", Kind::Text)
        );
        let subjects: Vec<String> = subjects.iter().cloned().collect();
        let subjects = self.dialect.texts(&subjects);
        self.webhook_deliveries(&condition, [project.as_str().into(), webhook.uuid().into(), subjects]).await
    }

    async fn webhook_deliveries_pending(&mut self, project: &ProjectId, webhook: WebhookId) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) AS n FROM webhook_deliveries WHERE project_id = $1 AND webhook_id = $2 \
             AND finished_us IS NULL";
        self.count_of(sql, [project.as_str().into(), webhook.uuid().into()], DELIVERIES).await
    }

    async fn webhook_deliveries_load(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        numbers: &[u64],
    ) -> Result<Vec<Delivery>, StoreError> {
        let condition = format!(
            "project_id = $1 AND webhook_id = $2 AND number {} ORDER BY number",
            self.dialect.any("$3", Kind::Int)
        );
        let numbers = self.dialect.ints(&deliveries::to_ints(numbers));
        self.webhook_deliveries(&condition, [project.as_str().into(), webhook.uuid().into(), numbers]).await
    }

    async fn webhook_delivery_find(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        fact: FactId,
    ) -> Result<Option<Delivery>, StoreError> {
        let condition = "project_id = $1 AND webhook_id = $2 AND fact_id = $3";
        let values = [project.as_str().into(), webhook.uuid().into(), fact.uuid().into()];
        Ok(self.webhook_deliveries(condition, values).await?.pop())
    }

    async fn webhook_delivery_bodies(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        numbers: &[u64],
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        self.webhook_bodies(project, webhook, numbers).await
    }

    async fn webhook_delivery_list(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        stage: Option<&str>,
        below: Option<u64>,
        size: PageSize,
    ) -> Result<Page<Delivery, u64>, StoreError> {
        let below = below.map_or(i64::MAX, deliveries::to_int);
        let mut values: Vec<Value> = vec![project.as_str().into(), webhook.uuid().into(), below.into()];
        values.push((i64::from(size.rows()) + 1).into());
        let of_stage = stage.map_or("", |stage| {
            values.push(stage.into());
            " AND stage = $5"
        });
        let condition =
            format!("project_id = $1 AND webhook_id = $2 AND number < $3{of_stage} ORDER BY number DESC LIMIT $4");
        let found = self.webhook_deliveries(&condition, values).await?;
        Ok(Page::cut(found, size, |delivery: &Delivery| delivery.number))
    }

    async fn webhook_deliveries_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let sql = self.dialect.delete_some(DELIVERIES, "finished_us");
        let statement = self.statement(sql, [to_us(before).into(), i64::from(rows_max).into()]);
        self.run(statement, DELIVERIES).await
    }
}
