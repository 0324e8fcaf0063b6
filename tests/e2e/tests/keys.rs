//! Keys kept in the database: made, shown once, rotated, revoked, and good for nobody but their agent and project.

use e2e::audit::{Watch, entries, tell};
use e2e::client::Client;
use e2e::logs::note;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The promise is two seconds; a busy machine gets half a second more.
const FORGOTTEN_WITHIN: Duration = Duration::from_millis(2_500);

on_both_stores! {
    a_key_speaks_for_its_agent_in_its_project_and_nobody_else
    a_key_is_shown_once_and_kept_as_a_hash
    a_rotated_key_works_under_its_new_secret_only
    an_archived_project_can_be_read_but_not_changed
    changes_to_keys_and_projects_stand_in_the_audit_log
    only_admins_manage_keys_and_only_admins_of_all_projects_manage_projects
    an_unbound_key_is_an_agent_of_its_own
}

/// A server without keys from the environment, and the admin of its first start.
async fn scene(store: &Store) -> Outcome<(Server, Client)> {
    let server = store.launch()?.start().await?;
    let admin = server.stranger()?.key(store.first_key()?);
    Ok((server, admin))
}

async fn create(admin: &Client, body: &Value) -> Outcome<(String, String)> {
    let reply = admin.post("/v1/keys", body).await?;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok((word(&reply.body["key"]["id"]), word(&reply.body["secret"])))
}

async fn create_project(admin: &Client, id: &str) -> Outcome {
    let reply = admin.post("/v1/projects", &json!({ "id": id })).await?;
    assert_eq!(reply.status, 201, "{}", reply.text);
    Ok(())
}

async fn a_key_speaks_for_its_agent_in_its_project_and_nobody_else(store: Store) -> Outcome {
    let (server, admin) = scene(&store).await?;
    create_project(&admin, "moon").await?;
    let (_, secret) = create(&admin, &json!({ "agent": "luna", "agent_type": "ci", "project": "moon" })).await?;
    let luna = server.stranger()?.key(&secret);
    let me = luna.get("/v1/me").await?.ok()?;
    assert_eq!((&me["agent"], &me["project"], &me["role"]), (&json!("luna"), &json!("moon"), &json!("agent")));

    let wish = json!({ "keys": [{ "key": "a" }] });
    luna.header("x-agent-id", "admin").acquire(&wish).await?.problem(403, "not-your-agent")?;
    luna.header("x-project", "default").acquire(&wish).await?.problem(403, "not-your-project")?;
    let hers = luna.acquire(&wish).await?.grants()?.remove(0);
    let his = admin.acquire(&wish).await?.grants()?.remove(0);
    assert_eq!((hers.agent.as_str(), his.agent.as_str()), ("luna", "admin"), "projects do not see each other's locks");
    assert_eq!(luna.get("/v1/locks").await?.ok()?["locks"].as_array().map(Vec::len), Some(1));
    let there = admin.header("x-project", "moon");
    there.acquire(&wish).await?.problem(409, "lock-held")?;
    admin.header("x-project", "nowhere").acquire(&wish).await?.problem(404, "project-unknown")?;
    luna.release(&[his.token + 1_000]).await?.problem(404, "token-unknown")?;
    Ok(())
}

async fn a_key_is_shown_once_and_kept_as_a_hash(store: Store) -> Outcome {
    let (server, admin) = scene(&store).await?;
    let body = json!({ "agent": "luna", "expires_in_seconds": 3600 });
    let first = admin.once("make").post("/v1/keys", &body).await?;
    let again = admin.once("make").post("/v1/keys", &body).await?;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!((&first.body["secret_shown"], &again.body["secret_shown"]), (&json!(true), &json!(false)));
    assert_eq!(first.body["key"]["id"], again.body["key"]["id"], "a replay makes no second key");
    assert!(again.body["secret"].is_null());
    let secret = first.body["secret"].as_str().unwrap_or_default().to_owned();
    assert!(secret.len() > 40, "{secret}");
    let hidden = secret.rsplit('_').next().unwrap_or(&secret).to_owned();
    server.stranger()?.key(&secret).get("/v1/me").await?.ok()?;

    let listed = admin.get("/v1/keys").await?.ok()?;
    let ids: Vec<&Value> = listed["keys"].as_array().into_iter().flatten().map(|key| &key["id"]).collect();
    assert!(ids.contains(&&first.body["key"]["id"]) && ids.len() == 2, "{listed}");
    let log = json!(entries(&admin, &[]).await?).to_string();
    for (what, text) in
        [("the list", listed.to_string()), ("the audit log", log), ("its output", server.logs().everything())]
    {
        assert!(!text.contains(&hidden), "{what} shows the secret");
    }
    if let Some(database) = store.database() {
        let dump =
            database.sql("SELECT * FROM api_keys; SELECT * FROM idempotency_records; SELECT * FROM audit_entries;")?;
        assert!(!dump.is_empty() && !dump.contains(&hidden), "the database shows the secret");
    } else {
        for file in std::fs::read_dir(store.data())? {
            let path = file?.path();
            let bytes = std::fs::read(&path)?;
            let shows = bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes());
            assert!(!shows, "{} shows the secret", path.display());
        }
    }
    admin.post("/v1/keys", &json!({ "expires_at": "2001-01-01T00:00:00Z" })).await?.problem(422, "expiry-passed")?;
    Ok(())
}

async fn a_rotated_key_works_under_its_new_secret_only(store: Store) -> Outcome {
    let (server, admin) = scene(&store).await?;
    let (id, old) = create(&admin, &json!({ "agent": "luna" })).await?;
    let luna = server.stranger()?.key(&old);
    let held = luna.take("a").await?;
    let rotated = admin.post(&format!("/v1/keys/{id}/rotate"), &json!({})).await?.ok()?;
    luna.get("/v1/me").await?.problem(401, "unauthenticated")?;
    let renewed = server.stranger()?.key(rotated["secret"].as_str().unwrap_or_default());
    renewed.renew(&[held.token], 60).await?.grants()?;
    assert_eq!(rotated["key"]["id"], id);

    admin.post(&format!("/v1/keys/{id}/revoke"), &json!({})).await?.ok()?;
    renewed.get("/v1/me").await?.problem(401, "unauthenticated")?;
    admin.post(&format!("/v1/keys/{id}/revoke"), &json!({})).await?.problem(410, "key-revoked")?;
    admin.post(&format!("/v1/keys/{id}/rotate"), &json!({})).await?.problem(410, "key-revoked")?;
    admin.post("/v1/keys/nothing/revoke", &json!({})).await?.problem(404, "key-unknown")?;
    Ok(())
}

async fn an_archived_project_can_be_read_but_not_changed(store: Store) -> Outcome {
    let (_server, admin) = scene(&store).await?;
    create_project(&admin, "moon").await?;
    admin.post("/v1/projects", &json!({ "id": "moon" })).await?.problem(409, "project-exists")?;
    let there = admin.header("x-project", "moon");
    let held = there.take("a").await?;
    let archived = admin.post("/v1/projects/moon/archive", &json!({})).await?.ok()?;
    assert!(archived["archived_at"].is_string());
    there.acquire(&json!({ "keys": [{ "key": "b" }] })).await?.problem(409, "project-archived")?;
    there.renew(&[held.token], 60).await?.problem(409, "project-archived")?;
    assert_eq!(there.status("a").await?["holders"][0]["token"], held.token);
    there.get("/v1/locks").await?.ok()?;
    assert!(!entries(&there, &[]).await?.is_empty());
    admin.post("/v1/projects/default/archive", &json!({})).await?.problem(409, "project-default-stays")?;
    admin.post("/v1/projects/moon/archive", &json!({})).await?.problem(409, "project-archived")?;
    admin.post("/v1/projects/nowhere/archive", &json!({})).await?.problem(404, "project-unknown")?;
    admin.take("a").await?;
    Ok(())
}

async fn changes_to_keys_and_projects_stand_in_the_audit_log(store: Store) -> Outcome {
    let (_server, admin) = scene(&store).await?;
    let mut log = Watch::new(admin.clone()).await?;
    let (id, _) = create(&admin, &json!({ "agent": "luna" })).await?;
    assert_eq!(log.told().await?, ["admin key.create ok"]);
    admin.post(&format!("/v1/keys/{id}/rotate"), &json!({})).await?.ok()?;
    assert_eq!(log.told().await?, ["admin key.rotate ok"]);
    admin.post(&format!("/v1/keys/{id}/revoke"), &json!({})).await?.ok()?;
    assert_eq!(log.told().await?, ["admin key.revoke ok"]);
    admin.post(&format!("/v1/keys/{id}/revoke"), &json!({})).await?.problem(410, "key-revoked")?;
    assert_eq!(log.told().await?, ["admin key.revoke key-revoked"]);
    admin.get("/v1/keys").await?.ok()?;
    assert_eq!(log.told().await?, [""; 0]);

    create_project(&admin, "moon").await?;
    admin.post("/v1/projects/moon/archive", &json!({})).await?.ok()?;
    let mut told = log.told().await?;
    told.extend(tell(&entries(&admin.header("x-project", "moon"), &[]).await?));
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, ["admin project.archive ok", "admin project.create ok"]);
    Ok(())
}

async fn only_admins_manage_keys_and_only_admins_of_all_projects_manage_projects(store: Store) -> Outcome {
    let (server, admin) = scene(&store).await?;
    create_project(&admin, "moon").await?;
    for role in ["agent", "orchestrator"] {
        let (_, secret) = create(&admin, &json!({ "agent": role, "role": role })).await?;
        let low = server.stranger()?.key(&secret);
        low.post("/v1/keys", &json!({})).await?.problem(403, "role-too-low")?;
        low.get("/v1/keys").await?.problem(403, "role-too-low")?;
        low.post("/v1/projects", &json!({ "id": "x" })).await?.problem(403, "role-too-low")?;
    }
    let (_, secret) = create(&admin, &json!({ "agent": "local", "role": "admin" })).await?;
    let local = server.stranger()?.key(&secret);
    create(&local, &json!({ "agent": "more" })).await?;
    local.post("/v1/keys", &json!({ "project": "moon" })).await?.problem(403, "not-your-project")?;
    local.post("/v1/keys", &json!({ "all_projects": true })).await?.problem(403, "needs-all-projects")?;
    local.post("/v1/projects", &json!({ "id": "x" })).await?.problem(403, "needs-all-projects")?;
    let (foreign, _) = create(&admin, &json!({ "project": "moon" })).await?;
    local.post(&format!("/v1/keys/{foreign}/revoke"), &json!({})).await?.problem(404, "key-unknown")?;
    let listed = local.get("/v1/keys").await?.ok()?.to_string();
    assert!(!listed.contains(&foreign), "{listed}");
    Ok(())
}

async fn an_unbound_key_is_an_agent_of_its_own(store: Store) -> Outcome {
    let (server, admin) = scene(&store).await?;
    let (id, secret) = create(&admin, &json!({})).await?;
    let me = server.stranger()?.key(&secret).get("/v1/me").await?.ok()?;
    assert_eq!((&me["agent"], &me["role"]), (&json!(format!("key-{id}")), &json!("agent")));
    assert_eq!((&me["key_id"], &me["project"]), (&json!(id), &json!("default")));
    Ok(())
}

#[tokio::test]
async fn a_revoked_key_stops_working_on_every_server_within_two_seconds() -> Outcome {
    let store = Store::postgres()?;
    let (one, admin) = scene(&store).await?;
    let other = store.launch()?.start().await?;
    assert!(!other.logs().everything().contains("admin.key"), "the second server makes no key");
    for action in ["revoke", "rotate"] {
        let (id, secret) = create(&admin, &json!({ "agent": "luna" })).await?;
        let (here, there) = (one.stranger()?.key(&secret), other.stranger()?.key(&secret));
        here.get("/v1/me").await?.ok()?;
        there.get("/v1/me").await?.ok()?;
        admin.post(&format!("/v1/keys/{id}/{action}"), &json!({})).await?.ok()?;
        let began = Instant::now();
        here.get("/v1/me").await?.problem(401, "unauthenticated")?;
        poll::until("the other server to refuse the key", FORGOTTEN_WITHIN, async || {
            Ok((there.get("/v1/me").await?.status == 401).then_some(()))
        })
        .await?;
        note(format_args!("{action}: refused by the other server after {:?}", began.elapsed()));
    }
    Ok(())
}

#[tokio::test]
async fn a_key_stops_working_when_its_time_is_over() -> Outcome {
    let store = Store::sqlite()?;
    let (server, admin) = scene(&store).await?;
    let (_, secret) = create(&admin, &json!({ "agent": "luna", "expires_in_seconds": 2 })).await?;
    let luna = server.stranger()?.key(&secret);
    luna.get("/v1/me").await?.ok()?;
    poll::until("the key to run out", Duration::from_secs(5), async || {
        Ok((luna.get("/v1/me").await?.status == 401).then_some(()))
    })
    .await
}
