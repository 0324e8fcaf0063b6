//! Memories to store.

use crate::harness::{TestStore, default_project, start};
use crate::samples::*;
use crate::work::samples::{MICRO, second};
use domain::ids::{MemoryId, TaskId};
use domain::locks::lease::Reason;
use domain::memory::candidate::{Candidate, Statistics, Wanted};
use domain::memory::content::{
    CommitHash, Content, EventType, Importance, Lesson, Link, Outcome, Stream, Summary, Tag, Words,
};
use domain::memory::filter::{MemoryCursor, MemoryFilter, Order};
use domain::memory::index::index;
use domain::memory::life::Editor;
use domain::memory::realm::{Realm, Scope};
use domain::memory::record::{Author, Feedback, Memory, Place, Redacted, Superseded};
use domain::memory::terms::TermHash;
use domain::memory::words::analyse;
use domain::page::Page;
use ports::memory::MemoryChange;
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

pub(crate) fn id(number: u128) -> MemoryId {
    MemoryId::new(Uuid::from_u128(number))
}

pub(crate) fn tag(name: &str) -> Tag {
    Tag::parse(name).unwrap()
}

pub(crate) fn stream(name: &str) -> Stream {
    Stream::parse(name).unwrap()
}

pub(crate) fn place(name: &str, position: u64) -> Place {
    Place { stream: stream(name), position }
}

pub(crate) fn content(summary: &str, tags: &[&str]) -> Content {
    Content::try_new(Words {
        summary: Summary::parse(summary).unwrap(),
        details: serde_json::Map::new(),
        outcome: None,
        lessons: Vec::new(),
        tags: tags.iter().map(|name| tag(name)).collect(),
        links: BTreeSet::new(),
    })
    .unwrap()
}

/// What Ann wrote for her project at the start, at the place of its number in the row `s`.
pub(crate) fn memory(number: u128) -> Memory {
    Memory {
        id: id(number),
        project: default_project(),
        scope: Scope::Project,
        author: Author { agent: agent("ann"), session: Some(session_id("ann-1")) },
        event_type: EventType::parse("decision").unwrap(),
        place: place("s", u64::try_from(number).unwrap()),
        content: Some(content("the lease ends after two minutes", &["locks"])),
        importance: Importance::DEFAULT,
        pinned: false,
        seen: 1,
        happened_at: start(),
        created_at: start(),
        updated_at: start(),
        valid_from: start(),
        valid_until: None,
        supersedes: None,
        superseded: None,
        redacted: None,
        feedback: Feedback::default(),
        revision: 1,
    }
}

pub(crate) fn saying(number: u128, summary: &str, tags: &[&str]) -> Memory {
    Memory { content: Some(content(summary, tags)), ..memory(number) }
}

/// A memory with something in every field but its redaction.
pub(crate) fn full_memory(number: u128) -> Memory {
    let words = Words {
        summary: Summary::parse("ключ \"'\\ 🔑\n\tsecond line of 租约").unwrap(),
        details: serde_json::from_value(json!({"n": [1, 2.5, null, true], "deep": {"ключ": "значение, '%_"}})).unwrap(),
        outcome: Some(Outcome::parse("success").unwrap()),
        lessons: vec![Lesson::parse("read \"it\" first").unwrap(), Lesson::parse("עברית").unwrap()],
        tags: BTreeSet::from([tag("locks"), tag("%_'\""), tag("ярлык")]),
        links: BTreeSet::from([
            Link::File(key("src/a.rs")),
            Link::Task(TaskId::new(Uuid::from_u128(7))),
            Link::Commit(CommitHash::parse("0123abc").unwrap()),
        ]),
    };
    Memory {
        author: Author { agent: agent("ann"), session: None },
        scope: Scope::Private,
        content: Some(Content::try_new(words).unwrap()),
        importance: Importance::try_new(10).unwrap(),
        pinned: true,
        seen: 3,
        happened_at: second(1) + MICRO,
        created_at: second(2) + MICRO,
        updated_at: second(3) + MICRO,
        valid_from: second(4) + MICRO,
        valid_until: Some(second(90) + MICRO),
        supersedes: Some(id(70)),
        superseded: Some(Superseded { by: id(71), at: second(80) + MICRO }),
        feedback: Feedback { helpful: 4, wrong: 2, stale: 1 },
        ..memory(number)
    }
}

pub(crate) fn redacted(memory: &Memory) -> Memory {
    let reason = Some(Reason::parse("a \"key\" 🔑").unwrap());
    let redacted = Some(Redacted { by: agent("bob"), at: second(9) + MICRO, reason });
    Memory { content: None, redacted, revision: memory.revision + 1, ..memory.clone() }
}

pub(crate) fn ann() -> Editor {
    Editor { agent: agent("ann"), role: domain::identity::principal::Role::Agent }
}

pub(crate) fn here() -> Realm {
    Realm::Project(default_project())
}

pub(crate) fn own(name: &str) -> Realm {
    Realm::Private(default_project(), agent(name))
}

pub(crate) fn new(memory: &Memory) -> MemoryChange {
    MemoryChange { before: None, after: memory.clone() }
}

pub(crate) fn change(before: &Memory, after: &Memory) -> MemoryChange {
    MemoryChange { before: Some(before.clone()), after: after.clone() }
}

/// Saves what lies in one realm.
pub(crate) async fn save(store: &TestStore, changes: &[MemoryChange]) {
    let Some(first) = changes.first() else { return };
    let realm = first.after.realm();
    let mut uow = store.begin().await;
    uow.memory_realm_lock(&realm).await.unwrap();
    uow.memories_save(&realm, changes).await.unwrap();
    uow.commit().await.unwrap();
}

/// Saves new memories, each where it lies.
pub(crate) async fn add(store: &TestStore, memories: &[Memory]) {
    for memory in memories {
        save(store, &[new(memory)]).await;
    }
}

pub(crate) async fn load(store: &TestStore, realms: &[Realm], numbers: &[u128]) -> Vec<Memory> {
    let ids: Vec<MemoryId> = numbers.iter().map(|number| id(*number)).collect();
    store.begin_read().await.memories_load(realms, &ids).await.unwrap()
}

/// Everything in these realms that holds a minute after the start.
pub(crate) fn all(realms: &[Realm]) -> MemoryFilter {
    MemoryFilter::all(realms.to_vec(), second(60))
}

pub(crate) async fn list(
    store: &TestStore,
    filter: &MemoryFilter,
    after: Option<MemoryCursor>,
    rows: u32,
) -> Page<Memory, MemoryCursor> {
    store.begin_read().await.memory_list(filter, Order::NewestFirst, after, size(rows)).await.unwrap()
}

/// The numbers of what a filter shows, newest first. Oldest first, page by page, it is the same backwards.
pub(crate) async fn listed(store: &TestStore, filter: &MemoryFilter) -> Vec<u128> {
    let newest = list(store, filter, None, 100).await.rows;
    let (mut oldest, mut after) = (Vec::new(), None);
    loop {
        let mut unit = store.begin_read().await;
        let page = unit.memory_list(filter, Order::OldestFirst, after, size(2)).await.unwrap();
        oldest.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    oldest.reverse();
    assert_eq!(oldest, newest);
    newest.iter().map(|memory| memory.id.uuid().as_u128()).collect()
}

/// The terms of a realm that a text has.
pub(crate) fn terms(realm: &Realm, text: &str) -> Vec<TermHash> {
    let terms: BTreeSet<TermHash> = analyse(text).into_iter().map(|word| TermHash::of_word(realm, &word)).collect();
    terms.into_iter().collect()
}

/// Those that have all words of one of these texts.
pub(crate) fn wanted(realm: &Realm, texts: &[&str]) -> Wanted {
    Wanted { realm: realm.clone(), any_of: texts.iter().map(|text| terms(realm, text)).collect(), rows_max: 100 }
}

/// The numbers of what has all words of one of these texts, sorted.
pub(crate) async fn found(store: &TestStore, filter: &MemoryFilter, realm: &Realm, texts: &[&str]) -> Vec<u128> {
    let mut uow = store.begin_read().await;
    numbers(&uow.memory_candidates(filter, &wanted(realm, texts)).await.unwrap())
}

pub(crate) async fn statistics(store: &TestStore, realm: &Realm, text: &str) -> Statistics {
    store.begin_read().await.memory_statistics(realm, &terms(realm, text)).await.unwrap()
}

/// The numbers of candidates, sorted.
pub(crate) fn numbers(candidates: &[Candidate]) -> Vec<u128> {
    let mut numbers: Vec<u128> = candidates.iter().map(|candidate| candidate.id.uuid().as_u128()).collect();
    numbers.sort_unstable();
    numbers
}

/// What a store has to say of a memory that may be an answer.
pub(crate) fn candidate(memory: &Memory) -> Candidate {
    Candidate::of(memory, &index(memory).unwrap())
}
