//! Random sequences of commands on locks and sessions on all three stores at once.
//!
//! Each step runs on the store in memory, on `SQLite` and on `PostgreSQL`. Their answers, and what they hold afterwards,
//! must be the same to the last field, also after a restart and after a raised epoch. Whether the answers are
//! *right* is judged by [`ledger::Ledger`], which knows nothing but the answers given so far and its own few lines
//! about overlap, line, life and time: never two conflicting live holders, no refusal without a reason, no overtaking,
//! expiry to the microsecond, tokens that only grow, no lease lost or doubled; a session that is dead stays dead, and
//! what it held is granted to the next who asks, but nothing that a live one holds.
//!
//! The suite was tried on broken code. Each of these was built and caught; *model* is this test, *rules* are the tests of
//! `domain::locks`, the others are files of this suite:
//!
//! | broken on purpose | caught by |
//! | --- | --- |
//! | renew and release do not ask whose token it is | rules, model |
//! | overlap is judged one way round only | rules, model |
//! | overlap is judged on text and not on segments | rules, model |
//! | the counter is read before the row of the table is locked (Postgres) | contention, race |
//! | the same, and the counter is written without a comparison | contention, race |
//! | `SQLite` begins deferred and not immediate | contention, race |
//! | a shared request overtakes a waiting exclusive one | rules, model |
//! | nobody looks at the line | rules, model |
//! | one's own place in line stands in one's way | rules, model |
//! | whoever waits for my lease stands in my way | rules, model |
//! | another session of the same agent counts as the holder | rules, model |
//! | a second of grace at expiry; expiry one microsecond late | rules, locks, model |
//! | a place in line is kept a second too long | rules, locks, model |
//! | a renewal may shorten | rules, model |
//! | an upgrade keeps the old token | rules, model |
//! | a lock is handed over while its giver keeps another that overlaps it | rules, model |
//! | a lock that is handed over keeps its token, gets shorter, goes to whoever has the key already | rules |
//! | circles of waiting are not looked for | rules, model |
//! | those behind somebody who leaves the line are not woken | rules, model |
//! | the scope of a key forgets the trees above it | rules, locks, model |
//! | an ended lease stays stored | saving, race, model |
//! | a raised epoch leaves the counters | saving, model |
//!
//! Of sessions, *rules* also being the tests of `domain::agents`, and *agents* the files `agents` and `agents/*`:
//!
//! | broken on purpose | caught by |
//! | --- | --- |
//! | a session lives a microsecond longer | rules, agents, model |
//! | an end that is written down is forgotten when the clock goes back | rules, agents |
//! | a dead session is revived as long as nobody has noticed its death | rules, model |
//! | a dead named session is replaced like a default one | rules, model |
//! | a default session is replaced and the death of the one before not written down | rules, model |
//! | a session is anybody's | rules |
//! | a death is dated when it is noticed | rules, model |
//! | each sign of life is written down; only each half of the TTL | rules, model |
//! | registering with a shorter TTL brings the end nearer | rules, model |
//! | a lease does not end with its session; it ends a microsecond later | rules, agents, model |
//! | a place in line does not end with its session | rules |
//! | what ended with its session is called expired | rules, agents, model |
//! | what ended by itself is put down to the caller | rules |
//! | a holder is said to be in the way for longer than its session lives | rules |
//! | a sign of life revives the dead; it is judged by its own date and not by the store's clock | agents |
//! | a sign of life moves back what was stored | agents |
//! | a session is written without the lock of the table | agents |
//! | the row of the table is not locked (Postgres) | agents, contention, race |
//! | an end is written down twice | agents |
//! | the reaper finds those whose end is written down | agents |
//! | sessions of other projects are mistaken for those of this one | agents, model |
//! | leases of unknown sessions count as dead | agents, locks, race |
//! | leases of the dead are listed | agents, model |
//! | the sweeper does not find the leases of the dead | agents, model (seldom) |
//! | the sweeper does not find projects with dead sessions | agents |

mod command;
mod ledger;
pub(crate) mod messages;
mod steps;
mod stores;
mod work;

use crate::harness::TestStore;
use crate::model::ledger::Ledger;
use crate::model::steps::{Step, pick};
use crate::model::stores::{STORES, Stores, config};
use crate::samples::*;
use chrono::TimeDelta;
use domain::agents::Session;
use domain::ids::ProjectId;
use domain::locks::key::KeyScope;
use domain::locks::lease::{EndedLease, Lease, Token};
use domain::locks::stored::{StoredLease, StoredWaiter};
use domain::page::PageSize;
use ports::agents::SessionFilter;
use ports::locks::LeaseFilter;
use proptest::strategy::{BoxedStrategy, Just, Strategy};
use proptest::test_runner::TestRunner;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use std::rc::Rc;

/// Sequences of one run, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 48;
const STEPS_MAX: usize = 80;

/// What a store holds of a project.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) last_token: i64,
    pub(crate) leases: Vec<StoredLease>,
    pub(crate) ended: Vec<EndedLease>,
    pub(crate) line: Vec<StoredWaiter>,
    pub(crate) sessions: Vec<Session>,
    /// What is shown as held.
    pub(crate) listed: Vec<Lease>,
}

async fn stored(store: &TestStore, project: &ProjectId, tokens: &[Token]) -> Stored {
    let mut uow = store.begin_read().await;
    let everything = KeyScope { everything: true, ..KeyScope::default() };
    let mut leases = uow.leases_load(project, &everything).await.unwrap();
    leases.sort_by_key(|stored| stored.lease.token);
    let mut ended = uow.ended_load(project, tokens).await.unwrap();
    ended.sort_by_key(|ended| ended.lease.token);
    let line = uow.waiters_load(project).await.unwrap();
    let last_token = uow.lock_table_lock(project).await.unwrap().unwrap().last_token;
    let all = SessionFilter::default();
    let sessions = uow.session_list(project, &all, store.now(), None, size(PageSize::MAX)).await.unwrap().rows;
    let all = LeaseFilter::default();
    let listed = uow.lease_list(project, &all, store.now(), None, size(PageSize::MAX)).await.unwrap().rows;
    Stored { last_token, leases, ended, line, sessions, listed }
}

/// One sequence: its project, and what was promised in it so far.
struct Sequence {
    stores: Rc<Stores>,
    project: ProjectId,
    ledger: Ledger,
}

impl Sequence {
    fn run(&mut self, step: Step) {
        match step {
            Step::Pass { seconds } => self.pass(TimeDelta::seconds(seconds)),
            Step::Outlive { who, almost } => {
                let margin = TimeDelta::microseconds(i64::from(almost));
                self.pass((self.ledger.life_left(who) - margin).max(TimeDelta::zero()));
            }
            Step::Reopen => self.stores.reopen(),
            Step::RaiseEpoch => {
                let epoch = self.stores.raise_epoch();
                self.ledger.epoch_raised(epoch);
            }
            step => {
                if let Some(command) = pick(step, &mut self.ledger) {
                    let (answer, freed) = self
                        .stores
                        .ask(&async |store| command::run(store.store(), &self.project, &command).await.unwrap());
                    let stuck = self.ledger.stuck();
                    self.ledger.judge(&command, &answer);
                    self.ledger.check_that_the_unstuck_are_woken(&stuck, &command, &freed);
                }
            }
        }
    }

    fn pass(&mut self, time: TimeDelta) {
        self.stores.pass(time);
        self.ledger.pass(time);
    }

    fn check(&self) {
        let tokens: Vec<Token> = self.ledger.tokens().collect();
        let stored = self.stores.ask(&async |store| stored(store, &self.project, &tokens).await);
        self.ledger.compare(&stored);
    }
}

struct Locks;

impl ReferenceStateMachine for Locks {
    type State = ();
    type Transition = Step;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Step> {
        steps::any_step()
    }

    fn apply((): (), _: &Step) {}
}

impl StateMachineTest for Locks {
    type SystemUnderTest = Sequence;
    type Reference = Self;

    fn init_test((): &()) -> Sequence {
        let stores = STORES.with_borrow(|stores| stores.clone().unwrap());
        let project = stores.fresh_project();
        let ledger = Ledger::new(stores.now(), Token::base_of_epoch(stores.epoch()));
        Sequence { stores: Rc::clone(&stores), project, ledger }
    }

    fn apply(mut sequence: Sequence, (): &(), step: Step) -> Sequence {
        sequence.run(step);
        sequence
    }

    fn check_invariants(sequence: &Sequence, (): &()) {
        sequence.check();
    }
}

#[test]
fn all_stores_give_the_same_and_the_right_answers() {
    let stores = Rc::new(Stores::open());
    STORES.set(Some(Rc::clone(&stores)));
    let sequences = Locks::sequential_strategy(1..=STEPS_MAX);
    let outcome = TestRunner::new(config(CASES)).run(&sequences, |(state, steps, seen)| {
        Locks::test_sequential(config(CASES), state, steps, seen);
        Ok(())
    });
    STORES.set(None);
    stores.give_back();
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
