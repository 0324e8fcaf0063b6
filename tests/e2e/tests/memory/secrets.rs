//! Secrets never get in.

use super::scene::{Scene, change, get, import, list, none, note, recall, remember, with, word};
use e2e::keyring::Keyring;
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    secrets_are_refused_wherever_they_stand
    secrets_are_masked_if_so_set
}

/// Put together here, so that nobody who looks for secrets in this file finds one.
fn token() -> String {
    ["ghp_", "x7Kq2ZpLw9Rt4Vb", "N8sYc1MdF6hJg3QaE5uTk"].concat()
}

fn password() -> String {
    ["postgres://app:", "tr4Vb9Rt7Kq2Zp", "@db.internal/main"].concat()
}

async fn secrets_are_refused_wherever_they_stand(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    for (body, field) in [
        (note(&format!("use {}", token())), "summary"),
        (with(&note("s"), &json!({ "lessons": ["fine", password()] })), "lessons[1]"),
        (with(&note("s"), &json!({ "details": { "env": [{ "GH": token() }] } })), "details.env[0].GH"),
        (with(&note("s"), &json!({ "outcome": token() })), "outcome"),
        (with(&note("s"), &json!({ "tags": [token()] })), "tags[0]"),
        (with(&note("s"), &json!({ "stream": token() })), "stream"),
        (with(&note("s"), &json!({ "links": [{ "kind": "file", "target": token() }] })), "links[0].target"),
    ] {
        let refused = scene.alice.post("/v1/memories", &body).await?;
        let text = refused.text.clone();
        let refused = refused.problem(422, "secret-found")?;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
        assert!(!text.contains(&token()) && !text.contains("tr4Vb9Rt7Kq2Zp"), "{text}");
        let lines = format!("{}\n{body}", note("fine"));
        let refused = import(&scene.alice, lines).await?.problem(422, "secret-found")?;
        assert_eq!(refused["errors"][0]["field"], format!("line 2.{field}"), "{refused}");
    }
    let id = remember(&scene.alice, &note("to be redacted")).await?;
    let reason = json!({ "reason": format!("it held {}", token()) });
    change(&scene.alice, &id, "redact", &reason).await?.problem(422, "secret-found")?;
    assert_eq!(list(&scene.alice, &[]).await?, [id]);
    let (lines, _) = scene.told().await?;
    assert_eq!(lines, ["alice memory.remember ok"]);
    assert!(!scene.server.logs().everything().contains(&token()));
    Ok(())
}

async fn secrets_are_masked_if_so_set(store: Store) -> Outcome {
    let server = store.launch()?.keys(&Keyring::usual()).set("MEMORY_SECRETS", "mask").start().await?;
    let scene = Scene::over(&store, server).await?;
    let body =
        with(&note(&format!("use {} here", token())), &json!({ "details": { "url": password() }, "tags": ["t"] }));
    let reply = scene.alice.once("mask-1").post("/v1/memories", &body).await?;
    let again = scene.alice.once("mask-1").post("/v1/memories", &body).await?;
    assert_eq!((reply.status, &reply.body), (201, &again.body));
    let mut fields: Vec<String> =
        reply.body["masked"].as_array().into_iter().flatten().map(|at| word(&at["field"])).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["details.url", "summary"]);
    let id = word(&reply.body["memory"]["id"]);
    let memory = get(&scene.bob, &id).await?.ok()?;
    let summary = word(&memory["content"]["summary"]);
    assert!(summary.starts_with("use [masked: ") && summary.ends_with("] here"), "{summary}");
    assert_eq!(recall(&scene.bob, &token(), &none()).await?, Vec::<String>::new(), "not even its parts are found");
    let imported = import(&scene.alice, body.to_string()).await?.ok()?;
    assert_eq!(
        (&imported["memories"][0]["merged"], imported["masked"].as_array().map(Vec::len)),
        (&json!(true), Some(2))
    );
    let tagged = with(&note("s"), &json!({ "tags": [token()] }));
    scene.alice.post("/v1/memories", &tagged).await?.problem(422, "secret-found")?;
    let redacted =
        change(&scene.alice, &id, "redact", &json!({ "reason": format!("held {}", token()) })).await?.ok()?;
    assert_eq!(redacted["masked"][0]["field"], "reason");
    let everything: Value = get(&scene.bob, &id).await?.ok()?;
    assert!(!everything.to_string().contains(&token()));
    Ok(())
}
