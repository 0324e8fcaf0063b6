use super::yard::{item, yard};
use crate::work::attempt::SessionEnd;
use crate::work::refusal::WorkRefusal;
use crate::work::task::{DeathCause, Status, TaskState};
use chrono::TimeDelta;

#[test]
fn a_lapsed_lease_is_anybodys_at_that_very_instant() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    yard.now += TimeDelta::seconds(60) - TimeDelta::microseconds(1);
    assert!(yard.claim("bob/1", 1).is_empty(), "not a moment before");
    yard.now += TimeDelta::microseconds(1);
    assert_eq!(yard.claim("bob/1", 1), ["a"]);
    assert_eq!(yard.task("a").lease().unwrap().attempt, 2, "the lapse was an attempt");
    assert_eq!(yard.attempts[0].end.as_str(), "lapsed");
}

#[test]
fn a_late_word_changes_nothing_and_learns_who_has_it_now() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let late = yard.held("a");
    yard.pass(120);
    yard.claim("bob/1", 1);
    let WorkRefusal::Stale { claim } = yard.complete(&late).unwrap_err() else { panic!("it must be stale") };
    let has = claim.now_with.unwrap();
    assert_eq!(has.holder.agent.as_str(), "bob");
    assert!(has.token > late.token);
    assert_eq!(claim.attempt.end.as_str(), "lapsed");
    assert_eq!(yard.status("a"), Status::Leased);
}

#[test]
fn a_late_word_is_stale_even_if_nobody_has_taken_the_task() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let late = yard.held("a");
    yard.pass(60);
    let WorkRefusal::Stale { claim } = yard.complete(&late).unwrap_err() else { panic!("it must be stale") };
    assert_eq!((claim.status, claim.now_with), (Status::Ready, None));
    assert!(matches!(yard.complete(&late), Err(WorkRefusal::Stale { .. })), "and stays so");
}

#[test]
fn work_that_kills_its_worker_each_time_ends_among_the_dead_letters() {
    let mut yard = yard();
    yard.submit(&[item("poison"), item("other").after("poison")]);
    for worker in ["ann/1", "bob/1", "cyd/1"] {
        assert_eq!(yard.claim(worker, 2), ["poison"]);
        yard.pass(60);
    }
    assert!(yard.claim("dan/1", 1).is_empty());
    assert!(matches!(yard.task("poison").state, TaskState::Dead { cause: DeathCause::AttemptsUsedUp, .. }));
    assert_eq!(yard.status("other"), Status::Cancelled, "and those that wait learn it");
}

#[test]
fn what_a_dead_session_held_is_anybodys_from_its_death_on() {
    let mut yard = yard();
    yard.submit(&[item("a").needs("src/a.rs"), item("b")]);
    yard.claim("ann/1", 2);
    let death = yard.now + TimeDelta::seconds(10);
    yard.session_ends.insert(yard.held("a").holder.session, death);
    yard.pass(9);
    assert!(yard.claim("bob/1", 2).is_empty());
    yard.pass(1);
    assert_eq!(yard.claim("bob/1", 2), ["a", "b"]);
    assert_eq!(yard.attempts[0].end.as_str(), "session_died");
    assert_eq!(yard.attempts[0].ended_at, death);
    assert_eq!(yard.task("a").failures(), 2, "it may have been the work that killed it");
}

#[test]
fn a_session_that_ends_in_good_order_hands_its_work_back_unharmed() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b")]);
    yard.claim("ann/1", 1);
    yard.claim("ann/2", 1);
    let session = yard.held("a").holder.session;
    let back = yard.run(|table, locks| table.return_session(locks, &session, SessionEnd::Closed));
    assert_eq!(back.len(), 1);
    assert_eq!((yard.status("a"), yard.task("a").failures()), (Status::Ready, 0));
    assert_eq!(yard.status("b"), Status::Leased, "another session of the same agent keeps what it has");
    let session = yard.held("b").holder.session;
    yard.run(|table, locks| table.return_session(locks, &session, SessionEnd::Died));
    assert_eq!((yard.status("b"), yard.task("b").failures()), (Status::Ready, 1));
}

#[test]
fn a_task_whose_deadline_comes_first_expires_wherever_it_is() {
    let mut yard = yard();
    let deadline = yard.now + TimeDelta::seconds(30);
    let soon = |name: &str| item(name).with(|draft| draft.deadline = Some(deadline));
    yard.submit(&[
        soon("leased"),
        soon("ready"),
        soon("scheduled").with(|draft| draft.not_before = Some(deadline - TimeDelta::seconds(1))),
        soon("blocked").after("leased"),
        item("child").after("ready"),
    ]);
    yard.claim("ann/1", 1);
    let held = yard.held("leased");
    yard.pass(30);
    assert!(yard.claim("bob/1", 9).is_empty());
    for name in ["leased", "ready", "scheduled", "blocked"] {
        assert!(matches!(yard.task(name).state, TaskState::Expired { at } if at == deadline), "{name}");
    }
    assert_eq!(yard.status("child"), Status::Cancelled);
    assert!(matches!(yard.complete(&held), Err(WorkRefusal::Stale { .. })));
}

#[test]
fn what_lapses_for_the_last_time_at_its_deadline_has_expired() {
    let mut yard = yard();
    let deadline = yard.now + TimeDelta::seconds(5);
    yard.submit(&[item("a").with(|draft| draft.deadline = Some(deadline))]);
    yard.claim("ann/1", 1);
    yard.pass(5);
    yard.run(|_, _| ());
    assert_eq!(yard.status("a"), Status::Expired);
    assert_eq!(yard.attempts[0].left, Status::Expired);
}
