//! What webhooks and their deliveries look like on the wire.

use crate::webhooks::commands::IssuedWebhook;
use chrono::{DateTime, Utc};
use domain::webhooks::delivery::{Attempt, Delivery, Outcome, Stage};
use domain::webhooks::webhook::{DisabledBecause, Standing, Webhook};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object};

/// Whether a webhook goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "WebhookState", rename_all = "snake_case")]
pub enum WebhookStateView {
    /// It reads facts and tells them.
    Active,
    /// Somebody lets it rest.
    Paused,
    /// It was given up; `disabled_because` says why.
    Disabled,
}

/// Why a webhook was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "WebhookDisabledBecause", rename_all = "snake_case")]
pub enum DisabledBecauseView {
    /// Too many attempts failed in a row, for too long.
    Failing,
    /// The target answered 410.
    Gone,
}

/// A webhook: facts told to an address outside.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Webhook", skip_serializing_if_is_none)]
pub struct WebhookView {
    /// Its id.
    pub id: String,
    /// Where it goes.
    pub url: String,
    /// The kinds of facts it tells.
    pub kinds: Vec<String>,
    /// The subject it tells of; absent if of any.
    pub subject: Option<String>,
    /// Whether it goes on.
    pub state: WebhookStateView,
    /// Since when it does not.
    pub state_since: Option<DateTime<Utc>>,
    /// Why it was given up.
    pub disabled_because: Option<DisabledBecauseView>,
    /// Attempts that failed since the last that did not.
    pub failures: u32,
    /// When the first of them failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// Deliveries that are not over. Told of a single webhook alone.
    pub pending: Option<u32>,
    /// Up to where it has read the facts.
    pub position: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When somebody last changed it.
    pub changed_at: DateTime<Utc>,
    /// Until when calls are signed with the secret before the present one too.
    pub old_secret_until: Option<DateTime<Utc>>,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let (state, state_since, disabled_because) = match webhook.standing {
            Standing::Active => (WebhookStateView::Active, None, None),
            Standing::Paused { since } => (WebhookStateView::Paused, Some(since), None),
            Standing::Disabled { since, because } => {
                let because = match because {
                    DisabledBecause::Failing => DisabledBecauseView::Failing,
                    DisabledBecause::Gone => DisabledBecauseView::Gone,
                };
                (WebhookStateView::Disabled, Some(since), Some(because))
            }
        };
        Self {
            id: webhook.id.to_string(),
            kinds: webhook.follows.kinds().map(str::to_owned).collect(),
            subject: webhook.follows.subject().map(str::to_owned),
            url: webhook.target.into(),
            state,
            state_since,
            disabled_because,
            failures: webhook.failures,
            failing_since: webhook.failing_since,
            pending: None,
            position: webhook.cursor.to_string(),
            created_by: webhook.created_by.into(),
            created_at: webhook.created_at,
            changed_at: webhook.changed_at,
            old_secret_until: webhook.old_secret_until,
        }
    }
}

/// A webhook and, this once, what its calls are signed with.
#[derive(Debug, Clone, Object)]
#[oai(rename = "IssuedWebhook", skip_serializing_if_is_none)]
pub struct IssuedWebhookView {
    /// The webhook.
    pub webhook: WebhookView,
    /// The secret, as Standard Webhooks writes it: `whsec_` and base 64. Absent in a replay.
    pub secret: Option<String>,
}

impl From<IssuedWebhook> for IssuedWebhookView {
    fn from(issued: IssuedWebhook) -> Self {
        let secret = issued.secret.map(|secret| secret.expose().to_owned());
        Self { webhook: issued.webhook.into(), secret }
    }
}

/// A page of webhooks.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WebhookPage", skip_serializing_if_is_none)]
pub struct WebhookPageView {
    /// At most the asked number, by id.
    pub webhooks: Vec<WebhookView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// A webhook that was taken away.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RemovedWebhook")]
pub struct RemovedWebhookView {
    /// Its id.
    pub removed: String,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "WebhookDeliveryState", rename_all = "snake_case")]
pub enum DeliveryStateView {
    /// An earlier one about the same subject has to be told first.
    Behind,
    /// It is to be told.
    Due,
    /// A server is telling it.
    Claimed,
    /// The target has taken it.
    Delivered,
    /// It was tried too often.
    Dead,
}

impl DeliveryStateView {
    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Due => "due",
            Self::Claimed => "claimed",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "WebhookOutcome", rename_all = "snake_case")]
pub enum OutcomeView {
    /// The target answered with `status`.
    Answered,
    /// The address may not be called.
    AddressRefused,
    /// The name of the host stands for no address.
    Unresolved,
    /// There was no answer in time.
    TimedOut,
    /// The connection could not be made or kept.
    Unreachable,
    /// The server that told it was not heard of again.
    Lost,
}

/// One attempt.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WebhookAttempt", skip_serializing_if_is_none)]
pub struct AttemptView {
    /// When it began.
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What came of it.
    pub outcome: OutcomeView,
    /// The status the target answered with.
    pub status: Option<u16>,
    /// What went wrong.
    pub detail: Option<String>,
}

impl From<Attempt> for AttemptView {
    fn from(Attempt { at, duration_ms, outcome }: Attempt) -> Self {
        let (outcome, status, detail) = match outcome {
            Outcome::Answered { status } => (OutcomeView::Answered, Some(status), None),
            Outcome::AddressRefused { detail } => (OutcomeView::AddressRefused, None, Some(detail)),
            Outcome::Unresolved { detail } => (OutcomeView::Unresolved, None, Some(detail)),
            Outcome::TimedOut => (OutcomeView::TimedOut, None, None),
            Outcome::Unreachable { detail } => (OutcomeView::Unreachable, None, Some(detail)),
            Outcome::Lost => (OutcomeView::Lost, None, None),
        };
        Self { at, duration_ms, outcome, status, detail }
    }
}

/// A fact on its way to a webhook.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WebhookDelivery", skip_serializing_if_is_none)]
pub struct WebhookDeliveryView {
    /// The fact, which the target knows it by: `webhook-id`.
    pub fact: String,
    /// Its place among the deliveries of the webhook.
    pub number: u64,
    /// The kind of the fact.
    pub kind: String,
    /// What the fact is about.
    pub subject: String,
    /// How far it is.
    pub state: DeliveryStateView,
    /// When it is told next.
    pub due_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Attempts made since then, or since it was asked for again.
    pub attempts: u32,
    /// The attempts, the latest last; at most 25.
    pub log: Vec<AttemptView>,
}

impl From<Delivery> for WebhookDeliveryView {
    fn from(delivery: Delivery) -> Self {
        let (state, due_at) = match delivery.stage {
            Stage::Behind => (DeliveryStateView::Behind, None),
            Stage::Due { at } => (DeliveryStateView::Due, Some(at)),
            Stage::Claimed { .. } => (DeliveryStateView::Claimed, None),
            Stage::Delivered { .. } => (DeliveryStateView::Delivered, None),
            Stage::Dead { .. } => (DeliveryStateView::Dead, None),
        };
        Self {
            fact: delivery.fact.to_string(),
            number: delivery.number,
            kind: delivery.kind,
            subject: delivery.subject,
            state,
            due_at,
            finished_at: delivery.stage.finished_at(),
            created_at: delivery.created_at,
            attempts: delivery.attempts,
            log: delivery.log.into_iter().map(Into::into).collect(),
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WebhookDeliveryPage", skip_serializing_if_is_none)]
pub struct WebhookDeliveryPageView {
    /// At most the asked number, newest first.
    pub deliveries: Vec<WebhookDeliveryView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// An answer to the making of a webhook.
#[derive(ApiResponse)]
pub enum CreatedWebhook {
    /// The webhook, and this once its secret.
    #[oai(status = 201)]
    Created(Json<IssuedWebhookView>),
}

/// An answer to what is told later.
#[derive(ApiResponse)]
pub enum AcceptedDelivery {
    /// The delivery, which is on its way.
    #[oai(status = 202)]
    Accepted(Json<WebhookDeliveryView>),
}
