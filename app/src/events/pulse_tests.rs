use super::*;
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use async_trait::async_trait;
use chrono::DateTime;
use domain::events::Fact;
use domain::ids::{AgentId, FactId};
use ports::bell::{Bell, Word};
use ports::store::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

fn project(name: &str) -> ProjectId {
    ProjectId::parse(name).unwrap()
}

async fn has_beaten(listener: &mut Listener) -> bool {
    tokio::time::timeout(Duration::from_millis(5), listener.beat()).await.is_ok()
}

#[tokio::test]
async fn a_commit_beats_where_it_was_made_and_once() {
    let pulse = Arc::new(Pulse::default());
    let (mut here, mut there) = (pulse.listen(&project("here")), pulse.listen(&project("there")));
    let mut too = pulse.listen(&project("here"));
    assert!(!has_beaten(&mut here).await);
    pulse.committed(&project("here"), false);
    assert!(has_beaten(&mut here).await && has_beaten(&mut too).await);
    assert!(!has_beaten(&mut here).await && !has_beaten(&mut there).await);
}

#[tokio::test]
async fn what_comes_too_early_beats_when_the_gap_is_over() {
    let pulse = Arc::new(Pulse::default());
    let (stopping, loops) = (CancellationToken::new(), TaskTracker::new());
    let (late, stop) = (Arc::clone(&pulse), stopping.clone());
    loops.spawn(async move { late.catch_up(&stop).await });
    let mut listener = pulse.listen(&project("p"));
    let began = Instant::now();
    for _ in 0..200 {
        pulse.committed(&project("p"), false);
        tokio::task::yield_now().await;
    }
    let mut beats = 0;
    while tokio::time::timeout(10 * BEAT_GAP, listener.beat()).await.is_ok() {
        beats += 1;
    }
    let gaps = began.elapsed().as_millis() / BEAT_GAP.as_millis();
    assert!(beats >= 2, "the last is not lost");
    assert!(beats <= 1 + gaps, "{beats} beats in {gaps} gaps");
    stopping.cancel();
}

/// Notes what is told.
#[derive(Default)]
struct Ear(Mutex<Vec<Word>>);

#[async_trait]
impl Bell for Ear {
    async fn tell(&self, word: &Word) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(word.clone());
        Ok(())
    }

    async fn hear(&self) -> Result<Word, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn the_others_are_told_once_of_what_comes_together_and_of_the_last() {
    let (pulse, ear) = (Arc::new(Pulse::default()), Arc::new(Ear::default()));
    let (stopping, loops) = (CancellationToken::new(), TaskTracker::new());
    let (telling, mouth, stop) = (Arc::clone(&pulse), Arc::clone(&ear), stopping.clone());
    loops.spawn(async move { telling.tell(mouth.as_ref(), &stop).await });
    let told = async |words: usize| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while ear.0.lock().unwrap().len() < words && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ear.0.lock().unwrap().clone()
    };
    let facts = |names: &[&str]| Word::Facts(names.iter().map(|name| project(name)).collect());
    pulse.committed(&project("told-anyway"), true);
    pulse.committed(&project("a"), false);
    assert_eq!(told(1).await, [facts(&["a"])]);
    for name in ["a", "b", "a"] {
        pulse.committed(&project(name), false);
    }
    assert_eq!(told(2).await, [facts(&["a"]), facts(&["a", "b"])], "once more for all the rest");
    tokio::time::sleep(2 * TELL_GAP).await;
    assert_eq!(told(2).await.len(), 2);
    stopping.cancel();
}

#[tokio::test]
async fn word_from_others_beats() {
    let pulse = Arc::new(Pulse::default());
    let mut listener = pulse.listen(&project("p"));
    for (word, beats) in [
        (Word::Facts([project("p")].into()), true),
        (Word::Projects([project("p")].into()), true),
        (Word::Facts([project("q")].into()), false),
        (Word::Anywhere, true),
    ] {
        tokio::time::sleep(BEAT_GAP).await;
        pulse.heard(&word);
        assert_eq!(has_beaten(&mut listener).await, beats, "{word:?}");
    }
}

#[tokio::test]
async fn what_no_word_came_of_is_found_by_looking() {
    let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let store = InMemoryStore::new(Arc::new(ManualClock::new(start)));
    let pulse = Arc::new(Pulse::default());
    let (stopping, loops) = (CancellationToken::new(), TaskTracker::new());
    let (watching, door, stop) = (Arc::clone(&pulse), store.clone(), stopping.clone());
    loops.spawn(async move { watching.watch(&door, &stop).await });
    let mut listener = pulse.listen(&project("default"));
    assert!(tokio::time::timeout(4 * LOOK_INTERVAL, listener.beat()).await.is_err(), "nothing happened");
    for number in 1..3 {
        let mut uow = store.begin().await.unwrap();
        let (id, agent) = (FactId::new(uuid::Uuid::from_u128(number)), AgentId::parse("ann").unwrap());
        let (kind, subject, body) = ("k".to_owned(), "s".to_owned(), serde_json::Value::Null);
        let fact = Fact { id, project: project("default"), at: start, agent, kind, subject, body };
        uow.facts_append(&[fact]).await.unwrap();
        uow.commit().await.unwrap();
        assert!(tokio::time::timeout(2 * LOOK_INTERVAL, listener.beat()).await.is_ok());
        assert!(tokio::time::timeout(4 * LOOK_INTERVAL, listener.beat()).await.is_err(), "it is told once");
    }
    stopping.cancel();
}

#[tokio::test]
async fn who_is_gone_is_not_kept() {
    let pulse = Arc::new(Pulse::default());
    let (one, other) = (pulse.listen(&project("p")), pulse.listen(&project("p")));
    drop(one);
    assert_eq!(pulse.listened().len(), 1);
    drop(other);
    assert_eq!(pulse.listened().len(), 0);
}
