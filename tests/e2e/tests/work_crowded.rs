//! More callers than connections: whoever waits for work holds none of them.

use e2e::client::Client;
use e2e::keyring::{Keyring, key_of};
use e2e::logs::note;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Fault, Outcome};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CLIENTS: usize = 64;
const CONNECTIONS: u32 = 5;
const TASKS: usize = 300;
/// Handed in with one call, so that most of the clients wait in between.
const TASKS_OF_A_CALL: usize = 20;
/// Between two calls.
const PAUSE: Duration = Duration::from_millis(50);

fn agent(number: usize) -> String {
    format!("agent-{number:02}")
}

/// Claims and completes until all is done, and gets nothing but good answers; answers what it did.
async fn drain(client: Client, left: Arc<AtomicUsize>) -> Outcome<Vec<String>> {
    let mut done = Vec::new();
    while left.load(Ordering::Relaxed) > 0 {
        for one in client.claim(&json!({ "max_tasks": 2, "wait_seconds": 2 })).await?.claimed()? {
            client.say("heartbeat", &one, &json!({ "progress": 50 })).await?.ok()?;
            client.complete(&one).await?;
            done.push(one.id().to_owned());
            left.fetch_sub(1, Ordering::Relaxed);
        }
    }
    Ok(done)
}

#[tokio::test]
async fn sixty_four_clients_share_five_connections() -> Outcome {
    let store = Store::postgres()?;
    let keyring = (0..CLIENTS).map(agent).fold(Keyring::default(), |ring, name| ring.with(&name, "agent"));
    let launch = store.launch()?.keys(&keyring.with("boss", "agent"));
    let server = launch.set("POSTGRES_POOL_MAX", CONNECTIONS.to_string()).start().await?;
    let left = Arc::new(AtomicUsize::new(TASKS));
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(drain(Client::new(&server.url())?.key(key_of(&agent(number))), left.clone()));
    }
    let boss = server.agent("boss")?;
    let database = store.database().ok_or_else(|| Fault::new("this story needs PostgreSQL"))?;
    let (mut ids, mut connections_max) = (Vec::new(), 0_u32);
    let body = task("x", &json!({ "resources": [{ "key": "docs/**", "mode": "shared" }] }));
    for _ in 0..TASKS / TASKS_OF_A_CALL {
        ids.extend(boss.submit(&vec![body.clone(); TASKS_OF_A_CALL]).await?);
        let connections = "SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        connections_max = connections_max.max(database.sql(connections)?.parse()?);
        tokio::time::sleep(PAUSE).await;
    }
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(client) = clients.join_next().await {
        for id in client?? {
            *done.entry(id).or_default() += 1;
        }
    }
    note(format_args!("{TASKS} tasks after {:?}, over {connections_max} connections at most", began.elapsed()));
    ids.sort_unstable();
    assert_eq!(done.keys().cloned().collect::<Vec<_>>(), ids, "each of them was done");
    assert!(done.values().all(|times| *times == 1), "{done:?}");
    // One more listens for word from other servers, and one sends it.
    assert!(connections_max <= CONNECTIONS + 2, "{connections_max} connections");
    Ok(())
}
