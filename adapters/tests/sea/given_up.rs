//! Calls that nobody waits for any more: dropped wherever they wait for the database. Whoever has the connection next
//! finds it clean.

use crate::harness::{Database, grant, grant_in, postgres_options, read, sqlite};
use adapters::sea::SeaStore;
use adapters::sea::connect::PostgresOptions;
use ports::store::{Store, StoreError};
use sea_orm::sqlx::{Connection, PgConnection, Row, query};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Drops a future when it has waited so often; answers what came out if it was done before.
async fn give_up<F: Future>(future: F, waits: u32) -> Option<F::Output> {
    let (mut future, mut waited) = (pin!(future), 0);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

/// Takes a lock; what was given up may be committed meanwhile, and then it is tried again.
async fn grant_optimistically(store: &SeaStore, key: &str) -> i64 {
    loop {
        match grant_in(store.begin_optimistic().await.unwrap(), key).await {
            Ok(token) => return token,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A store with this many connections, and a connection beside it to look at the server with.
async fn store_and_witness(database: &Database, pool_max: u32) -> (SeaStore, PgConnection) {
    let options = PostgresOptions { pool_max, ..postgres_options(&database.dsn) };
    let store = SeaStore::connect_postgres(&options).await.unwrap();
    store.migrate().await.unwrap();
    (store, PgConnection::connect(&database.dsn).await.unwrap())
}

/// Waits until nothing is under way; fails if a transaction stays open.
async fn all_at_rest(witness: &mut PgConnection, when: &str) {
    let sql = "SELECT coalesce(string_agg(state || ': ' || query, '; '), '') FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'pointsman' \
         AND state <> 'idle'";
    let start = Instant::now();
    loop {
        let busy: String = query(sql).fetch_one(&mut *witness).await.unwrap().get(0);
        if busy.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(3), "given up {when}, and still {busy}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_at_any_time_leaves_no_transaction_open() {
    let database = Database::create().await;
    let (store, mut witness) = store_and_witness(&database, 3).await;
    let key = |waits: u32| format!("k{waits}");
    let mut given_up = 0;
    for kind in ["write", "read", "optimistic", "glance"] {
        for round in 0..3 {
            for waits in 0.. {
                let is_done = match kind {
                    "write" => give_up(grant(&store, &key(waits)), waits).await.is_some(),
                    "read" => give_up(read(&store), waits).await.is_some(),
                    "optimistic" => give_up(grant_optimistically(&store, &key(waits)), waits).await.is_some(),
                    _ => {
                        let glance = async { store.begin_glance().await.unwrap().lock_counts().await.unwrap() };
                        give_up(glance, waits).await.is_some()
                    }
                };
                all_at_rest(&mut witness, &format!("{kind} {round} after {waits}")).await;
                if is_done {
                    break;
                }
                given_up += 1;
            }
        }
    }
    assert!(given_up > 12, "each kind waits for the database more than once: {given_up}");
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_after_a_call_was_given_up_is_kept() {
    let database = Database::create().await;
    // With one connection, the next call has the one of the call that was given up.
    let (store, mut witness) = store_and_witness(&database, 1).await;
    for round in 0..10 {
        for waits in 0..4 {
            let _ = give_up(store.begin(), waits).await;
            let token = grant_optimistically(&store, &format!("r{round}-{waits}")).await;
            let sql = "SELECT count(*) FROM leases WHERE token = $1";
            let kept: i64 = query(sql).bind(token).fetch_one(&mut witness).await.unwrap().get(0);
            assert_eq!(kept, 1, "acknowledged in round {round} after {waits} waits, and not committed");
        }
    }
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_free_again_after_a_call_was_given_up() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("p.db");
    let (store, other) = (sqlite(&path).await, sqlite(&path).await);
    let mut last = 0;
    for round in 0..5 {
        for waits in 0..12 {
            let _ = give_up(grant(&store, &format!("g{round}-{waits}")), waits).await;
            let _ = give_up(read(&store), waits).await;
            // Both the same store and another process' get at the file at once, and see the same.
            let next = grant(&store, &format!("n{round}-{waits}")).await.unwrap();
            assert!(next > last);
            last = grant(&other, &format!("o{round}-{waits}")).await.unwrap();
            assert!(last > next);
            assert_eq!(read(&store).await.unwrap(), read(&other).await.unwrap());
        }
    }
}
