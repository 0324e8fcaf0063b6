//! Schedules.

use super::samples::*;
use crate::harness::{TestStore, default_project, start};
use crate::on_every_store;
use crate::samples::*;
use chrono::{DateTime, Utc};
use domain::ids::{ProjectId, ScheduleId};
use domain::work::name::{ScheduleName, ZoneName};
use domain::work::schedule::{Cron, Missed, MissedMax, Schedule, Timing};
use domain::work::submission::TaskDraft;
use domain::work::task::Task;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

fn schedule_id(number: u128) -> ScheduleId {
    ScheduleId::new(Uuid::from_u128(number))
}

fn name(text: &str) -> ScheduleName {
    ScheduleName::parse(text).unwrap()
}

/// A draft with nothing special in it.
fn plain_draft() -> TaskDraft {
    let Task { priority, terms, .. } = task(1);
    TaskDraft {
        content: content("nightly"),
        task_type: terms.task_type.clone(),
        priority,
        labels: terms.labels.clone(),
        requires: terms.requires.clone(),
        resources: None,
        concurrency: None,
        lease: terms.lease,
        retry: terms.retry,
        on_dependency_failure: terms.on_dependency_failure,
        not_before: None,
        deadline: None,
    }
}

/// A schedule called after its number, due at an instant.
fn schedule(number: u128, next_at: Option<DateTime<Utc>>) -> Schedule {
    Schedule {
        id: schedule_id(number),
        name: name(&format!("s-{number}")),
        timing: Timing { cron: Cron::parse("*/5 * * * *").unwrap(), zone: ZoneName::parse("UTC").unwrap() },
        draft: plain_draft(),
        deadline_seconds: None,
        missed: Missed::Skip,
        paused: false,
        next_at,
        fired_for: None,
        created_by: agent("boss"),
        created_at: start(),
        revision: 1,
    }
}

fn full_schedule(number: u128) -> Schedule {
    Schedule {
        name: name("it:is/full"),
        timing: Timing {
            cron: Cron::parse("0 0-6/2 1,15 JAN-MAR MON#1").unwrap(),
            zone: ZoneName::parse("America/Argentina/Buenos_Aires").unwrap(),
        },
        draft: full_draft(),
        deadline_seconds: Some(u32::MAX),
        missed: Missed::All { max: MissedMax::try_new(100).unwrap() },
        paused: true,
        fired_for: Some(second(-5)),
        created_by: agent("ann"),
        created_at: second(1) + MICRO,
        revision: u64::from(u32::MAX) + 7,
        ..schedule(number, Some(second(4) + MICRO))
    }
}

async fn add_to(store: &TestStore, project: &ProjectId, schedules: &[Schedule]) {
    let mut uow = store.begin().await;
    for schedule in schedules {
        uow.schedule_add(project, schedule).await.unwrap();
    }
    uow.commit().await.unwrap();
}

async fn add(store: &TestStore, schedules: &[Schedule]) {
    add_to(store, &default_project(), schedules).await;
}

async fn save_one(store: &TestStore, schedule: &Schedule) {
    let mut uow = store.begin().await;
    uow.schedule_save(&default_project(), schedule).await.unwrap();
    uow.commit().await.unwrap();
}

async fn find(store: &TestStore, number: u128) -> Option<Schedule> {
    store.begin_read().await.schedule_find(&default_project(), schedule_id(number)).await.unwrap()
}

async fn a_schedule_comes_back_to_the_last_field(store: Arc<TestStore>) {
    let plain = schedule(1, None);
    let full = full_schedule(2);
    let one = Schedule { missed: Missed::One, deadline_seconds: Some(1), ..schedule(3, Some(second(9))) };
    add(&store, &[plain.clone(), full.clone(), one.clone()]).await;
    assert_eq!((find(&store, 1).await, find(&store, 2).await), (Some(plain.clone()), Some(full.clone())));
    assert_eq!((find(&store, 3).await, find(&store, 9).await), (Some(one), None));
    let changed = Schedule { revision: 2, ..full_schedule(1) };
    let changed = Schedule { name: name("renamed"), ..changed };
    save_one(&store, &changed).await;
    let back = Schedule { revision: full.revision + 1, ..schedule(2, None) };
    save_one(&store, &back).await;
    assert_eq!((find(&store, 1).await, find(&store, 2).await), (Some(changed), Some(back)));
}

async fn taken_ids_and_names_are_conflicts(store: Arc<TestStore>) {
    add(&store, &[schedule(1, None), schedule(2, None)]).await;
    let add_one = async |schedule: &Schedule| store.begin().await.schedule_add(&default_project(), schedule).await;
    assert_conflict(add_one(&Schedule { name: name("free"), ..schedule(1, None) }).await);
    assert_conflict(add_one(&Schedule { name: name("s-1"), ..schedule(3, None) }).await);
    let renamed = Schedule { name: name("s-1"), revision: 2, ..schedule(2, None) };
    assert_conflict(store.begin().await.schedule_save(&default_project(), &renamed).await);
    add_one(&Schedule { name: name("S-1"), ..schedule(3, None) }).await.unwrap();
    let other = add_project(&store, "other").await.id;
    add_to(&store, &other, &[schedule(1, None)]).await;
}

async fn a_schedule_is_found_by_its_name_in_its_project(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    add(&store, &[schedule(1, None), full_schedule(2)]).await;
    add_to(&store, &other, &[Schedule { name: name("theirs"), ..schedule(3, None) }]).await;
    let mut uow = store.begin_read().await;
    let mut find = async |text| uow.schedule_find_named(&default_project(), &name(text)).await.unwrap();
    assert_eq!(find("it:is/full").await, Some(full_schedule(2)));
    assert_eq!(find("s-1").await, Some(schedule(1, None)));
    for unknown in ["S-1", "s-", "s-11", "theirs"] {
        assert_eq!(find(unknown).await, None, "{unknown}");
    }
}

async fn only_the_revision_right_before_can_be_changed(store: Arc<TestStore>) {
    let stored = Schedule { revision: 5, ..schedule(1, Some(second(1))) };
    add(&store, std::slice::from_ref(&stored)).await;
    for revision in [0, 1, 4, 5, 7, u64::from(u32::MAX)] {
        let changed = Schedule { revision, paused: true, ..stored.clone() };
        let mut uow = store.begin().await;
        assert_conflict(uow.schedule_save(&default_project(), &changed).await);
        uow.commit().await.unwrap_err();
    }
    assert_eq!(find(&store, 1).await, Some(stored.clone()));
    let mine = Schedule { revision: 6, fired_for: Some(second(1)), ..stored.clone() };
    save_one(&store, &mine).await;
    let yours = Schedule { revision: 6, next_at: None, ..stored };
    assert_conflict(store.begin().await.schedule_save(&default_project(), &yours).await);
    assert_eq!(find(&store, 1).await, Some(mine));
    let unknown = Schedule { revision: 2, ..schedule(9, None) };
    assert_conflict(store.begin().await.schedule_save(&default_project(), &unknown).await);
}

/// Two servers that would fire the same schedule at once.
async fn what_was_found_by_who_may_write_stays_as_it_is_until_commit(store: Arc<TestStore>) {
    add(&store, &[schedule(1, Some(second(1)))]).await;
    let door = store.second_door().await;
    let mut first = store.begin().await;
    let found = first.schedule_find(&default_project(), schedule_id(1)).await.unwrap().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut second_comer = door.begin().await.unwrap();
        let found = second_comer.schedule_find(&default_project(), schedule_id(1)).await.unwrap().unwrap();
        second_comer.commit().await.unwrap();
        found.revision
    });
    assert!(timeout(Duration::from_millis(200), tasks.join_next()).await.is_err(), "the second one did not wait");
    first.schedule_save(&default_project(), &Schedule { revision: 2, ..found }).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), 2, "it sees what the first one did");
}

async fn pages_go_by_name_and_tell_each_schedule_once(store: Arc<TestStore>) {
    let names = ["B", "a", "a/b", "a:b", "b", "s10", "s9"];
    let mut schedules: Vec<Schedule> =
        (1..).zip(names).map(|(number, text)| Schedule { name: name(text), ..schedule(number, None) }).collect();
    schedules.reverse();
    add(&store, &schedules).await;
    let other = add_project(&store, "other").await.id;
    add_to(&store, &other, &[Schedule { name: name("a/c"), ..schedule(1, None) }]).await;
    let mut seen = Vec::new();
    let mut after: Option<ScheduleName> = None;
    for expected in [3, 3, 1] {
        let mut uow = store.begin_read().await;
        let page = uow.schedule_list(&default_project(), after.as_ref(), size(3)).await.unwrap();
        assert_eq!(page.rows.len(), expected);
        seen.extend(page.rows);
        after = page.next;
    }
    schedules.reverse();
    assert_eq!((seen, after), (schedules, None));
    let mut uow = store.begin_read().await;
    assert_eq!(uow.schedule_list(&default_project(), None, size(7)).await.unwrap().next, None);
    assert_eq!(uow.schedule_count(&default_project()).await.unwrap(), 7);
    assert_eq!(uow.schedule_count(&other).await.unwrap(), 1);
    assert_eq!(uow.schedule_count(&project_id("unknown")).await.unwrap(), 0);
}

async fn what_is_to_fire_is_found_longest_due_first_in_all_projects(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let resting = Schedule { paused: true, ..schedule(9, Some(second(1))) };
    add(&store, &[schedule(1, Some(second(5))), schedule(2, Some(second(3))), schedule(3, None), resting]).await;
    add_to(&store, &other, &[schedule(1, Some(second(4))), schedule(2, Some(second(6)))]).await;
    let mut uow = store.begin_read().await;
    let mut due = async |now, rows_max| {
        let found = uow.schedules_due(now, rows_max).await.unwrap();
        found.into_iter().map(|(project, schedule)| (project.to_string(), schedule.id)).collect::<Vec<_>>()
    };
    let all = [("default", 2), ("other", 1), ("default", 1), ("other", 2)]
        .map(|(project, number)| (project.to_owned(), schedule_id(number)));
    assert_eq!(due(second(6), 9).await, all);
    assert_eq!(due(second(6) - MICRO, 9).await, all[..3]);
    assert_eq!(due(second(6), 2).await, all[..2]);
    assert_eq!(due(second(3) - MICRO, 9).await, []);
    let found = store.begin_read().await.schedules_due(second(3), 9).await.unwrap();
    assert_eq!(found, [(default_project(), schedule(2, Some(second(3))))]);
}

async fn a_schedule_goes_alone_and_once(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    add(&store, &[schedule(1, None), schedule(2, None)]).await;
    add_to(&store, &other, &[schedule(1, None)]).await;
    add_tasks(&store, &[task(1)]).await;
    let remove = async |number| {
        let mut uow = store.begin().await;
        let was_there = uow.schedule_remove(&default_project(), schedule_id(number)).await.unwrap();
        uow.commit().await.unwrap();
        was_there
    };
    assert_eq!((remove(1).await, remove(1).await, remove(9).await), (true, false, false));
    assert_eq!((find(&store, 1).await, find(&store, 2).await), (None, Some(schedule(2, None))));
    assert_eq!(store.begin_read().await.schedule_find(&other, schedule_id(1)).await.unwrap(), Some(schedule(1, None)));
    assert_eq!(stored(&store, &[1]).await, [task(1)], "its tasks stay");
    add(&store, &[schedule(1, None)]).await;
}

async fn a_schedule_that_was_removed_is_not_saved_again(store: Arc<TestStore>) {
    add(&store, &[schedule(1, None)]).await;
    let mut uow = store.begin().await;
    assert!(uow.schedule_remove(&default_project(), schedule_id(1)).await.unwrap());
    let late = Schedule { revision: 2, ..schedule(1, None) };
    assert_conflict(uow.schedule_save(&default_project(), &late).await);
    drop(uow);
    assert_eq!(find(&store, 1).await, Some(schedule(1, None)), "dropped, nothing has happened");
}

on_every_store!(
    a_schedule_comes_back_to_the_last_field,
    taken_ids_and_names_are_conflicts,
    a_schedule_is_found_by_its_name_in_its_project,
    only_the_revision_right_before_can_be_changed,
    what_was_found_by_who_may_write_stays_as_it_is_until_commit,
    pages_go_by_name_and_tell_each_schedule_once,
    what_is_to_fire_is_found_longest_due_first_in_all_projects,
    a_schedule_goes_alone_and_once,
    a_schedule_that_was_removed_is_not_saved_again,
);
