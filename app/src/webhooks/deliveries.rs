//! What people ask of deliveries: one to try a webhook out, and one once more.

use crate::executor::{Command, Decision, Happening, Scene};
use crate::webhooks::commands::{load, unknown};
use async_trait::async_trait;
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::ids::{FactId, WebhookId};
use domain::webhooks::delivery::Delivery;
use domain::webhooks::fan_out::{TEST_KIND, Told};
use domain::webhooks::refusal::WebhookRefusal;
use domain::webhooks::webhook::PENDING_MAX;
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Tells a webhook something made up, to try it out.
#[derive(Debug, Clone)]
pub struct TestWebhook {
    /// Which.
    pub id: WebhookId,
    /// The id that the target will know it by.
    pub fact: FactId,
}

#[async_trait]
impl Command for TestWebhook {
    const OPERATION: &'static str = "webhook.test";
    const ACTION: Action = Action::KeepWebhooks;
    type Answer = Delivery;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (project, now) = (&scene.call.project, scene.now);
        let Some(mut webhook) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        if !webhook.is_active() {
            let state = webhook.standing.as_str().to_owned();
            return Ok(Decision::refused(WebhookRefusal::NotActive { id: self.id, state }));
        }
        if uow.webhook_deliveries_pending(project, self.id).await? >= PENDING_MAX {
            return Ok(Decision::refused(WebhookRefusal::BacklogFull));
        }
        let subject = self.id.to_string();
        let waiting = uow.webhook_deliveries_first(project, self.id, &BTreeSet::from([subject.clone()])).await?;
        let body = json!({ "by": scene.call.principal.agent });
        let told =
            Told { id: self.fact, kind: TEST_KIND, subject: &subject, at: now, project: project.as_str(), body: &body };
        let new = webhook.deliver(told, waiting.is_empty(), now);
        uow.webhook_save(project, &webhook).await?;
        uow.webhook_deliveries_add(project, std::slice::from_ref(&new)).await?;
        let happening = happening(Self::OPERATION, "webhook.tested", &new.delivery);
        Ok(Decision::answered(new.delivery, vec![happening]))
    }
}

/// Lets a delivery that is over be told once more.
#[derive(Debug, Clone)]
pub struct RedeliverFact {
    /// By which webhook.
    pub id: WebhookId,
    /// Of which fact.
    pub fact: FactId,
}

#[async_trait]
impl Command for RedeliverFact {
    const OPERATION: &'static str = "webhook.redeliver";
    const ACTION: Action = Action::KeepWebhooks;
    type Answer = Delivery;

    fn content(&self) -> Value {
        json!({ "id": self.id, "fact": self.fact })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let Some(webhook) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        if !webhook.is_active() {
            let state = webhook.standing.as_str().to_owned();
            return Ok(Decision::refused(WebhookRefusal::NotActive { id: self.id, state }));
        }
        let Some(before) = uow.webhook_delivery_find(project, self.id, self.fact).await? else {
            return Ok(Decision::refused(WebhookRefusal::UnknownDelivery { fact: self.fact }));
        };
        if uow.webhook_deliveries_pending(project, self.id).await? >= PENDING_MAX {
            return Ok(Decision::refused(WebhookRefusal::BacklogFull));
        }
        let delivery = match before.redeliver(scene.now) {
            Ok(delivery) => delivery,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.webhook_deliveries_save(project, std::slice::from_ref(&delivery)).await?;
        let happening = happening(Self::OPERATION, "webhook.redelivered", &delivery);
        Ok(Decision::answered(delivery, vec![happening]))
    }
}

fn happening(operation: &str, kind: &'static str, delivery: &Delivery) -> Happening {
    let target = delivery.webhook.to_string();
    let body = json!({ "id": target, "fact": delivery.fact, "kind": delivery.kind, "number": delivery.number });
    let change = Change { operation: operation.to_owned(), target, before: None, after: Some(body.clone()) };
    Happening { change, kind, body, by_itself: false }
}
