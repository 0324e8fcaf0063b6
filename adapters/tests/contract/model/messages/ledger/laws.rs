//! What must hold of all that is stored, and what becomes of what is over.

use super::{At, Ledger, Life, over};
use crate::model::messages::driver::Stored;
use chrono::{DateTime, Utc};
use domain::ids::{AgentId, MessageId};
use domain::messages::changes::Changes;
use domain::messages::delivery::DeliveryStatus;
use domain::messages::message::{Message, Number};
use std::collections::{BTreeMap, BTreeSet};

fn status(life: &Life) -> DeliveryStatus {
    match &life.at {
        At::Ended(status, _) => *status,
        _ if life.is_read => DeliveryStatus::Read,
        At::Waiting(_) => DeliveryStatus::Stored,
        At::InHand(..) => DeliveryStatus::Offered,
    }
}

fn is_open(life: &Life) -> bool {
    !matches!(life.at, At::Ended(..))
}

impl Ledger {
    /// Some deliveries were ended: those whose time was over, or all of an agent that goes.
    pub(super) fn swept(&mut self, changes: &Changes, gone: Option<&AgentId>) {
        let mut ended: BTreeSet<(MessageId, AgentId)> = BTreeSet::new();
        for changed in &changes.changed {
            let key = (changed.after.recipient.clone(), changed.after.number);
            let message = self.messages[&key.1].clone();
            let mut life = self.lives[&key].clone();
            let by_time = over(&life, &message).filter(|(at, _)| *at <= self.now);
            let end = match (by_time, gone) {
                (Some(end), _) => end,
                (None, Some(agent)) if *agent == key.0 => (self.now, DeliveryStatus::Failed),
                (None, _) => panic!("{life:?} of {} was ended too early", key.0),
            };
            assert_eq!((changed.after.ended_at(), changed.after.status()), (Some(end.0), end.1), "{life:?}");
            life.at = At::Ended(end.1, end.0);
            let is_there = |sender: &AgentId| self.registry.contains_key(sender) && gone != Some(sender);
            if message.sender.agent().is_some_and(is_there) {
                life.to_be_told += 1;
                ended.insert((message.id, key.0.clone()));
            }
            self.lives.insert(key, life);
        }
        for ((name, number), life) in &self.lives {
            let is_left = match gone {
                Some(agent) => agent == name && is_open(life),
                None => self.is_over(life, &self.messages[number]),
            };
            assert!(!is_left, "{number:?} of {name} was left: {life:?}");
        }
        self.told(changes, &ended);
    }

    fn told(&mut self, changes: &Changes, ended: &BTreeSet<(MessageId, AgentId)>) {
        let mut told: BTreeSet<(MessageId, AgentId)> = BTreeSet::new();
        for new in &changes.new {
            self.last_number = self.last_number.next();
            assert_eq!((new.message.number, new.message.at), (self.last_number, self.now));
            let data = new.content.data.as_ref().unwrap().value();
            let about: MessageId = serde_json::from_value(data["message"].clone()).unwrap();
            let sender = self.messages.values().find(|message| message.id == about).unwrap().sender.agent().cloned();
            let got: Vec<_> = new.deliveries.iter().map(|delivery| Some(delivery.recipient.clone())).collect();
            assert_eq!(got, [sender], "it goes to the sender");
            for recipient in data["recipients"].as_array().unwrap() {
                let name = AgentId::parse(recipient["agent"].as_str().unwrap()).unwrap();
                assert!(told.insert((about, name)), "told twice");
            }
            self.messages.insert(self.last_number, new.message.clone());
            for delivery in &new.deliveries {
                self.start(&delivery.recipient, self.last_number);
            }
        }
        assert_eq!(told, *ended);
        for (about, name) in told {
            let number = self.messages.values().find(|message| message.id == about).unwrap().number;
            self.lives.get_mut(&(name, number)).unwrap().told += 1;
        }
    }

    /// Some messages were forgotten.
    pub(crate) fn forgotten(&mut self, stored: &Stored, before: DateTime<Utc>) {
        let of =
            |number: Number| self.lives.iter().filter(move |((_, other), _)| *other == number).map(|(_, life)| life);
        let open: BTreeSet<MessageId> = self
            .messages
            .values()
            .filter(|message| of(message.number).any(is_open))
            .map(|message| message.thread)
            .collect();
        let is_old = |message: &&Message| {
            let ended = |life: &Life| matches!(life.at, At::Ended(_, at) if at < before);
            message.at < before && !open.contains(&message.thread) && of(message.number).all(ended)
        };
        let old: BTreeSet<Number> = self.messages.values().filter(is_old).map(|message| message.number).collect();
        let left: BTreeSet<Number> = stored.messages.iter().map(|message| message.number).collect();
        let gone: BTreeSet<Number> = self.messages.keys().filter(|number| !left.contains(number)).copied().collect();
        assert_eq!(gone, old, "what was forgotten");
        self.messages.retain(|number, _| !gone.contains(number));
        self.lives.retain(|(_, number), _| !gone.contains(number));
    }

    /// Compares with what is stored.
    pub(crate) fn check(&self, stored: &Stored) {
        assert!(stored.messages.iter().eq(self.messages.values()), "the messages");
        let found: BTreeMap<(AgentId, Number), (DeliveryStatus, u32)> = stored
            .deliveries
            .iter()
            .map(|delivery| ((delivery.recipient.clone(), delivery.number), (delivery.status(), delivery.attempts)))
            .collect();
        let known = |(key, life): (&(AgentId, Number), &Life)| (key.clone(), (status(life), life.offers));
        assert_eq!(found, self.lives.iter().map(known).collect(), "the deliveries");
        for (key, life) in &self.lives {
            assert!(life.acknowledged <= 1, "{key:?} was acknowledged twice");
            assert_eq!(life.told, life.to_be_told, "{key:?} was told {} times", life.told);
        }
        for name in self.registry.keys() {
            self.check_inbox(name, stored);
        }
        let members: BTreeSet<_> =
            stored.members.iter().map(|member| (member.group.clone(), member.agent.clone())).collect();
        assert!(members.iter().eq(self.members.keys()), "the members");
    }

    fn check_inbox(&self, name: &AgentId, stored: &Stored) {
        let own = self.lives.iter().filter(|((agent, _), life)| agent == name && is_open(life));
        let open: Vec<(Number, &Life)> = own.map(|((_, number), life)| (*number, life)).collect();
        let unseen = self.unseen(name).into_iter().filter(|message| !message.is_expired(self.now));
        let unseen: Vec<Number> = unseen.map(|message| message.number).collect();
        let (_, entries) = stored.shown.iter().find(|(agent, _)| agent == name).unwrap();
        let shown: BTreeSet<Number> = entries.iter().map(|entry| entry.message.number).collect();
        let expected: BTreeSet<Number> = open.iter().map(|(number, _)| *number).chain(unseen.iter().copied()).collect();
        assert_eq!(shown, expected, "the inbox of {name}");
        let is_unread =
            |(number, life): &&(Number, &Life)| !life.is_read && !self.is_over(life, &self.messages[number]);
        let unread = open.iter().filter(is_unread).count() + unseen.len();
        assert_eq!(stored.unread[name].unread as usize, unread, "unread of {name}");
    }

    /// Whether nobody has anything to do any more.
    pub(crate) fn is_worked_off(&self) -> bool {
        !self.lives.values().any(is_open)
            && self.registry.keys().all(|name| self.unseen(name).iter().all(|found| found.is_expired(self.now)))
    }
}
