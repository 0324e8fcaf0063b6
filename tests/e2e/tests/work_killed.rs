//! A server is killed when what it was asked for is in its store, and nobody has been told: whoever asks again under the
//! same idempotency key gets the first answer, and it has happened once.
//!
//! On PostgreSQL the server dies before it hears that its commit went through. On SQLite, which is part of the server,
//! it dies with its answer on the way.

use e2e::audit::Watch;
use e2e::client::{Client, Reply};
use e2e::logs::note;
use e2e::relay::Relay;
use e2e::rows::Census;
use e2e::server::Server;
use e2e::store::Store;
use e2e::work::{Claimed, task};
use e2e::{Fault, Outcome, on_both_stores};
use reqwest::Url;
use serde_json::{Value, json};

on_both_stores! {
    a_submission_that_nobody_heard_of_happened_once
    a_claim_that_nobody_heard_of_is_told_to_whoever_asks_again
    a_completion_that_nobody_heard_of_counts_once
}

/// Alice and Bob have been seen before, and whatever `prepares` does is there.
async fn prepared<T>(store: &Store, prepares: impl AsyncFnOnce(&Client, &Client) -> Outcome<T>) -> Outcome<T> {
    let mut server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    for agent in [&alice, &bob] {
        agent.claim(&json!({})).await?.ok()?;
    }
    server.agent("olga")?.claim(&json!({})).await?.ok()?;
    let ready = prepares(&alice, &bob).await?;
    server.stop().await?;
    Ok(ready)
}

/// What became of a request.
struct Survived {
    /// The server that was started after the crash.
    server: Server,
    /// What came of asking again, twice.
    again: [Reply; 2],
    /// The lines that came of all of it.
    told: Vec<String>,
    /// The rows that came of all of it.
    rows: String,
}

/// Bob asks for something and the server is killed after it has come true. Then he asks twice more.
async fn survives(store: &Store, path: &str, body: &Value) -> Outcome<Survived> {
    let mut before = store.serve().await?;
    let (mut rows, mut log) = (Census::new(store).await?, Watch::new(before.agent("olga")?).await?);
    before.stop().await?;

    let launch = before.launch();
    let mut relay;
    let mut victim;
    let bob = if let Some(database) = store.database() {
        let mut dsn = Url::parse(&database.dsn)?;
        let host = dsn.host_str().unwrap_or_default();
        relay = Relay::open(&format!("{host}:{}", dsn.port().unwrap_or(5432))).await?;
        let near: Url = format!("postgres://{}", relay.address()).parse()?;
        dsn.set_port(near.port()).map_err(|()| Fault::new("a connection string without a port"))?;
        victim = launch.clone().postgres(dsn.as_str()).start().await?;
        victim.agent("bob")?
    } else {
        victim = launch.start().await?;
        relay = Relay::open(&victim.address()).await?;
        victim.agent("bob")?.at(&format!("http://{}", relay.address()))
    };
    let bob = bob.once("the-same");
    let victim = &mut victim;
    let breaking = async move {
        relay
            .keep_back_when(async || {
                let records = "SELECT key FROM idempotency_records WHERE key = 'the-same' AND agent_id = 'bob'";
                Ok(!store.texts(records).await?.is_empty())
            })
            .await?;
        // With the relay goes what it has kept back.
        victim.kill().await
    };
    let (unheard, broken) = tokio::join!(bob.post(path, body), breaking);
    broken?;
    assert!(unheard.is_err(), "the server answered before it was killed: {unheard:?}");
    note(format_args!("killed; the rows say {}", store.texts("SELECT status FROM task_states").await?.join(" ")));

    let server = launch.start().await?;
    let bob = server.agent("bob")?.once("the-same");
    let again = [bob.post(path, body).await?, bob.post(path, body).await?];
    assert_eq!(again[0].text, again[1].text, "asked twice more");
    log.move_to(server.agent("olga")?);
    let (told, rows) = (log.told().await?, rows.change().await?);
    Ok(Survived { server, again, told, rows })
}

async fn a_submission_that_nobody_heard_of_happened_once(store: Store) -> Outcome {
    prepared(&store, async |_, _| Ok(())).await?;
    let tasks = [
        task("a", &json!({ "name": "a", "input": [1, 2] })),
        task("b", &json!({ "depends_on": ["a"] })),
        task("c", &json!({})),
    ];
    let Survived { server, again: [first, _], told, rows } =
        survives(&store, "/v1/tasks", &json!({ "tasks": tasks })).await?;
    let ids = first.submitted()?;
    assert_eq!(told, ["bob task.submit ok"; 3]);
    assert_eq!(
        rows, "audit_entries+3 facts+3 idempotency_records+1 task_dependencies+1 task_states+3 tasks+3",
        "each of them once"
    );
    let alice = server.agent("alice")?;
    let claimed = alice.claim(&json!({ "max_tasks": 50 })).await?.claimed()?;
    assert_eq!(claimed.iter().map(Claimed::id).collect::<Vec<_>>(), [&ids[0], &ids[2]]);
    assert_eq!(alice.task_status(&ids[1]).await?, "blocked");
    Ok(())
}

async fn a_claim_that_nobody_heard_of_is_told_to_whoever_asks_again(store: Store) -> Outcome {
    let more = json!({ "resources": [{ "key": "src/**" }], "input": { "deep": true } });
    let id = prepared(&store, async |alice, _| alice.submit_one(&task("a", &more)).await).await?;
    let Survived { server, again: [first, _], told, rows } =
        survives(&store, "/v1/tasks/claim", &json!({ "max_tasks": 5 })).await?;
    let claimed = first.claimed()?.pop().ok_or_else(|| Fault::new("the claim was forgotten"))?;
    assert_eq!((claimed.id(), claimed.attempt, claimed.locks.len()), (id.as_str(), 1, 1));
    assert_eq!(claimed.input, Some(json!({ "deep": true })));
    assert_eq!(told, ["bob lock.acquire ok", "bob task.claim ok"]);
    assert_eq!(rows, "audit_entries+2 facts+2 idempotency_records+1 leases+1", "claimed once");
    assert_eq!(server.agent("alice")?.claim(&json!({})).await?.claimed()?, [], "nobody else gets it");
    let bob = server.agent("bob")?;
    assert_eq!(bob.complete(&claimed).await?["already"], false, "the token that was told is the one that holds");
    let attempts = bob.attempts(&id).await?;
    assert_eq!((attempts.len(), &attempts[0]["token"]), (1, &json!(claimed.token)));
    Ok(())
}

async fn a_completion_that_nobody_heard_of_counts_once(store: Store) -> Outcome {
    let tasks = [
        task("a", &json!({ "name": "a", "resources": [{ "key": "src/**" }] })),
        task("b", &json!({ "depends_on": ["a"] })),
    ];
    let (ids, claimed) = prepared(&store, async |alice, bob| {
        let ids = alice.submit(&tasks).await?;
        Ok((ids, bob.claim_one().await?))
    })
    .await?;
    let path = format!("/v1/tasks/{}/complete", ids[0]);
    let body = json!({ "token": claimed.token, "result": { "lines": 7 } });
    let Survived { server, again: [first, _], told, rows } = survives(&store, &path, &body).await?;
    let answer = first.ok()?;
    assert_eq!((&answer["status"], &answer["already"]), (&json!("succeeded"), &json!(false)), "the first answer");
    assert_eq!(told, ["bob lock.release ok", "bob task.complete ok", "pointsman task.ready ok"]);
    assert_eq!(rows, "audit_entries+3 facts+3 idempotency_records+1 leases-1 task_attempts+1");
    let bob = server.agent("bob")?;
    assert_eq!(bob.post(&path, &body).await?.ok()?["already"], true, "without the key it is known as well");
    let dependent = server.agent("alice")?.claim_one().await?;
    assert_eq!(dependent.id(), ids[1]);
    assert_eq!(dependent.dependencies[0]["result"], json!({ "lines": 7 }));
    Ok(())
}
