//! How calls came out is written down, with what that means for their webhook.

use crate::call::Call;
use crate::executor::{Command, Decision, Scene};
use crate::refusal::CallError;
use crate::webhooks::commands::happening;
use crate::webhooks::relay::Relay;
use crate::webhooks::relay::dispatch::{Done, save};
use async_trait::async_trait;
use domain::identity::principal::Action;
use domain::ids::{ProjectId, WebhookId};
use domain::webhooks::policy::DeliveryPolicy;
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Relay {
    /// Writes down how calls came out, webhook by webhook; the first failure is told, and keeps none of the others from it.
    pub(super) async fn settle(&self, done: Vec<Done>) -> Result<(), CallError> {
        let mut by_webhook: BTreeMap<(ProjectId, WebhookId), Vec<Done>> = BTreeMap::new();
        for done in done {
            by_webhook.entry((done.project.clone(), done.webhook)).or_default().push(done);
        }
        let mut outcome = Ok(());
        for ((project, id), done) in by_webhook {
            let call = Call::of_system(project, self.executor.ids().random_name())
                .map_err(|error| CallError::Internal(error.to_string()))?;
            let command = SettleDeliveries { id, done, policy: self.policy };
            outcome = outcome.and(self.executor.execute(&call, &command).await.map(drop));
        }
        outcome
    }
}

/// Writes down how calls of one webhook came out.
struct SettleDeliveries {
    id: WebhookId,
    done: Vec<Done>,
    policy: DeliveryPolicy,
}

#[async_trait]
impl Command for SettleDeliveries {
    const OPERATION: &'static str = "webhook.settle";
    const ACTION: Action = Action::KeepWebhooks;
    // What was claimed before the project was archived is settled all the same.
    const IN_PROJECT: bool = false;
    type Answer = ();

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        // Somebody took it away meanwhile.
        let Some(before) = uow.webhooks_load(project, &[self.id]).await?.pop() else {
            return Ok(Decision::answered((), Vec::new()));
        };
        // It may have taken a while to lock it.
        let now = uow.now().await?;
        let numbers: Vec<u64> = self.done.iter().map(|done| done.number).collect();
        let stored = uow.webhook_deliveries_load(project, self.id, &numbers).await?;
        let (mut webhook, mut settled) = (before.clone(), Vec::new());
        for Done { number, claims, attempt, chance, .. } in &self.done {
            let delivery = stored.iter().find(|delivery| delivery.number == *number);
            let delivery =
                delivery.and_then(|delivery| delivery.settle(*claims, attempt.clone(), now, &self.policy, *chance));
            // Whoever else has it by now tells how it came out.
            let Some(delivery) = delivery else { continue };
            webhook = webhook.note(attempt.outcome.verdict(), now, &self.policy);
            settled.push(delivery);
        }
        save(uow, project, self.id, &settled, now).await?;
        let mut happenings = Vec::new();
        if webhook != before {
            uow.webhook_save(project, &webhook).await?;
        }
        if webhook.standing != before.standing {
            let mut disabled = happening("webhook.disable", "webhook.disabled", Some(&before), Some(&webhook));
            disabled.by_itself = true;
            happenings.push(disabled);
        }
        Ok(Decision::answered((), happenings))
    }
}
