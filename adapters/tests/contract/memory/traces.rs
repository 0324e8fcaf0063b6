//! What was taken back leaves nothing behind.

use super::samples::{save, *};
use crate::harness::TestStore;
use crate::on_every_database;
use domain::memory::content::{CommitHash, Content, Lesson, Link, Outcome, Summary, Words};
use domain::memory::record::Memory;
use ports::store::{StoreError, UnitOfWork};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A memory that says a word wherever it can, and at such length that it fills pages of its own.
fn about(number: u128, word: &str) -> Memory {
    let words = Words {
        summary: Summary::parse(&format!("the {word} of summary{word}")).unwrap(),
        details: serde_json::from_value(json!({ format!("key{word}"): [format!("{word} ").repeat(2_000)] })).unwrap(),
        outcome: Some(Outcome::parse(word).unwrap()),
        lessons: vec![Lesson::parse(&format!("beware of {word}")).unwrap()],
        tags: BTreeSet::from([tag(word)]),
        links: BTreeSet::from([Link::Commit(CommitHash::parse(word).unwrap())]),
    };
    Memory { content: Some(Content::try_new(words).unwrap()), ..memory(number) }
}

fn count(haystack: &[u8], word: &str) -> usize {
    haystack.windows(word.len()).filter(|window| window.eq_ignore_ascii_case(word.as_bytes())).count()
}

/// Does something to the memories of the project, and commits.
async fn in_one(store: &TestStore, what: impl AsyncFnOnce(&mut dyn UnitOfWork) -> Result<(), StoreError>) {
    let mut uow = store.begin().await;
    uow.memory_realm_lock(&here()).await.unwrap();
    what(uow.as_mut()).await.unwrap();
    uow.commit().await.unwrap();
}

async fn no_word_of_what_was_redacted_or_forgotten_is_left(store: Arc<TestStore>) {
    let kept = about(1, "walrus");
    let (gone, forgotten) = (about(2, "xylophone"), about(3, "zeppelin"));
    save(&store, &[&kept, &gone, &forgotten].map(new)).await;
    for word in ["walrus", "xylophone", "zeppelin"] {
        assert!(count(&store.everything().await, word) > 0, "{word} is not even found while it is there");
    }
    let left = redacted(&gone);
    in_one(&store, async |uow| uow.memories_save(&here(), &[change(&gone, &left)]).await).await;
    assert_eq!(count(&store.everything().await, "xylophone"), 0);
    in_one(&store, async |uow| uow.memories_forget(&here(), &[forgotten]).await).await;
    let everything = store.everything().await;
    for word in ["xylophone", "zeppelin"] {
        assert_eq!(count(&everything, word), 0, "{word}");
    }
    assert!(count(&everything, "walrus") > 0);
    assert_eq!(load(&store, &[here()], &[1]).await, [kept]);
}

on_every_database!(no_word_of_what_was_redacted_or_forgotten_is_left);
