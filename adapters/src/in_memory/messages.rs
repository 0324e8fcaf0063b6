//! Messages, by project.

mod groups;
mod lists;
mod mail;

use super::{State, conflict};
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId, ProjectId};
use domain::messages::audience::GroupName;
use domain::messages::changes::{ChangedDelivery, Changes, NewMessage};
use domain::messages::content::Content;
use domain::messages::conversation::{Conversation, Pair};
use domain::messages::delivery::Delivery;
use domain::messages::group::Member;
use domain::messages::message::{Message, Number};
use ports::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Default)]
pub(super) struct Table {
    projects: BTreeMap<ProjectId, Arc<Mail>>,
}

/// The messages of a project.
#[derive(Clone, Default)]
struct Mail {
    last_number: Number,
    messages: BTreeMap<Number, Message>,
    numbers: BTreeMap<MessageId, Number>,
    contents: BTreeMap<Number, Arc<Content>>,
    deliveries: BTreeMap<(AgentId, Number), Delivery>,
    mailboxes: BTreeMap<AgentId, Number>,
    conversations: BTreeMap<Pair, Conversation>,
    members: BTreeMap<(GroupName, AgentId), Member>,
}

impl Table {
    fn of(&self, project: &ProjectId) -> Option<&Mail> {
        self.projects.get(project).map(Arc::as_ref)
    }

    fn of_mut(&mut self, project: &ProjectId) -> &mut Mail {
        Arc::make_mut(self.projects.entry(project.clone()).or_default())
    }
}

impl State {
    fn mail(&self, project: &ProjectId) -> Option<&Mail> {
        self.messages.of(project)
    }
}

impl Mail {
    fn find(&self, id: MessageId) -> Option<&Message> {
        self.messages.get(self.numbers.get(&id)?)
    }

    fn delivery(&self, recipient: &AgentId, number: Number) -> Option<&Delivery> {
        self.deliveries.get(&(recipient.clone(), number))
    }

    fn deliveries_of<'a>(&'a self, recipient: &AgentId) -> impl Iterator<Item = &'a Delivery> + use<'a> {
        let recipient = recipient.clone();
        let rest = self.deliveries.range((recipient.clone(), Number::ZERO)..);
        rest.take_while(move |((agent, _), _)| *agent == recipient).map(|(_, delivery)| delivery)
    }

    fn apply(&mut self, changes: &Changes) -> Result<(), StoreError> {
        for NewMessage { message, content, deliveries } in &changes.new {
            if message.number != self.last_number.next() || self.numbers.contains_key(&message.id) {
                return conflict("message");
            }
            self.last_number = message.number;
            self.numbers.insert(message.id, message.number);
            self.messages.insert(message.number, message.clone());
            self.contents.insert(message.number, Arc::new(content.clone()));
            self.make(deliveries)?;
        }
        self.make(&changes.made)?;
        for ChangedDelivery { before, after } in &changes.changed {
            match self.deliveries.get_mut(&(after.recipient.clone(), after.number)) {
                Some(stored) if stored == before => *stored = after.clone(),
                Some(_) | None => return conflict("delivery"),
            }
        }
        for conversation in &changes.conversations {
            self.conversations.insert(conversation.pair.clone(), conversation.clone());
        }
        if let Some(mailbox) = &changes.mailbox {
            let looked_to = self.mailboxes.entry(mailbox.agent.clone()).or_default();
            *looked_to = mailbox.looked_to.max(*looked_to);
        }
        Ok(())
    }

    fn make(&mut self, deliveries: &[Delivery]) -> Result<(), StoreError> {
        for delivery in deliveries {
            let key = (delivery.recipient.clone(), delivery.number);
            if self.deliveries.insert(key, delivery.clone()).is_some() {
                return conflict("delivery");
            }
        }
        Ok(())
    }

    /// The oldest messages that nobody needs any more.
    fn prunable(&self, before: DateTime<Utc>, rows_max: usize) -> BTreeSet<Number> {
        let open = self.deliveries.values().filter(|delivery| delivery.is_open());
        let threads: BTreeSet<MessageId> =
            open.filter_map(|delivery| self.messages.get(&delivery.number)).map(|message| message.thread).collect();
        let young = self.deliveries.values().filter(|delivery| delivery.ended_at().is_none_or(|at| at >= before));
        let young: BTreeSet<Number> = young.map(|delivery| delivery.number).collect();
        let is_over = |message: &&Message| {
            message.at < before && !threads.contains(&message.thread) && !young.contains(&message.number)
        };
        self.messages.values().filter(is_over).map(|message| message.number).take(rows_max).collect()
    }

    fn remove(&mut self, numbers: &BTreeSet<Number>) {
        self.messages.retain(|number, _| !numbers.contains(number));
        self.numbers.retain(|_, number| !numbers.contains(number));
        self.contents.retain(|number, _| !numbers.contains(number));
        self.deliveries.retain(|(_, number), _| !numbers.contains(number));
    }
}
