//! Sending and receiving.

use super::{At, Ledger, Life, OFFERS_MAX, PACE};
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::principal::Role;
use domain::ids::AgentId;
use domain::locks::lease::Holder;
use domain::messages::audience::Audience;
use domain::messages::conversation::{Pace, Pair, STOP_WINDOW_SECONDS, STOPPED_SECONDS, WINDOW_SECONDS};
use domain::messages::delivery::{Delivery, DeliveryState, DeliveryStatus};
use domain::messages::inbox::{Receive, Received};
use domain::messages::message::{Message, Number};
use domain::messages::refusal::MessageRefusal;
use domain::messages::send::{Draft, FreshIds, Sent};
use std::collections::BTreeSet;

impl Ledger {
    /// Who would have to get a delivery at once.
    fn at_once(&self, sender: &AgentId, draft: &Draft) -> BTreeSet<AgentId> {
        if let Audience::Agents(named) = &draft.audience {
            return named.iter().cloned().collect();
        }
        if draft.ack.is_none() {
            return BTreeSet::new();
        }
        let belongs = |name: &&AgentId| {
            let known = &self.registry[*name];
            let is_in = match &draft.audience {
                Audience::Group(group) => self.members.contains_key(&(group.clone(), (*name).clone())),
                Audience::Environment(environment) => known.environments.contains(environment),
                Audience::Capability(capability) => known.capabilities.contains(capability),
                Audience::Orchestrators => known.role != Role::Agent,
                Audience::Everyone | Audience::Agents(_) => true,
            };
            is_in && *name != sender
        };
        self.registry.keys().filter(belongs).cloned().collect()
    }

    fn replied(&self, draft: &Draft) -> Option<&Message> {
        self.messages.values().find(|message| Some(message.id) == draft.in_reply_to)
    }

    fn pair(&self, sender: &AgentId, draft: &Draft) -> Option<Pair> {
        let other = self.replied(draft)?.sender.agent()?;
        (other != sender).then(|| Pair::of(sender.clone(), other.clone()))
    }

    fn in_the_last_minute(&self, pair: &Pair) -> Vec<DateTime<Utc>> {
        let minute = TimeDelta::seconds(WINDOW_SECONDS);
        let all = self.replies.get(pair).into_iter().flatten();
        all.filter(|at| self.now - **at < minute).copied().collect()
    }

    pub(super) fn sent(&mut self, sender: &Holder, draft: &Draft, ids: FreshIds, sent: &Sent) {
        let message = &sent.message;
        assert_eq!((message.id, message.number, message.at), (ids.message, self.last_number.next(), self.now));
        let expected = self.at_once(&sender.agent, draft);
        assert!(expected.iter().all(|name| self.registry.contains_key(name)), "{expected:?}");
        let is_broadcast = expected.is_empty();
        assert_eq!(message.is_broadcast, is_broadcast);
        if let (Audience::Group(group), true) = (&draft.audience, is_broadcast) {
            assert!(self.members.keys().any(|(name, _)| name == group), "it goes to nobody");
        }
        if let Some(pair) = self.pair(&sender.agent, draft) {
            assert!(self.stopped.get(&pair).is_none_or(|until| *until <= self.now), "it was stopped");
            assert!(self.in_the_last_minute(&pair).len() < PACE as usize, "too many in a minute");
            self.replies.entry(pair.clone()).or_default().push(self.now);
            let window = TimeDelta::seconds(STOP_WINDOW_SECONDS);
            let lately = self.replies[&pair].iter().filter(|at| self.now - **at < window).count();
            assert_eq!(sent.stopped.is_some(), lately >= (PACE * Pace::STOP_FACTOR) as usize, "{lately} replies");
            if sent.stopped.is_some() {
                self.stopped.insert(pair.clone(), self.now + TimeDelta::seconds(STOPPED_SECONDS));
                self.replies.remove(&pair);
            }
        } else {
            assert_eq!(sent.stopped, None);
        }
        self.answered(&sender.agent, draft, sent);
        let got = |deliveries: &[Delivery]| -> BTreeSet<AgentId> {
            assert!(deliveries.iter().all(|delivery| delivery.attempts == 0));
            deliveries.iter().map(|delivery| delivery.recipient.clone()).collect()
        };
        assert_eq!(got(&sent.changes.new[0].deliveries), expected);
        assert_eq!(sent.changes.new.len(), 1 + usize::from(sent.stopped.is_some()), "a notice if it is stopped");
        for new in &sent.changes.new {
            self.last_number = self.last_number.next();
            assert_eq!(new.message.number, self.last_number);
            self.messages.insert(self.last_number, new.message.clone());
            for name in got(&new.deliveries) {
                self.start(&name, self.last_number);
            }
        }
    }

    fn answered(&mut self, sender: &AgentId, draft: &Draft, sent: &Sent) {
        let Some(replied) = self.replied(draft).cloned() else { return };
        let key = (sender.clone(), replied.number);
        if !self.lives.contains_key(&key) && sent.answered.is_some() {
            assert!(self.is_for(sender, &replied));
            self.start(sender, replied.number);
        }
        let Some(mut life) = self.lives.get(&key).cloned() else { return };
        let may = match &life.at {
            At::Ended(status, _) => matches!(status, DeliveryStatus::Read | DeliveryStatus::Acknowledged),
            At::Waiting(_) | At::InHand(..) => !self.is_over(&life, &replied),
        };
        assert_eq!(sent.answered.is_some(), may, "{life:?}");
        if may {
            life.at = At::Ended(DeliveryStatus::Answered, self.now);
            life.is_read = true;
            self.lives.insert(key, life);
        }
    }

    pub(super) fn not_sent(&mut self, sender: &Holder, draft: &Draft, refusal: &MessageRefusal) {
        let expected = self.at_once(&sender.agent, draft);
        let is_right = match refusal {
            MessageRefusal::RecipientsUnknown { agents } => {
                let unknown: Vec<&AgentId> =
                    expected.iter().filter(|name| !self.registry.contains_key(*name)).collect();
                !unknown.is_empty() && agents.iter().eq(unknown)
            }
            MessageRefusal::AudienceEmpty { .. } => match &draft.audience {
                Audience::Group(group) => {
                    expected.is_empty() && (draft.ack.is_some() || !self.members.keys().any(|(name, _)| name == group))
                }
                _ => draft.ack.is_some() && expected.is_empty(),
            },
            MessageRefusal::RepliedUnknown { .. } => self.replied(draft).is_none_or(|message| {
                message.sender.agent() != Some(&sender.agent)
                    && !self.is_for(&sender.agent, message)
                    && !self.lives.contains_key(&(sender.agent.clone(), message.number))
            }),
            MessageRefusal::ConversationSlowed { until, .. } => {
                let lately = self.in_the_last_minute(&self.pair(&sender.agent, draft).unwrap());
                let leaves = lately.len().checked_sub(PACE as usize).map(|at| lately[at]);
                leaves.is_some_and(|at| at + TimeDelta::seconds(WINDOW_SECONDS) == *until)
            }
            MessageRefusal::ConversationStopped { until, .. } => {
                let stopped = self.stopped.get(&self.pair(&sender.agent, draft).unwrap());
                *until > self.now && stopped == Some(until)
            }
            _ => false,
        };
        assert!(is_right, "{refusal:?} for {draft:?}");
    }

    /// Whether something can be offered to an agent, but for what its sender sent before.
    fn can_be_had(&self, life: &Life, message: &Message) -> bool {
        let free_at = match &life.at {
            At::Waiting(at) | At::InHand(_, at) => *at,
            At::Ended(..) => return false,
        };
        free_at <= self.now && !self.is_over(life, message)
    }

    /// What stands before a delivery: the first that its sender sent earlier and that is neither over nor in hand.
    fn stands_before(&self, name: &AgentId, message: &Message) -> Option<Number> {
        let of_sender = |other: &&Message| other.sender.agent() == message.sender.agent();
        let earlier = self.messages.range(..message.number).map(|(_, other)| other).filter(of_sender);
        let looked_to = self.looked_to.get(name).copied().unwrap_or_default();
        let is_waiting = |other: &&Message| {
            let Some(life) = self.lives.get(&(name.clone(), other.number)) else {
                return self.is_for(name, other) && other.number > looked_to && !other.is_expired(self.now);
            };
            match &life.at {
                At::Ended(..) => false,
                At::InHand(_, until) => *until <= self.now && !self.is_over(life, other),
                At::Waiting(_) => !self.is_over(life, other),
            }
        };
        let mut waiting = earlier.filter(is_waiting);
        waiting.next().map(|other| other.number)
    }

    pub(super) fn received(&mut self, name: &AgentId, receive: &Receive, received: &Received) {
        // What was looked at has its life now; nothing of it is left out.
        let is_good = |message: &&Message| !message.is_expired(self.now);
        let unseen: Vec<Number> = self.unseen(name).into_iter().filter(is_good).map(|found| found.number).collect();
        let made: Vec<Number> = received.changes.made.iter().map(|delivery| delivery.number).collect();
        assert_eq!(made, unseen, "the broadcasts for {name}");
        for number in made {
            self.start(name, number);
        }
        let to = received.changes.mailbox.as_ref().map(|mailbox| mailbox.looked_to);
        let before = self.looked_to.get(name).copied().unwrap_or_default();
        assert_eq!(to.unwrap_or(before), self.last_number, "it has looked at everything");
        self.looked_to.insert(name.clone(), self.last_number);

        let until = self.now + TimeDelta::seconds(i64::from(receive.visibility.seconds()));
        for delivery in &received.offered {
            let message = self.messages[&delivery.number].clone();
            let key = (name.clone(), delivery.number);
            let mut life = self.lives[&key].clone();
            assert_eq!(&delivery.recipient, name);
            assert!(self.can_be_had(&life, &message), "{life:?} was offered to {name}");
            assert_eq!(self.stands_before(name, &message), None, "before {:?} of {name}", message.number);
            life.offers += 1;
            assert!(delivery.attempts == life.offers && life.offers <= OFFERS_MAX, "{life:?}");
            assert_eq!(delivery.state, DeliveryState::Offered { session: receive.session.clone(), until });
            life.at = At::InHand(receive.session.clone(), until);
            self.lives.insert(key, life);
        }
        let count = receive.count.count() as usize;
        assert!(received.offered.len() <= count);
        if received.offered.len() < count {
            for ((_, number), life) in self.lives.iter().filter(|((agent, _), _)| agent == name) {
                let message = &self.messages[number];
                let is_stuck = self.can_be_had(life, message) && self.stands_before(name, message).is_none();
                assert!(!is_stuck, "{number:?} could have been offered to {name}: {life:?}");
            }
        }
    }
}
