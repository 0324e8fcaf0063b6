use serde_json::json;

use crate::server::{Limits, Server, post};

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let server = Server::start(Limits::default());
    for path in ["/nowhere", "/v1/nowhere", "/problems/nothing-like-it", "/"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        answer.problem("not-found");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = Server::start(Limits::default());
    for (path, allow) in [("/v1/things/7", "DELETE, GET, HEAD"), ("/v1/notes", "POST")] {
        let answer = server.ask(&format!("PUT {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{path}");
        answer.problem("method-not-allowed");
    }
}

#[tokio::test]
async fn a_body_is_refused_field_by_field() {
    let server = Server::start(Limits::default());
    let answer = server.post("/v1/notes", r#"{"count":-1}"#).await;
    assert_eq!(answer.status, 422);
    let expected = json!([
        {"field": "text", "reason": "is missing"},
        {"field": "count", "reason": "must not be negative"},
    ]);
    assert_eq!(answer.problem("invalid-value")["errors"], expected);
    let answer = server.post("/v1/notes", "{not json").await;
    assert_eq!(answer.status, 400);
    answer.problem("malformed-request");
    assert_eq!(server.post("/v1/notes", r#"{"text":"abc","count":2}"#).await.json(), 5);
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let server = Server::start(Limits::default());
    for header in ["content-type: text/plain\r\n", ""] {
        let answer = server
            .ask(&format!("POST /v1/notes HTTP/1.1\r\nhost: test\r\n{header}content-length: 2\r\n\r\n{{}}"))
            .await;
        assert_eq!(answer.status, 415, "{header}");
        answer.problem("unsupported-media-type");
    }
}

#[tokio::test]
async fn a_parameter_is_refused_by_name() {
    let server = Server::start(Limits::default());
    for (path, field) in [("/v1/things/seven", "id"), ("/v1/things/7?page=x", "page"), ("/v1/slow", "ms")] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 422, "{path}");
        let problem = answer.problem("invalid-value");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(server.get("/v1/slow").await.problem("invalid-value")["detail"], "`ms` is missing");
    let answer = server.get("/v1/things/%FF").await;
    assert_eq!(answer.status, 422);
    answer.problem("invalid-value");
}

#[tokio::test]
async fn a_problem_of_a_handler_passes_through_whole() {
    let server = Server::start(Limits::default());
    let answer = server.ask("DELETE /v1/things/7 HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("retry-after")), (409, Some("2")));
    assert_eq!(answer.problem("lock-held")["detail"], "7 is held");
    let metrics = server.metrics.render().unwrap();
    let counted = r#"pointsman_http_requests_total{method="DELETE",route="/v1/things/{id}",status="409"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains(r#"pointsman_refusals_total{problem="lock-held"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_panic_is_an_answer_that_tells_nothing() {
    let server = Server::start(Limits::default());
    let answer = server.get("/v1/panics").await;
    assert_eq!(answer.status, 500);
    let body = answer.problem("internal");
    assert!(!body.to_string().contains("secret"), "{body}");
    assert_eq!(server.get("/v1/things/1").await.status, 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_unless_it_may_wait() {
    let server = Server::start(Limits { request: std::time::Duration::from_millis(300), ..Limits::default() });
    let answer = server.get("/v1/slow?ms=20000").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.problem("timeout")["retryable"], true);
    assert_eq!(server.get("/v1/waits?ms=600").await.status, 200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_both_ways() {
    const MIB: usize = 1024 * 1024;
    let server = Server::start(Limits::default());
    let note = |length: usize| format!(r#"{{"text":"{}"}}"#, "x".repeat(length - 11));
    assert_eq!(server.post("/v1/notes", &note(MIB)).await.status, 200);
    // Refused on its length alone: no byte of the body is sent.
    let head = post("/v1/notes", "").replace("content-length: 0", &format!("content-length: {}", MIB + 1));
    let answer = server.ask(&head).await;
    assert_eq!(answer.status, 413);
    answer.problem("body-too-large");
    let chunked = |length: usize| {
        let head =
            "POST /v1/notes HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked";
        format!("{head}\r\n\r\n{length:x}\r\n{}\r\n0\r\n\r\n", note(length))
    };
    assert_eq!(server.ask(&chunked(MIB)).await.status, 200);
    let answer = server.ask(&chunked(MIB + 1)).await;
    assert_eq!(answer.status, 413);
    answer.problem("body-too-large");
}

#[tokio::test]
async fn a_request_id_is_echoed_if_plain_and_replaced_if_not() {
    let server = Server::start(Limits::default());
    let ask =
        async |headers: &str| server.ask(&format!("GET /v1/context HTTP/1.1\r\nhost: test\r\n{headers}\r\n")).await;
    let answer = ask("X-Request-Id: mine.1\r\n").await;
    assert_eq!(answer.header("x-request-id"), Some("mine.1"));
    assert_eq!(answer.json(), json!(["mine.1", ""]));
    for headers in ["", "x-request-id: not plain\r\n"] {
        let answer = ask(headers).await;
        let id = answer.header("x-request-id").unwrap();
        assert!(id.starts_with("made-"), "{id}");
        assert_eq!(answer.json()[0], id);
    }
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = ask(&format!("traceparent: 00-{trace_id}-00f067aa0ba902b7-01\r\n")).await;
    assert_eq!(answer.json()[1], trace_id);
    assert_eq!(ask("traceparent: 00-zz-00-01\r\n").await.json()[1], "");
}

#[tokio::test]
async fn labels_stay_few_whatever_clients_make_up() {
    let server = Server::start(Limits::default());
    server.get("/made/up/path").await;
    server.ask("MADEUP /v1/notes HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let metrics = server.metrics.render().unwrap();
    assert!(metrics.contains(r#"requests_total{method="GET",route="unmatched",status="404"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"method="OTHER""#), "{metrics}");
    assert!(!metrics.to_lowercase().contains("made"), "{metrics}");
}

#[tokio::test]
async fn the_pages_are_served() {
    let server = Server::start(Limits::default());
    assert_eq!(server.get("/docs").await.status, 200);
    assert_eq!(server.get("/openapi.json").await.json()["openapi"], "3.0.0");
    let page = server.get("/problems/lock-held").await;
    assert!(page.body.starts_with(b"## lock-held"), "{page:?}");
    assert_eq!(page.header("content-type"), Some("text/markdown; charset=utf-8"));
}
