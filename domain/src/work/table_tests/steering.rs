use super::yard::{item, yard};
use crate::ids::AgentId;
use crate::work::rank::Priority;
use crate::work::refusal::WorkRefusal;
use crate::work::task::{CancelCause, Status, TaskState};
use crate::work::terms::OnDependencyFailure::Block;
use chrono::TimeDelta;

#[test]
fn a_task_is_put_off_and_brought_forward() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    let id = yard.id("a");
    let later = yard.now + TimeDelta::hours(1);
    let task = yard.run(|table, _| table.reschedule(id, Some(later))).unwrap();
    assert!(matches!(task.state, TaskState::Scheduled { until, .. } if until == later));
    assert!(yard.claim("ann/1", 1).is_empty());
    yard.run(|table, _| table.reschedule(id, None)).unwrap();
    assert_eq!(yard.claim("ann/1", 1), ["a"]);
}

#[test]
fn a_blocked_task_that_is_put_off_stays_blocked_and_then_waits_for_its_time() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a")]);
    let later = yard.now + TimeDelta::hours(1);
    let id = yard.id("b");
    yard.run(|table, _| table.reschedule(id, Some(later))).unwrap();
    assert_eq!(yard.status("b"), Status::Blocked);
    yard.work_off("a");
    assert_eq!(yard.status("b"), Status::Scheduled);
}

#[test]
fn bringing_forward_wins_no_place_over_those_that_waited() {
    let mut yard = yard();
    let later = yard.now + TimeDelta::hours(1);
    yard.submit(&[item("a").with(|draft| draft.not_before = Some(later))]);
    yard.pass(1);
    yard.submit(&[item("b")]);
    yard.pass(1);
    let id = yard.id("a");
    yard.run(|table, _| table.reschedule(id, None)).unwrap();
    assert_eq!(yard.claim("ann/1", 2), ["b", "a"]);
}

#[test]
fn what_runs_or_has_ended_cannot_be_rescheduled_and_nothing_into_the_past() {
    let mut yard = yard();
    let now = yard.now;
    yard.submit(&[item("a"), item("b"), item("c").with(|draft| draft.deadline = Some(now + TimeDelta::minutes(1)))]);
    let (a, b, c) = (yard.id("a"), yard.id("b"), yard.id("c"));
    yard.claim("ann/1", 1);
    yard.cancel("b", false).unwrap();
    assert!(matches!(yard.run(|table, _| table.reschedule(a, None)), Err(WorkRefusal::Running { .. })));
    assert!(matches!(yard.run(|table, _| table.reschedule(b, None)), Err(WorkRefusal::Ended { .. })));
    assert!(matches!(yard.run(|table, _| table.reschedule(c, Some(now))), Err(WorkRefusal::OutOfReach { .. })));
    let late = Some(now + TimeDelta::minutes(1));
    assert!(matches!(yard.run(|table, _| table.reschedule(c, late)), Err(WorkRefusal::PastDeadline { .. })));
}

#[test]
fn a_change_of_priority_keeps_what_was_waited() {
    let mut yard = yard();
    yard.submit(&[item("a").priority(7)]);
    yard.pass(5);
    yard.submit(&[item("b")]);
    let id = yard.id("a");
    yard.run(|table, _| table.reprioritize(id, Priority::DEFAULT)).unwrap();
    assert_eq!(yard.changes.readied().len(), 1, "whoever was passed by should look again");
    assert_eq!(yard.claim("ann/1", 2), ["a", "b"]);
    yard.run(|table, _| table.reprioritize(id, Priority::FIRST)).unwrap();
    let held = yard.held("a");
    yard.run(|table, locks| table.release(locks, &held, None)).unwrap();
    assert_eq!(yard.task("a").priority, Priority::FIRST, "one at work keeps it for when it comes back");
    yard.run(|table, _| table.reprioritize(id, Priority::FIRST)).unwrap();
    assert!(yard.changes.is_empty(), "no change is no change");
}

#[test]
fn a_dead_letter_tried_again_gets_all_its_attempts_again() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    for _ in 0..3 {
        yard.claim("ann/1", 1);
        yard.pass(60);
    }
    yard.run(|_, _| ());
    let id = yard.id("a");
    let task = yard.run(|table, _| table.retry(id)).unwrap();
    assert_eq!((task.status(), task.failures()), (Status::Ready, 0));
    for attempt in 4..=6 {
        yard.claim("ann/1", 1);
        assert_eq!(yard.task("a").lease().unwrap().attempt, attempt, "numbered through");
        yard.pass(60);
    }
    yard.run(|_, _| ());
    assert_eq!(yard.status("a"), Status::Dead);
}

#[test]
fn a_discarded_dead_letter_is_gone_for_good_and_those_that_bore_it_wait_on() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a").policy(Block)]);
    yard.kill("a");
    let id = yard.id("a");
    let boss = AgentId::parse("boss").unwrap();
    let task = yard.run(|table, _| table.discard(id, boss.clone())).unwrap();
    assert!(matches!(task.state, TaskState::Cancelled { cause: CancelCause::Discarded { .. }, .. }));
    assert!(matches!(yard.run(|table, _| table.retry(id)), Err(WorkRefusal::NotDead { .. })));
    assert!(matches!(yard.run(|table, _| table.discard(id, boss)), Err(WorkRefusal::NotDead { .. })));
    assert_eq!(yard.status("b"), Status::Blocked);
}

#[test]
fn a_dead_letter_past_its_deadline_is_not_tried_again() {
    let mut yard = yard();
    let deadline = yard.now + TimeDelta::minutes(1);
    yard.submit(&[item("a").with(|draft| draft.deadline = Some(deadline))]);
    yard.kill("a");
    yard.pass(60);
    let task = yard.id("a");
    assert_eq!(yard.run(|table, _| table.retry(task)), Err(WorkRefusal::PastDeadline { task, deadline }));
}
