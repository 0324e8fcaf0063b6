//! Schemathesis makes up requests from the server's own description, right ones and wrong ones: no answer is a 5xx, and
//! none has a status, a media type or a form that the description does not tell of.

use e2e::database::setting;
use e2e::logs::note;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::{Value, json};
use std::process::Command;

/// They would take away the key that the run itself calls with; or never end; or take lines, which it cannot write.
const EXCLUDED: [&str; 4] = ["import_memories", "revoke_key", "rotate_key", "stream_inbox"];
/// They end what others are to renew and release, and have their turn afterwards.
const AFTERWARDS: [&str; 2] = ["release_all_locks", "end_session"];
/// A request that keeps to the description may be refused all the same: a cursor that was never given, a name that the
/// pattern of a query parameter doesn't tell.
const EXCLUDED_CHECK: &str = "positive_data_acceptance";
/// Locks that the run finds held by its own default session, under the tokens from 1.
const HELD_BEFORE: usize = 64;
/// What nobody gets anything of by guessing: it takes the token of a claim, a dead letter, a time that comes, an id, or an
/// address outside. The tests of each context show these.
const NOT_GUESSED: [(&str, &str); 56] = [
    ("POST", "/v1/schedules"),
    ("DELETE", "/v1/schedules/{id}"),
    ("GET", "/v1/schedules/{id}"),
    ("POST", "/v1/schedules/{id}/pause"),
    ("POST", "/v1/schedules/{id}/resume"),
    ("POST", "/v1/schedules/{id}/run"),
    ("POST", "/v1/tasks/{id}/complete"),
    ("POST", "/v1/tasks/{id}/discard"),
    ("POST", "/v1/tasks/{id}/fail"),
    ("POST", "/v1/tasks/{id}/heartbeat"),
    ("POST", "/v1/tasks/{id}/release"),
    ("POST", "/v1/tasks/{id}/reschedule"),
    ("POST", "/v1/tasks/{id}/retry"),
    ("POST", "/v1/tasks/{id}/snooze"),
    ("DELETE", "/v1/agents/{id}"),
    ("GET", "/v1/agents/{id}"),
    ("PATCH", "/v1/agents/{id}"),
    ("GET", "/v1/agents/{id}/uptime"),
    ("POST", "/v1/conversations/resume"),
    ("GET", "/v1/events"),
    ("GET", "/v1/handoffs/{id}"),
    ("POST", "/v1/handoffs/{id}/accept"),
    ("POST", "/v1/handoffs/{id}/decline"),
    ("POST", "/v1/handoffs/{id}/withdraw"),
    ("POST", "/v1/inbox/acknowledge"),
    ("POST", "/v1/inbox/read"),
    ("POST", "/v1/inbox/return"),
    ("POST", "/v1/memories"),
    ("POST", "/v1/memories/forget"),
    ("GET", "/v1/memories/{id}"),
    ("POST", "/v1/memories/{id}/feedback"),
    ("POST", "/v1/memories/{id}/pin"),
    ("POST", "/v1/memories/{id}/redact"),
    ("POST", "/v1/memories/{id}/supersede"),
    ("POST", "/v1/memories/{id}/unpin"),
    ("POST", "/v1/memories/{id}/validity"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/procedures/{name}/outcomes"),
    ("POST", "/v1/procedures/{name}/retire"),
    ("POST", "/v1/webhooks"),
    ("DELETE", "/v1/webhooks/{id}"),
    ("GET", "/v1/webhooks/{id}"),
    ("PATCH", "/v1/webhooks/{id}"),
    ("GET", "/v1/webhooks/{id}/deliveries"),
    ("POST", "/v1/webhooks/{id}/deliveries/{fact}/redeliver"),
    ("POST", "/v1/webhooks/{id}/pause"),
    ("POST", "/v1/webhooks/{id}/resume"),
    ("POST", "/v1/webhooks/{id}/rotate-secret"),
    ("POST", "/v1/webhooks/{id}/test"),
    ("GET", "/v1/inbox/stream"),
    ("GET", "/v1/messages/{id}"),
    ("GET", "/v1/messages/{id}/deliveries"),
    ("GET", "/v1/alerts/{id}"),
    ("POST", "/v1/alerts/{id}/acknowledge"),
    ("POST", "/v1/alerts/{id}/resolve"),
    ("POST", "/v1/groups/{name}/leave"),
];
const EXAMPLES: &str = "30";
const SEED: &str = "20250117";

on_both_stores! {
    no_made_up_request_is_answered_5xx_or_otherwise_than_described
}

/// The description without `wait_seconds`, which then is always 0: the run is to find faults and not to wait.
fn without_waiting(mut document: Value) -> Outcome<Value> {
    for body in ["AcquireLocks", "ReceiveMessages"] {
        let fields = document.pointer_mut(&format!("/components/schemas/{body}/properties"));
        let removed = fields.and_then(Value::as_object_mut).and_then(|fields| fields.remove("wait_seconds"));
        removed.ok_or_else(|| Fault::new(format!("the description has no {body}.wait_seconds any more")))?;
    }
    Ok(document)
}

/// The description narrower than it must be for others, so that most requests that keep to it get past the checks of
/// their values and meet each other's locks.
fn narrowed(mut document: Value) -> Outcome<Value> {
    let schemas = "/components/schemas";
    // A third is renewed, a third released, a third taken away.
    let third = HELD_BEFORE / 3;
    let tokens = |from: usize| json!({ "minimum": from + 1, "maximum": from + third });
    for (place, narrower) in [
        ("WantedLock/properties/key", json!({ "pattern": "^(src|lib)/[ab](/[*][*])?$", "minLength": 5 })),
        ("AcquireLocks/properties/ticket", json!({ "pattern": "^tkt_[0-9a-f]{32}$", "minLength": 36 })),
        ("AcquireLocks/properties/reason", json!({ "pattern": "^[a-z]{1,9}$" })),
        ("ForceReleaseLock/properties/reason", json!({ "pattern": "^[a-z]{1,9}$" })),
        ("ForceReleaseLock/properties/token", tokens(2 * third)),
        ("ReleaseLocks/properties/tokens/items", tokens(third)),
        ("RenewLocks/properties/tokens/items", tokens(0)),
    ] {
        let schema = document.pointer_mut(&format!("{schemas}/{place}")).and_then(Value::as_object_mut);
        let schema = schema.ok_or_else(|| Fault::new(format!("the description has no {place} any more")))?;
        schema.extend(narrower.as_object().cloned().unwrap_or_default());
    }
    for name in [
        "AcquireLocks",
        "WantedLock",
        "RenewLocks",
        "ReleaseLocks",
        "ForceReleaseLock",
        "CheckLocks",
        "CreateKey",
        "CreateProject",
    ] {
        let schema = document.pointer_mut(&format!("{schemas}/{name}")).and_then(Value::as_object_mut);
        let schema = schema.ok_or_else(|| Fault::new(format!("the description has no {name} any more")))?;
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    let path = "/paths/~1v1~1locks~1tickets~1{ticket}/delete/parameters";
    let parameters = document.pointer_mut(path).and_then(Value::as_array_mut);
    let ticket = parameters.into_iter().flatten().find(|parameter| parameter["name"] == "ticket");
    let ticket = ticket.ok_or_else(|| Fault::new("the description has no ticket in a path any more"))?;
    ticket["schema"] = json!({ "type": "string", "pattern": "^tkt_[0-9a-f]{32}$" });
    for tokens in ["ReleaseLocks/properties/tokens", "RenewLocks/properties/tokens"] {
        let schema = document.pointer_mut(&format!("{schemas}/{tokens}"));
        schema.ok_or_else(|| Fault::new(format!("the description has no {tokens} any more")))?["maxItems"] = json!(2);
    }
    // Headers name sessions and projects, of which there are none but the default ones.
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, operation) in paths.filter_map(|(_, path)| path.as_object_mut()).flatten() {
        if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
            parameters.retain(|parameter| parameter["in"] != "header");
        }
    }
    Ok(document)
}

/// Method and path of everything the run is to try.
fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().filter_map(move |(method, operation)| {
            let id = operation["operationId"].as_str()?;
            (!EXCLUDED.contains(&id)).then(|| (method.to_ascii_uppercase(), path.clone()))
        })
    });
    operations.collect()
}

/// One run against a server by a description; its report if it found nothing.
fn run(server: &Server, key: &str, description: &Value, mode: &str, excluded: &[&str]) -> Outcome<String> {
    let program = setting("SCHEMATHESIS").ok_or_else(|| {
        Fault::new("SCHEMATHESIS is not set: tests/run installs schemathesis and names it, or set it to its path")
    })?;
    let folder = tempfile::TempDir::new()?;
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, description.to_string())?;
    let mut command = Command::new(program);
    command.arg("run").arg(&file).args(["--url", &server.url()]).current_dir(folder.path());
    command.args(["--header", &format!("Authorization: Bearer {key}")]);
    command.args(["--phases", "examples,coverage,fuzzing", "--mode", mode]);
    command.args(["--checks", "all", "--exclude-checks", EXCLUDED_CHECK]);
    command.args(["--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none", "--no-color"]);
    for operation in excluded {
        command.args(["--exclude-operation-id", operation]);
    }
    let output = command.output()?;
    let report = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Fault::new(format!("schemathesis, mode {mode}: {}\n{report}", output.status)));
    }
    Ok(report)
}

async fn no_made_up_request_is_answered_5xx_or_otherwise_than_described(store: Store) -> Outcome {
    let mut server = store.launch()?.start().await?;
    let key = store.first_key()?;
    let document = server.stranger()?.get("/openapi.json").await?.ok()?;
    let operations = operations(&document);
    let early: Vec<&str> = EXCLUDED.into_iter().chain(AFTERWARDS).collect();
    for operation in &early {
        assert!(document.to_string().contains(&format!("\"operationId\":\"{operation}\"")), "{operation} is gone");
    }
    let held: Vec<Value> = (0..HELD_BEFORE).map(|number| json!({ "key": format!("held/{number}") })).collect();
    server.stranger()?.key(&key).acquire(&json!({ "keys": held })).await?.grants()?;
    let document = without_waiting(document)?;
    let runs = [(narrowed(document.clone())?, "positive", early.as_slice()), (document, "all", &EXCLUDED)];
    for (description, mode, excluded) in runs {
        let report = run(&server, &key, &description, mode, excluded)?;
        let summary = report.lines().skip_while(|line| !line.contains("SUMMARY"));
        note(format_args!("{}", summary.collect::<Vec<_>>().join("\n")));
        assert!(server.still_runs()?);
    }
    let metrics = server.stranger()?.get("/metrics").await?.text;
    let never = operations.into_iter().filter(|(method, route)| {
        let start = format!("pointsman_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"2");
        !metrics.lines().any(|line| line.starts_with(&start))
    });
    let is_guessed = |(method, route): &(String, String)| !NOT_GUESSED.contains(&(method.as_str(), route.as_str()));
    let never: Vec<_> = never.filter(is_guessed).collect();
    assert!(never.is_empty(), "the runs say little about operations of which they never got anything: {never:?}");
    server.stranger()?.key(&key).acquire(&json!({ "keys": [{ "key": "after/all" }] })).await?.grants()?;
    server.stop().await?;
    Ok(())
}
