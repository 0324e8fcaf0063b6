//! Waiting in line.

use crate::desk::{Desk, call, request, until, with_key};
use domain::locks::lease::Lease;
use domain::locks::refusal::LockRefusal;
use pointsman::executor::Executor;
use pointsman::locks::commands::Release;
use pointsman::refusal::{CallError, Refusal};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NO_WAIT: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(30);

async fn release(executor: &Executor, agent: &str, lease: &Lease) {
    let command = Release { tokens: BTreeSet::from([lease.token]) };
    executor.execute_hot(&call(agent), command.clone()).await.unwrap();
}

fn held(result: Result<Vec<Lease>, CallError>) -> Option<domain::locks::refusal::Place> {
    match result {
        Err(CallError::Refused(Refusal::Lock(LockRefusal::Held { place, .. }))) => place,
        other => panic!("expected `lock-held`, not {other:?}"),
    }
}

#[tokio::test]
async fn a_waiter_is_woken_by_a_release() {
    let desk = Arc::new(Desk::new());
    let lease = desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
    let waiting = tokio::spawn({
        let desk = desk.clone();
        async move { (desk.acquire(&call("b"), &["x"], LONG).await, Instant::now()) }
    });
    until(async || desk.line_length().await == 1).await;
    let released_at = Instant::now();
    release(&desk.executor, "a", &lease).await;
    let (granted, granted_at) = waiting.await.unwrap();
    assert!(granted.unwrap()[0].token > lease.token);
    let late = granted_at - released_at;
    assert!(late < Duration::from_millis(400), "woken by the bell, not by the poll: {late:?}");
    assert_eq!(desk.line_length().await, 0);
}

#[tokio::test]
async fn a_wait_that_is_over_keeps_the_place() {
    let desk = Desk::new();
    let lease = desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
    let short = Duration::from_millis(30);
    let place = held(desk.acquire(&call("b"), &["x"], short).await).expect("a place in line");
    assert_eq!(place.position, 1);
    let behind = held(desk.acquire(&call("c"), &["x"], short).await).expect("a place in line");
    assert_eq!(behind.position, 2);
    release(&desk.executor, "a", &lease).await;
    assert!(held(desk.acquire(&call("c"), &["x"], NO_WAIT).await).is_none(), "b comes first");
    let mut with_ticket = request(&["x"], NO_WAIT);
    with_ticket.ticket = Some(place.ticket);
    desk.locks.acquire(&call("b"), &with_ticket).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_line() {
    let desk = Arc::new(Desk::new());
    desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    let waiting = tokio::spawn({
        let desk = desk.clone();
        async move { desk.acquire(&call("b"), &["x"], LONG).await }
    });
    until(async || desk.line_length().await == 1).await;
    waiting.abort();
    until(async || desk.line_length().await == 0).await;
    assert_eq!(desk.operations().await.pop().unwrap().0, "lock.leave");
}

#[tokio::test]
async fn a_wait_that_would_close_a_circle_is_refused_at_once() {
    let desk = Arc::new(Desk::new());
    desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    desk.acquire(&call("b"), &["y"], NO_WAIT).await.unwrap();
    let waiting = tokio::spawn({
        let desk = desk.clone();
        async move { desk.acquire(&call("a"), &["y"], LONG).await }
    });
    until(async || desk.line_length().await == 1).await;
    let started = Instant::now();
    match desk.acquire(&call("b"), &["x"], LONG).await {
        Err(CallError::Refused(Refusal::Lock(LockRefusal::Deadlock { cycle }))) => {
            let agents: Vec<&str> = cycle.iter().map(|step| step.agent.as_str()).collect();
            assert_eq!(agents, ["b", "a"]);
        }
        other => panic!("expected `deadlock`, not {other:?}"),
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    waiting.abort();
}

#[tokio::test]
async fn waiting_ends_when_the_server_stops_and_the_place_is_kept() {
    let desk = Arc::new(Desk::new());
    desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap();
    let waiting = tokio::spawn({
        let desk = desk.clone();
        async move { desk.acquire(&call("b"), &["x"], LONG).await }
    });
    until(async || desk.line_length().await == 1).await;
    desk.stopping.cancel();
    match waiting.await.unwrap() {
        Err(CallError::ShuttingDown { ticket }) => assert!(ticket.is_some()),
        other => panic!("expected the stop, not {other:?}"),
    }
    assert_eq!(desk.line_length().await, 1);
}

#[tokio::test]
async fn the_answer_to_a_wait_is_replayed() {
    let desk = Arc::new(Desk::new());
    let lease = desk.acquire(&call("a"), &["x"], NO_WAIT).await.unwrap().remove(0);
    let wait = || {
        let desk = desk.clone();
        tokio::spawn(async move { desk.acquire(&with_key(call("b"), "once"), &["x"], LONG).await })
    };
    let (first, second) = (wait(), wait());
    until(async || desk.line_length().await == 2).await;
    release(&desk.executor, "a", &lease).await;
    assert_eq!(first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    until(async || desk.line_length().await == 0).await;
}
