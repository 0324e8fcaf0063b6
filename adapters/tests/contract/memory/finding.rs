//! What filters show, and in which order.

use super::samples::*;
use crate::harness::TestStore;
use crate::on_every_store;
use crate::samples::*;
use crate::work::samples::{MICRO, second};
use domain::memory::content::EventType;
use domain::memory::filter::{MemoryCursor, MemoryFilter, Order};
use domain::memory::realm::Scope;
use domain::memory::record::{Author, Memory, Superseded};
use std::collections::BTreeSet;
use std::sync::Arc;

/// All answers to a filter must be the same, whatever is asked: all show what is listed.
async fn shown(store: &TestStore, filter: &MemoryFilter) -> Vec<u128> {
    let listed = listed(store, filter).await;
    let mut uow = store.begin_read().await;
    let latest: Vec<u128> =
        uow.memory_latest(filter, 100).await.unwrap().iter().map(|it| it.id.uuid().as_u128()).collect();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    assert_eq!(numbers_of(latest), sorted, "{filter:?}");
    drop(uow);
    let mut found_in_all: Vec<u128> = Vec::new();
    for realm in &filter.realms {
        found_in_all.extend(found(store, filter, realm, &["lease"]).await);
    }
    found_in_all.sort_unstable();
    assert_eq!(found_in_all, sorted, "{filter:?}");
    listed
}

fn numbers_of(mut numbers: Vec<u128>) -> Vec<u128> {
    numbers.sort_unstable();
    numbers
}

async fn the_newest_come_first_and_pages_go_on_where_they_ended(store: Arc<TestStore>) {
    let at = |number: u128, seconds| Memory { happened_at: second(seconds), ..memory(number) };
    let private = Memory { scope: Scope::Private, ..at(5, 2) };
    add(&store, &[at(1, 1), at(2, 3), at(3, 3), at(4, 2), private]).await;
    let filter = all(&[own("ann"), here()]);
    assert_eq!(shown(&store, &filter).await, [3, 2, 5, 4, 1], "of the same instant, the greater id");
    let mut uow = store.begin_read().await;
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = uow.memory_list(&filter, Order::NewestFirst, after, size(2)).await.unwrap();
        pages.push(page.rows.iter().map(|memory| memory.id.uuid().as_u128()).collect::<Vec<_>>());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![3, 2], vec![5, 4], vec![1]]);
    let cursor = MemoryCursor { happened_at: second(3), id: id(2) };
    let page = uow.memory_list(&filter, Order::NewestFirst, Some(cursor), size(10)).await.unwrap();
    assert_eq!(page.rows.len(), 3);
    assert_eq!(page.next, None);
    let latest = uow.memory_latest(&filter, 3).await.unwrap();
    assert_eq!(numbers(&latest), [2, 3, 5]);
    let twice = all(&[here(), here(), own("ann")]);
    assert_eq!(uow.memory_list(&twice, Order::NewestFirst, None, size(10)).await.unwrap().rows.len(), 5, "each once");
}

async fn only_what_holds_at_the_instant_is_shown(store: Arc<TestStore>) {
    let from = Memory { valid_from: second(10), ..memory(1) };
    let until = Memory { valid_until: Some(second(20)), ..memory(2) };
    let superseded = Memory { superseded: Some(Superseded { by: id(9), at: second(15) }), ..memory(3) };
    let both =
        Memory { valid_until: Some(second(12)), ..Memory { id: id(4), place: place("s", 4), ..superseded.clone() } };
    let gone = Memory { revision: 1, ..redacted(&memory(5)) };
    add(&store, &[from, until, superseded, both, gone]).await;
    let at = |as_of, ended_too| MemoryFilter { ended_too, ..MemoryFilter::all(vec![here()], as_of) };
    let expected: [(_, bool, &[u128]); 9] = [
        (second(0) - MICRO, false, &[]),
        (second(0), false, &[4, 3, 2]),
        (second(10) - MICRO, false, &[4, 3, 2]),
        (second(10), false, &[4, 3, 2, 1]),
        (second(12), false, &[3, 2, 1]),
        (second(15), false, &[2, 1]),
        (second(20), false, &[1]),
        (second(20), true, &[4, 3, 2, 1]),
        (second(9), true, &[4, 3, 2]),
    ];
    for (as_of, ended_too, numbers) in expected {
        assert_eq!(shown(&store, &at(as_of, ended_too)).await, numbers, "{as_of} {ended_too}");
    }
}

async fn each_part_of_a_filter_shuts_out_what_it_does_not_name(store: Arc<TestStore>) {
    let kind = |name| EventType::parse(name).unwrap();
    let by = |name| Author { agent: agent(name), session: None };
    let memories = [
        Memory { happened_at: second(1), ..saying(1, "lease", &["a"]) },
        Memory { happened_at: second(2), event_type: kind("error"), ..saying(2, "lease", &["a", "b"]) },
        Memory { happened_at: second(3), author: by("bob"), ..saying(3, "lease", &["b", "c", "%"]) },
        Memory { happened_at: second(4), place: place("t", 1), pinned: true, ..saying(4, "lease", &[]) },
    ];
    add(&store, &memories).await;
    let tags = |names: &[&str]| names.iter().map(|name| tag(name)).collect::<BTreeSet<_>>();
    let any = || all(&[here()]);
    let expected: [(MemoryFilter, &[u128]); 18] = [
        (any(), &[4, 3, 2, 1]),
        (MemoryFilter { tags_any: tags(&["a"]), ..any() }, &[2, 1]),
        (MemoryFilter { tags_any: tags(&["a", "c"]), ..any() }, &[3, 2, 1]),
        (MemoryFilter { tags_any: tags(&["aa", "lease"]), ..any() }, &[]),
        (MemoryFilter { tags_any: tags(&["%", "_"]), ..any() }, &[3]),
        (MemoryFilter { tags_all: tags(&["a", "b"]), ..any() }, &[2]),
        (MemoryFilter { tags_all: tags(&["b"]), ..any() }, &[3, 2]),
        (MemoryFilter { tags_all: tags(&["a", "b", "c"]), ..any() }, &[]),
        (MemoryFilter { tags_all: tags(&["b"]), tags_any: tags(&["a", "c"]), ..any() }, &[3, 2]),
        (MemoryFilter { event_types: [kind("error")].into(), ..any() }, &[2]),
        (MemoryFilter { event_types: [kind("error"), kind("decision")].into(), ..any() }, &[4, 3, 2, 1]),
        (MemoryFilter { agents: [agent("bob"), agent("cat")].into(), ..any() }, &[3]),
        (MemoryFilter { stream: Some(stream("t")), ..any() }, &[4]),
        (MemoryFilter { stream: Some(stream("s")), ..any() }, &[3, 2, 1]),
        (MemoryFilter { happened_from: Some(second(2)), ..any() }, &[4, 3, 2]),
        (MemoryFilter { happened_until: Some(second(2)), ..any() }, &[1]),
        (MemoryFilter { pinned_only: true, ..any() }, &[4]),
        (MemoryFilter { pinned_only: true, agents: [agent("bob")].into(), ..any() }, &[]),
    ];
    for (filter, numbers) in expected {
        assert_eq!(shown(&store, &filter).await, numbers, "{filter:?}");
    }
}

async fn the_same_is_one_within_a_span_unless_it_was_taken_back(store: Arc<TestStore>) {
    let at = |number: u128, seconds| Memory { happened_at: second(seconds), ..memory(number) };
    let superseded = Memory { superseded: Some(Superseded { by: id(9), at: second(15) }), ..at(3, 30) };
    let gone = Memory { revision: 1, ..redacted(&at(4, 31)) };
    let other = Memory { place: place("t", 1), ..at(5, 32) };
    let private = Memory { scope: Scope::Private, ..at(6, 33) };
    add(&store, &[at(1, 10), at(2, 20), superseded, gone, other, private]).await;
    let fingerprint = memory(1).fingerprint().unwrap();
    let twin = async |realm, from, until| {
        let mut uow = store.begin().await;
        let twin = uow.memory_twin(&realm, fingerprint, second(from), second(until)).await.unwrap();
        twin.map(|memory| memory.id)
    };
    assert_eq!(twin(here(), 0, 60).await, Some(id(2)), "the last of them");
    assert_eq!(twin(here(), 20, 60).await, Some(id(2)), "both ends are included");
    assert_eq!(twin(here(), 0, 10).await, Some(id(1)));
    assert_eq!(twin(here(), 11, 19).await, None);
    assert_eq!(twin(own("ann"), 0, 60).await, None, "the scope is part of it");
    assert_eq!(twin(own("bob"), 0, 60).await, None);
}

async fn what_is_old_and_worth_little_is_found_in_all_realms(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let at = |number: u128, seconds| Memory { happened_at: second(seconds), ..memory(number) };
    let elsewhere = Memory { project: other, ..at(2, 2) };
    let private = Memory { scope: Scope::Private, ..at(3, 3) };
    let shared = Memory { scope: Scope::Shared, ..at(4, 4) };
    let pinned = Memory { pinned: true, ..at(5, 1) };
    let dear = Memory { seen: 2, ..at(6, 1) };
    let young = at(7, 10);
    let gone = Memory { revision: 1, ..redacted(&at(8, 5)) };
    add(&store, &[at(1, 1), elsewhere, private, shared, pinned, dear, young, gone]).await;
    let past = async |before, worth_min, rows_max| {
        let found = store.begin_read().await.memories_past(before, worth_min, rows_max).await.unwrap();
        found.iter().map(|memory| memory.id.uuid().as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(past(second(10), 6, 9).await, [1, 2, 3, 4, 8], "longest ago first");
    assert_eq!(past(second(10), 5, 9).await, [0; 0], "worth as much is enough");
    assert_eq!(past(second(10), 8, 9).await.len(), 6);
    assert_eq!(past(second(10), 6, 2).await, [1, 2]);
    assert_eq!(past(second(2), 6, 9).await, [1], "strictly before");
}

on_every_store!(
    the_newest_come_first_and_pages_go_on_where_they_ended,
    only_what_holds_at_the_instant_is_shown,
    each_part_of_a_filter_shuts_out_what_it_does_not_name,
    the_same_is_one_within_a_span_unless_it_was_taken_back,
    what_is_old_and_worth_little_is_found_in_all_realms,
);
