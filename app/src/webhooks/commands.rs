//! The changes to webhooks, one command each. Secrets are drawn before and never leave through audit, facts or records.

use crate::config::Secret;
use crate::executor::{Command, Decision, Happening, Scene};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::ids::WebhookId;
use domain::webhooks::address::Target;
use domain::webhooks::follows::Follows;
use domain::webhooks::refusal::WebhookRefusal;
use domain::webhooks::signing::{InvalidSecret, SECRET_PREFIX, SigningSecret, SigningSecrets};
use domain::webhooks::webhook::{Standing, Webhook, WebhookPatch};
use ports::ids::IdSource;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A webhook with a fresh secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssuedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// What its calls are signed with. `None` in a replay: it is not recorded.
    #[serde(skip)]
    pub secret: Option<Secret>,
}

/// Draws a secret.
pub fn draw_secret(ids: &dyn IdSource) -> Result<SigningSecret, InvalidSecret> {
    SigningSecret::try_new(ids.secret().to_vec())
}

/// A secret as the target gets to know it.
fn shown(secret: &SigningSecret) -> Secret {
    Secret::new(format!("{SECRET_PREFIX}{}", STANDARD.encode(secret.bytes())))
}

/// What was found out about an address: nothing against it, or what.
pub type Checked = Result<(), String>;

/// Makes a webhook.
#[derive(Debug, Clone)]
pub struct CreateWebhook {
    /// The id it will have.
    pub id: WebhookId,
    /// Where it is to go.
    pub target: Target,
    /// Whether it may.
    pub checked: Checked,
    /// What it is to tell.
    pub follows: Follows,
    /// What it is to sign with.
    pub secret: SigningSecret,
}

#[async_trait]
impl Command for CreateWebhook {
    const OPERATION: &'static str = "webhook.create";
    const ACTION: Action = Action::KeepWebhooks;
    type Answer = IssuedWebhook;

    fn content(&self) -> Value {
        json!({ "target": self.target, "follows": self.follows })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        if let Err(why) = &self.checked {
            return Ok(Decision::refused(WebhookRefusal::Address { why: why.clone() }));
        }
        uow.webhooks_lock(project).await?;
        let wanted = Webhook {
            id: self.id,
            target: self.target.clone(),
            follows: self.follows.clone(),
            standing: Standing::Active,
            failures: 0,
            failing_since: None,
            cursor: uow.facts_horizon().await?,
            next_number: 1,
            created_by: scene.call.principal.agent.clone(),
            created_at: scene.now,
            changed_at: scene.now,
            old_secret_until: None,
        };
        let webhook = match Webhook::create(wanted, uow.webhook_count(project).await?) {
            Ok(webhook) => webhook,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.webhook_add(project, &webhook, &SigningSecrets::new(self.secret.clone())).await?;
        let happening = happening(Self::OPERATION, "webhook.created", None, Some(&webhook));
        let secret = Some(shown(&self.secret));
        Ok(Decision::answered(IssuedWebhook { webhook, secret }, vec![happening]))
    }
}

/// Changes where a webhook goes, or what it tells.
#[derive(Debug, Clone)]
pub struct ChangeWebhook {
    /// Which.
    pub id: WebhookId,
    /// What is to be different.
    pub patch: WebhookPatch,
    /// Whether it may go to the new address.
    pub checked: Checked,
}

#[async_trait]
impl Command for ChangeWebhook {
    const OPERATION: &'static str = "webhook.change";
    const ACTION: Action = Action::KeepWebhooks;
    type Answer = Webhook;

    fn content(&self) -> Value {
        json!({ "id": self.id, "target": self.patch.target, "follows": self.patch.follows })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(before) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        if let Err(why) = &self.checked {
            return Ok(Decision::refused(WebhookRefusal::Address { why: why.clone() }));
        }
        let after = before.patch(&self.patch, scene.now);
        change(uow, scene, (Self::OPERATION, "webhook.changed"), &before, after).await
    }
}

/// Lets a webhook rest.
#[derive(Debug, Clone)]
pub struct PauseWebhook {
    /// Which.
    pub id: WebhookId,
}

#[async_trait]
impl Command for PauseWebhook {
    const OPERATION: &'static str = "webhook.pause";
    const ACTION: Action = Action::KeepWebhooks;
    type Answer = Webhook;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(before) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        let after = before.pause(scene.now);
        change(uow, scene, (Self::OPERATION, "webhook.paused"), &before, after).await
    }
}

/// The most deliveries whose rest is ended when a webhook goes on: as many as can wait.
const HURRIED_MAX: u32 = 2 * domain::webhooks::webhook::PENDING_MAX;

/// Lets a webhook go on, with what waits for it first.
#[derive(Debug, Clone)]
pub struct ResumeWebhook {
    /// Which.
    pub id: WebhookId,
}

#[async_trait]
impl Command for ResumeWebhook {
    const OPERATION: &'static str = "webhook.resume";
    const ACTION: Action = Action::KeepWebhooks;
    type Answer = Webhook;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let (project, now) = (&scene.call.project, scene.now);
        let Some(before) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        let after = before.resume(now);
        if after != before {
            let far = chrono::DateTime::<chrono::Utc>::MAX_UTC.min(now + chrono::TimeDelta::days(365));
            let waiting = uow.webhook_deliveries_due(project, self.id, far, HURRIED_MAX).await?;
            let hurried: Vec<_> = waiting.iter().map(|it| it.hurry(now)).zip(&waiting).collect();
            let hurried: Vec<_> = hurried.into_iter().filter(|(now, then)| now != *then).map(|(now, _)| now).collect();
            uow.webhook_deliveries_save(project, &hurried).await?;
        }
        change(uow, scene, (Self::OPERATION, "webhook.resumed"), &before, after).await
    }
}

/// Takes a webhook away, with what it has not told.
#[derive(Debug, Clone)]
pub struct RemoveWebhook {
    /// Which.
    pub id: WebhookId,
}

#[async_trait]
impl Command for RemoveWebhook {
    const OPERATION: &'static str = "webhook.remove";
    const ACTION: Action = Action::KeepWebhooks;
    /// What goes out of an archived project can still be stopped.
    const IN_PROJECT: bool = false;
    type Answer = WebhookId;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(before) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        uow.webhook_remove(&scene.call.project, self.id).await?;
        let happening = happening(Self::OPERATION, "webhook.removed", Some(&before), None);
        Ok(Decision::answered(self.id, vec![happening]))
    }
}

/// Puts a new secret in place; the one before stays valid for a day.
#[derive(Debug, Clone)]
pub struct RotateWebhookSecret {
    /// Which.
    pub id: WebhookId,
    /// The new secret.
    pub secret: SigningSecret,
}

#[async_trait]
impl Command for RotateWebhookSecret {
    const OPERATION: &'static str = "webhook.rotate_secret";
    const ACTION: Action = Action::KeepWebhooks;
    type Answer = IssuedWebhook;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let Some(before) = load(uow, scene, self.id).await? else { return Ok(unknown(self.id)) };
        let Some(secrets) = uow.webhook_secrets(project, self.id).await? else { return Ok(unknown(self.id)) };
        let (webhook, secrets) = before.rotate(&secrets, self.secret.clone(), scene.now);
        uow.webhook_save(project, &webhook).await?;
        uow.webhook_secrets_save(project, self.id, &secrets).await?;
        let happening = happening(Self::OPERATION, "webhook.secret_rotated", Some(&before), Some(&webhook));
        let secret = Some(shown(&self.secret));
        Ok(Decision::answered(IssuedWebhook { webhook, secret }, vec![happening]))
    }
}

/// Loads a webhook, locked.
pub(super) async fn load(
    uow: &mut dyn UnitOfWork,
    scene: &Scene<'_>,
    id: WebhookId,
) -> Result<Option<Webhook>, StoreError> {
    Ok(uow.webhooks_load(&scene.call.project, &[id]).await?.pop())
}

/// The refusal of a webhook that is not there.
pub(super) fn unknown<T>(id: WebhookId) -> Decision<T> {
    Decision::refused(WebhookRefusal::Unknown { id })
}

/// Saves a webhook if it is another than before.
async fn change(
    uow: &mut dyn UnitOfWork,
    scene: &Scene<'_>,
    (operation, kind): (&'static str, &'static str),
    before: &Webhook,
    webhook: Webhook,
) -> Result<Decision<Webhook>, StoreError> {
    let mut happenings = Vec::new();
    if webhook != *before {
        uow.webhook_save(&scene.call.project, &webhook).await?;
        happenings.push(happening(operation, kind, Some(before), Some(&webhook)));
    }
    Ok(Decision::answered(webhook, happenings))
}

/// What happened to a webhook.
pub(super) fn happening(
    operation: &str,
    kind: &'static str,
    before: Option<&Webhook>,
    after: Option<&Webhook>,
) -> Happening {
    let target = after.or(before).map(|webhook| webhook.id.to_string()).unwrap_or_default();
    let body = json!({ "id": target, "webhook": after.or(before).map(told) });
    let (before, after) = (before.map(told), after.map(told));
    let change = Change { operation: operation.to_owned(), target, before, after };
    Happening { change, kind, body, by_itself: false }
}

/// A webhook as everybody may know it: of its address the host alone, since the rest may be a secret of the target's.
fn told(webhook: &Webhook) -> Value {
    json!({
        "origin": webhook.target.origin(),
        "kinds": webhook.follows.kinds().collect::<BTreeSet<_>>(),
        "subject": webhook.follows.subject(),
        "standing": webhook.standing,
        "failures": webhook.failures,
        "failing_since": webhook.failing_since,
        "created_by": webhook.created_by,
        "old_secret_until": webhook.old_secret_until,
    })
}
