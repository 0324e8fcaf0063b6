use super::yard::{item, yard};
use crate::work::refusal::WorkRefusal;
use crate::work::task::{CANCEL_GRACE_SECONDS, Status};
use crate::work::terms::OnDependencyFailure::{Block, Run};
use chrono::TimeDelta;

#[test]
fn a_waiting_task_is_cancelled_at_once() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b").after("a")]);
    let outcome = yard.cancel("b", false).unwrap();
    assert_eq!((outcome.task.status(), outcome.already), (Status::Cancelled, false));
    assert!(yard.cancel("b", false).unwrap().already);
    assert!(yard.changes.is_empty());
    yard.work_off("a");
    assert_eq!(yard.status("b"), Status::Cancelled, "and stays so");
}

#[test]
fn what_ended_otherwise_cannot_be_cancelled() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b")]);
    yard.kill("b");
    yard.work_off("a");
    for (name, status) in [("a", Status::Succeeded), ("b", Status::Dead)] {
        let task = yard.id(name);
        assert_eq!(yard.cancel(name, true).unwrap_err(), WorkRefusal::Ended { task, status });
    }
}

#[test]
fn an_agent_at_work_is_told_and_has_a_minute_to_stop() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    yard.pass(30);
    yard.run(|table, locks| table.heartbeat(locks, &held, None, None)).unwrap();
    let outcome = yard.cancel("a", false).unwrap();
    assert_eq!(outcome.task.status(), Status::Leased);
    let end = yard.now + TimeDelta::seconds(CANCEL_GRACE_SECONDS);
    yard.pass(20);
    assert!(yard.cancel("a", false).unwrap().already);
    let beat = yard.run(|table, locks| table.heartbeat(locks, &held, None, None)).unwrap();
    assert_eq!(beat.cancel.unwrap().by.as_str(), "boss");
    assert_eq!(beat.until, end, "heartbeats win no time any more, and asking twice gives none");
    yard.pass(40);
    assert!(yard.claim("bob/1", 1).is_empty());
    assert_eq!(yard.status("a"), Status::Cancelled, "it was taken");
    assert!(yard.leases.is_empty(), "with its locks, which would have lasted longer");
    assert!(matches!(yard.complete(&held), Err(WorkRefusal::Stale { .. })));
}

#[test]
fn an_agent_that_gives_up_cancels_the_task_and_one_that_was_done_has_done_it() {
    for (end, status) in [("release", Status::Cancelled), ("fail", Status::Cancelled), ("complete", Status::Succeeded)]
    {
        let mut yard = yard();
        yard.submit(&[item("a"), item("child").after("a")]);
        yard.claim("ann/1", 1);
        let held = yard.held("a");
        yard.cancel("a", false).unwrap();
        match end {
            "release" => drop(yard.run(|table, locks| table.release(locks, &held, None)).unwrap()),
            "fail" => drop(yard.fail(&held, true, 0).unwrap()),
            _ => drop(yard.complete(&held).unwrap()),
        }
        assert_eq!(yard.status("a"), status, "{end}");
        let child = if status == Status::Succeeded { Status::Ready } else { Status::Cancelled };
        assert_eq!(yard.status("child"), child, "{end}");
    }
}

#[test]
fn a_dying_session_finishes_what_a_cancel_began() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    yard.cancel("a", false).unwrap();
    yard.session_ends.insert(yard.held("a").holder.session, yard.now + TimeDelta::seconds(1));
    yard.pass(1);
    yard.run(|_, _| ());
    assert_eq!(yard.status("a"), Status::Cancelled);
}

#[test]
fn with_its_dependents_means_all_of_them_whatever_their_policy() {
    let mut yard = yard();
    yard.submit(&[
        item("a"),
        item("run").after("a").policy(Run),
        item("block").after("run").policy(Block),
        item("deep").after("block").policy(Run),
        item("other"),
    ]);
    let outcome = yard.cancel("a", true).unwrap();
    assert_eq!(outcome.cancelled.len(), 4);
    assert!(!outcome.more_to_come);
    assert_eq!(yard.status("other"), Status::Ready);
}

#[test]
fn the_dependents_of_a_task_at_work_are_cancelled_without_waiting_for_it() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("run").after("a").policy(Run), item("deep").after("run").policy(Run)]);
    yard.claim("ann/1", 1);
    yard.cancel("a", false).unwrap();
    assert_eq!(yard.status("run"), Status::Blocked);
    let outcome = yard.cancel("a", true).unwrap();
    assert!(outcome.already);
    assert_eq!(outcome.cancelled.len(), 2);
    assert_eq!((yard.status("run"), yard.status("deep")), (Status::Cancelled, Status::Cancelled));
}
