//! What is handed in.

use super::{LATER, RECENT, SPEAKERS};
use crate::model::work::command::wants;
use crate::model::work::ledger::Ledger;
use crate::samples::*;
use crate::work::samples::*;
use chrono::TimeDelta;
use domain::locks::lease::Mode;
use domain::locks::wants::Wants;
use domain::work::name::{Capability, LocalName};
use domain::work::requires::{Asked, Requires};
use domain::work::retry::RetryPolicy;
use domain::work::submission::{Dependencies, Submission, Submit, TaskDraft, TaskRef, Together};
use domain::work::terms::{Concurrency, LeaseLength, OnDependencyFailure};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[expect(clippy::struct_excessive_bools, reason = "each says one thing about a task")]
#[derive(Debug, Clone)]
pub(crate) struct Part {
    policy: usize,
    /// Which of the tasks before, and whether one of the call itself.
    after: Vec<usize>,
    after_local: bool,
    parent: Option<usize>,
    priority: u8,
    kind: bool,
    labelled: bool,
    key: Option<bool>,
    wants: Option<usize>,
    is_late: bool,
    deadline: Option<i64>,
    attempts: u32,
    rests: bool,
    lease: u32,
    needs_rust: bool,
    not_submitter: bool,
}

pub(super) fn any_part() -> impl Strategy<Value = Part> {
    let graph = (0..3_usize, vec(0..RECENT, 0..3), any::<bool>(), option::weighted(0.15, 0..RECENT));
    let claim = (
        prop::sample::select(vec![1_u8, 5, 5, 10]),
        any::<bool>(),
        any::<bool>(),
        option::weighted(0.6, any::<bool>()),
        option::weighted(0.4, 0..5_usize),
    );
    let times = (
        prop::bool::weighted(0.15),
        option::weighted(0.15, prop::sample::select(vec![25_i64, 40, 100])),
        1..=3_u32,
        prop::bool::weighted(0.3),
        prop::sample::select(vec![10_u32, 20, 60]),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    );
    (graph, claim, times).prop_map(|(graph, claim, times)| {
        let (policy, after, after_local, parent) = graph;
        let (priority, kind, labelled, key, wants) = claim;
        let (is_late, deadline, attempts, rests, lease, needs_rust, not_submitter) = times;
        Part {
            policy,
            after,
            after_local,
            parent,
            priority,
            kind,
            labelled,
            key,
            wants,
            is_late,
            deadline,
            attempts,
            rests,
            lease,
            needs_rust,
            not_submitter,
        }
    })
}

pub(super) fn lockings(number: usize) -> Wants {
    let all: [&[(&str, Mode)]; 5] = [
        &[("src/**", Mode::Exclusive)],
        &[("src/a.rs", Mode::Exclusive)],
        &[("src/a.rs", Mode::Shared), ("src/b.rs", Mode::Shared)],
        &[("db:schema:a", Mode::Exclusive)],
        &[("src/b.rs", Mode::Exclusive), ("db:schema:a", Mode::Shared)],
    ];
    wants(all[number])
}

pub(super) fn kind_name(kind: bool) -> &'static str {
    if kind { "build" } else { "review" }
}

/// Each key has one limit, so that it can be told from a count whether it was kept.
fn limited(key: bool) -> Concurrency {
    if key { concurrency("one", 1) } else { concurrency("two", 2) }
}

fn draft(part: &Part, ledger: &Ledger) -> TaskDraft {
    let policies = [OnDependencyFailure::Cancel, OnDependencyFailure::Run, OnDependencyFailure::Block];
    let rust = Capability::parse("rust").unwrap();
    let asked = Asked {
        capabilities: if part.needs_rust { [rust].into() } else { BTreeSet::new() },
        not_submitter: part.not_submitter,
        ..Asked::default()
    };
    TaskDraft {
        content: content("do it"),
        task_type: task_type(kind_name(part.kind)),
        priority: priority(part.priority),
        labels: labels(if part.labelled { &["x"] } else { &[] }),
        requires: Requires::try_new(asked).unwrap(),
        resources: part.wants.map(lockings),
        concurrency: part.key.map(limited),
        lease: LeaseLength::try_new(part.lease).unwrap(),
        retry: if part.rests {
            RetryPolicy::try_new(part.attempts, 10, 20).unwrap()
        } else {
            RetryPolicy::try_new(part.attempts, 0, 0).unwrap()
        },
        on_dependency_failure: policies[part.policy],
        not_before: part.is_late.then(|| ledger.now() + TimeDelta::seconds(LATER)),
        deadline: part.deadline.map(|seconds| ledger.now() + TimeDelta::seconds(seconds)),
    }
}

pub(super) fn submit(who: usize, parts: &[Part], each_alone: bool, is_circle: bool, ledger: &mut Ledger) -> Submit {
    let local = |at: usize| LocalName::parse(&format!("t{at}")).unwrap();
    let mut items = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let known = part.after.iter().filter_map(|back| ledger.recent_task(*back)).map(TaskRef::Known);
        let before = if is_circle { Some((at + parts.len() - 1) % parts.len()) } else { at.checked_sub(1) };
        let before = before.filter(|_| part.after_local || is_circle).map(|at| TaskRef::Local(local(at)));
        items.push(Submission {
            name: Some(local(at)),
            draft: draft(part, ledger),
            depends_on: Dependencies::try_new(known.chain(before).collect()).unwrap(),
            parent: part.parent.and_then(|back| ledger.recent_task(back)).map(TaskRef::Known),
            id: ledger.fresh_task(),
        });
    }
    let together = if each_alone { Together::EachAlone } else { Together::AllOrNothing };
    Submit::try_new(agent(SPEAKERS[who]), items, together).unwrap()
}
