//! How long what a session kept is there.

use crate::desk::{Desk, call, project};
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use chrono::{DateTime, TimeDelta};
use domain::ids::SessionId;
use domain::memory::working::content::{EntryKey, EntryTtl, EntryValue};
use domain::memory::working::{Kept, Note, Terms};
use pointsman::agents::commands::EndSession;
use pointsman::call::Call;
use pointsman::memory::secrets::SecretsPolicy;
use pointsman::memory::working::commands::KeepWorking;
use pointsman::memory::working::queries::WorkingQueries;
use pointsman::memory::working::sweeper::round;
use pointsman::refusal::{CallError, Refusal};
use pointsman::sweeper::sweep;
use serde_json::json;
use std::sync::Arc;

struct Head {
    desk: Desk,
    clock: Arc<ManualClock>,
    keep: KeepWorking,
    queries: WorkingQueries,
    kept: Kept,
}

impl Head {
    fn new(kept_days: u32) -> Self {
        let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()));
        let desk = Desk::over(Arc::new(InMemoryStore::new(clock.clone())));
        let kept = Kept::try_new(kept_days).unwrap();
        let terms = Terms { kept, ..Terms::default() };
        let keep = KeepWorking::new(desk.executor.clone(), SecretsPolicy::Refuse, terms.budget);
        let queries = WorkingQueries::new(desk.executor.clone(), terms);
        Self { desk, clock, keep, queries, kept }
    }

    async fn write(&self, call: &Call, name: &str, ttl_seconds: Option<u32>) {
        let (key, value) = (EntryKey::parse(name).unwrap(), EntryValue::try_new(json!(name)).unwrap());
        let ttl = ttl_seconds.map(|seconds| EntryTtl::try_new(seconds).unwrap());
        self.keep.write(call, Note { key, value, ttl, pinned: false, if_version: None }).await.unwrap();
    }

    async fn reads(&self, call: &Call, session: &SessionId) -> Vec<String> {
        let pad = self.queries.all(call, Some(session.clone())).await.unwrap().unwrap();
        pad.in_order().into_iter().map(|entry| entry.key.to_string()).collect()
    }

    /// How many entries are stored, whether anybody can read them or not.
    async fn stored(&self, session: &SessionId) -> Option<usize> {
        let mut uow = self.desk.store.begin_read().await.unwrap();
        uow.working_load(&project(), session).await.unwrap().map(|pad| pad.entries.len())
    }
}

fn other_session() -> Call {
    Call { session: Some(SessionId::parse("another-one").unwrap()), ..call("a") }
}

#[tokio::test]
async fn what_a_session_kept_is_there_for_its_days_after_the_end_and_then_deleted() {
    let head = Head::new(3);
    let mine = call("a").session.unwrap();
    head.write(&call("a"), "plan", None).await;
    head.desk.executor.execute_hot(&call("a"), EndSession).await.unwrap();
    head.clock.advance(TimeDelta::days(3) - TimeDelta::seconds(1));
    round(&head.desk.executor, head.kept).await.unwrap();
    assert_eq!(head.reads(&other_session(), &mine).await, ["plan"]);
    head.clock.advance(TimeDelta::seconds(1));
    assert_eq!(head.reads(&other_session(), &mine).await, Vec::<String>::new(), "whether anybody has swept or not");
    assert_eq!(head.stored(&mine).await, Some(1));
    head.clock.advance(TimeDelta::seconds(1));
    round(&head.desk.executor, head.kept).await.unwrap();
    assert_eq!(head.stored(&mine).await, None);
}

#[tokio::test]
async fn a_session_that_died_unheard_is_over_at_its_death() {
    let head = Head::new(1);
    let mine = call("a").session.unwrap();
    head.write(&call("a"), "plan", None).await;
    head.clock.advance(TimeDelta::minutes(15) + TimeDelta::days(1));
    assert_eq!(head.reads(&other_session(), &mine).await, Vec::<String>::new());
    round(&head.desk.executor, head.kept).await.unwrap();
    assert_eq!(head.stored(&mine).await, Some(1), "its death is not written down yet");
    sweep(&head.desk.executor).await.unwrap();
    head.clock.advance(TimeDelta::seconds(1));
    round(&head.desk.executor, head.kept).await.unwrap();
    assert_eq!(head.stored(&mine).await, None);
}

#[tokio::test]
async fn expired_entries_are_swept_up_while_their_session_lives() {
    let head = Head::new(1);
    let mine = call("a").session.unwrap();
    head.write(&call("a"), "brief", Some(60)).await;
    head.write(&call("a"), "plan", None).await;
    head.clock.advance(TimeDelta::seconds(60));
    assert_eq!(head.reads(&call("a"), &mine).await, ["plan"]);
    assert_eq!(head.stored(&mine).await, Some(2));
    head.clock.advance(TimeDelta::seconds(1));
    round(&head.desk.executor, head.kept).await.unwrap();
    assert_eq!(head.stored(&mine).await, Some(1));
}

#[tokio::test]
async fn nobody_writes_into_a_session_that_has_ended() {
    let head = Head::new(1);
    head.write(&call("a"), "plan", None).await;
    head.desk.executor.execute_hot(&call("a"), EndSession).await.unwrap();
    head.desk.executor.signs_of_life().forget(&call("a"));
    let (key, value) = (EntryKey::parse("late").unwrap(), EntryValue::try_new(json!(1)).unwrap());
    let late = Note { key, value, ttl: None, pinned: false, if_version: None };
    let refused = head.keep.write(&call("a"), late).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(Refusal::Session(_))), "{refused}");
    assert_eq!(head.stored(&call("a").session.unwrap()).await, Some(1));
}
