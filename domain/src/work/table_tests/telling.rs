//! What happens when those that depend on a task are too many, or too far away, to be loaded with it.

use super::yard::{item, yard};
use crate::work::refusal::WorkRefusal;
use crate::work::task::{Status, TaskState};
use crate::work::terms::OnDependencyFailure::Run;
use std::collections::BTreeSet;

#[test]
fn who_was_not_loaded_is_told_by_a_later_batch() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a")]);
    yard.sees = Some(BTreeSet::new());
    yard.work_off("a");
    assert!(yard.task("a").untold);
    assert_eq!(yard.status("b"), Status::Blocked, "nobody starts without having been told");
    yard.sees = None;
    yard.run(|_, _| ());
    assert!(!yard.task("a").untold);
    assert_eq!(yard.status("b"), Status::Ready);
    yard.run(|_, _| ());
    assert!(yard.changes.is_empty(), "and only once");
}

#[test]
fn a_cancel_goes_as_far_as_was_loaded_and_goes_on_later() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a").policy(Run), item("c").after("b").policy(Run), item("d").after("c")]);
    yard.sees = Some(BTreeSet::from([yard.id("a")]));
    let outcome = yard.cancel("a", true).unwrap();
    assert_eq!(outcome.cancelled, [yard.id("a"), yard.id("b")]);
    assert!(outcome.more_to_come);
    assert_eq!(yard.status("c"), Status::Blocked);
    yard.sees = None;
    yard.run(|_, _| ());
    assert_eq!((yard.status("c"), yard.status("d")), (Status::Cancelled, Status::Cancelled));
}

#[test]
fn a_task_that_has_yet_to_tell_tells_those_that_come_meanwhile_too() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.sees = Some(BTreeSet::new());
    yard.work_off("a");
    yard.submit(&[item("b").after("a")]);
    assert_eq!(yard.task("b").state, TaskState::Blocked { pending: 1 });
    yard.sees = None;
    yard.run(|_, _| ());
    assert_eq!(yard.status("b"), Status::Ready);
}

#[test]
fn a_dead_letter_that_told_nobody_yet_takes_nothing_back() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a").policy(Run)]);
    yard.sees = Some(BTreeSet::new());
    yard.kill("a");
    let id = yard.id("a");
    yard.run(|table, _| table.retry(id)).unwrap();
    yard.sees = None;
    yard.work_off("a");
    assert_eq!(yard.status("b"), Status::Ready);
}

#[test]
fn a_retry_needs_to_know_who_was_told() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a").policy(Run)]);
    yard.kill("a");
    yard.sees = Some(BTreeSet::new());
    let id = yard.id("a");
    assert_eq!(yard.run(|table, _| table.retry(id)), Err(WorkRefusal::NotPrepared { task: id }));
    assert_eq!(yard.status("a"), Status::Dead);
}
