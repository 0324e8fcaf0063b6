//! What holds around every decision, whatever it is about.

use crate::desk::{Desk, call, call_as, project, with_key};
use domain::identity::principal::Role;
use domain::ids::SessionId;
use domain::locks::lease::Reason;
use pointsman::agents::commands::EndSession;
use pointsman::audit::sweeper::write_folded;
use pointsman::locks::commands::{ForceRelease, Release, ReleaseAll};
use pointsman::refusal::{CallError, Refusal};
use std::collections::BTreeSet;
use std::time::Duration;

const NO_WAIT: Duration = Duration::ZERO;

fn slug<T: std::fmt::Debug>(result: Result<T, CallError>) -> &'static str {
    match result {
        Err(CallError::Refused(refusal)) => refusal.slug(),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

#[tokio::test]
async fn a_change_leaves_one_audit_line_and_one_fact() {
    let desk = Desk::new();
    desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    let expected = [("session.start", "ok"), ("lock.acquire", "ok")];
    assert_eq!(desk.operations().await, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let mut kinds: Vec<String> = desk.facts().await.into_iter().map(|fact| fact.kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["lock.acquired", "session.started"]);
    let lines = desk.audit().await;
    let line = lines.iter().find(|line| line.change.operation == "lock.acquire").unwrap();
    assert_eq!(line.change.target, "x");
    assert_eq!(line.agent.as_str(), "a");
    assert_eq!(line.key.as_str(), "key-of-a");
    assert_eq!(line.session.as_ref().unwrap().as_str(), "session-of-a");
}

#[tokio::test]
async fn a_replay_gives_the_first_answer_and_has_no_effect() {
    let desk = Desk::new();
    let call = with_key(call("a"), "once");
    let first = desk.acquire(&call, &["x"], NO_WAIT).await.unwrap();
    let lines = desk.audit().await.len();
    let second = desk.acquire(&call, &["x"], NO_WAIT).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(desk.audit().await.len(), lines);
    let released = Release { tokens: first.iter().map(|lease| lease.token).collect() };
    desk.executor.execute_hot(&with_key(call.clone(), "other"), released).await.unwrap();
    let third = desk.locks.acquire(&call, &crate::desk::request(&["x"], NO_WAIT)).await.unwrap();
    assert!(third.is_replay, "the first answer, although the lock is gone");
    let held = desk.store.begin_read().await.unwrap().lock_counts().await.unwrap();
    assert_eq!(held, (0, 0));
}

#[tokio::test]
async fn a_refusal_is_replayed_too() {
    let desk = Desk::new();
    let lease = desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
    let other = with_key(call("b"), "once");
    assert_eq!(slug(desk.acquire(&other, &["x"], NO_WAIT).await), "lock-held");
    let release = Release { tokens: BTreeSet::from([lease.token]) };
    desk.executor.execute_hot(&call("a"), release.clone()).await.unwrap();
    assert_eq!(slug(desk.acquire(&other, &["x"], NO_WAIT).await), "lock-held");
    desk.acquire(&with_key(call("b"), "twice"), &["x"], NO_WAIT).await.unwrap();
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused_and_changes_nothing() {
    let desk = Desk::new();
    let first = with_key(call("a"), "once");
    desk.acquire(&first, &["x"], NO_WAIT).await.unwrap();
    assert_eq!(slug(desk.acquire(&first, &["y"], NO_WAIT).await), "idempotency-key-reused");
    // The key of another agent is another key.
    desk.acquire(&with_key(call("b"), "once"), &["y"], NO_WAIT).await.unwrap();
}

#[tokio::test]
async fn the_same_request_twice_at_once_has_one_effect() {
    let desk = Desk::new();
    let call = with_key(call("a"), "once");
    let (first, second) = tokio::join!(desk.acquire(&call, &["x"], NO_WAIT), desk.acquire(&call, &["x"], NO_WAIT));
    assert_eq!(first.unwrap(), second.unwrap());
    let acquired = desk.operations().await.into_iter().filter(|(operation, _)| operation == "lock.acquire").count();
    assert_eq!(acquired, 1);
}

#[tokio::test]
async fn a_session_belongs_to_the_agent_that_first_used_it() {
    let desk = Desk::new();
    let mine = call("a");
    desk.acquire(&mine, &["x"], NO_WAIT).await.unwrap();
    let theirs = pointsman::call::Call { session: mine.session.clone(), ..call("b") };
    assert_eq!(slug(desk.acquire(&theirs, &["y"], NO_WAIT).await), "session-not-yours");
    let last = desk.operations().await.pop().unwrap();
    assert_eq!(last, ("lock.acquire".to_owned(), "session-not-yours".to_owned()));
}

#[tokio::test]
async fn an_ended_session_frees_its_locks_and_never_comes_back() {
    let desk = Desk::new();
    let mine = call("a");
    desk.acquire(&mine, &["x", "y"], NO_WAIT).await.unwrap();
    let ended = desk.executor.execute_hot(&mine, EndSession).await.unwrap().answer;
    assert_eq!(ended.released.len(), 2);
    desk.acquire(&call("b"), &["x", "y"], NO_WAIT).await.unwrap();
    assert_eq!(slug(desk.acquire(&mine, &["z"], NO_WAIT).await), "session-ended");
}

#[tokio::test]
async fn a_default_session_that_ended_is_followed_by_a_new_one_that_holds_nothing() {
    let desk = Desk::new();
    let mine = pointsman::call::Call { session: None, ..call("a") };
    let before = desk.acquire(&mine, &["x"], NO_WAIT).await.unwrap().remove(0);
    desk.executor.execute_hot(&mine, EndSession).await.unwrap();
    let after = desk.acquire(&mine, &["x"], NO_WAIT).await.unwrap().remove(0);
    assert_ne!(before.holder.session, after.holder.session);
    assert!(before.token < after.token);
}

#[tokio::test]
async fn another_session_of_the_same_agent_does_not_hold_the_lock() {
    let desk = Desk::new();
    desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    let second = pointsman::call::Call { session: Some(SessionId::parse("second").unwrap()), ..call("a") };
    assert_eq!(slug(desk.acquire(&second, &["x"], NO_WAIT).await), "lock-held");
    let all = desk.executor.execute_hot(&second, ReleaseAll).await.unwrap().answer;
    assert!(all.is_empty());
}

#[tokio::test]
async fn what_the_role_forbids_is_refused_and_audited() {
    let desk = Desk::new();
    let lease = desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
    let force = ForceRelease { token: lease.token, reason: Reason::parse("mine now").unwrap() };
    assert_eq!(slug(desk.executor.execute_hot(&call("b"), force.clone()).await), "role-too-low");
    let last = desk.operations().await.pop().unwrap();
    assert_eq!(last, ("lock.force_release".to_owned(), "role-too-low".to_owned()));
    desk.executor.execute_hot(&call_as("boss", Role::Orchestrator), force.clone()).await.unwrap();
    let release = Release { tokens: BTreeSet::from([lease.token]) };
    match desk.executor.execute_hot(&call("a"), release.clone()).await {
        Err(CallError::Refused(Refusal::Lock(refusal))) => {
            assert!(serde_json::to_string(&refusal).unwrap().contains("mine now"), "the holder is told why");
        }
        other => panic!("expected a refusal, not {other:?}"),
    }
}

#[tokio::test]
async fn repeats_of_one_refusal_are_folded_after_ten() {
    let desk = Desk::new();
    desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    for _ in 0..25 {
        assert_eq!(slug(desk.acquire(&call("b"), &["x"], NO_WAIT).await), "lock-held");
    }
    let refused = |lines: Vec<domain::audit::Entry>| -> Vec<u32> {
        lines.into_iter().filter(|line| line.outcome == "lock-held").map(|line| line.repeats).collect()
    };
    assert_eq!(refused(desk.audit().await), [1; 10]);
    write_folded(&desk.executor, true).await.unwrap();
    assert_eq!(refused(desk.audit().await).iter().sum::<u32>(), 25);
    assert_eq!(refused(desk.audit().await).len(), 11);
    let mut uow = desk.store.begin_read().await.unwrap();
    let sessions = uow.sessions_load(&project(), call("b").session.as_slice(), &[]).await.unwrap();
    assert_eq!(sessions.len(), 1, "the session of a refused call has started all the same");
}
