//! Lists of messages and deliveries.

use super::Mail;
use crate::in_memory::{InMemoryUnitOfWork, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId, ProjectId};
use domain::messages::audience::Listening;
use domain::messages::delivery::{Delivery, DeliveryStatus};
use domain::messages::listing::{
    Direction, InboxEntry, MessageFilter, UNREAD_BROADCASTS_MAX, URGENT_PRIORITY_MAX, Unread, UnreadAsk,
};
use domain::messages::message::{Message, Number};
use domain::page::{Page, PageSize};
use ports::messages::{InboxAsk, MailListing};
use ports::store::StoreError;
use std::collections::BTreeMap;

fn no_page<T, C>() -> Page<T, C> {
    Page { rows: Vec::new(), next: None }
}

impl Mail {
    fn accepts(&self, filter: &MessageFilter, message: &Message) -> bool {
        let words = match (&filter.search, self.contents.get(&message.number)) {
            (Some(_), Some(content)) => content.words(),
            _ => Vec::new(),
        };
        let viewer = filter.visible_to.as_ref();
        let was_delivered = viewer.is_some_and(|viewer| self.delivery(&viewer.agent, message.number).is_some());
        filter.accepts(message, &words, was_delivered)
    }

    /// The broadcasts that a listening brings, and that the agent has neither looked at nor got, nor have expired.
    fn unseen<'a>(&'a self, listening: &'a Listening, now: DateTime<Utc>) -> impl Iterator<Item = &'a Message> {
        let looked_to = self.mailboxes.get(&listening.agent).copied().unwrap_or_default();
        self.messages.values().filter(move |message| {
            message.number > looked_to
                && listening.brings(message)
                && !message.is_expired(now)
                && self.delivery(&listening.agent, message.number).is_none()
        })
    }

    fn unread(&self, ask: &UnreadAsk, now: DateTime<Utc>) -> Unread {
        let is_over = |delivery: &Delivery| delivery.time_out().is_some_and(|(at, _)| at <= now);
        let is_unread = |delivery: &&Delivery| delivery.is_open() && delivery.read_at.is_none() && !is_over(delivery);
        let unread = self.deliveries_of(&ask.agent).filter(is_unread).map(|delivery| delivery.priority);
        let most = rows(UNREAD_BROADCASTS_MAX);
        let unseen = ask.listenings.iter().flat_map(|listening| self.unseen(listening, now).take(most));
        unread.chain(unseen.map(|message| message.priority)).fold(Unread::default(), |count, priority| Unread {
            unread: count.unread + 1,
            urgent: count.urgent + u32::from(priority.number() <= URGENT_PRIORITY_MAX),
        })
    }
}

#[async_trait]
impl MailListing for InMemoryUnitOfWork {
    async fn message_list(
        &mut self,
        project: &ProjectId,
        filter: &MessageFilter,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<Page<Message, Number>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(no_page()) };
        let fits = |message: &&Message| filter.is_after(message.number, after) && mail.accepts(filter, message);
        let all = mail.messages.values();
        let most = rows(size.rows()) + 1;
        let found = match filter.direction {
            Direction::OldestFirst => all.filter(fits).take(most).cloned().collect(),
            Direction::NewestFirst => all.rev().filter(fits).take(most).cloned().collect(),
        };
        Ok(Page::cut(found, size, |message: &Message| message.number))
    }

    async fn inbox_list(
        &mut self,
        project: &ProjectId,
        ask: InboxAsk<'_>,
        after: Option<Number>,
        size: PageSize,
    ) -> Result<Page<InboxEntry, Number>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(no_page()) };
        let got = mail.deliveries_of(ask.agent).filter(|delivery| delivery.is_open() || !ask.open_only);
        let unseen = ask.listenings.iter().flat_map(|listening| mail.unseen(listening, ask.now));
        let got = got.map(|delivery| (delivery.number, Some(delivery)));
        let all: BTreeMap<Number, Option<&Delivery>> =
            unseen.map(|message| (message.number, None)).chain(got).collect();
        let entry = |(number, delivery): (Number, Option<&Delivery>)| {
            let message = mail.messages.get(&number)?.clone();
            Some(InboxEntry { message, delivery: delivery.cloned() })
        };
        let older = all.into_iter().rev().filter(|(number, _)| after.is_none_or(|after| *number < after));
        let found = older.filter_map(entry).take(rows(size.rows()) + 1).collect();
        Ok(Page::cut(found, size, |entry: &InboxEntry| entry.message.number))
    }

    async fn delivery_list(
        &mut self,
        project: &ProjectId,
        message: MessageId,
        after: Option<&AgentId>,
        size: PageSize,
    ) -> Result<Page<Delivery, AgentId>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(no_page()) };
        let is_next =
            |delivery: &&Delivery| delivery.message == message && after.is_none_or(|after| delivery.recipient > *after);
        let found = mail.deliveries.values().filter(is_next).take(rows(size.rows()) + 1).cloned().collect();
        Ok(Page::cut(found, size, |delivery: &Delivery| delivery.recipient.clone()))
    }

    async fn delivery_counts(
        &mut self,
        project: &ProjectId,
        message: MessageId,
    ) -> Result<BTreeMap<DeliveryStatus, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        let all = self.read().mail(project).into_iter().flat_map(|mail| mail.deliveries.values());
        for delivery in all.filter(|delivery| delivery.message == message) {
            *counts.entry(delivery.status()).or_default() += 1;
        }
        Ok(counts)
    }

    async fn unread_counts(
        &mut self,
        project: &ProjectId,
        asks: &[UnreadAsk],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<AgentId, Unread>, StoreError> {
        let mail = self.read().mail(project);
        let count = |ask: &UnreadAsk| mail.map_or_else(Unread::default, |mail| mail.unread(ask, now));
        Ok(asks.iter().map(|ask| (ask.agent.clone(), count(ask))).collect())
    }
}
