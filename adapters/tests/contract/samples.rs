//! Values to store.

use crate::harness::{TestStore, default_project, start};
use chrono::TimeDelta;
use domain::agents::{Offers, Session, SessionTtl};
use domain::audit::{Change, Entry};
use domain::events::Fact;
use domain::idempotency::{IdempotencyKey, Record, RequestName};
use domain::identity::key::{ApiKey, SecretHash};
use domain::identity::principal::{Role, Scope};
use domain::identity::project::Project;
use domain::ids::{AgentId, AgentType, KeyId, ProjectId, SessionId, TicketId};
use domain::locks::changes::Changes;
use domain::locks::key::LockKey;
use domain::locks::lease::{EndedLease, Ending, Holder, Lease, Mode, Reason, Token, Waiter};
use domain::locks::stored::{StoredLease, StoredWaiter};
use domain::locks::wants::{Want, Wants};
use domain::page::PageSize;
use domain::work::name::Capability;
use ports::ids::IdSource;
use ports::locks::TableHead;
use ports::store::StoreError;
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub(crate) fn session_id(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

pub(crate) fn project_id(name: &str) -> ProjectId {
    ProjectId::parse(name).unwrap()
}

pub(crate) fn size(rows: u32) -> PageSize {
    PageSize::try_new(rows).unwrap()
}

/// Asserts that somebody else got there first.
#[expect(clippy::needless_pass_by_value, reason = "answers are made on the spot")]
pub(crate) fn assert_conflict<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Conflict { .. })), "expected a conflict, got {answer:?}");
}

/// Stores a project besides `default`.
pub(crate) async fn add_project(store: &TestStore, name: &str) -> Project {
    let project = Project { id: project_id(name), created_at: store.now(), archived_at: None };
    let mut uow = store.begin().await;
    uow.project_add(&project).await.unwrap();
    uow.commit().await.unwrap();
    project
}

/// What an agent of the type `ci` offers that can do these things.
pub(crate) fn offers(capabilities: &[&str]) -> Offers {
    let capabilities = capabilities.iter().map(|name| Capability::parse(name).unwrap()).collect();
    Offers { capabilities, ..Offers::of_type(AgentType::parse("ci").unwrap()) }
}

/// A session that lives for a quarter of an hour from the start.
pub(crate) fn session(agent_name: &str, name: &str) -> Session {
    Session {
        project: default_project(),
        id: session_id(name),
        agent: agent(agent_name),
        is_default: false,
        ttl: SessionTtl::DEFAULT,
        offers: offers(&[]),
        started_at: start(),
        last_seen_at: start(),
        live_until: start() + TimeDelta::seconds(900),
        ended_at: None,
    }
}

/// Stores sessions, under the locks of their projects' tables.
pub(crate) async fn add_sessions(store: &TestStore, sessions: &[Session]) {
    let mut uow = store.begin().await;
    let projects: BTreeSet<&ProjectId> = sessions.iter().map(|session| &session.project).collect();
    for project in projects {
        uow.lock_table_lock(project).await.unwrap().unwrap();
    }
    uow.sessions_add(sessions).await.unwrap();
    uow.commit().await.unwrap();
}

pub(crate) fn api_key(name: &str) -> ApiKey {
    ApiKey {
        id: KeyId::parse(name).unwrap(),
        scope: Scope::Project(default_project()),
        agent: None,
        agent_type: AgentType::parse("ci").unwrap(),
        role: Role::Agent,
        secret_hash: SecretHash([7; 32]),
        created_at: start(),
        expires_at: None,
        last_used_at: None,
        rotated_at: None,
        revoked_at: None,
    }
}

/// A line of the audit log, now.
pub(crate) fn entry(store: &TestStore) -> Entry {
    Entry {
        id: store.ids.audit_entry_id(),
        project: default_project(),
        at: store.now(),
        agent: agent("ann"),
        session: Some(session_id("s1")),
        key: KeyId::parse("key-1").unwrap(),
        change: Change {
            operation: "lock.acquire".to_owned(),
            target: "src/a.rs".to_owned(),
            before: None,
            after: Some(json!({"token": 9_007_199_254_740_991_i64, "words": "ключ \"'\\ 🔑", "list": [1, null, {}]})),
        },
        outcome: "ok".to_owned(),
        repeats: 1,
        request_id: "req-1".to_owned(),
        trace_id: None,
        duration_us: 1234,
    }
}

pub(crate) fn fact(store: &TestStore, subject: &str) -> Fact {
    Fact {
        id: store.ids.fact_id(),
        project: default_project(),
        at: store.now(),
        agent: agent("ann"),
        kind: "lock.acquired".to_owned(),
        subject: subject.to_owned(),
        body: json!({"key": subject, "reason": "so 🔑", "nested": {"n": [1, 2.5, null]}}),
    }
}

pub(crate) fn record(store: &TestStore, key: &str) -> Record {
    Record { name: request(key), fingerprint: [9; 32], answer: json!({"token": 7}), created_at: store.now() }
}

pub(crate) fn request(key: &str) -> RequestName {
    RequestName { project: default_project(), agent: agent("ann"), key: IdempotencyKey::parse(key).unwrap() }
}

pub(crate) fn key(text: &str) -> LockKey {
    LockKey::parse(text).unwrap()
}

pub(crate) fn token(value: i64) -> Token {
    Token::try_new(value).unwrap()
}

pub(crate) fn ticket(number: u128) -> TicketId {
    TicketId::new(Uuid::from_u128(number))
}

/// A lease of `ann` for ten seconds from the start.
pub(crate) fn lease(number: i64, text: &str) -> Lease {
    Lease {
        key: key(text),
        mode: Mode::Exclusive,
        holder: Holder { agent: agent("ann"), session: session_id("s1") },
        token: token(number),
        granted_at: start(),
        expires_at: start() + TimeDelta::seconds(10),
        reason: None,
    }
}

/// The leases themselves, by token. Their sessions are not stored unless a case does so.
pub(crate) fn bare(stored: Vec<StoredLease>) -> Vec<Lease> {
    let mut leases: Vec<Lease> = stored.into_iter().map(|stored| stored.lease).collect();
    leases.sort_by_key(|lease| lease.token);
    leases
}

/// The places themselves, in the order they are in.
pub(crate) fn bare_line(stored: Vec<StoredWaiter>) -> Vec<Waiter> {
    stored.into_iter().map(|stored| stored.waiter).collect()
}

pub(crate) fn ended(lease: Lease, ending: Ending) -> EndedLease {
    EndedLease { ended_at: lease.expires_at, lease, ending }
}

pub(crate) fn reason(words: &str) -> Reason {
    Reason::parse(words).unwrap()
}

/// Somebody in line for ten seconds from the start.
pub(crate) fn waiter(place: i64, keys: &[&str]) -> Waiter {
    let wants = keys.iter().map(|text| Want { key: key(text), mode: Mode::Shared }).collect();
    Waiter {
        ticket: ticket(place.unsigned_abs().into()),
        place,
        holder: Holder { agent: agent("bob"), session: session_id("s2") },
        wants: Wants::try_new(wants).unwrap(),
        reason: None,
        joined_at: start(),
        kept_until: start() + TimeDelta::seconds(10),
    }
}

/// Saves a change to a project's lock table, moving the counter to the greatest token or place in it.
pub(crate) async fn save(store: &TestStore, project: &ProjectId, mut changes: Changes) {
    let mut uow = store.begin().await;
    let head: TableHead = uow.lock_table_lock(project).await.unwrap().unwrap();
    let tokens = changes.leases_put.iter().map(|lease| lease.token.value());
    let places = changes.waiters_put.iter().map(|waiter| waiter.place);
    let past = changes.leases_ended.iter().map(|ended| ended.lease.token.value());
    let greatest = tokens.chain(places).chain(past).max().unwrap_or(0);
    if changes.last_token.is_none() && greatest > head.last_token {
        changes.last_token = Some(greatest);
    }
    uow.lock_table_save(project, head, &changes).await.unwrap();
    uow.commit().await.unwrap();
}

/// Saves leases as they are.
pub(crate) async fn put(store: &TestStore, project: &ProjectId, leases: &[Lease]) {
    save(store, project, Changes { leases_put: leases.to_vec(), ..Changes::default() }).await;
}
