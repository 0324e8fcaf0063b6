//! Webhooks and their deliveries, by project.

use super::{InMemoryUnitOfWork, conflict, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{FactId, ProjectId, WebhookId};
use domain::page::{Page, PageSize};
use domain::webhooks::delivery::Delivery;
use domain::webhooks::fan_out::NewDelivery;
use domain::webhooks::signing::SigningSecrets;
use domain::webhooks::webhook::Webhook;
use ports::store::StoreError;
use ports::webhooks::WebhookRepository;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Default)]
pub(super) struct Table {
    webhooks: BTreeMap<(ProjectId, WebhookId), Webhook>,
    secrets: BTreeMap<(ProjectId, WebhookId), SigningSecrets>,
    deliveries: BTreeMap<(ProjectId, WebhookId, u64), Entry>,
}

#[derive(Clone)]
struct Entry {
    delivery: Delivery,
    body: Arc<str>,
}

impl Table {
    fn deliveries(&self, project: &ProjectId, webhook: WebhookId) -> impl DoubleEndedIterator<Item = &Delivery> {
        let of_webhook = (project.clone(), webhook, 0)..=(project.clone(), webhook, u64::MAX);
        self.deliveries.range(of_webhook).map(|(_, entry)| &entry.delivery)
    }

    /// When the webhook has something to tell next; `None` if it has nothing, or rests.
    fn due_at(&self, project: &ProjectId, webhook: &Webhook) -> Option<DateTime<Utc>> {
        let dues = self.deliveries(project, webhook.id).filter_map(|delivery| delivery.stage.due_at());
        dues.min().filter(|_| webhook.is_active())
    }
}

fn is_pending(delivery: &Delivery) -> bool {
    delivery.stage.finished_at().is_none()
}

impl InMemoryUnitOfWork {
    fn write_webhooks(&mut self) -> Result<&mut Table, StoreError> {
        Ok(Arc::make_mut(&mut self.write()?.webhooks))
    }
}

#[async_trait]
impl WebhookRepository for InMemoryUnitOfWork {
    async fn webhooks_lock(&mut self, _project: &ProjectId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn webhooks_load(&mut self, project: &ProjectId, ids: &[WebhookId]) -> Result<Vec<Webhook>, StoreError> {
        let ids: BTreeSet<WebhookId> = ids.iter().copied().collect();
        let found = ids.into_iter().filter_map(|id| self.read().webhooks.webhooks.get(&(project.clone(), id)));
        Ok(found.cloned().collect())
    }

    async fn webhook_list(
        &mut self,
        project: &ProjectId,
        after: Option<WebhookId>,
        size: PageSize,
    ) -> Result<Page<Webhook, WebhookId>, StoreError> {
        let all = self.read().webhooks.webhooks.iter();
        let of_project = all.filter(|((of, id), _)| of == project && after.is_none_or(|after| *id > after));
        let found = of_project.map(|(_, webhook)| webhook.clone()).collect();
        Ok(Page::cut(found, size, |webhook: &Webhook| webhook.id))
    }

    async fn webhook_count(&mut self, project: &ProjectId) -> Result<u32, StoreError> {
        let count = self.read().webhooks.webhooks.keys().filter(|(of, _)| of == project).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn webhooks_active(
        &mut self,
        after: Option<&(ProjectId, WebhookId)>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, Webhook)>, StoreError> {
        let all = self.read().webhooks.webhooks.iter();
        let active = all.filter(|(at, webhook)| webhook.is_active() && after.is_none_or(|after| *at > after));
        Ok(active.take(rows(rows_max)).map(|((project, _), webhook)| (project.clone(), webhook.clone())).collect())
    }

    async fn webhooks_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, WebhookId)>, StoreError> {
        let table = &self.read().webhooks;
        let due_at = |(project, id): &(ProjectId, WebhookId), webhook| {
            Some((table.due_at(project, webhook).filter(|at| *at <= now)?, project.clone(), *id))
        };
        let mut due: Vec<_> = table.webhooks.iter().filter_map(|(at, webhook)| due_at(at, webhook)).collect();
        due.sort();
        Ok(due.into_iter().take(rows(rows_max)).map(|(_, project, id)| (project, id)).collect())
    }

    async fn webhook_secrets(
        &mut self,
        project: &ProjectId,
        id: WebhookId,
    ) -> Result<Option<SigningSecrets>, StoreError> {
        Ok(self.read().webhooks.secrets.get(&(project.clone(), id)).cloned())
    }

    async fn webhook_add(
        &mut self,
        project: &ProjectId,
        webhook: &Webhook,
        secrets: &SigningSecrets,
    ) -> Result<(), StoreError> {
        let (table, at) = (self.write_webhooks()?, (project.clone(), webhook.id));
        table.secrets.insert(at.clone(), secrets.clone());
        if table.webhooks.insert(at, webhook.clone()).is_some() {
            return conflict("webhook");
        }
        self.wrote();
        Ok(())
    }

    async fn webhook_secrets_save(
        &mut self,
        project: &ProjectId,
        id: WebhookId,
        secrets: &SigningSecrets,
    ) -> Result<(), StoreError> {
        let Some(stored) = self.write_webhooks()?.secrets.get_mut(&(project.clone(), id)) else {
            return conflict("webhook");
        };
        *stored = secrets.clone();
        self.wrote();
        Ok(())
    }

    async fn webhook_save(&mut self, project: &ProjectId, webhook: &Webhook) -> Result<(), StoreError> {
        let Some(stored) = self.write_webhooks()?.webhooks.get_mut(&(project.clone(), webhook.id)) else {
            return conflict("webhook");
        };
        *stored = webhook.clone();
        self.wrote();
        Ok(())
    }

    async fn webhook_remove(&mut self, project: &ProjectId, id: WebhookId) -> Result<bool, StoreError> {
        let table = self.write_webhooks()?;
        table.secrets.remove(&(project.clone(), id));
        let was_there = table.webhooks.remove(&(project.clone(), id)).is_some();
        table
            .deliveries
            .retain(|(of, webhook, _), entry| of != project || *webhook != id || !is_pending(&entry.delivery));
        self.wrote();
        Ok(was_there)
    }

    async fn webhook_deliveries_add(
        &mut self,
        project: &ProjectId,
        deliveries: &[NewDelivery],
    ) -> Result<(), StoreError> {
        let table = self.write_webhooks()?;
        for NewDelivery { delivery, body } in deliveries {
            let is_known = table.deliveries(project, delivery.webhook).any(|other| other.fact == delivery.fact);
            let at = (project.clone(), delivery.webhook, delivery.number);
            let entry = Entry { delivery: delivery.clone(), body: body.as_str().into() };
            if is_known || table.deliveries.insert(at, entry).is_some() {
                return conflict("webhook delivery");
            }
        }
        self.wrote();
        Ok(())
    }

    async fn webhook_deliveries_save(
        &mut self,
        project: &ProjectId,
        deliveries: &[Delivery],
    ) -> Result<(), StoreError> {
        let table = self.write_webhooks()?;
        for delivery in deliveries {
            let at = (project.clone(), delivery.webhook, delivery.number);
            let Some(stored) = table.deliveries.get_mut(&at) else { return conflict("webhook delivery") };
            stored.delivery = delivery.clone();
        }
        self.wrote();
        Ok(())
    }

    async fn webhook_deliveries_due(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        by: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let all = self.read().webhooks.deliveries(project, webhook);
        let mut due: Vec<_> = all.filter(|delivery| delivery.stage.due_at().is_some_and(|at| at <= by)).collect();
        due.sort_by_key(|delivery| (delivery.stage.due_at(), delivery.number));
        Ok(due.into_iter().take(rows(rows_max)).cloned().collect())
    }

    async fn webhook_deliveries_first(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        subjects: &BTreeSet<String>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut first = BTreeMap::new();
        for delivery in self.read().webhooks.deliveries(project, webhook).filter(|it| is_pending(it)) {
            if subjects.contains(&delivery.subject) {
                first.entry(&delivery.subject).or_insert(delivery);
            }
        }
        Ok(first.into_values().cloned().collect())
    }

    async fn webhook_deliveries_pending(&mut self, project: &ProjectId, webhook: WebhookId) -> Result<u32, StoreError> {
        let count = self.read().webhooks.deliveries(project, webhook).filter(|it| is_pending(it)).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn webhook_deliveries_load(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        numbers: &[u64],
    ) -> Result<Vec<Delivery>, StoreError> {
        let all = self.read().webhooks.deliveries(project, webhook);
        Ok(all.filter(|delivery| numbers.contains(&delivery.number)).cloned().collect())
    }

    async fn webhook_delivery_find(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        fact: FactId,
    ) -> Result<Option<Delivery>, StoreError> {
        Ok(self.read().webhooks.deliveries(project, webhook).find(|delivery| delivery.fact == fact).cloned())
    }

    async fn webhook_delivery_bodies(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        numbers: &[u64],
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        let table = &self.read().webhooks.deliveries;
        let body = |number: &u64| {
            let entry = table.get(&(project.clone(), webhook, *number))?;
            Some((*number, entry.body.to_string()))
        };
        Ok(numbers.iter().filter_map(body).collect())
    }

    async fn webhook_delivery_list(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        stage: Option<&str>,
        below: Option<u64>,
        size: PageSize,
    ) -> Result<Page<Delivery, u64>, StoreError> {
        let all = self.read().webhooks.deliveries(project, webhook).rev();
        let wanted = all.filter(|delivery| {
            stage.is_none_or(|stage| stage == delivery.stage.as_str())
                && below.is_none_or(|below| delivery.number < below)
        });
        Ok(Page::cut(wanted.cloned().collect(), size, |delivery: &Delivery| delivery.number))
    }

    async fn webhook_deliveries_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let table = self.write_webhooks()?;
        let is_old = |entry: &Entry| entry.delivery.stage.finished_at().is_some_and(|at| at < before);
        let old = table.deliveries.iter().filter(|(_, entry)| is_old(entry));
        let old: Vec<_> = old.map(|(at, _)| at.clone()).take(rows(rows_max)).collect();
        for at in &old {
            table.deliveries.remove(at);
        }
        self.wrote();
        Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
    }
}
