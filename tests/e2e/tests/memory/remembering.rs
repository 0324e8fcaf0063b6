//! Remembering: once, again, at once, and as it is told.

use super::scene::{Scene, get, list, none, note, recall, remember, with, word};
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::json;
use tokio::task::JoinSet;

on_both_stores! {
    what_one_agent_remembers_another_finds
    the_same_thing_is_remembered_once
    two_at_once_are_one
    streams_keep_the_same_thing_apart
    the_same_request_twice_is_one_memory
    what_is_told_holds_no_content
}

async fn what_one_agent_remembers_another_finds(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob) = (scene.alice.session("alice-1"), scene.bob.clone());
    alice.claim(&none()).await?.ok()?;
    scene.told().await?;
    let body = json!({
        "event_type": "error_fixed", "summary": "The sweeper missed leases of dead sessions", "outcome": "success",
        "details": { "file": "sweeper.rs", "tries": 3 }, "lessons": ["Compare the instant with <="],
        "tags": ["Locks", "sweeper"], "importance": 7,
        "links": [{ "kind": "file", "target": "./src//sweeper.rs" }, { "kind": "commit", "target": "0a5c90d" }],
        "happened_at": "2026-01-02T03:04:05.123456Z",
    });
    let id = remember(&alice, &body).await?;
    assert_eq!(
        scene.told().await?,
        (vec!["alice memory.remember ok".to_owned()], vec!["memory.stored".to_owned()]),
        "one line, one fact"
    );
    let memory = get(&bob, &id).await?.ok()?;
    let content = &memory["content"];
    assert_eq!(
        (&memory["agent"], &memory["session"], &memory["stream"], &memory["position"], &memory["seen"]),
        (&json!("alice"), &json!("alice-1"), &json!("alice-1"), &json!(1), &json!(1)),
        "the session's row, unless another is named"
    );
    assert_eq!(
        (&content["tags"], &content["details"], &content["outcome"]),
        (&json!(["locks", "sweeper"]), &json!({ "file": "sweeper.rs", "tries": 3 }), &json!("success"))
    );
    assert_eq!(content["links"][0], json!({ "kind": "file", "target": "src/sweeper.rs" }));
    assert_eq!(memory["happened_at"], "2026-01-02T03:04:05.123456+00:00");

    let answer = super::scene::ask(&bob, "why was a LEASE missed by the sweeper?", &json!({ "explain": true })).await?;
    let first = &answer["memories"][0];
    assert_eq!((word(&first["memory"]["id"]), word(&answer["mode"])), (id.clone(), "lexical".to_owned()));
    let matched: Vec<String> = first["snippet"]["matched"].as_array().into_iter().flatten().map(word).collect();
    assert_eq!(matched, ["sweeper", "missed", "leases"], "as they stand in the text");
    assert!(first["score"].as_f64() > Some(0.0) && first["parts"]["lexical"] == 1.0, "{first}");
    assert!(first["parts"]["coverage"] == 1.0 && first["why"][0] == "has sweeper, missed, leases", "{first}");
    assert_eq!(answer["explained"]["looked_at"], 1);
    for query in ["sweeper.rs", "success", "compare an instant", "0a5c90d"] {
        assert_eq!(recall(&bob, query, &none()).await?, [id.as_str()], "{query}");
    }
    assert_eq!(recall(&bob, "giraffe", &none()).await?, Vec::<String>::new());
    assert_eq!(scene.told().await?, (vec![], vec![]), "reading leaves no line");
    Ok(())
}

async fn the_same_thing_is_remembered_once(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let alice = scene.alice.clone();
    let first = with(&note("The cache is cold"), &json!({ "tags": ["one"], "lessons": ["a"], "details": { "n": 1 } }));
    let id = remember(&alice, &first).await?;
    scene.told().await?;
    let again =
        with(&note("  the CACHE is\n cold "), &json!({ "tags": ["two"], "lessons": ["b"], "details": { "n": 2 } }));
    let merged = alice.post("/v1/memories", &again).await?.ok()?;
    assert_eq!(
        (word(&merged["memory"]["id"]), &merged["memory"]["merged"], &merged["memory"]["seen"]),
        (id.clone(), &json!(true), &json!(2))
    );
    assert_eq!(scene.told().await?, (vec!["alice memory.remember ok".to_owned()], vec!["memory.merged".to_owned()]));
    let content = get(&alice, &id).await?.ok()?["content"].clone();
    assert_eq!(
        (&content["summary"], &content["tags"], &content["lessons"], &content["details"]),
        (&json!("The cache is cold"), &json!(["one", "two"]), &json!(["a", "b"]), &json!({ "n": [1, 2] }))
    );
    assert_eq!(recall(&alice, "cold", &json!({ "tags_all": ["one", "two"] })).await?, [id.as_str()]);

    for (why, body) in [
        ("another type", json!({ "event_type": "decision", "summary": "The cache is cold" })),
        ("another scope", with(&note("The cache is cold"), &json!({ "scope": "private" }))),
        ("long ago", with(&note("The cache is cold"), &json!({ "happened_at": "2026-01-02T03:04:05Z" }))),
    ] {
        assert_ne!(remember(&alice, &body).await?, id, "{why}");
    }
    assert_ne!(remember(&scene.bob, &note("The cache is cold")).await?, id, "another agent");
    Ok(())
}

async fn two_at_once_are_one(store: Store) -> Outcome {
    const CALLS: u32 = 12;
    let scene = Scene::open(&store).await?;
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let alice = scene.alice.clone();
        let body = with(&note("Both saw it"), &json!({ "tags": [format!("t{number}")] }));
        calls.spawn(async move { alice.post("/v1/memories", &body).await });
    }
    let mut stored = 0;
    while let Some(reply) = calls.join_next().await {
        let reply = reply??;
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text);
        stored += u32::from(reply.status == 201);
    }
    assert_eq!(stored, 1);
    let page = scene.bob.get("/v1/memories").await?.ok()?;
    let memories = page["memories"].as_array().cloned().unwrap_or_default();
    let tags = memories[0]["content"]["tags"].as_array().map(Vec::len);
    assert_eq!(
        (memories.len(), &memories[0]["seen"], tags),
        (1, &json!(CALLS), Some(12)),
        "each is counted, and none is lost"
    );
    Ok(())
}

async fn streams_keep_the_same_thing_apart(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let in_stream = |name: &str| with(&note("It failed again"), &json!({ "stream": name }));
    let one = remember(&scene.alice, &in_stream("run-1")).await?;
    let other = remember(&scene.alice, &in_stream("run-2")).await?;
    assert_ne!(one, other);
    assert_eq!(list(&scene.bob, &[("stream", "run-2")]).await?, [other.as_str()]);
    let third = remember(&scene.bob, &with(&note("So it was tried anew"), &json!({ "stream": "run-1" }))).await?;
    assert_eq!(get(&scene.bob, &third).await?.ok()?["position"], 2, "a row goes on, whoever adds to it");
    Ok(())
}

async fn the_same_request_twice_is_one_memory(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let body = with(&note("Said once"), &json!({ "lessons": ["said twice"] }));
    let once = scene.alice.once("memory-1");
    let first = once.post("/v1/memories", &body).await?;
    scene.told().await?;
    let again = once.post("/v1/memories", &body).await?;
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!(scene.told().await?, (vec![], vec![]));
    let id = word(&first.body["memory"]["id"]);
    assert_eq!(get(&scene.bob, &id).await?.ok()?["seen"], 1);
    once.post("/v1/memories", &note("Something else")).await?.problem(409, "idempotency-key-reused")?;
    let kept = store.texts("SELECT CAST(answer AS TEXT) FROM idempotency_records").await?.join("\n");
    assert!(kept.contains(&id) && !kept.contains("Said once") && !kept.contains("said twice"), "{kept}");
    Ok(())
}

async fn what_is_told_holds_no_content(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, olga) = (scene.alice.clone(), scene.olga.clone());
    let words =
        json!({ "tags": ["quokka"], "lessons": ["wombat"], "details": { "numbat": "bilby" }, "outcome": "dunnart" });
    let id = remember(&alice, &with(&note("potoroo one"), &words)).await?;
    let private = with(&note("potoroo two"), &json!({ "scope": "private", "stream": "bandicoot", "tags": ["quokka"] }));
    remember(&alice, &private).await?;
    remember(&alice, &with(&note("potoroo three"), &json!({ "supersedes": id }))).await?;
    // Refused, and written down.
    let shared = with(&note("potoroo four"), &with(&words, &json!({ "scope": "shared" })));
    alice.post("/v1/memories", &shared).await?.problem(403, "role-too-low")?;
    let late = with(&note("potoroo five"), &json!({ "supersedes": id }));
    alice.post("/v1/memories", &late).await?.problem(409, "memory-superseded")?;
    super::scene::import(&olga, format!("{}\n", with(&note("potoroo six"), &words))).await?.ok()?;
    alice.post("/v1/memories/forget", &json!({ "tags_all": ["quokka"] })).await?.ok()?;
    scene.told().await?;
    for table in ["audit_entries", "facts", "idempotency_records"] {
        let rows = rows_of(&store, table).await?;
        assert!(!rows.is_empty() || table == "idempotency_records");
        for word in ["potoroo", "quokka", "wombat", "numbat", "bilby", "dunnart", "bandicoot"] {
            assert!(!rows.contains(word), "{word} in {table}: {rows}");
        }
    }
    Ok(())
}

/// Every row of a table as text.
async fn rows_of(store: &Store, table: &str) -> Outcome<String> {
    let sql = match (store.database(), table) {
        (Some(_), table) => format!("SELECT CAST(t AS TEXT) FROM {table} t"),
        (None, "facts") => "SELECT CAST(body AS TEXT) || kind || subject FROM facts".to_owned(),
        (None, "audit_entries") => {
            "SELECT coalesce(CAST(before AS TEXT), '') || coalesce(CAST(after AS TEXT), '') || target FROM audit_entries"
                .to_owned()
        }
        (None, table) => format!("SELECT CAST(answer AS TEXT) FROM {table}"),
    };
    Ok(store.texts(&sql).await?.join("\n"))
}
