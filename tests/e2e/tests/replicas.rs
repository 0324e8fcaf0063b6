//! Several servers over one database: they start together, see each other's work, and refuse a schema they don't know.

use e2e::audit::entries;
use e2e::keyring::Keyring;
use e2e::server::{READY_WITHIN, Server};
use e2e::store::Store;
use e2e::{Fault, Outcome, poll};
use serde_json::json;
use std::time::Duration;

fn database(store: &Store) -> Outcome<&e2e::database::Database> {
    store.database().ok_or_else(|| Fault::new("this story needs PostgreSQL"))
}

#[tokio::test]
async fn three_servers_may_start_at_the_same_moment_on_an_empty_database() -> Outcome {
    let store = Store::postgres()?;
    let mut servers: Vec<Server> = Vec::new();
    for _ in 0..3 {
        servers.push(store.launch()?.keys(&Keyring::usual()).spawn()?);
    }
    for server in &mut servers {
        server.ready().await?;
    }
    let mut last = 0;
    for server in &servers {
        let grant = server.agent("alice")?.take("src/main.rs").await?;
        assert!(grant.token >= last, "the same session holds it everywhere");
        last = grant.token;
        server.agent("bob")?.acquire(&json!({ "keys": [{ "key": "src/**" }] })).await?.problem(409, "lock-held")?;
    }
    let applied = database(&store)?.sql("SELECT count(*) = count(DISTINCT version) FROM seaql_migrations")?;
    assert_eq!(applied, "t", "each step was done once");
    let granted = entries(&servers[2].agent("olga")?, &[("operation", "lock.acquire"), ("outcome", "ok")]).await?;
    assert_eq!(granted.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_request_repeated_at_another_server_is_answered_as_the_first_time() -> Outcome {
    let store = Store::postgres()?;
    let (one, other) = (store.serve().await?, store.serve().await?);
    let wish = json!({ "keys": [{ "key": "src/main.rs" }] });
    let first = one.agent("alice")?.once("same").acquire(&wish).await?.grants()?;
    assert_eq!(other.agent("alice")?.once("same").acquire(&wish).await?.grants()?, first);
    let body = json!({ "keys": [{ "key": "src/lib.rs" }] });
    other.agent("alice")?.once("same").acquire(&body).await?.problem(409, "idempotency-key-reused")?;
    Ok(())
}

#[tokio::test]
async fn the_same_idempotency_key_at_two_servers_at_once_has_one_effect() -> Outcome {
    let store = Store::postgres()?;
    let (one, other) = (store.serve().await?, store.serve().await?);
    for round in 0..10 {
        let wish = json!({ "keys": [{ "key": format!("f{round}") }] });
        let name = format!("round-{round}");
        let (alice, twin) = (one.agent("alice")?.once(&name), other.agent("alice")?.once(&name));
        let (first, second) = tokio::join!(alice.acquire(&wish), twin.acquire(&wish));
        assert_eq!(first?.grants()?, second?.grants()?);
    }
    let lines = entries(&one.agent("olga")?, &[("agent", "alice"), ("outcome", "ok")]).await?;
    let granted = lines.iter().filter(|line| line["operation"] == "lock.acquire").count();
    let renewed = lines.iter().filter(|line| line["operation"] == "lock.renew").count();
    assert_eq!((granted, renewed), (10, 0));
    Ok(())
}

#[tokio::test]
async fn a_schema_newer_than_the_server_is_refused_in_words() -> Outcome {
    let store = Store::postgres()?;
    let mut running = store.serve().await?;
    database(&store)?.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_from_the_future', 0)")?;
    let said = store.launch()?.keys(&Keyring::usual()).refused().await?;
    assert!(said.contains("newer") && said.contains("m9999_from_the_future"), "{said}");
    let stranger = running.stranger()?;
    let why = poll::until("the running server to say that it does not know the schema", READY_WITHIN, async || {
        let reply = stranger.get("/ready").await?;
        Ok((reply.status == 503).then_some(reply.text))
    })
    .await?;
    assert!(why.contains("newer"), "{why}");
    running.stop().await?;
    Ok(())
}

#[tokio::test]
async fn the_audit_log_cannot_be_changed_by_those_who_reach_the_database() -> Outcome {
    let store = Store::postgres()?;
    let server = store.serve().await?;
    server.agent("alice")?.take("src/main.rs").await?;
    let before = entries(&server.agent("olga")?, &[]).await?;
    assert!(!before.is_empty());
    for sql in ["UPDATE audit_entries SET outcome = 'x'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"] {
        let refusal = database(&store)?.sql(sql).err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(refusal.contains("only ever appended"), "{sql}: {refusal}");
    }
    assert_eq!(entries(&server.agent("olga")?, &[]).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_paused_server_does_not_hold_the_others_up() -> Outcome {
    let store = Store::postgres()?;
    let (one, other) = (store.serve().await?, store.serve().await?);
    let alice = one.agent("alice")?;
    let held = alice.acquire(&json!({ "keys": [{ "key": "a" }], "ttl_seconds": 5 })).await?.grants()?.remove(0);
    one.pause()?;
    let bob = other.agent("bob")?;
    let wish = json!({ "keys": [{ "key": "a" }], "ttl_seconds": 60, "wait_seconds": 30 });
    let grant = bob.acquire(&wish).await?.grants()?.remove(0);
    let late = (grant.granted_at - held.expires_at).to_std()?;
    assert!(late < Duration::from_millis(1_500), "granted {late:?} after the expiry");
    one.resume()?;
    // A new connection: the old one was idle for longer than the server keeps it.
    let stale = one.agent("alice")?.renew(&[held.token], 60).await?.problem(410, "token-stale")?;
    assert_eq!(stale["stale"][0]["holders_now"][0]["agent"], "bob");
    Ok(())
}
