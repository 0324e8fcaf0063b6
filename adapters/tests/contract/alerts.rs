//! Alerts.

use crate::harness::{TestStore, default_project, start};
use crate::on_every_store;
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::alerts::alert::{Alert, Stage, State};
use domain::alerts::content::{AlertDetail, AlertTitle, DedupKey, Severity};
use domain::alerts::listing::{AlertCursor, AlertFilter};
use domain::events::Position;
use domain::ids::{AlertId, ProjectId};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

fn id(number: u128) -> AlertId {
    AlertId::new(Uuid::from_u128(number))
}

fn key(text: &str) -> DedupKey {
    DedupKey::parse(text).unwrap()
}

fn second(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

/// An open alert, first raised so many seconds after the start as its number says.
fn alert(number: u8) -> Alert {
    Alert {
        id: id(number.into()),
        dedup_key: key(&format!("k-{number}")),
        severity: Severity::Warning,
        title: AlertTitle::parse("Something is wrong").unwrap(),
        detail: None,
        raised_by: agent("ann"),
        state: State::Open,
        count: 1,
        first_at: second(number.into()),
        last_at: second(number.into()),
        escalations: 0,
        escalates_at: None,
    }
}

fn resolved(number: u8, at: i64) -> Alert {
    Alert { state: State::Resolved { by: agent("olga"), at: second(at) }, ..alert(number) }
}

async fn save_in(store: &TestStore, project: &ProjectId, alerts: &[Alert]) {
    let mut uow = store.begin().await;
    uow.alerts_lock(project).await.unwrap();
    uow.alerts_save(project, alerts).await.unwrap();
    uow.commit().await.unwrap();
}

async fn save(store: &TestStore, alerts: &[Alert]) {
    save_in(store, &default_project(), alerts).await;
}

fn ids(alerts: &[Alert]) -> Vec<AlertId> {
    alerts.iter().map(|alert| alert.id).collect()
}

async fn an_alert_comes_back_to_the_last_field(store: Arc<TestStore>) {
    let full = Alert {
        severity: Severity::Critical,
        detail: AlertDetail::parse("line\nline \"'\\ ü").ok(),
        state: State::Acknowledged { by: agent("olga"), at: second(5) },
        count: u64::from(u32::MAX) + 3,
        last_at: second(6),
        escalations: 2,
        escalates_at: Some(second(8)),
        ..alert(2)
    };
    save(&store, &[alert(1), full.clone(), resolved(3, 9)]).await;
    let load = async |numbers: &[u128]| {
        let ids: Vec<AlertId> = numbers.iter().map(|number| id(*number)).collect();
        store.begin_read().await.alerts_load(&default_project(), &ids).await.unwrap()
    };
    assert_eq!(load(&[3, 2, 1, 9]).await, [alert(1), full.clone(), resolved(3, 9)]);
    let changed = Alert { count: 2, ..resolved(2, 9) };
    save(&store, &[changed.clone(), alert(4)]).await;
    assert_eq!(load(&[2, 4]).await, [changed, alert(4)]);
    assert_eq!(store.begin_read().await.alerts_load(&project_id("other"), &[id(1)]).await.unwrap(), []);
}

async fn of_each_key_one_alert_stands(store: Arc<TestStore>) {
    let project = default_project();
    save(&store, &[alert(1), resolved(2, 1)]).await;
    let same = |number| Alert { dedup_key: key("k-1"), ..alert(number) };
    assert_conflict(store.begin().await.alerts_save(&project, &[same(3)]).await);
    save(&store, &[Alert { dedup_key: key("k-2"), ..alert(4) }]).await;
    let other = add_project(&store, "other").await.id;
    save_in(&store, &other, &[same(1)]).await;
    let mut uow = store.begin_read().await;
    let standing = uow.alerts_standing(&project, &[key("k-2"), key("k-1"), key("k-9")]).await.unwrap();
    assert_eq!(ids(&standing), [id(1), id(4)]);
    assert_eq!(uow.alerts_standing_count(&project).await.unwrap(), 2);
    drop(uow);
    save(&store, &[resolved(1, 5)]).await;
    save(&store, &[same(5)]).await;
    let standing = store.begin_read().await.alerts_standing(&project, &[key("k-1")]).await.unwrap();
    assert_eq!(ids(&standing), [id(5)]);
}

async fn standing_alerts_are_found_by_the_beginning_of_their_key(store: Arc<TestStore>) {
    let named = |number, text: &str| Alert { dedup_key: key(text), ..alert(number) };
    let over = Alert { dedup_key: key("wait:0"), ..resolved(4, 1) };
    save(&store, &[named(1, "wait:2"), named(2, "wait:1"), named(3, "waiu"), over, named(5, "wai")]).await;
    let mut uow = store.begin_read().await;
    let mut under =
        async |rows_max| ids(&uow.alerts_standing_under(&default_project(), "wait:", rows_max).await.unwrap());
    assert_eq!(under(9).await, [id(2), id(1)]);
    assert_eq!(under(1).await, [id(2)]);
}

async fn alerts_are_listed_newest_first_and_by_filter(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let info = Alert { severity: Severity::Info, ..alert(2) };
    let seen = Alert { state: State::Acknowledged { by: agent("olga"), at: start() }, ..alert(3) };
    let twin = Alert { first_at: second(3), dedup_key: key("twin"), ..alert(4) };
    save(&store, &[alert(1), info, seen, twin, resolved(5, 9)]).await;
    save_in(&store, &other, &[alert(6)]).await;
    let list = async |filter: AlertFilter, after, rows| {
        let mut uow = store.begin_read().await;
        let page = uow.alert_list(&default_project(), &filter, after, size(rows)).await.unwrap();
        (ids(&page.rows), page.next)
    };
    let any = AlertFilter::default;
    let (rows, next) = list(any(), None, 2).await;
    assert_eq!((rows, next), (vec![id(5), id(4)], Some(AlertCursor { at: second(3), id: id(4) })));
    assert_eq!(list(any(), next, 9).await, (vec![id(3), id(2), id(1)], None));
    let stage = |stage| AlertFilter { stage: Some(stage), ..any() };
    assert_eq!(list(stage(Stage::Open), None, 9).await.0, [id(4), id(2), id(1)]);
    assert_eq!(list(stage(Stage::Acknowledged), None, 9).await.0, [id(3)]);
    assert_eq!(list(stage(Stage::Resolved), None, 9).await.0, [id(5)]);
    let bad = AlertFilter { severity_min: Some(Severity::Warning), stage: Some(Stage::Open) };
    assert_eq!(list(bad, None, 9).await.0, [id(4), id(1)]);
}

async fn what_is_to_escalate_is_found_in_all_projects(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let due = |number, at| Alert { escalates_at: Some(second(at)), ..alert(number) };
    save(&store, &[due(1, 20), due(2, 10), alert(3)]).await;
    save_in(&store, &other, &[due(4, 15)]).await;
    let mut uow = store.begin_read().await;
    let mut found = async |at, rows_max| {
        let found = uow.alerts_due(second(at), rows_max).await.unwrap();
        found.into_iter().map(|(project, id)| (project.to_string(), id)).collect::<Vec<_>>()
    };
    let named = |project: &str, number| (project.to_owned(), id(number));
    assert_eq!(found(9, 9).await, []);
    assert_eq!(found(20, 9).await, [named("default", 2), named("other", 4), named("default", 1)]);
    assert_eq!(found(20, 1).await, [named("default", 2)]);
}

async fn resolved_alerts_go_when_they_are_old(store: Arc<TestStore>) {
    save(&store, &[alert(1), resolved(2, 10), resolved(3, 20), resolved(4, 5)]).await;
    let prune = async |before, rows_max| {
        let mut uow = store.begin().await;
        let pruned = uow.alerts_prune(second(before), rows_max).await.unwrap();
        uow.commit().await.unwrap();
        pruned
    };
    assert_eq!((prune(20, 1).await, prune(20, 9).await, prune(20, 9).await), (1, 1, 0));
    let all = [1, 2, 3, 4].map(id);
    let left = store.begin_read().await.alerts_load(&default_project(), &all).await.unwrap();
    assert_eq!(ids(&left), [id(1), id(3)]);
}

async fn how_far_facts_were_looked_through_is_kept_by_project(store: Arc<TestStore>) {
    let project = default_project();
    assert_eq!(store.begin_read().await.alert_cursor(&project).await.unwrap(), None);
    for position in [Position::new(7, 1), Position::new(9, 12)] {
        let mut uow = store.begin().await;
        uow.alert_cursor_save(&project, position).await.unwrap();
        uow.commit().await.unwrap();
        let mut uow = store.begin_read().await;
        assert_eq!(uow.alert_cursor(&project).await.unwrap(), Some(position));
        assert_eq!(uow.alert_cursor(&project_id("other")).await.unwrap(), None);
    }
}

async fn who_changes_alerts_stands_in_line(store: Arc<TestStore>) {
    let project = default_project();
    let other_door = store.second_door().await;
    let mut first = store.begin().await;
    first.alerts_lock(&project).await.unwrap();
    first.alerts_save(&project, &[alert(1)]).await.unwrap();
    let mut others = JoinSet::new();
    let own = project.clone();
    others.spawn(async move {
        let mut uow = other_door.begin().await.unwrap();
        uow.alerts_lock(&own).await.unwrap();
        uow.alerts_standing(&own, &[key("k-1")]).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(others.try_join_next().is_none());
    first.commit().await.unwrap();
    assert_eq!(timeout(Duration::from_secs(5), others.join_next()).await.unwrap().unwrap().unwrap(), [alert(1)]);
}

on_every_store!(
    an_alert_comes_back_to_the_last_field,
    of_each_key_one_alert_stands,
    standing_alerts_are_found_by_the_beginning_of_their_key,
    alerts_are_listed_newest_first_and_by_filter,
    what_is_to_escalate_is_found_in_all_projects,
    resolved_alerts_go_when_they_are_old,
    how_far_facts_were_looked_through_is_kept_by_project,
    who_changes_alerts_stands_in_line,
);
