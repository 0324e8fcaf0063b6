//! The same random changes on a database and in memory: both answer everything alike.

use super::samples::*;
use crate::harness::{Kind, Place, TestStore};
use crate::on_every_database;
use crate::samples::*;
use crate::work::samples::second;
use domain::ids::MemoryId;
use domain::memory::candidate::{Candidate, Wanted};
use domain::memory::content::{EventType, Importance};
use domain::memory::filter::{MemoryFilter, Order};
use domain::memory::realm::Realm;
use domain::memory::record::{Author, Feedback, Memory, Superseded, Verdict};
use domain::memory::terms::TermHash;
use ports::memory::MemoryChange;
use ports::store::UnitOfWork;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::collections::BTreeMap;
use std::sync::Arc;

const STEPS: u32 = 60;
const QUESTIONS_EACH: u32 = 4;
const WORDS: [&str; 8] = ["lease", "lock", "walrus", "parrot", "租约", "ключ", "src/a.rs", "retry"];
const TAGS: [&str; 4] = ["a", "b", "%", "ярлык"];
const ROWS: [&str; 2] = ["s", "t"];

/// Draws what happens. It is the same in every run.
struct Dice(TestRng);

impl Dice {
    fn below(&mut self, end: u32) -> u32 {
        use proptest::prelude::Rng;
        self.0.next_u32() % end
    }

    fn one_in(&mut self, of: u32) -> bool {
        self.below(of) == 0
    }

    fn some<'a>(&mut self, of: &[&'a str], most: u32) -> Vec<&'a str> {
        (0..self.below(most + 1)).map(|_| of[self.below(u32::try_from(of.len()).unwrap()) as usize]).collect()
    }

    fn instant(&mut self) -> chrono::DateTime<chrono::Utc> {
        second(self.below(40).into())
    }

    fn realm(&mut self) -> Realm {
        match self.below(4) {
            0 => own("ann"),
            1 => own("bob"),
            2 => Realm::Shared,
            _ => here(),
        }
    }

    fn words(&mut self) -> domain::memory::content::Content {
        let words = format!("it {}", self.some(&WORDS, 5).join(" "));
        content(&words, &self.some(&TAGS, 3))
    }

    fn memory(&mut self, number: u128, realm: &Realm, position: u64) -> Memory {
        let by = match realm {
            Realm::Private(_, agent) => agent.clone(),
            Realm::Project(_) | Realm::Shared => agent(["ann", "bob"][self.below(2) as usize]),
        };
        let valid_from = self.instant();
        let row = ROWS[self.below(2) as usize];
        Memory {
            scope: realm.scope(),
            author: Author { agent: by, session: None },
            event_type: EventType::parse(["decision", "error"][self.below(2) as usize]).unwrap(),
            place: place(row, position),
            content: Some(self.words()),
            importance: Importance::try_new(u8::try_from(1 + self.below(10)).unwrap()).unwrap(),
            pinned: self.one_in(5),
            happened_at: self.instant(),
            valid_from,
            valid_until: self.one_in(3).then(|| valid_from + chrono::TimeDelta::seconds(1 + i64::from(self.below(20)))),
            ..memory(number)
        }
    }

    /// What becomes of a memory; sometimes nothing can.
    fn changed(&mut self, memory: &Memory) -> Option<Memory> {
        if memory.redacted.is_some() {
            return None;
        }
        let next = Memory { revision: memory.revision + 1, updated_at: self.instant(), ..memory.clone() };
        Some(match self.below(6) {
            0 => redacted(memory),
            1 => Memory { superseded: Some(Superseded { by: id(9_999), at: self.instant() }), ..next },
            2 => Memory { pinned: !memory.pinned, ..next },
            3 => Memory { feedback: Feedback { helpful: self.below(3), wrong: self.below(3), stale: 1 }, ..next },
            _ => {
                let content = memory.content.as_ref()?.united_with(&self.words()).ok();
                Memory { content, seen: memory.seen + 1, happened_at: self.instant(), ..next }
            }
        })
    }

    fn filter(&mut self) -> MemoryFilter {
        let realms = [here(), own("ann"), own("bob"), Realm::Shared].into_iter().filter(|_| !self.one_in(3)).collect();
        let tags = |dice: &mut Self, rarely| {
            let names = if dice.one_in(rarely) { dice.some(&TAGS, 2) } else { Vec::new() };
            names.into_iter().map(tag).collect()
        };
        MemoryFilter {
            realms,
            as_of: self.instant(),
            ended_too: self.one_in(3),
            tags_any: tags(self, 3),
            tags_all: tags(self, 4),
            event_types: self.one_in(4).then(|| EventType::parse("error").unwrap()).into_iter().collect(),
            agents: self.one_in(4).then(|| agent("ann")).into_iter().collect(),
            stream: self.one_in(5).then(|| stream("s")),
            happened_from: self.one_in(4).then(|| self.instant()),
            happened_until: self.one_in(4).then(|| self.instant()),
            pinned_only: self.one_in(8),
        }
    }

    fn wanted(&mut self, realm: &Realm) -> Wanted {
        let set = |dice: &mut Self| -> Vec<TermHash> {
            let text = dice.some(&WORDS, 3).join(" ");
            if text.is_empty() { terms(realm, "lease") } else { terms(realm, &text) }
        };
        let any_of = (0..=self.below(4)).map(|_| set(self)).collect();
        Wanted { realm: realm.clone(), any_of, rows_max: 1_000 }
    }
}

/// What happens next, in one realm.
struct Step {
    realm: Realm,
    changes: Vec<MemoryChange>,
    forgotten: Vec<Memory>,
    verdict: Option<(MemoryId, Verdict)>,
}

async fn take(store: &TestStore, step: &Step) {
    let Step { realm, changes, forgotten, verdict } = step;
    let mut uow = store.begin().await;
    uow.memory_realm_lock(realm).await.unwrap();
    uow.memories_save(realm, changes).await.unwrap();
    uow.memories_forget(realm, forgotten).await.unwrap();
    if let Some((id, verdict)) = verdict {
        uow.memory_verdict_save(realm, *id, &agent("cat"), *verdict, second(1)).await.unwrap();
    }
    uow.commit().await.unwrap();
}

/// Candidates in an order.
fn sorted(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by_key(|it| (it.realm.key(), it.id));
    candidates
}

/// What a store answers to a question about everything.
async fn answer(uow: &mut dyn UnitOfWork, dice: &mut Dice, ids: &[MemoryId]) -> Vec<String> {
    let mut said = Vec::new();
    let filter = dice.filter();
    let rows = 1 + dice.below(7);
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut after = None;
        loop {
            let page = uow.memory_list(&filter, order, after, size(rows)).await.unwrap();
            said.push(format!("{page:?}"));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    said.push(format!("{:?}", sorted(uow.memory_latest(&filter, rows).await.unwrap())));
    let mut loaded = uow.memories_load(&filter.realms, ids).await.unwrap();
    loaded.sort_by_key(|memory| (memory.id, memory.realm().key()));
    said.push(format!("{loaded:?}"));
    for realm in [here(), own("ann"), own("bob"), Realm::Shared] {
        let wanted = dice.wanted(&realm);
        let found = sorted(uow.memory_candidates(&filter, &wanted).await.unwrap());
        said.push(format!("{wanted:?} {found:?}"));
        said.push(format!("{:?}", uow.memory_statistics(&realm, &terms(&realm, &WORDS.join(" "))).await.unwrap()));
        let places: Vec<_> =
            ROWS.map(|row| (0..dice.below(4)).map(|_| place(row, dice.below(60).into())).collect::<Vec<_>>()).concat();
        let near = uow.memory_neighbours(&realm, filter.as_of, &places, dice.below(3)).await.unwrap();
        said.push(format!("{places:?} {:?}", sorted(near)));
        let known = loaded.iter().find(|memory| memory.realm() == realm).and_then(Memory::fingerprint);
        if let Some(fingerprint) = known {
            let twin = uow.memory_twin(&realm, fingerprint, second(5), second(35)).await.unwrap();
            said.push(format!("{twin:?}"));
        }
        for row in ROWS {
            said.push(uow.memory_last_position(&realm, &stream(row)).await.unwrap().to_string());
        }
        for id in ids {
            said.push(format!("{:?}", uow.memory_verdict(&realm, *id, &agent("cat")).await.unwrap()));
        }
    }
    let mut past = uow.memories_past(dice.instant(), i64::from(dice.below(12)), 1_000).await.unwrap();
    past.sort_by_key(|memory| (memory.id, memory.realm().key()));
    said.push(format!("{filter:?} {past:?}"));
    said
}

async fn a_database_answers_like_the_store_in_memory_whatever_happened(store: Arc<TestStore>) {
    let yardstick = TestStore::open(Arc::new(Place::make(Kind::InMemory).await)).await;
    let mut dice = Dice(TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut all: BTreeMap<(String, MemoryId), Memory> = BTreeMap::new();
    let (mut number, mut answers) = (0_u128, 0_usize);
    for _ in 0..STEPS {
        let realm = dice.realm();
        let mut step = Step { realm: realm.clone(), changes: Vec::new(), forgotten: Vec::new(), verdict: None };
        for memory in all.values().filter(|memory| memory.realm() == realm) {
            match dice.below(8) {
                0 => step.forgotten.push(memory.clone()),
                1..4 => step.changes.extend(dice.changed(memory).map(|after| change(memory, &after))),
                4 => step.verdict = Some((memory.id, Verdict::ALL[dice.below(3) as usize])),
                _ => {}
            }
        }
        for _ in 0..dice.below(6) {
            number += 1;
            step.changes.push(new(&dice.memory(number, &realm, u64::try_from(number).unwrap())));
        }
        for store in [&store, &yardstick] as [&TestStore; 2] {
            take(store, &step).await;
        }
        step.changes.iter().for_each(|it| drop(all.insert((realm.key(), it.after.id), it.after.clone())));
        step.forgotten.iter().for_each(|memory| drop(all.remove(&(realm.key(), memory.id))));
        let ids: Vec<MemoryId> = (0..5).map(|_| id(dice.below(u32::try_from(number + 2).unwrap()).into())).collect();
        for _ in 0..QUESTIONS_EACH {
            let seed = dice.0.clone();
            let said = answer(store.begin_read().await.as_mut(), &mut dice, &ids).await;
            let expected = answer(yardstick.begin_read().await.as_mut(), &mut Dice(seed), &ids).await;
            assert_eq!(said, expected);
            answers += said.iter().filter(|text| text.contains("Memory") || text.contains("Candidate")).count();
        }
    }
    assert!(answers > 1_500, "hardly anything was found: {answers}");
}

on_every_database!(a_database_answers_like_the_store_in_memory_whatever_happened);
