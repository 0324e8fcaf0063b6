//! Finding handoffs.

use super::samples::*;
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use crate::work::samples::{MICRO, second};
use chrono::{DateTime, Utc};
use domain::handoffs::content::{Content, FileName, Item, Lists};
use domain::handoffs::listing::{HandoffFilter, SearchWords};
use domain::handoffs::{Candidate, Giver, Handoff, Moved, Offer, State, Status};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

fn any() -> HandoffFilter {
    HandoffFilter::default()
}

/// The numbers of what is found, newest first.
async fn found_at(store: &TestStore, filter: &HandoffFilter, now: DateTime<Utc>) -> Vec<u128> {
    let mut uow = store.begin_read().await;
    let page = uow.handoff_list(&default_project(), filter, now, None, size(50)).await.unwrap();
    assert_eq!(page.next, None);
    page.rows.into_iter().map(|handoff| Uuid::as_u128(&handoff.id.uuid())).collect()
}

async fn found(store: &TestStore, filter: HandoffFilter) -> Vec<u128> {
    found_at(store, &filter, second(10)).await
}

fn written(number: u128, at: i64) -> Handoff {
    Handoff { written_at: second(at), ..handoff(number) }
}

fn empty(handoff: Handoff) -> (Handoff, Content) {
    (handoff, Content::default())
}

async fn pages_go_from_new_to_old_and_tell_each_once(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    add(&store, &[(1, 5), (2, 7), (3, 5), (4, 6), (5, 5)].map(|(number, at)| empty(written(number, at)))).await;
    add_to(&store, &other, &[empty(written(9, 6))]).await;
    let mut uow = store.begin_read().await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = uow.handoff_list(&default_project(), &any(), second(10), after, size(2)).await.unwrap();
        assert!(page.rows.len() <= 2);
        seen.extend(page.rows.iter().map(|handoff| handoff.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [2, 4, 5, 3, 1].map(id), "by time, then id");
}

async fn filters_must_all_fit(store: Arc<TestStore>) {
    let to_bob = Offer::Agent { agent: agent("bob") };
    let by_cat = Giver { agent: agent("cat"), session: None };
    let taken = Handoff { revision: 1, ..written(4, 4).accepted(bob(), Moved::default(), second(5)) };
    let all =
        [written(1, 1), Handoff { offer: to_bob, ..written(2, 2) }, Handoff { from: by_cat, ..written(3, 3) }, taken];
    add(&store, &all.map(empty)).await;
    assert_eq!(found(&store, HandoffFilter { from: Some(agent("ann")), ..any() }).await, [4, 2, 1]);
    assert_eq!(found(&store, HandoffFilter { to: Some(agent("bob")), ..any() }).await, [4, 2]);
    let both = HandoffFilter { from: Some(agent("cat")), to: Some(agent("bob")), ..any() };
    assert_eq!(found(&store, both).await, [0; 0]);
    let status = |status| HandoffFilter { status: Some(status), ..any() };
    assert_eq!(found(&store, status(Status::Offered)).await, [3, 2, 1]);
    assert_eq!(found(&store, status(Status::Accepted)).await, [4]);
}

async fn an_offer_past_its_end_is_found_as_expired_whether_anybody_noticed_or_not(store: Arc<TestStore>) {
    let until = |number, at| Handoff { expires_at: Some(second(at)), ..handoff(number) };
    add(&store, &[until(1, 20), until(2, 30), until(3, 5)].map(empty)).await;
    save_one(&store, &until(3, 5).expire(second(6)).unwrap()).await;
    let at = async |status, now| found_at(&store, &HandoffFilter { status: Some(status), ..any() }, now).await;
    assert_eq!(at(Status::Offered, second(20) - MICRO).await, [2, 1]);
    assert_eq!(at(Status::Expired, second(20) - MICRO).await, [3]);
    assert_eq!(at(Status::Offered, second(20)).await, [2]);
    assert_eq!(at(Status::Expired, second(20)).await, [3, 1]);
}

async fn each_state_is_found_by_its_name(store: Arc<TestStore>) {
    let mut all = Vec::new();
    for (number, state) in (1..).zip(every_state()) {
        all.push(empty(Handoff { state, ..handoff(number) }));
    }
    add(&store, &all).await;
    for status in Status::ALL {
        let expected: BTreeSet<u128> = all
            .iter()
            .filter(|(handoff, _)| handoff.status() == status)
            .map(|(handoff, _)| handoff.id.uuid().as_u128())
            .collect();
        let found = found(&store, HandoffFilter { status: Some(status), ..any() }).await;
        assert!(!found.is_empty(), "{status:?}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{status:?}");
    }
}

async fn a_file_is_found_under_any_spelling_and_no_other_is(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let about = |files: &[&str]| {
        let files = files.iter().map(|file| FileName::parse(file).unwrap()).collect();
        Content::try_new(Lists { files, ..Lists::default() }).unwrap()
    };
    let all = [
        (written(1, 1), about(&["src/a.rs", "src/b.rs"])),
        (written(2, 2), about(&["src/a.rs"])),
        (written(3, 3), about(&["/etc/hosts", "src/A.rs"])),
    ];
    add(&store, &all).await;
    add_to(&store, &other, &[(written(4, 4), about(&["src/a.rs"]))]).await;
    let file = |text: &str| HandoffFilter { file: Some(FileName::parse(text).unwrap()), ..any() };
    assert_eq!(found(&store, file("./src//a.rs")).await, [2, 1]);
    assert_eq!(found(&store, file("/etc/hosts")).await, [3]);
    assert_eq!(found(&store, file("src/A.rs")).await, [3]);
    assert_eq!(found(&store, file("src")).await, [0; 0]);
    assert_eq!(found(&store, file("src/%.rs")).await, [0; 0]);
}

async fn words_are_found_wherever_they_stand(store: Arc<TestStore>) {
    let next = |text: &str| {
        let next_steps = vec![Item::parse(text).unwrap()];
        Content::try_new(Lists { next_steps, ..Lists::default() }).unwrap()
    };
    let all = [
        (Handoff { summary: summary("The Parser is HALF done"), ..written(1, 1) }, next("Измерить ЛЕКСЕР")),
        (Handoff { summary: summary("100% of it_ \\ is done"), ..written(2, 2) }, next("rest")),
        (written(3, 3), full_content()),
    ];
    add(&store, &all).await;
    let words = |text: &str| HandoffFilter { words: Some(SearchWords::parse(text).unwrap()), ..any() };
    assert_eq!(found(&store, words("half PARSER")).await, [3, 1]);
    assert_eq!(found(&store, words("лексер")).await, [1]);
    assert_eq!(found(&store, words("done")).await, [3, 2, 1]);
    assert_eq!(found(&store, words("done rest")).await, [2]);
    assert_eq!(found(&store, words("100%")).await, [3, 2]);
    assert_eq!(found(&store, words("it_ \\")).await, [2]);
    assert_eq!(found(&store, words("d%ne")).await, [0; 0], "no pattern, only words");
    assert_eq!(found(&store, words("hosts")).await, [3], "names of files are words too");
}

async fn what_is_offered_to_somebody_is_found(store: Arc<TestStore>) {
    let offer = |number, offer| Handoff { offer, ..written(number, i64::try_from(number).unwrap()) };
    let to_bob = || Offer::Agent { agent: agent("bob") };
    let to_able = |name| Offer::Capability { capability: can(name) };
    let own = Giver { agent: agent("bob"), session: Some(session_id("bob-1")) };
    let earlier = Giver { agent: agent("bob"), session: Some(session_id("bob-0")) };
    let nobodys = Giver { agent: agent("ann"), session: None };
    let all = [
        offer(1, to_bob()),
        offer(2, Offer::Agent { agent: agent("cat") }),
        offer(3, to_able("rust")),
        offer(4, to_able("gpu")),
        offer(5, Offer::Next),
        Handoff { from: own, ..offer(6, Offer::Next) },
        Handoff { from: earlier, ..offer(7, Offer::Next) },
        Handoff { from: nobodys, ..offer(8, to_bob()) },
        Handoff { state: State::Written, expires_at: None, ..offer(9, Offer::Nobody) },
        Handoff { state: State::Withdrawn { at: second(9), reason: None }, ..offer(10, Offer::Next) },
        Handoff { expires_at: Some(second(10)), ..offer(11, Offer::Next) },
    ];
    add(&store, &all.map(empty)).await;
    let bob = |capabilities: &[&str]| Candidate {
        agent: agent("bob"),
        session: Some(session_id("bob-1")),
        capabilities: capabilities.iter().map(|name| can(name)).collect(),
    };
    let offered_to = |candidate| HandoffFilter { offered_to: Some(candidate), ..any() };
    assert_eq!(found(&store, offered_to(bob(&["rust"]))).await, [8, 7, 5, 3, 1]);
    assert_eq!(found(&store, offered_to(bob(&["gpu", "rust"]))).await, [8, 7, 5, 4, 3, 1]);
    assert_eq!(found(&store, offered_to(Candidate { session: None, ..bob(&[]) })).await, [8, 7, 6, 5, 1]);
    let just_before = found_at(&store, &offered_to(bob(&[])), second(10) - MICRO).await;
    assert_eq!(just_before, [11, 8, 7, 5, 1]);
    let mut uow = store.begin().await;
    uow.handoff_declined(&default_project(), id(5), &agent("bob"), second(9)).await.unwrap();
    uow.handoff_declined(&default_project(), id(1), &agent("cat"), second(9)).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(found(&store, offered_to(bob(&[]))).await, [8, 7, 1], "what he declined is hidden from him");
    let cat = Candidate { agent: agent("cat"), ..bob(&[]) };
    assert_eq!(found(&store, offered_to(cat)).await, [7, 5, 2], "and from nobody else");
}

on_every_store!(
    pages_go_from_new_to_old_and_tell_each_once,
    filters_must_all_fit,
    an_offer_past_its_end_is_found_as_expired_whether_anybody_noticed_or_not,
    each_state_is_found_by_its_name,
    a_file_is_found_under_any_spelling_and_no_other_is,
    words_are_found_wherever_they_stand,
    what_is_offered_to_somebody_is_found,
);
