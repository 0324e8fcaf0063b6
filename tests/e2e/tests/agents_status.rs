//! How agents are: told by what there is to see of them at that moment, counted, and added up over time, on SQLite and on
//! PostgreSQL.

use chrono::{DateTime, Utc};
use e2e::agents::{AGENTS, agent, names, pages};
use e2e::client::Client;
use e2e::keyring::Keyring;
use e2e::poll::until;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

on_both_stores! {
    a_status_follows_what_the_agent_does
    who_falls_silent_is_unreachable_and_then_dead
    agents_are_counted_where_they_run
    uptime_is_the_time_with_a_session_and_leaves_the_gaps_out
    hundreds_are_paged_by_status_without_losing_any
}

const SESSIONS: &str = "/v1/sessions";
const SOON: Duration = Duration::from_secs(5);

/// Status, and the kinds of what it is based on.
async fn status(reader: &Client, name: &str) -> Outcome<(String, Vec<String>)> {
    let agent = agent(reader, name).await?;
    let grounds = agent["based_on"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok((text(&agent["status"]), grounds.iter().map(|ground| text(&ground["kind"])).collect()))
}

fn is(status: &str, grounds: &[&str]) -> (String, Vec<String>) {
    (status.to_owned(), grounds.iter().map(|ground| (*ground).to_owned()).collect())
}

fn instant(value: &Value) -> Outcome<DateTime<Utc>> {
    Ok(serde_json::from_value(value.clone())?)
}

async fn a_status_follows_what_the_agent_does(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) =
        (server.agent("alice")?.session("a1"), server.agent("bob")?.session("b1"), server.agent("olga")?);
    alice.post(AGENTS, &json!({ "environment": "pc" })).await?.ok()?;
    bob.post(AGENTS, &json!({ "environment": "ci" })).await?.ok()?;
    assert_eq!(status(&olga, "alice").await?, is("idle", &["session_live"]));

    let held = alice.take("a").await?;
    assert_eq!(status(&olga, "alice").await?, is("working", &["lock", "session_live"]));
    let seen = agent(&olga, "alice").await?;
    assert_eq!((&seen["based_on"][0]["session"], &seen["based_on"][0]["count"]), (&json!("a1"), &json!(1)));
    assert_eq!(instant(&seen["based_on"][0]["at"])?, held.granted_at);
    assert_eq!((&seen["sessions"][0]["locks"], &seen["sessions"][0]["tasks"]), (&json!(1), &json!(0)));
    assert_eq!(seen["last_seen_at"], seen["sessions"][0]["last_seen_at"]);

    let mut waiting = JoinSet::new();
    let waiter = bob.clone();
    waiting.spawn(async move { waiter.acquire(&json!({ "keys": [{ "key": "a" }], "wait_seconds": 30 })).await });
    until("bob stands in line", SOON, async || {
        Ok((status(&olga, "bob").await? == is("waiting", &["line", "session_live"])).then_some(()))
    })
    .await?;
    assert_eq!(names(&olga, "status=waiting").await?, ["bob"]);
    assert_eq!(names(&olga, "status=working").await?, ["alice"]);
    alice.release(&[held.token]).await?.ok()?;
    let granted = waiting.join_next().await.ok_or_else(|| Fault::new("nobody waited"))???.grants()?;
    assert_eq!(status(&olga, "bob").await?, is("working", &["lock", "session_live"]));
    assert_eq!(status(&olga, "alice").await?, is("idle", &["session_live"]));
    bob.release(&[granted[0].token]).await?.ok()?;

    olga.submit_one(&task("mend it", &json!({}))).await?;
    let claimed = alice.claim_one().await?;
    assert_eq!(status(&olga, "alice").await?, is("working", &["task", "session_live"]));
    alice.complete(&claimed).await?;
    assert_eq!(status(&olga, "alice").await?, is("idle", &["session_live"]));

    olga.submit_one(&task("mend it again", &json!({}))).await?;
    alice.claim_one().await?;
    let ended = alice.post("/v1/sessions/end", &json!({})).await?.ok()?;
    assert_eq!(status(&olga, "alice").await?, is("dead", &["session_ended"]), "with work in its hands");
    let dead = agent(&olga, "alice").await?;
    assert_eq!((&dead["based_on"][0]["at"], &dead["based_on"][0]["session"]), (&ended["ended_at"], &json!("a1")));
    alice.session("a2").post(AGENTS, &json!({})).await?.ok()?;
    assert_eq!(status(&olga, "alice").await?, is("idle", &["session_live"]), "it came back");
    assert_eq!(agent(&olga, "alice").await?["sessions"].as_array().map(Vec::len), Some(2));
    Ok(())
}

/// Takes half a minute: no session may die sooner.
async fn who_falls_silent_is_unreachable_and_then_dead(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, olga) = (server.agent("alice")?.session("a1"), server.agent("olga")?);
    alice.post(SESSIONS, &json!({ "ttl_seconds": 30 })).await?.ok()?;
    let held = alice.take("a").await?;
    let mut told: Vec<(String, DateTime<Utc>)> = Vec::new();
    let began = Instant::now();
    while told.last().is_none_or(|(last, _)| last != "dead") {
        if began.elapsed() > Duration::from_secs(45) {
            return Err(Fault::new(format!("alice is not dead yet: {told:?}")));
        }
        let status = agent(&olga, "alice").await?["status"].as_str().unwrap_or_default().to_owned();
        if told.last().is_none_or(|(last, _)| *last != status) {
            let now = olga.get(&format!("{AGENTS}/alice/uptime?window_seconds=60")).await?.ok()?["to"].take();
            told.push((status, instant(&now)?));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let course: Vec<&str> = told.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(course, ["working", "unreachable", "dead"]);
    let after = |at: usize| (told[at].1 - held.granted_at).as_seconds_f64();
    assert!((14.0..18.0).contains(&after(1)), "half a TTL: {}", after(1));
    assert!((29.0..33.0).contains(&after(2)), "a TTL: {}", after(2));
    Ok(())
}

async fn agents_are_counted_where_they_run(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let ada = server.agent("ada")?;
    assert_eq!(ada.get(&format!("{AGENTS}/counts")).await?.ok()?, json!({ "counts": [], "complete": true }));
    alice.post(AGENTS, &json!({ "environment": "ci" })).await?.ok()?;
    bob.post(AGENTS, &json!({ "environment": "ci" })).await?.ok()?;
    olga.post(AGENTS, &json!({ "environment": "pc" })).await?.ok()?;
    ada.post(AGENTS, &json!({ "environment": "ci" })).await?.ok()?;
    alice.take("a").await?;
    let counts = ada.get(&format!("{AGENTS}/counts")).await?.ok()?;
    let told = |counts: &Value| -> Vec<String> {
        let rows = counts["counts"].as_array().cloned().unwrap_or_default();
        let word = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        rows.iter()
            .map(|row| format!("{} {} {}", word(row, "environment"), word(row, "status"), row["agents"]))
            .collect()
    };
    assert_eq!(told(&counts), ["pc idle 1", "ci working 1", "ci idle 2"]);
    let (bobs, adas) = (agent(&ada, "bob").await?, agent(&ada, "ada").await?);
    let idle = &counts["counts"][2];
    assert_eq!((&idle["oldest_heartbeat"], &idle["newest_heartbeat"]), (&bobs["last_seen_at"], &adas["last_seen_at"]));
    bob.post("/v1/sessions/end", &json!({})).await?.ok()?;
    ada.delete(&format!("{AGENTS}/alice")).await?.ok()?;
    let counts = ada.get(&format!("{AGENTS}/counts")).await?.ok()?;
    assert_eq!(
        (told(&counts), &counts["complete"]),
        (vec!["pc idle 1".to_owned(), "ci idle 1".to_owned(), "ci dead 2".to_owned()], &json!(true))
    );
    Ok(())
}

async fn uptime_is_the_time_with_a_session_and_leaves_the_gaps_out(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, olga) = (server.agent("alice")?, server.agent("olga")?);
    let uptime = async |window: u32| olga.get(&format!("{AGENTS}/alice/uptime?window_seconds={window}")).await?.ok();
    let (one, two) = (alice.session("a1"), alice.session("a2"));
    one.post(SESSIONS, &json!({})).await?.ok()?;
    two.post(SESSIONS, &json!({})).await?.ok()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    two.post("/v1/sessions/end", &json!({})).await?.ok()?;
    one.post("/v1/sessions/end", &json!({})).await?.ok()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    alice.session("a3").post(SESSIONS, &json!({})).await?.ok()?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = uptime(60).await?;
    let sessions = olga.get(&format!("{SESSIONS}?agent=alice")).await?.ok()?;
    let at = |session: usize, field: &str| instant(&sessions["sessions"][session][field]);
    let (start, end) = (at(0, "started_at")?, at(0, "live_until")?);
    let (again, now) = (at(2, "started_at")?, instant(&told["to"])?);
    let lived = (end - start) + (now - again);
    assert_eq!((told["lived_ms"].as_i64(), told["sessions"].as_u64()), (Some(lived.num_milliseconds()), Some(3)));
    assert!((again - end).num_milliseconds() >= 2_000, "there was a gap");
    let share = told["uptime"].as_f64().unwrap_or_default();
    assert!((share - lived.as_seconds_f64() / 60.0).abs() < 1e-9, "{told}");
    let before = start - instant(&told["from"])?;
    assert_eq!(told["longest_gap_ms"].as_i64(), Some(before.num_milliseconds()), "before it came");
    let wide = uptime(7_776_000).await?;
    assert!(
        wide["lived_ms"].as_i64() >= told["lived_ms"].as_i64() && wide["uptime"].as_f64() < told["uptime"].as_f64()
    );
    assert_eq!(olga.get(&format!("{AGENTS}/alice/uptime")).await?.ok()?["sessions"], 3);
    Ok(())
}

async fn hundreds_are_paged_by_status_without_losing_any(store: Store) -> Outcome {
    const MANY: usize = 300;
    let all: Vec<String> = (0..MANY).map(|number| format!("worker-{number:03}")).collect();
    let keyring = all.iter().fold(Keyring::usual(), |keyring, name| keyring.with(name, "agent"));
    let server = store.launch()?.keys(&keyring).start().await?;
    let olga = server.agent("olga")?;
    let mut expected = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for (number, name) in all.iter().enumerate() {
        let worker = server.agent(name)?;
        let environment = if number % 2 == 0 { "ci" } else { "cloud" };
        worker.post(AGENTS, &json!({ "environment": environment })).await?.ok()?;
        match number % 3 {
            0 => drop(worker.take(&format!("file-{number}")).await?),
            1 => drop(worker.post("/v1/sessions/end", &json!({})).await?.ok()?),
            _ => {}
        }
        expected[number % 3].insert(name.clone());
    }
    for (status, expected) in ["working", "dead", "idle"].into_iter().zip(expected) {
        let (found, pages) = pages(&olga, &format!("status={status}&limit=7")).await?;
        assert_eq!(found, expected.iter().cloned().collect::<Vec<_>>(), "{status}: in order, each once");
        assert!(pages >= 100_usize.div_ceil(7), "{pages} pages");
        let ci = names(&olga, &format!("status={status}&environment=ci&limit=500")).await?;
        assert_eq!(ci.len(), 50, "{status}");
    }
    assert_eq!(names(&olga, "limit=11").await?, all);
    assert_eq!(names(&olga, "status=unreachable").await?, [""; 0]);
    let counts = olga.get(&format!("{AGENTS}/counts")).await?.ok()?;
    let counts = counts["counts"].as_array().cloned().unwrap_or_default();
    assert_eq!(counts.iter().filter_map(|count| count["agents"].as_u64()).sum::<u64>(), 300);
    Ok(())
}
