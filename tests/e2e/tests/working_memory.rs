//! Working memory: what one session had in its head, its successor reads, and nobody else.

use e2e::audit::Watch;
use e2e::client::{Client, Reply};
use e2e::keyring::Keyring;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{Outcome, events, on_both_stores, poll};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(20);

on_both_stores! {
    what_one_session_keeps_its_successor_reads_and_nobody_else
    two_who_write_over_the_same_version_do_not_both_win
    over_the_budget_the_oldest_give_way_and_pinned_ones_stay
    an_entry_is_gone_at_its_end
    the_same_request_twice_is_one_change
    what_is_kept_outlives_its_session_and_the_server
    no_secret_gets_in
    rubbish_is_refused_and_changes_nothing
}

async fn serve(store: &Store) -> Outcome<Server> {
    store.launch()?.keys(&Keyring::usual().with("eve", "agent")).start().await
}

async fn put(by: &Client, key: &str, body: &Value) -> Outcome<Reply> {
    by.send(by.request(Method::PUT, &format!("/v1/working-memory/{key}")).json(body)).await
}

async fn keep(by: &Client, key: &str, value: &Value) -> Outcome<Value> {
    put(by, key, &json!({ "value": value })).await?.ok()
}

async fn read(by: &Client, session: Option<&str>) -> Outcome<Reply> {
    let request = by.request(Method::GET, "/v1/working-memory").query(&session.map(|session| [("session", session)]));
    by.send(request).await
}

fn keys(memory: &Value) -> Vec<&str> {
    memory["entries"].as_array().into_iter().flatten().filter_map(|entry| entry["key"].as_str()).collect()
}

/// About so many tokens on one thing.
fn story(about: &str, tokens: usize) -> Value {
    let sentence = format!("The {about} was looked at again. ");
    json!(sentence.repeat(tokens * 4 / sentence.len()))
}

async fn what_one_session_keeps_its_successor_reads_and_nobody_else(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let (alice, bob) = (server.agent("alice")?.session("alice-1"), server.agent("bob")?.session("bob-1"));
    let (eve, olga) = (server.agent("eve")?, server.agent("olga")?);
    for agent in [&alice, &bob] {
        agent.claim(&json!({})).await?.ok()?;
    }
    let mut log = Watch::new(olga.clone()).await?;
    let plan = json!({ "goal": "the zyzzyva lexer", "left": ["numbers", "strings"] });
    let written = keep(&alice, "plan", &plan).await?;
    assert_eq!((&written["version"], &written["working_memory"]["entries"]), (&json!(1), &json!(1)));
    keep(&alice, "hypothesis", &json!("the zyzzyva is in the cache")).await?;
    assert_eq!(log.told().await?, ["alice working_memory.write ok", "alice working_memory.write ok"]);

    let mine = read(&alice, None).await?.ok()?;
    assert_eq!(keys(&mine), ["plan", "hypothesis"]);
    assert_eq!(
        (&mine["session"], &mine["agent"], &mine["entries"][0]["value"]),
        (&json!("alice-1"), &json!("alice"), &plan)
    );
    let elsewhere = server.agent("alice")?.session("alice-2");
    assert_eq!(keys(&read(&elsewhere, None).await?.ok()?), Vec::<&str>::new(), "each session has its own");
    assert_eq!(read(&elsewhere, Some("alice-1")).await?.ok()?, mine, "and reads the others of its agent");
    assert_eq!(read(&olga, Some("alice-1")).await?.ok()?, mine, "orchestrators read all");
    for stranger in [&bob, &eve] {
        read(stranger, Some("alice-1")).await?.problem(403, "working-memory-not-yours")?;
        stranger.get("/v1/working-memory/plan?session=alice-1").await?.problem(403, "working-memory-not-yours")?;
    }
    read(&bob, Some("nobody-1")).await?.problem(404, "session-unknown")?;

    let offer = json!({ "summary": "go on with the lexer", "offer": { "to": "agent", "agent": "bob" } });
    let handoff = alice.post("/v1/handoffs", &offer).await?.body["handoff"]["id"].clone();
    read(&bob, Some("alice-1")).await?.problem(403, "working-memory-not-yours")?;
    let taken = format!("/v1/handoffs/{}/accept", handoff.as_str().unwrap_or_default());
    bob.post(&taken, &json!({})).await?.ok()?;
    assert_eq!(read(&bob, Some("alice-1")).await?.ok()?, mine, "the successor reads it");
    let entry = bob.get("/v1/working-memory/plan?session=alice-1").await?.ok()?;
    assert_eq!(entry["value"], plan);
    read(&eve, Some("alice-1")).await?.problem(403, "working-memory-not-yours")?;
    keep(&bob, "plan", &json!("my own")).await?;
    assert_eq!(read(&alice, None).await?.ok()?, mine, "and writes into its own alone");

    let facts = json!(events::all(&olga).await?).to_string();
    let lines = json!(e2e::audit::entries(&olga, &[]).await?).to_string();
    assert!(facts.contains("working_memory.written") && lines.contains("working_memory.write"));
    for told in [facts, lines] {
        assert!(!told.contains("zyzzyva"), "nobody is told what is kept");
    }
    Ok(())
}

async fn two_who_write_over_the_same_version_do_not_both_win(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let alice = server.agent("alice")?.session("alice-1");
    let mut log = Watch::new(server.agent("olga")?).await?;
    let first = keep(&alice, "plan", &json!(0)).await?;
    let version = first["version"].clone();
    log.told().await?;
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let (alice, version) = (alice.clone(), version.clone());
        let body = json!({ "value": writer, "if_version": version });
        writers.spawn(async move { put(&alice, "plan", &body).await });
    }
    let mut statuses = Vec::new();
    while let Some(reply) = writers.join_next().await {
        let reply = reply??;
        statuses.push(reply.status);
        if reply.status != 200 {
            let refused = reply.problem(409, "working-entry-changed")?;
            assert!(refused["detail"].as_str().unwrap_or_default().contains("has version 2"), "{refused}");
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    let told = log.told().await?;
    assert_eq!(told.iter().filter(|line| line.ends_with(" ok")).count(), 1, "{told:?}");
    assert_eq!(told.len(), 8, "{told:?}");
    put(&alice, "plan", &json!({ "value": 1, "if_version": 0 })).await?.problem(409, "working-entry-changed")?;
    put(&alice, "other", &json!({ "value": 1, "if_version": 0 })).await?.ok()?;
    let request = alice.request(Method::DELETE, "/v1/working-memory/plan?if_version=1");
    alice.send(request).await?.problem(409, "working-entry-changed")?;
    alice.delete("/v1/working-memory/plan?if_version=2").await?.ok()?;
    alice.delete("/v1/working-memory/plan").await?.problem(404, "working-entry-unknown")?;
    alice.get("/v1/working-memory/plan").await?.problem(404, "working-entry-unknown")?;
    Ok(())
}

async fn over_the_budget_the_oldest_give_way_and_pinned_ones_stay(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let alice = server.agent("alice")?.session("alice-1");
    let limited = alice.patch("/v1/working-memory", &json!({ "budget_tokens": 1000 })).await?.ok()?;
    assert_eq!((&limited["budget_tokens"], &limited["tokens"]), (&json!(1000), &json!(0)));
    put(&alice, "goal", &json!({ "value": story("goal", 100), "pinned": true })).await?.ok()?;
    for key in ["a", "b", "c"] {
        let written = keep(&alice, key, &story(key, 290)).await?;
        assert_eq!(written["working_memory"]["compacted"], json!([]), "{key}");
    }
    let written = keep(&alice, "d", &story("d", 290)).await?;
    let gone: Vec<&Value> =
        written["working_memory"]["compacted"].as_array().into_iter().flatten().map(|gone| &gone["key"]).collect();
    assert_eq!(gone, ["a", "b"], "it is told what gave way");
    let memory = read(&alice, None).await?.ok()?;
    assert_eq!(keys(&memory), ["~summary", "goal", "c", "d"]);
    assert!(memory["tokens"].as_u64().is_some_and(|tokens| tokens <= 1000), "{}", memory["tokens"]);
    let summary = alice.get("/v1/working-memory/~summary").await?.ok()?;
    assert_eq!(summary["value"]["compacted"], 2);
    assert_eq!(summary["value"]["lines"][0], json!({ "key": "a", "text": "The a was looked at again." }));
    alice.get("/v1/working-memory/a").await?.problem(404, "working-entry-unknown")?;

    let too_much = json!({ "value": story("x", 880), "pinned": true });
    put(&alice, "x", &too_much).await?.problem(409, "working-memory-full")?;
    alice.patch("/v1/working-memory", &json!({ "budget_tokens": 512 })).await?.ok()?;
    let memory = read(&alice, None).await?.ok()?;
    assert_eq!(keys(&memory), ["~summary", "goal", "d"]);
    put(&alice, "~summary", &json!({ "value": 1 })).await?.problem(422, "invalid-value")?;
    alice.delete("/v1/working-memory/~summary").await?.ok()?;
    Ok(())
}

async fn an_entry_is_gone_at_its_end(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let alice = server.agent("alice")?.session("alice-1");
    put(&alice, "brief", &json!({ "value": 1, "ttl_seconds": 1 })).await?.ok()?;
    let written = put(&alice, "long", &json!({ "value": 1, "ttl_seconds": 2_592_000 })).await?.ok()?;
    assert!(written["expires_at"].is_string());
    poll::until("the end of the entry", SOON, async || {
        let reply = alice.get("/v1/working-memory/brief").await?;
        Ok((reply.status == 404).then_some(()))
    })
    .await?;
    assert_eq!(keys(&read(&alice, None).await?.ok()?), ["long"]);
    put(&alice, "brief", &json!({ "value": 2, "if_version": 0 })).await?.ok()?;
    for ttl in [0, 2_592_001] {
        let body = json!({ "value": 1, "ttl_seconds": ttl });
        put(&alice, "brief", &body).await?.problem(422, "invalid-value")?;
    }
    Ok(())
}

async fn the_same_request_twice_is_one_change(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let alice = server.agent("alice")?.session("alice-1");
    let mut log = Watch::new(server.agent("olga")?).await?;
    let once = alice.once("write-1");
    keep(&alice, "other", &json!(1)).await?;
    log.told().await?;
    let value = json!("the quokka is asleep");
    let first = keep(&once, "plan", &value).await?;
    assert_eq!(keep(&once, "plan", &value).await?, first);
    assert_eq!(log.told().await?, ["alice working_memory.write ok"]);
    put(&once, "plan", &json!({ "value": "the quokka is awake" })).await?.problem(409, "idempotency-key-reused")?;
    let answers = store.texts("SELECT answer FROM idempotency_records").await?.join("\n");
    assert!(answers.contains("plan") && !answers.contains("quokka"), "{answers}");
    let lines = store.texts("SELECT coalesce(after, '') FROM audit_entries").await?.join("\n");
    assert!(!lines.contains("quokka"), "{lines}");
    Ok(())
}

async fn what_is_kept_outlives_its_session_and_the_server(store: Store) -> Outcome {
    let mut server = serve(&store).await?;
    let alice = server.agent("alice")?.session("alice-1");
    keep(&alice, "plan", &json!("go on")).await?;
    alice.post("/v1/sessions/end", &json!({})).await?.ok()?;
    put(&alice, "plan", &json!({ "value": 1 })).await?.problem(410, "session-ended")?;
    server.stop().await?;
    let server = serve(&store).await?;
    let next = server.agent("alice")?.session("alice-2");
    let left = read(&next, Some("alice-1")).await?.ok()?;
    assert_eq!((keys(&left), &left["entries"][0]["value"]), (vec!["plan"], &json!("go on")));
    Ok(())
}

async fn no_secret_gets_in(store: Store) -> Outcome {
    // Put together here, so that nobody who looks for secrets in this file finds one.
    let token = format!("ghp_{}", "x7Kq2ZpLw9Rt4VbN8sYc1MdF6hJg3QaE5uTk");
    let server = serve(&store).await?;
    let alice = server.agent("alice")?.session("alice-1");
    let body = json!({ "value": { "env": { "GH": token } } });
    let refused = put(&alice, "plan", &body).await?.problem(422, "secret-found")?;
    assert!(!refused.to_string().contains(&token), "{refused}");
    assert_eq!(refused["errors"][0]["field"], "value.env.GH");
    assert_eq!(keys(&read(&alice, None).await?.ok()?), Vec::<&str>::new());
    drop(server);
    let masking = store.launch()?.keys(&Keyring::usual()).set("MEMORY_SECRETS", "mask").start().await?;
    let alice = masking.agent("alice")?.session("alice-1");
    let written = put(&alice, "plan", &body).await?.ok()?;
    assert_eq!(written["masked"][0]["field"], "value.env.GH");
    let kept = alice.get("/v1/working-memory/plan").await?;
    assert!(!kept.text.contains(&token) && kept.text.contains("masked"), "{}", kept.text);
    Ok(())
}

async fn rubbish_is_refused_and_changes_nothing(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let alice = server.agent("alice")?.session("alice-1");
    keep(&alice, "plan", &json!(1)).await?;
    let mut log = Watch::new(server.agent("olga")?).await?;
    let large = json!({ "value": "x".repeat(65_535) });
    put(&alice, "plan", &large).await?.problem(422, "invalid-value")?;
    for body in [
        json!({}),
        json!({ "value": null }),
        json!({ "value": 1, "ttl_seconds": -1 }),
        json!({ "value": 1, "if_version": -1 }),
        json!({ "value": 1, "if_version": 1.5 }),
        json!({ "value": 1, "pinned": "yes" }),
        json!({ "value": 1, "other": 1 }),
        json!([]),
        json!("x"),
    ] {
        put(&alice, "plan", &body).await?.problem(422, "invalid-value")?;
    }
    let too_long = "k".repeat(129);
    for key in ["%00", "a%20b", "a%2Fb", "%F0%9F%94%91", "~other", "%E2%80%AE", too_long.as_str(), "%27%3B--"] {
        put(&alice, key, &json!({ "value": 1 })).await?.problem(422, "invalid-value")?;
        alice.get(&format!("/v1/working-memory/{key}")).await?.problem(422, "invalid-value")?;
        alice.delete(&format!("/v1/working-memory/{key}")).await?.problem(422, "invalid-value")?;
    }
    for budget in [json!(0), json!(511), json!(65_537), json!(-1), json!("x"), json!(1e9)] {
        alice.patch("/v1/working-memory", &json!({ "budget_tokens": budget })).await?.problem(422, "invalid-value")?;
    }
    alice.get("/v1/working-memory?session=a%20b").await?.problem(422, "invalid-value")?;
    assert_eq!(log.told().await?, Vec::<String>::new());
    let odd = json!({ "עברית": "\u{0}\u{202e}🔑'\"\\", "deep": [[[[{}]]]], "n": 1e300 });
    keep(&alice, "odd", &odd).await?;
    assert_eq!(alice.get("/v1/working-memory/odd").await?.ok()?["value"], odd, "whatever it says comes back");
    Ok(())
}
