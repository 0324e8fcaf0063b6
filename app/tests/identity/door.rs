//! The door: which keys open it, and what the headers beside them may claim.

use crate::server::{ANN, BOB, Fragile, NOBODY, ROOT, Reply, Server, TEAM_ADMIN, config, request};
use poem::RequestBuilder;
use poem::http::Method;
use pointsman::config::Config;
use pointsman::identity::env_keys::EnvKeys;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn me() -> RequestBuilder {
    request(Method::GET, "/v1/me")
}

fn acquire(key: &str) -> RequestBuilder {
    request(Method::POST, "/v1/locks/acquire").header("X-API-Key", key)
}

fn wanted(key: &str) -> Value {
    json!({ "keys": [{ "key": key }] })
}

#[tokio::test]
async fn every_identity_is_told_apart() {
    let server = Server::new().await;
    let who =
        |reply: &Reply| ["/agent", "/agent_type", "/role", "/project"].map(|pointer| reply.text(pointer).to_owned());
    let ann = server.get("/v1/me", ANN).await.expect(200);
    assert_eq!(who(&ann), ["ann", "ci", "agent", "default"]);
    assert_eq!(who(&server.get("/v1/me", BOB).await), ["bob", "ci", "agent", "default"]);
    assert_eq!(who(&server.get("/v1/me", TEAM_ADMIN).await), ["lead", "person", "admin", "team"]);
    let nobody = server.get("/v1/me", NOBODY).await;
    assert_eq!(who(&nobody), [&format!("key-{}", nobody.text("/key_id")), "unknown", "agent", "default"]);
    let root = server.send(me().header("X-API-Key", ROOT).header("X-Project", "team"), Value::Null).await;
    assert_eq!(who(&root), ["root", "person", "admin", "team"]);
    assert_eq!(root.body["all_projects"], json!(true));
}

#[tokio::test]
async fn whatever_is_wrong_with_a_key_the_answer_is_the_same() {
    let server = Server::new().await;
    let (revoked_id, revoked) = server.create_key(json!({})).await;
    server.post(&format!("/v1/keys/{revoked_id}/revoke"), ROOT, Value::Null).await.expect(200);
    let (_, good) = server.create_key(json!({})).await;
    let bearer = |token: &str| me().header("Authorization", format!("Bearer {token}"));
    let mut wrong_secret = good.clone();
    wrong_secret.push('x');
    let requests = [
        me(),
        bearer("no-such-key"),
        bearer(""),
        bearer(&"x".repeat(10_000)),
        bearer("pm_k00000000000000000000_secret"),
        bearer(&wrong_secret),
        bearer(&revoked),
        bearer(ANN).header("X-API-Key", BOB),
        bearer(ANN).header("Authorization", format!("Bearer {ANN}")),
        me().header("X-API-Key", ""),
        me().header("X-API-Key", "schlüssel"),
        me().header("Authorization", "Basic YW5uOnNlY3JldA=="),
        me().header("Authorization", ANN),
    ];
    let mut answers = Vec::new();
    for request in requests {
        let mut reply = server.send(request, Value::Null).await.expect_problem(401, "unauthenticated");
        assert!(reply.authenticate.is_some_and(|scheme| scheme.starts_with("Bearer")));
        reply.body.as_object_mut().unwrap().remove("request_id").unwrap();
        answers.push(reply.body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    let counted = server.metrics.render().unwrap();
    for reason in ["missing", "unknown", "revoked"] {
        assert!(counted.contains(&format!("authentication_failures_total{{reason=\"{reason}\"}}")), "{counted}");
    }
}

#[tokio::test]
async fn a_key_may_come_in_either_header_or_in_both() {
    let server = Server::new().await;
    for request in [
        me().header("Authorization", format!("Bearer {ANN}")),
        me().header("Authorization", format!("bearer {ANN}")),
        me().header("X-API-Key", ANN),
        me().header("X-API-Key", ANN).header("Authorization", format!("Bearer {ANN}")),
        // Somebody on the way may want credentials of its own.
        me().header("X-API-Key", ANN).header("Authorization", "Basic YW5uOnNlY3JldA=="),
    ] {
        assert_eq!(server.send(request, Value::Null).await.expect(200).text("/agent"), "ann");
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_read_is_named() {
    let server = Server::new().await;
    let too_long = "x".repeat(300);
    for (name, value) in [
        ("X-Session-Id", "two words"),
        ("X-Session-Id", too_long.as_str()),
        ("X-Project", "Team"),
        ("X-Agent-Id", ""),
        ("Idempotency-Key", "two words"),
        ("Idempotency-Key", too_long.as_str()),
        ("Idempotency-Key", "é"),
    ] {
        let reply = server.send(acquire(ANN).header(name, value), wanted("a")).await;
        let reply = reply.expect_problem(422, "invalid-value");
        assert_eq!(reply.text("/errors/0/field"), name);
    }
    let twice = acquire(ANN).header("X-Session-Id", "s1").header("X-Session-Id", "s2");
    assert_eq!(server.send(twice, wanted("a")).await.expect(422).text("/errors/0/field"), "X-Session-Id");
    assert!(server.told("default").await.iter().all(|line| line[0] == "project.create"), "422 is not audited");
}

#[tokio::test]
async fn nobody_speaks_as_somebody_else_and_trying_it_is_audited() {
    let server = Server::new().await;
    let claim = acquire(BOB).header("X-Agent-Id", "ann");
    server.send(claim, wanted("a")).await.expect_problem(403, "not-your-agent");
    let stray = acquire(BOB).header("X-Project", "team");
    server.send(stray, wanted("a")).await.expect_problem(403, "not-your-project");
    let honest = acquire(BOB).header("X-Agent-Id", "bob").header("X-Project", "default");
    server.send(honest, wanted("a")).await.expect(200);
    // A refused look changes nothing and is counted only.
    server.send(me().header("X-API-Key", BOB).header("X-Agent-Id", "ann"), Value::Null).await.expect(403);
    let told = server.told("default").await;
    let refused: Vec<_> = told.iter().filter(|line| line[3] != "ok").collect();
    let line = |outcome: &str| ["call.enter", "POST /v1/locks/acquire", "bob", outcome].map(str::to_owned);
    assert_eq!(refused, [&line("not-your-agent"), &line("not-your-project")]);
    assert!(server.told("team").await.is_empty(), "the refusal stands in the key's own project");
}

#[tokio::test]
async fn a_refusal_is_replayed_under_its_name_and_not_under_another() {
    let server = Server::new().await;
    let granted = server.send(acquire(ANN), wanted("src/a.rs")).await.expect(200);
    let ask = |name: &str| server.send(acquire(BOB).header("Idempotency-Key", name), wanted("src/a.rs"));
    ask("first").await.expect_problem(409, "lock-held");
    let tokens = json!({ "tokens": [granted.body["locks"][0]["token"]] });
    server.post("/v1/locks/release", ANN, tokens).await.expect(200);
    ask("first").await.expect_problem(409, "lock-held");
    ask("second").await.expect(200);
}

#[tokio::test]
async fn two_agents_meet_at_a_lock() {
    let server = Server::new().await;
    let granted = server.send(acquire(ANN), wanted("src/a.rs")).await.expect(200);
    assert_eq!(granted.text("/locks/0/agent"), "ann");
    let refused = server.send(acquire(BOB), wanted("src/a.rs")).await.expect_problem(409, "lock-held");
    assert_eq!(refused.text("/conflicts/0/agent"), "ann");
}

#[tokio::test]
async fn a_key_revoked_elsewhere_stops_within_two_seconds() {
    let here = Server::new().await;
    let elsewhere = Server::over(here.store.clone());
    let (id, secret) = here.create_key(json!({ "agent": "carl" })).await;
    here.get("/v1/me", &secret).await.expect(200);
    elsewhere.get("/v1/me", &secret).await.expect(200);
    here.post(&format!("/v1/keys/{id}/revoke"), ROOT, Value::Null).await.expect(200);
    let revoked = Instant::now();
    here.get("/v1/me", &secret).await.expect_problem(401, "unauthenticated");
    // Asked again and again, so that a use must not make the memory of it last longer.
    while elsewhere.get("/v1/me", &secret).await.status == 200 {
        assert!(revoked.elapsed() < Duration::from_secs(2), "still good after {:?}", revoked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn without_the_store_nobody_comes_in_by_a_stored_key() {
    let store = Fragile::new();
    let server = Server::over(store.clone());
    let (_, secret) = server.create_key(json!({})).await;
    store.is_away.store(true, Ordering::SeqCst);
    let reply = server.get("/v1/me", &secret).await.expect_problem(503, "unavailable");
    assert_eq!(reply.body["retryable"], json!(true));
    // A call that has to be audited and cannot be is no 403 but unavailable.
    let claim = acquire(BOB).header("X-Agent-Id", "ann");
    server.send(claim, wanted("a")).await.expect_problem(503, "unavailable");
    store.is_away.store(false, Ordering::SeqCst);
    server.get("/v1/me", &secret).await.expect(200);
    store.is_away.store(true, Ordering::SeqCst);
    let left = Instant::now();
    while server.get("/v1/me", &secret).await.status == 200 {
        assert!(left.elapsed() < Duration::from_secs(2), "believed without the store");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.get("/v1/me", &secret).await.expect_problem(503, "unavailable");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted_beside_the_requests() {
    let server = Server::new().await;
    let (id, secret) = server.create_key(json!({})).await;
    let last_used = async || {
        let listed = server.get("/v1/keys", ROOT).await.expect(200);
        let key = listed.body["keys"].as_array().unwrap().iter().find(|key| key["id"] == id.as_str()).cloned().unwrap();
        key.get("last_used_at").cloned()
    };
    server.get("/v1/me", &secret).await.expect(200);
    assert_eq!(last_used().await, None, "no request writes it");
    server.authenticator.flush_usage(false).await.unwrap();
    assert!(last_used().await.is_some());
}

#[test]
fn malformed_keys_of_the_environment_stop_the_start() {
    let refused = |identities: &str| {
        let variables = [("COORDINATION_API_KEYS", ANN), ("COORDINATION_API_KEY_IDENTITIES", identities)];
        match Config::from_vars(variables) {
            Err(errors) => errors.to_string(),
            Ok(config) => EnvKeys::new(&config.identity).err().unwrap().to_string(),
        }
    };
    for identities in [
        "{",
        "[]",
        r#"{"key-of-ann-in-default": {"agent_id": "ann"}}"#,
        r#"{"key-of-ann-in-default": {"agent_id": "an n", "agent_type": "ci"}}"#,
        r#"{"key-of-ann-in-default": {"agent_id": "ann", "agent_type": "ci", "project": "No Project"}}"#,
        r#"{"key-of-ann-in-default": {"agent_id": "ann", "agent_type": "ci", "project": "*"}}"#,
        r#"{"key-of-ann-in-default": {"agent_id": "pointsman", "agent_type": "ci"}}"#,
    ] {
        let told = refused(identities);
        assert!(told.contains("COORDINATION_API_KEY_IDENTITIES"), "{told}");
        assert!(!told.contains(ANN), "{told}");
    }
    assert!(EnvKeys::new(&config().identity).is_ok());
}

#[tokio::test]
async fn the_document_tells_of_keys_and_headers() {
    let server = Server::new().await;
    let document = server.send(request(Method::GET, "/openapi.json"), Value::Null).await.expect(200).body;
    let paths = document["paths"].as_object().unwrap();
    let mut seen = 0;
    for (path, operation) in paths.iter().flat_map(|(path, operations)| {
        operations.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    }) {
        if !path.contains("/v1/") {
            assert!(operation.get("security").is_none(), "{path}");
            continue;
        }
        seen += 1;
        assert_eq!(operation["security"], json!([{ "Bearer": [] }, { "ApiKey": [] }]), "{path}");
        let referred: Vec<_> =
            operation["parameters"].as_array().unwrap().iter().filter_map(|p| p["$ref"].as_str()).collect();
        assert!(referred.contains(&"#/components/parameters/Session"), "{path}");
        assert_eq!(referred.contains(&"#/components/parameters/IdempotencyKey"), !path.starts_with("get"), "{path}");
        for reference in referred {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
    assert!(seen >= 8, "{seen} operations");
    assert!(document["components"]["securitySchemes"]["ApiKey"]["name"] == json!("X-API-Key"));
}
