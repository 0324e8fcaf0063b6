//! What was promised about messages so far, and whether an answer keeps it. It knows the answers given and its own few lines
//! about time, audience and order.

mod handing;
mod laws;

use crate::model::messages::driver::{Answer, Command, Registry, Word};
use crate::model::messages::steps::{AGENTS, GUEST};
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::principal::Role;
use domain::ids::{AgentId, MessageId, SessionId};
use domain::messages::audience::{Audience, GroupName, Recipient};
use domain::messages::conversation::{Pace, Pair};
use domain::messages::delivery::DeliveryStatus;
use domain::messages::message::{Message, Number};
use domain::work::name::{Capability, Environment};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// How many replies a minute two agents may send each other here.
pub(crate) const PACE: u32 = 3;
/// How many times a message is offered.
const OFFERS_MAX: u32 = 5;

/// Where a delivery is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum At {
    Waiting(DateTime<Utc>),
    InHand(SessionId, DateTime<Utc>),
    Ended(DeliveryStatus, DateTime<Utc>),
}

/// The life of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Life {
    pub(super) at: At,
    pub(super) offers: u32,
    pub(super) is_read: bool,
    /// How many times an acknowledgement was taken for the first one.
    pub(super) acknowledged: u32,
    /// In how many notices its end was told, and in how many it was to be.
    pub(super) told: u32,
    pub(super) to_be_told: u32,
}

pub(crate) struct Ledger {
    pub(super) now: DateTime<Utc>,
    pub(super) last_number: Number,
    pub(super) messages: BTreeMap<Number, Message>,
    pub(super) lives: BTreeMap<(AgentId, Number), Life>,
    pub(super) looked_to: BTreeMap<AgentId, Number>,
    pub(super) registry: Registry,
    pub(super) members: BTreeMap<(GroupName, AgentId), Number>,
    /// Accepted replies, and until when a pair is stopped.
    pub(super) replies: BTreeMap<Pair, Vec<DateTime<Utc>>>,
    pub(super) stopped: BTreeMap<Pair, DateTime<Utc>>,
    ids: u32,
}

pub(crate) fn group(number: usize) -> GroupName {
    GroupName::parse(["crew", "team"][number]).unwrap()
}

fn known(number: usize, now: DateTime<Utc>) -> Recipient {
    let rust = Capability::parse("rust").unwrap();
    let ci = Environment::parse("ci").unwrap();
    Recipient {
        agent: agent(AGENTS[number]),
        role: if number == 2 { Role::Orchestrator } else { Role::Agent },
        owner: None,
        environments: if number % 2 == 1 { BTreeSet::from([ci]) } else { BTreeSet::new() },
        capabilities: if number < 2 { BTreeSet::from([rust]) } else { BTreeSet::new() },
        registered_at: now,
        groups: BTreeMap::new(),
    }
}

/// When a delivery is over by time alone, and how.
pub(super) fn over(life: &Life, message: &Message) -> Option<(DateTime<Utc>, DeliveryStatus)> {
    let (free, hand) = match &life.at {
        At::Waiting(at) => (*at, None),
        At::InHand(_, until) => (*until, Some(*until)),
        At::Ended(..) => return None,
    };
    let mut ends = Vec::new();
    if life.offers == OFFERS_MAX {
        ends.push((free, DeliveryStatus::Failed));
    }
    if let Some(at) = message.expires_at {
        ends.push((hand.map_or(at, |until| until.max(at)), DeliveryStatus::Expired));
    }
    if let Some(at) = message.ack.and_then(|ack| ack.deadline) {
        ends.push((at, DeliveryStatus::Failed));
    }
    let first = ends.iter().map(|(at, _)| *at).min()?;
    // At one instant: the deadline, then the expiry, then the attempts.
    ends.into_iter().rev().find(|(at, _)| *at == first)
}

impl Ledger {
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        let registry = (0..GUEST).map(|number| (agent(AGENTS[number]), known(number, now))).collect();
        Self {
            now,
            last_number: Number::ZERO,
            messages: BTreeMap::new(),
            lives: BTreeMap::new(),
            looked_to: BTreeMap::new(),
            registry,
            members: BTreeMap::new(),
            replies: BTreeMap::new(),
            stopped: BTreeMap::new(),
            ids: 0,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn pass(&mut self, time: TimeDelta) {
        self.now += time;
    }

    pub(crate) fn fresh_ids(&mut self, count: u32) -> Vec<MessageId> {
        let first = self.ids + 1;
        self.ids += count;
        (first..=self.ids).map(|number| MessageId::new(Uuid::from_u128(number.into()))).collect()
    }

    pub(crate) fn pace() -> Pace {
        Pace::try_new(PACE).unwrap()
    }

    /// One of the latest messages.
    pub(crate) fn recent(&self, back: usize) -> Option<&Message> {
        self.messages.values().rev().nth(back)
    }

    pub(crate) fn sender_of(&self, id: MessageId) -> Option<AgentId> {
        self.messages.values().find(|message| message.id == id)?.sender.agent().cloned()
    }

    /// One of the latest messages that an agent got, whatever became of them; else one of the latest of all.
    pub(crate) fn recent_of(&self, who: usize, back: usize) -> Option<MessageId> {
        let name = agent(AGENTS[who]);
        let got = self.lives.keys().rev().filter(|(recipient, _)| *recipient == name);
        let got = got.map(|(_, number)| &self.messages[number]).nth(back);
        got.or_else(|| self.recent(0)).map(|message| message.id)
    }

    /// One of the latest messages that a session has in hand, or now and then another one of the agent; else as
    /// [`Self::recent_of`].
    pub(crate) fn in_hand_of(&self, who: usize, session: &SessionId, back: usize) -> Option<MessageId> {
        let name = agent(AGENTS[who]);
        let is_any = back % 3 == 2;
        let is_held = |life: &Life| matches!(&life.at, At::InHand(holder, until) if (is_any || holder == session) && *until > self.now);
        let held = self.lives.iter().rev().filter(|((recipient, _), life)| *recipient == name && is_held(life));
        let held = held.map(|((_, number), _)| self.messages[number].id).nth(back / 3);
        held.or_else(|| self.recent_of(who, back))
    }

    pub(crate) fn guest_comes(&mut self) {
        self.registry.insert(agent(AGENTS[GUEST]), known(GUEST, self.now));
    }

    pub(crate) fn guest_goes(&mut self) {
        let guest = agent(AGENTS[GUEST]);
        let is_open = |life: &Life| !matches!(life.at, At::Ended(..));
        assert!(!self.lives.iter().any(|((agent, _), life)| *agent == guest && is_open(life)), "all of it was ended");
        self.registry.remove(&guest);
    }

    /// The next instant at which an offer lapses, something that was put off comes back, or something is over.
    pub(crate) fn next_instant(&self) -> Option<DateTime<Utc>> {
        let instants = self.lives.iter().flat_map(|((_, number), life)| {
            let lapses = match &life.at {
                At::Waiting(at) | At::InHand(_, at) => Some(*at),
                At::Ended(..) => None,
            };
            let over = over(life, &self.messages[number]).map(|(at, _)| at);
            lapses.into_iter().chain(over)
        });
        instants.filter(|at| *at > self.now).min()
    }

    pub(super) fn is_over(&self, life: &Life, message: &Message) -> bool {
        over(life, message).is_some_and(|(at, _)| at <= self.now)
    }

    /// Whether an agent is to get a broadcast now.
    pub(super) fn is_for(&self, name: &AgentId, message: &Message) -> bool {
        let Some(known) = self.registry.get(name) else { return false };
        let belongs = match &message.audience {
            Audience::Agents(_) => false,
            Audience::Group(group) => {
                self.members.get(&(group.clone(), name.clone())).is_some_and(|after| message.number > *after)
            }
            Audience::Environment(environment) => known.environments.contains(environment),
            Audience::Capability(capability) => known.capabilities.contains(capability),
            Audience::Everyone => true,
            Audience::Orchestrators => known.role != Role::Agent,
        };
        belongs && message.is_broadcast && message.at >= known.registered_at && message.sender.agent() != Some(name)
    }

    /// The broadcasts that an agent has yet to look at, expired ones included.
    pub(super) fn unseen(&self, name: &AgentId) -> Vec<&Message> {
        let looked_to = self.looked_to.get(name).copied().unwrap_or_default();
        let is_unseen = |message: &&Message| {
            message.number > looked_to
                && self.is_for(name, message)
                && !self.lives.contains_key(&(name.clone(), message.number))
        };
        self.messages.values().filter(is_unseen).collect()
    }

    pub(super) fn start(&mut self, name: &AgentId, number: Number) {
        let message = &self.messages[&number];
        let life =
            Life { at: At::Waiting(message.at), offers: 0, is_read: false, acknowledged: 0, told: 0, to_be_told: 0 };
        assert!(self.lives.insert((name.clone(), number), life).is_none(), "{name} has {number:?} twice");
    }

    /// Judges an answer.
    pub(crate) fn judge(&mut self, command: &Command, answer: &Answer) {
        match (command, answer) {
            (Command::Send(sender, draft, ids, _), Answer::Sent(sent)) => match sent.as_ref() {
                Ok(sent) => self.sent(sender, draft, *ids, sent),
                Err(refusal) => self.not_sent(sender, draft, refusal),
            },
            (Command::Receive(name, receive), Answer::Received(received)) => self.received(name, receive, received),
            (Command::Say(name, session, message, word), Answer::Said(said)) => {
                self.said(name, session, *message, *word, said);
            }
            (Command::Say(name, _, message, _), Answer::NotThere) => {
                let found = self.messages.values().find(|known| known.id == *message);
                let found = found
                    .filter(|found| self.is_for(name, found) || self.lives.contains_key(&(name.clone(), found.number)));
                assert_eq!(found, None, "it was there for {name}");
            }
            (Command::Join(name, group), Answer::Joined(joined)) => {
                let key = (group.clone(), name.clone());
                match joined.as_ref().unwrap() {
                    Some(member) => {
                        assert_eq!((member.after, member.joined_at), (self.last_number, self.now));
                        assert!(self.members.insert(key, member.after).is_none());
                    }
                    None => assert!(self.members.contains_key(&key)),
                }
            }
            (Command::Leave(name, group), Answer::Left(left)) => {
                let was_there = self.members.remove(&(group.clone(), name.clone())).is_some();
                assert_eq!(left.is_ok(), was_there);
            }
            (Command::Sweep(_), Answer::Swept(changes)) => self.swept(changes, None),
            (Command::Abandon(name, _), Answer::Swept(changes)) => self.swept(changes, Some(name)),
            (command, answer) => panic!("{answer:?} is no answer to {command:?}"),
        }
    }

    fn said(
        &mut self,
        name: &AgentId,
        session: &SessionId,
        message: MessageId,
        word: Word,
        said: &Result<domain::messages::inbox::Said, domain::messages::refusal::MessageRefusal>,
    ) {
        let message = self.messages.values().find(|known| known.id == message).unwrap().clone();
        let key = (name.clone(), message.number);
        if !self.lives.contains_key(&key) {
            assert!(self.is_for(name, &message));
            if said.is_err() {
                let is_hopeless = matches!(word, Word::Return(_)) || message.is_expired(self.now);
                assert!(is_hopeless, "{said:?}");
                return;
            }
            self.start(name, message.number);
        }
        let mut life = self.lives[&key].clone();
        let is_dead = matches!(life.at, At::Ended(DeliveryStatus::Expired | DeliveryStatus::Failed, _))
            || self.is_over(&life, &message);
        let said = match said {
            Ok(said) => said,
            Err(refusal) => {
                let is_held = matches!(&life.at, At::InHand(holder, until) if holder == session && self.now < *until);
                let is_right = is_dead || (matches!(word, Word::Return(_)) && !is_held);
                assert!(is_right, "{word:?} of {name} about {life:?}: {refusal}");
                return;
            }
        };
        assert!(!is_dead, "{word:?} of {name} about {life:?} was taken");
        let is_ended = matches!(life.at, At::Ended(..));
        match word {
            Word::Return(delay) => {
                let seconds = if life.offers == OFFERS_MAX { 0 } else { i64::from(u32::from(delay)) };
                assert!(matches!(&life.at, At::InHand(holder, until) if holder == session && self.now < *until));
                life.at = At::Waiting(self.now + TimeDelta::seconds(seconds));
            }
            Word::Read => {
                assert_eq!(said.already, life.is_read);
                if !is_ended && message.ack.is_none() && !said.already {
                    life.at = At::Ended(DeliveryStatus::Read, self.now);
                }
                life.is_read = true;
            }
            Word::Acknowledge => {
                let was = matches!(life.at, At::Ended(DeliveryStatus::Acknowledged | DeliveryStatus::Answered, _));
                assert_eq!(said.already, was);
                if !said.already {
                    life.acknowledged += 1;
                    life.is_read = true;
                    life.at = At::Ended(DeliveryStatus::Acknowledged, self.now);
                }
            }
        }
        self.lives.insert(key, life);
    }
}
