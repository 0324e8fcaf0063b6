//! An executor over an empty store, and callers.

use adapters::fixed::CountedIds;
use adapters::in_memory::InMemoryStore;
use adapters::system::SystemClock;
use domain::audit::{Entry, Filter};
use domain::events::Fact;
use domain::idempotency::IdempotencyKey;
use domain::identity::principal::{Principal, Role, Scope};
use domain::ids::{AgentId, AgentType, KeyId, ProjectId, SessionId};
use domain::locks::key::LockKey;
use domain::locks::lease::{Lease, Mode, Ttl};
use domain::locks::wants::{Want, Wants};
use domain::page::PageSize;
use pointsman::call::Call;
use pointsman::executor::Executor;
use pointsman::locks::acquire::{AcquireLocks, AcquireRequest};
use pointsman::refusal::CallError;
use pointsman::telemetry::Metrics;
use ports::store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

pub(crate) struct Desk {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) executor: Executor,
    pub(crate) locks: AcquireLocks,
    pub(crate) stopping: CancellationToken,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(InMemoryStore::new(Arc::new(SystemClock)));
        Self::over(store)
    }

    /// Another server over the same store.
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let metrics = Metrics::unexported().unwrap();
        let ids = Arc::new(CountedIds::default());
        let executor = Executor::new(store.clone(), ids, metrics.clone());
        let stopping = CancellationToken::new();
        let locks = AcquireLocks::new(executor.clone(), metrics, stopping.clone());
        let (watching, stop) = (executor.clone(), stopping.clone());
        tokio::spawn(async move { watching.watcher().watch(watching.store(), &stop).await });
        Self { store, executor, locks, stopping }
    }

    pub(crate) async fn acquire(&self, call: &Call, keys: &[&str], wait: Duration) -> Result<Vec<Lease>, CallError> {
        self.locks.acquire(call, &request(keys, wait)).await.map(|answered| answered.answer.leases)
    }

    pub(crate) async fn audit(&self) -> Vec<Entry> {
        let mut uow = self.store.begin_read().await.unwrap();
        let size = PageSize::try_new(PageSize::MAX).unwrap();
        uow.audit_list(&project(), &Filter::default(), None, size).await.unwrap().rows
    }

    pub(crate) async fn facts(&self) -> Vec<Fact> {
        self.store.begin_read().await.unwrap().facts_latest(&project(), 500).await.unwrap()
    }

    pub(crate) async fn operations(&self) -> Vec<(String, String)> {
        let lines = self.audit().await;
        lines.into_iter().rev().map(|entry| (entry.change.operation, entry.outcome)).collect()
    }

    pub(crate) async fn line_length(&self) -> usize {
        self.store.begin_read().await.unwrap().waiters_load(&project()).await.unwrap().len()
    }
}

pub(crate) fn project() -> ProjectId {
    ProjectId::parse("default").unwrap()
}

pub(crate) fn request(keys: &[&str], wait: Duration) -> AcquireRequest {
    let exclusive = |key: &&str| Want { key: LockKey::parse(key).unwrap(), mode: Mode::Exclusive };
    AcquireRequest {
        wants: Wants::try_new(keys.iter().map(exclusive).collect()).unwrap(),
        ttl: Ttl::try_new(60).unwrap(),
        reason: None,
        wait,
        ticket: None,
    }
}

pub(crate) fn call(agent: &str) -> Call {
    call_as(agent, Role::Agent)
}

pub(crate) fn call_as(agent: &str, role: Role) -> Call {
    Call {
        principal: Principal {
            key: KeyId::parse(&format!("key-of-{agent}")).unwrap(),
            scope: Scope::Project(project()),
            agent: AgentId::parse(agent).unwrap(),
            agent_type: AgentType::parse("test").unwrap(),
            role,
        },
        project: project(),
        session: Some(SessionId::parse(&format!("session-of-{agent}")).unwrap()),
        idempotency_key: None,
        request_id: "req_1".to_owned(),
        trace_id: None,
        started: Instant::now(),
    }
}

pub(crate) fn with_key(call: Call, key: &str) -> Call {
    Call { idempotency_key: Some(IdempotencyKey::parse(key).unwrap()), ..call }
}

/// Looks until it is so; fails after five seconds.
pub(crate) async fn until<F: AsyncFn() -> bool>(is_so: F) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_so().await {
        assert!(Instant::now() < deadline, "it never came to be so");
        tokio::task::yield_now().await;
    }
}
