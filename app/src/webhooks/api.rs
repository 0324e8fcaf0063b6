//! Webhooks over HTTP.

use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::webhooks::bodies::{ChangeWebhookBody, CreateWebhookBody};
use crate::webhooks::commands::{
    ChangeWebhook, CreateWebhook, PauseWebhook, RemoveWebhook, ResumeWebhook, RotateWebhookSecret, draw_secret,
};
use crate::webhooks::deliveries::{RedeliverFact, TestWebhook};
use crate::webhooks::queries::WebhookQueries;
use crate::webhooks::views::{
    AcceptedDelivery, CreatedWebhook, DeliveryStateView, IssuedWebhookView, RemovedWebhookView,
    WebhookDeliveryPageView, WebhookPageView, WebhookView,
};
use domain::identity::principal::{Action, authorize};
use domain::ids::{FactId, WebhookId};
use domain::webhooks::address::Target;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use ports::webhooks::WebhookSender;
use std::sync::Arc;

/// The operations on webhooks.
pub struct WebhooksApi {
    executor: Executor,
    queries: WebhookQueries,
    sender: Arc<dyn WebhookSender>,
}

impl WebhooksApi {
    /// Puts the use cases together; `sender` knows which addresses may be called.
    pub fn new(executor: Executor, sender: Arc<dyn WebhookSender>) -> Self {
        let queries = WebhookQueries::new(executor.clone());
        Self { executor, queries, sender }
    }

    /// Looks an address up, for those alone who may have it called.
    async fn check(&self, call: &crate::call::Call, target: Option<&Target>) -> Result<(), String> {
        match target {
            Some(target) if authorize(&call.principal, Action::KeepWebhooks).is_ok() => self.sender.check(target).await,
            _ => Ok(()),
        }
    }
}

#[OpenApi(prefix_path = "/v1/webhooks", tag = "crate::http::tags::Tag::Webhooks")]
impl WebhooksApi {
    /// Make a webhook
    ///
    /// Needs the role `orchestrator` or `admin`. From now on each fact it follows is posted to the URL at least once,
    /// signed as Standard Webhooks has it; facts about one subject in order. The secret is in this answer and nowhere else;
    /// a replay under the same `Idempotency-Key` comes without it.
    #[oai(path = "/", method = "post", operation_id = "create_webhook")]
    async fn create(&self, Auth(call): Auth, body: JsonBody<CreateWebhookBody>) -> Result<CreatedWebhook, Problem> {
        let (target, follows) = body.0.read()?;
        let checked = self.check(&call, Some(&target)).await;
        let (id, secret) = (self.executor.ids().webhook_id(), draw_secret(self.executor.ids()));
        let secret = secret.map_err(Problem::internal)?;
        let command = CreateWebhook { id, target, checked, follows, secret };
        Ok(CreatedWebhook::Created(Json(self.executor.execute(&call, &command).await?.answer.into())))
    }

    /// List webhooks
    ///
    /// Needs the role `orchestrator` or `admin`. By id.
    #[oai(path = "/", method = "get", operation_id = "list_webhooks")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<WebhookPageView>, Problem> {
        let after: Option<WebhookId> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.list(&call, after, cursor::page_size(limit.0)?).await?;
        Ok(Json(WebhookPageView {
            webhooks: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Look at a webhook
    ///
    /// Needs the role `orchestrator` or `admin`.
    #[oai(path = "/:id", method = "get", operation_id = "get_webhook")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
    ) -> Result<Json<WebhookView>, Problem> {
        let (webhook, pending) = self.queries.find(&call, webhook_id(&id.0)?).await?;
        Ok(Json(WebhookView { pending: Some(pending), ..webhook.into() }))
    }

    /// Change a webhook
    ///
    /// Needs the role `orchestrator` or `admin`. What waits already is told at the new address.
    #[oai(path = "/:id", method = "patch", operation_id = "change_webhook")]
    async fn change(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
        body: JsonBody<ChangeWebhookBody>,
    ) -> Result<Json<WebhookView>, Problem> {
        let (id, patch) = (webhook_id(&id.0)?, body.0.read()?);
        let checked = self.check(&call, patch.target.as_ref()).await;
        let command = ChangeWebhook { id, patch, checked };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Take a webhook away
    ///
    /// Needs the role `orchestrator` or `admin`. What it has not told yet is told no more.
    #[oai(path = "/:id", method = "delete", operation_id = "remove_webhook")]
    async fn remove(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
    ) -> Result<Json<RemovedWebhookView>, Problem> {
        let command = RemoveWebhook { id: webhook_id(&id.0)? };
        let removed = self.executor.execute(&call, &command).await?.answer.to_string();
        Ok(Json(RemovedWebhookView { removed }))
    }

    /// Let a webhook rest
    ///
    /// Needs the role `orchestrator` or `admin`. Facts wait for it as long as their log keeps them.
    #[oai(path = "/:id/pause", method = "post", operation_id = "pause_webhook")]
    async fn pause(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
    ) -> Result<Json<WebhookView>, Problem> {
        let command = PauseWebhook { id: webhook_id(&id.0)? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Let a webhook go on
    ///
    /// Needs the role `orchestrator` or `admin`. Also one that was given up. It goes on where it stopped.
    #[oai(path = "/:id/resume", method = "post", operation_id = "resume_webhook")]
    async fn resume(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
    ) -> Result<Json<WebhookView>, Problem> {
        let command = ResumeWebhook { id: webhook_id(&id.0)? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Replace the secret of a webhook
    ///
    /// Needs the role `orchestrator` or `admin`. For 24 hours calls carry two signatures, one of the secret before.
    #[oai(path = "/:id/rotate-secret", method = "post", operation_id = "rotate_webhook_secret")]
    async fn rotate_secret(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
    ) -> Result<Json<IssuedWebhookView>, Problem> {
        let (id, secret) = (webhook_id(&id.0)?, draw_secret(self.executor.ids()));
        let command = RotateWebhookSecret { id, secret: secret.map_err(Problem::internal)? };
        Ok(Json(self.executor.execute(&call, &command).await?.answer.into()))
    }

    /// Try a webhook out
    ///
    /// Needs the role `orchestrator` or `admin`. Posts something of the type `webhook.test`; how that went stands in the
    /// deliveries.
    #[oai(path = "/:id/test", method = "post", operation_id = "test_webhook")]
    async fn test(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
    ) -> Result<AcceptedDelivery, Problem> {
        let command = TestWebhook { id: webhook_id(&id.0)?, fact: self.executor.ids().fact_id() };
        Ok(AcceptedDelivery::Accepted(Json(self.executor.execute(&call, &command).await?.answer.into())))
    }

    /// List deliveries
    ///
    /// Needs the role `orchestrator` or `admin`. Newest first, each with its attempts. Those that are over are kept for
    /// seven days.
    #[oai(path = "/:id/deliveries", method = "get", operation_id = "list_webhook_deliveries")]
    async fn deliveries(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
        /// Those that are so far.
        state: Query<Option<DeliveryStateView>>,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<WebhookDeliveryPageView>, Problem> {
        let (id, wanted) = (webhook_id(&id.0)?, state.0.map(DeliveryStateView::as_str));
        let below: Option<u64> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let page = self.queries.deliveries(&call, id, wanted, below, cursor::page_size(limit.0)?).await?;
        Ok(Json(WebhookDeliveryPageView {
            deliveries: page.rows.into_iter().map(Into::into).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Deliver once more
    ///
    /// Needs the role `orchestrator` or `admin`. Posts a delivery that is over again, under the same id.
    #[oai(path = "/:id/deliveries/:fact/redeliver", method = "post", operation_id = "redeliver_webhook_delivery")]
    async fn redeliver(
        &self,
        Auth(call): Auth,
        /// The webhook.
        id: Path<String>,
        /// The fact of the delivery.
        fact: Path<String>,
    ) -> Result<AcceptedDelivery, Problem> {
        let fact = FactId::parse(&fact.0).map_err(|error| Problem::invalid("fact", &error))?;
        let command = RedeliverFact { id: webhook_id(&id.0)?, fact };
        Ok(AcceptedDelivery::Accepted(Json(self.executor.execute(&call, &command).await?.answer.into())))
    }
}

fn webhook_id(text: &str) -> Result<WebhookId, Problem> {
    WebhookId::parse(text).map_err(|error| Problem::invalid("id", &error))
}
