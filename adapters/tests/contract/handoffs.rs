//! Handoffs.

mod finding;
mod samples;

use crate::handoffs::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_locking_store;
use crate::on_every_store;
use crate::samples::*;
use crate::work::samples::{MICRO, second};
use domain::handoffs::content::Content;
use domain::handoffs::{Handoff, Moved, Offer, State};
use domain::ids::{HandoffId, ProjectId};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

async fn a_handoff_comes_back_to_the_last_field(store: Arc<TestStore>) {
    let (plain, full) = (handoff(1), full_handoff(2));
    let content = full_content();
    add(&store, &[(plain.clone(), Content::default()), (full.clone(), content.clone())]).await;
    assert_eq!(load(&store, &[2, 9, 1]).await, [plain.clone(), full.clone()], "by id, unknown ones passed over");
    let mut uow = store.begin_read().await;
    assert_eq!(uow.handoff_content(&default_project(), id(1)).await.unwrap(), Some(Content::default()));
    assert_eq!(uow.handoff_content(&default_project(), id(2)).await.unwrap(), Some(content));
    assert_eq!(uow.handoff_content(&default_project(), id(9)).await.unwrap(), None);
    drop(uow);
    for (revision, state) in (full.revision + 1..).zip(every_state()) {
        let changed = Handoff { state, revision, ..full.clone() };
        save_one(&store, &changed).await;
        assert_eq!(load(&store, &[2]).await, [changed]);
    }
}

async fn a_taken_id_is_a_conflict_in_its_project_alone(store: Arc<TestStore>) {
    add(&store, &[(handoff(1), Content::default())]).await;
    let again = store.begin().await.handoff_add(&default_project(), &handoff(1), &Content::default()).await;
    assert_conflict(again);
    let other = add_project(&store, "other").await.id;
    add_to(&store, &other, &[(handoff(1), Content::default())]).await;
    let stored = store.begin_read().await.handoffs_load(&other, &[id(1)]).await.unwrap();
    assert_eq!(stored, [handoff(1)]);
    assert_eq!(load(&store, &[1]).await.len(), 1);
}

async fn only_the_revision_right_before_can_be_changed(store: Arc<TestStore>) {
    add(&store, &[(handoff(1), Content::default())]).await;
    let late = handoff(1).withdraw(&agent("ann"), None, second(1)).unwrap();
    save_one(&store, &handoff(1).accepted(bob(), Moved::default(), second(1))).await;
    assert_conflict(store.begin().await.handoff_save(&default_project(), &late).await);
    let far = Handoff { revision: 4, ..late.clone() };
    assert_conflict(store.begin().await.handoff_save(&default_project(), &far).await);
    let unknown = Handoff { id: id(7), ..late };
    assert_conflict(store.begin().await.handoff_save(&default_project(), &unknown).await);
    let Ok([taken]) = <[Handoff; 1]>::try_from(load(&store, &[1]).await) else { panic!("it is gone") };
    assert!(matches!(taken.state, State::Accepted { .. }));
}

async fn what_was_found_by_who_may_write_stays_as_it_is_until_commit(store: Arc<TestStore>) {
    add(&store, &[(handoff(1), Content::default())]).await;
    let door = store.second_door().await;
    let mut first = store.begin().await;
    let found = first.handoffs_load(&default_project(), &[id(1)]).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut second_comer = door.begin().await.unwrap();
        second_comer.handoffs_load(&default_project(), &[id(1)]).await.unwrap()
    });
    assert!(timeout(Duration::from_millis(200), tasks.join_next()).await.is_err(), "the second one did not wait");
    let taken = found[0].accepted(bob(), Moved::default(), second(1));
    first.handoff_save(&default_project(), &taken).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), [taken], "it sees what the first one did");
}

async fn one_who_reads_waits_for_nobody(store: Arc<TestStore>) {
    add(&store, &[(handoff(1), Content::default())]).await;
    let mut writer = store.begin().await;
    writer.handoffs_load(&default_project(), &[id(1)]).await.unwrap();
    let read = timeout(Duration::from_secs(2), load(&store, &[1])).await;
    assert_eq!(read.unwrap(), [handoff(1)]);
}

async fn what_has_expired_is_found_longest_expired_first_in_all_projects(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let until = |number, at| Handoff { expires_at: Some(at), ..handoff(number) };
    let record = Handoff { expires_at: None, offer: Offer::Nobody, state: State::Written, ..handoff(3) };
    let taken = until(4, second(2)).accepted(bob(), Moved::default(), second(1));
    let offers = [until(1, second(5)), until(2, second(3)), record, Handoff { revision: 1, ..taken }];
    add(&store, &offers.map(|handoff| (handoff, Content::default()))).await;
    add_to(&store, &other, &[(until(1, second(4)), Content::default())]).await;
    let mut uow = store.begin_read().await;
    let mut due = async |now, rows_max| uow.handoffs_due(now, rows_max).await.unwrap();
    let all: [(ProjectId, HandoffId); 3] =
        [(default_project(), id(2)), (other.clone(), id(1)), (default_project(), id(1))];
    assert_eq!(due(second(5), 9).await, all);
    assert_eq!(due(second(5) - MICRO, 9).await, all[..2]);
    assert_eq!(due(second(5), 1).await, all[..1]);
    assert_eq!(due(second(3) - MICRO, 9).await, []);
    drop(uow);
    save_one(&store, &until(2, second(3)).expire(second(9)).unwrap()).await;
    assert_eq!(store.begin_read().await.handoffs_due(second(5), 9).await.unwrap(), all[1..]);
}

async fn declining_is_noted_once(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    add(&store, &[(handoff(1), Content::default())]).await;
    let declined = async |project: &ProjectId, number, by: &str| {
        let mut uow = store.begin().await;
        let is_new = uow.handoff_declined(project, id(number), &agent(by), second(1)).await.unwrap();
        uow.commit().await.unwrap();
        is_new
    };
    let here = default_project();
    assert!(declined(&here, 1, "bob").await);
    assert!(!declined(&here, 1, "bob").await, "that is known");
    assert!(declined(&here, 1, "cat").await);
    assert!(!declined(&here, 9, "bob").await, "there is nothing to decline");
    assert!(!declined(&other, 1, "bob").await);
}

async fn the_past_is_forgotten_when_it_is_old_and_offers_stay(store: Arc<TestStore>) {
    let offer = handoff(1);
    let record = Handoff { offer: Offer::Nobody, state: State::Written, expires_at: None, ..handoff(2) };
    let ended = |number, at| Handoff { state: State::Expired { at }, ..handoff(number) };
    let old = [ended(3, second(5)), ended(4, second(4))];
    let all = [offer.clone(), record.clone(), old[0].clone(), old[1].clone(), ended(5, second(8))];
    add(&store, &all.map(|handoff| (handoff, full_content()))).await;
    let prune = async |before, rows_max| {
        let mut uow = store.begin().await;
        let pruned = uow.handoffs_prune(before, rows_max).await.unwrap();
        uow.commit().await.unwrap();
        pruned
    };
    assert_eq!(prune(second(0), 9).await, 0, "what was over at that very instant stays");
    assert_eq!(prune(second(5), 1).await, 1, "the record was over first");
    assert_eq!(load(&store, &[1, 2, 3, 4, 5]).await.len(), 4);
    assert_eq!(prune(second(5) + MICRO, 9).await, 2);
    assert_eq!(load(&store, &[1, 2, 3, 4, 5]).await, [offer, ended(5, second(8))]);
    assert_eq!(prune(second(100), 9).await, 1);
    assert_eq!(prune(second(100), 9).await, 0, "an offer stays for ever");
    // What belonged to them is gone too, so that their ids can come again.
    add(&store, &[(handoff(3), full_content())]).await;
}

async fn what_was_dropped_has_not_happened(store: Arc<TestStore>) {
    let mut uow = store.begin().await;
    uow.handoff_add(&default_project(), &handoff(1), &full_content()).await.unwrap();
    drop(uow);
    assert_eq!(load(&store, &[1]).await, []);
    assert!(store.begin_read().await.handoff_add(&default_project(), &handoff(1), &full_content()).await.is_err());
}

on_every_store!(
    a_handoff_comes_back_to_the_last_field,
    a_taken_id_is_a_conflict_in_its_project_alone,
    only_the_revision_right_before_can_be_changed,
    what_has_expired_is_found_longest_expired_first_in_all_projects,
    declining_is_noted_once,
    the_past_is_forgotten_when_it_is_old_and_offers_stay,
    what_was_dropped_has_not_happened,
);

on_every_locking_store!(what_was_found_by_who_may_write_stays_as_it_is_until_commit, one_who_reads_waits_for_nobody);
