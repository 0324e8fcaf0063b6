//! Two who want the same handoff at the same moment, at two servers and at one.

use super::scene::{next, number, offer, say};
use e2e::audit::entries;
use e2e::client::{Client, Reply};
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::json;

/// How often they try.
const ROUNDS: usize = 10;

#[tokio::test]
async fn of_two_takers_at_two_servers_one_gets_it() -> Outcome {
    let store = Store::postgres()?;
    let (one, other) = (store.serve().await?, store.serve().await?);
    let (bob, olga) = (one.agent("bob")?.session("bob-1"), other.agent("olga")?.session("olga-1"));
    race(&one.agent("alice")?.session("alice-1"), &bob, &olga).await
}

on_both_stores! {
    of_two_takers_at_one_server_one_gets_it
}

async fn of_two_takers_at_one_server_one_gets_it(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (bob, olga) = (server.agent("bob")?.session("bob-1"), server.agent("olga")?.session("olga-1"));
    race(&server.agent("alice")?.session("alice-1"), &bob, &olga).await
}

async fn race(alice: &Client, bob: &Client, olga: &Client) -> Outcome {
    for round in 0..ROUNDS {
        let lock = alice.take(&format!("src/f{round}.rs")).await?;
        let handoff = offer(alice, &next(), &json!({ "locks": [lock.token] })).await?;
        let (his, hers) = tokio::join!(say(bob, "accept", &handoff), say(olga, "accept", &handoff));
        let (his, hers) = (his?, hers?);
        let is_his = his.status == 200;
        let (won, lost, winner) = if is_his { (his, hers, bob) } else { (hers, his, olga) };
        check(won, lost, winner, if is_his { "bob" } else { "olga" }).await?;
        alice.renew(&[lock.token], 60).await?.problem(410, "token-stale")?;
    }
    let lines = entries(olga, &[("operation", "handoff.accept")]).await?;
    let told = |outcome: &str| lines.iter().filter(|line| line["outcome"] == outcome).count();
    assert_eq!((told("ok"), told("handoff-taken")), (ROUNDS, ROUNDS));
    let moved = entries(olga, &[("operation", "lock.hand_over")]).await?;
    assert_eq!(moved.len(), ROUNDS, "each lock went over once");
    Ok(())
}

async fn check(won: Reply, lost: Reply, winner: &Client, name: &str) -> Outcome {
    let taken = won.ok()?;
    assert_eq!(taken["accepted"]["agent"], name);
    let refused = lost.problem(409, "handoff-taken")?;
    assert_eq!(refused["taken_by"]["agent"], name, "who came first is told");
    winner.renew(&[number(&taken["accepted"]["locks"][0]["token"])?], 60).await?.ok()?;
    Ok(())
}
