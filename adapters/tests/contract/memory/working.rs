//! Working memory.

use crate::harness::{TestStore, default_project, start};
use crate::samples::*;
use crate::work::samples::{MICRO, second};
use crate::{on_every_locking_store, on_every_store};
use domain::agents::Session;
use domain::handoffs::content::{Content, Summary};
use domain::handoffs::{Giver, Handoff, Moved, Offer, State, ToMove};
use domain::ids::{HandoffId, ProjectId};
use domain::locks::lease::Holder;
use domain::memory::working::content::{EntryKey, EntryTtl, EntryValue, TokenBudget};
use domain::memory::working::{Changed, Note, Scratchpad};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

fn note(name: &str, value: Value) -> Note {
    let (key, value) = (EntryKey::parse(name).unwrap(), EntryValue::try_new(value).unwrap());
    Note { key, value, ttl: None, pinned: false, if_version: None }
}

fn brief(name: &str, seconds: u32) -> Note {
    Note { ttl: EntryTtl::try_new(seconds).ok(), ..note(name, json!("brief")) }
}

/// Nothing yet, with room for so many tokens.
fn empty(session: &str, budget: u32) -> Scratchpad {
    Scratchpad::new(session_id(session), agent("ann"), TokenBudget::try_new(budget).unwrap(), start())
}

async fn save_in(store: &TestStore, project: &ProjectId, changed: &Changed) {
    let mut uow = store.begin().await;
    uow.working_save(project, changed).await.unwrap();
    uow.commit().await.unwrap();
}

async fn save(store: &TestStore, changed: &Changed) {
    save_in(store, &default_project(), changed).await;
}

/// Writes notes one after the other, a second apart; answers what is stored then.
async fn written(store: &TestStore, pad: Scratchpad, notes: Vec<Note>) -> Scratchpad {
    let mut pad = pad;
    for (at, note) in (1..).zip(notes) {
        let changed = pad.write(note, second(at)).unwrap();
        save(store, &changed).await;
        pad = changed.pad;
    }
    pad
}

async fn load_in(store: &TestStore, project: &ProjectId, session: &str) -> Option<Scratchpad> {
    store.begin_read().await.working_load(project, &session_id(session)).await.unwrap()
}

async fn load(store: &TestStore, session: &str) -> Option<Scratchpad> {
    load_in(store, &default_project(), session).await
}

async fn what_a_session_keeps_comes_back_to_the_last_field(store: Arc<TestStore>) {
    assert_eq!(load(&store, "ann-1").await, None);
    let odd = json!({ "ключ": "\"'\\ 🔑\u{0}\n", "n": 9_007_199_254_740_991_i64, "f": 0.1, "list": [null, true, {}] });
    let pinned = Note { pinned: true, ..note("plan:1.a_b@c", odd) };
    let long = note("long", json!("x".repeat(60_000)));
    let pad =
        written(&store, empty("ann-1", 64_000), vec![pinned, brief("brief", 7), long, note("nothing", json!(null))])
            .await;
    assert_eq!(load(&store, "ann-1").await.as_ref(), Some(&pad));
    let changed = pad.write(note("brief", json!("for good")), second(5) + MICRO).unwrap();
    save(&store, &changed).await;
    let gone = changed.pad.remove(&EntryKey::parse("nothing").unwrap(), None, second(6)).unwrap();
    save(&store, &gone).await;
    assert_eq!(load(&store, "ann-1").await, Some(gone.pad));
}

async fn what_gave_way_is_gone_and_the_summary_is_there(store: Arc<TestStore>) {
    let story = |about: &str| note(about, json!(format!("The {about} was looked at again. ").repeat(30)));
    let pad = written(&store, empty("ann-1", 600), vec![story("a"), story("b"), story("c"), story("d")]).await;
    let stored = load(&store, "ann-1").await.unwrap();
    assert_eq!(stored, pad);
    let keys: Vec<&str> = stored.in_order().into_iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["~summary", "c", "d"]);
}

async fn only_the_revision_right_before_can_be_changed(store: Arc<TestStore>) {
    let project = default_project();
    let first = empty("ann-1", 8_000).write(note("plan", json!(1)), second(1)).unwrap();
    let twin = empty("ann-1", 8_000).write(note("plan", json!(2)), second(1)).unwrap();
    save(&store, &first).await;
    assert_conflict(store.begin().await.working_save(&project, &twin).await);
    let next = first.pad.write(note("plan", json!(3)), second(2)).unwrap();
    let late = first.pad.write(note("other", json!(4)), second(2)).unwrap();
    save(&store, &next).await;
    assert_conflict(store.begin().await.working_save(&project, &late).await);
    let nowhere = empty("ann-2", 8_000).write(note("plan", json!(1)), second(1)).unwrap();
    let nowhere = nowhere.pad.write(note("plan", json!(2)), second(2)).unwrap();
    assert_conflict(store.begin().await.working_save(&project, &nowhere).await);
    assert_eq!(load(&store, "ann-1").await, Some(next.pad));
    assert_eq!(load(&store, "ann-2").await, None);
}

async fn sessions_and_projects_keep_apart(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let mine = written(&store, empty("ann-1", 8_000), vec![note("plan", json!("mine"))]).await;
    written(&store, empty("ann-2", 8_000), vec![note("plan", json!("hers"))]).await;
    let theirs = empty("ann-1", 9_000).write(note("plan", json!("theirs")), second(1)).unwrap();
    save_in(&store, &other, &theirs).await;
    assert_eq!(load(&store, "ann-1").await.as_ref(), Some(&mine));
    assert_eq!(load_in(&store, &other, "ann-1").await, Some(theirs.pad));
    let gone = mine.remove(&EntryKey::parse("plan").unwrap(), None, second(2)).unwrap();
    save(&store, &gone).await;
    let left = load(&store, "ann-2").await.unwrap();
    assert_eq!(left.entries.len(), 1);
}

async fn expired_entries_go_in_bounded_steps(store: Arc<TestStore>) {
    let notes = vec![brief("a", 10), brief("b", 20), brief("c", 30), note("d", json!("stays"))];
    written(&store, empty("ann-1", 8_000), notes).await;
    let expire = async |before, rows_max| {
        let mut uow = store.begin().await;
        let gone = uow.working_expire(before, rows_max).await.unwrap();
        uow.commit().await.unwrap();
        gone
    };
    assert_eq!(expire(second(11), 9).await, 0, "what ends at that very instant stays a moment longer");
    assert_eq!(expire(second(23), 1).await, 1);
    assert_eq!(expire(second(23), 9).await, 1);
    assert_eq!(expire(second(99), 9).await, 1);
    let left = load(&store, "ann-1").await.unwrap();
    assert_eq!(left.entries.keys().map(EntryKey::as_str).collect::<Vec<_>>(), ["d"]);
}

async fn what_ended_sessions_kept_goes_when_it_is_old(store: Arc<TestStore>) {
    let ended = |name: &str, at| Session { ended_at: Some(second(at)), live_until: second(at), ..session("ann", name) };
    add_sessions(&store, &[ended("ann-1", 10), ended("ann-2", 20), session("ann", "ann-3")]).await;
    for name in ["ann-1", "ann-2", "ann-3", "ann-4"] {
        written(&store, empty(name, 8_000), vec![note("plan", json!(name))]).await;
    }
    let prune = async |before, rows_max| {
        let mut uow = store.begin().await;
        let gone = uow.working_prune(before, rows_max).await.unwrap();
        uow.commit().await.unwrap();
        gone
    };
    assert_eq!(prune(second(10), 9).await, 0);
    assert_eq!((prune(second(30), 1).await, prune(second(30), 9).await, prune(second(30), 9).await), (1, 1, 0));
    assert_eq!((load(&store, "ann-1").await, load(&store, "ann-2").await), (None, None));
    assert!(load(&store, "ann-3").await.is_some(), "its session lives");
    assert!(load(&store, "ann-4").await.is_some(), "of a session nobody knows, nothing is known to have ended");
    // The entries are gone as well, or they would be there again.
    let again = written(&store, empty("ann-1", 8_000), vec![note("other", json!(1))]).await;
    assert_eq!(load(&store, "ann-1").await, Some(again));
}

async fn whoever_took_a_handoff_of_the_session_inherits(store: Arc<TestStore>) {
    let other = add_project(&store, "other").await.id;
    let handoff = |number, from: Option<&str>, state| Handoff {
        id: HandoffId::new(Uuid::from_u128(number)),
        from: Giver { agent: agent("ann"), session: from.map(session_id) },
        summary: Summary::parse("half of it is done").unwrap(),
        offer: Offer::Next,
        to_move: ToMove::default(),
        written_at: start(),
        expires_at: Some(second(60)),
        state,
        revision: 1,
    };
    let taken = |by: &str| State::Accepted {
        by: Holder { agent: agent(by), session: session_id("x") },
        at: second(1),
        moved: Moved::default(),
    };
    let mut uow = store.begin().await;
    for (number, from, state) in [
        (1, Some("ann-1"), taken("bob")),
        (2, Some("ann-2"), taken("cat")),
        (3, Some("ann-1"), State::Offered),
        (4, None, taken("dan")),
    ] {
        uow.handoff_add(&default_project(), &handoff(number, from, state), &Content::default()).await.unwrap();
    }
    uow.handoff_add(&other, &handoff(5, Some("ann-1"), taken("eve")), &Content::default()).await.unwrap();
    uow.commit().await.unwrap();
    let mut uow = store.begin_read().await;
    let mut inherits = async |from: (&str, &str), by: &str| {
        let (giver, given) = (agent(from.0), session_id(from.1));
        uow.working_inherited(&default_project(), (&giver, &given), &agent(by)).await.unwrap()
    };
    assert!(inherits(("ann", "ann-1"), "bob").await);
    assert!(inherits(("ann", "ann-2"), "cat").await);
    for (from, by) in [
        (("ann", "ann-2"), "bob"),
        (("ann", "ann-1"), "cat"),
        (("ann", "ann-1"), "dan"),
        (("ann", "ann-1"), "eve"),
        (("zoe", "ann-1"), "bob"),
    ] {
        assert!(!inherits(from, by).await, "{from:?} {by}");
    }
}

async fn what_was_dropped_has_not_happened(store: Arc<TestStore>) {
    let first = empty("ann-1", 8_000).write(note("plan", json!(1)), second(1)).unwrap();
    let mut uow = store.begin().await;
    uow.working_save(&default_project(), &first).await.unwrap();
    drop(uow);
    assert_eq!(load(&store, "ann-1").await, None);
    assert!(store.begin_read().await.working_save(&default_project(), &first).await.is_err());
}

async fn two_who_write_at_once_do_so_one_after_the_other(store: Arc<TestStore>) {
    save(&store, &empty("ann-1", 8_000).write(note("count", json!(0)), second(1)).unwrap()).await;
    let mut writers = JoinSet::new();
    for name in ["a", "b"] {
        let door = store.second_door().await;
        writers.spawn(async move {
            for number in 0..10 {
                let mut uow = door.begin().await.unwrap();
                let pad = uow.working_load(&default_project(), &session_id("ann-1")).await.unwrap().unwrap();
                let count = &pad.entries[&EntryKey::parse("count").unwrap()];
                let next = json!(count.value.value().as_i64().unwrap() + 1);
                let counted = Note { if_version: Some(count.version), ..note("count", next) };
                let changed = pad.write(counted, second(2)).unwrap();
                let more = changed.pad.write(note(&format!("{name}{number}"), json!(name)), second(2)).unwrap();
                uow.working_save(&default_project(), &changed).await.unwrap();
                uow.working_save(&default_project(), &more).await.unwrap();
                uow.commit().await.unwrap();
            }
        });
    }
    while let Some(done) = timeout(Duration::from_secs(30), writers.join_next()).await.unwrap() {
        done.unwrap();
    }
    let pad = load(&store, "ann-1").await.unwrap();
    assert_eq!(pad.entries[&EntryKey::parse("count").unwrap()].value.value(), &json!(20));
    assert_eq!((pad.entries.len(), pad.revision), (21, 41));
}

async fn one_who_reads_waits_for_nobody(store: Arc<TestStore>) {
    let pad = written(&store, empty("ann-1", 8_000), vec![note("plan", json!(1))]).await;
    let mut writer = store.begin().await;
    writer.working_load(&default_project(), &session_id("ann-1")).await.unwrap();
    let read = timeout(Duration::from_secs(2), load(&store, "ann-1")).await;
    assert_eq!(read.unwrap(), Some(pad));
}

on_every_store!(
    what_a_session_keeps_comes_back_to_the_last_field,
    what_gave_way_is_gone_and_the_summary_is_there,
    only_the_revision_right_before_can_be_changed,
    sessions_and_projects_keep_apart,
    expired_entries_go_in_bounded_steps,
    what_ended_sessions_kept_goes_when_it_is_old,
    whoever_took_a_handoff_of_the_session_inherits,
    what_was_dropped_has_not_happened,
);

on_every_locking_store!(two_who_write_at_once_do_so_one_after_the_other, one_who_reads_waits_for_nobody);
