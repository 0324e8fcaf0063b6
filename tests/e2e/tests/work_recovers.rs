//! After an immediate restart of the database work goes on as fast as before, and nothing of it is lost or done twice.
//!
//! Others use the machine too, so the pace is measured beside a twin on a database to which nothing happens. The time
//! that counts begins when the database is back.

use e2e::client::{Client, Reply};
use e2e::database::Cluster;
use e2e::keyring::{Keyring, key_of};
use e2e::logs::note;
use e2e::server::Server;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Fault, Outcome};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WORKERS: usize = 12;
const WARM_UP: Duration = Duration::from_secs(2);
const AS_BEFORE_WITHIN: Duration = Duration::from_secs(10);
const COUNT_EVERY: Duration = Duration::from_millis(500);
/// Over so many counts the pace is measured, before the crash and after it.
const COUNTS_BEFORE: u32 = 10;
const COUNTS_AFTER: u32 = 8;
/// How long the database may take to come back.
const BACK_WITHIN: Duration = Duration::from_secs(20);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

fn agent(number: usize) -> String {
    format!("agent-{number:02}")
}

/// Work that was done.
#[derive(Default)]
struct Done {
    tasks: Vec<String>,
    unanswered: usize,
}

/// Hands in a task of its own kind, claims and completes it, again and again.
struct Worker {
    client: Client,
    kind: String,
    calls: usize,
    answers: Arc<AtomicUsize>,
    done: Done,
}

impl Worker {
    async fn work(mut self, until: impl Fn() -> bool) -> Outcome<Done> {
        let tasks = json!({ "tasks": [task("x", &json!({ "type": self.kind }))] });
        let mine = json!({ "types": [self.kind] });
        while !until() {
            let id = self.call("/v1/tasks", &tasks).await?.submitted()?.remove(0);
            let claimed = self.call("/v1/tasks/claim", &mine).await?.claimed()?;
            let [one] = claimed.as_slice() else { return Err(Fault::new(format!("claimed {claimed:?}"))) };
            if (one.id(), one.attempt) != (id.as_str(), 1) {
                return Err(Fault::new(format!("claimed {one:?} after {id} was submitted")));
            }
            let path = format!("/v1/tasks/{id}/complete");
            let ended = self.call(&path, &json!({ "token": one.token, "result": one.token })).await?.ok()?;
            if ended["already"] != false {
                return Err(Fault::new(format!("the first completion came second: {ended}")));
            }
            self.done.tasks.push(id);
        }
        Ok(self.done)
    }

    /// Asks until there is an answer, under one key.
    async fn call(&mut self, path: &str, body: &Value) -> Outcome<Reply> {
        self.calls += 1;
        let client = self.client.once(&format!("call-{}", self.calls));
        let deadline = Instant::now() + BACK_WITHIN + AS_BEFORE_WITHIN;
        loop {
            match client.post(path, body).await {
                Ok(reply) if reply.status == 503 && reply.body["retryable"] == true => self.done.unanswered += 1,
                Ok(reply) => {
                    self.answers.fetch_add(1, Ordering::Relaxed);
                    return Ok(reply);
                }
                Err(fault) => return Err(fault),
            }
            if Instant::now() > deadline {
                return Err(Fault::new(format!("{path} was not answered in time")));
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
    }
}

async fn work(
    server: &Server,
    answers: &Arc<AtomicUsize>,
    until: impl Fn() -> bool + Clone + Send + 'static,
) -> Outcome<Done> {
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let client = server.stranger()?.key(key_of(&agent(number)));
        let worker = Worker { client, kind: agent(number), calls: 0, answers: answers.clone(), done: Done::default() };
        workers.spawn(worker.work(until.clone()));
    }
    let mut all = Done::default();
    while let Some(done) = workers.join_next().await {
        let Done { tasks, unanswered } = done??;
        all.tasks.extend(tasks);
        all.unanswered += unanswered;
    }
    all.tasks.sort_unstable();
    Ok(all)
}

/// How many answers come here for each hundred there.
struct Pace {
    here: Arc<AtomicUsize>,
    there: Arc<AtomicUsize>,
    counted: Vec<[usize; 2]>,
}

impl Pace {
    /// Counts for some time.
    async fn look(&mut self, lasts: Duration) {
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            self.counted.push([&self.here, &self.there].map(|answers| answers.load(Ordering::Relaxed)));
            tokio::time::sleep(COUNT_EVERY).await;
        }
    }

    /// Over so many of the latest counts.
    fn percent(&self, counts: usize) -> Option<usize> {
        let now = self.counted.last()?;
        let before = self.counted.get(self.counted.len().checked_sub(counts + 1)?)?;
        Some(100 * (now[0] - before[0]) / (now[1] - before[1]).max(1))
    }
}

/// Every task that somebody was told of was done once, and there are no others.
async fn once_each(store: &Store, done: &Done) -> Outcome {
    let counts = store
        .texts(
            "SELECT 'tasks ' || count(*) FROM task_states WHERE status = 'succeeded' \
             UNION ALL SELECT 'others ' || count(*) FROM task_states WHERE status <> 'succeeded' \
             UNION ALL SELECT 'attempts ' || count(*) || ' ' || count(DISTINCT task_id) FROM task_attempts \
             UNION ALL SELECT operation || ' ' || count(*) || ' ' || count(DISTINCT target) FROM audit_entries \
                WHERE operation LIKE 'task.%' GROUP BY operation ORDER BY 1",
        )
        .await?;
    let tasks = done.tasks.len();
    let expected = [
        format!("attempts {tasks} {tasks}"),
        "others 0".to_owned(),
        format!("task.claim {tasks} {tasks}"),
        format!("task.complete {tasks} {tasks}"),
        format!("task.submit {tasks} {tasks}"),
        format!("tasks {tasks}"),
    ];
    assert_eq!(counts, expected);
    let told = store.texts("SELECT 'tsk_' || replace(id::text, '-', '') FROM tasks ORDER BY 1").await?;
    assert_eq!(told, done.tasks);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_as_fast_as_before_soon_after_the_database_crashed() -> Outcome {
    let cluster = Cluster::start()?;
    let (store, twin_store) = (Store::in_cluster(&cluster)?, Store::postgres()?);
    let keyring = (0..WORKERS).map(agent).fold(Keyring::default(), |ring, name| ring.with(&name, "agent"));
    let mut server = store.launch()?.keys(&keyring).start().await?;
    let twin = twin_store.launch()?.keys(&keyring).start().await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let until = move || *stopped.borrow();
    let mut pace = Pace { here: Arc::default(), there: Arc::default(), counted: Vec::new() };
    let (here, there) = (pace.here.clone(), pace.there.clone());
    let breaking = async {
        tokio::time::sleep(WARM_UP).await;
        pace.look(COUNT_EVERY * (COUNTS_BEFORE + 1)).await;
        let before = pace.percent(COUNTS_BEFORE as usize).ok_or_else(|| Fault::new("too few counts"))?;
        let crashed_at = Instant::now();
        tokio::task::block_in_place(|| cluster.crash_and_restart())?;
        let (back_at, mut after) = (Instant::now(), Vec::new());
        pace.counted.clear();
        while back_at.elapsed() < AS_BEFORE_WITHIN + COUNT_EVERY * COUNTS_AFTER {
            pace.look(COUNT_EVERY).await;
            after.extend(pace.percent(COUNTS_AFTER as usize));
            if after.last().is_some_and(|percent| percent * 100 >= before * 95) {
                break;
            }
        }
        stop.send_replace(true);
        Ok::<_, Fault>((before, after, back_at - crashed_at, back_at.elapsed()))
    };
    let (done, twin, measured) =
        tokio::join!(work(&server, &here, until.clone()), work(&twin, &there, until), breaking);
    let (done, twin, (before, after, away, looked)) = (done?, twin?, measured?);
    note(format_args!(
        "{} tasks here and {} there; the database was away for {away:?}; {before} % of the twin's pace before, \
         {after:?} up to {looked:?} after",
        done.tasks.len(),
        twin.tasks.len(),
    ));
    assert!(server.still_runs()?);
    assert!(away < BACK_WITHIN, "the database came back after {away:?}");
    assert!(done.unanswered > 0 && twin.unanswered == 0, "unanswered: {} and {}", done.unanswered, twin.unanswered);
    assert!(after.iter().any(|percent| percent * 100 >= before * 95), "{before} % before, {after:?} after the crash");
    once_each(&store, &done).await
}
