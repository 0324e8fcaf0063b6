//! What listings are asked with.

use crate::server::{ANN, ROOT, Server, request};
use poem::http::Method;
use serde_json::Value;

#[tokio::test]
async fn a_text_that_nothing_stored_can_have_is_refused_by_name() {
    let server = Server::new().await;
    let texts =
        [("/v1/locks", "key_prefix"), ("/v1/audit", "operation"), ("/v1/audit", "key"), ("/v1/audit", "outcome")];
    for (path, field) in texts {
        for text in ["a%00b", "%0A", "%7F", "%C2%80"] {
            let reply = server.get(&format!("{path}?{field}={text}"), ANN).await.expect_problem(422, "invalid-value");
            assert_eq!(reply.text("/errors/0/field"), field, "{text}");
        }
        for text in ["", "src%2F%2A%2A", "%C3%A9", "%F0%9F%98%80", "api%3AGET%20%2Fx", "%25%27%3B--"] {
            server.get(&format!("{path}?{field}={text}"), ANN).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_project_that_is_not_there_is_not_an_empty_one() {
    let server = Server::new().await;
    for path in ["/v1/audit", "/v1/keys", "/v1/locks", "/v1/locks/status?key=a", "/v1/me"] {
        let asked = |project: &str| {
            let headed = request(Method::GET, path).header("X-API-Key", ROOT).header("X-Project", project);
            server.send(headed, Value::Null)
        };
        asked("nowhere").await.expect_problem(404, "project-unknown");
        asked("team").await.expect(200);
    }
    server.get("/v1/keys?project=nowhere", ROOT).await.expect_problem(404, "project-unknown");
    server.get("/v1/keys?project=team", ROOT).await.expect(200);
}
