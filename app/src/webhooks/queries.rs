//! Looking at webhooks and their deliveries.

use crate::call::Call;
use crate::executor::Executor;
use crate::refusal::{CallError, Refusal};
use domain::identity::principal::{Action, authorize};
use domain::identity::project::ProjectRefusal;
use domain::ids::WebhookId;
use domain::page::{Page, PageSize};
use domain::webhooks::delivery::Delivery;
use domain::webhooks::refusal::WebhookRefusal;
use domain::webhooks::webhook::Webhook;
use ports::store::UnitOfWork;

/// The use cases that only read.
#[derive(Clone)]
pub struct WebhookQueries {
    executor: Executor,
}

impl WebhookQueries {
    /// Reads through the executor's store.
    pub fn new(executor: Executor) -> Self {
        Self { executor }
    }

    async fn enter(&self, call: &Call) -> Result<Box<dyn UnitOfWork>, CallError> {
        authorize(&call.principal, Action::KeepWebhooks).map_err(Refusal::Denied)?;
        let mut uow = self.executor.store().begin_read().await?;
        if uow.project_find(&call.project).await?.is_none() {
            return Err(Refusal::Project(ProjectRefusal::Unknown { id: call.project.clone() }).into());
        }
        Ok(uow)
    }

    /// One webhook, and how many of its deliveries are not over.
    pub async fn find(&self, call: &Call, id: WebhookId) -> Result<(Webhook, u32), CallError> {
        let mut uow = self.enter(call).await?;
        let Some(webhook) = uow.webhooks_load(&call.project, &[id]).await?.pop() else {
            return Err(Refusal::Webhook(WebhookRefusal::Unknown { id }).into());
        };
        Ok((webhook, uow.webhook_deliveries_pending(&call.project, id).await?))
    }

    /// Lists webhooks by id.
    pub async fn list(
        &self,
        call: &Call,
        after: Option<WebhookId>,
        size: PageSize,
    ) -> Result<Page<Webhook, WebhookId>, CallError> {
        Ok(self.enter(call).await?.webhook_list(&call.project, after, size).await?)
    }

    /// Lists the deliveries of a webhook, newest first.
    pub async fn deliveries(
        &self,
        call: &Call,
        id: WebhookId,
        stage: Option<&str>,
        below: Option<u64>,
        size: PageSize,
    ) -> Result<Page<Delivery, u64>, CallError> {
        let mut uow = self.enter(call).await?;
        if uow.webhooks_load(&call.project, &[id]).await?.is_empty() {
            return Err(Refusal::Webhook(WebhookRefusal::Unknown { id }).into());
        }
        Ok(uow.webhook_delivery_list(&call.project, id, stage, below, size).await?)
    }
}
