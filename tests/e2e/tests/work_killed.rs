//! A server is killed when what it was asked for is in its store, and nobody has been told: whoever asks again under the
//! same idempotency key gets the first answer, and it has happened once.
//!
//! On PostgreSQL the server dies before it hears that its commit went through. On SQLite, which is part of the server,
//! it dies with its answer on the way.

use e2e::client::Client;
use e2e::store::Store;
use e2e::survival::{Survived, survives};
use e2e::work::{Claimed, task};
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::json;

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
