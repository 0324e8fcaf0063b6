//! Random sequences of lock commands on all three stores at once.
//!
//! Each step runs on the store in memory, on `SQLite` and on `PostgreSQL`. Their answers, and what they hold afterwards,
//! must be the same to the last field, also after a restart and after a raised epoch. Whether the answers are
//! *right* is judged by [`ledger::Ledger`], which knows nothing but the answers given so far and its own few lines
//! about overlap, line and time: never two conflicting live holders, no refusal without a reason, no overtaking,
//! expiry to the microsecond, tokens that only grow, no lease lost or doubled.
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
//! | circles of waiting are not looked for | rules, model |
//! | those behind somebody who leaves the line are not woken | rules, model |
//! | the scope of a key forgets the trees above it | rules, locks, model |
//! | an ended lease stays stored | saving, race, model |
//! | a raised epoch leaves the counters | saving, model |

mod ledger;
mod steps;

use crate::driver::{self, Touches};
use crate::harness::{Kind, Place, TestStore, runtime};
use crate::model::ledger::Ledger;
use crate::model::steps::{Step, pick};
use crate::samples::*;
use chrono::TimeDelta;
use domain::ids::{ProjectId, SessionId, TicketId};
use domain::locks::key::KeyScope;
use domain::locks::lease::{EndedLease, Ending, Holder, Lease, Token, Ttl, Waiter};
use domain::locks::refusal::LockRefusal;
use domain::locks::table::{Acquire, Acquired, LockTable, Released};
use proptest::strategy::{BoxedStrategy, Just, Strategy};
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Sequences of one run, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 24;
const STEPS_MAX: usize = 80;
pub(crate) const SESSIONS: usize = 4;

/// What a command answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Acquired(Result<Acquired, LockRefusal>),
    Renewed(Result<Vec<Lease>, LockRefusal>),
    Released(Result<Vec<Released>, LockRefusal>),
    Forced(Result<EndedLease, LockRefusal>),
    Left(Result<bool, LockRefusal>),
    Ended(Vec<EndedLease>),
    Swept(BTreeSet<Token>),
}

/// A command, with everything that was picked for it.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Acquire(Acquire),
    Renew(Holder, BTreeSet<Token>, Ttl),
    Release(Holder, BTreeSet<Token>),
    Force(Token),
    Leave(Holder, TicketId),
    EndSession(Holder),
    Sweep,
}

impl Command {
    /// The session that asks; nobody's when a lease is taken away or swept.
    pub(crate) fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Acquire(acquire) => Some(&acquire.holder.session),
            Self::Renew(holder, ..) | Self::Release(holder, _) | Self::Leave(holder, _) | Self::EndSession(holder) => {
                Some(&holder.session)
            }
            Self::Force(_) | Self::Sweep => None,
        }
    }
}

/// What a store holds of a project.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) last_token: i64,
    pub(crate) leases: Vec<Lease>,
    pub(crate) ended: Vec<EndedLease>,
    pub(crate) line: Vec<Waiter>,
}

/// The three stores, which live through all sequences: each sequence has a project of its own.
struct Stores {
    runtime: Runtime,
    places: Vec<Arc<Place>>,
    open: RefCell<Vec<TestStore>>,
    sequences: RefCell<u32>,
}

thread_local! {
    /// Where the state machine finds the stores: its trait hands nothing in.
    static STORES: RefCell<Option<Rc<Stores>>> = const { RefCell::new(None) };
}

pub(crate) fn holder(who: usize) -> Holder {
    // Two sessions of one agent among them.
    Holder { agent: agent(["ann", "ann", "bob", "cat"][who]), session: session_id(&format!("s{who}")) }
}

fn touches(command: &Command) -> Touches {
    match command {
        Command::Acquire(acquire) => Touches::Keys(acquire.wants.keys().cloned().collect()),
        Command::Renew(_, tokens, _) | Command::Release(_, tokens) => Touches::Tokens(tokens.clone()),
        Command::Force(token) => Touches::Tokens([*token].into()),
        Command::Leave(..) => Touches::Keys(Vec::new()),
        Command::EndSession(holder) => Touches::Session(holder.session.clone()),
        Command::Sweep => Touches::Expired(100),
    }
}

fn decide(table: &mut LockTable, command: &Command) -> Answer {
    match command {
        Command::Acquire(acquire) => Answer::Acquired(table.acquire(acquire)),
        Command::Renew(holder, tokens, ttl) => Answer::Renewed(table.renew(holder, tokens, *ttl)),
        Command::Release(holder, tokens) => Answer::Released(table.release(holder, tokens)),
        Command::Force(token) => Answer::Forced(table.force_release(*token, agent("boss"), reason("stuck"))),
        Command::Leave(holder, ticket) => Answer::Left(table.leave(holder, *ticket)),
        Command::EndSession(holder) => Answer::Ended(table.release_session(&holder.session, &Ending::SessionEnded)),
        Command::Sweep => Answer::Swept(table.changes().leases_ended.iter().map(|ended| ended.lease.token).collect()),
    }
}

async fn stored(store: &TestStore, project: &ProjectId, tokens: &[Token]) -> Stored {
    let mut uow = store.begin_read().await;
    let everything = KeyScope { everything: true, ..KeyScope::default() };
    let mut leases = uow.leases_load(project, &everything).await.unwrap();
    leases.sort_by_key(|lease| lease.token);
    let mut ended = uow.ended_load(project, tokens).await.unwrap();
    ended.sort_by_key(|ended| ended.lease.token);
    let line = uow.waiters_load(project).await.unwrap();
    let last_token = uow.lock_table_lock(project).await.unwrap().unwrap().last_token;
    Stored { last_token, leases, ended, line }
}

impl Stores {
    fn open() -> Self {
        let runtime = runtime();
        let kinds = [Kind::InMemory, Kind::Sqlite, Kind::Postgres];
        let places: Vec<Arc<Place>> =
            kinds.into_iter().map(|kind| Arc::new(runtime.block_on(Place::make(kind)))).collect();
        let open = |place: &Arc<Place>| runtime.block_on(TestStore::open(Arc::clone(place)));
        let open = RefCell::new(places.iter().map(open).collect());
        Self { runtime, places, open, sequences: RefCell::new(0) }
    }

    fn give_back(&self) {
        for place in &self.places {
            self.runtime.block_on(place.give_back());
        }
    }

    fn fresh_project(&self) -> ProjectId {
        let mut sequences = self.sequences.borrow_mut();
        *sequences += 1;
        let name = format!("sequence-{sequences}");
        for store in self.open.borrow().iter() {
            self.runtime.block_on(add_project(store, &name));
        }
        project_id(&name)
    }

    /// Asks every store and answers what all of them said.
    fn ask<T: PartialEq + std::fmt::Debug>(&self, question: &impl AsyncFn(&TestStore) -> T) -> T {
        let stores = self.open.borrow();
        let mut answers = stores.iter().map(|store| (store.kind(), self.runtime.block_on(question(store))));
        let (_, yardstick) = answers.next().unwrap();
        for (kind, answer) in answers {
            assert_eq!(answer, yardstick, "{kind:?} differs from the store in memory");
        }
        yardstick
    }

    fn reopen(&self) {
        let stores = std::mem::take(&mut *self.open.borrow_mut());
        let reopened = stores.into_iter().map(|store| self.runtime.block_on(store.reopen())).collect();
        *self.open.borrow_mut() = reopened;
    }

    fn pass(&self, time: TimeDelta) {
        self.open.borrow().iter().for_each(|store| store.pass(time));
    }

    fn raise_epoch(&self) -> i64 {
        self.ask(&async |store| {
            let mut uow = store.begin().await;
            let epoch = uow.epoch().await.unwrap() + 1;
            uow.epoch_raise(epoch).await.unwrap();
            uow.commit().await.unwrap();
            epoch
        })
    }
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
            Step::Pass { seconds } => {
                self.stores.pass(TimeDelta::seconds(seconds));
                self.ledger.pass(TimeDelta::seconds(seconds));
            }
            Step::Reopen => self.stores.reopen(),
            Step::RaiseEpoch => {
                let epoch = self.stores.raise_epoch();
                self.ledger.epoch_raised(epoch);
            }
            step => {
                if let Some(command) = pick(step, &mut self.ledger) {
                    let (answer, freed) = self.stores.ask(&async |store| {
                        let decision = |table: &mut LockTable| (decide(table, &command), table.changes().freed());
                        driver::run(store.store(), &self.project, &touches(&command), decision).await.unwrap()
                    });
                    let stuck = self.ledger.stuck();
                    self.ledger.judge(&command, &answer);
                    self.ledger.check_that_the_unstuck_are_woken(&stuck, &command, &freed);
                }
            }
        }
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
        let store = &stores.open.borrow()[0];
        let base = stores.runtime.block_on(async { store.begin_read().await.epoch().await.unwrap() });
        let ledger = Ledger::new(store.now(), Token::base_of_epoch(base));
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

#[expect(clippy::disallowed_methods, reason = "proptest itself reads this variable; nightly runs set it")]
fn config() -> Config {
    let given = std::env::var("PROPTEST_CASES").is_ok();
    let standard = Config { failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    if given { standard } else { Config { cases: CASES, ..standard } }
}

#[test]
fn all_stores_give_the_same_and_the_right_answers() {
    let stores = Rc::new(Stores::open());
    STORES.set(Some(Rc::clone(&stores)));
    let sequences = Locks::sequential_strategy(1..=STEPS_MAX);
    let outcome = TestRunner::new(config()).run(&sequences, |(state, steps, seen)| {
        Locks::test_sequential(config(), state, steps, seen);
        Ok(())
    });
    STORES.set(None);
    stores.give_back();
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
