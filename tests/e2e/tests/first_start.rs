//! The first start on a bare machine: nothing configured, an admin key shown once, lines to paste that work, and a
//! refusal in words for everything that is configured wrongly.

use e2e::keyring::{Keyring, key_of};
use e2e::server::{Launch, Server};
use e2e::store::Store;
use e2e::{Fault, Outcome, poll};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

async fn shown(server: &Server, word: &str) -> Outcome<String> {
    poll::until(&format!("`{word}` on standard output"), Duration::from_secs(5), async || {
        let text = server.logs().stdout();
        Ok(text.contains(word).then_some(text))
    })
    .await
}

/// The command that begins with a word, over all lines that it goes on with.
fn pasted(text: &str, word: &str) -> Outcome<String> {
    let begins = |line: &&str| line.trim_start().split(' ').any(|part| part.ends_with(word));
    let mut lines = text.lines().skip_while(|line| !begins(line));
    let mut command = String::new();
    for line in lines.by_ref() {
        command.push_str(line);
        command.push('\n');
        if !line.ends_with('\\') {
            return Ok(command);
        }
    }
    Err(Fault::new(format!("no `{word}` to paste in:\n{text}")))
}

/// Runs pasted text as a person would: in a shell, from anywhere.
fn paste(command: &str) -> Outcome<Output> {
    let folder = TempDir::new()?;
    Ok(Command::new("sh").args(["-c", command]).current_dir(folder.path()).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Where there is no curl: the words as a shell reads them, sent by our own client.
async fn send_as_curl_would(server: &Server, command: &str) -> Outcome<String> {
    let words = said(&paste(&format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{command}"))?);
    let (mut client, mut path, mut body) = (server.stranger()?, String::new(), Value::Null);
    let mut words = words.lines();
    while let Some(word) = words.next() {
        match word {
            "-sS" => {}
            "-H" => {
                let (name, value) = words.next().and_then(|header| header.split_once(": ")).unwrap_or_default();
                client = client.header(&name.to_ascii_lowercase(), value);
            }
            "-d" => body = serde_json::from_str(words.next().unwrap_or_default())?,
            url => path = url.strip_prefix(&server.url()).unwrap_or_default().to_owned(),
        }
    }
    Ok(client.post(&path, &body).await?.text)
}

#[tokio::test]
async fn the_first_start_shows_an_admin_key_once_and_keeps_it_for_its_owner_alone() -> Outcome {
    let data = TempDir::new()?;
    let folder = data.path().join("not/there/yet");
    let launch = Launch::new(&folder)?;
    let mut server = launch.start().await?;
    let text = shown(&server, "key create").await?;
    let file = folder.join("admin.key");
    let key = std::fs::read_to_string(&file)?.trim().to_owned();
    let mode = |path: &Path| -> Outcome<u32> { Ok(std::fs::metadata(path)?.permissions().mode() & 0o777) };
    assert_eq!(mode(&file)?, 0o600);
    assert_eq!(mode(&folder)?, 0o700);
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        assert_eq!(mode(&path)? & 0o077, 0, "{} can be read by others", path.display());
    }
    assert!(text.contains(&key) && text.contains(&*file.to_string_lossy()), "{text}");
    assert!(text.contains(&format!("{}/docs", server.url())), "{text}");
    assert!(!server.logs().stderr().contains(&key), "the key is shown to people, never to the log");
    let me = server.stranger()?.key(&key).get("/v1/me").await?.ok()?;
    assert_eq!((&me["agent"], &me["role"], &me["all_projects"]), (&json!("admin"), &json!("admin"), &json!(true)));

    server.stop().await?;
    let again = launch.start().await?;
    let text = shown(&again, "/docs").await?;
    assert!(!text.contains(&key) && !again.logs().stderr().contains(&key), "the second start shows no key: {text}");
    assert_eq!(std::fs::read_to_string(&file)?.trim(), key);
    again.stranger()?.key(&key).get("/v1/me").await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn the_printed_lines_work_as_they_stand_and_two_agents_contend() -> Outcome {
    let data = TempDir::new()?;
    let server = Launch::new(data.path())?.start().await?;
    let text = shown(&server, "key create").await?;
    let curl = pasted(&text, "curl")?;
    let has_curl = Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success());
    let answer = if has_curl { said(&paste(&curl)?) } else { send_as_curl_would(&server, &curl).await? };
    let grant: Value = serde_json::from_str(&answer).unwrap_or_default();
    assert_eq!(grant["locks"][0]["agent"], "admin", "{curl}\n{answer}");
    let key = grant["locks"][0]["key"].clone();

    let create = pasted(&text, "pointsman")?;
    let output = paste(&create)?;
    assert!(output.status.success(), "{create}\n{}", said(&output));
    let all = said(&output);
    let words = all.split(|c: char| c.is_whitespace() || "\"'`,".contains(c));
    let secret = words.filter(|word| word.starts_with("pm_")).max_by_key(|word| word.len()).unwrap_or_default();
    let second = server.stranger()?.key(secret);
    let me = second.get("/v1/me").await?.ok()?;
    assert_eq!((&me["agent"], &me["role"]), (&json!("agent-2"), &json!("agent")));

    let refusal = second.acquire(&json!({ "keys": [{ "key": key }] })).await?.problem(409, "lock-held")?;
    assert_eq!(refusal["conflicts"][0]["agent"], "admin");
    Ok(())
}

#[tokio::test]
async fn nobody_is_let_in_from_other_machines_before_there_is_a_key() -> Outcome {
    for host in ["0.0.0.0", "[::]"] {
        let data = TempDir::new()?;
        let launch = Launch::new(data.path())?.set("API_HOST", host);
        let text = launch.refused().await?;
        assert!(text.contains("COORDINATION_API_KEYS") && text.contains("key"), "{text}");
        let server = launch.keys(&Keyring::usual()).start().await?;
        server.agent("alice")?.take("a").await?;
    }
    let data = TempDir::new()?;
    let platform = Launch::new(data.path())?;
    let port = platform.port();
    let text = platform.unset("API_PORT").set("PORT", port.to_string()).refused().await?;
    assert!(text.contains("COORDINATION_API_KEYS"), "PORT makes it listen to everybody: {text}");
    Ok(())
}

#[tokio::test]
async fn unknown_names_are_refused_with_the_nearest_known_one() -> Outcome {
    let data = TempDir::new()?;
    let launch = Launch::new(data.path())?;
    for (name, nearest) in
        [("API_PROT", "API_PORT"), ("LOCK_TTL_MINUTE", "LOCK_TTL_MINUTES"), ("DB_BACKENT", "DB_BACKEND")]
    {
        let text = launch.clone().set(name, "1").refused().await?;
        assert!(text.contains(name) && text.contains(nearest), "{text}");
    }
    let text = launch.clone().set("POINTSMAN_SOMETHING_ELSE", "1").refused().await?;
    assert!(text.contains("POINTSMAN_SOMETHING_ELSE"), "{text}");
    let text =
        launch.set("API_PORT", "70000").set("LOCK_TTL_MINUTES", "no").set("DB_BACKEND", "oracle").refused().await?;
    for name in ["API_PORT", "LOCK_TTL_MINUTES", "DB_BACKEND"] {
        assert!(text.contains(name), "every fault is told at once: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn malformed_identities_refuse_to_start_and_show_no_secret() -> Outcome {
    let data = TempDir::new()?;
    let secret = "a-secret-that-nobody-may-see";
    let keys = |keys: &str| Ok::<_, Fault>(Launch::new(data.path())?.set("COORDINATION_API_KEYS", keys));
    let identity = json!({ "agent_id": "a", "agent_type": "t" });
    for identities in [
        format!("{{\"{secret}\": "),
        format!("[\"{secret}\"]"),
        json!({ secret: "alice" }).to_string(),
        json!({ secret: {} }).to_string(),
        json!({ secret: { "agent_id": "a b", "agent_type": "t" } }).to_string(),
        json!({ secret: { "agent_id": "a", "agent_type": "t", "role": "king" } }).to_string(),
        json!({ secret: { "agent_id": "a", "agent_type": "t", "project": "No Project" } }).to_string(),
        json!({ secret: { "agent_id": "a", "agent_type": "t", "more": 1 } }).to_string(),
        json!({ "another-key-of-nobody": identity }).to_string(),
    ] {
        let text = keys(secret)?.set("COORDINATION_API_KEY_IDENTITIES", &identities).refused().await?;
        assert!(text.contains("IDENTITIES") || text.contains("COORDINATION_API_KEY"), "{identities}: {text}");
        assert!(!text.contains(secret) && !text.contains("another-key-of-nobody"), "a secret was printed: {text}");
    }
    for bad in ["short", "two words in it", &format!("{secret},{secret}")] {
        let text = keys(bad)?.refused().await?;
        assert!(text.contains("COORDINATION_API_KEYS") && !text.contains(secret), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_backend_that_is_half_configured_is_refused() -> Outcome {
    let data = TempDir::new()?;
    let launch = Launch::new(data.path())?;
    let dsn = "postgres://somebody:a-secret-password@localhost/db";
    let text = launch.clone().set("POSTGRES_DSN", dsn).refused().await?;
    assert!(text.contains("DB_BACKEND") && !text.contains("a-secret-password"), "{text}");
    let text = launch.clone().set("DB_BACKEND", "postgres").refused().await?;
    assert!(text.contains("POSTGRES_DSN"), "{text}");
    let both = launch.set("DB_BACKEND", "postgres").set("POSTGRES_DSN", dsn);
    let text = both.set("DATABASE_URL", "postgres://localhost/other").refused().await?;
    assert!(text.contains("DATABASE_URL"), "{text}");
    Ok(())
}

#[tokio::test]
async fn no_secret_is_ever_logged() -> Outcome {
    let store = Store::postgres()?;
    let launch = store.launch()?.keys(&Keyring::usual()).set("RUST_LOG", "trace").set("API_ACCESS_LOG", "true");
    let mut server = launch.start().await?;
    server.agent("alice")?.take("a").await?;
    server.stranger()?.key("an-unknown-key-of-a-stranger").get("/v1/me").await?.problem(401, "unauthenticated")?;
    let made = server.agent("ada")?.post("/v1/keys", &json!({ "agent": "new" })).await?;
    let secret = made.body["secret"].as_str().unwrap_or("?").to_owned();
    server.stranger()?.key(&secret).get("/v1/me").await?.ok()?;
    server.stop().await?;
    let log = server.logs().everything();
    assert!(log.contains("/v1/locks/acquire"), "the access log was on");
    let password = store.database().map(|database| reqwest::Url::parse(&database.dsn)).transpose()?;
    let password = password.and_then(|url| url.password().map(str::to_owned)).unwrap_or_else(|| "?".to_owned());
    let hidden = secret.rsplit('_').next().unwrap_or("?").to_owned();
    for word in [key_of("alice"), "an-unknown-key-of-a-stranger".to_owned(), hidden, password] {
        let line = log.lines().find(|line| line.contains(&word));
        assert!(line.is_none(), "a secret was logged: {line:?}");
    }
    Ok(())
}

#[tokio::test]
async fn two_servers_do_not_share_one_port() -> Outcome {
    let (one, two) = (TempDir::new()?, TempDir::new()?);
    let server = Launch::new(one.path())?.keys(&Keyring::usual()).start().await?;
    let port = server.launch().port().to_string();
    let text = Launch::new(two.path())?.keys(&Keyring::usual()).set("API_PORT", port).refused().await?;
    assert!(text.contains("cannot listen on"), "{text}");
    Ok(())
}
