//! Random sequences of commands on tasks on all three stores at once.
//!
//! As for locks, the answers and what is stored must be the same everywhere, and [`ledger::Ledger`] judges whether they
//! are *right* by the answers given so far. In the end all of it is worked off, so that whoever is stuck is seen. What
//! must hold, and where it is looked at, after every step:
//!
//! | law | says | in |
//! | --- | --- | --- |
//! | `conservation` (1) | every task handed in is in one state, or removed for its age | `laws` |
//! | `single_live_lease` (2) | a task, and a key that one alone may have, has one claim at most; no more of a concurrency key than may | `laws` |
//! | `is_drawn`, `token_monotonicity` (3) | tokens only grow, across restarts and epochs | `ledger`, `laws` |
//! | `fence` (4) | who says something under another token than the current one is told so and changes nothing | `words` |
//! | `finish_once` (5) | a task is done once | `laws` |
//! | `expiry_safety` (6) | nobody is given what somebody has, until that very instant; `history` dates each end | `handing`, `laws` |
//! | `expiry_liveness` (7) | what ran out is anybody's with the next claim or tidying up | `laws` |
//! | `dependency` (8) | nobody comes before those it waits for, the number of those is true, circles are refused | `laws`, `handing` |
//! | `attempts`, `order` (9) | attempts rise by one and end among the dead letters; claims go by rank, then id, past nobody who could be had | `laws`, `handing` |
//! | `atomic_side_effects` (11) | what happens has its line and its fact in the same commit, or none if that never came | `laws` |
//! | `idempotent_requests` (12) | a request said twice happens once | `ledger` |
//!
//! The tenth, that generations of servers never meet, has nothing to be checked on: there are none.
//!
//! The suite was tried on broken code, as that of locks was. *Rules* are the tests of `domain::work`, *model* is this
//! test, the others are files of this suite. First the eight mistakes that other queues are known for:
//!
//! | broken on purpose | caught by |
//! | --- | --- |
//! | nobody asks for the token | rules, model |
//! | the state is asked for instead of the token: whoever has the task may end any attempt of his | rules, model |
//! | the counter is written as it was proposed and not as it stands: no lock on the row, no comparison (Postgres) | `work/race`, `locks/race` |
//! | what comes back is ordered by its old id | rules, model; in SQL: `work/claimable`, model |
//! | that dependencies are met is looked up, not counted: the first to end readies; those not loaded are none | rules, model |
//! | liveness, and all the rest, is read without the lock of the row (Postgres) | `work/race`, `locks/race` |
//! | `SQLite` begins deferred and not immediate | `work/race`, `locks/race` |
//! | the next page is found by id | `work/claimable`, model |
//!
//! And others:
//!
//! | broken on purpose | caught by |
//! | --- | --- |
//! | a task that was put off keeps its old place | rules, model |
//! | a parent that has ended and has yet to tell counts as told | rules |
//! | a failed parent satisfies those that depend on it | rules, model |
//! | those that depend on a cancelled task are forgotten | rules, model |
//! | a circle is let in | rules, model |
//! | the agent of another session may end an attempt | rules, model |
//! | another word for the end of an attempt passes for a repetition | rules, model |
//! | a lease lapses a microsecond early; a microsecond late | rules, model |
//! | what a dead session worked on stays with it | rules, model |
//! | locks stay when their attempt ends; a task is handed out without its locks | rules, model |
//! | one more of a concurrency key than may | rules |
//! | giving a task back costs an attempt; one attempt too many | rules, model |
//! | handing over costs an attempt, forgets the giver's part, asks nobody for the token or for what the task requires | rules |
//! | a heartbeat shortens when the clock went back | rules |
//! | a heartbeat outlasts the grace of a cancel | rules |
//! | a lease reaches past the deadline; nobody looks at deadlines | rules, model |
//! | nobody asks what a task requires | rules, model |
//! | a task is written over that is not as it was loaded | `work/saving` |
//! | what those have who died is not found to be due | `work/due` |
//! | the store leaves out keys that have room | `work/claimable` |

mod command;
mod ledger;
mod steps;
mod stored;

use crate::driver::work::Outcome;
use crate::harness::TestStore;
use crate::model::stores::{STORES, Stores, config};
use crate::model::work::command::{Answer, Command, Sending, Word};
use crate::model::work::ledger::Ledger;
use crate::model::work::steps::{Sent, Step, pick};
use crate::model::work::stored::Stored;
use crate::samples::*;
use chrono::TimeDelta;
use domain::idempotency::{IdempotencyKey, RequestName};
use domain::ids::ProjectId;
use domain::work::claim::{Claim, ClaimFilter, ClaimSize};
use domain::work::task::Status;
use proptest::strategy::{BoxedStrategy, Just, Strategy};
use proptest::test_runner::TestRunner;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use std::rc::Rc;

/// Sequences of one run, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 10;
const STEPS_MAX: usize = 60;
/// How often things are tidied up, or handed out, until nothing is left.
const ROUNDS_MAX: usize = 200;

/// One sequence: its project, and what was promised in it so far.
struct Sequence {
    stores: Rc<Stores>,
    project: ProjectId,
    ledger: Ledger,
    requests: u32,
}

impl Sequence {
    fn stored(&self) -> Stored {
        let (ids, tokens) = (self.ledger.ids(), self.ledger.tokens());
        self.stores.ask(&async |store| Stored::of(store, &self.project, &ids, &tokens).await)
    }

    fn run(&mut self, sent: &Sent) {
        let Sent { step, is_cut_off, is_short_sighted } = sent;
        match step {
            Step::Pass { seconds } => self.pass(TimeDelta::seconds(*seconds)),
            Step::Await { almost } => {
                if let Some(at) = self.ledger.seen().next_due {
                    self.pass(at - self.ledger.now() - TimeDelta::microseconds(i64::from(*almost)));
                }
            }
            Step::Outlive { who, almost } => {
                self.pass(self.ledger.life_left(*who) - TimeDelta::microseconds(i64::from(*almost)));
            }
            Step::Reopen => {
                self.stores.reopen();
                assert_eq!(self.stored(), *self.ledger.seen(), "it is all there after a restart");
            }
            Step::RaiseEpoch => {
                let epoch = self.stores.raise_epoch();
                self.ledger.epoch_raised(epoch, self.stored());
            }
            Step::Prune { seconds } => {
                let age = TimeDelta::seconds(*seconds);
                self.stores.ask(&async |store| command::prune(store, age).await.unwrap());
                self.ledger.judge_pruned(age, self.stored());
            }
            Step::Replay { back } => self.replay(*back),
            Step::Tidy if !is_cut_off && !is_short_sighted => self.tidy(),
            step => {
                if let Some(command) = pick(step, &mut self.ledger) {
                    self.send(&command, *is_cut_off, *is_short_sighted);
                }
            }
        }
    }

    fn send(&mut self, command: &Command, is_cut_off: bool, is_short_sighted: bool) {
        self.requests += 1;
        let key = IdempotencyKey::parse(&format!("request-{}", self.requests)).unwrap();
        let request = RequestName { project: self.project.clone(), agent: agent("ann"), key };
        let sending = Sending { request, is_short_sighted, is_cut_off };
        self.say(command, &sending);
        if is_cut_off {
            // Whoever was cut off cannot know whether it happened, and says it again under the same name.
            self.say(command, &Sending { is_cut_off: false, ..sending });
        }
    }

    fn say(&mut self, command: &Command, sending: &Sending) {
        let outcome = self.ask(command, sending);
        let after = self.stored_with(&outcome);
        self.ledger.judge(command, sending, outcome, after);
    }

    fn ask(&self, command: &Command, sending: &Sending) -> Outcome<Answer> {
        self.stores.ask(&async |store: &TestStore| command::send(store, &self.project, command, sending).await.unwrap())
    }

    /// What is stored, with the tasks and claims that an answer tells of.
    fn stored_with(&self, outcome: &Outcome<Answer>) -> Stored {
        let (mut ids, mut tokens) = (self.ledger.ids(), self.ledger.tokens());
        match outcome {
            Outcome::Done(Answer::Submitted(Ok(answers)), _) => {
                ids.extend(answers.iter().filter_map(|answer| answer.as_ref().ok()).map(|task| task.id));
            }
            Outcome::Done(Answer::Claimed(Ok(claimed)), _) => {
                tokens.extend(claimed.tasks.iter().filter_map(|one| one.task.lease()).map(|lease| lease.token));
            }
            _ => {}
        }
        self.stores.ask(&async |store| Stored::of(store, &self.project, &ids, &tokens).await)
    }

    fn replay(&mut self, back: usize) {
        if let Some((command, sending, answer)) = self.ledger.recent_request(back) {
            let outcome = self.ask(&command, &sending);
            self.ledger.idempotent_requests(&answer, &outcome, &self.stored());
        }
    }

    fn pass(&mut self, time: TimeDelta) {
        let time = time.max(TimeDelta::zero());
        self.stores.pass(time);
        self.ledger.pass(time);
        self.ledger.time_has_passed(self.stored());
    }

    /// Tidies up until nothing is due: those who are told may have something to tell.
    fn tidy(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.send(&Command::Tidy, false, false);
            self.ledger.check();
            if self.ledger.seen().due.is_empty() {
                return;
            }
        }
        panic!("it is never tidy: {:?}", self.ledger.seen().due);
    }

    /// Lets everything that can end come to its end.
    fn drain(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.tidy();
            for who in [0, 2] {
                let claim = Claim {
                    filter: ClaimFilter::default(),
                    size: ClaimSize::try_new(ClaimSize::MAX).unwrap(),
                    ..steps::any_claim(who, &self.ledger)
                };
                self.send(&Command::Claim(claim), false, false);
            }
            let claims = self.ledger.live_claims();
            for claim in &claims {
                self.send(&Command::Say(claim.clone(), Word::Complete(None)), false, false);
                self.ledger.check();
            }
            let seen = self.ledger.seen();
            let is_waiting = seen.tasks.values().any(|task| task.status() == Status::Ready);
            match seen.next_due {
                _ if !claims.is_empty() => {}
                // Somebody has locked what it needs.
                _ if is_waiting => self.pass(TimeDelta::seconds(20)),
                Some(at) => self.pass(at - self.ledger.now()),
                None => return self.ledger.check_drained(),
            }
        }
        panic!("it does not come to an end: {:?}", self.ledger.seen().tasks);
    }
}

struct Work;

impl ReferenceStateMachine for Work {
    type State = ();
    type Transition = Sent;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Sent> {
        steps::any_step()
    }

    fn apply((): (), _: &Sent) {}
}

impl StateMachineTest for Work {
    type SystemUnderTest = Sequence;
    type Reference = Self;

    fn init_test((): &()) -> Sequence {
        let stores = STORES.with_borrow(|stores| stores.clone().unwrap());
        let project = stores.fresh_project();
        let seen = stores.ask(&async |store| Stored::of(store, &project, &[], &[]).await);
        let ledger = Ledger::new(stores.now(), seen);
        Sequence { stores, project, ledger, requests: 0 }
    }

    fn apply(mut sequence: Sequence, (): &(), sent: Sent) -> Sequence {
        sequence.run(&sent);
        sequence
    }

    fn check_invariants(sequence: &Sequence, (): &()) {
        sequence.ledger.check();
    }

    fn teardown(mut sequence: Sequence, (): ()) {
        sequence.drain();
        sequence.stores.ask(&async |store| command::forget_requests(store).await.unwrap());
    }
}

#[test]
fn all_stores_hand_work_out_alike_and_rightly() {
    let stores = Rc::new(Stores::open());
    STORES.set(Some(Rc::clone(&stores)));
    let sequences = Work::sequential_strategy(1..=STEPS_MAX);
    let outcome = TestRunner::new(config(CASES)).run(&sequences, |(state, steps, seen)| {
        Work::test_sequential(config(CASES), state, steps, seen);
        Ok(())
    });
    STORES.set(None);
    stores.give_back();
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
