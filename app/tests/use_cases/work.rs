//! Tasks through the executor: what a claim takes, what ends give back, what the log tells.

use crate::desk::{Desk, call, call_as, project, with_key};
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::principal::{Denial, Role};
use domain::ids::TaskId;
use domain::locks::lease::Token;
use domain::work::claim::{ClaimFilter, ClaimSize};
use domain::work::content::Fault;
use domain::work::refusal::WorkRefusal;
use domain::work::retry::Chance;
use domain::work::submission::{Submission, Submit, Together};
use domain::work::task::{Status, Task};
use poem_openapi::types::ParseFromJSON;
use pointsman::call::Call;
use pointsman::locks::commands::Release;
use pointsman::refusal::{CallError, Refusal};
use pointsman::sweeper::sweep;
use pointsman::work::bodies::TaskBody;
use pointsman::work::claim::{ClaimAnswer, ClaimRequest, ClaimTasks};
use pointsman::work::commands::{CancelTask, Complete, Fail, Heartbeat, Retry, Say, Steer, SubmitTasks, Submitted};
use pointsman::work::reading::{HandedOut, Reader};
use ports::store::Store;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) struct Yard {
    pub(crate) desk: Desk,
    claims: ClaimTasks,
    pub(crate) clock: Arc<ManualClock>,
}

impl Yard {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap()));
        let store: Arc<dyn Store> = Arc::new(InMemoryStore::new(clock.clone()));
        let desk = Desk::over(store.clone());
        let claims = ClaimTasks::new(desk.executor.clone(), Reader::new(store), desk.stopping.clone());
        Self { desk, claims, clock }
    }

    pub(crate) async fn submit(&self, by: &Call, tasks: Value) -> Result<Vec<Task>, CallError> {
        let read = |task: &Value| TaskBody::parse_from_json(Some(task.clone())).unwrap().read("").unwrap();
        let items = tasks.as_array().unwrap().iter().map(read).map(|read| Submission {
            id: self.desk.executor.ids().task_id(),
            name: read.name,
            draft: read.draft,
            depends_on: read.depends_on,
            parent: read.parent,
        });
        let submit = Submit::try_new(by.principal.agent.clone(), items.collect(), Together::AllOrNothing).unwrap();
        let answered = self.desk.executor.execute_hot(by, SubmitTasks { content: tasks, submit }).await?;
        let task = |submitted: Submitted| match submitted {
            Submitted::Task(task) => *task,
            Submitted::Refused(fault) => panic!("{fault}"),
        };
        Ok(answered.answer.into_iter().map(task).collect())
    }

    pub(crate) async fn claim(&self, by: &Call, tasks: u32, wait: Duration) -> Vec<HandedOut> {
        self.ask(by, tasks, wait).await.tasks
    }

    async fn ask(&self, by: &Call, tasks: u32, wait: Duration) -> ClaimAnswer {
        let request = ClaimRequest {
            filter: ClaimFilter::default(),
            size: ClaimSize::try_new(tasks).unwrap(),
            lease: None,
            capabilities: None,
            environment: None,
            wait,
        };
        self.claims.claim(by, &request).await.unwrap()
    }

    pub(crate) async fn complete(&self, by: &Call, task: TaskId, token: Token) -> Result<bool, CallError> {
        let answered = self.desk.executor.execute_hot(by, Say { task, token, word: Complete { result: None } }).await?;
        Ok(answered.answer.already)
    }

    async fn status(&self, task: TaskId) -> Status {
        let mut uow = self.desk.store.begin_read().await.unwrap();
        uow.tasks_load(&project(), &[task]).await.unwrap().pop().unwrap().status()
    }
}

pub(crate) fn token(handed: &HandedOut) -> Token {
    handed.claimed.task.lease().unwrap().token
}

pub(crate) fn build(name: &str) -> Value {
    json!({ "name": name, "type": "build", "title": name })
}

pub(crate) const NO_WAIT: Duration = Duration::ZERO;

#[tokio::test]
async fn a_claim_takes_the_task_with_its_locks_and_the_end_gives_them_back() {
    let yard = Yard::new();
    let (boss, ada, ben) = (call("boss"), call("ada"), call("ben"));
    let mut task = build("a");
    task["resources"] = json!([{ "key": "src/**" }]);
    task["input"] = json!({ "file": "src/main.rs" });
    let mut other = task.clone();
    other["name"] = json!("b");
    other["depends_on"] = json!(["a"]);
    other["resources"] = json!([{ "key": "src/main.rs" }]);
    yard.submit(&boss, json!([task, other])).await.unwrap();

    let claimed = yard.claim(&ada, 2, NO_WAIT).await;
    assert_eq!(claimed.len(), 1, "the second waits for the first");
    assert_eq!(claimed[0].content.input.as_ref().unwrap().value(), &json!({ "file": "src/main.rs" }));
    assert_eq!(claimed[0].claimed.locks.len(), 1);
    let refused = yard.desk.acquire(&ben, &["src/main.rs"], NO_WAIT).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(Refusal::Lock(_))), "{refused}");

    let first = claimed[0].claimed.task.id;
    assert!(!yard.complete(&ada, first, token(&claimed[0])).await.unwrap());
    assert!(yard.complete(&ada, first, token(&claimed[0])).await.unwrap(), "said once more");
    let next = yard.claim(&ben, 2, NO_WAIT).await;
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].dependencies.len(), 1);
    assert_eq!(next[0].dependencies[0].status, Status::Succeeded);

    let operations: Vec<String> = yard.desk.operations().await.into_iter().map(|(operation, _)| operation).collect();
    let count = |name: &str| operations.iter().filter(|operation| *operation == name).count();
    let counts =
        ["task.submit", "task.claim", "lock.acquire", "task.complete", "lock.release", "task.ready"].map(count);
    assert_eq!(counts, [2, 2, 3, 1, 1, 1], "one line for each change (and one for the refused lock): {operations:?}");
    assert_eq!(yard.desk.facts().await.len(), operations.len() - 1, "a refusal is no fact");
}

#[tokio::test]
async fn whoever_waits_gets_work_as_soon_as_it_is_there() {
    let yard = Yard::new();
    let (boss, ada) = (call("boss"), call("ada"));
    let (claimed, took) = tokio::join!(yard.claim(&ada, 1, Duration::from_secs(5)), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let submitted_at = Instant::now();
        yard.submit(&boss, json!([build("a")])).await.unwrap();
        submitted_at
    });
    assert_eq!(claimed.len(), 1);
    assert!(took.elapsed() < Duration::from_millis(500), "{:?}", took.elapsed());
}

#[tokio::test]
async fn what_a_dead_session_had_is_anybodys_whether_somebody_tidied_up_or_not() {
    for tidied in [false, true] {
        let yard = Yard::new();
        let (boss, ada, ben) = (call("boss"), call("ada"), call("ben"));
        let mut task = build("a");
        task["resources"] = json!([{ "key": "src/**" }]);
        task["lease_seconds"] = json!(7200);
        let id = yard.submit(&boss, json!([task])).await.unwrap()[0].id;
        let lost = yard.claim(&ada, 1, NO_WAIT).await;
        yard.clock.advance(TimeDelta::minutes(16));
        if tidied {
            sweep(&yard.desk.executor).await.unwrap();
            assert_eq!(yard.status(id).await, Status::Ready);
        }
        let found = yard.claim(&ben, 1, NO_WAIT).await;
        assert_eq!(found.len(), 1, "tidied: {tidied}");
        assert!(token(&found[0]) > token(&lost[0]));
        let stale = yard.complete(&call_in("ada", "another"), id, token(&lost[0])).await.unwrap_err();
        assert!(matches!(stale, CallError::Refused(Refusal::Work(WorkRefusal::Stale { .. }))), "{stale}");
        let operations = yard.desk.operations().await;
        let died = operations.iter().filter(|(operation, _)| operation == "task.session_die").count();
        assert_eq!(died, 1, "{operations:?}");
    }
}

fn call_in(agent: &str, session: &str) -> Call {
    Call { session: Some(domain::ids::SessionId::parse(session).unwrap()), ..call(agent) }
}

#[tokio::test]
async fn under_one_idempotency_key_tasks_are_submitted_and_claimed_once() {
    let yard = Yard::new();
    let (boss, ada) = (call("boss"), call("ada"));
    let once = with_key(boss.clone(), "one");
    let first = yard.submit(&once, json!([build("a")])).await.unwrap();
    let again = yard.submit(&once, json!([build("a")])).await.unwrap();
    assert_eq!(first[0].id, again[0].id);
    yard.submit(&boss, json!([build("b")])).await.unwrap();
    let claim = with_key(ada, "claim");
    let (first, again) = (yard.claim(&claim, 1, NO_WAIT).await, yard.claim(&claim, 1, NO_WAIT).await);
    assert_eq!(first[0].claimed.task.id, again[0].claimed.task.id);
    assert_eq!(token(&first[0]), token(&again[0]));
}

#[tokio::test]
async fn a_refusal_in_a_batch_never_touches_its_neighbours() {
    let yard = Yard::new();
    let (boss, ada, ben) = (call("boss"), call("ada"), call("ben"));
    let unknown =
        json!([{ "type": "build", "title": "x", "depends_on": [TaskId::new(uuid::Uuid::from_u128(7)).to_string()] }]);
    let (good, bad, more) = tokio::join!(
        yard.submit(&boss, json!([build("a")])),
        yard.submit(&ada, unknown),
        yard.submit(&ben, json!([build("b")])),
    );
    assert!(good.is_ok() && more.is_ok());
    let fault = bad.unwrap_err();
    assert!(matches!(fault, CallError::Refused(Refusal::Work(WorkRefusal::Submission { .. }))), "{fault}");
    assert_eq!(yard.claim(&ada, 50, NO_WAIT).await.len(), 2);
}

#[tokio::test]
async fn tasks_of_others_are_steered_by_orchestrators_alone() {
    let yard = Yard::new();
    let id = yard.submit(&call("boss"), json!([build("a")])).await.unwrap()[0].id;
    let cancel = || Steer { task: id, turn: CancelTask { reason: None, with_dependents: false } };
    let refused = yard.desk.executor.execute_hot(&call("ada"), cancel()).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(Refusal::Denied(Denial::Role { .. }))), "{refused}");
    assert_eq!(yard.status(id).await, Status::Ready);
    yard.desk.executor.execute_hot(&call_as("chief", Role::Orchestrator), cancel()).await.unwrap();
    assert_eq!(yard.status(id).await, Status::Cancelled);
    let own = yard.submit(&call("ada"), json!([build("b")])).await.unwrap()[0].id;
    let cancel = Steer { task: own, turn: CancelTask { reason: None, with_dependents: false } };
    yard.desk.executor.execute_hot(&call("ada"), cancel).await.unwrap();
    assert_eq!(yard.status(own).await, Status::Cancelled);
}

#[tokio::test]
async fn an_agent_learns_with_its_heartbeat_that_it_is_to_stop_and_then_the_task_is_taken() {
    let yard = Yard::new();
    let (boss, ada) = (call("boss"), call("ada"));
    let id = yard.submit(&boss, json!([build("a")])).await.unwrap()[0].id;
    let claimed = yard.claim(&ada, 1, NO_WAIT).await;
    let cancel = Steer { task: id, turn: CancelTask { reason: None, with_dependents: false } };
    yard.desk.executor.execute_hot(&boss, cancel).await.unwrap();
    let beat = Say { task: id, token: token(&claimed[0]), word: Heartbeat { progress: None, note: None } };
    let beat = yard.desk.executor.execute_hot(&ada, beat).await.unwrap().answer;
    assert!(beat.cancel.is_some());
    yard.clock.advance(TimeDelta::seconds(61));
    sweep(&yard.desk.executor).await.unwrap();
    assert_eq!(yard.status(id).await, Status::Cancelled);
}

#[tokio::test]
async fn a_claim_finds_the_one_task_behind_many_it_cannot_have() {
    let yard = Yard::new();
    let (boss, ada) = (call("boss"), call("ada"));
    let hard = |n: usize| json!({ "name": format!("hard-{n}"), "type": "build", "title": "x", "requires": { "capabilities": ["gpu"] } });
    yard.submit(&boss, Value::Array((0..300).map(hard).collect())).await.unwrap();
    let easy = yard.submit(&boss, json!([build("easy")])).await.unwrap()[0].id;
    let ada = with_key(ada, "the-same");
    for again in [false, true] {
        let ClaimAnswer { tasks, passed_over } = yard.ask(&ada, 1, NO_WAIT).await;
        assert_eq!(tasks.iter().map(|handed| handed.claimed.task.id).collect::<Vec<_>>(), [easy]);
        assert_eq!(passed_over.lacking, 300, "asked again: {again}");
    }
}

/// What was ready when a batch was loaded is not all that its claims may find.
#[tokio::test]
async fn a_task_that_gets_ready_within_a_batch_is_kept_from_its_claims_by_locks_of_others() {
    let yard = Yard::new();
    let (boss, ada, ben) = (call_as("boss", Role::Orchestrator), call("ada"), call("ben"));
    let lease = yard.desk.acquire(&ben, &["src/main.rs"], NO_WAIT).await.unwrap().remove(0);
    let mut task = build("a");
    task["resources"] = json!([{ "key": "src/**" }]);
    task["max_attempts"] = json!(1);
    let (submitted, claimed) = tokio::join!(yard.submit(&boss, json!([task])), yard.claim(&ada, 1, NO_WAIT));
    let id = submitted.unwrap()[0].id;
    assert!(claimed.is_empty(), "claimed though Ben has its lock");

    yard.desk.executor.execute_hot(&ben, Release { tokens: BTreeSet::from([lease.token]) }).await.unwrap();
    let claimed = yard.claim(&ada, 1, NO_WAIT).await.remove(0);
    let error = Fault::parse("no").unwrap();
    let fail = Say { task: id, token: token(&claimed), word: Fail { error, is_retryable: true, chance: Chance(0) } };
    yard.desk.executor.execute_hot(&ada, fail).await.unwrap();
    assert_eq!(yard.status(id).await, Status::Dead);
    yard.desk.acquire(&ben, &["src/main.rs"], NO_WAIT).await.unwrap();
    let retry = yard.desk.executor.execute_hot(&boss, Steer { task: id, turn: Retry {} });
    let (retried, claimed) = tokio::join!(retry, yard.claim(&ada, 1, NO_WAIT));
    retried.unwrap();
    assert_eq!((claimed.len(), yard.status(id).await), (0, Status::Ready));
}

#[tokio::test]
async fn a_chain_that_fails_is_cancelled_to_its_end() {
    let yard = Yard::new();
    let boss = call("boss");
    let mut tasks = vec![build("t0")];
    tasks.extend((1..30).map(|n| {
        let mut task = build(&format!("t{n}"));
        task["depends_on"] = json!([format!("t{}", n - 1)]);
        task
    }));
    let chain = yard.submit(&boss, Value::Array(tasks)).await.unwrap();
    let cancel = Steer { task: chain[0].id, turn: CancelTask { reason: None, with_dependents: true } };
    yard.desk.executor.execute_hot(&boss, cancel).await.unwrap();
    sweep(&yard.desk.executor).await.unwrap();
    sweep(&yard.desk.executor).await.unwrap();
    for task in &chain {
        assert_eq!(yard.status(task.id).await, Status::Cancelled);
    }
}
