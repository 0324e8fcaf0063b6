//! Sending, receiving, and what becomes of messages.

use crate::in_memory::{InMemoryUnitOfWork, rows};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId, ProjectId};
use domain::messages::audience::Listening;
use domain::messages::changes::Changes;
use domain::messages::content::Content;
use domain::messages::conversation::{Conversation, Pair};
use domain::messages::delivery::Delivery;
use domain::messages::inbox::Mailbox;
use domain::messages::message::{Message, Number};
use ports::identity::ProjectRepository;
use ports::messages::{MailHead, MailRepository};
use ports::store::{StoreError, UnitOfWork};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[async_trait]
impl MailRepository for InMemoryUnitOfWork {
    async fn mail_head_lock(&mut self, project: &ProjectId) -> Result<Option<MailHead>, StoreError> {
        if self.project_find(project).await?.is_none() {
            return Ok(None);
        }
        let last_number = self.mail_last_number(project).await?;
        Ok(Some(MailHead { now: self.now().await?, last_number }))
    }

    async fn mail_last_number(&mut self, project: &ProjectId) -> Result<Number, StoreError> {
        Ok(self.read().mail(project).map_or(Number::ZERO, |mail| mail.last_number))
    }

    async fn mailboxes_lock(&mut self, project: &ProjectId, agents: &[AgentId]) -> Result<Vec<Mailbox>, StoreError> {
        let agents: BTreeSet<&AgentId> = agents.iter().collect();
        let mail = self.read().mail(project);
        let looked_to = |agent: &AgentId| mail.and_then(|mail| mail.mailboxes.get(agent)).copied().unwrap_or_default();
        Ok(agents.into_iter().map(|agent| Mailbox { agent: agent.clone(), looked_to: looked_to(agent) }).collect())
    }

    async fn messages_load(&mut self, project: &ProjectId, ids: &[MessageId]) -> Result<Vec<Message>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(Vec::new()) };
        let ids: BTreeSet<MessageId> = ids.iter().copied().collect();
        Ok(ids.into_iter().filter_map(|id| mail.find(id)).cloned().collect())
    }

    async fn message_contents_load(
        &mut self,
        project: &ProjectId,
        ids: &[MessageId],
    ) -> Result<BTreeMap<MessageId, Content>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(BTreeMap::new()) };
        let content = |id: &MessageId| mail.contents.get(mail.numbers.get(id)?).map(|content| (**content).clone());
        Ok(ids.iter().filter_map(|id| Some((*id, content(id)?))).collect())
    }

    async fn broadcasts_after(
        &mut self,
        project: &ProjectId,
        listenings: &[Listening],
        numbers: (Number, Number),
        rows_max: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(Vec::new()) };
        let (after, up_to) = numbers;
        let is_new = |message: &&Message| {
            message.number > after
                && message.number <= up_to
                && listenings.iter().any(|listening| {
                    listening.brings(message) && mail.delivery(&listening.agent, message.number).is_none()
                })
        };
        Ok(mail.messages.values().filter(is_new).take(rows(rows_max)).cloned().collect())
    }

    async fn deliveries_load(
        &mut self,
        project: &ProjectId,
        recipient: &AgentId,
        messages: &[MessageId],
    ) -> Result<Vec<Delivery>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(Vec::new()) };
        let ids: BTreeSet<&MessageId> = messages.iter().collect();
        let numbers = ids.into_iter().filter_map(|id| mail.numbers.get(id));
        Ok(numbers.filter_map(|number| mail.delivery(recipient, *number)).cloned().collect())
    }

    async fn deliveries_open(
        &mut self,
        project: &ProjectId,
        recipient: &AgentId,
        up_to: Number,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(Vec::new()) };
        let open = mail.deliveries_of(recipient).filter(|delivery| delivery.is_open() && delivery.number <= up_to);
        Ok(open.take(rows(rows_max)).cloned().collect())
    }

    async fn deliveries_due(
        &mut self,
        project: &ProjectId,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(Vec::new()) };
        let over = |delivery: &&Delivery| delivery.time_out().map(|(at, _)| at).filter(|at| *at <= now);
        let mut due: Vec<&Delivery> = mail.deliveries.values().filter(|delivery| over(delivery).is_some()).collect();
        due.sort_by_key(|delivery| (over(delivery), delivery.number));
        Ok(due.into_iter().take(rows(rows_max)).cloned().collect())
    }

    async fn projects_with_deliveries_due(
        &mut self,
        now: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<ProjectId>, StoreError> {
        let is_due = |delivery: &Delivery| delivery.time_out().is_some_and(|(at, _)| at <= now);
        let due = self.read().messages.projects.iter().filter(|(_, mail)| mail.deliveries.values().any(is_due));
        Ok(due.map(|(project, _)| project.clone()).take(rows(rows_max)).collect())
    }

    async fn counted_open(
        &mut self,
        project: &ProjectId,
        agents: &[AgentId],
    ) -> Result<BTreeMap<AgentId, u32>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(BTreeMap::new()) };
        let count = |agent: &AgentId| {
            let open = mail.deliveries_of(agent).filter(|delivery| delivery.is_counted && delivery.is_open());
            u32::try_from(open.count()).unwrap_or(u32::MAX)
        };
        let counts = agents.iter().map(|agent| (agent.clone(), count(agent)));
        Ok(counts.filter(|(_, count)| *count > 0).collect())
    }

    async fn conversations_load(
        &mut self,
        project: &ProjectId,
        pairs: &[Pair],
    ) -> Result<Vec<Conversation>, StoreError> {
        let Some(mail) = self.read().mail(project) else { return Ok(Vec::new()) };
        let pairs: BTreeSet<&Pair> = pairs.iter().collect();
        Ok(pairs.into_iter().filter_map(|pair| mail.conversations.get(pair)).cloned().collect())
    }

    async fn mail_save(&mut self, project: &ProjectId, changes: &Changes) -> Result<(), StoreError> {
        Arc::make_mut(&mut self.write()?.messages).of_mut(project).apply(changes)?;
        self.wrote();
        Ok(())
    }

    async fn messages_prune(&mut self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        let table = Arc::make_mut(&mut self.write()?.messages);
        let mut left = rows(rows_max);
        let mut pruned = 0;
        for mail in table.projects.values_mut() {
            let mail = Arc::make_mut(mail);
            mail.conversations.retain(|_, conversation| conversation.stale_at() >= before);
            let numbers = mail.prunable(before, left);
            left -= numbers.len();
            pruned += numbers.len() as u64;
            mail.remove(&numbers);
        }
        self.wrote();
        Ok(pruned)
    }
}
