//! Webhooks and their deliveries.

use crate::harness::{TestStore, default_project, start};
use crate::on_every_store;
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::events::Position;
use domain::ids::{FactId, ProjectId, WebhookId};
use domain::webhooks::address::Target;
use domain::webhooks::delivery::{Attempt, Delivery, Outcome, Stage};
use domain::webhooks::fan_out::NewDelivery;
use domain::webhooks::follows::Follows;
use domain::webhooks::signing::{SigningSecret, SigningSecrets};
use domain::webhooks::webhook::{DisabledBecause, Standing, Webhook};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

fn hook_id(number: u128) -> WebhookId {
    WebhookId::new(Uuid::from_u128(number))
}

fn fact_id(number: u64) -> FactId {
    FactId::new(Uuid::from_u128(number.into()))
}

fn second(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

fn hook(number: u128) -> Webhook {
    Webhook {
        id: hook_id(number),
        target: Target::parse("https://hooks.example/in").unwrap(),
        follows: Follows::try_new(["task.*".to_owned()], Some("src/*".to_owned())).unwrap(),
        standing: Standing::Active,
        failures: 0,
        failing_since: None,
        cursor: Position::START,
        next_number: 1,
        created_by: agent("boss"),
        created_at: start(),
        changed_at: start(),
        old_secret_until: None,
    }
}

fn secrets(byte: u8) -> SigningSecrets {
    SigningSecrets::new(SigningSecret::try_new(vec![byte; 32]).unwrap())
}

/// A delivery of a webhook, due at once.
fn delivery(webhook: u128, number: u64, subject: &str) -> Delivery {
    Delivery {
        webhook: hook_id(webhook),
        number,
        fact: fact_id(number),
        kind: "task.completed".to_owned(),
        subject: subject.to_owned(),
        created_at: start(),
        stage: Stage::Due { at: start() },
        attempts: 0,
        claims: 0,
        log: Vec::new(),
    }
}

fn staged(webhook: u128, number: u64, subject: &str, stage: Stage) -> Delivery {
    Delivery { stage, ..delivery(webhook, number, subject) }
}

fn new(delivery: Delivery) -> NewDelivery {
    NewDelivery { body: format!("{{\"n\":{},\"nul\":\"\\u0000\"}}", delivery.number), delivery }
}

async fn add_hooks(store: &TestStore, project: &ProjectId, hooks: &[Webhook]) {
    let mut uow = store.begin().await;
    for hook in hooks {
        uow.webhook_add(project, hook, &secrets(7)).await.unwrap();
    }
    uow.commit().await.unwrap();
}

async fn add(store: &TestStore, deliveries: &[Delivery]) {
    let deliveries: Vec<NewDelivery> = deliveries.iter().cloned().map(new).collect();
    let mut uow = store.begin().await;
    uow.webhook_deliveries_add(&default_project(), &deliveries).await.unwrap();
    uow.commit().await.unwrap();
}

async fn save(store: &TestStore, deliveries: &[Delivery]) {
    let mut uow = store.begin().await;
    uow.webhook_deliveries_save(&default_project(), deliveries).await.unwrap();
    uow.commit().await.unwrap();
}

async fn load(store: &TestStore, number: u128) -> Option<Webhook> {
    store.begin_read().await.webhooks_load(&default_project(), &[hook_id(number)]).await.unwrap().pop()
}

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.number).collect()
}

async fn a_webhook_comes_back_to_the_last_field_and_its_secrets_apart(store: Arc<TestStore>) {
    let disabled = Webhook {
        standing: Standing::Disabled { since: second(3), because: DisabledBecause::Gone },
        failures: 20,
        failing_since: Some(second(1)),
        cursor: Position::new(48_211, 17),
        next_number: u64::from(u32::MAX) + 9,
        old_secret_until: Some(second(9)),
        ..hook(2)
    };
    add_hooks(&store, &default_project(), &[hook(1), disabled.clone()]).await;
    assert_eq!(
        (load(&store, 1).await, load(&store, 2).await, load(&store, 3).await),
        (Some(hook(1)), Some(disabled), None)
    );
    let rotated = secrets(7).rotate(SigningSecret::try_new(vec![8; 24]).unwrap(), second(1));
    let paused = Webhook { standing: Standing::Paused { since: second(2) }, ..hook(1) };
    let mut uow = store.begin().await;
    uow.webhook_secrets_save(&default_project(), hook_id(1), &rotated).await.unwrap();
    uow.webhook_save(&default_project(), &paused).await.unwrap();
    uow.commit().await.unwrap();
    let mut uow = store.begin_read().await;
    let mut secrets_of = async |number| uow.webhook_secrets(&default_project(), hook_id(number)).await.unwrap();
    assert_eq!((secrets_of(1).await, secrets_of(2).await), (Some(rotated), Some(secrets(7))));
    assert_eq!(secrets_of(3).await, None);
    assert_eq!(load(&store, 1).await, Some(paused));
    let ids = [hook_id(2), hook_id(1), hook_id(2), hook_id(9)];
    let loaded = uow.webhooks_load(&default_project(), &ids).await.unwrap();
    assert_eq!(loaded.iter().map(|hook| hook.id).collect::<Vec<_>>(), [hook_id(1), hook_id(2)]);
}

async fn what_is_taken_or_missing_is_a_conflict(store: Arc<TestStore>) {
    let project = default_project();
    add_hooks(&store, &project, &[hook(1), hook(2)]).await;
    add(&store, &[delivery(1, 1, "x")]).await;
    assert_conflict(store.begin().await.webhook_add(&project, &hook(1), &secrets(1)).await);
    assert_conflict(store.begin().await.webhook_save(&project, &hook(3)).await);
    assert_conflict(store.begin().await.webhook_secrets_save(&project, hook_id(3), &secrets(1)).await);
    let same_number = Delivery { fact: fact_id(9), ..delivery(1, 1, "x") };
    let same_fact = Delivery { number: 9, ..delivery(1, 1, "x") };
    for taken in [same_number, same_fact] {
        assert_conflict(store.begin().await.webhook_deliveries_add(&project, &[new(taken)]).await);
    }
    assert_conflict(
        store.begin().await.webhook_deliveries_save(&project, &[delivery(1, 1, "x"), delivery(1, 2, "x")]).await,
    );
    add(&store, &[delivery(2, 1, "x")]).await;
    let other = add_project(&store, "other").await.id;
    add_hooks(&store, &other, &[hook(1)]).await;
    assert_eq!(store.begin_read().await.webhook_count(&other).await.unwrap(), 1);
    assert_eq!(store.begin_read().await.webhook_count(&project).await.unwrap(), 2);
}

async fn webhooks_are_listed_by_id_and_those_that_go_on_in_all_projects(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let paused = Webhook { standing: Standing::Paused { since: start() }, ..hook(2) };
    add_hooks(&store, &default_project(), &[hook(3), hook(1), paused]).await;
    add_hooks(&store, &other, &[hook(2)]).await;
    let mut uow = store.begin_read().await;
    let page = uow.webhook_list(&default_project(), None, size(2)).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (2, Some(hook_id(2))));
    let page = uow.webhook_list(&default_project(), page.next, size(2)).await.unwrap();
    assert_eq!((page.rows, page.next), (vec![hook(3)], None));
    let names = |rows: &[(ProjectId, Webhook)]| -> Vec<(String, WebhookId)> {
        rows.iter().map(|(project, hook)| (project.to_string(), hook.id)).collect()
    };
    let active = uow.webhooks_active(None, 9).await.unwrap();
    let expected = [("default", 1), ("default", 3), ("other", 2)].map(|(name, id)| (name.to_owned(), hook_id(id)));
    assert_eq!(names(&active), expected);
    let first = uow.webhooks_active(None, 1).await.unwrap();
    let after = (default_project(), hook_id(1));
    assert_eq!(names(&first), expected[..1]);
    assert_eq!(names(&uow.webhooks_active(Some(&after), 9).await.unwrap()), expected[1..]);
}

async fn a_delivery_comes_back_with_its_log_and_what_it_sends(store: Arc<TestStore>) {
    add_hooks(&store, &default_project(), &[hook(1)]).await;
    let attempt = |outcome| Attempt { at: second(1), duration_ms: 12, outcome };
    let outcomes = [
        Outcome::Answered { status: 500 },
        Outcome::AddressRefused { detail: "ключ \"'\\".to_owned() },
        Outcome::Unresolved { detail: String::new() },
        Outcome::TimedOut,
        Outcome::Unreachable { detail: "refused".to_owned() },
        Outcome::Lost,
    ];
    let full = Delivery {
        stage: Stage::Claimed { since: second(1), until: second(31) },
        attempts: 6,
        claims: 7,
        log: outcomes.map(attempt).to_vec(),
        ..delivery(1, 1, "a 'subject'/ü")
    };
    add(&store, std::slice::from_ref(&full)).await;
    let mut uow = store.begin_read().await;
    let project = default_project();
    assert_eq!(uow.webhook_delivery_find(&project, hook_id(1), fact_id(1)).await.unwrap(), Some(full.clone()));
    assert_eq!(uow.webhook_delivery_find(&project, hook_id(2), fact_id(1)).await.unwrap(), None);
    let bodies = uow.webhook_delivery_bodies(&project, hook_id(1), &[1, 2]).await.unwrap();
    assert_eq!(bodies.into_iter().collect::<Vec<_>>(), [(1, new(full.clone()).body)]);
    drop(uow);
    let done = Delivery { stage: Stage::Delivered { at: second(2) }, ..full };
    save(&store, std::slice::from_ref(&done)).await;
    let mut uow = store.begin_read().await;
    assert_eq!(uow.webhook_deliveries_load(&project, hook_id(1), &[1, 5]).await.unwrap(), std::slice::from_ref(&done));
    assert_eq!(uow.webhook_delivery_bodies(&project, hook_id(1), &[1]).await.unwrap().len(), 1, "what is sent stays");
}

async fn what_is_due_is_found_by_time_and_what_waits_behind_is_not(store: Arc<TestStore>) {
    let project = default_project();
    let paused = Webhook { standing: Standing::Paused { since: start() }, ..hook(2) };
    add_hooks(&store, &project, &[hook(1), paused, hook(3)]).await;
    let deliveries = [
        staged(1, 1, "a", Stage::Claimed { since: start(), until: second(20) }),
        staged(1, 2, "a", Stage::Behind),
        staged(1, 3, "b", Stage::Due { at: second(10) }),
        staged(1, 4, "c", Stage::Delivered { at: start() }),
        staged(1, 5, "d", Stage::Dead { at: start() }),
        staged(2, 1, "a", Stage::Due { at: start() }),
        staged(3, 1, "a", Stage::Due { at: second(5) }),
    ];
    add(&store, &deliveries).await;
    let mut uow = store.begin_read().await;
    let mut due = async |at| uow.webhook_deliveries_due(&project, hook_id(1), second(at), 9).await.unwrap();
    assert_eq!(numbers(&due(9).await), [0_u64; 0]);
    assert_eq!(numbers(&due(10).await), [3]);
    assert_eq!(numbers(&due(20).await), [3, 1]);
    assert_eq!(numbers(&uow.webhook_deliveries_due(&project, hook_id(1), second(20), 1).await.unwrap()), [3]);
    let mut hooks = async |at, rows_max| {
        let found = uow.webhooks_due(second(at), rows_max).await.unwrap();
        found.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
    };
    assert_eq!(hooks(4, 9).await, []);
    assert_eq!(hooks(5, 9).await, [hook_id(3)]);
    assert_eq!(hooks(10, 9).await, [hook_id(3), hook_id(1)]);
    assert_eq!(hooks(10, 1).await, [hook_id(3)]);
    assert_eq!(uow.webhook_deliveries_pending(&project, hook_id(1)).await.unwrap(), 3);
}

async fn the_first_of_a_subject_is_the_lowest_that_is_not_over(store: Arc<TestStore>) {
    let project = default_project();
    add_hooks(&store, &project, &[hook(1), hook(2)]).await;
    let deliveries = [
        staged(1, 1, "a", Stage::Delivered { at: start() }),
        staged(1, 2, "a", Stage::Behind),
        staged(1, 3, "a", Stage::Behind),
        staged(1, 4, "b", Stage::Due { at: start() }),
        staged(1, 5, "c", Stage::Dead { at: start() }),
        staged(2, 1, "a", Stage::Due { at: start() }),
    ];
    add(&store, &deliveries).await;
    let subjects = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
    let mut uow = store.begin_read().await;
    let mut first = async |names: &[&str]| {
        numbers(&uow.webhook_deliveries_first(&project, hook_id(1), &subjects(names)).await.unwrap())
    };
    assert_eq!(first(&["a", "b", "c", "z"]).await, [2, 4]);
    assert_eq!(first(&["a"]).await, [2]);
    assert_eq!(first(&[]).await, [0_u64; 0]);
}

async fn deliveries_are_listed_newest_first_and_by_stage(store: Arc<TestStore>) {
    let project = default_project();
    add_hooks(&store, &project, &[hook(1), hook(2)]).await;
    let mut deliveries: Vec<Delivery> = (1..=5).map(|number| delivery(1, number, "a")).collect();
    deliveries[2].stage = Stage::Dead { at: start() };
    deliveries.push(delivery(2, 9, "a"));
    add(&store, &deliveries).await;
    let mut uow = store.begin_read().await;
    let mut list = async |stage, below, rows| {
        let page = uow.webhook_delivery_list(&project, hook_id(1), stage, below, size(rows)).await.unwrap();
        (numbers(&page.rows), page.next)
    };
    assert_eq!(list(None, None, 2).await, (vec![5, 4], Some(4)));
    assert_eq!(list(None, Some(4), 9).await, (vec![3, 2, 1], None));
    assert_eq!(list(Some("dead"), None, 9).await, (vec![3], None));
    assert_eq!(list(Some("due"), Some(4), 9).await, (vec![2, 1], None));
}

async fn a_webhook_goes_with_what_waits_and_the_rest_goes_when_it_is_old(store: Arc<TestStore>) {
    let project = default_project();
    add_hooks(&store, &project, &[hook(1), hook(2)]).await;
    let deliveries = [
        staged(1, 1, "a", Stage::Delivered { at: second(1) }),
        staged(1, 2, "a", Stage::Due { at: second(1) }),
        staged(1, 3, "a", Stage::Behind),
        staged(2, 1, "a", Stage::Dead { at: second(2) }),
        staged(2, 2, "a", Stage::Delivered { at: second(3) }),
        staged(2, 3, "a", Stage::Due { at: start() }),
    ];
    add(&store, &deliveries).await;
    let remove = async || {
        let mut uow = store.begin().await;
        let was_there = uow.webhook_remove(&project, hook_id(1)).await.unwrap();
        uow.commit().await.unwrap();
        was_there
    };
    assert!(remove().await);
    assert!(!remove().await);
    assert_eq!(load(&store, 1).await, None);
    assert_eq!(store.begin_read().await.webhook_secrets(&project, hook_id(1)).await.unwrap(), None);
    let left = async |hook| {
        let mut uow = store.begin_read().await;
        numbers(&uow.webhook_delivery_list(&project, hook_id(hook), None, None, size(9)).await.unwrap().rows)
    };
    assert_eq!((left(1).await, left(2).await), (vec![1], vec![3, 2, 1]));
    let prune = async |before, rows_max| {
        let mut uow = store.begin().await;
        let pruned = uow.webhook_deliveries_prune(second(before), rows_max).await.unwrap();
        uow.commit().await.unwrap();
        pruned
    };
    assert_eq!(prune(1, 9).await, 0);
    assert_eq!(prune(3, 1).await, 1);
    assert_eq!(prune(3, 9).await, 1);
    assert_eq!((left(1).await, left(2).await), (vec![], vec![3, 2]));
    assert_eq!(prune(99, 9).await, 1);
    assert_eq!(left(2).await, [3], "what waits stays, however old");
}

/// Two servers that take the same delivery: the second sees what the first did.
async fn a_loaded_webhook_keeps_others_from_its_deliveries(store: Arc<TestStore>) {
    let project = default_project();
    add_hooks(&store, &project, &[hook(1), hook(2)]).await;
    add(&store, &[delivery(1, 1, "a")]).await;
    let other_door = store.second_door().await;
    let mut first = store.begin().await;
    first.webhooks_load(&project, &[hook_id(1)]).await.unwrap();
    let mut others = JoinSet::new();
    let own = project.clone();
    others.spawn(async move {
        let mut uow = other_door.begin().await.unwrap();
        uow.webhooks_load(&own, &[hook_id(1)]).await.unwrap();
        uow.webhook_deliveries_due(&own, hook_id(1), second(0), 9).await.unwrap()
    });
    let taken = staged(1, 1, "a", Stage::Claimed { since: start(), until: second(30) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(others.try_join_next().is_none());
    first.webhook_deliveries_save(&project, &[taken]).await.unwrap();
    first.commit().await.unwrap();
    let seen = timeout(Duration::from_secs(5), others.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(seen, []);
}

async fn who_makes_webhooks_stands_in_line(store: Arc<TestStore>) {
    let project = default_project();
    let other_door = store.second_door().await;
    let mut first = store.begin().await;
    first.webhooks_lock(&project).await.unwrap();
    first.webhook_add(&project, &hook(1), &secrets(1)).await.unwrap();
    let mut others = JoinSet::new();
    let own = project.clone();
    others.spawn(async move {
        let mut uow = other_door.begin().await.unwrap();
        uow.webhooks_lock(&own).await.unwrap();
        uow.webhook_count(&own).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(others.try_join_next().is_none());
    first.commit().await.unwrap();
    assert_eq!(timeout(Duration::from_secs(5), others.join_next()).await.unwrap().unwrap().unwrap(), 1);
}

on_every_store!(
    a_webhook_comes_back_to_the_last_field_and_its_secrets_apart,
    what_is_taken_or_missing_is_a_conflict,
    webhooks_are_listed_by_id_and_those_that_go_on_in_all_projects,
    a_delivery_comes_back_with_its_log_and_what_it_sends,
    what_is_due_is_found_by_time_and_what_waits_behind_is_not,
    the_first_of_a_subject_is_the_lowest_that_is_not_over,
    deliveries_are_listed_newest_first_and_by_stage,
    a_webhook_goes_with_what_waits_and_the_rest_goes_when_it_is_old,
    a_loaded_webhook_keeps_others_from_its_deliveries,
    who_makes_webhooks_stands_in_line,
);
