//! The log of facts.

use crate::harness::{Kind, Place, TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use chrono::TimeDelta;
use domain::events::{Fact, Position};
use domain::ids::ProjectId;
use ports::store::Store;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

async fn append(store: &TestStore, facts: &[Fact]) {
    let mut uow = store.begin().await;
    uow.facts_append(facts).await.unwrap();
    uow.commit().await.unwrap();
}

async fn the_newest_facts_come_first_and_as_they_were_written(store: Arc<TestStore>) {
    let mut facts = vec![fact(&store, "a"), fact(&store, "б 🔑")];
    append(&store, &facts).await;
    store.pass(TimeDelta::seconds(1));
    facts.push(fact(&store, "c"));
    append(&store, &facts[2..]).await;
    facts.reverse();
    assert_eq!(store.begin_read().await.facts_latest(&default_project(), 10).await.unwrap(), facts);
}

async fn no_more_facts_come_than_were_asked_for(store: Arc<TestStore>) {
    let facts: Vec<Fact> = (0..300).map(|number| fact(&store, &format!("f{number}"))).collect();
    append(&store, &facts).await;
    append(&store, &[]).await;
    let latest = store.begin_read().await.facts_latest(&default_project(), 2).await.unwrap();
    assert_eq!(latest, [facts[299].clone(), facts[298].clone()]);
    assert_eq!(store.begin_read().await.facts_latest(&default_project(), 0).await.unwrap(), []);
}

async fn facts_of_another_project_are_never_seen(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let there = Fact { project: other.clone(), ..fact(&store, "a") };
    append(&store, std::slice::from_ref(&there)).await;
    assert_eq!(store.begin_read().await.facts_latest(&default_project(), 5).await.unwrap(), []);
    assert_eq!(store.begin_read().await.facts_latest(&other, 5).await.unwrap(), [there]);
}

async fn pruning_takes_the_old_ones_of_all_projects_and_no_more_than_it_may(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    for number in 0..3 {
        let here = fact(&store, &format!("f{number}"));
        append(&store, &[here.clone(), Fact { project: other.clone(), ..fact(&store, "there") }]).await;
        store.pass(TimeDelta::seconds(1));
    }
    let limit = store.now();
    append(&store, &[fact(&store, "young")]).await;
    let prune = async |rows_max: u32| {
        let mut uow = store.begin().await;
        let pruned = uow.facts_prune(limit, rows_max).await.unwrap();
        uow.commit().await.unwrap();
        pruned
    };
    assert_eq!(prune(0).await, 0);
    assert_eq!(prune(4).await, 4);
    assert_eq!(prune(100).await, 2);
    assert_eq!(prune(100).await, 0);
    let mut reader = store.begin_read().await;
    assert_eq!(reader.facts_latest(&default_project(), 9).await.unwrap().len(), 1, "only the young one is left");
    assert_eq!(reader.facts_latest(&other, 9).await.unwrap(), []);
}

/// Everything after a position, a few at a time.
async fn read_on(store: &dyn Store, project: &ProjectId, after: &mut Option<Position>) -> Vec<Fact> {
    let mut all = Vec::new();
    loop {
        let mut reader = store.begin_read().await.unwrap();
        let some = reader.facts_after(project, *after, 2).await.unwrap();
        let Some((last, _)) = some.last() else { return all };
        *after = Some(*last);
        all.extend(some.into_iter().map(|(_, fact)| fact));
    }
}

/// As [`read_on`], until there are so many: on PostgreSQL the transactions of other tests in the same cluster may hold it
/// up.
async fn read_up_to(store: &dyn Store, project: &ProjectId, after: &mut Option<Position>, facts: usize) -> Vec<Fact> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut read = Vec::new();
    while read.len() < facts && Instant::now() < deadline {
        read.extend(read_on(store, project, after).await);
    }
    read
}

/// The positions of the first so many facts.
async fn positions(store: &TestStore, facts: usize) -> Vec<Position> {
    read_up_to(store.store(), &default_project(), &mut None, facts).await;
    let facts = store.begin_read().await.facts_after(&default_project(), None, 100).await.unwrap();
    facts.into_iter().map(|(position, _)| position).collect()
}

async fn a_follower_reads_on_from_where_it_was(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let mut after = None;
    assert_eq!(read_on(store.store(), &default_project(), &mut after).await, []);
    let facts: Vec<Fact> = (0..5).map(|number| fact(&store, &format!("f{number}"))).collect();
    append(&store, &[facts[0].clone(), Fact { project: other.clone(), ..fact(&store, "there") }, facts[1].clone()])
        .await;
    append(&store, &facts[2..3]).await;
    assert_eq!(read_up_to(store.store(), &default_project(), &mut after, 3).await, facts[..3]);
    assert_eq!(read_on(store.store(), &default_project(), &mut after).await, []);
    append(&store, &facts[3..]).await;
    assert_eq!(read_up_to(store.store(), &default_project(), &mut after, 2).await, facts[3..]);
    assert_eq!(read_up_to(store.store(), &other, &mut None, 1).await.len(), 1);
    let all = positions(&store, 5).await;
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
    for position in all {
        assert_eq!(Position::parse(&position.to_string()), Ok(position));
    }
    assert_eq!(store.begin_read().await.facts_after(&default_project(), None, 0).await.unwrap(), []);
}

async fn what_is_not_committed_is_not_read(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    uow.facts_append(&[fact(&store, "never")]).await.unwrap();
    assert_eq!(read_on(store.store(), &default_project(), &mut None).await, []);
    drop(uow);
    append(&store, &[fact(&store, "kept")]).await;
    assert_eq!(read_up_to(store.store(), &default_project(), &mut None, 1).await.len(), 1);
}

async fn the_newest_of_each_project_is_known(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let asked = [default_project(), project_id("none"), other.clone()];
    let newest = async || store.begin_read().await.facts_newest(&asked).await.unwrap();
    assert_eq!(newest().await, []);
    append(&store, &[fact(&store, "a"), fact(&store, "b")]).await;
    let all = positions(&store, 2).await;
    assert_eq!(newest().await, [(default_project(), all[1])]);
    append(&store, &[Fact { project: other.clone(), ..fact(&store, "c") }]).await;
    read_up_to(store.store(), &other, &mut None, 1).await;
    assert_eq!(newest().await.into_iter().map(|(project, _)| project).collect::<BTreeSet<_>>().len(), 2);
    assert_eq!(store.begin_read().await.facts_newest(&[]).await.unwrap(), []);
    assert!(!store.begin_read().await.facts_unsettled(&default_project()).await.unwrap());
}

async fn the_horizon_parts_what_was_read_from_what_comes(store: Arc<TestStore>) {
    let horizon = async || store.begin_read().await.facts_horizon().await.unwrap();
    let empty = horizon().await;
    append(&store, &[fact(&store, "a"), fact(&store, "b")]).await;
    positions(&store, 2).await;
    let between = horizon().await;
    append(&store, &[fact(&store, "c")]).await;
    let all = positions(&store, 3).await;
    assert!(empty < all[0] && all[1] <= between && between < all[2] && all[2] <= horizon().await);
    let mut from_between = Some(between);
    assert_eq!(read_on(store.store(), &default_project(), &mut from_between).await.len(), 1);
    let far = Position::new(Position::NUMBER_MAX, Position::NUMBER_MAX);
    assert!(far > horizon().await);
    assert_eq!(read_on(store.store(), &default_project(), &mut Some(far)).await, []);
    store.pass(TimeDelta::seconds(1));
    let mut uow = store.begin().await;
    uow.facts_prune(store.now(), 100).await.unwrap();
    uow.commit().await.unwrap();
    assert!(horizon().await >= all[2], "what was given out is never ahead of it, also when nothing is left");
}

async fn what_was_forgotten_is_known_of_each_project(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    for number in 0..3 {
        append(&store, &[fact(&store, &format!("f{number}"))]).await;
    }
    append(&store, &[Fact { project: other.clone(), ..fact(&store, "there") }]).await;
    let all = positions(&store, 3).await;
    store.pass(TimeDelta::seconds(1));
    let forgotten = async |project: &ProjectId| store.begin_read().await.facts_forgotten(project).await.unwrap();
    let prune = async |rows_max: u32| {
        let mut uow = store.begin().await;
        uow.facts_prune(store.now(), rows_max).await.unwrap();
        uow.commit().await.unwrap();
    };
    prune(0).await;
    assert_eq!(forgotten(&default_project()).await, None);
    prune(2).await;
    assert_eq!(forgotten(&default_project()).await, Some(all[1]));
    assert_eq!(forgotten(&other).await, None, "nothing of it is gone yet");
    drop({
        let mut uow = store.begin().await;
        uow.facts_prune(store.now(), 100).await.unwrap();
        uow
    });
    assert_eq!(forgotten(&default_project()).await, Some(all[1]), "what was rolled back is not forgotten");
    prune(100).await;
    prune(100).await;
    assert_eq!(forgotten(&default_project()).await, Some(all[2]));
    assert!(forgotten(&other).await.is_some());
}

async fn many_who_write_at_once_are_read_once_each_and_in_order(store: Arc<TestStore>) {
    const WRITERS: usize = 4;
    const COMMITS: usize = 20;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for commit in 0..COMMITS {
                let mut uow = store.begin().await;
                uow.facts_append(&[fact(&store, &format!("{writer}"))]).await.unwrap();
                // The first ones take longer than the others, so that numbers do not go by commits.
                tokio::time::sleep(Duration::from_millis(if writer == 0 { 5 } else { 0 })).await;
                uow.facts_append(&[fact(&store, &format!("{writer} {commit}"))]).await.unwrap();
                uow.commit().await.unwrap();
            }
        });
    }
    let (mut after, mut read) = (None, Vec::new());
    loop {
        while let Some(written) = writers.try_join_next() {
            written.unwrap();
        }
        let is_over = writers.is_empty();
        read.extend(read_on(store.store(), &default_project(), &mut after).await);
        if is_over {
            break;
        }
    }
    let left = 2 * WRITERS * COMMITS - read.len();
    read.extend(read_up_to(store.store(), &default_project(), &mut after, left).await);
    assert_eq!(read.len(), 2 * WRITERS * COMMITS);
    assert_eq!(read.iter().map(|fact| fact.id).collect::<BTreeSet<_>>().len(), read.len(), "none comes twice");
    let whole = read_on(store.store(), &default_project(), &mut None).await;
    assert_eq!(read, whole, "the order stays");
    for pair in read.chunks(2) {
        assert_eq!(pair[1].subject.split_once(' ').unwrap().0, pair[0].subject, "a commit stays together");
    }
}

/// Numbers are drawn in the order of the writes, not of the commits.
async fn who_commits_last_is_not_missed_though_it_wrote_first(store: Arc<TestStore>) {
    let [first, second, third] = ["first", "second", "third"].map(|subject| fact(&store, subject));
    let door = store.locking_door().await;
    let mut held = door.begin().await.unwrap();
    held.facts_append(std::slice::from_ref(&first)).await.unwrap();
    append(&store, std::slice::from_ref(&second)).await;
    append(&store, std::slice::from_ref(&third)).await;
    let mut after = None;
    let seen_early = store.begin_read().await.facts_latest(&default_project(), 9).await.unwrap();
    assert_eq!(seen_early, [third.clone(), second.clone()], "these are committed, and there to be seen");
    assert_eq!(read_on(store.store(), &default_project(), &mut after).await, [], "but not to be gone past");
    assert_eq!(store.begin_read().await.facts_newest(&[default_project()]).await.unwrap(), []);
    assert!(store.begin_read().await.facts_unsettled(&default_project()).await.unwrap());
    assert!(!store.begin_read().await.facts_unsettled(&project_id("other")).await.unwrap());
    held.commit().await.unwrap();
    let read = read_up_to(store.store(), &default_project(), &mut after, 3).await;
    assert_eq!(read, [first, second, third]);
    assert!(!store.begin_read().await.facts_unsettled(&default_project()).await.unwrap());
    let numbers: Vec<u64> = positions(&store, 3).await.into_iter().map(Position::number).collect();
    assert!(numbers[0] < numbers[1], "who had gone on from the number of what was seen early had missed the first");
}

/// What goes on in another database of the cluster is nobody's concern.
async fn who_is_at_work_elsewhere_holds_nobody_up(store: Arc<TestStore>) {
    let elsewhere = TestStore::open(Arc::new(Place::make(Kind::Postgres).await)).await;
    let door = elsewhere.locking_door().await;
    let mut held = door.begin().await.unwrap();
    held.facts_append(&[fact(&store, "elsewhere")]).await.unwrap();
    let horizon = store.begin_read().await.facts_horizon().await.unwrap();
    let here = fact(&store, "here");
    append(&store, std::slice::from_ref(&here)).await;
    assert_eq!(read_up_to(store.store(), &default_project(), &mut None, 1).await, [here]);
    assert!(store.begin_read().await.facts_horizon().await.unwrap() > horizon);
    held.commit().await.unwrap();
    elsewhere.give_back().await;
}

async fn who_gives_up_holds_nobody_up(store: Arc<TestStore>) {
    let door = store.locking_door().await;
    let mut held = door.begin().await.unwrap();
    held.facts_append(&[fact(&store, "never")]).await.unwrap();
    let kept = fact(&store, "kept");
    append(&store, std::slice::from_ref(&kept)).await;
    assert_eq!(read_on(store.store(), &default_project(), &mut None).await, []);
    drop(held);
    assert_eq!(read_up_to(store.store(), &default_project(), &mut None, 1).await, [kept]);
}

on_every_store!(
    a_follower_reads_on_from_where_it_was,
    many_who_write_at_once_are_read_once_each_and_in_order,
    the_horizon_parts_what_was_read_from_what_comes,
    what_is_not_committed_is_not_read,
    what_was_forgotten_is_known_of_each_project,
    pruning_takes_the_old_ones_of_all_projects_and_no_more_than_it_may,
    the_newest_of_each_project_is_known,
    the_newest_facts_come_first_and_as_they_were_written,
    no_more_facts_come_than_were_asked_for,
    facts_of_another_project_are_never_seen,
);

mod many_transactions {
    use super::{
        who_commits_last_is_not_missed_though_it_wrote_first, who_gives_up_holds_nobody_up,
        who_is_at_work_elsewhere_holds_nobody_up,
    };

    crate::on_every_store!(@ postgres Postgres
        who_commits_last_is_not_missed_though_it_wrote_first who_gives_up_holds_nobody_up
        who_is_at_work_elsewhere_holds_nobody_up);
    crate::on_every_store!(@ optimistic Optimistic
        who_commits_last_is_not_missed_though_it_wrote_first who_gives_up_holds_nobody_up
        who_is_at_work_elsewhere_holds_nobody_up);
}
