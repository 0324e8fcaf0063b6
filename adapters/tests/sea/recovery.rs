//! A server that goes away and comes back. Nobody restarts anything of ours.

use crate::harness::{
    Cluster, Database, assert_unavailable, default_project, execute, grant, postgres, read, sqlite, well_within,
};
use adapters::sea::SeaStore;
use domain::locks::lease::Token;
use futures_util::future::join_all;
use ports::store::{Store, UnitOfWork};
use std::time::{Duration, Instant};

/// How soon an unreachable server is told: two seconds to connect, and some for a busy machine.
const SOON: Duration = Duration::from_millis(3_500);

/// Opens all connections of the pool and leaves them idle.
async fn warm_up(store: &SeaStore) {
    let units: Vec<_> = join_all((0..5).map(|_| store.begin())).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(store.pool().size, 5);
    drop(units);
    let start = Instant::now();
    while store.pool().idle < 5 {
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", store.pool());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_that_were_killed_hurt_nobody() {
    let database = Database::create().await;
    let store = postgres(&database.dsn).await;
    for round in 0..3 {
        warm_up(&store).await;
        execute(&database.dsn, KILL).await.unwrap();
        for outcome in join_all((0..5).map(|_| read(&store))).await {
            outcome.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        }
        grant(&store, &format!("f{round}")).await.unwrap();
    }
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_of_work_whose_connection_was_killed_is_unavailable_and_commits_nothing() {
    let database = Database::create().await;
    let store = postgres(&database.dsn).await;
    let mut unit = store.begin().await.unwrap();
    unit.lock_table_lock(&default_project()).await.unwrap().unwrap();
    execute(&database.dsn, KILL).await.unwrap();
    assert_unavailable(&unit.lock_table_lock(&default_project()).await);
    unit.commit().await.unwrap_err();
    let unit = store.begin().await.unwrap();
    execute(&database.dsn, KILL).await.unwrap();
    assert_unavailable(&unit.commit().await);
    assert_eq!(read(&store).await.unwrap(), (0, 0));
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_of_the_server_idle_connections_are_replaced_without_an_error() {
    let cluster = Cluster::start();
    let store = postgres(&cluster.dsn).await;
    warm_up(&store).await;
    let before = grant(&store, "before").await.unwrap();
    cluster.run("restart", &["--immediate"]);
    for outcome in join_all((0..5).map(|_| read(&store))).await {
        assert_eq!(outcome.unwrap(), (1, 0), "what was committed is there");
    }
    assert!(grant(&store, "after").await.unwrap() > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_unavailable_soon_and_well_again_by_itself() {
    let cluster = Cluster::start();
    let store = postgres(&cluster.dsn).await;
    warm_up(&store).await;
    for stop in [["stop", "--immediate"], ["kill", ""]] {
        cluster.run(stop[0], if stop[1].is_empty() { &[] } else { &stop[1..] });
        let start = Instant::now();
        for outcome in join_all((0..50).map(|_| grant(&store, "down"))).await {
            assert_unavailable(&outcome);
        }
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        let start = Instant::now();
        assert_unavailable(&store.ping().await);
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        cluster.run("start", &[]);
        well_within(&store, Duration::from_secs(5)).await;
        for outcome in join_all((0..20).map(|_| read(&store))).await {
            outcome.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_somebody_tries_a_server_that_is_down_the_others_are_told_at_once() {
    let cluster = Cluster::start();
    let store = postgres(&cluster.dsn).await;
    cluster.run("stop", &["--immediate"]);
    assert_unavailable(&read(&store).await);
    let start = Instant::now();
    let outcomes = join_all((0..20).map(|_| async {
        let outcome = read(&store).await;
        assert_unavailable(&outcome);
        start.elapsed()
    }))
    .await;
    let at_once = outcomes.iter().filter(|taken| **taken < Duration::from_millis(500)).count();
    assert!(at_once >= 10, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_unavailable_soon_and_well_again_by_itself() {
    let cluster = Cluster::start();
    let store = postgres(&cluster.dsn).await;
    warm_up(&store).await;
    let mut unit = store.begin().await.unwrap();
    let outcome = unit.now().await;
    assert!(outcome.is_ok(), "{outcome:?}");
    cluster.run("pause", &[]);
    let start = Instant::now();
    assert_unavailable(&hanging(unit).await);
    let outcomes = join_all((0..20).map(|_| read(&store))).await;
    for outcome in outcomes {
        assert_unavailable(&outcome);
    }
    assert!(start.elapsed() < SOON + SOON, "{:?}", start.elapsed());
    let start = Instant::now();
    assert_unavailable(&store.ping().await);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    cluster.run("resume", &[]);
    well_within(&store, Duration::from_secs(5)).await;
    for outcome in join_all((0..20).map(|_| read(&store))).await {
        outcome.unwrap();
    }
}

/// A call in a unit of work that began before the server hung.
async fn hanging(mut unit: Box<dyn UnitOfWork>) -> Result<(), ports::store::StoreError> {
    unit.lock_table_lock(&default_project()).await.map(drop)
}

/// Locks taken one after the other until the time is up; a call is given up half-way now and then, as when a client
/// goes away. Answers the tokens that were acknowledged, and how many calls found the store unavailable.
async fn take_locks(store: &SeaStore, worker: usize, time: Duration) -> (Vec<i64>, usize) {
    let start = Instant::now();
    let (mut tokens, mut unavailable) = (Vec::new(), 0);
    for turn in 0_u64.. {
        if start.elapsed() > time {
            break;
        }
        let key = format!("w{worker}/{turn}");
        let call = grant(store, &key);
        let patience = if turn % 5 == 0 { Duration::from_micros(turn * 37 % 4_000) } else { Duration::from_mins(1) };
        match tokio::time::timeout(patience, call).await {
            Err(_) => {}
            Ok(Ok(token)) => tokens.push(token),
            Ok(Err(ports::store::StoreError::Unavailable(_))) => {
                unavailable += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(Err(error)) => panic!("{error:?}"),
        }
    }
    (tokens, unavailable)
}

/// Every acknowledged token is stored, once; and the store is as quick as before.
async fn assert_nothing_lost(store: &SeaStore, mut tokens: Vec<i64>) {
    let count = tokens.len();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), count, "a token was given twice");
    let mut unit = store.begin_read().await.unwrap();
    for some in tokens.chunks(500) {
        let some: Vec<Token> = some.iter().map(|token| Token::try_new(*token).unwrap()).collect();
        let found = unit.leases_load_by_token(&default_project(), &some).await.unwrap();
        assert_eq!(found.len(), some.len(), "an acknowledged lock was lost");
    }
    drop(unit);
    for _ in 0..20 {
        grant(store, "still quick").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_under_load_loses_nothing_that_was_acknowledged() {
    let cluster = Cluster::start();
    let store = postgres(&cluster.dsn).await;
    let work = join_all((0..8).map(|worker| take_locks(&store, worker, Duration::from_secs(6))));
    let crash = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_secs(2));
        cluster.run("restart", &["--immediate"]);
        cluster
    });
    let (work, cluster) = tokio::join!(work, crash);
    assert!(work.iter().any(|(_, unavailable)| *unavailable > 0), "nobody noticed the crash");
    assert_nothing_lost(&store, work.into_iter().flat_map(|(tokens, _)| tokens).collect()).await;
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_away_half_way_do_no_harm_on_postgres() {
    let database = Database::create().await;
    let store = postgres(&database.dsn).await;
    let work = join_all((0..8).map(|worker| take_locks(&store, worker, Duration::from_secs(3)))).await;
    assert_eq!(work.iter().map(|(_, unavailable)| unavailable).sum::<usize>(), 0);
    assert_nothing_lost(&store, work.into_iter().flat_map(|(tokens, _)| tokens).collect()).await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_away_half_way_do_no_harm_on_sqlite() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = sqlite(&folder.path().join("p.db")).await;
    let work = join_all((0..8).map(|worker| take_locks(&store, worker, Duration::from_secs(3)))).await;
    assert_eq!(work.iter().map(|(_, unavailable)| unavailable).sum::<usize>(), 0);
    assert_nothing_lost(&store, work.into_iter().flat_map(|(tokens, _)| tokens).collect()).await;
}
