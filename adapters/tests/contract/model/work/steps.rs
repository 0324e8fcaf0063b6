//! The steps of a sequence. They name agents, tasks and claims by number, so that a shortened sequence still makes
//! sense; who and what is meant is picked when a step runs.

mod drafts;

use crate::model::work::command::{Command, Word};
use crate::model::work::ledger::Ledger;
use crate::model::work::steps::drafts::{Part, any_part, kind_name, lockings, submit};
use crate::samples::*;
use crate::work::samples::*;
use chrono::TimeDelta;
use domain::ids::AgentType;
use domain::locks::lease::Token;
use domain::work::claim::{Claim, ClaimFilter, ClaimSize};
use domain::work::content::{Note, Progress};
use domain::work::name::Capability;
use domain::work::requires::{Claimant, Trust};
use domain::work::retry::Chance;
use domain::work::table::{Cancel, ClaimRef};
use domain::work::terms::LeaseLength;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The speakers of a sequence: two of one agent among them.
pub(crate) const SPEAKERS: [&str; 4] = ["ann", "ann", "bob", "cat"];
/// How far back tasks and claims are picked.
const RECENT: usize = 10;
/// How many seconds a task is put off.
const LATER: i64 = 20;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Submit {
        who: usize,
        parts: Vec<Part>,
        each_alone: bool,
        is_circle: bool,
    },
    Claim {
        who: usize,
        tasks: u32,
        kind: Option<bool>,
        labelled: bool,
        lease: Option<u32>,
    },
    Beat {
        claim: usize,
        is_owner: bool,
        says: bool,
    },
    Complete {
        claim: usize,
        is_owner: bool,
        with_result: bool,
    },
    Fail {
        claim: usize,
        retryable: bool,
        chance: u64,
    },
    Release {
        claim: usize,
    },
    Snooze {
        claim: usize,
    },
    HandOver {
        claim: usize,
        is_owner: bool,
        who: usize,
    },
    Mistake {
        task: usize,
        token: i64,
    },
    Cancel {
        task: usize,
        with_dependents: bool,
    },
    Reschedule {
        task: usize,
        later: bool,
    },
    Reprioritize {
        task: usize,
        priority: u8,
    },
    Retry {
        task: usize,
    },
    Discard {
        task: usize,
    },
    Lock {
        who: usize,
        wants: usize,
    },
    Register {
        who: usize,
    },
    EndSession {
        who: usize,
    },
    Tidy,
    Prune {
        seconds: i64,
    },
    Pass {
        seconds: i64,
    },
    /// Passes the time to the very next instant at which something is due, or just before.
    Await {
        almost: bool,
    },
    Outlive {
        who: usize,
        almost: bool,
    },
    Reopen,
    RaiseEpoch,
    /// Sends a request once more, under the same idempotency key.
    Replay {
        back: usize,
    },
}

/// A step, and whether its command is cut off before the commit, or does not see who depends on whom.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) step: Step,
    pub(crate) is_cut_off: bool,
    pub(crate) is_short_sighted: bool,
}

fn any_command() -> impl Strategy<Value = Step> {
    let who = 0..SPEAKERS.len();
    let recent = 0..RECENT;
    let mostly = || prop::bool::weighted(0.85);
    let seldom = || prop::bool::weighted(0.25);
    let lease = option::weighted(0.2, prop::sample::select(vec![5_u32, 40]));
    prop_oneof![
        12 => (who.clone(), vec(any_part(), 1..=3), seldom(), prop::bool::weighted(0.05))
            .prop_map(|(who, parts, each_alone, is_circle)| Step::Submit { who, parts, each_alone, is_circle }),
        14 => (who.clone(), 1..=4_u32, option::weighted(0.2, any::<bool>()), seldom(), lease)
            .prop_map(|(who, tasks, kind, labelled, lease)| Step::Claim { who, tasks, kind, labelled, lease }),
        5 => (recent.clone(), mostly(), any::<bool>())
            .prop_map(|(claim, is_owner, says)| Step::Beat { claim, is_owner, says }),
        9 => (recent.clone(), mostly(), any::<bool>())
            .prop_map(|(claim, is_owner, with_result)| Step::Complete { claim, is_owner, with_result }),
        5 => (recent.clone(), mostly(), any::<u64>())
            .prop_map(|(claim, retryable, chance)| Step::Fail { claim, retryable, chance }),
        2 => recent.clone().prop_map(|claim| Step::Release { claim }),
        2 => recent.clone().prop_map(|claim| Step::Snooze { claim }),
        5 => (recent.clone(), mostly(), who.clone())
            .prop_map(|(claim, is_owner, who)| Step::HandOver { claim, is_owner, who }),
        1 => (recent.clone(), 0..50_i64).prop_map(|(task, token)| Step::Mistake { task, token }),
        4 => (recent.clone(), any::<bool>())
            .prop_map(|(task, with_dependents)| Step::Cancel { task, with_dependents }),
        2 => (recent.clone(), any::<bool>()).prop_map(|(task, later)| Step::Reschedule { task, later }),
        2 => (recent.clone(), 1..=10_u8).prop_map(|(task, priority)| Step::Reprioritize { task, priority }),
        3 => recent.clone().prop_map(|task| Step::Retry { task }),
        1 => recent.clone().prop_map(|task| Step::Discard { task }),
        2 => (who.clone(), 0..5_usize).prop_map(|(who, wants)| Step::Lock { who, wants }),
        1 => who.clone().prop_map(|who| Step::Register { who }),
        1 => who.prop_map(|who| Step::EndSession { who }),
        4 => Just(Step::Tidy),
        2 => recent.prop_map(|back| Step::Replay { back }),
    ]
}

pub(crate) fn any_step() -> BoxedStrategy<Sent> {
    let others = prop_oneof![
        6 => prop::sample::select(vec![1_i64, 3, 5, 10, 20, 30]).prop_map(|seconds| Step::Pass { seconds }),
        8 => any::<bool>().prop_map(|almost| Step::Await { almost }),
        4 => (0..SPEAKERS.len(), any::<bool>()).prop_map(|(who, almost)| Step::Outlive { who, almost }),
        1 => prop::sample::select(vec![0_i64, 10, 60]).prop_map(|seconds| Step::Prune { seconds }),
        1 => Just(Step::Reopen),
        1 => Just(Step::RaiseEpoch),
    ];
    let step = prop_oneof![3 => any_command(), 1 => others];
    (step, prop::bool::weighted(0.04), prop::bool::weighted(0.15))
        .prop_map(|(step, is_cut_off, is_short_sighted)| Sent { step, is_cut_off, is_short_sighted })
        .boxed()
}

fn claim(who: usize, tasks: u32, kinds: Option<bool>, labelled: bool, lease: Option<u32>, ledger: &Ledger) -> Claim {
    let kinds = kinds.map(|kind| task_type(kind_name(kind))).into_iter().collect();
    let wanted = if labelled { [label("x")].into() } else { BTreeSet::new() };
    let rust = Capability::parse("rust").unwrap();
    Claim {
        claimant: Claimant {
            holder: ledger.speaker(who),
            agent_type: AgentType::parse("worker").unwrap(),
            capabilities: if who.is_multiple_of(2) { [rust].into() } else { BTreeSet::new() },
            environment: None,
            trust: Trust::STANDARD,
        },
        filter: ClaimFilter::try_new(kinds, wanted).unwrap(),
        size: ClaimSize::try_new(tasks).unwrap(),
        lease: lease.map(|seconds| LeaseLength::try_new(seconds).unwrap()),
        withheld: BTreeSet::new(),
        horizon: None,
    }
}

/// A claim by a speaker, of whatever there is.
pub(crate) fn any_claim(who: usize, ledger: &Ledger) -> Claim {
    claim(who, 1, None, false, None, ledger)
}

/// The command a step means now; `None` when there is nothing yet that it could mean.
pub(crate) fn pick(step: &Step, ledger: &mut Ledger) -> Option<Command> {
    let later = ledger.now() + TimeDelta::seconds(LATER);
    let say = |claim: usize, is_owner: bool, ledger: &Ledger, word: Word| {
        let mut claim = ledger.recent_claim(claim)?;
        if !is_owner {
            claim.holder = ledger.another_than(&claim.holder);
        }
        Some(Command::Say(claim, word))
    };
    match step {
        Step::Submit { who, parts, each_alone, is_circle } => {
            Some(Command::Submit(submit(*who, parts, *each_alone, *is_circle, ledger)))
        }
        Step::Claim { who, tasks, kind, labelled, lease } => {
            Some(Command::Claim(claim(*who, *tasks, *kind, *labelled, *lease, ledger)))
        }
        Step::Beat { claim, is_owner, says } => {
            let progress = says.then(|| Progress::try_new(50).unwrap());
            let note = says.then(|| Note::parse("half way").unwrap());
            say(*claim, *is_owner, ledger, Word::Beat(progress, note))
        }
        Step::Complete { claim, is_owner, with_result } => {
            say(*claim, *is_owner, ledger, Word::Complete(with_result.then(tricky_payload)))
        }
        Step::Fail { claim, retryable, chance } => {
            say(*claim, true, ledger, Word::Fail(fault("it broke"), *retryable, Chance(*chance)))
        }
        Step::Release { claim } => say(*claim, true, ledger, Word::Release),
        Step::Snooze { claim } => say(*claim, true, ledger, Word::Snooze(later)),
        Step::HandOver { claim, is_owner, who } => {
            let mut claim = ledger.recent_claim(*claim)?;
            if !is_owner {
                claim.holder = ledger.another_than(&claim.holder);
            }
            let to = any_claim(*who, ledger).claimant;
            (to.holder.session != claim.holder.session).then_some(Command::HandOver(claim, to))
        }
        Step::Mistake { task, token } => {
            let (task, token) = (ledger.recent_task(*task)?, Token::try_new(token + 1).unwrap());
            let claim = ClaimRef { task, token, holder: ledger.speaker(0) };
            Some(Command::Say(claim, Word::Complete(None)))
        }
        Step::Cancel { task, with_dependents } => {
            let cancel = Cancel { by: agent("boss"), reason: None, with_dependents: *with_dependents };
            Some(Command::Cancel(ledger.recent_task(*task)?, cancel))
        }
        Step::Reschedule { task, later: is_later } => {
            Some(Command::Reschedule(ledger.recent_task(*task)?, is_later.then_some(later)))
        }
        Step::Reprioritize { task, priority: number } => {
            Some(Command::Reprioritize(ledger.recent_task(*task)?, priority(*number)))
        }
        Step::Retry { task } => Some(Command::Retry(ledger.dead_task(*task)?)),
        Step::Discard { task } => Some(Command::Discard(ledger.dead_task(*task)?, agent("boss"))),
        // Who has locks for a task and asks for the same ones for itself has them for itself from then on.
        Step::Lock { who, wants } if !ledger.has_claims(*who) => {
            Some(Command::Lock(ledger.speaker(*who), lockings(*wants)))
        }
        Step::Register { who } => Some(Command::Register(ledger.speaker(*who))),
        Step::EndSession { who } => Some(Command::EndSession(ledger.speaker(*who))),
        Step::Tidy => Some(Command::Tidy),
        Step::Lock { .. }
        | Step::Prune { .. }
        | Step::Pass { .. }
        | Step::Await { .. }
        | Step::Outlive { .. }
        | Step::Reopen
        | Step::RaiseEpoch
        | Step::Replay { .. } => None,
    }
}
