//! Sessions: Alice and Bob register them, are heard from, fall silent and end them, on SQLite and on PostgreSQL.

use chrono::{DateTime, Utc};
use e2e::audit::{Watch, entries};
use e2e::client::Client;
use e2e::poll::until;
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

on_both_stores! {
    a_session_is_registered_listed_and_heard_from
    what_cannot_be_registered_is_refused_in_words
    an_ended_session_is_refused_in_every_call_here_and_elsewhere
    who_falls_silent_dies_in_time_and_who_only_reads_or_waits_lives_on
}

const SESSIONS: &str = "/v1/sessions";
const HEARTBEAT: &str = "/v1/sessions/heartbeat";
const END: &str = "/v1/sessions/end";

/// The shortest TTL.
const TTL: Duration = Duration::from_secs(30);

async fn names(reader: &Client, query: &str) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    let mut next = format!("{SESSIONS}?{query}");
    loop {
        let page = reader.get(&next).await?.ok()?;
        let sessions = page["sessions"].as_array().cloned().unwrap_or_default();
        found.extend(sessions.iter().filter_map(|session| session["session"].as_str().map(str::to_owned)));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{SESSIONS}?{query}&cursor={cursor}"),
            None => return Ok(found),
        }
    }
}

fn instant(value: &Value) -> Outcome<DateTime<Utc>> {
    Ok(serde_json::from_value(value.clone())?)
}

async fn a_session_is_registered_listed_and_heard_from(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let mut log = Watch::new(server.agent("olga")?).await?;
    let wish = json!({
        "session_id": "one", "ttl_seconds": 60, "capabilities": ["rust", "gpu", "rust"], "environment": "laptop",
    });
    let one = alice.post(SESSIONS, &wish).await?.ok()?;
    assert_eq!((&one["session"], &one["agent"], &one["agent_type"]), (&json!("one"), &json!("alice"), &json!("test")));
    assert_eq!((&one["live"], &one["is_default"], &one["ttl_seconds"]), (&json!(true), &json!(false), &json!(60)));
    assert_eq!((&one["capabilities"], &one["environment"]), (&json!(["gpu", "rust"]), &json!("laptop")));
    let lives_for = instant(&one["live_until"])? - instant(&one["started_at"])?;
    assert_eq!((lives_for.num_seconds(), &one["live_for_ms"]), (60, &json!(60_000)));
    assert_eq!(log.told().await?, ["alice session.start ok"]);

    assert_eq!(alice.post(SESSIONS, &wish).await?.ok()?["started_at"], one["started_at"]);
    alice.session("one").post(HEARTBEAT, &json!({})).await?.ok()?;
    alice.session("one").get("/v1/locks").await?.ok()?;
    assert_eq!(log.told().await?, [""; 0], "the same again and signs of life leave no lines");

    let again = alice.session("one").post(SESSIONS, &json!({ "capabilities": [] })).await?.ok()?;
    assert_eq!((&again["ttl_seconds"], &again["capabilities"]), (&json!(900), &json!([])));
    assert_eq!((&again["environment"], &again["started_at"]), (&Value::Null, &one["started_at"]));
    assert_eq!(log.told().await?, ["alice session.register ok"]);

    let made = alice.once("made").post(SESSIONS, &json!({})).await?.ok()?;
    assert_eq!(alice.once("made").post(SESSIONS, &json!({})).await?.ok()?, made, "a retry makes no second one");
    let made = made["session"].as_str().unwrap_or_default().to_owned();
    assert_eq!(log.told().await?, ["alice session.start ok"]);
    let grant = alice.session(&made).take("a").await?;
    assert_eq!(grant.session, made);
    bob.session("three").take("b").await?;
    assert_eq!(log.told().await?.len(), 3, "the session that was made is used as it is, Bob's starts with its first call");

    let mut all = vec!["one".to_owned(), made.clone(), "three".to_owned()];
    all.sort();
    assert_eq!(names(&bob, "").await?, all);
    assert_eq!(names(&bob, "limit=1").await?, all);
    assert_eq!(names(&bob, "agent=bob").await?, ["three"]);
    alice.session(&made).post(END, &json!({})).await?.ok()?;
    assert_eq!(names(&bob, "agent=alice&live=true").await?, ["one"]);
    assert_eq!(names(&bob, "live=false&limit=1").await?, [made]);
    Ok(())
}

async fn what_cannot_be_registered_is_refused_in_words(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let mut log = Watch::new(server.agent("olga")?).await?;
    let many: Vec<String> = (0..33).map(|number| format!("c{number}")).collect();
    for (field, wish) in [
        ("ttl_seconds", json!({ "ttl_seconds": 29 })),
        ("ttl_seconds", json!({ "ttl_seconds": 86_401 })),
        ("session_id", json!({ "session_id": "" })),
        ("session_id", json!({ "session_id": "two words" })),
        ("session_id", json!({ "session_id": "x".repeat(129) })),
        ("capabilities", json!({ "capabilities": many })),
        ("capabilities", json!({ "capabilities": ["two words"] })),
        ("environment", json!({ "environment": "two words" })),
        ("agent", json!({ "agent": "bob" })),
    ] {
        let problem = alice.post(SESSIONS, &wish).await?.problem(422, "invalid-value")?;
        assert!(problem["errors"].to_string().contains(field), "{wish}: {problem}");
    }
    alice.session("one").post(SESSIONS, &json!({ "session_id": "two" })).await?.problem(422, "invalid-value")?;
    alice.session("one").post(HEARTBEAT, &json!({})).await?.problem(404, "session-unknown")?;
    assert_eq!(log.told().await?, [""; 0]);
    assert_eq!(names(&alice, "").await?, [""; 0]);

    alice.post(SESSIONS, &json!({ "session_id": "one" })).await?.ok()?;
    bob.post(SESSIONS, &json!({ "session_id": "one" })).await?.problem(403, "session-not-yours")?;
    bob.session("one").post(HEARTBEAT, &json!({})).await?.problem(403, "session-not-yours")?;
    bob.session("one").get("/v1/locks").await?.problem(403, "session-not-yours")?;
    let told = ["alice session.start ok", "bob session.heartbeat session-not-yours", "bob session.register session-not-yours"];
    assert_eq!(log.told().await?, told);
    server.stranger()?.post(SESSIONS, &json!({})).await?.problem(401, "unauthenticated")?;
    Ok(())
}

async fn an_ended_session_is_refused_in_every_call_here_and_elsewhere(store: Store) -> Outcome {
    let (here, there) = (store.serve().await?, store.serve().await?);
    let (alice, bob) = (here.agent("alice")?.session("one"), here.agent("bob")?);
    let elsewhere = alice.at(&there.url());
    let held = alice.take("a").await?;
    elsewhere.get("/v1/me").await?.ok()?;
    alice.get("/v1/me").await?.ok()?;
    let ended = alice.once("end").post(END, &json!({})).await?.ok()?;
    assert_eq!((&ended["session"], &ended["released"][0]["token"]), (&json!("one"), &json!(held.token)));
    assert!(bob.take("a").await?.token > held.token);

    let mut log = Watch::new(here.agent("olga")?).await?;
    for path in ["/v1/me", "/v1/locks", "/v1/locks/status?key=a", "/v1/audit", SESSIONS] {
        alice.get(path).await?.problem(410, "session-ended")?;
    }
    let check = json!({ "keys": [{ "key": "a" }] });
    alice.post("/v1/locks/check", &check).await?.problem(410, "session-ended")?;
    assert_eq!(log.told().await?, [""; 0], "reads leave no lines, refused or not");
    alice.acquire(&check).await?.problem(410, "session-ended")?;
    alice.renew(&[held.token], 60).await?.problem(410, "session-ended")?;
    alice.post(HEARTBEAT, &json!({})).await?.problem(410, "session-ended")?;
    alice.post(SESSIONS, &json!({})).await?.problem(410, "session-ended")?;
    alice.post(END, &json!({})).await?.problem(410, "session-ended")?;
    let refused = ["lock.acquire", "lock.renew", "session.end", "session.heartbeat", "session.register"];
    assert_eq!(log.told().await?, refused.map(|operation| format!("alice {operation} session-ended")));
    assert_eq!(alice.once("end").post(END, &json!({})).await?.ok()?, ended, "what was answered stays so");

    until("another server knows of the end", Duration::from_secs(2), async || {
        let reply = elsewhere.get("/v1/me").await?;
        Ok((reply.status == 410).then_some(()))
    })
    .await?;
    here.agent("alice")?.get("/v1/me").await?.ok()?;
    Ok(())
}

/// Takes half a minute: no session may die sooner.
async fn who_falls_silent_dies_in_time_and_who_only_reads_or_waits_lives_on(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let (silent, reader) = (alice.session("silent"), alice.session("reader"));
    let patient = bob.session("patient");
    let began = Instant::now();
    for session in [&silent, &reader, &patient] {
        session.post(SESSIONS, &json!({ "ttl_seconds": TTL.as_secs() })).await?.ok()?;
    }
    silent.take("a").await?;
    silent.take("b").await?;
    reader.take("c").await?;
    let wish = json!({ "keys": [{ "key": "c" }], "wait_seconds": 60 });
    let waiting = patient.acquire(&wish);
    let story = async {
        let mut signs = BTreeSet::new();
        let told = loop {
            reader.get("/v1/locks").await?.ok()?;
            let page = olga.get(&format!("{SESSIONS}?agent=alice")).await?.ok()?;
            let sessions = page["sessions"].as_array().cloned().unwrap_or_default();
            let seen = sessions.iter().find(|one| one["session"] == "reader").map(|one| one["last_seen_at"].to_string());
            signs.extend(seen);
            let told = entries(&olga, &[("operation", "session.die")]).await?;
            if !told.is_empty() {
                break told;
            }
            if began.elapsed() > TTL + Duration::from_secs(10) {
                return Err(Fault::new("nobody died"));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        };
        assert!(began.elapsed() >= TTL, "died after {:?}", began.elapsed());
        assert!((8..=12).contains(&signs.len()), "ten signs of life per TTL are written: {signs:?}");
        assert_eq!((told.len(), &told[0]["target"], &told[0]["agent"]), (1, &json!("silent"), &json!("pointsman")));
        let late = instant(&told[0]["at"])? - instant(&told[0]["after"]["ended_at"])?;
        assert!(late.num_milliseconds() < 2_000, "noticed {late} after the deadline");
        let freed = entries(&olga, &[("operation", "lock.session_end")]).await?;
        let mut keys: Vec<&str> = freed.iter().filter_map(|line| line["target"].as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["a", "b"], "each with a line of its own, and nothing of the other session's");
        assert_eq!(names(&olga, "live=false").await?, ["silent"]);
        bob.take("a").await?;
        silent.get("/v1/locks").await?.problem(410, "session-ended")?;
        silent.take("z").await.err().ok_or_else(|| Fault::new("the dead have taken a lock"))?;
        tokio::time::sleep((TTL + Duration::from_secs(3)).saturating_sub(began.elapsed())).await;
        let held = olga.status("c").await?;
        assert_eq!(held["holders"][0]["session"], "reader", "{held}");
        reader.post("/v1/locks/release-all", &json!({})).await?.ok()?;
        Ok(())
    };
    let (granted, told) = tokio::join!(waiting, story);
    told?;
    let granted = granted?.grants()?.remove(0);
    assert_eq!((granted.key.as_str(), granted.session.as_str()), ("c", "patient"));
    assert!(began.elapsed() > TTL, "it waited for longer than its TTL");
    patient.get("/v1/me").await?.ok()?;
    Ok(())
}
