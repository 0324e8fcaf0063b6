//! Vectors of memories: which wait for one, and which are near.

use super::samples::{save, *};
use crate::harness::{TestStore, default_project, start};
use crate::on_every_store;
use crate::samples::*;
use crate::work::samples::second;
use domain::memory::content::{Content, EventType};
use domain::memory::filter::MemoryFilter;
use domain::memory::realm::{Realm, Scope};
use domain::memory::record::{Author, Memory, Superseded};
use domain::memory::vector::{ModelName, Vector, VectorSpace};
use ports::memory::vectors::{Embedded, Unembedded, Waiting};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn space(model: &str, dimension: usize) -> VectorSpace {
    VectorSpace { model: ModelName::parse(model).unwrap(), dimension }
}

/// A model of two numbers.
fn flat() -> VectorSpace {
    space("some/model", 2)
}

fn vector(numbers: &[f32]) -> Vector {
    Vector::try_new(numbers).unwrap()
}

/// The vector that points so many degrees from the east.
fn degrees(angle: f32) -> Vector {
    vector(&[angle.to_radians().cos(), angle.to_radians().sin()])
}

pub(super) fn unembedded(memory: &Memory) -> Unembedded {
    Unembedded { realm: memory.realm(), id: memory.id, words_revision: memory.revision }
}

pub(super) fn embedded(memory: &Memory, vector: Vector) -> Embedded {
    Embedded { of: unembedded(memory), vector: Some(vector) }
}

async fn claim(store: &TestStore, space: &VectorSpace, from: i64, until: i64, rows: u32) -> Vec<Unembedded> {
    let mut uow = store.begin().await;
    let claimed = uow.memory_vectors_claim(space, second(from), second(until), rows).await.unwrap();
    uow.commit().await.unwrap();
    claimed
}

/// The numbers of what is claimed until a minute after the start, sorted.
async fn claimed(store: &TestStore, space: &VectorSpace, from: i64, rows: u32) -> Vec<u128> {
    let mut numbers: Vec<u128> =
        claim(store, space, from, 60, rows).await.iter().map(|it| it.id.uuid().as_u128()).collect();
    numbers.sort_unstable();
    numbers
}

pub(super) async fn embed(store: &TestStore, space: &VectorSpace, embedded: &[Embedded]) -> u64 {
    let mut uow = store.begin().await;
    let saved = uow.memory_vectors_save(space, embedded).await.unwrap();
    uow.commit().await.unwrap();
    saved
}

async fn waiting(store: &TestStore, space: &VectorSpace) -> Waiting {
    store.begin_read().await.memory_vectors_waiting(space).await.unwrap()
}

/// The numbers of what is near to the east, nearest first.
async fn near(store: &TestStore, filter: &MemoryFilter, rows: u32) -> Vec<u128> {
    let mut uow = store.begin_read().await;
    let found = uow.memory_nearest(filter, &flat(), &degrees(0.0), rows).await.unwrap();
    found.iter().map(|(candidate, _)| candidate.id.uuid().as_u128()).collect()
}

/// The cosines to the east of memories, by number.
async fn cosines(store: &TestStore, realms: &[Realm], space: &VectorSpace, numbers: &[u128]) -> BTreeMap<u128, f64> {
    let ids: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
    let mut uow = store.begin_read().await;
    let found = uow.memory_cosines(realms, space, &degrees(0.0), &ids).await.unwrap();
    found.into_iter().map(|(id, cosine)| (id.uuid().as_u128(), cosine)).collect()
}

async fn a_memory_waits_until_it_has_its_vector(store: Arc<TestStore>) {
    assert_eq!(waiting(&store, &flat()).await, Waiting { count: 0, oldest: None });
    assert_eq!(claim(&store, &flat(), 0, 1, 10).await, []);
    let memories = [memory(1), Memory { updated_at: second(2), ..memory(2) }];
    add(&store, &memories).await;
    assert_eq!(waiting(&store, &flat()).await, Waiting { count: 2, oldest: Some(start()) });
    assert_eq!(claim(&store, &flat(), 3, 60, 10).await.len(), 2);
    assert_eq!(claim(&store, &flat(), 59, 70, 10).await, [], "somebody has them in hand");
    assert_eq!(claim(&store, &flat(), 60, 90, 10).await.len(), 2, "whoever had them died");
    let all: Vec<_> = memories.iter().map(|memory| embedded(memory, degrees(9.0))).collect();
    assert_eq!(embed(&store, &flat(), &all).await, 2);
    assert_eq!(waiting(&store, &flat()).await, Waiting { count: 0, oldest: None });
    assert_eq!(claim(&store, &flat(), 1_000, 2_000, 10).await, []);
    assert_eq!(claim(&store, &space("another", 2), 61, 90, 10).await.len(), 2, "nobody has them in hand any more");
}

async fn those_that_wait_longest_are_claimed_first_and_each_once(store: Arc<TestStore>) {
    let memories: Vec<Memory> = (1..=5)
        .map(|number| Memory { updated_at: second(10 - i64::try_from(number).unwrap()), ..memory(number) })
        .collect();
    add(&store, &memories).await;
    assert_eq!(claimed(&store, &flat(), 20, 2).await, [4, 5]);
    assert_eq!(claimed(&store, &flat(), 20, 2).await, [2, 3]);
    assert_eq!(claimed(&store, &flat(), 20, 2).await, [1]);
    let mut uow = store.begin().await;
    let back: Vec<_> = memories[..2].iter().map(unembedded).collect();
    uow.memory_vectors_release(&back, second(30)).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(claimed(&store, &flat(), 29, 9).await, []);
    assert_eq!(claimed(&store, &flat(), 30, 9).await, [1, 2]);
}

async fn a_vector_is_stored_only_for_the_words_that_it_was_made_of(store: Arc<TestStore>) {
    let first = memory(1);
    add(&store, std::slice::from_ref(&first)).await;
    let old = embedded(&first, degrees(10.0));
    let merged = Memory {
        content: Some(content("the lease ends after two minutes", &["locks", "time"])),
        updated_at: second(5),
        revision: 2,
        ..first.clone()
    };
    save(&store, &[change(&first, &merged)]).await;
    assert_eq!(embed(&store, &flat(), std::slice::from_ref(&old)).await, 0);
    assert_eq!(waiting(&store, &flat()).await, Waiting { count: 1, oldest: Some(second(5)) });
    assert_eq!(cosines(&store, &[here()], &flat(), &[1]).await, BTreeMap::new());
    let claims = claim(&store, &flat(), 5, 60, 9).await;
    assert_eq!(claims, [unembedded(&merged)]);
    assert_eq!(embed(&store, &flat(), &[embedded(&merged, degrees(0.0))]).await, 1);
    // What changes nothing of its words leaves its vector alone.
    let pinned = merged.pinned(&ann(), true, second(7)).unwrap();
    save(&store, &[change(&merged, &pinned)]).await;
    assert_eq!(waiting(&store, &flat()).await.count, 0);
    assert_eq!(cosines(&store, &[here()], &flat(), &[1]).await, BTreeMap::from([(1, 1.0)]));
    // New words wait anew; until then it is found by the old ones.
    let reworded =
        Memory { content: Some(content("other", &[])), revision: 4, updated_at: second(9), ..pinned.clone() };
    save(&store, &[change(&pinned, &reworded)]).await;
    assert_eq!(waiting(&store, &flat()).await, Waiting { count: 1, oldest: Some(second(9)) });
    assert_eq!(near(&store, &all(&[here()]), 9).await, [1]);
}

async fn what_was_redacted_or_forgotten_has_no_vector(store: Arc<TestStore>) {
    let memories: Vec<Memory> = (1..=4).map(memory).collect();
    add(&store, &memories).await;
    let all_four: Vec<_> = memories.iter().map(|memory| embedded(memory, degrees(1.0))).collect();
    assert_eq!(embed(&store, &flat(), &all_four[..3]).await, 3);
    let mut uow = store.begin().await;
    uow.memory_realm_lock(&here()).await.unwrap();
    let gone = [redacted(&memories[0]), redacted(&memories[3])];
    uow.memories_save(&here(), &[change(&memories[0], &gone[0]), change(&memories[3], &gone[1])]).await.unwrap();
    uow.memories_forget(&here(), &memories[1..2]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(near(&store, &all(&[here()]), 9).await, [3]);
    assert_eq!(cosines(&store, &[here()], &flat(), &[1, 2, 3, 4]).await.into_keys().collect::<Vec<_>>(), [3]);
    assert_eq!(waiting(&store, &flat()).await.count, 0);
    assert_eq!(claim(&store, &space("another", 2), 1_000, 2_000, 9).await, [unembedded(&memories[2])]);
    // Whoever asked for its vector before comes too late.
    assert_eq!(embed(&store, &flat(), &all_four).await, 1);
    assert_eq!(near(&store, &all(&[here()]), 9).await, [3]);
}

async fn vectors_of_another_model_or_dimension_are_not_compared(store: Arc<TestStore>) {
    let memories: Vec<Memory> = (1..=3).map(memory).collect();
    add(&store, &memories).await;
    let all_three: Vec<_> = memories.iter().map(|memory| embedded(memory, degrees(30.0))).collect();
    embed(&store, &flat(), &all_three[..2]).await;
    let (renamed, longer) = (space("another/model", 2), space("some/model", 3));
    for other in [&renamed, &longer] {
        assert_eq!(waiting(&store, other).await, Waiting { count: 3, oldest: Some(start()) });
        assert_eq!(cosines(&store, &[here()], other, &[1, 2, 3]).await, BTreeMap::new());
    }
    assert_eq!(waiting(&store, &flat()).await.count, 1);
    // Those that nothing finds come first.
    assert_eq!(claimed(&store, &renamed, 0, 1).await, [3]);
    assert_eq!(claimed(&store, &renamed, 0, 9).await, [1, 2]);
    embed(&store, &renamed, &[embedded(&memories[0], degrees(0.0))]).await;
    assert_eq!(near(&store, &all(&[here()]), 9).await, [2], "the vector of another model was compared");
    assert_eq!(cosines(&store, &[here()], &renamed, &[1, 2]).await, BTreeMap::from([(1, 1.0)]));
    assert_eq!(waiting(&store, &renamed).await.count, 2);
}

async fn what_a_model_does_not_take_is_not_asked_of_it_again(store: Arc<TestStore>) {
    add(&store, &[memory(1)]).await;
    embed(&store, &space("older", 2), &[embedded(&memory(1), degrees(0.0))]).await;
    let refused = Embedded { of: unembedded(&memory(1)), vector: None };
    assert_eq!(embed(&store, &flat(), &[refused]).await, 1);
    assert_eq!(waiting(&store, &flat()).await.count, 0);
    assert_eq!(claim(&store, &flat(), 1_000, 2_000, 9).await, []);
    assert_eq!(near(&store, &all(&[here()]), 9).await, [0_u128; 0]);
    assert_eq!(cosines(&store, &[here()], &space("older", 2), &[1]).await, BTreeMap::new());
    assert_eq!(claim(&store, &space("another", 2), 1_000, 2_000, 9).await.len(), 1);
}

async fn the_nearest_come_first_out_of_what_a_filter_shows(store: Arc<TestStore>) {
    let mut memories: Vec<Memory> = (1..=9).map(memory).collect();
    memories[1].superseded = Some(Superseded { by: id(9), at: second(10) });
    memories[2].valid_from = second(70);
    memories[3].content = Some(content("tagged", &["rare"]));
    memories[4].event_type = EventType::parse("error_fixed").unwrap();
    memories[5].author = Author { agent: agent("bob"), session: None };
    memories[6].place = place("elsewhere", 1);
    memories[7].happened_at = second(20);
    memories[8].pinned = true;
    add(&store, &memories).await;
    let angle = |number: u128| degrees(10.0 * f32::from(u8::try_from(number).unwrap()));
    let all_nine: Vec<_> = memories.iter().map(|memory| embedded(memory, angle(memory.id.uuid().as_u128()))).collect();
    assert_eq!(embed(&store, &flat(), &all_nine).await, 9);
    let everything = all(&[here()]);
    assert_eq!(near(&store, &everything, 99).await, [1, 4, 5, 6, 7, 8, 9]);
    assert_eq!(near(&store, &everything, 3).await, [1, 4, 5]);
    assert_eq!(near(&store, &everything, 0).await, [0_u128; 0]);
    let ended = MemoryFilter { ended_too: true, ..everything.clone() };
    assert_eq!(near(&store, &ended, 2).await, [1, 2]);
    let rare = MemoryFilter { tags_any: BTreeSet::from([tag("rare")]), ..everything.clone() };
    let fixed = MemoryFilter { event_types: BTreeSet::from([memories[4].event_type.clone()]), ..everything.clone() };
    let bobs = MemoryFilter { agents: BTreeSet::from([agent("bob")]), ..everything.clone() };
    let elsewhere = MemoryFilter { stream: Some(stream("elsewhere")), ..everything.clone() };
    let late = MemoryFilter { happened_from: Some(second(20)), ..everything.clone() };
    let pinned = MemoryFilter { pinned_only: true, ..everything.clone() };
    for (filter, number) in [(rare, 4), (fixed, 5), (bobs, 6), (elsewhere, 7), (late, 8), (pinned, 9)] {
        assert_eq!(near(&store, &filter, 9).await, [number]);
    }
    let mut uow = store.begin_read().await;
    let found = uow.memory_nearest(&everything, &flat(), &degrees(40.0), 1).await.unwrap();
    assert_eq!(found, [(candidate(&memories[3]), found[0].1)]);
    assert!(found[0].1 > 0.9999, "{found:?}");
    let found = uow.memory_nearest(&everything, &flat(), &vector(&[1.0, 0.0, 0.0]), 9).await.unwrap();
    assert!(found.is_empty(), "a vector of another dimension was compared");
}

async fn nothing_is_near_but_what_lies_in_the_named_realms(store: Arc<TestStore>) {
    let shared = Memory { scope: Scope::Shared, ..memory(2) };
    let private = Memory { scope: Scope::Private, ..memory(3) };
    let elsewhere = Memory { project: domain::ids::ProjectId::parse("other").unwrap(), ..memory(4) };
    let memories = [memory(1), shared, private, elsewhere];
    add(&store, &memories).await;
    let same: Vec<_> = memories.iter().map(|memory| embedded(memory, degrees(5.0))).collect();
    assert_eq!(embed(&store, &flat(), &same).await, 4);
    let other = Realm::Project(memories[3].project.clone());
    for (realms, numbers) in [
        (vec![here()], vec![1]),
        (vec![Realm::Shared], vec![2]),
        (vec![own("ann")], vec![3]),
        (vec![other.clone()], vec![4]),
        (vec![own("bob")], vec![]),
        (vec![], vec![]),
        (vec![here(), own("ann"), here()], vec![1, 3]),
    ] {
        assert_eq!(near(&store, &all(&realms), 9).await, numbers, "{realms:?}");
        let cosines = cosines(&store, &realms, &flat(), &[1, 2, 3, 4]).await;
        assert_eq!(cosines.into_keys().collect::<Vec<_>>(), numbers, "{realms:?}");
    }
    assert_eq!(default_project().as_str(), "default");
}

async fn the_space_in_use_is_what_was_set_last(store: Arc<TestStore>) {
    assert_eq!(store.begin_read().await.vector_space().await.unwrap(), None);
    for (space, at) in [(flat(), second(1)), (space("another", 3), second(2))] {
        let mut uow = store.begin().await;
        uow.vector_space_set(&space, at).await.unwrap();
        uow.commit().await.unwrap();
        let set = store.begin_read().await.vector_space().await.unwrap();
        assert_eq!(set, Some((space.key(), at)));
    }
}

async fn a_unit_of_work_that_only_reads_claims_nothing(store: Arc<TestStore>) {
    add(&store, &[memory(1)]).await;
    let mut uow = store.begin_read().await;
    assert!(uow.memory_vectors_claim(&flat(), second(1), second(9), 9).await.is_err());
    assert_eq!(claimed(&store, &flat(), 1, 9).await, [1]);
}

/// Numbers that look random, from a fixed start.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f32::from(u16::try_from(self.0 >> 48).unwrap()) / 65_536.0 - 0.5
    }

    pub(super) fn vector(&mut self, dimension: usize) -> Vector {
        vector(&(0..dimension).map(|_| self.next()).collect::<Vec<_>>())
    }
}

/// Memories with vectors of 16 numbers; every hundredth is rare.
pub(super) async fn crowd(store: &TestStore, count: u128, random: &mut Random) -> Vec<(Memory, Vector)> {
    let tagged = |number: u128| -> Content { content("one", if number.is_multiple_of(100) { &["rare"] } else { &[] }) };
    let all: Vec<(Memory, Vector)> = (1..=count)
        .map(|number| (Memory { content: Some(tagged(number)), ..memory(number) }, random.vector(16)))
        .collect();
    for some in all.chunks(500) {
        save(store, &some.iter().map(|(memory, _)| new(memory)).collect::<Vec<_>>()).await;
        let vectors: Vec<_> = some.iter().map(|(memory, vector)| embedded(memory, vector.clone())).collect();
        assert_eq!(embed(store, &space("m", 16), &vectors).await, some.len() as u64);
    }
    all
}

/// The numbers of the nearest, by comparing all.
pub(super) fn truly_near(crowd: &[(Memory, Vector)], filter: &MemoryFilter, to: &Vector, count: usize) -> Vec<u128> {
    let shown = crowd.iter().filter(|(memory, _)| filter.shows(memory));
    let mut all: Vec<(f64, u128)> =
        shown.map(|(memory, vector)| (-vector.cosine(to).unwrap(), memory.id.uuid().as_u128())).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.into_iter().take(count).map(|(_, number)| number).collect()
}

async fn found_near(store: &TestStore, filter: &MemoryFilter, to: &Vector, rows: u32) -> Vec<u128> {
    let mut uow = store.begin_read().await;
    let found = uow.memory_nearest(filter, &space("m", 16), to, rows).await.unwrap();
    found.iter().map(|(candidate, _)| candidate.id.uuid().as_u128()).collect()
}

async fn out_of_thousands_the_nearest_are_found_exactly(store: Arc<TestStore>) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let crowd = crowd(&store, 5_000, &mut random).await;
    let rare = MemoryFilter { tags_all: BTreeSet::from([tag("rare")]), ..all(&[here()]) };
    let row = MemoryFilter { stream: Some(stream("s")), ..all(&[here()]) };
    for filter in [all(&[here()]), rare, row] {
        let to = random.vector(16);
        assert_eq!(found_near(&store, &filter, &to, 20).await, truly_near(&crowd, &filter, &to, 20));
    }
}

on_every_store!(
    a_memory_waits_until_it_has_its_vector,
    those_that_wait_longest_are_claimed_first_and_each_once,
    a_vector_is_stored_only_for_the_words_that_it_was_made_of,
    what_was_redacted_or_forgotten_has_no_vector,
    vectors_of_another_model_or_dimension_are_not_compared,
    what_a_model_does_not_take_is_not_asked_of_it_again,
    the_nearest_come_first_out_of_what_a_filter_shows,
    nothing_is_near_but_what_lies_in_the_named_realms,
    the_space_in_use_is_what_was_set_last,
    a_unit_of_work_that_only_reads_claims_nothing,
    out_of_thousands_the_nearest_are_found_exactly,
);
