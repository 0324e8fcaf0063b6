//! Random sequences of commands on messages on all three stores at once.
//!
//! As for locks and work, the answers and what is stored must be the same everywhere, and [`ledger::Ledger`] judges whether
//! they are *right* by the answers given so far. In the end all of it is worked off, so that whatever is lost is missed.
//! What must hold, and where it is looked at:
//!
//! | law | says | in |
//! | --- | --- | --- |
//! | numbers | each message has the number after the last one, across servers that die | `handing` |
//! | none lost | a delivery ends once, or is still to come; what can be had is offered to who asks; a restart loses nothing | `handing`, `laws`, the drain |
//! | one at a time | nothing is offered while somebody has it; attempts rise by one, to five | `handing` |
//! | once acknowledged | an acknowledgement is taken for the first one at most once | `ledger`, `laws` |
//! | order of a pair | nothing is offered while something that its sender sent before waits | `handing` |
//! | audience | a broadcast reaches all of its audience that were there, once, and nobody else | `handing` |
//! | ends | what is over is over at its very instant, as what it should be, and cannot be finished any more | `ledger`, `laws` |
//! | one notice | what expired or failed is told in one notice, to its sender; notices to nobody | `laws` |
//! | pace | no two agents answer each other too often in a minute; who was stopped is stopped | `handing` |
//! | forgetting | what is forgotten was over, and nobody has anything of its thread to do | `laws` |
//!
//! That an inbox never holds more than it may is for `messages/races` to see: it takes a thousand messages.
//!
//! The suite was tried on broken code, as those of locks and work were. *Rules* are the tests of `domain::messages`, *model*
//! is this test, the others are files of `messages`:
//!
//! | broken on purpose | caught by |
//! | --- | --- |
//! | an acknowledgement is taken twice | rules, model (once acknowledged) |
//! | each goes by its own urgency, past what its sender sent before | rules, model (order of a pair) |
//! | what was put off does not hold back what its sender sent later | rules, model (order of a pair) |
//! | what is offered counts as read: a queue that pops | rules, model (one at a time) |
//! | offers are not counted; one offer too many | rules, model (one at a time; ends) |
//! | an offer lapses a microsecond late | rules, model (none lost) |
//! | any session returns what another has in hand | rules, model (one at a time) |
//! | broadcasts that were looked at and did not fit are forgotten | rules, model (audience) |
//! | an answer revives what has failed | rules, model (ends) |
//! | what expires is taken out of the hand; nobody looks at deadlines | rules, model (ends) |
//! | a broadcast comes back to its sender | rules, model |
//! | a group brings what was sent before its member joined: when it is asked; when joining | rules, model (the first seldom) |
//! | a group without members swallows messages | rules, model (audience) |
//! | what expired is not told; only one of several is told | rules, model (one notice) |
//! | one reply above the pace | rules, model (pace) |
//! | one message above what an inbox holds | `races` |
//! | a broadcast comes again that was delivered | `deliveries`, model |
//! | what lies behind the number that was asked for comes too | `deliveries` |
//! | when a delivery is over is not written when it changes | `deliveries`, model |
//! | a delivery is written over that is not as it was loaded | `storing` |
//! | a number is written without a comparison | `storing` |
//! | the head is not locked; the mailbox is not locked (Postgres) | `races` |
//! | what an open reply goes back to is forgotten | `forgetting`, model |
//! | what was looked past is shown and counted again | `inbox` |

pub(crate) mod driver;
mod ledger;
pub(crate) mod sequence;
mod steps;

use crate::model::messages::ledger::Ledger;
use crate::model::messages::sequence::Sequence;
use crate::model::messages::steps::Sent;
use crate::model::stores::{STORES, Stores, config};
use proptest::strategy::{BoxedStrategy, Just, Strategy};
use proptest::test_runner::TestRunner;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use std::rc::Rc;

/// Sequences of one run, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 20;
const STEPS_MAX: usize = 60;

struct Messages;

impl ReferenceStateMachine for Messages {
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

impl StateMachineTest for Messages {
    type SystemUnderTest = Sequence;
    type Reference = Self;

    fn init_test((): &()) -> Sequence {
        let stores = STORES.with_borrow(|stores| stores.clone().unwrap());
        let project = stores.fresh_project();
        let ledger = Ledger::new(stores.now());
        Sequence::new(Rc::clone(&stores), project, ledger)
    }

    fn apply(mut sequence: Sequence, (): &(), step: Sent) -> Sequence {
        sequence.run(&step);
        sequence
    }

    fn check_invariants(sequence: &Sequence, (): &()) {
        sequence.check();
    }

    fn teardown(mut sequence: Sequence, (): ()) {
        sequence.drain();
    }
}

#[test]
fn all_stores_carry_messages_alike_and_rightly() {
    let stores = Rc::new(Stores::open());
    STORES.set(Some(Rc::clone(&stores)));
    let sequences = Messages::sequential_strategy(1..=STEPS_MAX);
    let outcome = TestRunner::new(config(CASES)).run(&sequences, |(state, steps, seen)| {
        Messages::test_sequential(config(CASES), state, steps, seen);
        Ok(())
    });
    STORES.set(None);
    stores.give_back();
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
