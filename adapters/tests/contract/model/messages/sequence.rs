//! One sequence of commands on messages, on all stores.

use crate::model::messages::driver::{self, Answer, Command, Stored, Word};
use crate::model::messages::ledger::{Ledger, group};
use crate::model::messages::steps::{AGENTS, GUEST, Sent, Step, To};
use crate::model::stores::Stores;
use crate::samples::*;
use chrono::TimeDelta;
use domain::ids::{MessageId, ProjectId, SessionId};
use domain::locks::lease::Holder;
use domain::messages::audience::{Audience, Named};
use domain::messages::content::{Content, Links, Subject};
use domain::messages::delivery::ATTEMPTS_MAX;
use domain::messages::inbox::{Receive, ReceiveCount, ReturnDelay, Visibility};
use domain::messages::message::{Ack, MessageType};
use domain::messages::send::{Draft, FreshIds};
use domain::work::name::{Capability, Environment};
use domain::work::rank::Priority;
use std::rc::Rc;

/// How often everybody works until nothing is left.
const ROUNDS_MAX: usize = 60;
/// How many ids a sweep has for notices.
const NOTICES: u32 = 200;

/// One sequence: its project, and what was promised in it so far.
pub(super) struct Sequence {
    stores: Rc<Stores>,
    project: ProjectId,
    ledger: Ledger,
}

fn holder(who: usize, session: usize) -> Holder {
    Holder { agent: agent(AGENTS[who]), session: session_of(who, session) }
}

fn session_of(who: usize, session: usize) -> SessionId {
    session_id(&format!("{}-{session}", AGENTS[who]))
}

/// A note with nothing special in it.
pub(crate) fn draft(audience: Audience) -> Draft {
    Draft {
        audience,
        message_type: MessageType::Note,
        kind: None,
        priority: Priority::DEFAULT,
        content: Content {
            subject: Subject::parse("a word").unwrap(),
            body: None,
            data: None,
            links: Links::default(),
        },
        in_reply_to: None,
        correlation_id: None,
        ack: None,
        expires_at: None,
        on_behalf_of: None,
        task: None,
    }
}

fn audience(to: &To) -> Audience {
    match to {
        To::Named(bits) => {
            let named = (0..AGENTS.len()).filter(|number| bits & (1 << number) != 0);
            Audience::Agents(Named::try_new(named.map(|number| agent(AGENTS[number])).collect()).unwrap())
        }
        To::Group(number) => Audience::Group(group(*number)),
        To::Capability => Audience::Capability(Capability::parse("rust").unwrap()),
        To::Environment => Audience::Environment(Environment::parse("ci").unwrap()),
        To::Everyone => Audience::Everyone,
        To::Orchestrators => Audience::Orchestrators,
    }
}

impl Sequence {
    pub(super) fn new(stores: Rc<Stores>, project: ProjectId, ledger: Ledger) -> Self {
        Self { stores, project, ledger }
    }

    fn stored(&self) -> Stored {
        let all = AGENTS.map(agent);
        self.stores.ask(&async |store| driver::stored(store, &self.project, self.ledger.registry(), &all).await)
    }

    fn is_here(&self, who: usize) -> bool {
        self.ledger.registry().contains_key(&agent(AGENTS[who]))
    }

    fn fresh(&mut self) -> FreshIds {
        let ids = self.ledger.fresh_ids(2);
        FreshIds { message: ids[0], notice: ids[1] }
    }

    fn tell(&mut self, command: &Command, is_cut_off: bool) -> Answer {
        let run = |is_cut_off| {
            self.stores.ask(&async |store| {
                let registry = self.ledger.registry();
                driver::run(store.store(), &self.project, registry, command, is_cut_off).await.unwrap()
            })
        };
        if is_cut_off {
            let before = self.stored();
            let answer = run(true);
            assert_eq!(self.stored(), before, "the server died, so nothing happened");
            return answer;
        }
        let answer = run(false);
        self.ledger.judge(command, &answer);
        answer
    }

    fn pass(&mut self, time: TimeDelta) {
        self.stores.pass(time);
        self.ledger.pass(time);
    }

    fn sweep(&mut self, is_cut_off: bool) {
        let fresh = self.ledger.fresh_ids(NOTICES);
        self.tell(&Command::Sweep(fresh), is_cut_off);
    }

    fn receive(&mut self, who: usize, session: usize, count: u32, visibility: u32, is_cut_off: bool) -> Vec<MessageId> {
        let receive = Receive {
            session: session_of(who, session),
            visibility: Visibility::try_new(visibility).unwrap(),
            count: ReceiveCount::try_new(count).unwrap(),
        };
        match self.tell(&Command::Receive(agent(AGENTS[who]), receive), is_cut_off) {
            Answer::Received(received) => received.offered.iter().map(|delivery| delivery.message).collect(),
            answer => panic!("{answer:?}"),
        }
    }

    fn say(&mut self, who: usize, session: usize, message: Option<MessageId>, word: Word, is_cut_off: bool) {
        if let Some(message) = message {
            let command = Command::Say(agent(AGENTS[who]), session_of(who, session), message, word);
            self.tell(&command, is_cut_off);
        }
    }

    fn work(&mut self, who: usize) {
        for message in self.receive(who, 0, ReceiveCount::MAX, 60, false) {
            self.say(who, 0, Some(message), Word::Acknowledge, false);
        }
    }

    fn reply(&mut self, who: usize, message: MessageId, to: usize, is_cut_off: bool) {
        let named = Audience::Agents(Named::one(agent(AGENTS[to])));
        let reply = Draft { message_type: MessageType::Reply, in_reply_to: Some(message), ..draft(named) };
        let ids = self.fresh();
        self.tell(&Command::Send(holder(who, 0), Box::new(reply), ids, Ledger::pace()), is_cut_off);
    }

    /// Answers whoever sent it.
    fn reply_to(&mut self, who: usize, message: MessageId, is_cut_off: bool) {
        let sender = self.ledger.sender_of(message);
        let to = AGENTS.iter().position(|name| sender.as_ref() == Some(&agent(name)));
        self.reply(who, message, to.unwrap_or(0), is_cut_off);
    }

    fn reply_to_latest(&mut self, who: usize) {
        if let Some(message) = self.ledger.recent_of(who, 0) {
            self.reply_to(who, message, false);
        }
    }

    /// Two that answer each other: `ann` says something to `bob`, and so on.
    fn chat(&mut self, times: usize, gap: i64) {
        let ids = self.fresh();
        let first = draft(Audience::Agents(Named::one(agent(AGENTS[1]))));
        self.tell(&Command::Send(holder(0, 0), Box::new(first), ids, Ledger::pace()), false);
        for turn in 0..times {
            let (who, to) = if turn % 2 == 0 { (1, 0) } else { (0, 1) };
            let to_this = |message: &&domain::messages::message::Message| {
                message.sender.agent() == Some(&agent(AGENTS[to]))
                    && message.audience == Audience::Agents(Named::one(agent(AGENTS[who])))
            };
            let last = (0..8).filter_map(|back| self.ledger.recent(back)).find(to_this).map(|message| message.id);
            if let Some(last) = last {
                self.reply(who, last, to, false);
            }
            self.pass(TimeDelta::seconds(gap));
        }
    }

    fn come_or_go(&mut self) {
        if !self.is_here(GUEST) {
            self.ledger.guest_comes();
            return;
        }
        let fresh = self.ledger.fresh_ids(NOTICES);
        self.tell(&Command::Abandon(agent(AGENTS[GUEST]), fresh), false);
        self.ledger.guest_goes();
    }

    pub(super) fn run(&mut self, sent: &Sent) {
        let Sent { step, is_cut_off } = sent;
        let (who, is_cut_off) = (step.who(), *is_cut_off);
        if who.is_some_and(|who| !self.is_here(who)) {
            return;
        }
        match step {
            Step::Send { who, to, priority, ack, expires } => {
                let ahead = |seconds: &i64| self.ledger.now() + TimeDelta::seconds(*seconds);
                // The longest stands for none.
                let ack = ack.map(|seconds| Ack { deadline: (seconds < 100_000).then(|| ahead(&seconds)) });
                let priority = Priority::try_new(*priority).unwrap();
                let expires_at = expires.as_ref().map(ahead);
                let draft = Draft { priority, ack, expires_at, ..draft(audience(to)) };
                let ids = self.fresh();
                self.tell(&Command::Send(holder(*who, 0), Box::new(draft), ids, Ledger::pace()), is_cut_off);
            }
            Step::Reply { who, message } => {
                // Now and then one that it cannot know of.
                let known = self.ledger.recent_of(*who, *message).filter(|_| *message > 0);
                let any = self.ledger.recent(*message).map(|found| found.id);
                if let Some(id) = known.or(any) {
                    self.reply_to(*who, id, is_cut_off);
                }
            }
            Step::Chat { times, gap } => self.chat(*times, *gap),
            Step::Receive { who, session, count, visibility } => {
                self.receive(*who, *session, *count, *visibility, is_cut_off);
            }
            Step::Read { who, message } => {
                let message = self.ledger.recent_of(*who, *message);
                self.say(*who, 0, message, Word::Read, is_cut_off);
            }
            Step::Acknowledge { who, message } => {
                let message = self.ledger.recent_of(*who, *message);
                self.say(*who, 0, message, Word::Acknowledge, is_cut_off);
            }
            Step::Return { who, session, message, delay } => {
                let delay = ReturnDelay::try_new(*delay).unwrap();
                let message = self.ledger.in_hand_of(*who, &session_of(*who, *session), *message);
                self.say(*who, *session, message, Word::Return(delay), is_cut_off);
            }
            Step::Work { who } => self.work(*who),
            Step::Neglect { who } => {
                for _ in 0..=ATTEMPTS_MAX {
                    self.receive(*who, 0, ReceiveCount::MAX, Visibility::SECONDS_MIN, false);
                    self.pass(TimeDelta::seconds(i64::from(Visibility::SECONDS_MIN)));
                }
                self.reply_to_latest(*who);
            }
            Step::PutOff { who } => {
                let later = Word::Return(ReturnDelay::try_new(100).unwrap());
                let message = self.receive(*who, 0, 1, 60, false).pop();
                self.say(*who, 1, message, later, false);
                self.say(*who, 0, message, later, false);
                self.receive(*who, 0, ReceiveCount::MAX, 60, false);
            }
            Step::Join { who, group: name } => {
                self.tell(&Command::Join(agent(AGENTS[*who]), group(*name)), is_cut_off);
            }
            Step::Leave { who, group: name } => {
                self.tell(&Command::Leave(agent(AGENTS[*who]), group(*name)), is_cut_off);
            }
            Step::ComeOrGo => self.come_or_go(),
            Step::Sweep => self.sweep(is_cut_off),
            Step::Prune { age } => self.prune(*age),
            Step::Pass { seconds } => self.pass(TimeDelta::seconds(*seconds)),
            Step::Await { almost } => {
                if let Some(at) = self.ledger.next_instant() {
                    self.pass(at - self.ledger.now() - TimeDelta::microseconds(i64::from(*almost)));
                }
            }
            Step::Reopen => {
                let before = self.stored();
                self.stores.reopen();
                assert_eq!(self.stored(), before, "it is all there after a restart");
            }
        }
    }

    fn prune(&mut self, age: i64) {
        let before = self.ledger.now() - TimeDelta::seconds(age);
        self.stores.ask(&async |store| {
            let mut uow = store.begin().await;
            let pruned = uow.messages_prune(before, 10_000).await.unwrap();
            uow.commit().await.unwrap();
            pruned
        });
        let stored = self.stored();
        self.ledger.forgotten(&stored, before);
    }

    pub(super) fn check(&self) {
        self.ledger.check(&self.stored());
    }

    /// Everybody works until nothing is left, which must come to an end.
    pub(super) fn drain(&mut self) {
        for _ in 0..ROUNDS_MAX {
            for who in (0..AGENTS.len()).filter(|who| self.is_here(*who)).collect::<Vec<_>>() {
                self.work(who);
            }
            self.sweep(false);
            self.check();
            if self.ledger.is_worked_off() {
                return;
            }
            let next = self.ledger.next_instant().unwrap_or(self.ledger.now());
            self.pass(next - self.ledger.now());
        }
        panic!("somebody has something to do for ever");
    }
}
