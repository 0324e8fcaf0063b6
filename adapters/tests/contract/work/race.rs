//! Many at once: real tasks on real connections, at two doors, work off a graph full of diamonds.

use super::samples::*;
use crate::driver::Voice;
use crate::driver::work::{self, Call, Outcome, Tables, Touches};
use crate::harness::{TestStore, default_project};
use crate::on_every_store;
use crate::samples::*;
use domain::agents::SessionRequest;
use domain::idempotency::{IdempotencyKey, RequestName};
use domain::ids::TaskId;
use domain::locks::lease::{Holder, Lease, Mode, Token};
use domain::locks::wants::{Want, Wants};
use domain::work::claim::{Claim, ClaimFilter, ClaimSize, Claimed, ClaimedTask};
use domain::work::name::ConcurrencyKey;
use domain::work::refusal::{SubmissionFault, WorkRefusal};
use domain::work::requires::{Claimant, Trust};
use domain::work::retry::{Chance, RetryPolicy};
use domain::work::submission::{Dependencies, Submission, Submit, TaskDraft, TaskRef, Together};
use domain::work::table::{ClaimRef, Finished};
use domain::work::task::{Status, Task};
use ports::store::{Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

const CLIENTS: usize = 8;
const LAYERS: u128 = 8;
const WIDTH: u128 = 6;
const TASKS: usize = 48;
const TRIES_MAX: usize = 5_000;

/// Who believes to work on what right now, and what there was before.
#[derive(Default)]
struct Referee {
    board: Mutex<Board>,
    requests: AtomicU32,
}

#[derive(Default)]
struct Board {
    /// What is being worked on, with its locks.
    held: BTreeMap<TaskId, (Token, Option<ConcurrencyKey>, Vec<Lease>)>,
    done: BTreeSet<TaskId>,
    tokens: BTreeMap<TaskId, Vec<Token>>,
}

impl Referee {
    /// Called after a claim was committed and before anything else is said about it.
    fn began(&self, claimed: &ClaimedTask, needs: &BTreeMap<TaskId, BTreeSet<TaskId>>) {
        let mut board = self.board.lock().unwrap();
        let (task, token) = (&claimed.task, claimed.task.lease().unwrap().token);
        assert!(!board.done.contains(&task.id), "{:?} was handed out after it was done", task.id);
        assert!(needs[&task.id].is_subset(&board.done), "{:?} comes before those it waits for", task.id);
        for lock in &claimed.locks {
            for (_, _, others) in board.held.values() {
                for other in others {
                    let both_read = lock.mode == Mode::Shared && other.mode == Mode::Shared;
                    assert!(both_read || !lock.key.overlaps(&other.key), "both held: {lock:?} and {other:?}");
                }
            }
        }
        let before = board.tokens.entry(task.id).or_default();
        assert!(before.iter().all(|before| *before < token), "{token:?} is not above {before:?}");
        before.push(token);
        let key = task.terms.concurrency.as_ref();
        let before = board.held.insert(task.id, (token, key.map(|key| key.key.clone()), claimed.locks.clone()));
        assert!(before.is_none(), "two have {:?}", task.id);
        if let Some(key) = key {
            let of_key = board.held.values().filter(|(_, other, _)| other.as_ref() == Some(&key.key));
            assert!(of_key.count() <= key.limit.number() as usize, "more of {:?} than may", key.key);
        }
    }

    /// Called before the end of a claim is told.
    fn ends(&self, task: TaskId, is_done: bool) {
        let mut board = self.board.lock().unwrap();
        assert!(board.held.remove(&task).is_some());
        assert!(!is_done || board.done.insert(task), "{task:?} was done twice");
    }

    fn is_all_done(&self) -> bool {
        self.board.lock().unwrap().done.len() == TASKS
    }

    fn request(&self) -> RequestName {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let key = IdempotencyKey::parse(&format!("race-{number}")).unwrap();
        RequestName { project: default_project(), agent: agent("ann"), key }
    }
}

/// One who works at a door.
struct Client {
    store: Arc<TestStore>,
    door: Arc<dyn Store>,
    /// Where to lock what is read, if the door does not.
    second_try: Option<Arc<dyn Store>>,
    holder: Holder,
    referee: Arc<Referee>,
    needs: Arc<BTreeMap<TaskId, BTreeSet<TaskId>>>,
}

impl Client {
    /// Runs a command. Where the project is locked, any conflict of the store fails the test: what was loaded stays true,
    /// so nobody who waited for the lock can lose the race.
    async fn run<T>(&self, touches: Touches, command: impl Fn(&mut Tables) -> T) -> T
    where
        T: Serialize + DeserializeOwned + std::fmt::Debug,
    {
        let Holder { agent, session } = self.holder.clone();
        let (project, agent_type) = (default_project(), offers(&[]).agent_type);
        let request = SessionRequest { project, agent, agent_type, named: Some(session.clone()) };
        let call = Call {
            touches,
            voice: Some(Voice::Call(request, session)),
            ends: false,
            request: self.referee.request(),
            is_cut_off: false,
        };
        let run = async |door: &dyn Store| work::run(&self.store, door, &default_project(), &call, &command).await;
        let outcome = match (run(self.door.as_ref()).await, &self.second_try) {
            (Err(StoreError::Conflict { .. }), Some(locking)) => run(locking.as_ref()).await.unwrap(),
            (outcome, _) => outcome.unwrap(),
        };
        let Outcome::Done(answer, _) = outcome else { panic!("{outcome:?}") };
        answer
    }

    async fn claim(&self, tasks: u32) -> Vec<ClaimedTask> {
        let claim = Claim {
            claimant: Claimant {
                holder: self.holder.clone(),
                agent_type: offers(&[]).agent_type,
                capabilities: BTreeSet::new(),
                environment: None,
                trust: Trust::STANDARD,
            },
            filter: ClaimFilter::default(),
            size: ClaimSize::try_new(tasks).unwrap(),
            lease: None,
            withheld: BTreeSet::new(),
            horizon: None,
        };
        let touches = Touches { claim: Some(ClaimFilter::default()), due_rows_max: 100, ..Touches::default() };
        let claimed: Result<Claimed, WorkRefusal> =
            self.run(touches, |tables| tables.work.claim(&mut tables.locks, &claim)).await;
        let claimed = claimed.unwrap().tasks;
        for one in &claimed {
            self.referee.began(one, &self.needs);
        }
        claimed
    }

    /// Says how it went: well, badly or not at all. Who says it twice gets the first answer.
    async fn end(&self, one: &ClaimedTask, how: usize) {
        let claim = ClaimRef { task: one.task.id, token: one.task.lease().unwrap().token, holder: self.holder.clone() };
        self.referee.ends(claim.task, how > 1);
        let touches = Touches { tasks: [claim.task].into(), tokens: [claim.token].into(), ..Touches::default() };
        let say = |Tables { locks, work }: &mut Tables| match how {
            0 => work.fail(locks, &claim, fault("it broke"), true, Chance(0)),
            1 => work.release(locks, &claim, None),
            _ => work.complete(locks, &claim, None),
        };
        let first: Result<Finished, WorkRefusal> = self.run(touches.clone(), say).await;
        let first = first.unwrap();
        assert!(!first.already);
        if how == 2 {
            let again: Result<Finished, WorkRefusal> = self.run(touches, say).await;
            assert_eq!(again.unwrap(), Finished { already: true, ..first });
        }
    }

    async fn work(self, number: usize) {
        for round in 0..TRIES_MAX {
            if self.referee.is_all_done() {
                return;
            }
            let size = u32::try_from(1 + (number + round) % 3).unwrap();
            let claimed = self.claim(size).await;
            tokio::task::yield_now().await;
            for (at, one) in claimed.iter().enumerate() {
                self.end(one, (number + round + at) % 5).await;
            }
        }
        panic!("client {number} tried {TRIES_MAX} times and not all is done");
    }

    /// Tidies up all the while. No lease of this test ever lapses.
    async fn tidy(self) {
        while !self.referee.is_all_done() {
            let touches = Touches { due_rows_max: 100, ..Touches::default() };
            let events: Vec<String> = self
                .run(touches, |tables| tables.work.events().iter().map(|event| format!("{event:?}")).collect())
                .await;
            assert_eq!(events, [""; 0]);
        }
    }
}

/// Layers in which each task waits for two of the layer before; some want locks that overlap, some share a key.
fn submissions() -> Vec<Submission> {
    let draft = |number: u128| {
        let lock = ["src/**", "src/a.rs", "src/b.rs"][usize::try_from(number % 3).unwrap()];
        let want = Want { key: key(lock), mode: if number.is_multiple_of(2) { Mode::Shared } else { Mode::Exclusive } };
        TaskDraft {
            content: content("do it"),
            priority: priority(1 + u8::try_from(number % 10).unwrap()),
            resources: (number % 4 < 2).then(|| Wants::try_new(vec![want]).unwrap()),
            concurrency: (number % 5 < 2).then(|| concurrency("k", 2)),
            requires: plain_terms().requires,
            retry: RetryPolicy::try_new(100, 0, 0).unwrap(),
            not_before: None,
            deadline: None,
            ..full_draft()
        }
    };
    let submission = |(layer, at): (u128, u128)| {
        let before = [at, (at + 1) % WIDTH].map(|at| TaskRef::Known(task_id((layer - 1) * WIDTH + at)));
        let number = layer * WIDTH + at;
        Submission {
            id: task_id(number),
            name: None,
            draft: draft(number),
            depends_on: Dependencies::try_new(if layer > 1 { before.into() } else { BTreeSet::new() }).unwrap(),
            parent: None,
        }
    };
    (1..=LAYERS).flat_map(|layer| (0..WIDTH).map(move |at| (layer, at))).map(submission).collect()
}

async fn many_clients_at_two_doors_do_each_task_once_and_in_order(store: Arc<TestStore>) {
    let referee = Arc::new(Referee::default());
    let doors = [store.second_door().await, store.second_door().await];
    let second_try = store.second_try().await;
    let submissions = submissions();
    let known = |item: &Submission| {
        item.depends_on.iter().map(|on| if let TaskRef::Known(id) = on { *id } else { panic!("{on}") }).collect()
    };
    let needs: Arc<BTreeMap<TaskId, BTreeSet<TaskId>>> =
        Arc::new(submissions.iter().map(|item| (item.id, known(item))).collect());
    let client = |number: usize| Client {
        store: Arc::clone(&store),
        door: Arc::clone(&doors[number % 2]),
        second_try: second_try.clone(),
        holder: holder("ann", &format!("s{number}")),
        referee: Arc::clone(&referee),
        needs: Arc::clone(&needs),
    };
    for layer in submissions.chunks(usize::try_from(WIDTH).unwrap()) {
        let submit = Submit::try_new(agent("boss"), layer.to_vec(), Together::AllOrNothing).unwrap();
        let touches = Touches { tasks: submit.known(), ..Touches::default() };
        let submitted: Result<Vec<Result<Task, SubmissionFault>>, WorkRefusal> =
            client(0).run(touches, |tables| tables.work.submit(&submit)).await;
        assert!(submitted.unwrap().iter().all(Result::is_ok));
    }
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(number).work(number));
    }
    clients.spawn(client(CLIENTS).tidy());
    clients.join_all().await;
    let ids: Vec<TaskId> = needs.keys().copied().collect();
    let mut uow = store.begin_read().await;
    let tasks = uow.tasks_load(&default_project(), &ids).await.unwrap();
    assert_eq!(tasks.iter().filter(|task| task.status() == Status::Succeeded).count(), TASKS);
    let tokens: Vec<Token> = referee.board.lock().unwrap().tokens.values().flatten().copied().collect();
    let attempts = uow.attempts_load(&default_project(), &tokens).await.unwrap();
    assert_eq!(attempts.len(), tokens.len(), "no attempt was lost");
    assert_eq!(tasks.iter().map(|task| task.attempts_made as usize).sum::<usize>(), tokens.len());
    assert_eq!(uow.lock_counts().await.unwrap(), (0, 0), "no lock outlives its task");
}

on_every_store!(many_clients_at_two_doors_do_each_task_once_and_in_order);
