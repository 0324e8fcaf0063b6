//! Requests that are wrong, strange, too large or never finished, and what surrounds the API.

use e2e::database::in_repository;
use e2e::http::Connection;
use e2e::keyring::{Keyring, key_of};
use e2e::logs::note;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{Outcome, poll};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

const READ_TIMEOUT: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(5);

async fn serve(store: &Store) -> Outcome<Server> {
    store.launch()?.keys(&Keyring::usual()).set("API_READ_TIMEOUT_SECONDS", "2").start().await
}

#[tokio::test]
async fn every_refusal_is_a_problem_with_its_status() -> Outcome {
    let store = Store::sqlite()?;
    let server = serve(&store).await?;
    let (stranger, alice) = (server.stranger()?, server.agent("alice")?);
    let wish = json!({ "keys": [{ "key": "a" }] });

    let reply = stranger.acquire(&wish).await?;
    assert!(reply.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")));
    reply.problem(401, "unauthenticated")?;
    for wrong in ["wrong", "", &"x".repeat(5_000), "pm_unknown_key"] {
        stranger.key(wrong).acquire(&wish).await?.problem(401, "unauthenticated")?;
    }
    stranger.header("authorization", "Basic YTpi").acquire(&wish).await?.problem(401, "unauthenticated")?;
    let by_other_header = stranger.header("x-api-key", key_of("alice")).get("/v1/me").await?.ok()?;
    assert_eq!(by_other_header["agent"], "alice");

    alice.get("/v1/nothing").await?.problem(404, "not-found")?;
    alice.get("/").await?.problem(404, "not-found")?;
    let reply = alice.get("/v1/locks/acquire").await?;
    assert_eq!(reply.header("allow"), Some("POST"));
    reply.problem(405, "method-not-allowed")?;
    let reply = alice.delete("/v1/locks").await?;
    assert!(reply.header("allow").is_some_and(|allow| allow.contains("GET")), "{:?}", reply.headers);
    reply.problem(405, "method-not-allowed")?;

    let post = || alice.request(Method::POST, "/v1/locks/acquire");
    let with_type = |kind: &str| post().header("content-type", kind).body(wish.to_string());
    alice.send(with_type("text/plain")).await?.problem(415, "unsupported-media-type")?;
    alice.send(with_type("application/xml")).await?.problem(415, "unsupported-media-type")?;
    alice.send(with_type("application/json; charset=utf-8")).await?.ok()?;
    let json_body = |body: &str| post().header("content-type", "application/json").body(body.to_owned());
    alice.send(json_body("{\"keys\": [")).await?.problem(400, "malformed-request")?;
    alice.send(json_body("\u{1}")).await?.problem(400, "malformed-request")?;
    alice.send(json_body(&"[".repeat(100_000))).await?.problem(400, "malformed-request")?;
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"keys\":[]}",
        "{\"keys\":[{\"key\":1}]}",
        "{\"keys\":[{\"key\":\"a\",\"mode\":\"both\"}]}",
    ] {
        alice.send(json_body(body)).await?.problem(422, "invalid-value")?;
    }
    let misspelt =
        alice.send(json_body("{\"keys\":[{\"key\":\"a\"}],\"ttl\":5}")).await?.problem(422, "invalid-value")?;
    assert!(misspelt.to_string().contains("ttl"), "the unknown field is named: {misspelt}");
    for ttl in ["4", "28801", "-1", "1.5", "\"60\"", "4294967296"] {
        let body = format!("{{\"keys\":[{{\"key\":\"a\"}}],\"ttl_seconds\":{ttl}}}");
        alice.send(json_body(&body)).await?.problem(422, "invalid-value")?;
    }
    for query in ["limit=0", "limit=501", "limit=x", "cursor=nonsense", "since=yesterday"] {
        let reply = alice.get(&format!("/v1/audit?{query}")).await?;
        assert!(reply.status == 422 || reply.status == 400, "{query}: {} {}", reply.status, reply.text);
        let slug = reply.slug().to_owned();
        reply.problem(if slug == "malformed-request" { 400 } else { 422 }, &slug)?;
    }
    let long = alice.header("idempotency-key", "k".repeat(1_000)).acquire(&wish).await?;
    assert!((400..500).contains(&long.status), "{} {}", long.status, long.text);
    let bad_session = alice.header("x-session-id", "a b").acquire(&wish).await?;
    assert!((400..500).contains(&bad_session.status), "{} {}", bad_session.status, bad_session.text);
    alice.header("x-agent-id", "bob").acquire(&wish).await?.problem(403, "not-your-agent")?;
    alice.header("x-agent-id", "alice").acquire(&wish).await?.ok()?;
    alice.header("x-project", "other").acquire(&wish).await?.problem(403, "not-your-project")?;
    Ok(())
}

#[tokio::test]
async fn bodies_have_a_limit_whether_they_say_their_length_or_not() -> Outcome {
    let store = Store::sqlite()?;
    let server = serve(&store).await?;
    let alice = server.agent("alice")?;
    let large = format!("{{\"keys\":[{{\"key\":\"{}\"}}]}}", "a".repeat(1024 * 1024));
    let request = alice.request(Method::POST, "/v1/locks/acquire").header("content-type", "application/json");
    alice.send(request.body(large.clone())).await?.problem(413, "body-too-large")?;

    // What is still on its way cannot be told from a next request, so there must be none.
    let mut early = Connection::open(&server.address()).await?;
    let head = |bytes: usize| {
        format!(
            "POST /v1/locks/acquire HTTP/1.1\r\nHost: test\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {bytes}\r\n\r\n",
            key_of("alice")
        )
    };
    early.send(head(large.len())).await?;
    let answer = early.rest(SOON).await?.to_lowercase();
    assert!(answer.starts_with("http/1.1 413") && answer.contains("\r\nconnection: close\r\n"), "{answer}");

    let mut chunked = Connection::open(&server.address()).await?;
    let head = format!(
        "POST /v1/locks/acquire HTTP/1.1\r\nHost: test\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        key_of("alice")
    );
    chunked.send(head).await?;
    chunked.send(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await?;
    let answer = chunked.rest(SOON).await?;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body-too-large"), "{answer}");

    let mut small = Connection::open(&server.address()).await?;
    let body = "{\"keys\":[{\"key\":\"a\"}]}";
    let head = format!(
        "POST /v1/locks/acquire HTTP/1.1\r\nHost: test\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        key_of("alice"),
        body.len()
    );
    small.send(head).await?;
    let answer = small.rest(SOON).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_request_id_is_taken_over_or_made_and_stands_in_the_answer_and_the_log() -> Outcome {
    let store = Store::sqlite()?;
    let server = serve(&store).await?;
    let alice = server.agent("alice")?;
    let reply = alice.header("x-request-id", "mine-123").get("/v1/me").await?;
    assert_eq!(reply.header("x-request-id"), Some("mine-123"));
    let problem = alice.header("x-request-id", "mine-124").get("/v1/nothing").await?.problem(404, "not-found")?;
    assert_eq!(problem["request_id"], "mine-124");
    for bad in ["has space", "<script>", &"x".repeat(200)] {
        let reply = alice.header("x-request-id", bad).get("/v1/me").await?;
        assert!(reply.header("x-request-id").is_some_and(|id| id.starts_with("req_")), "{:?}", reply.headers);
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traced = alice.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    traced.header("x-request-id", "mine-125").take("a").await?;
    let lines = e2e::audit::entries(&server.agent("olga")?, &[("operation", "lock.acquire")]).await?;
    assert_eq!((&lines[0]["request_id"], &lines[0]["trace_id"]), (&json!("mine-125"), &json!(trace)));
    Ok(())
}

#[tokio::test]
async fn what_is_never_finished_is_cut() -> Outcome {
    let store = Store::sqlite()?;
    let server = serve(&store).await?;
    let head = format!("POST /v1/locks/acquire HTTP/1.1\r\nHost: test\r\nX-API-Key: {}\r\n", key_of("alice"));
    let stalled_body = format!("{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"keys\"");
    for (what, bytes) in
        [("a half-sent head", head), ("a stalled body", stalled_body), ("nothing at all", String::new())]
    {
        let mut connection = Connection::open(&server.address()).await?;
        connection.send(bytes).await?;
        let began = Instant::now();
        let answer = connection.rest(Duration::from_secs(10)).await?;
        let took = began.elapsed();
        note(format_args!("{what} was cut after {took:?}: {:?}", answer.lines().next()));
        assert!(took > READ_TIMEOUT / 2, "{what} was cut after {took:?} already");
        assert!(!answer.contains(" 200 "), "{what}: {answer}");
    }
    server.agent("alice")?.take("a").await?;

    for (bytes, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
        ("GET /live HTTP/1.1\r\n\r\n", ""),
    ] {
        let mut connection = Connection::open(&server.address()).await?;
        connection.send(bytes).await?;
        let answer = connection.rest(Duration::from_secs(15)).await?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{bytes:?}: {answer:?}");
    }
    let mut connection = Connection::open(&server.address()).await?;
    // A reset may come before everything is sent.
    let _ = connection.send(format!("GET /live HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000))).await;
    let answer = connection.rest(SOON).await?;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() -> Outcome {
    let store = Store::sqlite()?;
    let launch = store.launch()?.keys(&Keyring::usual()).set("API_MAX_CONNECTIONS", "2");
    let server = launch.set("API_READ_TIMEOUT_SECONDS", "2").start().await?;
    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(Connection::open(&server.address()).await?);
    }
    let reply = server.agent("alice")?.get("/v1/me").await?;
    let took = began.elapsed();
    note(format_args!("answered after {took:?} behind four silent connections"));
    assert_eq!(reply.status, 200);
    assert!(took > READ_TIMEOUT, "answered after {took:?}, before the silent ones were cut");
    Ok(())
}

#[tokio::test]
async fn the_description_is_the_committed_one_and_the_docs_page_needs_nobody_else() -> Outcome {
    let store = Store::sqlite()?;
    let server = serve(&store).await?;
    let stranger = server.stranger()?;
    let document = stranger.get("/openapi.json").await?;
    assert_eq!(document.header("content-type"), Some("application/json"));
    let committed = std::fs::read_to_string(in_repository("docs/openapi.json"))?;
    assert!(document.text == committed, "docs/openapi.json is not what the server says of itself: write it anew");

    let page = stranger.get("/docs").await?;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{policy}");
    for tag in ["<script", "<link", "<img", "<iframe"] {
        for place in page.text.split(tag).skip(1) {
            let attributes = place.split('>').next().unwrap_or_default();
            let outside = ["http://", "https://", "//"].iter().any(|start| {
                attributes.contains(&format!("src=\"{start}")) || attributes.contains(&format!("href=\"{start}"))
            });
            assert!(!outside, "{tag}{attributes}> comes from elsewhere");
        }
    }
    assert!(!page.text.contains("@import") && page.text.contains("Pointsman"));
    Ok(())
}

#[tokio::test]
async fn each_problem_type_leads_to_a_page_that_explains_it() -> Outcome {
    let store = Store::sqlite()?;
    let server = serve(&store).await?;
    let alice = server.agent("alice")?;
    let kind = alice.get("/v1/nothing").await?.problem(404, "not-found")?["type"].clone();
    let page = server.stranger()?.get(kind.as_str().unwrap_or_default()).await?;
    assert_eq!(page.status, 200, "{kind} leads nowhere");
    assert!(page.text.contains("There is nothing at this address"), "{}", page.text);
    Ok(())
}

#[tokio::test]
async fn metrics_count_requests_refusals_locks_and_waits() -> Outcome {
    let store = Store::sqlite()?;
    let server = serve(&store).await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let held = alice.take("a").await?;
    bob.acquire(&json!({ "keys": [{ "key": "a" }], "wait_seconds": 1 })).await?.problem(409, "lock-held")?;
    let stranger = server.stranger()?;
    let value = async |name: &str, label: &str| -> Outcome<Option<f64>> {
        let text = stranger.get("/metrics").await?.text;
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|one, other| one + other))
    };
    let text = stranger.get("/metrics").await?.text;
    assert!(text.contains("# TYPE") && text.contains("/v1/locks/acquire"), "{text}");
    assert!(text.contains("lock-held"), "refusals are counted by name: {text}");
    poll::until("one held lock in the metrics", SOON, async || {
        Ok((value("pointsman_locks_held", "").await? == Some(1.0)).then_some(()))
    })
    .await?;
    alice.release(&[held.token]).await?.ok()?;
    poll::until("no held lock in the metrics", Duration::from_secs(15), async || {
        Ok((value("pointsman_locks_held", "").await? == Some(0.0)).then_some(()))
    })
    .await?;
    assert!(!text.contains(&key_of("alice")), "no secrets");
    Ok(())
}
