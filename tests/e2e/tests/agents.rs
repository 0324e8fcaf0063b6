//! Agents: they register from a laptop, the cloud and CI, are found, change, leave and come back, on SQLite and on
//! PostgreSQL.

use chrono::{DateTime, Utc};
use e2e::agents::{AGENTS, agent, names};
use e2e::audit::{Watch, entries};
use e2e::client::Client;
use e2e::keyring::{Keyring, key_of};
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    agents_of_three_places_register_and_are_found
    whoever_starts_a_session_has_a_record
    an_agent_changes_itself_and_an_orchestrator_anybody
    who_leaves_is_dead_and_comes_back
    what_cannot_be_registered_is_refused_in_words
}

const SESSIONS: &str = "/v1/sessions";

fn instant(value: &Value) -> Outcome<DateTime<Utc>> {
    Ok(serde_json::from_value(value.clone())?)
}

async fn agents_of_three_places_register_and_are_found(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let mut log = Watch::new(server.agent("ada")?).await?;
    let wish = json!({
        "display_name": "Alice's laptop", "environment": "pc", "capabilities": ["rust", "gpu", "rust"], "owner": "olga",
        "metadata": { "editor": ["vim", null, 0.5] }, "profile": "careful",
        "wake": { "method": "hook", "detail": "session-start", "tested_at": "2026-01-02T03:04:05.678901234Z" },
    });
    let record = alice.once("r1").post(AGENTS, &wish).await?.ok()?;
    assert_eq!(
        (&record["agent"], &record["agent_type"], &record["role"]),
        (&json!("alice"), &json!("test"), &json!("agent"))
    );
    assert_eq!((&record["environment"], &record["capabilities"]), (&json!("pc"), &json!(["gpu", "rust"])));
    assert_eq!((&record["metadata"], &record["owner"]), (&wish["metadata"], &json!("olga")));
    let tested_at: DateTime<Utc> = "2026-01-02T03:04:05.678901Z".parse()?;
    assert_eq!((&record["wake"]["method"], &record["wake"]["detail"]), (&json!("hook"), &json!("session-start")));
    assert_eq!(instant(&record["wake"]["tested_at"])?, tested_at);
    assert_eq!(log.told().await?, ["alice agent.register ok", "alice session.start ok"]);

    assert_eq!(alice.once("r1").post(AGENTS, &wish).await?.ok()?, record, "a retry is answered the same");
    assert_eq!(alice.post(AGENTS, &wish).await?.ok()?, record, "and so is the same again");
    assert_eq!(log.told().await?, [""; 0], "which leaves no lines");
    alice.once("r1").post(AGENTS, &json!({})).await?.problem(409, "idempotency-key-reused")?;
    let part = alice.post(AGENTS, &json!({ "tag": "desk", "clear": ["profile"] })).await?.ok()?;
    assert_eq!((&part["tag"], &part["profile"], &part["owner"]), (&json!("desk"), &Value::Null, &json!("olga")));
    assert_eq!(part["registered_at"], record["registered_at"]);
    assert!(instant(&part["updated_at"])? > instant(&record["updated_at"])?);
    let lines = ["alice agent.register idempotency-key-reused", "alice agent.register ok"];
    assert_eq!(log.told().await?, lines);

    bob.post(AGENTS, &json!({ "environment": "cloud", "tag": "railway", "capabilities": ["rust"] })).await?.ok()?;
    olga.post(AGENTS, &json!({ "environment": "ci", "tag": "github" })).await?.ok()?;
    assert_eq!(names(&bob, "").await?, ["alice", "bob", "olga"]);
    assert_eq!(names(&bob, "capability=rust").await?, ["alice", "bob"]);
    assert_eq!(names(&bob, "capability=gpu&environment=pc&tag=desk&type=test&status=idle").await?, ["alice"]);
    assert_eq!(names(&bob, "capability=ru").await?, [""; 0]);
    assert_eq!(names(&bob, "environment=ci").await?, ["olga"]);
    assert_eq!(names(&bob, "tag=railway").await?, ["bob"]);
    assert_eq!(names(&bob, "type=human").await?, [""; 0]);
    assert_eq!(names(&bob, "status=working").await?, [""; 0]);
    assert_eq!(names(&bob, "limit=1").await?, ["alice", "bob", "olga"]);
    let facts = store.texts("SELECT kind || ' ' || subject FROM facts WHERE kind LIKE 'agent.%' ORDER BY seq").await?;
    let expected = ["alice", "alice", "bob", "olga"].map(|name| format!("agent.registered {name}"));
    assert_eq!(facts, expected, "one fact for each change");
    Ok(())
}

async fn whoever_starts_a_session_has_a_record(store: Store) -> Outcome {
    let server = store.launch()?.keys(&Keyring::usual().with("team/ann", "agent")).start().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    olga.get(&format!("{AGENTS}/alice")).await?.problem(404, "agent-unknown")?;
    let session = json!({ "session_id": "a1", "capabilities": ["rust"], "environment": "railway" });
    alice.post(SESSIONS, &session).await?.ok()?;
    let made = agent(&bob, "alice").await?;
    assert_eq!((&made["environment"], &made["tag"]), (&json!("other"), &json!("railway")));
    assert_eq!(
        (&made["capabilities"], &made["role"], &made["status"]),
        (&json!(["rust"]), &json!("agent"), &json!("idle"))
    );
    assert_eq!(made["sessions"][0]["session"], "a1");
    let session = json!({ "session_id": "a2", "environment": "ci" });
    alice.post(SESSIONS, &session).await?.ok()?;
    let kept = agent(&bob, "alice").await?;
    assert_eq!(
        (&kept["tag"], &kept["updated_at"]),
        (&made["tag"], &made["updated_at"]),
        "a second one changes nothing"
    );
    olga.post(SESSIONS, &json!({ "environment": "ci" })).await?.ok()?;
    let made = agent(&bob, "olga").await?;
    assert_eq!(
        (&made["environment"], &made["tag"], &made["role"]),
        (&json!("ci"), &Value::Null, &json!("orchestrator"))
    );
    bob.session("b1").take("a").await?;
    assert_eq!(names(&olga, "").await?, ["alice", "bob", "olga"]);
    server.agent("ada")?.get(AGENTS).await?.ok()?;
    assert_eq!(names(&olga, "").await?.len(), 3, "who only reads has no session and no record");

    let slashed = Client::new(&server.url())?.key(key_of("team/ann"));
    slashed.take("b").await?;
    assert_eq!(agent(&olga, "team%2Fann").await?["agent"], "team/ann");
    let uptime = olga.get(&format!("{AGENTS}/team%2Fann/uptime")).await?.ok()?;
    assert_eq!((&uptime["agent"], &uptime["sessions"]), (&json!("team/ann"), &json!(1)));
    slashed.patch(&format!("{AGENTS}/team%2Fann"), &json!({ "tag": "desk" })).await?.ok()?;
    Ok(())
}

async fn an_agent_changes_itself_and_an_orchestrator_anybody(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let at_alice = format!("{AGENTS}/alice");
    alice.post(AGENTS, &json!({ "environment": "pc", "tag": "desk" })).await?.ok()?;
    let mut log = Watch::new(server.agent("ada")?).await?;
    let before = agent(&bob, "alice").await?;
    bob.patch(&at_alice, &json!({ "tag": "bobs" })).await?.problem(403, "role-too-low")?;
    bob.delete(&at_alice).await?.problem(403, "role-too-low")?;
    bob.patch(&format!("{AGENTS}/nobody"), &json!({})).await?.problem(403, "role-too-low")?;
    olga.patch(&format!("{AGENTS}/nobody"), &json!({})).await?.problem(404, "agent-unknown")?;
    server.stranger()?.patch(&at_alice, &json!({})).await?.problem(401, "unauthenticated")?;
    assert_eq!(agent(&bob, "alice").await?["tag"], before["tag"]);
    let refused =
        ["bob agent.deregister role-too-low", "bob agent.update role-too-low", "bob agent.update role-too-low"];
    assert_eq!(log.told().await?, refused);

    let own = alice.patch(&at_alice, &json!({ "display_name": "Ann", "metadata": { "a": 1 } })).await?.ok()?;
    assert_eq!((&own["display_name"], &own["tag"]), (&json!("Ann"), &json!("desk")));
    let steered = olga.once("p").patch(&at_alice, &json!({ "environment": "cloud", "clear": ["tag"] })).await?.ok()?;
    assert_eq!((&steered["environment"], &steered["tag"]), (&json!("cloud"), &Value::Null));
    assert_eq!((&steered["role"], &steered["metadata"]), (&json!("agent"), &json!({ "a": 1 })));
    assert_eq!(
        olga.once("p").patch(&at_alice, &json!({ "environment": "cloud", "clear": ["tag"] })).await?.ok()?,
        steered
    );
    olga.patch(&at_alice, &json!({})).await?.ok()?;
    assert_eq!(log.told().await?, ["alice agent.update ok", "olga agent.update ok"], "no change, no line");
    let lines =
        entries(&server.agent("ada")?, &[("operation", "agent.update"), ("agent", "olga"), ("outcome", "ok")]).await?;
    assert_eq!(
        (&lines[0]["before"]["environment"], &lines[0]["after"]["environment"]),
        (&json!("pc"), &json!("cloud"))
    );
    assert_eq!(lines[0]["after"]["metadata"], json!({ "a": 1 }));
    Ok(())
}

async fn who_leaves_is_dead_and_comes_back(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let at_alice = format!("{AGENTS}/alice");
    let first = alice.post(AGENTS, &json!({ "tag": "desk" })).await?.ok()?;
    bob.post(AGENTS, &json!({})).await?.ok()?;
    let mut log = Watch::new(server.agent("ada")?).await?;
    let gone = alice.delete(&at_alice).await?.ok()?;
    assert_eq!(alice.delete(&at_alice).await?.ok()?, gone, "twice is once");
    assert_eq!(log.told().await?, ["alice agent.deregister ok"]);
    let seen = agent(&bob, "alice").await?;
    assert_eq!((&seen["status"], &seen["based_on"][0]["kind"]), (&json!("dead"), &json!("deregistered")));
    assert_eq!(seen["based_on"][0]["at"], gone["deregistered_at"]);
    assert_eq!(names(&bob, "registered=true").await?, ["bob"]);
    assert_eq!(names(&bob, "registered=false").await?, ["alice"]);
    alice.patch(&at_alice, &json!({ "tag": "x" })).await?.problem(409, "agent-deregistered")?;
    alice.session("another").take("a").await?;
    assert_eq!(agent(&bob, "alice").await?["status"], "dead", "a new session is no registration");
    let back = alice.post(AGENTS, &json!({})).await?.ok()?;
    assert_eq!((&back["tag"], &back["deregistered_at"]), (&json!("desk"), &Value::Null));
    assert!(instant(&back["registered_at"])? > instant(&first["registered_at"])?);
    assert_eq!(agent(&bob, "alice").await?["status"], "working");
    olga.delete(&format!("{AGENTS}/bob")).await?.ok()?;
    olga.delete(&format!("{AGENTS}/nobody")).await?.problem(404, "agent-unknown")?;
    assert_eq!(names(&alice, "status=dead").await?, ["bob"]);
    let kinds = store.texts("SELECT kind FROM facts WHERE kind LIKE 'agent.de%' ORDER BY seq").await?;
    assert_eq!(kinds, ["agent.deregistered"; 2]);
    Ok(())
}

async fn what_cannot_be_registered_is_refused_in_words(store: Store) -> Outcome {
    let server = store.serve().await?;
    let alice = server.agent("alice")?;
    let mut log = Watch::new(server.agent("olga")?).await?;
    let many: Vec<String> = (0..33).map(|number| format!("c{number}")).collect();
    for (field, wish) in [
        ("display_name", json!({ "display_name": " " })),
        ("display_name", json!({ "display_name": "two\nlines" })),
        ("display_name", json!({ "display_name": "x".repeat(129) })),
        ("environment", json!({ "environment": "moon" })),
        ("tag", json!({ "tag": "two words" })),
        ("capabilities", json!({ "capabilities": many })),
        ("capabilities[1]", json!({ "capabilities": ["rust", "two words"] })),
        ("profile", json!({ "profile": "" })),
        ("owner", json!({ "owner": "o o" })),
        ("metadata", json!({ "metadata": "text" })),
        ("metadata", json!({ "metadata": { "a": "x".repeat(16 * 1024) } })),
        ("wake", json!({ "wake": { "method": "shout" } })),
        ("wake.detail", json!({ "wake": { "method": "hook", "detail": "x".repeat(513) } })),
        ("wake.tested_at", json!({ "wake": { "method": "hook", "tested_at": "yesterday" } })),
        ("wake.tested_at", json!({ "wake": { "method": "hook", "tested_at": "9999-12-31T23:59:59Z" } })),
        ("clear", json!({ "clear": ["role"] })),
        ("clear", json!({ "clear": ["tag"], "tag": "desk" })),
        ("agent", json!({ "agent": "bob" })),
        ("role", json!({ "role": "admin" })),
    ] {
        for reply in [alice.post(AGENTS, &wish).await?, alice.patch(&format!("{AGENTS}/alice"), &wish).await?] {
            let problem = reply.problem(422, "invalid-value")?;
            assert!(problem["errors"].to_string().contains(field), "{wish}: {problem}");
        }
    }
    for path in
        ["?status=asleep", "?environment=moon", "?capability=a%20b", "?tag=%00", "?limit=0", "?cursor=x", "?type="]
    {
        alice.get(&format!("{AGENTS}{path}")).await?.problem(422, "invalid-value")?;
    }
    for path in ["/a%20b", "/a%20b/uptime", "/alice/uptime?window_seconds=59", "/alice/uptime?window_seconds=7776001"] {
        alice.get(&format!("{AGENTS}{path}")).await?.problem(422, "invalid-value")?;
    }
    alice.get(&format!("{AGENTS}/nobody/uptime")).await?.problem(404, "agent-unknown")?;
    alice.session("s s").post(AGENTS, &json!({})).await?.problem(422, "invalid-value")?;
    assert_eq!(log.told().await?, [""; 0]);
    assert_eq!(names(&alice, "").await?, [""; 0]);

    let alice = alice.session("a1");
    alice.post(AGENTS, &json!({ "metadata": { "a": "x".repeat(16 * 1024 - 8) } })).await?.ok()?;
    alice.post("/v1/sessions/end", &json!({})).await?.ok()?;
    alice.post(AGENTS, &json!({})).await?.problem(410, "session-ended")?;
    server.agent("bob")?.session("a1").post(AGENTS, &json!({})).await?.problem(403, "session-not-yours")?;
    Ok(())
}
