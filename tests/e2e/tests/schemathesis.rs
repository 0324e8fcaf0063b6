//! Schemathesis makes up requests from the server's own description, right ones and wrong ones: no answer is a 5xx, and
//! none has a status, a media type or a form that the description does not tell of.

use e2e::database::setting;
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::{Value, json};
use std::process::Command;

/// They would take away the key that the run itself calls with.
const EXCLUDED: [&str; 2] = ["revoke_key", "rotate_key"];
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
const EXAMPLES: &str = "30";
const SEED: &str = "20250117";

on_both_stores! {
    no_made_up_request_is_answered_5xx_or_otherwise_than_described
}

/// The description without `wait_seconds`, so that it is always 0: the run is to find faults and not to wait.
fn without_waiting(mut document: Value) -> Outcome<Value> {
    let fields = document.pointer_mut("/components/schemas/AcquireLocks/properties").and_then(Value::as_object_mut);
    let removed = fields.and_then(|fields| fields.remove("wait_seconds"));
    removed.map(|_| document).ok_or_else(|| Fault::new("the description has no AcquireLocks.wait_seconds any more"))
}

async fn no_made_up_request_is_answered_5xx_or_otherwise_than_described(store: Store) -> Outcome {
    let program = setting("SCHEMATHESIS").ok_or_else(|| {
        Fault::new("SCHEMATHESIS is not set: tests/run installs schemathesis and names it, or set it to its path")
    })?;
    let mut server = store.launch()?.start().await?;
    let document = server.stranger()?.get("/openapi.json").await?.ok()?;
    for operation in EXCLUDED {
        assert!(document.to_string().contains(&format!("\"operationId\":\"{operation}\"")), "{operation} is gone");
    }
    let folder = tempfile::TempDir::new()?;
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, without_waiting(document)?.to_string())?;
    let mut command = Command::new(program);
    command.arg("run").arg(&file).args(["--url", &server.url()]).current_dir(folder.path());
    command.args(["--header", &format!("Authorization: Bearer {}", store.first_key()?)]);
    command.args(["--phases", "examples,coverage,fuzzing", "--mode", "all", "--checks", CHECKS]);
    command.args(["--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none", "--no-color"]);
    for operation in EXCLUDED {
        command.args(["--exclude-operation-id", operation]);
    }
    let output = command.output()?;
    let report = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    let summary = report.lines().skip_while(|line| !line.contains("SUMMARY"));
    println!("{}", summary.collect::<Vec<_>>().join("\n"));
    assert!(server.still_runs()?);
    server.stranger()?.key(store.first_key()?).acquire(&json!({ "keys": [{ "key": "after/all" }] })).await?.grants()?;
    server.stop().await?;
    Ok(())
}
