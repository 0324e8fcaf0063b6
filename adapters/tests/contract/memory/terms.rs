//! What is counted, what is found by terms, and what stands beside what.

use super::samples::{save, *};
use crate::harness::TestStore;
use crate::on_every_store;
use crate::work::samples::second;
use domain::memory::candidate::{Candidate, Statistics, Totals, Wanted};
use domain::memory::index::index;
use domain::memory::record::{Feedback, Memory, Superseded};
use domain::memory::terms::TermHash;
use std::collections::BTreeMap;
use std::sync::Arc;

fn one(word: &str) -> TermHash {
    let [term] = terms(&here(), word)[..] else { panic!("{word} is not one term") };
    term
}

fn counted(of: &[Memory], words: &[(&str, u64)]) -> Statistics {
    let lengths = of.iter().map(|memory| u64::from(index(memory).unwrap().length));
    let totals = Totals { memories: of.len() as u64, length: lengths.sum() };
    Statistics { totals, frequencies: words.iter().map(|(word, count)| (one(word), *count)).collect() }
}

async fn words_are_counted_once_in_each_memory_as_long_as_they_stand_there(store: Arc<TestStore>) {
    let words = "lease lock file parrot";
    assert_eq!(statistics(&store, &here(), words).await, Statistics::default());
    let first = saying(1, "lease lease lock", &["bird"]);
    let second = saying(2, "lock file", &[]);
    save(&store, &[new(&first), new(&second)]).await;
    let both = [first.clone(), second.clone()];
    assert_eq!(statistics(&store, &here(), words).await, counted(&both, &[("lease", 1), ("lock", 2), ("file", 1)]));
    assert_eq!(statistics(&store, &own("ann"), words).await, Statistics::default(), "each realm for itself");
    let mut uow = store.begin().await;
    assert_eq!(uow.memory_realm_lock(&here()).await.unwrap(), counted(&both, &[]).totals);
    assert_eq!(uow.memory_realm_lock(&own("ann")).await.unwrap(), Totals::default());
    drop(uow);
    let changed = Memory { content: Some(content("file parrot", &[])), revision: 2, ..first.clone() };
    let seen =
        Memory { seen: 2, feedback: Feedback { wrong: 1, ..Feedback::default() }, revision: 2, ..second.clone() };
    save(&store, &[change(&first, &changed), change(&second, &seen)]).await;
    let both = [changed.clone(), seen.clone()];
    assert_eq!(statistics(&store, &here(), words).await, counted(&both, &[("lock", 1), ("file", 2), ("parrot", 1)]));
    let gone = redacted(&changed);
    save(&store, &[change(&changed, &gone)]).await;
    assert_eq!(
        statistics(&store, &here(), words).await,
        counted(std::slice::from_ref(&seen), &[("lock", 1), ("file", 1)])
    );
    let mut uow = store.begin().await;
    uow.memories_forget(&here(), &[gone, seen]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(statistics(&store, &here(), words).await, Statistics::default());
}

async fn who_has_all_terms_of_one_set_is_found(store: Arc<TestStore>) {
    let memories = [
        saying(1, "lease lock", &[]),
        saying(2, "lease file", &[]),
        saying(3, "lock file parrot", &[]),
        saying(4, "parrot", &["lease"]),
    ];
    save(&store, &memories.each_ref().map(new)).await;
    let filter = all(&[here()]);
    let expected: [(&[&str], &[u128]); 8] = [
        (&["lease"], &[1, 2, 4]),
        (&["lease lock"], &[1]),
        (&["lease lock", "parrot"], &[1, 3, 4]),
        (&["lease lock", "lease file", "lock file parrot"], &[1, 2, 3]),
        (&["lease lock file"], &[]),
        (&["walrus"], &[]),
        (&["walrus lease", "walrus", "parrot lock"], &[3]),
        (&[], &[]),
    ];
    for (texts, numbers) in expected {
        assert_eq!(found(&store, &filter, &here(), texts).await, numbers, "{texts:?}");
    }
    let mut uow = store.begin_read().await;
    let wide = wanted(&here(), &["lease", "lock", "file", "parrot"]);
    let candidates = uow.memory_candidates(&filter, &wide).await.unwrap();
    let by_id = |candidates: Vec<Candidate>| candidates.into_iter().map(|it| (it.id, it)).collect::<BTreeMap<_, _>>();
    assert_eq!(by_id(candidates), by_id(memories.iter().map(candidate).collect()), "with all that ranking needs");
    let few = Wanted { rows_max: 2, ..wide.clone() };
    assert_eq!(uow.memory_candidates(&filter, &few).await.unwrap().len(), 2);
    let tag_alone = Wanted { any_of: vec![vec![TermHash::of_tag(&here(), "lease")]], ..wide };
    assert_eq!(numbers(&uow.memory_candidates(&filter, &tag_alone).await.unwrap()), [4], "a tag is no word");
}

async fn many_sets_of_many_terms_are_no_burden(store: Arc<TestStore>) {
    add(&store, &[saying(1, "walrus lease", &[]), saying(2, "walrus", &[])]).await;
    let word = |n: u64| TermHash::of_word(&here(), &format!("word{n}"));
    let mut any_of: Vec<Vec<TermHash>> = (0..300).map(|n| vec![word(n), word(n + 1), one("lease")]).collect();
    any_of.push((0..300).map(word).collect());
    any_of.push(terms(&here(), "walrus lease"));
    let many = Wanted { realm: here(), any_of, rows_max: 10 };
    let mut uow = store.begin_read().await;
    assert_eq!(numbers(&uow.memory_candidates(&all(&[here()]), &many).await.unwrap()), [1]);
}

async fn what_changes_is_found_as_it_is(store: Arc<TestStore>) {
    let first = saying(1, "lease lock", &["bird"]);
    save(&store, &[new(&first)]).await;
    let rated =
        Memory { feedback: Feedback { helpful: 3, wrong: 2, stale: 1 }, pinned: true, revision: 2, ..first.clone() };
    save(&store, &[change(&first, &rated)]).await;
    let filter = all(&[here()]);
    let candidates = store.begin_read().await.memory_candidates(&filter, &wanted(&here(), &["lease"])).await.unwrap();
    assert_eq!(candidates, [candidate(&rated)]);
    let reworded = Memory { content: Some(content("lock file", &["fish"])), revision: 3, ..rated.clone() };
    save(&store, &[change(&rated, &reworded)]).await;
    assert_eq!(found(&store, &filter, &here(), &["lease"]).await, [0; 0]);
    assert_eq!(found(&store, &filter, &here(), &["file"]).await, [1]);
    let tagged = Memory { content: Some(content("lock file", &["bird"])), revision: 4, ..reworded.clone() };
    save(&store, &[change(&reworded, &tagged)]).await;
    for (name, numbers) in [("bird", vec![1]), ("fish", vec![])] {
        let tagged = domain::memory::filter::MemoryFilter { tags_all: [tag(name)].into(), ..filter.clone() };
        assert_eq!(found(&store, &tagged, &here(), &["file"]).await, numbers, "{name}");
    }
    save(&store, &[change(&tagged, &redacted(&tagged))]).await;
    assert_eq!(found(&store, &filter, &here(), &["file"]).await, [0; 0]);
    assert_eq!(listed(&store, &filter).await, [0; 0]);
}

async fn neighbours_are_those_around_that_hold(store: Arc<TestStore>) {
    let at = |number: u128, row, position| Memory { place: place(row, position), ..memory(number) };
    let mut memories: Vec<Memory> = (1..=9).map(|n| at(n, "s", u64::try_from(n).unwrap())).collect();
    memories.extend([at(11, "t", 1), at(12, "t", 5), at(13, "T", 2)]);
    memories[4].superseded = Some(Superseded { by: id(9), at: second(15) });
    memories[6].valid_from = second(20);
    memories[7] = Memory { revision: 1, ..redacted(&memories[7]) };
    save(&store, &memories.iter().map(new).collect::<Vec<_>>()).await;
    let near = async |as_of, places: &[(&str, u64)], reach| {
        let places: Vec<_> = places.iter().map(|(row, position)| place(row, *position)).collect();
        store.begin_read().await.memory_neighbours(&here(), second(as_of), &places, reach).await.unwrap()
    };
    let numbers_near = async |as_of, places: &[(&str, u64)], reach| numbers(&near(as_of, places, reach).await);
    assert_eq!(numbers_near(10, &[("s", 3)], 2).await, [1, 2, 3, 4, 5]);
    assert_eq!(numbers_near(15, &[("s", 3)], 2).await, [1, 2, 3, 4], "superseded by then");
    assert_eq!(numbers_near(20, &[("s", 7)], 2).await, [6, 7, 9], "redacted ones never are");
    assert_eq!(numbers_near(10, &[("s", 7)], 0).await, [0; 0], "not yet");
    assert_eq!(numbers_near(20, &[("s", 1), ("s", 2), ("s", 4), ("s", 2)], 1).await, [1, 2, 3, 4], "each once");
    assert_eq!(numbers_near(10, &[("t", 3), ("s", 1)], 2).await, [1, 2, 3, 11, 12]);
    assert_eq!(numbers_near(10, &[("u", 3)], 2).await, [0; 0]);
    assert_eq!(numbers_near(10, &[], 2).await, [0; 0]);
    assert_eq!(numbers_near(10, &[("s", 1)], u32::MAX).await, [1, 2, 3, 4, 5, 6, 9]);
    assert_eq!(near(10, &[("s", 2)], 0).await, [candidate(&memories[1])], "with all that ranking needs");
    let none = store.begin_read().await.memory_neighbours(&own("ann"), second(10), &[place("s", 3)], 2).await;
    assert_eq!(none.unwrap(), []);
}

async fn five_hundred_places_are_looked_around_at_once(store: Arc<TestStore>) {
    let at = |number: u128| {
        let row = format!("row{}", number % 100);
        Memory { place: place(&row, u64::try_from(number / 100).unwrap() + 1), ..memory(number) }
    };
    let memories: Vec<Memory> = (0..1_000).map(at).collect();
    for part in memories.chunks(500) {
        save(&store, &part.iter().map(new).collect::<Vec<_>>()).await;
    }
    let places: Vec<_> = memories.iter().step_by(2).map(|memory| memory.place.clone()).collect();
    let mut uow = store.begin_read().await;
    let near = uow.memory_neighbours(&here(), second(1), &places, 2).await.unwrap();
    let even_rows: Vec<u128> = (0..1_000).filter(|number| number % 2 == 0).collect();
    assert_eq!(numbers(&near), even_rows, "all of the rows that were named, each once");
}

async fn a_place_is_never_given_twice(store: Arc<TestStore>) {
    let last = async |realm, row| store.begin_read().await.memory_last_position(&realm, &stream(row)).await.unwrap();
    assert_eq!(last(here(), "s").await, 0);
    let memories = [memory(1), memory(7), memory(3)];
    save(&store, &memories.each_ref().map(new)).await;
    assert_eq!(last(here(), "s").await, 7);
    add(&store, &[Memory { place: place("s", 5), ..memory(9) }]).await;
    assert_eq!(last(here(), "s").await, 7);
    assert_eq!(last(here(), "S").await, 0);
    assert_eq!(last(own("ann"), "s").await, 0);
    let mut uow = store.begin().await;
    uow.memories_forget(&here(), &memories).await.unwrap();
    assert_eq!(uow.memory_last_position(&here(), &stream("s")).await.unwrap(), 7);
    uow.commit().await.unwrap();
    assert_eq!(last(here(), "s").await, 7);
}

on_every_store!(
    words_are_counted_once_in_each_memory_as_long_as_they_stand_there,
    who_has_all_terms_of_one_set_is_found,
    many_sets_of_many_terms_are_no_burden,
    what_changes_is_found_as_it_is,
    neighbours_are_those_around_that_hold,
    five_hundred_places_are_looked_around_at_once,
    a_place_is_never_given_twice,
);
