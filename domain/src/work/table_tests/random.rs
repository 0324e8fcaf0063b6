//! Random lives. After every command the yard looks at everything that must always hold: nothing lost, nothing twice,
//! no child before its parents, tokens and attempts that rise, attempts within what is allowed, counts that are true.

use super::yard::{Item, Yard, item, yard};
use crate::work::submission::Together;
use crate::work::task::Status;
use crate::work::terms::OnDependencyFailure;
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Step {
    Submit { policy: u8, parents: Vec<u8>, priority: u8, key: bool, file: Option<u8>, wait: bool, deadline: bool },
    Claim { who: u8, tasks: u32 },
    Complete(u8),
    Fail { which: u8, retryable: bool, share: u8 },
    Release(u8),
    Snooze(u8),
    Beat(u8),
    Late(u8),
    Cancel { which: u8, with_dependents: bool },
    Reschedule(u8),
    Retry(u8),
    Discard(u8),
    Die(u8),
    Blink(bool),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let submit =
        (0..3_u8, prop::collection::vec(any::<u8>(), 0..3), 1..=10_u8, any::<bool>(), prop::option::of(0..3_u8))
            .prop_flat_map(|(policy, parents, priority, key, file)| {
                (prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(move |(wait, deadline)| Step::Submit {
                    policy,
                    parents: parents.clone(),
                    priority,
                    key,
                    file,
                    wait,
                    deadline,
                })
            });
    prop_oneof![
        6 => submit,
        6 => (0..4_u8, 1..4_u32).prop_map(|(who, tasks)| Step::Claim { who, tasks }),
        4 => any::<u8>().prop_map(Step::Complete),
        2 => (any::<u8>(), prop::bool::weighted(0.8), any::<u8>())
            .prop_map(|(which, retryable, share)| Step::Fail { which, retryable, share }),
        1 => any::<u8>().prop_map(Step::Release),
        1 => any::<u8>().prop_map(Step::Snooze),
        1 => any::<u8>().prop_map(Step::Beat),
        1 => any::<u8>().prop_map(Step::Late),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(which, with_dependents)| Step::Cancel { which, with_dependents }),
        1 => any::<u8>().prop_map(Step::Reschedule),
        1 => any::<u8>().prop_map(Step::Retry),
        1 => any::<u8>().prop_map(Step::Discard),
        1 => (0..4_u8).prop_map(Step::Die),
        1 => any::<bool>().prop_map(Step::Blink),
        2 => (1..90_i64).prop_map(Step::Pass),
    ]
}

fn pick(names: &[String], which: u8) -> Option<String> {
    (!names.is_empty()).then(|| names[usize::from(which) % names.len()].clone())
}

fn named(yard: &Yard, fits: impl Fn(Status) -> bool) -> Vec<String> {
    let all = yard.tasks.values().filter(|task| fits(task.status()));
    all.map(|task| yard.name(task.id)).collect()
}

fn work(yard: &Yard, count: usize, step: &Step) -> Option<Item> {
    let Step::Submit { policy, parents, priority, key, file, wait, deadline } = step else { return None };
    let all = named(yard, |_| true);
    let parents: BTreeSet<String> = parents.iter().filter_map(|which| pick(&all, *which)).collect();
    let policies = [OnDependencyFailure::Cancel, OnDependencyFailure::Run, OnDependencyFailure::Block];
    let now = yard.now;
    let mut item = item(&format!("t{count}"))
        .after(&parents.into_iter().collect::<Vec<_>>().join(" "))
        .policy(policies[usize::from(*policy)])
        .priority(*priority)
        .with(|draft| {
            draft.not_before = wait.then(|| now + TimeDelta::seconds(20));
            draft.deadline = deadline.then(|| now + TimeDelta::seconds(100));
        });
    if *key {
        item = item.key("k", 2);
    }
    if let Some(file) = file {
        item = item.needs(["src/**", "src/a.rs", "~src/b.rs"][usize::from(*file)]);
    }
    Some(item)
}

fn live(yard: &mut Yard, steps: &[Step]) {
    let mut claims = Vec::new();
    for (count, step) in steps.iter().enumerate() {
        let known = yard.tasks.len();
        // Time may have passed; what that means is settled before anything is picked.
        yard.run(|_, _| ());
        let leased = named(yard, |status| status == Status::Leased);
        let waiting = named(yard, |status| !status.is_ended());
        let dead = named(yard, |status| status == Status::Dead);
        let soon = yard.now + TimeDelta::seconds(30);
        match step {
            Step::Submit { .. } => {
                let item = work(yard, count, step).unwrap();
                yard.try_submit(&[item], Together::AllOrNothing).unwrap();
                assert_eq!(yard.tasks.len(), known + 1);
                continue;
            }
            Step::Claim { who, tasks } => {
                for name in yard.claim(&format!("agent/{who}"), *tasks) {
                    claims.push(yard.held(&name));
                }
                let running =
                    yard.tasks.values().filter(|task| task.lease().is_some() && task.terms.concurrency.is_some());
                assert!(running.count() <= 2, "no more of a key than may");
            }
            Step::Complete(which) => {
                if let Some(name) = pick(&leased, *which) {
                    let held = yard.held(&name);
                    assert!(!yard.complete(&held).unwrap().already);
                }
            }
            Step::Fail { which, retryable, share } => {
                if let Some(name) = pick(&leased, *which) {
                    let held = yard.held(&name);
                    yard.fail(&held, *retryable, *share).unwrap();
                }
            }
            Step::Release(which) | Step::Snooze(which) | Step::Beat(which) => {
                if let Some(name) = pick(&leased, *which) {
                    let held = yard.held(&name);
                    match step {
                        Step::Release(_) => drop(yard.run(|table, locks| table.release(locks, &held, None)).unwrap()),
                        Step::Snooze(_) => drop(yard.run(|table, locks| table.snooze(locks, &held, soon)).unwrap()),
                        _ => drop(yard.run(|table, locks| table.heartbeat(locks, &held, None, None)).unwrap()),
                    }
                }
            }
            Step::Late(which) => {
                let live: BTreeSet<_> = leased.iter().map(|name| yard.held(name).token).collect();
                let over: Vec<_> = claims.iter().filter(|held| !live.contains(&held.token)).cloned().collect();
                if !over.is_empty() {
                    let held = &over[usize::from(*which) % over.len()];
                    yard.run(|table, locks| table.heartbeat(locks, held, None, None)).unwrap_err();
                    assert!(yard.changes.is_empty(), "a stale word changes nothing");
                }
            }
            Step::Cancel { which, with_dependents } => {
                if let Some(name) = pick(&waiting, *which) {
                    yard.cancel(&name, *with_dependents).unwrap();
                }
            }
            Step::Reschedule(which) => {
                if let Some(name) =
                    pick(&named(yard, |status| matches!(status, Status::Ready | Status::Blocked)), *which)
                {
                    let id = yard.id(&name);
                    let at = (which % 2 == 0).then_some(soon);
                    let _ = yard.run(|table, _| table.reschedule(id, at));
                }
            }
            Step::Retry(which) => {
                if let Some(name) = pick(&dead, *which) {
                    let id = yard.id(&name);
                    let _ = yard.run(|table, _| table.retry(id));
                }
            }
            Step::Discard(which) => {
                if let Some(name) = pick(&dead, *which) {
                    let id = yard.id(&name);
                    let by = yard.task(&name).terms.submitted_by.clone();
                    yard.run(|table, _| table.discard(id, by)).unwrap();
                }
            }
            Step::Die(who) => {
                let session = super::yard::holder(&format!("agent/{who}")).session;
                yard.session_ends.insert(session.clone(), yard.now);
                yard.run(|_, _| ());
                yard.session_ends.remove(&session);
            }
            Step::Blink(sees) => {
                yard.sees = if *sees { None } else { Some(BTreeSet::new()) };
            }
            Step::Pass(seconds) => yard.pass(*seconds),
        }
        assert_eq!(yard.tasks.len(), known, "nothing is lost and nothing comes from nowhere");
    }
}

/// Lets everything that can end come to its end.
fn drain(yard: &mut Yard) {
    yard.sees = None;
    for _ in 0..10_000 {
        yard.run(|_, _| ());
        for name in named(yard, |status| status == Status::Leased) {
            let held = yard.held(&name);
            yard.complete(&held).unwrap();
        }
        if yard.claim("drain/1", 50).is_empty() {
            if named(yard, |status| matches!(status, Status::Scheduled | Status::Failed)).is_empty() {
                return;
            }
            yard.pass(10);
        }
    }
    panic!("it does not come to an end");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_lost_twice_or_out_of_order(steps in prop::collection::vec(step(), 1..60)) {
        let mut yard = yard();
        live(&mut yard, &steps);
        drain(&mut yard);
        for task in yard.tasks.values() {
            let bears = task.terms.on_dependency_failure == OnDependencyFailure::Block;
            let waits = yard.edges.iter().filter(|edge| edge.task == task.id).any(|edge| {
                yard.tasks[&edge.depends_on].status() != Status::Succeeded
            });
            prop_assert!(
                task.status().is_ended() || (waits && (bears || task.status() == Status::Blocked)),
                "{:?} is stuck", task
            );
            prop_assert!(!task.untold);
            let done = yard.attempts.iter().filter(|past| past.task == task.id && past.end.as_str() == "succeeded");
            prop_assert_eq!(done.count(), usize::from(task.status() == Status::Succeeded), "done once or not at all");
        }
        prop_assert!(yard.leases.is_empty(), "no lock outlives its task");
    }
}
