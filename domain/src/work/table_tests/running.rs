use super::yard::{holder, item, yard};
use crate::locks::lease::Reason;
use crate::work::attempt::AttemptEnd;
use crate::work::content::{Note, Payload, Progress};
use crate::work::refusal::WorkRefusal;
use crate::work::retry::RetryPolicy;
use crate::work::table::ClaimRef;
use crate::work::task::{CLAIMS_MAX, DeathCause, Status, TaskState};
use chrono::TimeDelta;
use serde_json::json;

#[test]
fn a_heartbeat_extends_the_lease_and_carries_word_of_the_work() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    yard.pass(50);
    let note = Note::parse("half way").unwrap();
    let half = Progress::try_new(50).unwrap();
    let beat = yard.run(|table, locks| table.heartbeat(locks, &held, Some(half), Some(note.clone()))).unwrap();
    assert_eq!(beat.until, yard.now + TimeDelta::seconds(60));
    assert!(beat.cancel.is_none());
    yard.run(|table, locks| table.heartbeat(locks, &held, None, None)).unwrap();
    let lease = yard.task("a").lease().unwrap();
    assert_eq!((lease.progress, lease.note.as_ref()), (Some(half), Some(&note)), "silence does not unsay it");
}

#[test]
fn a_heartbeat_never_shortens_a_lease_though_the_clock_went_back() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let (held, until) = (yard.held("a"), yard.now + TimeDelta::seconds(60));
    yard.pass(-10);
    let beat = yard.run(|table, locks| table.heartbeat(locks, &held, None, None)).unwrap();
    assert_eq!(beat.until, until);
}

#[test]
fn a_completion_is_final_and_a_repeat_gets_the_first_answer() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    let result = Some(Payload::try_new(json!({"pr": 7})).unwrap());
    let first = yard.run(|table, locks| table.complete(locks, &held, result.clone())).unwrap();
    assert!(!first.already);
    yard.pass(1_000);
    let again = yard.run(|table, locks| table.complete(locks, &held, result)).unwrap();
    assert!(again.already);
    assert_eq!(again.attempt, first.attempt);
    assert!(yard.changes.is_empty(), "nothing changes");
    assert_eq!(yard.attempts.len(), 1);
}

#[test]
fn another_word_after_the_end_is_stale() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    yard.complete(&held).unwrap();
    let other = Some(Payload::try_new(json!(1)).unwrap());
    let refusals = [
        yard.run(|table, locks| table.complete(locks, &held, other)).unwrap_err(),
        yard.fail(&held, true, 0).unwrap_err(),
        yard.run(|table, locks| table.heartbeat(locks, &held, None, None)).unwrap_err(),
        yard.run(|table, locks| table.release(locks, &held, None)).unwrap_err(),
    ];
    for refusal in refusals {
        let WorkRefusal::Stale { claim } = refusal else { panic!("{refusal}") };
        assert_eq!((claim.status, claim.now_with), (Status::Succeeded, None));
        assert_eq!(claim.attempt.end.as_str(), "succeeded");
    }
    assert_eq!(yard.status("a"), Status::Succeeded);
}

#[test]
fn the_words_of_another_session_are_not_heard() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let thief = ClaimRef { holder: holder("ann/2"), ..yard.held("a") };
    assert!(matches!(yard.complete(&thief), Err(WorkRefusal::NotHolder { .. })));
    let held = yard.held("a");
    yard.complete(&held).unwrap();
    assert!(matches!(yard.complete(&thief), Err(WorkRefusal::Stale { .. })), "nor is a repeat of theirs");
}

#[test]
fn a_token_nobody_was_given_and_a_task_nobody_submitted_are_unknown() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b")]);
    yard.claim("ann/1", 2);
    let crossed = ClaimRef { task: yard.id("b"), ..yard.held("a") };
    assert!(matches!(yard.complete(&crossed), Err(WorkRefusal::UnknownToken { .. })));
    let nowhere = ClaimRef { task: crate::ids::TaskId::new(uuid::Uuid::from_u128(99)), ..yard.held("a") };
    assert!(matches!(yard.complete(&nowhere), Err(WorkRefusal::UnknownTask { .. })));
}

#[test]
fn a_failure_rests_and_is_tried_again_until_its_attempts_are_used_up() {
    let mut yard = yard();
    yard.submit(&[item("a").with(|draft| draft.retry = RetryPolicy::try_new(3, 10, 15).unwrap())]);
    for (attempt, ceiling) in [(1, 10), (2, 15)] {
        assert_eq!(yard.claim("ann/1", 1), ["a"]);
        let held = yard.held("a");
        let failed = yard.fail(&held, true, 128).unwrap();
        assert_eq!(failed.attempt.number, attempt);
        assert_eq!(failed.attempt.left, Status::Failed);
        assert_eq!(failed.attempt.next_at, Some(yard.now + TimeDelta::milliseconds(ceiling * 500)), "half of it");
        assert!(yard.claim("ann/1", 1).is_empty(), "it rests");
        yard.pass(ceiling);
    }
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    let failed = yard.fail(&held, true, 128).unwrap();
    assert_eq!(failed.attempt.left, Status::Dead);
    assert!(matches!(yard.task("a").state, TaskState::Dead { cause: DeathCause::AttemptsUsedUp, .. }));
    assert_eq!(yard.attempts.len(), 3, "the history is whole");
}

#[test]
fn a_failure_without_luck_of_a_rest_can_be_claimed_at_once() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    assert_eq!(yard.fail(&held, true, 255).unwrap().attempt.left, Status::Ready);
    assert_eq!(yard.changes.readied().len(), 1, "whoever waits is woken");
}

#[test]
fn a_failure_that_another_attempt_will_not_mend_is_dead_at_once() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    yard.fail(&held, false, 0).unwrap();
    assert!(matches!(yard.task("a").state, TaskState::Dead { cause: DeathCause::NotRetryable, .. }));
    assert!(yard.fail(&held, false, 0).unwrap().already, "a repeat gets the first answer");
    assert!(matches!(yard.fail(&held, true, 0), Err(WorkRefusal::Stale { .. })), "another word does not");
}

#[test]
fn what_is_handed_back_unharmed_keeps_its_attempts_and_its_place() {
    let mut yard = yard();
    yard.submit(&[item("a"), item("b")]);
    for attempt in 1..=10 {
        assert_eq!(yard.claim("ann/1", 1), ["a"]);
        let held = yard.held("a");
        let reason = Some(Reason::parse("not mine").unwrap());
        let released = yard.run(|table, locks| table.release(locks, &held, reason)).unwrap();
        assert_eq!(released.attempt.number, attempt, "attempts are numbered through");
        assert_eq!(yard.task("a").failures(), 0);
    }
    for _ in 0..3 {
        yard.claim("ann/1", 1);
        let held = yard.held("a");
        yard.fail(&held, true, 0).unwrap();
    }
    assert_eq!(yard.status("a"), Status::Dead, "three failures are three failures");
}

#[test]
fn what_is_handed_round_for_ever_dies_in_the_end() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    let id = yard.id("a");
    let task = yard.tasks.get_mut(&id).unwrap();
    task.attempts_made = CLAIMS_MAX - 1;
    task.attempts_allowed = CLAIMS_MAX;
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    let released = yard.run(|table, locks| table.release(locks, &held, None)).unwrap();
    assert_eq!(released.attempt.left, Status::Dead);
}

#[test]
fn a_snoozed_task_comes_back_when_it_was_to_and_no_harm_was_done() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    let until = yard.now + TimeDelta::seconds(3_600);
    let snoozed = yard.run(|table, locks| table.snooze(locks, &held, until)).unwrap();
    assert_eq!((snoozed.attempt.left, snoozed.attempt.next_at), (Status::Scheduled, Some(until)));
    assert_eq!(yard.task("a").failures(), 0);
    yard.submit(&[item("b")]);
    yard.pass(3_600);
    assert!(yard.run(|table, locks| table.snooze(locks, &held, until)).unwrap().already, "a repeat, be it late");
    assert_eq!(yard.claim("ann/1", 2), ["b", "a"], "it has waited since it was due");
}

#[test]
fn a_task_is_put_off_into_the_near_future_only() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    for until in [yard.now, yard.now + TimeDelta::days(4_000)] {
        let refused = yard.run(|table, locks| table.snooze(locks, &held, until));
        assert_eq!(refused.unwrap_err(), WorkRefusal::OutOfReach { at: until });
    }
    assert_eq!(yard.status("a"), Status::Leased, "and the agent still has it");
}

#[test]
fn the_history_tells_who_did_what_and_what_came_of_it() {
    let mut yard = yard();
    yard.submit(&[item("a")]);
    yard.claim("ann/1", 1);
    let held = yard.held("a");
    yard.fail(&held, true, 0).unwrap();
    yard.claim("bob/1", 1);
    let held = yard.held("a");
    yard.complete(&held).unwrap();
    let told: Vec<(&str, u32, &str)> = yard
        .attempts
        .iter()
        .map(|attempt| (attempt.holder.agent.as_str(), attempt.number, attempt.end.as_str()))
        .collect();
    assert_eq!(told, [("ann", 1, "failed"), ("bob", 2, "succeeded")]);
    assert!(matches!(yard.attempts[0].end, AttemptEnd::Failed { retryable: true, .. }));
}
