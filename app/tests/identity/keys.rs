//! Keys: made, listed, rotated, revoked, and by whom.

use crate::server::{ANN, ROOT, Reply, Server, TEAM_ADMIN, request};
use adapters::fixed::ManualClock;
use adapters::in_memory::InMemoryStore;
use chrono::{DateTime, TimeDelta};
use poem::http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

async fn create_as(server: &Server, idempotency_key: &str, body: Value) -> Reply {
    let request =
        request(Method::POST, "/v1/keys").header("X-API-Key", ROOT).header("Idempotency-Key", idempotency_key);
    server.send(request, body).await
}

fn keys(reply: &Reply) -> Vec<String> {
    let keys = reply.body["keys"].as_array().unwrap();
    keys.iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_key_lives_from_creation_over_rotation_to_revocation() {
    let server = Server::new().await;
    let body = json!({ "agent": "carl", "agent_type": "claude_code", "role": "orchestrator", "project": "team" });
    let created = server.post("/v1/keys", ROOT, body).await.expect(201);
    let (id, first) = (created.text("/key/id").to_owned(), created.text("/secret").to_owned());
    assert_eq!(created.body["secret_shown"], json!(true));
    let me = server.get("/v1/me", &first).await.expect(200);
    let who = ["/agent", "/agent_type", "/role", "/project", "/key_id"].map(|pointer| me.text(pointer));
    assert_eq!(who, ["carl", "claude_code", "orchestrator", "team", &id]);

    let rotated = server.post(&format!("/v1/keys/{id}/rotate"), ROOT, Value::Null).await.expect(200);
    let second = rotated.text("/secret").to_owned();
    assert_ne!(first, second);
    server.get("/v1/me", &first).await.expect(401);
    server.get("/v1/me", &second).await.expect(200);

    let revoked = server.post(&format!("/v1/keys/{id}/revoke"), ROOT, Value::Null).await.expect(200);
    assert!(!revoked.text("/revoked_at").is_empty());
    server.get("/v1/me", &second).await.expect(401);
    server.post(&format!("/v1/keys/{id}/revoke"), ROOT, Value::Null).await.expect_problem(410, "key-revoked");
    server.post(&format!("/v1/keys/{id}/rotate"), ROOT, Value::Null).await.expect_problem(410, "key-revoked");

    let told = server.told("default").await;
    let line = |operation: &str, outcome: &str| [operation, &id, "root", outcome].map(str::to_owned);
    assert_eq!(
        told.into_iter().filter(|line| line[0].starts_with("key.")).collect::<Vec<_>>(),
        [
            line("key.create", "ok"),
            line("key.rotate", "ok"),
            line("key.revoke", "ok"),
            line("key.revoke", "key-revoked"),
            line("key.rotate", "key-revoked"),
        ]
    );
}

#[tokio::test]
async fn no_secret_is_kept_or_shown_a_second_time() {
    let server = Server::new().await;
    let first = create_as(&server, "create-1", json!({ "agent": "carl" })).await.expect(201);
    let replay = create_as(&server, "create-1", json!({ "agent": "carl" })).await.expect(201);
    assert_eq!(replay.body["key"], first.body["key"]);
    assert_eq!(replay.body["secret_shown"], json!(false));
    assert!(replay.body.get("secret").is_none());
    create_as(&server, "create-1", json!({ "agent": "dora" })).await.expect_problem(409, "idempotency-key-reused");
    let listed = server.get("/v1/keys", ROOT).await.expect(200);
    assert_eq!(keys(&listed), [first.text("/key/id")], "the replay made no second key");

    let secret = first.text("/secret").rsplit('_').next().unwrap();
    let project = domain::ids::ProjectId::parse("default").unwrap();
    let facts = server.store.begin_read().await.unwrap().facts_latest(&project, 500).await.unwrap();
    let name = domain::idempotency::RequestName {
        project,
        agent: domain::ids::AgentId::parse("root").unwrap(),
        key: domain::idempotency::IdempotencyKey::parse("create-1").unwrap(),
    };
    let record = server.store.begin_read().await.unwrap().idempotency_load(&[name]).await.unwrap().pop().unwrap();
    let kept = format!("{:?} {facts:?} {record:?} {}", server.audit("default").await, listed.body);
    assert!(kept.contains("carl"));
    assert!(!kept.contains(secret) && !kept.contains("hash"), "{kept}");
}

#[tokio::test]
async fn a_role_below_admin_manages_no_keys_and_trying_it_is_audited() {
    let server = Server::new().await;
    let (_, orchestrator) = server.create_key(json!({ "agent": "olga", "role": "orchestrator" })).await;
    for key in [ANN, orchestrator.as_str()] {
        server.post("/v1/keys", key, json!({})).await.expect_problem(403, "role-too-low");
        server.get("/v1/keys", key).await.expect_problem(403, "role-too-low");
        server.post("/v1/keys/k1/revoke", key, Value::Null).await.expect_problem(403, "role-too-low");
        server.post("/v1/projects", key, json!({ "id": "p" })).await.expect_problem(403, "role-too-low");
    }
    let told = server.told("default").await;
    for agent in ["ann", "olga"] {
        let refused: Vec<_> =
            told.iter().filter(|l| l[2] == agent && l[3] == "role-too-low").map(|l| l[0].as_str()).collect();
        assert_eq!(refused, ["key.create", "key.revoke", "project.create"], "the look at the list is not audited");
    }
}

#[tokio::test]
async fn an_admin_of_one_project_manages_the_keys_of_that_project_only() {
    let server = Server::new().await;
    let (foreign, _) = server.create_key(json!({ "agent": "carl" })).await;
    let own = server.post("/v1/keys", TEAM_ADMIN, json!({ "agent": "dora" })).await.expect(201);
    assert_eq!(own.text("/key/project"), "team");
    let elsewhere = json!({ "project": "default" });
    server.post("/v1/keys", TEAM_ADMIN, elsewhere).await.expect_problem(403, "not-your-project");
    let everywhere = json!({ "all_projects": true });
    server.post("/v1/keys", TEAM_ADMIN, everywhere).await.expect_problem(403, "needs-all-projects");
    // It need not know that the other project has such a key, or that there is such a project.
    server
        .post(&format!("/v1/keys/{foreign}/revoke"), TEAM_ADMIN, Value::Null)
        .await
        .expect_problem(404, "key-unknown");
    server
        .post(&format!("/v1/keys/{foreign}/rotate"), TEAM_ADMIN, Value::Null)
        .await
        .expect_problem(404, "key-unknown");
    server.post("/v1/keys", TEAM_ADMIN, json!({ "project": "nowhere" })).await.expect_problem(403, "not-your-project");
    server.get("/v1/keys?project=default", TEAM_ADMIN).await.expect_problem(403, "not-your-project");
    let listed = server.get("/v1/keys", TEAM_ADMIN).await.expect(200);
    assert_eq!(keys(&listed), [own.text("/key/id")]);
    server.post("/v1/projects", TEAM_ADMIN, json!({ "id": "p" })).await.expect_problem(403, "needs-all-projects");
    server.get("/v1/projects", TEAM_ADMIN).await.expect_problem(403, "needs-all-projects");
    let told = server.told("team").await;
    let refused: Vec<_> = told.iter().filter(|line| line[3] != "ok").map(|line| line[3].as_str()).collect();
    assert_eq!(refused, ["not-your-project", "needs-all-projects", "not-your-project", "needs-all-projects"]);
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let server = Server::new().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(server.create_key(json!({ "project": "team" })).await.0);
    }
    let (other, _) = server.create_key(json!({})).await;
    made.sort();
    let mut listed = Vec::new();
    let mut path = "/v1/keys?project=team&limit=2".to_owned();
    loop {
        let page = server.get(&path, ROOT).await.expect(200);
        listed.extend(keys(&page));
        match page.body.get("next_cursor").and_then(Value::as_str) {
            Some(cursor) => path = format!("/v1/keys?project=team&limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(listed, made);
    assert!(keys(&server.get("/v1/keys", ROOT).await).contains(&other));
    for path in ["/v1/keys?limit=0", "/v1/keys?limit=501", "/v1/keys?cursor=%21", "/v1/keys?project=No"] {
        server.get(path, ROOT).await.expect_problem(422, "invalid-value");
    }
}

#[tokio::test]
async fn a_key_stops_when_its_time_is_over_on_the_clock_of_the_store() {
    let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()));
    let server = Server::over(Arc::new(InMemoryStore::new(clock.clone())));
    let (_, short) = server.create_key(json!({ "expires_in_seconds": 60 })).await;
    let (_, long) = server.create_key(json!({ "expires_at": "2027-01-15T09:00:00Z" })).await;
    server.get("/v1/me", &short).await.expect(200);
    clock.advance(TimeDelta::seconds(60));
    let passed = Instant::now();
    while server.get("/v1/me", &short).await.status == 200 {
        assert!(passed.elapsed() < Duration::from_secs(2), "outlived its time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.metrics.render().unwrap().contains("reason=\"expired\""));
    server.get("/v1/me", &long).await.expect(200);
}

#[tokio::test]
async fn values_that_make_no_key_are_refused() {
    let server = Server::new().await;
    for body in [
        json!({ "agent": "two words" }),
        json!({ "agent": "" }),
        json!({ "agent": "pointsman" }),
        json!({ "agent": "x".repeat(129) }),
        json!({ "agent_type": "two words" }),
        json!({ "role": "emperor" }),
        json!({ "project": "No" }),
        json!({ "project": "team", "all_projects": true }),
        json!({ "expires_in_seconds": 0 }),
        json!({ "expires_in_seconds": 315_360_001 }),
        json!({ "expires_in_seconds": 5, "expires_at": "2100-01-01T00:00:00Z" }),
        json!({ "expires_at": "tomorrow" }),
        json!({ "expires_at": "+12026-01-01T00:00:00Z" }),
        json!({ "secret": "mine" }),
        json!([]),
    ] {
        server.post("/v1/keys", ROOT, body.clone()).await.expect_problem(422, "invalid-value");
    }
    server
        .post("/v1/keys", ROOT, json!({ "expires_at": "2001-01-01T00:00:00Z" }))
        .await
        .expect_problem(422, "expiry-passed");
    server.post("/v1/keys", ROOT, json!({ "project": "nowhere" })).await.expect_problem(404, "project-unknown");
    server.post("/v1/keys/No_Key/revoke", ROOT, Value::Null).await.expect_problem(422, "invalid-value");
    server.post("/v1/keys/k1/revoke", ROOT, Value::Null).await.expect_problem(404, "key-unknown");
    assert!(keys(&server.get("/v1/keys", ROOT).await).is_empty());
}
