//! From facts to deliveries: each webhook's cursor moves in the commit that makes them.

use crate::refusal::CallError;
use crate::webhooks::relay::Relay;
use domain::events::{Fact, Position};
use domain::ids::{ProjectId, WebhookId};
use domain::webhooks::fan_out::{FanOut, GAP_KIND, NewDelivery, Told};
use domain::webhooks::webhook::{PENDING_MAX, Webhook};
use ports::store::StoreError;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The most webhooks that are looked at in one query.
const WEBHOOKS_MAX: u32 = 500;

/// The most facts that are read at once.
const FACTS_MAX: u32 = 500;

/// What a look at the facts came to.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The projects that have active webhooks.
    pub(super) projects: BTreeSet<ProjectId>,
    /// Whether there is more to read at once.
    pub(super) has_more: bool,
}

/// Facts that several webhooks have not read, for they all stand at one place.
struct Unread {
    project: ProjectId,
    cursor: Position,
    webhooks: Vec<WebhookId>,
    facts: Vec<(Position, Fact)>,
    /// From where on there are facts, if some after the cursor were forgotten, or the cursor is of another history.
    gap_until: Option<Position>,
}

impl Relay {
    /// Reads what webhooks have not read yet, some for each.
    pub(super) async fn read_facts(&self) -> Result<Read, CallError> {
        let (projects, unread) = self.unread().await?;
        let mut has_more = false;
        for part in unread {
            let is_full = part.facts.len() >= FACTS_MAX as usize;
            has_more |= self.hand_out(part).await? && is_full;
        }
        Ok(Read { projects, has_more })
    }

    async fn unread(&self) -> Result<(BTreeSet<ProjectId>, Vec<Unread>), StoreError> {
        let mut uow = self.executor.store().begin_read().await?;
        let mut places: BTreeMap<(ProjectId, Position), Vec<WebhookId>> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = uow.webhooks_active(after.as_ref(), WEBHOOKS_MAX).await?;
            let is_last = page.len() < WEBHOOKS_MAX as usize;
            after = page.last().map(|(project, webhook)| (project.clone(), webhook.id));
            for (project, webhook) in page {
                places.entry((project, webhook.cursor)).or_default().push(webhook.id);
            }
            if is_last {
                break;
            }
        }
        let projects: BTreeSet<ProjectId> = places.keys().map(|(project, _)| project.clone()).collect();
        if projects.is_empty() {
            return Ok((projects, Vec::new()));
        }
        let names: Vec<ProjectId> = projects.iter().cloned().collect();
        let newest: BTreeMap<ProjectId, Position> = uow.facts_newest(&names).await?.into_iter().collect();
        let horizon = uow.facts_horizon().await?;
        let mut unread = Vec::new();
        for ((project, cursor), webhooks) in places {
            if cursor > horizon {
                unread.push(Unread { project, cursor, webhooks, facts: Vec::new(), gap_until: Some(horizon) });
            } else if newest.get(&project).is_some_and(|newest| *newest > cursor) {
                let facts = uow.facts_after(&project, Some(cursor), FACTS_MAX).await?;
                let forgotten = uow.facts_forgotten(&project).await?;
                let gap_until = forgotten.filter(|forgotten| *forgotten > cursor);
                unread.push(Unread { project, cursor, webhooks, facts, gap_until });
            }
        }
        Ok((projects, unread))
    }

    /// Makes deliveries for those webhooks that still stand where they were; whether any has moved.
    async fn hand_out(&self, unread: Unread) -> Result<bool, StoreError> {
        let Unread { project, cursor, webhooks, facts, gap_until } = unread;
        let mut uow = self.executor.store().begin().await?;
        let now = uow.now().await?;
        let mut has_moved = false;
        for mut webhook in uow.webhooks_load(&project, &webhooks).await? {
            if !webhook.is_active() || webhook.cursor != cursor {
                continue;
            }
            let pending = uow.webhook_deliveries_pending(&project, webhook.id).await?;
            let mut room = PENDING_MAX.saturating_sub(pending) as usize;
            if room == 0 {
                continue;
            }
            let mut deliveries = Vec::new();
            if let Some(until) = gap_until {
                deliveries.push(self.tell_gap(&mut webhook, &project, until, now));
                room -= 1;
            }
            let told = facts.iter().filter(|(_, fact)| webhook.follows.accepts(fact));
            let subjects: BTreeSet<String> = told.map(|(_, fact)| fact.subject.clone()).collect();
            let waiting = uow.webhook_deliveries_first(&project, webhook.id, &subjects).await?;
            let waiting: BTreeSet<String> = waiting.into_iter().map(|delivery| delivery.subject).collect();
            let FanOut { webhook, deliveries: more } = webhook.fan_out(&facts, room, &waiting, now);
            deliveries.extend(more);
            has_moved |= webhook.cursor != cursor;
            uow.webhook_save(&project, &webhook).await?;
            uow.webhook_deliveries_add(&project, &deliveries).await?;
        }
        uow.commit().await?;
        Ok(has_moved)
    }

    /// Tells a webhook that it has missed facts, and lets it go on after them.
    fn tell_gap(
        &self,
        webhook: &mut Webhook,
        project: &ProjectId,
        until: Position,
        now: chrono::DateTime<chrono::Utc>,
    ) -> NewDelivery {
        tracing::warn!(%project, webhook = %webhook.id, after = %webhook.cursor, %until, "a webhook has missed facts");
        let (subject, body) = (webhook.id.to_string(), json!({ "after": webhook.cursor, "until": until }));
        webhook.cursor = until;
        let id = self.executor.ids().fact_id();
        let told = Told { id, kind: GAP_KIND, subject: &subject, at: now, project: project.as_str(), body: &body };
        // It is of no consequence in which order it comes.
        webhook.deliver(told, true, now)
    }
}
