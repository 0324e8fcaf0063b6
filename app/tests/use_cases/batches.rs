//! Many commands at once, so that the executor decides them in batches: what must hold of tasks and locks holds after
//! every batch, whatever stood in it beside what. The rounds are drawn from fixed seeds, so that a failure comes again.

use crate::desk::{Desk, call, call_as, project};
use crate::work::{NO_WAIT, Yard, token};
use chrono::TimeDelta;
use domain::agents::SessionRefusal;
use domain::identity::principal::Role;
use domain::ids::TaskId;
use domain::locks::key::KeyScope;
use domain::locks::lease::{Lease, Mode, Token};
use domain::locks::wants::Wants;
use domain::work::claim::{ClaimFilter, ClaimSize};
use domain::work::content::Fault;
use domain::work::graph::Edge;
use domain::work::retry::Chance;
use domain::work::task::{Status, Task};
use futures_util::future::join_all;
use pointsman::agents::commands::EndSession;
use pointsman::call::Call;
use pointsman::refusal::{CallError, Refusal};
use pointsman::sweeper::sweep;
use pointsman::work::claim::{ClaimRequest, ClaimTasks};
use pointsman::work::commands::{CancelTask, Fail, Heartbeat, Release, Retry, Say, Steer};
use pointsman::work::reading::{HandedOut, Reader};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 12;
const ROUNDS: usize = 40;
const CALLS_MAX: u64 = 10;
const WORKERS: u64 = 5;
const LIMIT: usize = 2;
/// Who locks things, and does no work.
const LOCKER: &str = "locker";

/// Splitmix: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
        from.get(usize::try_from(self.below(count)).ok()?).cloned()
    }
}

#[derive(Clone)]
struct Held {
    task: TaskId,
    token: Token,
    by: u64,
}

/// What clients were told.
#[derive(Default)]
struct Told {
    tasks: Vec<TaskId>,
    claims: Vec<Held>,
    done: BTreeSet<TaskId>,
    tokens: BTreeSet<Token>,
}

enum Ask {
    Submit(Value),
    Claim { by: u64, tasks: u32 },
    Complete(Held),
    Fail(Held, bool),
    Release(Held),
    Beat(Held),
    Cancel(TaskId, bool),
    Retry(TaskId),
    Lock(&'static str),
    EndSession { by: u64, life: usize },
}

struct Crowd {
    yard: Yard,
    claims: ClaimTasks,
    told: RefCell<Told>,
    /// Which session of its each worker is in.
    lives: RefCell<BTreeMap<u64, usize>>,
}

fn in_life(by: u64, life: usize) -> Call {
    let session = domain::ids::SessionId::parse(&format!("worker-{by}.{life}")).unwrap();
    Call { session: Some(session), ..call(&format!("worker-{by}")) }
}

fn tasks(dice: &mut Dice, known: &[TaskId]) -> Value {
    let all = (0..=dice.below(2)).map(|at| {
        let mut task = json!({
            "name": format!("t{at}"), "type": "build", "title": "x", "backoff_first_seconds": 0,
            "max_attempts": 1 + dice.below(2), "lease_seconds": 20 + dice.below(40),
            "on_dependency_failure": if dice.below(2) == 0 { "cancel" } else { "block" },
        });
        let recent = &known[known.len().saturating_sub(6)..];
        let mut needs: BTreeSet<String> =
            (0..dice.below(5) / 2).filter_map(|_| dice.pick(recent)).map(|id| id.to_string()).collect();
        if at > 0 {
            needs.insert(format!("t{}", at - 1));
        }
        task["depends_on"] = json!(needs);
        if let Some(key) = dice.pick(&[None, Some("src/**"), Some("src/a.rs"), Some("src/b.rs")]).flatten() {
            let mode = if dice.below(3) == 0 { "shared" } else { "exclusive" };
            task["resources"] = json!([{ "key": key, "mode": mode }]);
        }
        if dice.below(3) == 0 {
            task["concurrency"] = json!({ "key": "narrow", "limit": LIMIT });
        }
        task
    });
    Value::Array(all.collect())
}

impl Crowd {
    fn new() -> Self {
        let yard = Yard::new();
        let Desk { store, executor, stopping, .. } = &yard.desk;
        let claims = ClaimTasks::new(executor.clone(), Reader::new(store.clone()), stopping.clone());
        Self { yard, claims, told: RefCell::default(), lives: RefCell::default() }
    }

    fn ask(&self, dice: &mut Dice, dead: &[TaskId]) -> Option<Ask> {
        let told = self.told.borrow();
        let recent = &told.claims[told.claims.len().saturating_sub(12)..];
        let by = dice.below(WORKERS);
        match dice.below(20) {
            0..=3 => Some(Ask::Submit(tasks(dice, &told.tasks))),
            4..=8 => Some(Ask::Claim { by, tasks: u32::try_from(1 + dice.below(3)).unwrap() }),
            9..=11 => dice.pick(recent).map(Ask::Complete),
            12 | 13 => dice.pick(recent).map(|held| Ask::Fail(held, dice.below(2) == 0)),
            14 => dice.pick(recent).map(Ask::Release),
            15 => dice.pick(recent).map(Ask::Beat),
            16 => dice.pick(&told.tasks).map(|id| Ask::Cancel(id, dice.below(2) == 0)),
            17 => dice.pick(dead).map(Ask::Retry),
            18 => dice.pick(&["src/a.rs", "src/b.rs", "src/**"]).map(Ask::Lock),
            _ => Some(Ask::EndSession { by, life: self.life(by) }),
        }
    }

    fn life(&self, by: u64) -> usize {
        self.lives.borrow().get(&by).copied().unwrap_or_default()
    }

    /// Asks, and notes what was told. Refusals are no concern here: they must change nothing, and others see to that.
    async fn run(&self, ask: Ask) {
        let executor = &self.yard.desk.executor;
        let boss = call_as("boss", Role::Orchestrator);
        let of = |held: &Held| in_life(held.by, self.life(held.by));
        match ask {
            Ask::Submit(tasks) => {
                if let Ok(tasks) = self.yard.submit(&boss, tasks).await {
                    self.told.borrow_mut().tasks.extend(tasks.iter().map(|task| task.id));
                }
            }
            Ask::Claim { by, tasks } => {
                let claimed = self.claim(&in_life(by, self.life(by)), tasks).await;
                let mut told = self.told.borrow_mut();
                for handed in claimed {
                    let (task, token) = (handed.claimed.task.id, token(&handed));
                    let drawn = handed.claimed.locks.iter().map(|lock| lock.token).chain([token]);
                    for drawn in drawn {
                        assert!(told.tokens.insert(drawn), "{drawn:?} was drawn twice");
                    }
                    assert!(!told.done.contains(&task), "{task} was handed out after it was done");
                    told.claims.push(Held { task, token, by });
                }
            }
            Ask::Complete(held) => {
                if let Ok(already) = self.yard.complete(&of(&held), held.task, held.token).await {
                    let is_first = self.told.borrow_mut().done.insert(held.task);
                    assert_eq!(is_first, !already, "{} is done once", held.task);
                }
            }
            Ask::Fail(held, is_retryable) => {
                let word = Fail { error: Fault::parse("no").unwrap(), is_retryable, chance: Chance(0) };
                drop(executor.execute_hot(&of(&held), Say { task: held.task, token: held.token, word }).await);
            }
            Ask::Release(held) => {
                let word = Release { reason: None };
                drop(executor.execute_hot(&of(&held), Say { task: held.task, token: held.token, word }).await);
            }
            Ask::Beat(held) => {
                let word = Heartbeat { progress: None, note: None };
                drop(executor.execute_hot(&of(&held), Say { task: held.task, token: held.token, word }).await);
            }
            Ask::Cancel(task, with_dependents) => {
                let turn = CancelTask { reason: None, with_dependents };
                drop(executor.execute_hot(&boss, Steer { task, turn }).await);
            }
            Ask::Retry(task) => drop(executor.execute_hot(&boss, Steer { task, turn: Retry {} }).await),
            Ask::Lock(key) => drop(self.yard.desk.acquire(&call(LOCKER), &[key], NO_WAIT).await),
            Ask::EndSession { by, life } => {
                drop(executor.execute_hot(&in_life(by, life), EndSession).await);
                self.lives.borrow_mut().insert(by, life + 1);
            }
        }
    }

    async fn claim(&self, by: &Call, tasks: u32) -> Vec<HandedOut> {
        let request = ClaimRequest {
            filter: ClaimFilter::default(),
            size: ClaimSize::try_new(tasks).unwrap(),
            lease: None,
            capabilities: None,
            environment: None,
            wait: NO_WAIT,
        };
        match self.claims.claim(by, &request).await {
            Ok(answer) => answer.tasks,
            // It was ended in the same batch.
            Err(CallError::Refused(Refusal::Session(SessionRefusal::Ended { .. }))) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    async fn stored(&self) -> (BTreeMap<TaskId, Task>, Vec<Edge>, Vec<Lease>) {
        let ids = self.told.borrow().tasks.clone();
        let mut uow = self.yard.desk.store.begin_read().await.unwrap();
        let now = uow.now().await.unwrap();
        let tasks = uow.tasks_load(&project(), &ids).await.unwrap();
        let edges = uow.dependencies_load(&project(), &ids).await.unwrap();
        let everything = KeyScope { everything: true, ..KeyScope::default() };
        let leases = uow.leases_load(&project(), &everything).await.unwrap();
        let live = leases.into_iter().filter(|stored| stored.is_live(now)).map(|stored| stored.lease);
        assert_eq!(tasks.len(), ids.len(), "nothing is lost");
        (tasks.into_iter().map(|task| (task.id, task)).collect(), edges, live.collect())
    }

    /// Looks at everything that must hold; answers the dead letters.
    async fn check(&self) -> Vec<TaskId> {
        let (tasks, edges, locks) = self.stored().await;
        let now = self.yard.desk.store.begin_read().await.unwrap().now().await.unwrap();
        let mut of_tasks: BTreeMap<Token, TaskId> = BTreeMap::new();
        let mut running = 0;
        for task in tasks.values() {
            assert!(task.attempts_made <= task.attempts_allowed, "{task:?}");
            let done = |edge: &&Edge| tasks[&edge.depends_on].status() == Status::Succeeded;
            let needs: Vec<&Edge> = edges.iter().filter(|edge| edge.task == task.id).collect();
            let open = needs.iter().filter(|edge| !done(edge) || tasks[&edge.depends_on].untold).count();
            match task.status() {
                Status::Blocked => assert!(open > 0, "{task:?} waits for nothing"),
                Status::Cancelled | Status::Expired => {}
                _ => assert_eq!(open, 0, "{task:?} comes before those it waits for"),
            }
            let Some(lease) = task.lease() else { continue };
            running += usize::from(task.terms.concurrency.is_some());
            for lock in &lease.locks {
                assert_eq!(of_tasks.insert(*lock, task.id), None, "two tasks have one lock");
            }
            let is_live = now < lease.until && self.life_of(lease.holder.session.as_str());
            for want in task.terms.resources.iter().flat_map(Wants::iter).filter(|_| is_live) {
                let has = locks
                    .iter()
                    .any(|lock| lease.locks.contains(&lock.token) && (&lock.key, lock.mode) == (&want.key, want.mode));
                assert!(has, "{task:?} goes on without {want:?}");
            }
        }
        assert!(running <= LIMIT, "{running} of a key run");
        for (at, one) in locks.iter().enumerate() {
            let is_own = one.holder.agent.as_str() == LOCKER;
            assert!(is_own || of_tasks.contains_key(&one.token), "{one:?} outlives its task");
            for other in &locks[at + 1..] {
                let both_read = one.mode == Mode::Shared && other.mode == Mode::Shared;
                let both_own = is_own && one.holder == other.holder;
                let is_clash = !both_read && !both_own && one.key.overlaps(&other.key);
                assert!(!is_clash, "both held: {one:?} and {other:?}");
            }
        }
        tasks.values().filter(|task| task.status() == Status::Dead).map(|task| task.id).collect()
    }

    /// Whether a session has not been ended.
    fn life_of(&self, session: &str) -> bool {
        let (by, life) = session.trim_start_matches("worker-").split_once('.').unwrap();
        self.life(by.parse().unwrap()) == life.parse::<usize>().unwrap()
    }

    /// Works everything off that can be.
    async fn drain(&self) {
        for _ in 0..100 {
            self.yard.clock.advance(TimeDelta::seconds(61));
            sweep(&self.yard.desk.executor).await.unwrap();
            let worker = call("drainer");
            let claimed = self.yard.claim(&worker, 50, NO_WAIT).await;
            for handed in &claimed {
                let task = handed.claimed.task.id;
                assert!(!self.yard.complete(&worker, task, token(handed)).await.unwrap());
                assert!(self.told.borrow_mut().done.insert(task), "{task} is done once");
            }
            if claimed.is_empty() {
                break;
            }
        }
        self.check().await;
        let (tasks, edges, _) = self.stored().await;
        for task in tasks.values().filter(|task| !task.status().is_ended()) {
            let waits = edges
                .iter()
                .filter(|edge| edge.task == task.id)
                .any(|edge| tasks[&edge.depends_on].status() != Status::Succeeded);
            assert!(task.status() == Status::Blocked && waits, "{task:?} is stuck");
        }
        let done = tasks.values().filter(|task| task.status() == Status::Succeeded).map(|task| task.id);
        assert_eq!(done.collect::<BTreeSet<_>>(), self.told.borrow().done, "what was told is what is stored");
    }
}

#[tokio::test]
async fn whatever_stands_in_a_batch_beside_what_the_laws_hold() {
    let mut done = 0;
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let crowd = Crowd::new();
        let mut dead = Vec::new();
        for _ in 0..ROUNDS {
            let asks: Vec<Ask> = (0..=dice.below(CALLS_MAX)).filter_map(|_| crowd.ask(&mut dice, &dead)).collect();
            join_all(asks.into_iter().map(|ask| crowd.run(ask))).await;
            dead = crowd.check().await;
            crowd.yard.clock.advance(TimeDelta::seconds(i64::try_from(dice.below(15)).unwrap()));
        }
        done += crowd.told.borrow().done.len();
        crowd.drain().await;
    }
    assert!(done > ROUNDS, "hardly anything came to its end before the rounds were over: {done}");
}
