//! The work queue: which indexes it asks, and what it says to rows that cannot be read.

use crate::harness::{Database, default_project, execute, postgres, postgres_options, sqlite};
use adapters::sea::SeaStore;
use adapters::sea::connect::PostgresOptions;
use chrono::{DateTime, Utc};
use domain::ids::{SessionId, TaskId};
use domain::locks::lease::Token;
use domain::page::PageSize;
use domain::work::attempt::Attempt;
use domain::work::changes::{ChangedTask, Changes, NewTask};
use domain::work::claim::ClaimFilter;
use domain::work::listing::TaskFilter;
use domain::work::name::ConcurrencyKey;
use domain::work::task::{Task, TaskState};
use ports::store::{Store, StoreError, UnitOfWork};
use ports::work::Candidates;
use sea_orm::ConnectionTrait;
use sea_orm::sqlx::{Connection, PgConnection, Row};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

fn task_id(number: u128) -> TaskId {
    TaskId::new(Uuid::from_u128(number))
}

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn task(number: u128) -> Task {
    serde_json::from_value(json!({
        "id": task_id(number),
        "terms": {
            "task_type": "build", "labels": ["gpu"], "requires": {}, "resources": null,
            "concurrency": { "key": "deploy", "limit": 10 }, "lease": 900,
            "retry": { "max_attempts": 3, "backoff_first_seconds": 10, "backoff_cap_seconds": 60 },
            "on_dependency_failure": "cancel", "parent": null, "submitted_by": "ann", "submitted_at": instant(0),
        },
        "priority": 5, "rank": 1_000_000_000, "not_before": null, "deadline": null,
        "attempts_made": 0, "attempts_allowed": 3, "untold": false,
        "state": { "status": "ready", "since": instant(0) },
    }))
    .unwrap()
}

fn in_state(task: &Task, state: Value) -> Task {
    Task { state: serde_json::from_value::<TaskState>(state).unwrap(), ..task.clone() }
}

fn leased(task: &Task, token: i64) -> Task {
    let holder = json!({ "agent": "ann", "session": "s1" });
    in_state(
        task,
        json!({
            "status": "leased", "attempt": 1, "token": token, "holder": holder, "since": instant(1),
            "until": instant(901), "length": 900, "locks": [], "progress": null, "note": null, "cancel": null,
        }),
    )
}

fn succeeded(task: &Task) -> Task {
    in_state(task, json!({ "status": "succeeded", "at": instant(2) }))
}

fn attempt(task: &Task, token: i64) -> Attempt {
    serde_json::from_value(json!({
        "task": task.id, "number": 1, "token": token, "holder": { "agent": "ann", "session": "s1" },
        "since": instant(1), "ended_at": instant(2), "end": { "how": "succeeded", "result": { "ok": true } },
        "left": "succeeded", "next_at": null,
    }))
    .unwrap()
}

fn new(task: &Task, depends_on: &[u128]) -> NewTask {
    let content = json!({ "title": "Build it", "description": "all of it", "input": { "of": 1 } });
    NewTask {
        task: task.clone(),
        content: serde_json::from_value(content).unwrap(),
        depends_on: depends_on.iter().copied().map(task_id).collect(),
    }
}

fn changed(before: &Task, after: &Task) -> Changes {
    let changed = ChangedTask { before: before.clone(), after: after.clone() };
    Changes { changed: vec![changed], ..Changes::default() }
}

async fn save(store: &dyn Store, changes: &Changes) {
    let mut unit = store.begin().await.unwrap();
    unit.lock_table_lock(&default_project()).await.unwrap().unwrap();
    unit.tasks_save(&default_project(), changes).await.unwrap();
    unit.commit().await.unwrap();
}

/// Lets one task live from beginning to end, and asks everything in between that claims and completions ask.
async fn go_round(store: &dyn Store, number: u32) {
    let token = i64::from(number);
    let ready = task(u128::from(number));
    save(store, &Changes { new: vec![new(&ready, &[u128::from(number) - 1])], ..Changes::default() }).await;
    ask(store, ready.id, number).await;
    save(store, &changed(&ready, &leased(&ready, token))).await;
    let done =
        Changes { attempts: vec![attempt(&ready, token)], ..changed(&leased(&ready, token), &succeeded(&ready)) };
    save(store, &done).await;
}

async fn ask(store: &dyn Store, id: TaskId, number: u32) {
    let project = default_project();
    let mut unit = store.begin_read().await.unwrap();
    let filters = [
        ClaimFilter::default(),
        ClaimFilter::try_new(["build", "test"].map(|name| name.to_owned().try_into().unwrap()).into(), BTreeSet::new())
            .unwrap(),
        ClaimFilter::try_new(BTreeSet::new(), ["gpu"].map(|name| name.to_owned().try_into().unwrap()).into()).unwrap(),
    ];
    let key = ConcurrencyKey::parse("deploy").unwrap();
    for filter in &filters {
        for running in [BTreeMap::new(), BTreeMap::from([(key.clone(), 9)])] {
            let candidates = Candidates { filter, running: &running, after: None, rows_max: 64 };
            assert_eq!(unit.tasks_claimable(&project, candidates).await.unwrap().len(), 1);
        }
    }
    assert_eq!(unit.tasks_load(&project, &[id, task_id(0)]).await.unwrap().len(), 1);
    let session = SessionId::parse("s1").unwrap();
    assert_eq!(unit.tasks_load_by_session(&project, &[session]).await.unwrap(), []);
    assert_eq!(unit.tasks_due(&project, instant(1_000), 64).await.unwrap(), []);
    assert_eq!(unit.projects_with_tasks_due(instant(1_000), 64).await.unwrap(), []);
    assert_eq!(unit.tasks_next_due(&project).await.unwrap(), None);
    assert_eq!(unit.tasks_running(&project).await.unwrap(), BTreeMap::new());
    assert_eq!(unit.tasks_running_of(&project, &key, 9).await.unwrap(), []);
    assert_eq!(unit.dependencies_load(&project, &[id]).await.unwrap().len(), 1);
    assert_eq!(unit.dependents_load(&project, &[id]).await.unwrap(), []);
    assert_eq!(unit.dependents_count(&project, &[id]).await.unwrap(), BTreeMap::new());
    assert_eq!(unit.contents_load(&project, &[id]).await.unwrap().len(), 1);
    assert_eq!(unit.results_load(&project, &[id]).await.unwrap(), BTreeMap::new());
    assert_eq!(unit.attempts_list(&project, id, 9).await.unwrap(), []);
    let before = Token::try_new(i64::from(number)).unwrap();
    assert_eq!(unit.attempts_load(&project, &[before]).await.unwrap(), []);
}

/// Adds so many finished tasks behind the back of the store, and forgets what was read until now.
async fn add_finished(dsn: &str, count: u32) {
    let sql = format!(
        "INSERT INTO tasks SELECT t.project_id, gen_random_uuid(), t.submitted_at_us, NULL, t.submitted_by, t.terms, \
         t.title, NULL, NULL FROM tasks AS t CROSS JOIN generate_series(1, {count}) WHERE t.id = '{first}'; \
         INSERT INTO task_states SELECT s.project_id, t.id, s.submitted_at_us, NULL, NULL, s.since_us, 10, s.status, \
         s.task_type, s.labels, s.concurrency_key, NULL, NULL, s.state FROM task_states AS s JOIN tasks AS t USING \
         (project_id) WHERE s.id = '{first}' AND t.description IS NULL; \
         INSERT INTO task_dependencies SELECT project_id, id, id FROM tasks WHERE description IS NULL; \
         INSERT INTO task_attempts SELECT a.project_id, 1000000 + row_number() OVER (), t.id, 1, a.how, a.attempt, NULL \
         FROM task_attempts AS a JOIN tasks AS t USING (project_id) WHERE a.task_id = '{first}' \
         AND t.description IS NULL",
        first = Uuid::from_u128(1),
    );
    execute(dsn, &sql).await.unwrap();
    tokio::time::sleep(SETTLING).await;
    execute(dsn, "SELECT pg_stat_reset()").await.unwrap();
}

/// How long a connection that was closed may take to tell what it read.
const SETTLING: Duration = Duration::from_millis(500);

const FINISHED: u32 = 100_000;

#[tokio::test]
async fn finished_tasks_cost_nothing_also_with_plans_that_were_made_while_there_were_none() {
    for is_analyzed in [false, true] {
        let database = Database::create().await;
        let options = PostgresOptions { pool_max: 1, ..postgres_options(&database.dsn) };
        let store = SeaStore::connect_postgres(&options).await.unwrap();
        store.migrate().await.unwrap();
        for table in ["tasks", "task_states", "task_attempts", "task_dependencies"] {
            let sql = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
            execute(&database.dsn, &sql).await.unwrap();
        }
        // From the sixth time on, PostgreSQL may keep a plan for good.
        for number in 1..=8 {
            go_round(&store, number).await;
        }
        if is_analyzed {
            execute(&database.dsn, "ANALYZE").await.unwrap();
            for number in 9..=16 {
                go_round(&store, number).await;
            }
        }
        add_finished(&database.dsn, FINISHED).await;
        for number in 21..=23 {
            go_round(&store, number).await;
        }
        store.close().await.unwrap();
        let read = rows_read(&database.dsn).await;
        assert!(read["task_states_ready"] > 0, "{read:?}");
        assert!(read.values().all(|rows| *rows < 500), "analyzed: {is_analyzed}, {read:?}");
        database.drop().await;
    }
}

/// How many rows, or entries of indexes, were read of each table of the queue and each of its indexes.
async fn rows_read(dsn: &str) -> BTreeMap<String, i64> {
    let sql = "SELECT relname::text, seq_tup_read FROM pg_stat_user_tables WHERE relname ~ '^task' \
         UNION ALL SELECT indexrelname::text, idx_tup_read FROM pg_stat_user_indexes WHERE relname ~ '^task'";
    tokio::time::sleep(SETTLING).await;
    let mut connection = PgConnection::connect(dsn).await.unwrap();
    let rows = sea_orm::sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    rows.into_iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// A database of either kind, to be damaged.
enum Damaged {
    File(TempDir),
    Server(Database),
}

impl Damaged {
    async fn store(&self) -> SeaStore {
        match self {
            Self::File(folder) => sqlite(&folder.path().join("p.db")).await,
            Self::Server(database) => postgres(&database.dsn).await,
        }
    }

    async fn run(&self, sql: &str) {
        match self {
            Self::File(folder) => {
                let url = format!("sqlite://{}", folder.path().join("p.db").display());
                let database = sea_orm::Database::connect(url).await.unwrap();
                database.execute_unprepared(sql).await.unwrap();
                database.close().await.unwrap();
            }
            Self::Server(database) => execute(&database.dsn, sql).await.unwrap(),
        }
    }
}

async fn read_all(unit: &mut dyn UnitOfWork) -> Vec<Option<StoreError>> {
    let project = default_project();
    let id = task_id(1);
    let schedule = domain::ids::ScheduleId::new(Uuid::from_u128(1));
    vec![
        unit.tasks_load(&project, &[id]).await.err(),
        unit.contents_load(&project, &[id]).await.err(),
        unit.titles_load(&project, &[id]).await.err(),
        unit.attempts_list(&project, id, 9).await.err(),
        unit.results_load(&project, &[id]).await.err(),
        unit.task_counts(&project).await.err(),
        unit.task_list(&project, &TaskFilter::default(), None, PageSize::DEFAULT).await.err(),
        unit.schedule_find(&project, schedule).await.err(),
    ]
}

/// What is spoiled, and which of [`read_all`] stumble over it.
const DAMAGES: [(&str, &str, &[usize]); 9] = [
    ("task_states", "state", &[0, 6]),
    ("tasks", "terms", &[0, 6]),
    ("tasks", "title", &[1, 2]),
    ("tasks", "description", &[1]),
    ("tasks", "input", &[1]),
    ("task_attempts", "attempt", &[3]),
    ("task_attempts", "result", &[3, 4]),
    ("schedules", "schedule", &[7]),
    ("schedules", "input", &[7]),
];

#[tokio::test]
async fn what_cannot_be_read_is_corrupt_and_never_left_out() {
    for damaged in [Damaged::File(TempDir::new().unwrap()), Damaged::Server(Database::create().await)] {
        let store = damaged.store().await;
        go_round(&store, 1).await;
        let mut unit = store.begin().await.unwrap();
        unit.schedule_add(&default_project(), &schedule()).await.unwrap();
        unit.commit().await.unwrap();
        for (table, column, stumbling) in DAMAGES {
            // A control character is at home in none of these.
            damaged.run(&format!("UPDATE {table} SET {column} = '\u{1}' || {column}")).await;
            expect_corrupt(&store, stumbling, &format!("{table}.{column}")).await;
            damaged.run(&format!("UPDATE {table} SET {column} = substr({column}, 2)")).await;
        }
        damaged.run("UPDATE task_states SET status = 'lost'").await;
        expect_corrupt(&store, &[], "a status nobody knows is listed by nobody").await;
        damaged.run("DELETE FROM tasks; UPDATE task_states SET status = 'succeeded'").await;
        expect_corrupt(&store, &[0, 6], "without terms").await;
        store.close().await.unwrap();
        if let Damaged::Server(database) = damaged {
            database.drop().await;
        }
    }
}

async fn expect_corrupt(store: &SeaStore, stumbling: &[usize], what: &str) {
    for index in 0..8 {
        // After an error nothing more is asked of a unit of work on PostgreSQL, so each gets its own.
        let mut unit = store.begin_read().await.unwrap();
        let error = read_all(unit.as_mut()).await.swap_remove(index);
        let is_corrupt = matches!(error, Some(StoreError::Corrupt { .. }));
        assert_eq!(is_corrupt, stumbling.contains(&index), "{what}, {index}: {error:?}");
        assert!(is_corrupt || error.is_none(), "{what}, {index}: {error:?}");
    }
}

fn schedule() -> domain::work::schedule::Schedule {
    serde_json::from_value(json!({
        "id": domain::ids::ScheduleId::new(Uuid::from_u128(1)), "name": "nightly",
        "timing": { "cron": "0 3 * * *", "zone": "UTC" },
        "draft": {
            "content": { "title": "Build it", "description": null, "input": { "of": 1 } }, "task_type": "build",
            "priority": 5, "labels": [], "requires": {}, "resources": null, "concurrency": null, "lease": 900,
            "retry": { "max_attempts": 3, "backoff_first_seconds": 10, "backoff_cap_seconds": 60 },
            "on_dependency_failure": "cancel", "not_before": null, "deadline": null,
        },
        "deadline_seconds": null, "missed": { "policy": "one" }, "paused": false, "next_at": instant(9),
        "fired_for": null, "created_by": "ann", "created_at": instant(0), "revision": 1,
    }))
    .unwrap()
}

#[tokio::test]
async fn pruning_reads_no_more_than_it_deletes() {
    let database = Database::create().await;
    let store = postgres(&database.dsn).await;
    go_round(&store, 1).await;
    add_finished(&database.dsn, 5_000).await;
    let mut unit = store.begin().await.unwrap();
    assert_eq!(unit.tasks_prune(instant(3), 100).await.unwrap(), 100);
    unit.commit().await.unwrap();
    store.close().await.unwrap();
    let read = rows_read(&database.dsn).await;
    assert!(read.values().any(|rows| *rows > 0) && read.values().all(|rows| *rows < 500), "{read:?}");
    database.drop().await;
}
