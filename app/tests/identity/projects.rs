//! Projects: made, listed, archived.

use crate::server::{ANN, ROOT, Server, TEAM_ADMIN, request};
use poem::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_project_lives_from_creation_to_its_archive() {
    let server = Server::new().await;
    server.post("/v1/projects", ROOT, json!({ "id": "team" })).await.expect_problem(409, "project-exists");
    let listed = server.get("/v1/projects", ROOT).await.expect(200);
    assert_eq!((listed.text("/projects/0/id"), listed.text("/projects/1/id")), ("default", "team"));
    let (id, of_team) = server.create_key(json!({ "project": "team", "agent": "carl" })).await;
    let wanted = json!({ "keys": [{ "key": "a" }] });
    server.post("/v1/locks/acquire", &of_team, wanted.clone()).await.expect(200);

    let archived = server.post("/v1/projects/team/archive", ROOT, Value::Null).await.expect(200);
    assert!(!archived.text("/archived_at").is_empty());
    server.post("/v1/projects/team/archive", ROOT, Value::Null).await.expect_problem(409, "project-archived");
    server.post("/v1/locks/acquire", &of_team, wanted).await.expect_problem(409, "project-archived");
    server.post("/v1/keys", ROOT, json!({ "project": "team" })).await.expect_problem(409, "project-archived");
    server.get("/v1/locks", &of_team).await.expect(200);
    // What is archived must still be closed to keys that got out.
    server.post(&format!("/v1/keys/{id}/revoke"), TEAM_ADMIN, Value::Null).await.expect(200);
    server.get("/v1/locks", &of_team).await.expect(401);
    let told = server.told("default").await;
    let of_projects: Vec<_> =
        told.iter().filter(|l| l[0].starts_with("project.")).map(|l| (l[0].as_str(), l[3].as_str())).collect();
    assert_eq!(
        of_projects,
        [
            ("project.create", "ok"),
            ("project.create", "project-exists"),
            ("project.archive", "ok"),
            ("project.archive", "project-archived"),
        ]
    );
}

#[tokio::test]
async fn what_is_no_project_is_refused() {
    let server = Server::new().await;
    for id in ["", "No", "a b", &"x".repeat(64)] {
        server.post("/v1/projects", ROOT, json!({ "id": id })).await.expect_problem(422, "invalid-value");
    }
    server.post("/v1/projects/default/archive", ROOT, Value::Null).await.expect_problem(409, "project-default-stays");
    server.post("/v1/projects/nowhere/archive", ROOT, Value::Null).await.expect_problem(404, "project-unknown");
    let nowhere = request(Method::POST, "/v1/keys/k1/revoke").header("X-API-Key", ROOT).header("X-Project", "nowhere");
    server.send(nowhere, Value::Null).await.expect_problem(404, "project-unknown");
    assert!(server.told("nowhere").await.is_empty(), "a project that is not there has no audit log");
    server.get("/v1/projects", ANN).await.expect_problem(403, "role-too-low");
}

#[tokio::test]
async fn projects_are_listed_in_pages() {
    let server = Server::new().await;
    let first = server.get("/v1/projects?limit=1", ROOT).await.expect(200);
    assert_eq!(first.text("/projects/0/id"), "default");
    let path = format!("/v1/projects?limit=1&cursor={}", first.text("/next_cursor"));
    let second = server.get(&path, ROOT).await.expect(200);
    assert_eq!(second.text("/projects/0/id"), "team");
    assert!(second.body.get("next_cursor").is_none());
}
