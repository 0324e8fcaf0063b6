use super::*;
use crate::doorbell::Listener;
use domain::locks::key::LockKey;
use domain::locks::lease::Mode;
use domain::locks::wants::{Want, Wants};

fn project() -> ProjectId {
    ProjectId::parse("default").unwrap()
}

fn watcher() -> (Arc<Watcher>, Listener) {
    let doorbell = Doorbell::default();
    let listener = doorbell.listen();
    (Arc::new(Watcher::new(doorbell)), listener)
}

/// Whether the bell has rung since the last time it was asked.
async fn has_rung(listener: &mut Listener) -> bool {
    let wants = Wants::try_new(vec![Want { key: LockKey::parse("any").unwrap(), mode: Mode::Shared }]).unwrap();
    let project = project();
    let mut has_rung = false;
    while tokio::time::timeout(Duration::ZERO, listener.heard_of_locks(&project, &wants)).await.is_ok() {
        has_rung = true;
    }
    has_rung
}

fn saw(version: i64) -> Committed {
    Committed { version, is_news: false, is_due_soon: false }
}

fn raised(version: i64) -> Committed {
    Committed { is_news: true, ..saw(version) }
}

#[tokio::test]
async fn what_is_committed_here_alone_rings_nothing_more() {
    let (watcher, mut listener) = watcher();
    let _waiting = watcher.wait_in(&project());
    for committed in [saw(7), raised(7), raised(8), saw(9)] {
        watcher.committed(&project(), committed);
        assert!(!has_rung(&mut listener).await, "{committed:?}");
    }
}

#[tokio::test]
async fn what_others_committed_in_between_rings_once() {
    let (watcher, mut listener) = watcher();
    let _waiting = watcher.wait_in(&project());
    for (committed, rings) in [(saw(7), false), (raised(8), true), (saw(9), false), (saw(10), true), (saw(10), false)] {
        watcher.committed(&project(), committed);
        assert_eq!(has_rung(&mut listener).await, rings, "{committed:?}");
    }
}

#[tokio::test]
async fn a_project_that_nobody_waits_in_is_told_to_others_and_rings_nothing() {
    let (watcher, mut listener) = watcher();
    drop(watcher.wait_in(&project()));
    watcher.committed(&project(), saw(7));
    watcher.committed(&project(), raised(9));
    assert!(!has_rung(&mut listener).await);
    assert_eq!(*watcher.untold.lock().unwrap(), BTreeSet::from([project()]));
}

#[tokio::test]
async fn two_who_wait_in_a_project_are_watched_until_both_are_gone() {
    let (watcher, _) = watcher();
    let (one, other) = (watcher.wait_in(&project()), watcher.wait_in(&project()));
    assert_eq!(watcher.watched().len(), 1);
    drop(one);
    assert_eq!(watcher.watched().len(), 1);
    assert!(other.until_refresh() <= REFRESH_INTERVAL);
    drop(other);
    assert_eq!(watcher.watched().len(), 0);
}
