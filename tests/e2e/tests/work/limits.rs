//! Requests about work that are too large, wrong or rubbish: each is refused in words, and none fails the server.

use crate::scene::Scene;
use e2e::client::Client;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Outcome, on_both_stores};
use reqwest::Method;
use serde_json::{Value, json};

on_both_stores! {
    each_limit_is_held_and_what_is_just_within_it_is_taken
    rubbish_is_refused_and_changes_nothing
}

const PAYLOAD_BYTES: usize = 256 * 1024;

/// A JSON string of so many bytes, quotes included.
fn string_of(bytes: usize) -> Value {
    json!("x".repeat(bytes - 2))
}

async fn each_limit_is_held_and_what_is_just_within_it_is_taken(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let many = |tasks: usize| vec![task("one of many", &json!({ "type": "many" })); tasks];
    let refusal = scene.alice.hand_in(&json!({ "tasks": many(1_001) })).await?.problem(422, "invalid-value")?;
    assert!(refusal["detail"].to_string().contains("1000"), "the limit is named: {}", refusal["detail"]);
    scene.alice.hand_in(&json!({ "tasks": [] })).await?.problem(422, "invalid-value")?;
    assert_eq!(scene.rows.change().await?, "");
    assert_eq!(scene.alice.submit(&many(1_000)).await?.len(), 1_000);
    assert_eq!(scene.rows.change().await?, "audit_entries+1000 facts+1000 task_states+1000 tasks+1000");

    let with_input = |bytes: usize| task("large", &json!({ "input": string_of(bytes) }));
    let refusal = scene.alice.hand_in(&json!({ "tasks": [with_input(PAYLOAD_BYTES + 1)] })).await?;
    assert_eq!(refusal.problem(422, "invalid-value")?["errors"][0]["field"], "tasks[0].input");
    scene.alice.submit_one(&with_input(PAYLOAD_BYTES)).await?;
    let large = scene.bob.claim(&json!({ "types": ["build"] })).await?.claimed()?.remove(0);
    assert_eq!(large.input, Some(string_of(PAYLOAD_BYTES)), "it arrives whole");
    let result = |bytes: usize| json!({ "result": string_of(bytes) });
    let refusal = scene.bob.say("complete", &large, &result(PAYLOAD_BYTES + 1)).await?.problem(422, "invalid-value")?;
    assert_eq!(refusal["errors"][0]["field"], "result");
    scene.bob.say("complete", &large, &result(PAYLOAD_BYTES)).await?.ok()?;
    assert_eq!(scene.alice.task(large.id()).await?["result"], string_of(PAYLOAD_BYTES));
    let eight_mib = vec![with_input(PAYLOAD_BYTES); 32];
    scene.alice.hand_in(&json!({ "tasks": eight_mib })).await?.problem(413, "body-too-large")?;
    scene.bob.say("complete", &large, &result(4 * PAYLOAD_BYTES)).await?.problem(413, "body-too-large")?;

    for tasks in [0, 51, u64::MAX] {
        scene.bob.claim(&json!({ "max_tasks": tasks })).await?.problem(422, "invalid-value")?;
    }
    let claimed = scene.bob.claim(&json!({ "max_tasks": 50 })).await?.claimed()?;
    assert_eq!(claimed.len(), 50);
    let names = |some: usize| (0..some).map(|number| format!("n{number}")).collect::<Vec<_>>();
    for (field, most) in [("types", 64), ("labels", 32), ("capabilities", 32)] {
        scene.bob.claim(&json!({ field: names(most + 1) })).await?.problem(422, "invalid-value")?;
        scene.bob.claim(&json!({ field: names(most), "labels": names(32) })).await?.ok()?;
    }
    scene.bob.claim(&json!({ "wait_seconds": 61 })).await?.problem(422, "invalid-value")?;

    for (field, within, beyond) in [
        ("title", string_of(258), string_of(259)),
        ("description", string_of(32_770), string_of(32_771)),
        ("priority", json!(10), json!(11)),
        ("max_attempts", json!(100), json!(101)),
        ("lease_seconds", json!(28_800), json!(28_801)),
        ("lease_seconds", json!(5), json!(4)),
        ("backoff_first_seconds", json!(3_600), json!(604_801)),
        ("backoff_cap_seconds", json!(604_800), json!(9)),
        ("labels", json!(names(32)), json!(names(33))),
        ("depends_on", json!([]), json!(names(101))),
        ("requires", json!({ "trust_min": 4 }), json!({ "trust_min": 5 })),
        ("concurrency", json!({ "key": "k", "limit": 10_000 }), json!({ "key": "k", "limit": 10_001 })),
    ] {
        scene.alice.submit_one(&task("within", &json!({ field: within }))).await?;
        let refusal = scene.alice.hand_in(&json!({ "tasks": [task("beyond", &json!({ field: beyond }))] })).await?;
        let refusal = refusal.problem(422, "invalid-value")?;
        assert!(refusal.to_string().contains(field), "{field} is named: {refusal}");
    }
    let keys: Vec<Value> = (0..65).map(|number| json!({ "key": format!("k{number}") })).collect();
    scene.alice.submit_one(&task("within", &json!({ "resources": keys[..64] }))).await?;
    let refusal = scene.alice.hand_in(&json!({ "tasks": [task("beyond", &json!({ "resources": keys }))] })).await?;
    refusal.problem(422, "invalid-value")?;
    Ok(())
}

/// Values of every type, none of which any field takes as it stands, or not every field.
fn rubbish() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(9_007_199_254_740_993_u64),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}"),
        json!("a\nb"),
        json!("\u{202e}\u{fffd}😀"),
        json!("tsk_"),
        json!("2026-13-01T00:00:00Z"),
        json!("-9999-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59.999999999Z"),
        json!([]),
        json!([null]),
        json!([["a"]]),
        json!(["\u{0}"]),
        json!([{ "key": "../up" }]),
        json!({}),
        json!({ "key": 1 }),
        json!({ "unknown": 1 }),
    ]
}

/// Puts rubbish in the place of each field of a body that is good otherwise.
async fn spoil(caller: &Client, path: &str, good: &Value, fields: &[&str]) -> Outcome {
    for field in fields {
        for value in rubbish() {
            let mut body = good.clone();
            let spoilt = if body["tasks"].is_array() { &mut body["tasks"][0] } else { &mut body };
            spoilt[*field] = value.clone();
            let reply = caller.post(path, &body).await?;
            assert!(reply.status < 500, "{path} {field} {value}: {} {}", reply.status, reply.text);
            if reply.status != 200 {
                let (status, slug) = (reply.status, reply.slug().to_owned());
                reply.problem(status, &slug)?;
            }
        }
    }
    Ok(())
}

async fn rubbish_is_refused_and_changes_nothing(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let id = scene.alice.submit_one(&task("real", &json!({ "priority": 1 }))).await?;
    let real = scene.bob.claim_one().await?;
    let all = ["name", "type", "title", "description", "input", "priority", "depends_on", "not_before", "deadline"];
    let more = ["max_attempts", "lease_seconds", "backoff_first_seconds", "backoff_cap_seconds", "requires"];
    let rest = ["resources", "concurrency", "labels", "parent", "on_dependency_failure", "unknown"];
    let good = json!({ "tasks": [task("good", &json!({ "type": "rubbish" }))] });
    for fields in [all.as_slice(), &more, &rest] {
        spoil(&scene.alice, "/v1/tasks", &good, fields).await?;
    }
    let fields = ["max_tasks", "types", "labels", "capabilities", "environment", "lease_seconds", "unknown"];
    spoil(&scene.bob, "/v1/tasks/claim", &json!({ "types": ["none"] }), &fields).await?;
    let said = |word: &str| format!("/v1/tasks/{id}/{word}");
    // From here on the token is always wrong, so that nothing can succeed.
    let token = json!({ "token": real.token + 1_000, "error": "x", "until": "2026-01-01T00:00:00Z" });
    for (word, fields) in [
        ("heartbeat", ["token", "progress", "note"].as_slice()),
        ("complete", &["token", "result", "unknown"]),
        ("fail", &["token", "error", "retryable"]),
        ("release", &["token", "reason"]),
        ("snooze", &["token", "until"]),
    ] {
        let mut good = json!({ "token": token["token"] });
        for field in fields.iter().filter(|field| !token[**field].is_null()) {
            good[*field] = token[*field].clone();
        }
        spoil(&scene.bob, &said(word), &good, fields).await?;
    }
    let fields = ["reason", "with_dependents", "not_before", "priority", "unknown"];
    for word in ["cancel", "reschedule", "reprioritize"] {
        spoil(&scene.bob, &said(word), &json!({}), &fields).await?;
    }
    scene.look_away().await?;

    for path in ["/v1/tasks", "/v1/tasks/claim", &said("complete"), &said("cancel")] {
        let post = |body: &str| {
            let request = scene.alice.request(Method::POST, path);
            scene.alice.send(request.header("content-type", "application/json").body(body.to_owned()))
        };
        for body in ["{", "\u{1}", "{\"tasks\": [", &"[".repeat(10_000)] {
            post(body).await?.problem(400, "malformed-request")?;
        }
        for body in ["null", "[]", "\"x\"", "{\"unknown\": 1}"] {
            post(body).await?.problem(422, "invalid-value")?;
        }
    }
    for wrong in ["x", "tsk_", "tsk_zz", "%00", "tsk_0189000000007000800000000000000", "😀"] {
        for word in ["complete", "cancel", "retry"] {
            let reply = scene.alice.post(&format!("/v1/tasks/{wrong}/{word}"), &json!({ "token": 1 })).await?;
            assert!((400..500).contains(&reply.status), "{wrong} {word}: {} {}", reply.status, reply.text);
        }
        for read in ["", "/why", "/graph", "/attempts"] {
            let reply = scene.alice.get(&format!("/v1/tasks/{wrong}{read}")).await?;
            assert!((400..500).contains(&reply.status), "{wrong}{read}: {} {}", reply.status, reply.text);
        }
    }
    for query in ["status=done", "status=ready,", "limit=0", "limit=501", "cursor=x", "type=%00", "parent=x", "label="]
    {
        let reply = scene.alice.get(&format!("/v1/tasks?{query}")).await?;
        assert!(reply.status < 500, "{query}: {} {}", reply.status, reply.text);
    }
    assert_eq!(scene.rows.change().await?, "", "none of it changed anything");
    let task = scene.alice.task(&id).await?;
    assert_eq!((&task["status"], &task["lease"]["token"]), (&json!("leased"), &json!(real.token)));
    scene.bob.complete(&real).await?;
    Ok(())
}
