//! The binary as people and scripts call it: what it prints where, and the code it ends with.

#![expect(clippy::unwrap_used, reason = "a test that can't go on must fail")]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// The binary with nothing of this environment but a data folder.
fn pointsman(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.env_clear().env("POINTSMAN_DATA", data).args(arguments);
    command
}

struct Server {
    child: Child,
    url: String,
    welcome: String,
    data: TempDir,
}

impl Server {
    /// The first start, on a free port.
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut command = pointsman(data.path(), &["serve"]);
        command.env("API_PORT", "0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut welcome = String::new();
        while !welcome.contains("key create") {
            welcome.push_str(&lines.next().unwrap());
            welcome.push('\n');
        }
        let url = welcome.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
        Self { child, url, welcome, data }
    }

    fn call(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = pointsman(self.data.path(), arguments);
        command.env("COORDINATION_API_URL", &self.url).envs(variables.iter().copied());
        command.output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.call(arguments, &[]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_first_start_shows_everything_a_newcomer_needs() {
    let server = Server::start();
    let kept = std::fs::read_to_string(server.data.path().join("admin.key")).unwrap();
    let kept = kept.trim();
    assert!(server.welcome.contains(kept), "{}", server.welcome);
    assert!(server.welcome.contains(&format!("{}/docs", server.url)));
    let curl = server.welcome.split("Acquire a lock with it:").nth(1).unwrap().split("\n\n").nth(1).unwrap();
    assert!(curl.trim().starts_with("curl ") && curl.contains(&server.url) && curl.contains(kept), "{curl}");
    // The line for a second agent, as a shell runs it.
    let line = server.welcome.lines().find(|line| line.contains("key create")).unwrap();
    let made = Command::new("sh").env_clear().args(["-c", line]).output().unwrap();
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(made["key"]["agent"], "agent-2");
}

#[test]
fn keys_are_managed_with_the_first_key_by_default() {
    let server = Server::start();
    let made = server.json(&["key", "create", "--agent", "ann", "--agent-type", "ci", "--expires-in-seconds", "3600"]);
    let id = made["key"]["id"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert!(made["key"]["expires_at"].is_string());
    let listed = server.json(&["key", "list"]);
    let agents: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["agent"].as_str().unwrap()).collect();
    assert_eq!(agents.len(), 2);
    assert!(agents.contains(&"admin") && agents.contains(&"ann"));
    let rotated = server.json(&["key", "rotate", id]);
    assert_ne!(rotated["secret"].as_str().unwrap(), secret);
    assert!(server.json(&["key", "revoke", id, "--json"])["revoked_at"].is_string());
}

#[test]
fn what_went_wrong_is_told_by_the_exit_code_and_on_standard_error() {
    let server = Server::start();
    let made = server.json(&["key", "create", "--agent", "ann"]);
    let ann = made["secret"].as_str().unwrap();
    let spoiled = |arguments: &[&str], variables: &[(&str, &str)], expected: i32, words: &str| {
        let output = server.call(arguments, variables);
        let told = stderr(&output);
        assert_eq!(code(&output), expected, "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        told
    };
    let list = &["key", "list"];
    spoiled(&[], &[], 2, "Usage");
    spoiled(&["key", "revoke", "NO"], &[], 2, "KeyId");
    spoiled(&["key", "create", "--project", "p", "--all-projects"], &[], 2, "cannot be used with");
    spoiled(list, &[("COORDINATION_API_UR", "x")], 2, "COORDINATION_API_URL");
    spoiled(list, &[("COORDINATION_API_URL", "http://203.0.113.1")], 2, "in the clear");
    spoiled(list, &[("COORDINATION_API_URL", "http://127.0.0.1:1")], 3, "no answer");
    let empty = tempfile::tempdir().unwrap();
    spoiled(list, &[("POINTSMAN_DATA", empty.path().to_str().unwrap())], 4, "COORDINATION_API_KEY");
    spoiled(list, &[("COORDINATION_API_KEY", "no-such-key")], 4, "unauthenticated");
    spoiled(list, &[("COORDINATION_API_KEY", ann)], 5, "role-too-low");
    let problem = spoiled(&["key", "revoke", "k1"], &[], 6, "key-unknown");
    let problem: Value = serde_json::from_str(&problem).unwrap();
    assert_eq!(problem["status"], 404);
    let id = made["key"]["id"].as_str().unwrap();
    server.json(&["key", "revoke", id]);
    spoiled(&["key", "revoke", id], &[], 7, "key-revoked");
    spoiled(&["key", "create", "--agent", "two words"], &[], 8, "invalid-value");
}

#[test]
fn a_start_that_fails_makes_no_key_that_nobody_saw() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = tempfile::tempdir().unwrap();
    let output = pointsman(data.path(), &["serve"]).env("API_PORT", &port).output().unwrap();
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("127.0.0.1:{port}")), "{}", stderr(&output));
    assert!(!data.path().join("admin.key").exists());
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("pointsman.db");
    let text = "a letter to somebody\n".repeat(1_000);
    std::fs::write(&file, &text).unwrap();
    let output = pointsman(data.path(), &["serve"]).env("API_PORT", "0").output().unwrap();
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains(file.to_str().unwrap()), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert!(!data.path().join("admin.key").exists());
}

#[test]
fn a_server_that_others_can_reach_needs_a_key() {
    let data = tempfile::tempdir().unwrap();
    let output = pointsman(data.path(), &["serve"]).env("API_HOST", "0.0.0.0").env("API_PORT", "0").output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("COORDINATION_API_KEYS"), "{}", stderr(&output));
    assert!(!data.path().join("admin.key").exists());
}

#[test]
fn malformed_keys_of_the_environment_stop_the_start() {
    let data = tempfile::tempdir().unwrap();
    for identities in ["{", r#"{"a-key-of-some-length": {"agent_id": "two words", "agent_type": "ci"}}"#] {
        let mut command = pointsman(data.path(), &["serve"]);
        command.env("COORDINATION_API_KEYS", "a-key-of-some-length").env("COORDINATION_API_KEY_IDENTITIES", identities);
        let output = command.env("API_PORT", "0").output().unwrap();
        assert_eq!(code(&output), 2);
        let told = stderr(&output);
        assert!(told.contains("COORDINATION_API_KEY_IDENTITIES") && !told.contains("a-key-of-some-length"), "{told}");
    }
}

#[test]
fn the_schema_is_looked_at_and_brought_up_to_date() {
    let data = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| pointsman(data.path(), arguments).output().unwrap();
    let behind = run(&["migrate", "status"]);
    assert_eq!(code(&behind), 9);
    assert!(stderr(&behind).contains("migrate up"));
    assert_eq!(code(&run(&["epoch", "bump"])), 9);
    let applied = run(&["migrate", "up"]);
    assert_eq!(code(&applied), 0);
    assert!(String::from_utf8(applied.stdout).unwrap().contains("applied m0001"));
    assert_eq!(code(&run(&["migrate", "status"])), 0);
    let epochs = [run(&["epoch", "bump"]), run(&["epoch", "bump"])].map(|output| {
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let told = String::from_utf8(output.stdout).unwrap();
        told.split(' ').find_map(|word| word.parse::<i64>().ok()).unwrap()
    });
    assert_eq!(epochs[1], epochs[0] + 1);
    let kept_nowhere = pointsman(data.path(), &["migrate", "up"]).env("DB_BACKEND", "memory").output().unwrap();
    assert_eq!(code(&kept_nowhere), 2);
}

#[test]
fn the_generated_pages_are_those_committed() {
    let data = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (page, file) in
        [("configuration", "docs/configuration.md"), ("dotenv", ".env.example"), ("problems", "docs/problems.md")]
    {
        let output = pointsman(data.path(), &["docs", page]).output().unwrap();
        assert_eq!(code(&output), 0);
        let committed = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(String::from_utf8(output.stdout).unwrap() == committed, "run: pointsman docs {page} > {file}");
    }
    let openapi = pointsman(data.path(), &["docs", "openapi"]).output().unwrap();
    let openapi: Value = serde_json::from_slice(&openapi.stdout).unwrap();
    assert!(openapi["paths"].as_object().unwrap().len() > 10);
}
