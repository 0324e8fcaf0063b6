//! Past attempts and what came of them.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::locks::lease::Token;
use domain::work::attempt::{Attempt, AttemptEnd};
use domain::work::content::Payload;
use domain::work::task::{Status, TaskState};
use serde_json::json;
use std::sync::Arc;

fn tokens(attempts: &[Attempt]) -> Vec<i64> {
    attempts.iter().map(|attempt| attempt.token.value()).collect()
}

/// Every way an attempt can end, with every variety of what is in it.
fn every_end() -> Vec<AttemptEnd> {
    let words = "two\nlines\tof \\ \"it's\" 🔑";
    vec![
        AttemptEnd::Succeeded { result: None },
        AttemptEnd::Succeeded { result: Some(tricky_payload()) },
        AttemptEnd::Succeeded { result: Some(payload(json!(null))) },
        AttemptEnd::Succeeded { result: Some(payload(json!("é".repeat(131_000)))) },
        AttemptEnd::Failed { error: fault(words), retryable: true },
        AttemptEnd::Failed { error: fault("x"), retryable: false },
        AttemptEnd::Released { reason: None },
        AttemptEnd::Released { reason: Some(reason("it's \"not\" mine 🔑")) },
        AttemptEnd::Snoozed { until: second(9) + MICRO },
        AttemptEnd::Lapsed,
        AttemptEnd::SessionClosed,
        AttemptEnd::SessionDied,
    ]
}

async fn an_attempt_comes_back_to_the_last_field(store: Arc<TestStore>) {
    add_tasks(&store, &[task(1)]).await;
    let mut attempts: Vec<Attempt> = (1..).zip(every_end()).map(|(token, end)| attempt(1, token, end)).collect();
    for (attempt, left) in attempts.iter_mut().zip(Status::ALL) {
        attempt.left = left;
    }
    attempts[5] = Attempt {
        number: 10_000,
        token: token((1 << 53) - 1),
        holder: holder("bob", "s-9:x/y"),
        since: second(2) + MICRO,
        next_at: Some(second(8) + MICRO),
        ..attempts[5].clone()
    };
    attempts.sort_by_key(|attempt| attempt.token);
    add_attempts(&store, &attempts).await;
    let mut uow = store.begin_read().await;
    let all: Vec<Token> = attempts.iter().map(|attempt| attempt.token).collect();
    let mut loaded = uow.attempts_load(&default_project(), &all).await.unwrap();
    loaded.sort_by_key(|attempt| attempt.token);
    assert_eq!(loaded, attempts);
    attempts.reverse();
    assert_eq!(uow.attempts_list(&default_project(), task_id(1), 100).await.unwrap(), attempts);
}

async fn attempts_are_loaded_by_token_and_listed_newest_first(store: Arc<TestStore>) {
    add_tasks(&store, &[task(1), task(2)]).await;
    let nth = |number, of: u128, token| Attempt { number, ..attempt(of, token, AttemptEnd::Lapsed) };
    add_attempts(&store, &[nth(1, 1, 1), nth(1, 2, 3)]).await;
    add_attempts(&store, &[nth(2, 1, 5), nth(3, 1, 20), nth(4, 1, 100)]).await;
    let mut uow = store.begin_read().await;
    let project = default_project();
    let mut loaded = tokens(&uow.attempts_load(&project, &[token(20), token(3), token(99), token(3)]).await.unwrap());
    loaded.sort_unstable();
    assert_eq!(loaded, [3, 20]);
    assert_eq!(uow.attempts_load(&project, &[]).await.unwrap(), []);
    assert_eq!(tokens(&uow.attempts_list(&project, task_id(1), 100).await.unwrap()), [100, 20, 5, 1]);
    assert_eq!(tokens(&uow.attempts_list(&project, task_id(1), 2).await.unwrap()), [100, 20]);
    assert_eq!(tokens(&uow.attempts_list(&project, task_id(2), 100).await.unwrap()), [3]);
    assert_eq!(uow.attempts_list(&project, task_id(9), 100).await.unwrap(), []);
}

async fn results_are_those_of_tasks_that_succeeded_with_one(store: Arc<TestStore>) {
    let ends = [
        AttemptEnd::Succeeded { result: Some(tricky_payload()) },
        AttemptEnd::Succeeded { result: None },
        AttemptEnd::Succeeded { result: Some(payload(json!(null))) },
        AttemptEnd::Failed { error: fault("x"), retryable: false },
    ];
    let succeeded = TaskState::Succeeded { at: second(5) };
    let tasks: Vec<_> = (1..=4).map(|number| in_state(succeeded.clone(), task(number))).collect();
    add_tasks(&store, &tasks).await;
    let past: Vec<Attempt> =
        ends.into_iter().zip(1_i64..).map(|(end, at)| attempt(at.unsigned_abs().into(), at + 10, end)).collect();
    // The first one had failed before.
    let failed = Attempt { number: 0, ..attempt(1, 1, AttemptEnd::Lapsed) };
    add_attempts(&store, &[[failed].as_slice(), &past].concat()).await;
    let mut uow = store.begin_read().await;
    let ids: Vec<_> = [4, 3, 2, 1, 9].map(task_id).to_vec();
    let results = uow.results_load(&default_project(), &ids).await.unwrap();
    let results: Vec<(_, Payload)> = results.into_iter().collect();
    assert_eq!(results, [(task_id(1), tricky_payload()), (task_id(3), payload(json!(null)))]);
    assert!(uow.results_load(&default_project(), &ids[2..3]).await.unwrap().is_empty());
    assert!(uow.results_load(&default_project(), &[]).await.unwrap().is_empty());
}

async fn an_attempt_is_saved_with_the_task_it_was_of(store: Arc<TestStore>) {
    let before = leased(task_lease(7, second(60)), task(1));
    add_tasks(&store, std::slice::from_ref(&before)).await;
    let after = in_state(TaskState::Succeeded { at: second(5) }, before.clone());
    let past = attempt(1, 7, AttemptEnd::Succeeded { result: Some(tricky_payload()) });
    let changes = domain::work::changes::Changes { attempts: vec![past.clone()], ..changing(&before, &after) };
    save_work(&store, &default_project(), changes.clone()).await;
    // The same once more is a lost race, and leaves no second attempt.
    try_save(&store, &default_project(), &changes).await.unwrap_err();
    assert_eq!(stored(&store, &[1]).await, [after]);
    assert_eq!(store.begin_read().await.attempts_list(&default_project(), task_id(1), 9).await.unwrap(), [past]);
}

on_every_store!(
    an_attempt_comes_back_to_the_last_field,
    attempts_are_loaded_by_token_and_listed_newest_first,
    results_are_those_of_tasks_that_succeeded_with_one,
    an_attempt_is_saved_with_the_task_it_was_of,
);
