//! The server is killed when a handoff was taken and nobody was told: asked again under the same idempotency key, it
//! tells what was taken, and it has happened once.

use super::scene::{claimed, number, offer};
use e2e::store::Store;
use e2e::survival::{Survived, survives};
use e2e::work::Claimed;
use e2e::{Outcome, on_both_stores};
use serde_json::json;

on_both_stores! {
    a_handoff_that_was_taken_unheard_is_told_to_whoever_asks_again
}

async fn a_handoff_that_was_taken_unheard_is_told_to_whoever_asks_again(store: Store) -> Outcome {
    let mut server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?.session("alice-1"), server.agent("bob")?);
    for agent in [&bob, &server.agent("olga")?] {
        agent.claim(&json!({})).await?.ok()?;
    }
    let lock = alice.take("docs/plan.md").await?;
    let task = claimed(&alice, "src/**").await?;
    let named = json!({ "locks": [lock.token], "tasks": [{ "task_id": task.id(), "token": task.token }] });
    let handoff = offer(&alice, &json!({ "to": "agent", "agent": "bob" }), &named).await?;
    server.stop().await?;

    let path = format!("/v1/handoffs/{handoff}/accept");
    let Survived { server, again: [first, _], told, rows } = survives(&store, &path, &json!({})).await?;
    let taken = first.ok()?;
    let told: Vec<&str> = told.iter().map(String::as_str).filter(|line| !line.contains("session.")).collect();
    assert_eq!(
        told,
        ["bob handoff.accept ok", "bob lock.hand_over ok", "bob lock.hand_over ok", "bob task.hand_over ok"]
    );
    assert_eq!(rows, "audit_entries+4 facts+4 idempotency_records+1 task_attempts+1", "it went over once");
    let bob = server.agent("bob")?;
    let accepted = &taken["accepted"];
    bob.renew(&[number(&accepted["locks"][0]["token"])?], 60).await?.ok()?;
    let mine = Claimed { token: number(&accepted["tasks"][0]["token"])?, ..task.clone() };
    assert_eq!(bob.complete(&mine).await?["already"], false, "the tokens that were told are those that hold");
    let alice = server.agent("alice")?.session("alice-1");
    alice.renew(&[lock.token], 60).await?.problem(410, "token-stale")?;
    alice.say("complete", &task, &json!({})).await?.problem(410, "claim-stale")?;
    Ok(())
}
