//! Alerts: raised by agents and by the server itself, told to every orchestrator wherever it runs, once.

use e2e::client::Client;
use e2e::keyring::Keyring;
use e2e::server::Launch;
use e2e::store::Store;
use e2e::target::Target;
use e2e::work::task;
use e2e::{Fault, Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::time::Duration;

const TOLD_WITHIN: Duration = Duration::from_mins(1);

fn launch(store: &Store) -> Outcome<Launch> {
    let keyring = Keyring::usual().with("otto", "orchestrator");
    Ok(store.launch()?.keys(&keyring).set("WEBHOOKS_ALLOWED_NETWORKS", "127.0.0.0/8"))
}

/// Makes an agent's record, as its first session does, where it says it runs.
async fn register(client: &Client, environment: &str) -> Outcome {
    let reply = client.post("/v1/sessions", &json!({ "environment": environment })).await?;
    if reply.status < 300 { Ok(()) } else { Err(Fault::new(format!("{} {}", reply.status, reply.text))) }
}

/// What comes into somebody's hands, once there is anything.
async fn mail(client: &Client) -> Outcome<Vec<Value>> {
    let reply = client.post("/v1/inbox/receive", &json!({ "max_messages": 50, "wait_seconds": 5 })).await?.ok()?;
    let messages = reply["messages"].as_array().into_iter().flatten();
    Ok(messages.map(|received| received["message"].clone()).collect())
}

async fn alerts(client: &Client, query: &str) -> Outcome<Vec<Value>> {
    let page = client.get(&format!("/v1/alerts{query}")).await?.ok()?;
    Ok(page["alerts"].as_array().cloned().unwrap_or_default())
}

async fn raise(client: &Client, severity: &str) -> Outcome<Value> {
    let body =
        json!({ "dedup_key": "disk", "severity": severity, "title": "The disk is full", "detail": "of /dev/sda" });
    let reply = client.post("/v1/alerts", &body).await?;
    assert_eq!(reply.status, 201, "{}", reply.text);
    Ok(reply.body)
}

async fn an_alert_of_one_agent_reaches_every_orchestrator_and_the_webhook(store: Store) -> Outcome {
    let server = launch(&store)?.start().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let (olga, otto) = (server.agent("olga")?, server.agent("otto")?);
    for (agent, environment) in [(&olga, "pc"), (&otto, "cloud"), (&bob, "ci")] {
        register(agent, environment).await?;
    }
    let target = Target::taking().await?;
    let made = olga.post("/v1/webhooks", &json!({ "url": target.url(), "kinds": ["alert.*"] })).await?;
    assert_eq!(made.status, 201, "{}", made.text);

    let alert = raise(&alice, "warning").await?;
    let again = raise(&bob, "info").await?;
    assert_eq!((&again["id"], &again["count"], &again["severity"]), (&alert["id"], &json!(2), &json!("warning")));
    for orchestrator in [&olga, &otto] {
        let mail = mail(orchestrator).await?;
        assert_eq!(mail.len(), 1, "told once: {mail:?}");
        assert_eq!((&mail[0]["type"], &mail[0]["data"]["alert"]), (&json!("alert"), &alert["id"]), "{mail:?}");
    }
    assert_eq!(bob.post("/v1/inbox/receive", &json!({})).await?.ok()?["messages"], json!([]), "no orchestrator");

    let id = alert["id"].as_str().unwrap_or_default();
    bob.post(&format!("/v1/alerts/{id}/acknowledge"), &Value::Null).await?.problem(403, "role-too-low")?;
    bob.post(&format!("/v1/alerts/{id}/resolve"), &Value::Null).await?.problem(403, "alert-not-yours")?;
    let taken = olga.post(&format!("/v1/alerts/{id}/acknowledge"), &Value::Null).await?.ok()?;
    assert_eq!((&taken["state"], &taken["state_by"]), (&json!("acknowledged"), &json!("olga")));
    let over = alice.post(&format!("/v1/alerts/{id}/resolve"), &Value::Null).await?.ok()?;
    assert_eq!(over["state"], "resolved");
    olga.post(&format!("/v1/alerts/{id}/acknowledge"), &Value::Null).await?.problem(409, "alert-resolved")?;
    assert_ne!(raise(&alice, "info").await?["id"], alert["id"], "what happens again is a new one");
    assert_eq!(alerts(&bob, "?state=open").await?.len(), 1);
    assert_eq!(alerts(&bob, "?severity_min=warning").await?.len(), 1);

    let kinds = ["alert.raised", "alert.repeated", "alert.acknowledged", "alert.resolved", "alert.raised"];
    let calls = poll::until("the webhook to be told", TOLD_WITHIN, async || {
        let calls = target.taken();
        Ok((calls.len() >= kinds.len()).then_some(calls))
    })
    .await?;
    let of_first: Vec<&str> = calls.iter().filter(|call| call.subject() == id).map(e2e::target::Call::kind).collect();
    assert_eq!(of_first, kinds[..4]);
    Ok(())
}

async fn an_alert_that_nobody_takes_up_becomes_worse_three_times(store: Store) -> Outcome {
    let server = launch(&store)?.set("ALERTS_ESCALATE_AFTER_SECONDS", "1").start().await?;
    let olga = server.agent("olga")?;
    register(&olga, "pc").await?;
    let alert = raise(&server.agent("alice")?, "info").await?;
    let path = format!("/v1/alerts/{}", alert["id"].as_str().unwrap_or_default());
    let worst = poll::until("the last escalation", TOLD_WITHIN, async || {
        let alert = olga.get(&path).await?.ok()?;
        Ok((alert["escalations"] == 3).then_some(alert))
    })
    .await?;
    assert_eq!((&worst["severity"], &worst["escalates_at"]), (&json!("critical"), &Value::Null));
    let told = mail(&olga).await?;
    assert_eq!(told.len(), 4, "once for the alert and once for each escalation: {told:?}");
    Ok(())
}

async fn an_agent_that_dies_with_work_and_a_long_wait_are_alerts(store: Store) -> Outcome {
    let server = launch(&store)?.set("ALERTS_LOCK_WAIT_SECONDS", "1").start().await?;
    let (olga, alice, bob) = (server.agent("olga")?, server.agent("alice")?, server.agent("bob")?);
    let dying = alice.session("dying");
    let started = dying.post("/v1/sessions", &json!({ "ttl_seconds": 30 })).await?;
    assert!(started.status < 300, "{}", started.text);
    dying.take("src/main.rs").await?;
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn({
        let body = json!({ "keys": [{ "key": "src/main.rs" }], "wait_seconds": 60 });
        async move { bob.acquire(&body).await }
    });
    let waits = poll::until("the wait to be told", TOLD_WITHIN, async || {
        let found = alerts(&olga, "").await?;
        Ok(found.into_iter().find(|alert| alert["dedup_key"].as_str().unwrap_or_default().starts_with("lock-wait:")))
    })
    .await?;
    assert!(waits["title"].as_str().unwrap_or_default().starts_with("bob has waited"), "{waits}");
    let granted = waiting.join_next().await.ok_or_else(|| Fault::new("nobody waited"))?;
    granted??.grants()?;
    let found = poll::until("the death to be told and the wait to be over", TOLD_WITHIN, async || {
        let found = alerts(&olga, "").await?;
        let is_over = found.iter().any(|alert| alert["id"] == waits["id"] && alert["state"] == "resolved");
        let is_told = found.iter().any(|alert| alert["dedup_key"] == "agent-dead:dying");
        Ok((is_over && is_told).then_some(found))
    })
    .await?;
    assert_eq!(found.len(), 2, "{found:?}");
    Ok(())
}

on_both_stores!(
    an_alert_of_one_agent_reaches_every_orchestrator_and_the_webhook
    an_alert_that_nobody_takes_up_becomes_worse_three_times
    an_agent_that_dies_with_work_and_a_long_wait_are_alerts
);

#[tokio::test]
async fn a_dead_letter_is_one_alert_however_many_servers_look() -> Outcome {
    let store = Store::postgres()?;
    let (one, other) = (launch(&store)?.start().await?, launch(&store)?.start().await?);
    let (olga, alice) = (one.agent("olga")?, one.agent("alice")?);
    register(&olga, "pc").await?;
    for round in 0..5 {
        let server = if round % 2 == 0 { &one } else { &other };
        let worker = server.agent("bob")?;
        alice.submit_one(&task("build it", &json!({ "max_attempts": 1 }))).await?;
        let claimed = worker.claim_one().await?;
        worker.say("fail", &claimed, &json!({ "error": "no compiler" })).await?.ok()?;
    }
    let found = poll::until("five alerts", TOLD_WITHIN, async || {
        let found = alerts(&olga, "?severity_min=error").await?;
        Ok((found.len() >= 5).then_some(found))
    })
    .await?;
    // Whoever looked twice would have done so by the next round.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let later = alerts(&olga, "").await?;
    assert_eq!(later.len(), 5, "{later:?}");
    assert!(later.iter().all(|alert| alert["count"] == 1 && alert["raised_by"] == "pointsman"), "{later:?}");
    assert_eq!(found.len(), 5);
    assert_eq!(mail(&olga).await?.len(), 5);
    Ok(())
}
