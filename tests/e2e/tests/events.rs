//! Following what happens, on one server and across two.

use e2e::client::Client;
use e2e::events::{EVENTS, Event, Stream, all, ask, positions};
use e2e::keyring::{Keyring, key_of};
use e2e::logs::note;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(10);

on_both_stores! {
    two_follow_what_each_other_does
    who_asks_gets_what_who_streams_gets
    a_follower_wants_what_it_says
    a_crash_loses_and_doubles_nothing
    a_stop_ends_streams_and_waits_in_good_order
    what_was_forgotten_is_told
    a_position_that_is_none_is_refused
    a_key_that_is_revoked_follows_no_longer
    an_open_stream_is_a_sign_of_life
    an_archived_project_is_still_to_be_followed
    who_does_not_read_holds_nobody_up_and_misses_nothing
}

/// Two servers where the store is one for several, else the same one twice.
async fn servers(store: &Store) -> Outcome<(Server, Option<Server>)> {
    let one = store.serve().await?;
    let other = match store.database() {
        Some(_) => Some(store.serve().await?),
        None => None,
    };
    Ok((one, other))
}

async fn two_follow_what_each_other_does(store: Store) -> Outcome {
    let (one, other) = servers(&store).await?;
    let other = other.as_ref().unwrap_or(&one);
    let (alice, bob) = (one.agent("alice")?, other.agent("bob")?);
    let (mut to_alice, mut to_bob) = (Stream::open(&alice, "").await?, Stream::open(&bob, "").await?);
    let held = alice.take("src/a.rs").await?;
    bob.take("src/b.rs").await?;
    alice.release(&[held.token]).await?.ok()?;
    let seen_by_bob = to_bob.until("lock.released", "src/a.rs", SOON).await?;
    let seen_by_alice = to_alice.until("lock.released", "src/a.rs", SOON).await?;
    assert_eq!(seen_by_alice, seen_by_bob);
    let about = |kind: &str, subject: &str| {
        let fits = |event: &&Value| event["kind"] == kind && event["subject"] == subject;
        seen_by_bob.iter().find(fits).map(|event| event["agent"].clone()).unwrap_or_default()
    };
    assert_eq!(about("lock.acquired", "src/a.rs"), "alice");
    assert_eq!(about("lock.acquired", "src/b.rs"), "bob");
    let stream = alice.request(reqwest::Method::GET, EVENTS).header("accept", "text/event-stream").send().await?;
    assert_eq!(stream.headers()["cache-control"], "no-store");
    Ok(())
}

async fn who_asks_gets_what_who_streams_gets(store: Store) -> Outcome {
    let (one, other) = servers(&store).await?;
    let other = other.as_ref().unwrap_or(&one);
    let (alice, bob) = (one.agent("alice")?, other.agent("bob")?);
    let mut streamed = Stream::open(&bob, "?from=start").await?;
    let empty = ask(&bob, "").await?.ok()?;
    assert_eq!((&empty["events"], empty.get("gap")), (&json!([]), None));
    let after = empty["next_after"].as_str().unwrap_or_default().to_owned();
    // It waits, and is woken by what happens on the other server.
    let mut waiting = JoinSet::new();
    let (asking, query) = (bob.clone(), format!("?after={after}&wait_seconds=20&context=lock"));
    waiting.spawn(async move { ask(&asking, &query).await });
    alice.take("a").await?;
    let page = waiting.join_next().await.ok_or_else(|| Fault::new("nobody waited"))???.ok()?;
    assert_eq!((&page["events"][0]["kind"], &page["events"][0]["subject"]), (&json!("lock.acquired"), &json!("a")));
    for key in ["b", "c", "d"] {
        alice.take(key).await?;
    }
    let seen = streamed.until("lock.acquired", "d", SOON).await?;
    let asked = poll::until("all to be there", SOON, async || {
        let asked = all(&bob).await?;
        Ok((asked.len() >= seen.len()).then_some(asked))
    });
    assert_eq!(asked.await?, seen, "the same in the same order");
    let two = ask(&bob, "?from=start&limit=2").await?.ok()?;
    assert_eq!(two["next_after"], seen[1]["position"]);
    let began = Instant::now();
    let none = ask(&bob, &format!("?after={}&wait_seconds=1", streamed.last_id)).await?.ok()?;
    assert_eq!((&none["events"], &none["next_after"]), (&json!([]), &json!(streamed.last_id)));
    assert!(began.elapsed() >= Duration::from_secs(1), "it waited");
    Ok(())
}

async fn a_follower_wants_what_it_says(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let mut locks = Stream::open(&alice, "?context=lock&agent=bob").await?;
    let mut one_key = Stream::open(&alice, "?kind=lock.acquired&kind=lock.released&subject=b").await?;
    for key in ["a", "b", "c"] {
        for agent in [&alice, &bob] {
            let held = agent.take(key).await?;
            agent.release(&[held.token]).await?.ok()?;
        }
    }
    let of_bob = locks.until("lock.released", "c", SOON).await?;
    assert!(of_bob.iter().all(|event| event["agent"] == "bob"), "{of_bob:?}");
    assert_eq!(of_bob.len(), 6, "no session, nobody else");
    for agent in ["alice", "bob"] {
        for kind in ["lock.acquired", "lock.released"] {
            let event = one_key.event(SOON).await?;
            assert_eq!(
                (&event["agent"], &event["kind"], &event["subject"]),
                (&json!(agent), &json!(kind), &json!("b"))
            );
        }
    }
    let page = ask(&alice, "?from=start&agent=bob&context=session").await?.ok()?;
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1));
    ask(&alice, "?agent=no+agent").await?.problem(422, "invalid-value")?;
    ask(&alice, &format!("?kind={}", "k".repeat(65))).await?.problem(422, "invalid-value")?;
    Ok(())
}

/// Takes and gives back locks until it is told to stop; what it did not get an answer to may have happened or not.
async fn make_noise(client: Client, keys: usize) {
    for key in 0..keys {
        if let Ok(grant) = client.take(&format!("noise-{key}")).await {
            let _ = client.release(&[grant.token]).await;
        }
    }
}

async fn a_crash_loses_and_doubles_nothing(store: Store) -> Outcome {
    let (mut one, other) = servers(&store).await?;
    let mut stream = Stream::open(&one.agent("alice")?, "").await?;
    let from = stream.last_id.clone();
    let mut noise = JoinSet::new();
    noise.spawn(make_noise(one.agent("bob")?, 60));
    noise.spawn(make_noise(other.as_ref().unwrap_or(&one).agent("olga")?, 60));
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(stream.event(SOON).await?);
    }
    one.kill().await?;
    // What was sent before the crash still counts.
    while let Some(event) = stream.next(SOON).await? {
        seen.push(event.data);
    }
    let revived = match &other {
        Some(_) => None,
        None => Some(one.launch().start().await?),
    };
    let Some(now) = other.as_ref().or(revived.as_ref()) else { return Err(Fault::new("no server")) };
    let mut stream = stream.again(&now.agent("alice")?, "").await?;
    while noise.join_next().await.is_some() {}
    make_noise(now.agent("ada")?, 5).await;
    now.agent("ada")?.take("the-end").await?;
    seen.extend(stream.until("lock.acquired", "the-end", SOON).await?);
    let mut everything = all(&now.agent("alice")?).await?;
    let begin = everything.iter().position(|event| event["position"] == seen[0]["position"]);
    let everything = everything.split_off(begin.ok_or_else(|| Fault::new("what was seen first is not there"))?);
    assert_eq!(positions(&seen), positions(&everything), "from {from} on");
    Ok(())
}

async fn a_stop_ends_streams_and_waits_in_good_order(store: Store) -> Outcome {
    let mut server = store.serve().await?;
    let alice = server.agent("alice")?;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(Stream::open(&alice, "").await?);
    }
    let mut waiting = JoinSet::new();
    let asking = alice.clone();
    waiting.spawn(async move { ask(&asking, "?wait_seconds=60").await });
    // The server has read the question once it has answered a later one.
    alice.get("/v1/me").await?.ok()?;
    let took = server.stop().await?;
    note(format_args!("stopped within {took:?} with streams open"));
    assert!(took < Duration::from_secs(3), "streams held the stop up for {took:?}");
    for stream in &mut streams {
        let end = Event { kind: "end".to_owned(), data: json!({ "reason": "shutting-down" }) };
        assert_eq!(stream.next(SOON).await?, Some(end));
        assert_eq!(stream.next(SOON).await?, None);
    }
    let answer = waiting.join_next().await.ok_or_else(|| Fault::new("nobody waited"))???.ok()?;
    assert_eq!(answer["events"], json!([]));
    Ok(())
}

async fn what_was_forgotten_is_told(store: Store) -> Outcome {
    let server = store.serve().await?;
    let alice = server.agent("alice")?;
    for key in ["a", "b", "c", "d"] {
        alice.take(key).await?;
    }
    let events = poll::until("all to be there", SOON, async || {
        let events = all(&alice).await?;
        Ok((events.iter().any(|event| event["subject"] == "d")).then_some(events))
    })
    .await?;
    let place = |at: usize| events[at]["position"].as_str().unwrap_or_default().to_owned();
    let number = |at: usize| place(at).split('-').map(str::to_owned).collect::<Vec<_>>();
    // As the server itself forgets, but sooner.
    let gone = number(1);
    store.change(&format!("DELETE FROM facts WHERE seq <= {}", gone[1])).await?;
    let mark = format!("INSERT INTO facts_forgotten VALUES ('default', {}, {})", gone[0], gone[1]);
    store.change(&mark).await?;

    let mut late = Stream::open(&alice, &format!("?after={}", place(0))).await?;
    let gap = json!({ "after": place(0), "goes_on_after": place(1), "cause": "forgotten" });
    assert_eq!(late.next(SOON).await?, Some(Event { kind: "gap".to_owned(), data: gap.clone() }));
    assert_eq!(late.last_id, place(1), "who loses the stream here is not told again");
    assert_eq!(late.event(SOON).await?, events[2]);
    let page = ask(&alice, &format!("?after={}", place(0))).await?.ok()?;
    assert_eq!((&page["gap"], &page["events"][0]), (&gap, &events[2]));

    let mut in_time = Stream::open(&alice, &format!("?after={}", place(1))).await?;
    assert_eq!(in_time.event(SOON).await?, events[2]);
    let page = ask(&alice, &format!("?after={}", place(1))).await?.ok()?;
    assert_eq!((page.get("gap"), &page["events"][0]), (None, &events[2]));

    let foreign = ask(&alice, "?after=9223372036854775807-1").await?.ok()?;
    assert_eq!((&foreign["gap"]["cause"], &foreign["events"][0]), (&json!("other_history"), &events[2]));
    Ok(())
}

async fn a_position_that_is_none_is_refused(store: Store) -> Outcome {
    let server = store.serve().await?;
    let alice = server.agent("alice")?;
    for text in ["x", "1", "1-", "-1-2", "1-2-3", "01-2", "1-9223372036854775808", "%00", "1-2%0a", &"9".repeat(40)] {
        ask(&alice, &format!("?after={text}")).await?.problem(422, "invalid-value")?;
    }
    for text in ["x", "1", "99999999999999999999-1", "1 - 2", "null"] {
        let garbage = alice.header("last-event-id", text);
        let problem = ask(&garbage, "").await?.problem(422, "invalid-value")?;
        assert_eq!(problem["errors"][0]["field"], "Last-Event-ID", "{problem}");
        let streaming = garbage.header("accept", "text/event-stream");
        ask(&streaming, "").await?.problem(422, "invalid-value")?;
    }
    for query in ["?from=yesterday", "?limit=0", "?limit=501", "?wait_seconds=61", "?wait_seconds=-1"] {
        ask(&alice, query).await?.problem(422, "invalid-value")?;
    }
    // What a browser sends that has seen nothing yet, and the header goes before the address.
    ask(&alice.header("last-event-id", ""), "").await?.ok()?;
    ask(&alice.header("last-event-id", "0-0"), "?after=nothing").await?.ok()?;
    ask(&server.stranger()?, "").await?.problem(401, "unauthenticated")?;
    ask(&alice.header("x-project", "moon"), "").await?.problem(403, "not-your-project")?;
    Ok(())
}

async fn a_key_that_is_revoked_follows_no_longer(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (ada, bob) = (server.agent("ada")?, server.agent("bob")?);
    let made = ada.post("/v1/keys", &json!({ "agent": "carol", "agent_type": "ci" })).await?;
    assert_eq!(made.status, 201, "{}", made.text);
    let carol = server.stranger()?.key(made.body["secret"].as_str().unwrap_or_default());
    let mut stream = Stream::open(&carol, "?context=lock").await?;
    bob.take("a").await?;
    assert_eq!(stream.event(SOON).await?["subject"], "a");
    let id = made.body["key"]["id"].as_str().unwrap_or_default();
    ada.post(&format!("/v1/keys/{id}/revoke"), &json!({})).await?.ok()?;
    let end = stream.next(SOON).await?;
    assert_eq!(end, Some(Event { kind: "end".to_owned(), data: json!({ "reason": "unauthenticated" }) }));
    bob.take("b").await?;
    assert_eq!(stream.next(SOON).await?, None);
    Ok(())
}

async fn an_open_stream_is_a_sign_of_life(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, olga) = (server.agent("alice")?.session("reader"), server.agent("olga")?);
    alice.post("/v1/sessions", &json!({ "ttl_seconds": 30 })).await?.ok()?;
    let stream = Stream::open(&alice, "").await?;
    let opened = Instant::now();
    let seen = async || {
        let sessions = olga.get("/v1/sessions?agent=alice").await?.ok()?;
        let seen = sessions["sessions"][0]["last_seen_at"].as_str().unwrap_or_default();
        Ok::<_, Fault>(chrono::DateTime::parse_from_rfc3339(seen)?)
    };
    let first = seen().await?;
    let later = first + chrono::TimeDelta::seconds(4);
    poll::until("the stream to count as a sign of life", Duration::from_secs(20), async || {
        Ok((seen().await? > later).then_some(()))
    })
    .await?;
    note(format_args!("a stream alone was a sign of life after {:?}", opened.elapsed()));
    drop(stream);
    let mut stream = Stream::open(&alice, "?context=lock").await?;
    alice.post("/v1/sessions/end", &json!({})).await?.ok()?;
    let end = stream.next(SOON).await?;
    assert_eq!(end, Some(Event { kind: "end".to_owned(), data: json!({ "reason": "session-ended" }) }));
    ask(&alice, "").await?.problem(410, "session-ended")?;
    Ok(())
}

async fn an_archived_project_is_still_to_be_followed(store: Store) -> Outcome {
    let server = store.launch()?.start().await?;
    let admin = server.stranger()?.key(store.first_key()?);
    assert_eq!(admin.post("/v1/projects", &json!({ "id": "moon" })).await?.status, 201);
    let there = admin.header("x-project", "moon");
    there.take("a").await?;
    let mut open = Stream::open(&there, "").await?;
    admin.post("/v1/projects/moon/archive", &json!({})).await?.ok()?;
    let mut after = Stream::open(&there, "?from=start&kind=lock.acquired").await?;
    assert_eq!(after.event(SOON).await?["subject"], "a");
    assert!(open.read(Duration::from_secs(20)).await?, "and what was open stays open");
    ask(&admin.header("x-project", "sun"), "").await?.problem(404, "project-unknown")?;
    Ok(())
}

async fn who_does_not_read_holds_nobody_up_and_misses_nothing(store: Store) -> Outcome {
    const TASKS: usize = 30;
    const ROUNDS: usize = 40;
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let (mut slow, mut quick) =
        (Stream::open(&alice, "?context=task").await?, Stream::open(&bob, "?context=task").await?);
    let labels: Vec<String> = (0..16).map(|number| format!("{number}-{}", "x".repeat(60))).collect();
    let mut slowest = Duration::ZERO;
    let mut quickly = Vec::new();
    for _ in 0..ROUNDS {
        let task = json!({ "type": "t", "title": "long ".repeat(30), "labels": labels });
        let began = Instant::now();
        alice.post("/v1/tasks", &json!({ "tasks": vec![task; TASKS] })).await?.ok()?;
        for _ in 0..TASKS {
            quickly.push(quick.event(SOON).await?);
        }
        slowest = slowest.max(began.elapsed());
    }
    note(format_args!("handed in and followed within {slowest:?} beside somebody who does not read"));
    let mut slowly = Vec::new();
    while slowly.len() < quickly.len() {
        slowly.push(slow.event(SOON).await?);
    }
    assert_eq!(positions(&slowly), positions(&quickly));
    Ok(())
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive() -> Outcome {
    let store = Store::sqlite()?;
    let server = store.serve().await?;
    let mut stream = Stream::open(&server.agent("alice")?, "?context=nothing").await?;
    let from = stream.last_id.clone();
    server.agent("bob")?.take("a").await?;
    stream.read(Duration::from_secs(20)).await?;
    assert_eq!(stream.comments, 1);
    assert_ne!(stream.last_id, from, "what was passed over is not passed over again");
    Ok(())
}

#[tokio::test]
async fn an_agent_has_a_limit_and_others_are_not_touched() -> Outcome {
    let store = Store::sqlite()?;
    let server = store.launch()?.keys(&Keyring::usual()).start().await?;
    let alice = server.agent("alice")?;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(Stream::open(&alice, "").await?);
    }
    let refusal = ask(&alice, "").await?;
    assert_eq!(refusal.header("retry-after"), Some("5"));
    refusal.problem(429, "too-many-followers")?;
    Stream::open(&server.stranger()?.key(key_of("bob")), "").await?;
    streams.pop();
    poll::until("the place to be free again", SOON, async || Ok((ask(&alice, "").await?.status == 200).then_some(())))
        .await
}
