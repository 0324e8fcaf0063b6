//! Webhooks and their deliveries, and the way out.

use crate::store::StoreError;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{FactId, ProjectId, WebhookId};
use domain::page::{Page, PageSize};
use domain::webhooks::address::Target;
use domain::webhooks::delivery::{Delivery, Outcome};
use domain::webhooks::fan_out::NewDelivery;
use domain::webhooks::signing::{SigningSecret, SigningSecrets};
use domain::webhooks::webhook::Webhook;
use std::collections::{BTreeMap, BTreeSet};

/// The webhooks of every project.
///
/// Whoever changes a webhook or any of its deliveries first loads it ([`Self::webhooks_load`]): that is its lock, and
/// what is read of its deliveries after that stays true until commit. What a delivery sends stands apart, and so do the
/// secrets.
#[async_trait]
pub trait WebhookRepository {
    /// Whoever makes webhooks in a project stands in line here until the commit, so that their number stays true.
    async fn webhooks_lock(&mut self, project: &ProjectId) -> Result<(), StoreError>;

    /// The webhooks of these ids, by id, each once; unknown ones are passed over. In a unit of work that may write, what
    /// was found stays as it is until commit, and so do its deliveries.
    async fn webhooks_load(&mut self, project: &ProjectId, ids: &[WebhookId]) -> Result<Vec<Webhook>, StoreError>;

    /// Lists webhooks by id, strictly after the cursor.
    async fn webhook_list(
        &mut self,
        project: &ProjectId,
        after: Option<WebhookId>,
        size: PageSize,
    ) -> Result<Page<Webhook, WebhookId>, StoreError>;

    /// How many webhooks a project has.
    async fn webhook_count(&mut self, project: &ProjectId) -> Result<u32, StoreError>;

    /// The active webhooks of all projects, by project and id, strictly after the cursor, at most
    /// `rows_max`.
    async fn webhooks_active(
        &mut self,
        after: Option<&(ProjectId, WebhookId)>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, Webhook)>, StoreError>;

    /// The active webhooks of all projects which have a delivery that is due by an instant, at most
    /// `rows_max`, longest due first.
    async fn webhooks_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<(ProjectId, WebhookId)>, StoreError>;

    /// What the deliveries of a webhook are signed with; `None` if there is no such webhook.
    async fn webhook_secrets(
        &mut self,
        project: &ProjectId,
        id: WebhookId,
    ) -> Result<Option<SigningSecrets>, StoreError>;

    /// Stores a new webhook. MUST be [`StoreError::Conflict`] if its id is taken in the project.
    async fn webhook_add(
        &mut self,
        project: &ProjectId,
        webhook: &Webhook,
        secrets: &SigningSecrets,
    ) -> Result<(), StoreError>;

    /// Stores other secrets for a webhook. MUST be [`StoreError::Conflict`] if there is none of this id.
    async fn webhook_secrets_save(
        &mut self,
        project: &ProjectId,
        id: WebhookId,
        secrets: &SigningSecrets,
    ) -> Result<(), StoreError>;

    /// Stores a changed webhook; its secrets stay. MUST be [`StoreError::Conflict`] if there is none of this id.
    async fn webhook_save(&mut self, project: &ProjectId, webhook: &Webhook) -> Result<(), StoreError>;

    /// Deletes a webhook and those of its deliveries that are not over; the others stay for a while. False if there was
    /// none.
    async fn webhook_remove(&mut self, project: &ProjectId, id: WebhookId) -> Result<bool, StoreError>;

    /// Stores new deliveries. MUST be [`StoreError::Conflict`] if its webhook has one of that number or fact.
    async fn webhook_deliveries_add(
        &mut self,
        project: &ProjectId,
        deliveries: &[NewDelivery],
    ) -> Result<(), StoreError>;

    /// Stores changed deliveries. MUST be [`StoreError::Conflict`] if one is not there.
    async fn webhook_deliveries_save(&mut self, project: &ProjectId, deliveries: &[Delivery])
    -> Result<(), StoreError>;

    /// The deliveries of a webhook with something to do by an instant, longest due first, at most `rows_max`.
    async fn webhook_deliveries_due(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        by: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Of each of these subjects the delivery of the lowest number that is not over, if any.
    async fn webhook_deliveries_first(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        subjects: &BTreeSet<String>,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// How many deliveries of a webhook are not over.
    async fn webhook_deliveries_pending(&mut self, project: &ProjectId, webhook: WebhookId) -> Result<u32, StoreError>;

    /// The deliveries of a webhook of these numbers, by number; unknown ones are passed over.
    async fn webhook_deliveries_load(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        numbers: &[u64],
    ) -> Result<Vec<Delivery>, StoreError>;

    /// The delivery of a fact.
    async fn webhook_delivery_find(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        fact: FactId,
    ) -> Result<Option<Delivery>, StoreError>;

    /// What these deliveries of a webhook send, by number.
    async fn webhook_delivery_bodies(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        numbers: &[u64],
    ) -> Result<BTreeMap<u64, String>, StoreError>;

    /// Lists deliveries, the highest number first, strictly below the cursor: all, or those in a stage, by its name.
    async fn webhook_delivery_list(
        &mut self,
        project: &ProjectId,
        webhook: WebhookId,
        stage: Option<&str>,
        below: Option<u64>,
        size: PageSize,
    ) -> Result<Page<Delivery, u64>, StoreError>;

    /// Deletes at most `rows_max` deliveries that were over before an instant, in all projects; answers how many.
    async fn webhook_deliveries_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError>;
}

/// One delivery to be told now.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Where to.
    pub target: Target,
    /// The id that the target knows it by.
    pub id: FactId,
    /// When the attempt begins, for the signature.
    pub at: DateTime<Utc>,
    /// What it is signed with: each of these signs it.
    pub secrets: Vec<SigningSecret>,
    /// What is sent.
    pub body: String,
}

/// Tells deliveries to the outside.
#[async_trait]
pub trait WebhookSender: Send + Sync {
    /// Whether a target may be called now: what its host stands for is held against the rules, and says why not.
    async fn check(&self, target: &Target) -> Result<(), String>;

    /// Calls the target once, signed as Standard Webhooks has it. MUST connect to no address that the rules do not allow,
    /// even if the name stands for another one than a moment ago; MUST NOT follow redirects or go through a proxy; MUST be
    /// over in bounded time; and reads no more of the answer than `domain::webhooks::delivery::ANSWER_BYTES_MAX`.
    async fn send(&self, dispatch: &Dispatch) -> Outcome;
}
