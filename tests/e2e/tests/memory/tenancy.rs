//! The same text in two projects and in private scopes: whatever is tried, nobody finds what is not theirs.

use super::scene::{change, export, get, ids_of, import, list, none, note, remember, with, word};
use e2e::client::Client;
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

on_both_stores! {
    nobody_finds_what_is_not_theirs
    what_is_counted_elsewhere_moves_no_score
}

const TEXT: &str = "The vault opens at dawn";

struct Planted {
    /// Who can read which of what was planted.
    readable: Vec<(Client, BTreeSet<String>)>,
    /// What was planted, and who wrote it.
    all: BTreeMap<String, Client>,
}

/// Two agents in each of two projects, the names the same; the same text in each scope of each of them.
async fn plant(store: &Store, server: &e2e::server::Server) -> Outcome<Planted> {
    let admin = server.stranger()?.key(store.first_key()?);
    let mut planted = Planted { readable: Vec::new(), all: BTreeMap::new() };
    for project in ["earth", "moon"] {
        let made = admin.post("/v1/projects", &json!({ "id": project })).await?;
        assert_eq!(made.status, 201, "{}", made.text);
        let mut of_project = BTreeSet::new();
        let mut agents = Vec::new();
        for agent in ["ann", "ben"] {
            let body = json!({ "agent": agent, "agent_type": "test", "project": project });
            let made = admin.post("/v1/keys", &body).await?;
            let client = server.stranger()?.key(word(&made.body["secret"]));
            // Ben's words in the project are the same as Ann's, in another row.
            let told = with(&note(TEXT), &json!({ "tags": ["vault"], "stream": "watch", "pinned": true }));
            let common = remember(&client, &told).await?;
            let own = remember(&client, &with(&told, &json!({ "scope": "private" }))).await?;
            let newer = with(&told, &json!({ "scope": "private", "supersedes": own, "lessons": ["again"] }));
            let newer = remember(&client, &newer).await?;
            of_project.insert(common.clone());
            for id in [&common, &own, &newer] {
                planted.all.insert(id.clone(), client.clone());
            }
            agents.push((client, BTreeSet::from([own, newer])));
        }
        planted.readable.extend(agents.into_iter().map(|(client, own)| (client, &own | &of_project)));
    }
    Ok(planted)
}

async fn nobody_finds_what_is_not_theirs(store: Store) -> Outcome {
    let server = store.launch()?.start().await?;
    let planted = plant(&store, &server).await?;
    let all: BTreeSet<String> = planted.all.keys().cloned().collect();
    for (client, readable) in &planted.readable {
        let foreign: Vec<&String> = all.difference(readable).collect();
        assert_eq!((readable.len(), foreign.len()), (4, 8));
        let mut seen = BTreeSet::new();
        for more in options() {
            for query in [json!(TEXT), json!("vault again"), Value::Null] {
                let body = with(&json!({ "query": query, "limit": 100 }), &more);
                let answer = client.post("/v1/memories/recall", &body).await?.ok()?;
                let found: BTreeSet<String> = ids_of(&answer).into_iter().collect();
                assert!(found.is_subset(readable), "{body} found {found:?}");
                let told = answer.to_string();
                assert!(foreign.iter().all(|id| !told.contains(*id)), "{body} tells of others: {told}");
                seen.extend(found);
            }
        }
        for query in queries() {
            let listed = list(client, &query).await?;
            assert!(listed.iter().all(|id| readable.contains(id)), "{query:?}");
            seen.extend(listed);
            let query: Vec<_> = query.into_iter().filter(|(name, _)| *name != "pinned").collect();
            let lines = export(client, &query).await?;
            assert!(foreign.iter().all(|id| !lines.contains(*id)), "{query:?}: {lines}");
        }
        assert_eq!(seen, *readable, "what is theirs they find");
        for id in foreign {
            touch_in_vain(client, id).await?;
        }
    }
    for (id, author) in &planted.all {
        let memory = get(author, id).await?.ok()?;
        assert_eq!((&memory["content"]["summary"], &memory["pinned"]), (&json!(TEXT), &json!(true)), "untouched");
        assert_eq!(memory["feedback"], json!({ "helpful": 0, "wrong": 0, "stale": 0 }));
    }
    Ok(())
}

/// Every way to recall: scopes, tags, times, agents.
fn options() -> Vec<Value> {
    let scopes = [json!(["private"]), json!(["project"]), json!(["shared"]), json!(["private", "project", "shared"])];
    let filters = [
        none(),
        json!({ "include_ended": true }),
        json!({ "as_of": "2999-01-01T00:00:00Z", "include_ended": true }),
        json!({ "tags_any": ["vault", "x"] }),
        json!({ "tags_all": ["vault"], "include_ended": true }),
        json!({ "agents": ["ann", "ben"], "include_ended": true }),
        json!({ "stream": "watch" }),
        json!({ "event_types": ["discovery"], "pinned": true, "explain": true }),
        json!({ "happened_from": "2000-01-01T00:00:00Z" }),
        json!({ "by": "lexical", "token_budget": 100_000, "minimum_score": 0.0 }),
    ];
    let named =
        scopes.iter().flat_map(|scopes| filters.iter().map(move |more| with(more, &json!({ "scopes": scopes }))));
    named.chain(filters.iter().cloned()).collect()
}

fn queries() -> Vec<Vec<(&'static str, &'static str)>> {
    vec![
        vec![],
        vec![("include_ended", "true")],
        vec![("scopes", "private,project,shared"), ("include_ended", "true")],
        vec![("scopes", "shared")],
        vec![("agents", "ann,ben"), ("tags_any", "vault"), ("pinned", "true")],
        vec![("stream", "watch"), ("event_types", "discovery")],
    ]
}

/// Tries everything that names a memory.
async fn touch_in_vain(client: &Client, id: &str) -> Outcome {
    get(client, id).await?.problem(404, "memory-unknown")?;
    let own = remember(client, &note("a stepping stone")).await?;
    for (what, body) in [
        ("feedback", json!({ "verdict": "wrong" })),
        ("pin", none()),
        ("unpin", none()),
        ("validity", json!({ "valid_until": "2999-01-01T00:00:00Z" })),
        ("redact", none()),
        ("supersede", json!({ "by": own })),
    ] {
        change(client, id, what, &body).await?.problem(404, "memory-unknown")?;
    }
    change(client, &own, "supersede", &json!({ "by": id })).await?.problem(404, "memory-unknown")?;
    for scope in ["project", "private"] {
        let body = with(&note("in its place"), &json!({ "supersedes": id, "scope": scope }));
        client.post("/v1/memories", &body).await?.problem(404, "memory-unknown")?;
        let refused = import(client, body.to_string()).await?.problem(422, "import-refused")?;
        assert_eq!(refused["errors"][0]["field"], "line 1");
    }
    client.post("/v1/memories/forget", &json!({ "event_types": ["discovery"], "stream": "nowhere" })).await?.ok()?;
    let trial = json!({ "happened_from": "2000-01-01T00:00:00Z", "dry_run": true });
    let stones = client.post("/v1/memories/forget", &trial).await?;
    assert!(!stones.text.contains(id));
    client.post(&format!("/v1/memories/{own}/redact"), &none()).await?.ok()?;
    Ok(())
}

/// Scores come of what is counted where the caller may read, and of nothing else.
async fn what_is_counted_elsewhere_moves_no_score(store: Store) -> Outcome {
    let server = store.launch()?.start().await?;
    let admin = server.stranger()?.key(store.first_key()?);
    admin.post("/v1/projects", &json!({ "id": "moon" })).await?;
    let mut clients = Vec::new();
    for (agent, project) in [("ann", "default"), ("ben", "default"), ("ben", "moon")] {
        let body = json!({ "agent": agent, "agent_type": "test", "project": project });
        let made = admin.post("/v1/keys", &body).await?;
        clients.push(server.stranger()?.key(word(&made.body["secret"])));
    }
    let [ann, ben, luna] = [&clients[0], &clients[1], &clients[2]];
    for (stream, summary) in [("a", "rare bird"), ("b", "common ground"), ("c", "common sense")] {
        remember(ann, &with(&note(summary), &json!({ "stream": stream, "happened_at": "2026-01-01T00:00:00Z" })))
            .await?;
    }
    let body = json!({ "query": "rare common", "explain": true, "as_of": "2026-06-01T00:00:00Z" });
    let scores = async || {
        let answer = ann.post("/v1/memories/recall", &body).await?.ok()?;
        let scores = answer["memories"].as_array().into_iter().flatten().map(|answer| answer["score"].clone());
        Ok::<_, e2e::Fault>((scores.collect::<Vec<Value>>(), answer["explained"].clone()))
    };
    let before = scores().await?;
    for number in 0..30 {
        let private = json!({ "scope": "private", "stream": format!("p{number}") });
        remember(ben, &with(&note(&format!("rare rare {number}")), &private)).await?;
        remember(luna, &with(&note(&format!("rare rare {number}")), &json!({ "stream": format!("p{number}") })))
            .await?;
    }
    assert_eq!(scores().await?, before);
    assert_eq!(before.0.len(), 3);
    Ok(())
}
