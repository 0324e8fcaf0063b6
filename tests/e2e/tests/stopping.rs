//! How a server ends: in good order when asked, and without losing anything when killed.

use e2e::http::Connection;
use e2e::keyring::key_of;
use e2e::logs::note;
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

const FILE: &str = "src/main.rs";
const SOON: Duration = Duration::from_secs(5);

on_both_stores! {
    a_stop_finishes_what_is_in_flight
    a_stop_answers_those_who_wait
    a_crash_loses_no_grant_and_tokens_go_on_rising
    a_stop_writes_down_the_refusals_that_were_folded
}

fn wait_for(key: &str) -> Value {
    json!({ "keys": [{ "key": key }], "ttl_seconds": 60, "wait_seconds": 60 })
}

async fn a_stop_finishes_what_is_in_flight(store: Store) -> Outcome {
    let mut server = store.serve().await?;
    let body = json!({ "keys": [{ "key": FILE }], "ttl_seconds": 60 }).to_string();
    let (first_half, second_half) = body.split_at(body.len() / 2);
    let mut request = Connection::open(&server.address()).await?;
    let head = format!(
        "POST /v1/locks/acquire HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{first_half}",
        key_of("alice"),
        body.len()
    );
    request.send(head).await?;
    // The server has read the head once it has answered a later request.
    server.agent("bob")?.get("/v1/me").await?.ok()?;
    server.terminate()?;
    poll::until("the server to accept nobody any more", SOON, async || {
        Ok(Connection::open(&server.address()).await.is_err().then_some(()))
    })
    .await?;
    request.send(second_half).await?;
    let answer = request.rest(SOON).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "the request in flight was answered: {answer}");
    let status = server.ended(Duration::from_secs(10)).await?;
    assert!(status.success(), "{status}");

    let server = store.serve().await?;
    assert_eq!(server.agent("bob")?.status(FILE).await?["holders"][0]["agent"], "alice", "and it was no lie");
    Ok(())
}

async fn a_stop_answers_those_who_wait(store: Store) -> Outcome {
    let mut server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let held = alice.take(FILE).await?;
    let mut waiting = JoinSet::new();
    let waiter = bob.clone();
    waiting.spawn(async move { waiter.acquire(&wait_for(FILE)).await });
    poll::until("Bob to stand in line", SOON, async || {
        let line = alice.status(FILE).await?["line"].take();
        Ok((line != json!([])).then_some(()))
    })
    .await?;
    let took = server.stop().await?;
    note(format_args!("stopped within {took:?}"));
    let reply = waiting.join_next().await.ok_or_else(|| Fault::new("nobody waits"))???;
    assert!(reply.header("retry-after").is_some());
    let refusal = reply.problem(503, "shutting-down")?;
    assert_eq!(refusal["retryable"], true);

    // The place in line is kept: the ticket is good at the next server.
    let server = store.serve().await?;
    server.agent("alice")?.release(&[held.token]).await?.ok()?;
    server.agent("olga")?.acquire(&json!({ "keys": [{ "key": FILE }] })).await?.problem(409, "lock-held")?;
    let mut wish = wait_for(FILE);
    wish["ticket"] = refusal["ticket"].clone();
    let grant = server.agent("bob")?.acquire(&wish).await?.grants()?.remove(0);
    assert!(grant.token > held.token);
    Ok(())
}

async fn a_crash_loses_no_grant_and_tokens_go_on_rising(store: Store) -> Outcome {
    let mut last = 0;
    let mut server = store.serve().await?;
    for round in 0..3 {
        let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
        let held = alice.take(&format!("kept/{round}")).await?;
        let given_back = bob.take(FILE).await?;
        assert!(given_back.token > last, "{} is not above {last}", given_back.token);
        last = given_back.token;
        bob.release(&[given_back.token]).await?.ok()?;
        server.kill().await?;
        server = server.launch().start().await?;
        let alice = server.agent("alice")?;
        for earlier in 0..=round {
            let holders = alice.status(&format!("kept/{earlier}")).await?["holders"].take();
            assert_eq!(holders.as_array().map(Vec::len), Some(1), "a grant outlives the crash: {holders}");
        }
        let renewed = alice.renew(&[held.token], 600).await?.grants()?.remove(0);
        assert_eq!(renewed.granted_at, held.granted_at);
        assert_eq!(alice.status(FILE).await?["holders"], json!([]), "a release outlives it too");
    }
    Ok(())
}

async fn a_stop_writes_down_the_refusals_that_were_folded(store: Store) -> Outcome {
    let mut server = store.serve().await?;
    server.agent("alice")?.take(FILE).await?;
    let bob = server.agent("bob")?;
    for _ in 0..25 {
        bob.acquire(&json!({ "keys": [{ "key": FILE }] })).await?.problem(409, "lock-held")?;
    }
    let refusals = [("agent", "bob"), ("outcome", "lock-held")];
    let lines = e2e::audit::entries(&server.agent("olga")?, &refusals).await?;
    assert_eq!(lines.len(), 10, "ten a minute are written one by one");
    server.stop().await?;
    let server = store.serve().await?;
    let lines = e2e::audit::entries(&server.agent("olga")?, &refusals).await?;
    let repeats: u64 = lines.iter().filter_map(|line| line["repeats"].as_u64()).sum();
    assert_eq!((lines.len(), repeats), (11, 25), "the others stand in one line that counts them");
    Ok(())
}
