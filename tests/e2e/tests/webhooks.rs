//! Webhooks: signed, in order, at least once, and never where they may not go.

use e2e::client::Client;
use e2e::keyring::Keyring;
use e2e::server::{Launch, Server};
use e2e::store::Store;
use e2e::target::{Call, Manner, Target};
use e2e::{Fault, Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Long enough for retries and for what a killed server had claimed.
const TOLD_WITHIN: Duration = Duration::from_mins(1);

/// A server that may call this machine, and tries again quickly.
fn launch(store: &Store) -> Outcome<Launch> {
    let launch = store.launch()?.keys(&Keyring::usual());
    Ok(launch
        .set("WEBHOOKS_ALLOWED_NETWORKS", "127.0.0.0/8")
        .set("WEBHOOKS_BACKOFF_FIRST_SECONDS", "1")
        .set("WEBHOOKS_BACKOFF_CAP_SECONDS", "1")
        .set("WEBHOOKS_TIMEOUT_SECONDS", "1"))
}

async fn hook(client: &Client, url: &str, kinds: &[&str]) -> Outcome<Value> {
    let made = client.post("/v1/webhooks", &json!({ "url": url, "kinds": kinds })).await?;
    if made.status == 201 { Ok(made.body) } else { Err(Fault::new(format!("{} {}", made.status, made.text))) }
}

fn id_of(made: &Value) -> String {
    made["webhook"]["id"].as_str().unwrap_or_default().to_owned()
}

async fn told(target: &Target, enough: impl Fn(&[Call]) -> bool) -> Outcome<Vec<Call>> {
    poll::until("the webhook to be told", TOLD_WITHIN, async || {
        let taken = target.taken();
        Ok(enough(&taken).then_some(taken))
    })
    .await
}

async fn deliveries(client: &Client, id: &str) -> Outcome<Vec<Value>> {
    let page = client.get(&format!("/v1/webhooks/{id}/deliveries")).await?.ok()?;
    Ok(page["deliveries"].as_array().cloned().unwrap_or_default())
}

/// Takes a lock and gives it back, so many times.
async fn churn(client: &Client, key: &str, times: usize) -> Outcome {
    for _ in 0..times {
        let token = client.take(key).await?.token;
        client.release(&[token]).await?.ok()?;
    }
    Ok(())
}

/// What happened to each key, as it was told.
fn by_subject(calls: &[Call]) -> BTreeMap<String, Vec<String>> {
    let mut by_subject: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for call in calls {
        by_subject.entry(call.subject().to_owned()).or_default().push(call.kind().to_owned());
    }
    by_subject
}

fn in_turn(times: usize) -> Vec<String> {
    ["lock.acquired", "lock.released"].repeat(times).into_iter().map(str::to_owned).collect()
}

async fn what_happens_is_told_signed_and_once_more_on_demand(store: Store) -> Outcome {
    let server = launch(&store)?.start().await?;
    let (olga, alice) = (server.agent("olga")?, server.agent("alice")?);
    let target = Target::taking().await?;
    alice.take("before").await?;
    let made = hook(&olga, &target.url(), &["lock.*"]).await?;
    let (id, secret) = (id_of(&made), made["secret"].as_str().unwrap_or_default().to_owned());
    churn(&alice, "src/main.rs", 1).await?;
    let calls = told(&target, |calls| calls.len() >= 2).await?;
    assert_eq!(by_subject(&calls), BTreeMap::from([("src/main.rs".to_owned(), in_turn(1))]), "nothing from before");
    assert!(calls.iter().all(|call| call.is_signed_with(&secret)), "{calls:?}");
    assert_eq!(calls[0].body["id"], calls[0].id);
    assert_eq!(calls[0].body["data"]["holder"]["agent"], "alice");

    let rotated = olga.post(&format!("/v1/webhooks/{id}/rotate-secret"), &Value::Null).await?.ok()?;
    let newer = rotated["secret"].as_str().unwrap_or_default().to_owned();
    let again = olga.post(&format!("/v1/webhooks/{id}/deliveries/{}/redeliver", calls[0].id), &Value::Null).await?;
    assert_eq!(again.status, 202, "{}", again.text);
    let test = olga.post(&format!("/v1/webhooks/{id}/test"), &Value::Null).await?;
    assert_eq!(test.status, 202, "{}", test.text);
    let calls = poll::until("both to be told", TOLD_WITHIN, async || {
        let calls = target.calls();
        Ok((calls.len() >= 4).then_some(calls))
    })
    .await?;
    assert_eq!(calls.iter().filter(|call| call.id == calls[0].id).count(), 2, "under the same id");
    assert_eq!(calls.iter().filter(|call| call.kind() == "webhook.test").count(), 1);
    assert!(calls[2..].iter().all(|call| call.is_signed_with(&secret) && call.is_signed_with(&newer)), "{calls:?}");
    assert!(!calls[0].is_signed_with(&newer), "{calls:?}");

    olga.delete(&format!("/v1/webhooks/{id}")).await?.ok()?;
    churn(&alice, "src/main.rs", 1).await?;
    olga.get(&format!("/v1/webhooks/{id}")).await?.problem(404, "webhook-unknown")?;
    let everything =
        [server.logs().everything(), olga.get("/v1/audit").await?.text, olga.get("/v1/events").await?.text];
    for text in everything {
        let bare = secret.trim_start_matches("whsec_");
        assert!(!text.contains(bare) && !text.contains(newer.trim_start_matches("whsec_")), "the secret in {text}");
    }
    assert_eq!(target.calls().len(), 4);
    Ok(())
}

async fn each_subject_is_told_in_order_though_one_fails_and_a_server_is_killed(store: Store) -> Outcome {
    let mut server = launch(&store)?.start().await?;
    let target = Target::open(|call, before| {
        let tries = before.iter().filter(|known| known.id == call.id).count();
        match call.subject() {
            // Every first attempt fails, one way or the other.
            "bad" if tries == 0 => Manner::Status(500),
            "slow" if tries == 0 && before.len() % 3 == 0 => Manner::Hang,
            "slow" => Manner::Slow(Duration::from_millis(100)),
            _ => Manner::Status(200),
        }
    })
    .await?;
    hook(&server.agent("olga")?, &target.url(), &["lock.acquired", "lock.released"]).await?;
    let alice = server.agent("alice")?;
    for key in ["bad", "slow", "good"] {
        churn(&alice, key, 3).await?;
    }
    told(&target, |calls| calls.len() >= 7).await?;
    server.kill().await?;
    let other = server.launch().start().await?;
    churn(&other.agent("alice")?, "bad", 2).await?;
    let calls = told(&target, |calls| calls.len() >= 22).await?;
    let expected = [("bad", 5), ("good", 3), ("slow", 3)].map(|(key, times)| (key.to_owned(), in_turn(times)));
    assert_eq!(by_subject(&calls), BTreeMap::from(expected));
    Ok(())
}

async fn a_failing_subject_keeps_no_other_waiting(store: Store) -> Outcome {
    let server = launch(&store)?
        .set("WEBHOOKS_BACKOFF_FIRST_SECONDS", "60")
        .set("WEBHOOKS_BACKOFF_CAP_SECONDS", "60")
        .start()
        .await?;
    let target = Target::open(|call, _| Manner::Status(if call.subject() == "bad" { 503 } else { 200 })).await?;
    let made = hook(&server.agent("olga")?, &target.url(), &["lock.acquired", "lock.released"]).await?;
    let alice = server.agent("alice")?;
    churn(&alice, "bad", 2).await?;
    churn(&alice, "good", 2).await?;
    let calls = told(&target, |calls| calls.len() >= 4).await?;
    assert_eq!(by_subject(&calls), BTreeMap::from([("good".to_owned(), in_turn(2))]));
    let olga = server.agent("olga")?;
    let waiting = deliveries(&olga, &id_of(&made)).await?;
    let states = waiting.iter().filter(|it| it["subject"] == "bad").map(|it| it["state"].as_str().unwrap_or_default());
    let states: Vec<&str> = states.collect();
    assert_eq!(states, ["behind", "behind", "behind", "due"], "{waiting:?}");
    assert_eq!(target.calls().iter().filter(|call| call.subject() == "bad").count(), 1, "only the first was tried");
    Ok(())
}

async fn a_target_that_fails_for_too_long_is_given_up_and_goes_on_when_resumed(store: Store) -> Outcome {
    let server = launch(&store)?
        .set("WEBHOOKS_DISABLE_AFTER_FAILURES", "3")
        .set("WEBHOOKS_DISABLE_AFTER_SECONDS", "0")
        .start()
        .await?;
    let target = Target::open(|_, before| Manner::Status(if before.len() < 3 { 500 } else { 200 })).await?;
    let gone = Target::open(|_, _| Manner::Status(410)).await?;
    let (olga, alice) = (server.agent("olga")?, server.agent("alice")?);
    let made = hook(&olga, &target.url(), &["lock.acquired"]).await?;
    let other = hook(&olga, &gone.url(), &["lock.acquired"]).await?;
    alice.take("a").await?;
    let disabled = async |id: String| {
        poll::until("the webhook to be given up", TOLD_WITHIN, async || {
            let webhook = olga.get(&format!("/v1/webhooks/{id}")).await?.ok()?;
            Ok((webhook["state"] == "disabled").then_some(webhook))
        })
        .await
    };
    let webhook = disabled(id_of(&made)).await?;
    assert_eq!(
        (&webhook["disabled_because"], &webhook["failures"], &webhook["pending"]),
        (&json!("failing"), &json!(3), &json!(1))
    );
    let webhook = disabled(id_of(&other)).await?;
    assert_eq!((&webhook["disabled_because"], gone.calls().len()), (&json!("gone"), 1));
    alice.take("b").await?;
    olga.post(&format!("/v1/webhooks/{}/test", id_of(&made)), &Value::Null)
        .await?
        .problem(409, "webhook-not-active")?;
    assert_eq!(target.calls().len(), 3, "nothing is told any more");
    olga.post(&format!("/v1/webhooks/{}/resume", id_of(&made)), &Value::Null).await?.ok()?;
    let calls = told(&target, |calls| calls.len() >= 2).await?;
    let mut subjects: Vec<&str> = calls.iter().map(Call::subject).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["a", "b"], "nothing was lost meanwhile");
    let alerts = poll::until("the alerts", TOLD_WITHIN, async || {
        let alerts = olga.get("/v1/alerts?state=open").await?.ok()?;
        Ok((alerts["alerts"].as_array().map(Vec::len) == Some(1)).then_some(alerts))
    })
    .await?;
    assert_eq!(alerts["alerts"][0]["dedup_key"], format!("webhook-disabled:{}", id_of(&other)), "the other is over");
    Ok(())
}

async fn a_redirect_is_not_followed_and_a_target_that_hangs_is_not_waited_for(store: Store) -> Outcome {
    let server = launch(&store)?.start().await?;
    let inner = Target::taking().await?;
    let to = inner.url();
    let target = Target::open(move |_, before| match before.len() {
        0 => Manner::Redirect(to.clone()),
        1 => Manner::Hang,
        _ => Manner::Status(200),
    })
    .await?;
    let (olga, alice) = (server.agent("olga")?, server.agent("alice")?);
    let made = hook(&olga, &target.url(), &["lock.acquired"]).await?;
    alice.take("a").await?;
    told(&target, |calls| calls.len() == 1).await?;
    let log = poll::until("the delivery to be over", TOLD_WITHIN, async || {
        let deliveries = deliveries(&olga, &id_of(&made)).await?;
        Ok((deliveries[0]["state"] == "delivered").then_some(deliveries[0]["log"].clone()))
    })
    .await?;
    let outcomes: Vec<_> = log.as_array().into_iter().flatten().map(|it| (&it["outcome"], &it["status"])).collect();
    let (answered, timed_out) = (json!("answered"), json!("timed_out"));
    assert_eq!(outcomes, [(&answered, &json!(307)), (&timed_out, &Value::Null), (&answered, &json!(200))]);
    assert_eq!(inner.calls().len(), 0);
    Ok(())
}

async fn addresses_of_our_own_are_refused_unless_a_setting_names_them(store: Store) -> Outcome {
    let server: Server = store.serve().await?;
    let (olga, alice) = (server.agent("olga")?, server.agent("alice")?);
    let target = Target::taking().await?;
    let port = target.url().rsplit(':').next().unwrap_or_default().to_owned();
    let urls = [
        target.url(),
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
        "https://[::1]/".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://10.0.0.1/".to_owned(),
        "https://[fd00:ec2::254]/".to_owned(),
        "http://example.com/".to_owned(),
    ];
    for url in urls {
        let refused = olga.post("/v1/webhooks", &json!({ "url": url, "kinds": ["*"] })).await?;
        refused.problem(403, "webhook-address-refused")?;
    }
    for url in ["https://me:pw@example.com/", "https://127.1/", "https://2130706433/", "ftp://example.com/", "https://"]
    {
        olga.post("/v1/webhooks", &json!({ "url": url, "kinds": ["*"] })).await?.problem(422, "invalid-value")?;
    }
    alice.post("/v1/webhooks", &json!({ "url": target.url(), "kinds": ["*"] })).await?.problem(403, "role-too-low")?;
    alice.get("/v1/webhooks").await?.problem(403, "role-too-low")?;
    assert_eq!(target.calls().len(), 0);
    Ok(())
}

/// What was allowed when the webhook was made is held against the rules again at each call.
async fn an_address_that_is_no_longer_allowed_is_not_called(store: Store) -> Outcome {
    let mut server = launch(&store)?.start().await?;
    let target = Target::taking().await?;
    let made = hook(&server.agent("olga")?, &target.url(), &["lock.acquired"]).await?;
    server.stop().await?;
    let server = server.launch().clone().unset("WEBHOOKS_ALLOWED_NETWORKS").start().await?;
    server.agent("alice")?.take("a").await?;
    let olga = server.agent("olga")?;
    let outcome = poll::until("an attempt", TOLD_WITHIN, async || {
        let deliveries = deliveries(&olga, &id_of(&made)).await?;
        let outcome = deliveries.first().map(|delivery| delivery["log"][0]["outcome"].clone());
        Ok(outcome.filter(|outcome| !outcome.is_null()))
    })
    .await?;
    assert_eq!(outcome, "address_refused");
    assert_eq!(target.calls().len(), 0);
    Ok(())
}

on_both_stores!(
    what_happens_is_told_signed_and_once_more_on_demand
    each_subject_is_told_in_order_though_one_fails_and_a_server_is_killed
    a_failing_subject_keeps_no_other_waiting
    a_target_that_fails_for_too_long_is_given_up_and_goes_on_when_resumed
    a_redirect_is_not_followed_and_a_target_that_hangs_is_not_waited_for
    addresses_of_our_own_are_refused_unless_a_setting_names_them
    an_address_that_is_no_longer_allowed_is_not_called
);

#[tokio::test]
async fn two_servers_tell_each_thing_once_and_one_goes_on_for_the_other() -> Outcome {
    let store = Store::postgres()?;
    let mut one = launch(&store)?.start().await?;
    let other = launch(&store)?.start().await?;
    let target = Target::open(|_, _| Manner::Slow(Duration::from_millis(20))).await?;
    hook(&one.agent("olga")?, &target.url(), &["lock.acquired", "lock.released"]).await?;
    for server in [&one, &other] {
        for key in ["a", "b", "c", "d"] {
            churn(&server.agent("alice")?, key, 3).await?;
        }
    }
    let calls = told(&target, |calls| calls.len() >= 48).await?;
    assert!(by_subject(&calls).values().all(|kinds| *kinds == in_turn(6)), "{:?}", by_subject(&calls));
    assert_eq!(target.calls().len(), 48, "nothing was told twice while both were well");
    one.kill().await?;
    churn(&other.agent("alice")?, "a", 5).await?;
    let calls = told(&target, |calls| calls.len() >= 58).await?;
    assert_eq!(by_subject(&calls)["a"], in_turn(11));
    Ok(())
}
