//! What was handed in and handed out, known from the answers alone, and the judgement of what comes next by it.

mod handing;
mod laws;
mod passing;
mod steering;
mod words;

use crate::driver::work::Outcome;
use crate::model::work::command::{Answer, Command, Sending};
use crate::model::work::steps::SPEAKERS;
use crate::model::work::stored::Stored;
use crate::samples::*;
use crate::work::samples::task_id;
use chrono::{DateTime, TimeDelta, Utc};
use domain::agents::SessionRefusal;
use domain::ids::TaskId;
use domain::locks::lease::{Holder, Token};
use domain::work::attempt::Attempt;
use domain::work::rank::{Priority, Rank};
use domain::work::submission::{Submit, TaskRef};
use domain::work::table::ClaimRef;
use domain::work::task::Status;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Ledger {
    now: DateTime<Utc>,
    /// Every token drawn lies at or below this.
    greatest: i64,
    tasks: BTreeMap<TaskId, Sent>,
    grants: BTreeMap<Token, Grant>,
    /// What was locked for itself.
    locks: BTreeSet<Token>,
    /// What the stores held after the step before.
    seen: Stored,
    /// What the audit log was told, in order.
    lines: Vec<(String, String)>,
    /// Every request that was answered.
    answered: Vec<(Command, Sending, Answer)>,
    incarnations: [u32; SPEAKERS.len()],
    fresh: u128,
}

/// A task as it was handed in, and what people made of it since.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) depends_on: BTreeSet<TaskId>,
    /// From when on its wait counts.
    pub(super) waits_from: DateTime<Utc>,
    pub(super) priority: Priority,
    /// How many attempts were forgotten when it was tried again by hand.
    pub(super) forgotten: u32,
    pub(super) is_gone: bool,
}

/// A claim as it was granted.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) task: TaskId,
    pub(super) holder: Holder,
    pub(super) until: DateTime<Utc>,
    /// When somebody first asked to stop.
    pub(super) asked_at: Option<DateTime<Utc>>,
    pub(super) is_over: bool,
    /// What its agent was told when it ended it.
    pub(super) told: Option<Attempt>,
}

impl Ledger {
    pub(crate) fn new(now: DateTime<Utc>, seen: Stored) -> Self {
        Self {
            now,
            greatest: seen.last_token,
            tasks: BTreeMap::new(),
            grants: BTreeMap::new(),
            locks: BTreeSet::new(),
            seen,
            lines: Vec::new(),
            answered: Vec::new(),
            incarnations: [0; SPEAKERS.len()],
            fresh: 0,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub(crate) fn seen(&self) -> &Stored {
        &self.seen
    }

    pub(crate) fn fresh_task(&mut self) -> TaskId {
        self.fresh += 1;
        task_id(self.fresh)
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.grants.keys().copied().collect()
    }

    pub(crate) fn ids(&self) -> Vec<TaskId> {
        self.tasks.keys().copied().collect()
    }

    pub(crate) fn recent_task(&self, back: usize) -> Option<TaskId> {
        recent(&self.ids(), back)
    }

    /// A dead letter, or any other task if there is none.
    pub(crate) fn dead_task(&self, back: usize) -> Option<TaskId> {
        let dead = self.seen.tasks.values().filter(|task| task.status() == Status::Dead).map(|task| task.id);
        recent(&dead.collect::<Vec<_>>(), back).or_else(|| self.recent_task(back))
    }

    /// Every other time one that holds now, if there is any.
    pub(crate) fn recent_claim(&self, back: usize) -> Option<ClaimRef> {
        let live = self.live_claims();
        match recent(&live, back / 2) {
            Some(claim) if back.is_multiple_of(2) => Some(claim),
            _ => recent(&self.tokens(), back).map(|token| self.claim_of(token)),
        }
    }

    /// The claims that hold now.
    pub(crate) fn live_claims(&self) -> Vec<ClaimRef> {
        self.live_grants(&self.seen).map(|(token, _)| self.claim_of(token)).collect()
    }

    pub(crate) fn has_claims(&self, who: usize) -> bool {
        let session = self.speaker(who).session;
        self.live_grants(&self.seen).any(|(_, grant)| grant.holder.session == session)
    }

    fn claim_of(&self, token: Token) -> ClaimRef {
        let Grant { task, holder, .. } = self.grants[&token].clone();
        ClaimRef { task, token, holder }
    }

    pub(crate) fn recent_request(&self, back: usize) -> Option<(Command, Sending, Answer)> {
        let at = self.answered.len().checked_sub(1 + back % self.answered.len().max(1))?;
        self.answered.get(at).cloned()
    }

    /// Who it is when a speaker calls now: somebody new if the session before has ended.
    pub(crate) fn speaker(&self, who: usize) -> Holder {
        let name = |incarnation| session_id(&format!("{who}.{incarnation}"));
        let current = name(self.incarnations[who]);
        let is_over = self.seen.sessions.contains_key(&current) && !self.seen.lives(&current, self.now);
        let session = if is_over { name(self.incarnations[who] + 1) } else { current };
        Holder { agent: agent(SPEAKERS[who]), session }
    }

    pub(crate) fn another_than(&self, holder: &Holder) -> Holder {
        let speakers = (0..SPEAKERS.len()).map(|who| self.speaker(who));
        speakers
            .filter(|other| other.session != holder.session)
            .max_by_key(|other| other.agent == holder.agent)
            .unwrap()
    }

    /// How long a speaker's session lives without being heard from.
    pub(crate) fn life_left(&self, who: usize) -> TimeDelta {
        let until = self.seen.sessions.get(&self.speaker(who).session);
        until.map_or_else(TimeDelta::zero, |until| *until - self.now)
    }

    pub(crate) fn pass(&mut self, time: TimeDelta) {
        self.now += time;
    }

    /// Time alone changes nothing but what is due.
    pub(crate) fn time_has_passed(&mut self, after: Stored) {
        let Stored { due, is_work_for_the_sweeper, .. } = self.seen.clone();
        assert_eq!(Stored { due, is_work_for_the_sweeper, ..after.clone() }, self.seen);
        self.seen = after;
    }

    pub(crate) fn epoch_raised(&mut self, epoch: i64, after: Stored) {
        self.greatest = self.greatest.max(Token::base_of_epoch(epoch));
        assert_eq!(Stored { last_token: self.seen.last_token, ..after.clone() }, self.seen);
        self.seen = after;
    }

    /// Judges what became of a new request.
    pub(crate) fn judge(&mut self, command: &Command, sending: &Sending, outcome: Outcome<Answer>, after: Stored) {
        match outcome {
            Outcome::Done(answer, lines) => {
                self.note_incarnation(command);
                self.judge_answer(command, &answer, &after);
                self.answered.push((command.clone(), sending.clone(), answer));
                self.judge_moves(command, &lines, &after);
                self.lines.extend(lines);
            }
            Outcome::NoSession(SessionRefusal::Ended { id, ended_at }) => {
                assert!(!self.seen.lives(&id, self.now), "{command:?} was refused, but {id} lives");
                assert_eq!(Some(&ended_at), self.seen.sessions.get(&id));
                assert_eq!(after, self.seen, "nothing happens for the dead");
            }
            Outcome::NoSession(refusal) => panic!("{command:?}: {refusal:?}"),
            Outcome::CutOff => assert_eq!(after, self.seen, "nothing is left of what was not committed"),
            Outcome::Replayed(answer) => panic!("{command:?} was never asked before: {answer:?}"),
        }
        self.seen = after;
    }

    /// A request that was answered before gets the first answer, and has no effect.
    pub(crate) fn idempotent_requests(&self, first: &Answer, outcome: &Outcome<Answer>, after: &Stored) {
        assert_eq!(*outcome, Outcome::Replayed(first.clone()), "a replay gets the first answer");
        assert_eq!(*after, self.seen, "a replay has no effect");
    }

    fn note_incarnation(&mut self, command: &Command) {
        if let Some(Holder { session, .. }) = command.holder() {
            let (who, incarnation) = session.as_str().split_once('.').unwrap();
            let (who, incarnation): (usize, u32) = (who.parse().unwrap(), incarnation.parse().unwrap());
            self.incarnations[who] = self.incarnations[who].max(incarnation);
        }
    }

    fn judge_answer(&mut self, command: &Command, answer: &Answer, after: &Stored) {
        match (command, answer) {
            (Command::Submit(submit), Answer::Submitted(answer)) => self.judge_submitted(submit, answer, after),
            (Command::Claim(claim), Answer::Claimed(answer)) => {
                self.judge_claimed(claim, answer.as_ref().unwrap(), after);
                self.expiry_liveness(after);
            }
            (Command::Say(claim, word), Answer::Heard(answer)) => self.judge_heard(claim, word, answer, after),
            (Command::Say(claim, word), Answer::Finished(answer)) => self.judge_finished(claim, word, answer, after),
            (Command::HandOver(claim, to), Answer::HandedOver(answer)) => {
                self.judge_handed_over(claim, to, answer, after);
            }
            (Command::Cancel(id, cancel), Answer::Cancelled(answer)) => {
                self.judge_cancelled(*id, cancel, answer, after);
            }
            (command, Answer::Changed(answer)) => self.judge_changed(command, answer, after),
            (Command::Lock(..), Answer::Locked(answer)) => self.judge_locked(answer),
            (Command::EndSession(holder), Answer::Nothing) => {
                let of_session = self.grants.values_mut().filter(|grant| grant.holder.session == holder.session);
                of_session.for_each(|grant| grant.is_over = true);
            }
            (Command::Tidy, Answer::Nothing) => self.expiry_liveness(after),
            (Command::Register(_), Answer::Nothing) => {}
            (command, answer) => panic!("{command:?} was answered with {answer:?}"),
        }
    }

    /// The claims that hold now, as far as the answers tell.
    pub(super) fn live_grants(&self, stored: &Stored) -> impl Iterator<Item = (Token, &Grant)> {
        let holds =
            |grant: &Grant| !grant.is_over && self.now < grant.until && stored.lives(&grant.holder.session, self.now);
        let live: Vec<(Token, &Grant)> =
            self.grants.iter().filter(|(_, grant)| holds(grant)).map(|(token, grant)| (*token, grant)).collect();
        live.into_iter()
    }

    pub(super) fn live_grant_of(&self, stored: &Stored, task: TaskId) -> Option<(Token, &Grant)> {
        self.live_grants(stored).find(|(_, grant)| grant.task == task)
    }

    /// Every token lies above all that were drawn before it, across restarts and epochs.
    pub(super) fn is_drawn(&mut self, token: Token) {
        assert!(token.value() > self.greatest, "token {} was drawn after {}", token.value(), self.greatest);
        self.greatest = token.value();
    }

    fn add(&mut self, submit: &Submit, id: TaskId, after: &Stored) {
        let item = submit.items().iter().find(|item| item.id == id).unwrap();
        let local = |name| submit.items().iter().find(|other| other.name.as_ref() == Some(name)).unwrap().id;
        let depends_on = item.depends_on.iter().map(|other| match other {
            TaskRef::Known(id) => *id,
            TaskRef::Local(name) => local(name),
        });
        let sent = Sent {
            depends_on: depends_on.collect(),
            waits_from: item.draft.not_before.map_or(self.now, |at| at.max(self.now)),
            priority: item.draft.priority,
            forgotten: 0,
            is_gone: false,
        };
        let task = &after.tasks[&id];
        assert_eq!((task.deadline, task.terms.submitted_at), (item.draft.deadline, self.now));
        assert_eq!(task.terms.submitted_by, *submit.by());
        self.tasks.insert(id, sent);
    }

    pub(super) fn is_gone(&self, id: TaskId) -> bool {
        self.tasks.get(&id).is_none_or(|sent| sent.is_gone)
    }

    /// The rank that a task must have: priority, ageing, then nothing but the time it has waited.
    pub(super) fn rank_of(sent: &Sent) -> Rank {
        let behind = 600_000_000 * (i64::from(sent.priority.number()) - 1);
        Rank::from_micros(sent.waits_from.timestamp_micros() + behind)
    }

    /// What was refused has changed nothing, unless something was due anyway.
    pub(super) fn assert_unchanged(&self, after: &Stored) {
        if self.seen.due.is_empty() {
            self.assert_nothing_moved(after);
        }
    }

    pub(super) fn assert_nothing_moved(&self, after: &Stored) {
        assert_eq!(self.seen.tasks, after.tasks, "a refusal has changed something");
        assert_eq!(self.seen.attempts, after.attempts, "a refusal has changed something");
        let live = |stored: &Stored| -> Vec<_> {
            stored.leases.iter().filter(|stored| stored.is_live(self.now)).map(|stored| stored.lease.clone()).collect()
        };
        assert_eq!(live(&self.seen), live(after), "a refusal has changed a lock");
    }
}

fn recent<T: Clone>(all: &[T], back: usize) -> Option<T> {
    let at = all.len().checked_sub(1 + back % all.len().max(1))?;
    all.get(at).cloned()
}
