//! What is due is claimed for this server and then told.

use crate::refusal::{CallError, chain};
use crate::webhooks::relay::{CALLS_PER_WEBHOOK_MAX, Relay};
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, WebhookId};
use domain::webhooks::delivery::{Attempt, Claim, Delivery, Stage};
use domain::webhooks::webhook::Webhook;
use domain::work::retry::Chance;
use ports::store::{StoreError, UnitOfWork};
use ports::webhooks::{Dispatch, WebhookSender};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The most webhooks of one look.
const WEBHOOKS_MAX: u32 = 500;

/// A claimed delivery.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) project: ProjectId,
    pub(super) webhook: WebhookId,
    number: u64,
    claims: u32,
    chance: Chance,
    dispatch: Dispatch,
}

/// A delivery that was told, or could not be.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) project: ProjectId,
    pub(super) webhook: WebhookId,
    pub(super) number: u64,
    /// The claim it was told under.
    pub(super) claims: u32,
    pub(super) attempt: Attempt,
    /// For the rest before the next attempt.
    pub(super) chance: Chance,
}

impl Errand {
    /// Tells it, once.
    pub(super) async fn run(self, sender: &dyn WebhookSender) -> Done {
        let Self { project, webhook, number, claims, chance, dispatch } = self;
        let began = Instant::now();
        let outcome = sender.send(&dispatch).await;
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Done { project, webhook, number, claims, chance, attempt: Attempt { at: dispatch.at, duration_ms, outcome } }
    }
}

impl Relay {
    /// Claims what is due, at most `room`, and of no webhook more than it may have under way.
    pub(super) async fn claim(
        &self,
        running: &BTreeMap<(ProjectId, WebhookId), usize>,
        mut room: usize,
    ) -> Result<Vec<Errand>, CallError> {
        if room == 0 {
            return Ok(Vec::new());
        }
        let due = {
            let mut uow = self.executor.store().begin_read().await?;
            let now = uow.now().await?;
            uow.webhooks_due(now, WEBHOOKS_MAX).await?
        };
        let mut errands = Vec::new();
        for at in due {
            let free = CALLS_PER_WEBHOOK_MAX.saturating_sub(running.get(&at).copied().unwrap_or(0)).min(room);
            if free == 0 {
                continue;
            }
            match self.claim_of(&at.0, at.1, free).await {
                Ok(claimed) => {
                    room -= claimed.len().min(room);
                    errands.extend(claimed);
                }
                // Another server is at it.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) if errands.is_empty() => return Err(error.into()),
                // What is claimed is told first, and the next look meets the same error again.
                Err(error) => {
                    tracing::debug!(project = %at.0, webhook = %at.1, error = chain(&error), "nothing was claimed");
                    break;
                }
            }
        }
        Ok(errands)
    }

    async fn claim_of(&self, project: &ProjectId, id: WebhookId, free: usize) -> Result<Vec<Errand>, StoreError> {
        let mut uow = self.executor.store().begin().await?;
        let Some(webhook) = uow.webhooks_load(project, &[id]).await?.pop().filter(Webhook::is_active) else {
            return Ok(Vec::new());
        };
        let Some(secrets) = uow.webhook_secrets(project, id).await? else { return Ok(Vec::new()) };
        let now = uow.now().await?;
        let rows_max = u32::try_from(free).unwrap_or(u32::MAX);
        let mut changed = Vec::new();
        let mut taken = Vec::new();
        for delivery in uow.webhook_deliveries_due(project, id, now, rows_max).await? {
            match delivery.claim(now, &self.policy) {
                Claim::Taken(delivery) => {
                    taken.push((delivery.number, delivery.claims, delivery.fact));
                    changed.push(delivery);
                }
                Claim::GivenUp(delivery) => changed.push(delivery),
                Claim::NotDue => {}
            }
        }
        let numbers: Vec<u64> = taken.iter().map(|(number, ..)| *number).collect();
        let mut bodies = uow.webhook_delivery_bodies(project, id, &numbers).await?;
        save(uow.as_mut(), project, id, &changed, now).await?;
        uow.commit().await?;
        let secrets: Vec<_> = secrets.valid_at(now).cloned().collect();
        let errand = |(number, claims, fact)| {
            let body = bodies.remove(&number)?;
            let dispatch =
                Dispatch { target: webhook.target.clone(), id: fact, at: now, secrets: secrets.clone(), body };
            let chance = self.executor.ids().chance();
            Some(Errand { project: project.clone(), webhook: id, number, claims, chance, dispatch })
        };
        Ok(taken.into_iter().filter_map(errand).collect())
    }
}

/// Saves deliveries of a webhook that is locked. Where one is over, the next of its subject has its turn.
pub(super) async fn save(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    webhook: WebhookId,
    deliveries: &[Delivery],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    uow.webhook_deliveries_save(project, deliveries).await?;
    let over = deliveries.iter().filter(|delivery| delivery.stage.finished_at().is_some());
    let subjects: BTreeSet<String> = over.map(|delivery| delivery.subject.clone()).collect();
    for dead in deliveries.iter().filter(|delivery| matches!(delivery.stage, Stage::Dead { .. })) {
        tracing::warn!(%project, %webhook, fact = %dead.fact, kind = dead.kind, "a delivery of a webhook is a dead letter");
    }
    if subjects.is_empty() {
        return Ok(());
    }
    let next = uow.webhook_deliveries_first(project, webhook, &subjects).await?;
    let next: Vec<Delivery> = next
        .iter()
        .map(|it| it.advance(now))
        .zip(&next)
        .filter(|(now, then)| now != *then)
        .map(|(now, _)| now)
        .collect();
    uow.webhook_deliveries_save(project, &next).await
}
