//! What is forgotten when, and what is not.

use crate::desk::{Desk, call, project, with_key};
use crate::work::Yard;
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use chrono::{DateTime, TimeDelta};
use domain::agents::Session;
use domain::audit::Entry;
use domain::ids::SessionId;
use domain::memory::content::{Content, EventType, Importance};
use domain::memory::realm::Scope;
use domain::memory::remember::Draft;
use domain::page::PageSize;
use domain::work::content::Fault;
use domain::work::retry::Chance;
use pointsman::config::Retention;
use pointsman::locks::commands::Release;
use pointsman::memory::filtering::Sought;
use pointsman::memory::queries::MemoryQueries;
use pointsman::memory::remembering::RememberMemories;
use pointsman::memory::secrets::SecretsPolicy;
use pointsman::retention::forget;
use pointsman::work::commands::{Fail, Say};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const NO_WAIT: Duration = Duration::ZERO;
const FOR_EVER: Retention = Retention {
    work_days: None,
    handoffs_days: None,
    memory_days: None,
    memory_worth_min: 6,
    messages_days: None,
    audit_days: None,
    facts_days: None,
};

fn still() -> (Desk, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()));
    (Desk::over(Arc::new(InMemoryStore::new(clock.clone()))), clock)
}

async fn clean(desk: &Desk, kept: Retention) {
    forget(desk.store.as_ref(), &kept, &CancellationToken::new()).await.unwrap();
}

/// Takes a lock and gives it back, under an idempotency key.
async fn take_and_release(desk: &Desk, key: &str) {
    let taken = desk.acquire(&with_key(call("a"), key), &[key], NO_WAIT).await.unwrap().remove(0);
    let release = Release { tokens: BTreeSet::from([taken.token]) };
    desk.executor.execute_hot(&call("a"), release).await.unwrap();
}

async fn past_leases(desk: &Desk, key: &str) -> usize {
    let key = domain::locks::key::LockKey::parse(key).unwrap();
    desk.store.begin_read().await.unwrap().ended_list(&project(), &key, 10).await.unwrap().len()
}

/// How many lines and facts there are, and whether the lock of long ago and that of now are known.
async fn told(desk: &Desk) -> (usize, usize, usize, usize) {
    (desk.audit().await.len(), desk.facts().await.len(), past_leases(desk, "old").await, past_leases(desk, "new").await)
}

#[tokio::test]
async fn each_kind_of_past_is_kept_for_its_own_time() {
    let (desk, clock) = still();
    take_and_release(&desk, "old").await;
    // A default session lasts no day, so each of the two days has its own.
    clock.advance(TimeDelta::days(10));
    let named = pointsman::call::Call { session: Some(SessionId::parse("second").unwrap()), ..call("a") };
    let taken = desk.acquire(&with_key(named.clone(), "new"), &["new"], NO_WAIT).await.unwrap().remove(0);
    desk.executor.execute_hot(&named, Release { tokens: BTreeSet::from([taken.token]) }).await.unwrap();
    assert_eq!(told(&desk).await, (6, 6, 1, 1));

    clean(&desk, FOR_EVER).await;
    assert_eq!(told(&desk).await, (6, 6, 0, 1), "past leases go after a week whatever is set");
    clean(&desk, Retention { work_days: Some(11), audit_days: Some(11), facts_days: Some(11), ..FOR_EVER }).await;
    assert_eq!(told(&desk).await, (6, 6, 0, 1));
    clean(&desk, Retention { facts_days: Some(9), ..FOR_EVER }).await;
    assert_eq!(told(&desk).await, (6, 3, 0, 1));
    clean(&desk, Retention { audit_days: Some(9), ..FOR_EVER }).await;
    assert_eq!(told(&desk).await, (3, 3, 0, 1));
    clean(&desk, Retention { work_days: Some(1), audit_days: Some(1), facts_days: Some(1), ..FOR_EVER }).await;
    assert_eq!(told(&desk).await, (3, 3, 0, 1));
}

#[tokio::test]
async fn an_answer_is_forgotten_after_a_day_and_a_session_never() {
    let (desk, clock) = still();
    take_and_release(&desk, "old").await;
    let name = domain::idempotency::RequestName {
        project: project(),
        agent: call("a").principal.agent,
        key: with_key(call("a"), "old").idempotency_key.unwrap(),
    };
    for (hours, is_known) in [(23, true), (2, false), (24 * 400, false)] {
        clock.advance(TimeDelta::hours(hours));
        clean(&desk, Retention { work_days: Some(1), audit_days: Some(1), facts_days: Some(1), ..FOR_EVER }).await;
        let mut uow = desk.store.begin_read().await.unwrap();
        let known = uow.idempotency_load(std::slice::from_ref(&name)).await.unwrap();
        assert_eq!(!known.is_empty(), is_known, "after {hours} hours more");
    }
    let session = call("a").session.unwrap();
    let mut uow = desk.store.begin_read().await.unwrap();
    let sessions: Vec<Session> = uow.sessions_load(&project(), &[session], &[]).await.unwrap();
    assert_eq!(sessions.len(), 1, "or its name could come back");
}

#[tokio::test]
async fn all_that_is_old_goes_in_one_round_however_much_it_is() {
    let (desk, clock) = still();
    take_and_release(&desk, "old").await;
    let line: Entry = desk.audit().await.remove(0);
    let mut uow = desk.store.begin().await.unwrap();
    let more: Vec<Entry> =
        (0..2_500).map(|_| Entry { id: desk.executor.ids().audit_entry_id(), ..line.clone() }).collect();
    uow.audit_append(&more).await.unwrap();
    uow.commit().await.unwrap();
    clock.advance(TimeDelta::days(3));
    let kept = Retention { audit_days: Some(2), ..FOR_EVER };
    let stopped = CancellationToken::new();
    stopped.cancel();
    forget(desk.store.as_ref(), &kept, &stopped).await.unwrap();
    assert!(!desk.audit().await.is_empty(), "who is to stop begins nothing");
    clean(&desk, kept).await;
    assert_eq!(desk.audit().await, []);
}

#[tokio::test]
async fn finished_work_goes_but_for_what_unfinished_work_needs() {
    let yard = Yard::new();
    let (by, worker) = (call("a"), call("b"));
    let tasks = json!([
        {"name": "alone", "type": "t", "title": "alone", "priority": 1},
        {"name": "needed", "type": "t", "title": "needed", "priority": 1},
        {"name": "dead", "type": "t", "title": "dead", "priority": 1, "max_attempts": 1},
        {"name": "waits", "type": "t", "title": "waits", "depends_on": ["needed", "hangs"]},
        {"name": "hangs", "type": "t", "title": "hangs", "not_before": "2027-06-01T00:00:00Z"},
    ]);
    let ids: Vec<_> = yard.submit(&by, tasks).await.unwrap().into_iter().map(|task| task.id).collect();
    for handed_out in yard.claim(&worker, 3, NO_WAIT).await {
        let (task, token) = (handed_out.claimed.task.id, handed_out.claimed.task.lease().unwrap().token);
        if task == ids[2] {
            let error = Fault::parse("broken").unwrap();
            let word = Fail { error, is_retryable: false, chance: Chance(0) };
            let failure = Say { task, token, word };
            yard.desk.executor.execute_hot(&worker, failure).await.unwrap();
        } else {
            yard.complete(&worker, task, token).await.unwrap();
        }
    }
    let kept = Retention { work_days: Some(14), ..FOR_EVER };
    for (days, left) in [(13, vec![0, 1, 2, 3, 4]), (2, vec![1, 2, 3, 4])] {
        yard.clock.advance(TimeDelta::days(days));
        clean(&yard.desk, kept).await;
        let mut uow = yard.desk.store.begin_read().await.unwrap();
        let found: BTreeSet<_> =
            uow.tasks_load(&project(), &ids).await.unwrap().into_iter().map(|task| task.id).collect();
        assert_eq!(found, left.into_iter().map(|at: usize| ids[at]).collect(), "{days} days later");
    }
}

fn memory(summary: &str) -> Draft {
    let words = serde_json::from_value(json!({ "summary": summary })).unwrap();
    Draft {
        scope: Scope::Project,
        event_type: EventType::parse("note").unwrap(),
        stream: None,
        content: Content::try_new(words).unwrap(),
        importance: Importance::DEFAULT,
        happened_at: None,
        valid_from: None,
        valid_until: None,
        supersedes: None,
        pinned: false,
    }
}

async fn remembered(desk: &Desk) -> Vec<String> {
    let queries = MemoryQueries::new(desk.executor.clone());
    let page = queries.list(&call("a"), Sought::default(), None, PageSize::LARGEST).await.unwrap();
    page.rows.iter().map(|memory| memory.content.as_ref().unwrap().words().summary.as_str().to_owned()).collect()
}

#[tokio::test]
async fn old_memories_are_forgotten_unless_they_are_worth_something() {
    let (desk, clock) = still();
    let remember = RememberMemories::new(desk.executor.clone(), SecretsPolicy::Refuse);
    let private = Draft { scope: Scope::Private, ..memory("private") };
    let weighty = Draft { importance: Importance::try_new(6).unwrap(), ..memory("weighty") };
    let pinned = Draft { pinned: true, ..memory("pinned") };
    for draft in [memory("plain"), private, weighty, pinned, memory("again"), memory("again")] {
        remember.one(&call("a"), draft, None).await.unwrap();
    }
    clock.advance(TimeDelta::days(10));
    remember.one(&call("a"), memory("new"), None).await.unwrap();
    clean(&desk, FOR_EVER).await;
    assert_eq!(remembered(&desk).await.len(), 6, "for ever");
    clean(&desk, Retention { memory_days: Some(10), ..FOR_EVER }).await;
    assert_eq!(remembered(&desk).await.len(), 6, "of just that age");
    clock.advance(TimeDelta::microseconds(1));
    clean(&desk, Retention { memory_days: Some(10), memory_worth_min: 0, ..FOR_EVER }).await;
    assert_eq!(remembered(&desk).await.len(), 6, "worth enough");
    clean(&desk, Retention { memory_days: Some(10), ..FOR_EVER }).await;
    let mut left = remembered(&desk).await;
    left.sort_unstable();
    assert_eq!(left, ["again", "new", "pinned", "weighty"]);
}
