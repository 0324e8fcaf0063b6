//! Offers that nobody takes: declined, withdrawn, expired; and requests that mean nothing.

use super::scene::{Scene, get, listed, next, offer, say};
use e2e::audit::entries;
use e2e::store::Store;
use e2e::{Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::time::Duration;

on_both_stores! {
    declining_ends_an_offer_to_one_agent
    declining_hides_an_offer_to_many
    a_giver_takes_an_offer_back
    an_offer_expires_and_that_is_told
    what_makes_no_sense_is_refused_field_by_field
}

async fn declining_ends_an_offer_to_one_agent(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob) = (scene.alice.clone(), scene.bob.clone());
    let lock = alice.take("a").await?;
    let handoff = offer(&alice, &json!({ "to": "agent", "agent": "bob" }), &json!({ "locks": [lock.token] })).await?;
    scene.look_away().await?;
    say(&scene.olga, "decline", &handoff).await?.problem(403, "handoff-not-for-you")?;
    let path = format!("/v1/handoffs/{handoff}/decline");
    let declined = bob.post(&path, &json!({ "reason": "no time" })).await?.ok()?;
    assert_eq!(declined["still_offered"], false);
    let ended = &declined["handoff"]["ended"];
    assert_eq!((&ended["agent"], &ended["reason"]), (&json!("bob"), &json!("no time")));
    let (lines, rows) = scene.told().await?;
    assert_eq!(lines, ["bob handoff.decline ok", "olga handoff.decline handoff-not-for-you"]);
    assert_eq!(rows, "audit_entries+2 facts+1");
    say(&bob, "accept", &handoff).await?.problem(410, "handoff-over")?;
    bob.post(&path, &json!({})).await?.problem(410, "handoff-over")?;
    assert_eq!(get(&alice, &handoff).await?["handoff"]["status"], "declined");
    alice.renew(&[lock.token], 60).await?.ok()?;
    Ok(())
}

async fn declining_hides_an_offer_to_many(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob, olga) = (scene.alice.clone(), scene.bob.clone(), scene.olga.clone());
    let handoff = offer(&alice, &next(), &json!({})).await?;
    let mine = [("offered_to_me", "true")];
    assert_eq!((listed(&bob, &mine).await?, listed(&alice, &mine).await?), (vec![handoff.clone()], Vec::new()));
    scene.look_away().await?;
    assert_eq!(say(&bob, "decline", &handoff).await?.ok()?["still_offered"], true);
    assert_eq!(say(&bob, "decline", &handoff).await?.ok()?["still_offered"], true);
    let one_each = "audit_entries+1 facts+1 handoff_declines+1".to_owned();
    assert_eq!(scene.told().await?, (vec!["bob handoff.decline ok".to_owned()], one_each), "it is told once");
    assert_eq!((listed(&bob, &mine).await?, listed(&olga, &mine).await?), (Vec::new(), vec![handoff.clone()]));
    assert_eq!(say(&olga, "accept", &handoff).await?.ok()?["accepted"]["agent"], "olga");
    Ok(())
}

async fn a_giver_takes_an_offer_back(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob) = (scene.alice.clone(), scene.bob.clone());
    let handoff = offer(&alice, &next(), &json!({})).await?;
    scene.look_away().await?;
    say(&bob, "withdraw", &handoff).await?.problem(403, "handoff-not-yours")?;
    let withdrawn = say(&alice.session("alice-2").once("back"), "withdraw", &handoff).await?.ok()?;
    assert_eq!(withdrawn["status"], "withdrawn", "from any session");
    let again = say(&alice.session("alice-2").once("back"), "withdraw", &handoff).await?.ok()?;
    assert_eq!(again, withdrawn, "the same request gets the same answer");
    let (lines, rows) = scene.told().await?;
    assert_eq!(lines, ["alice handoff.withdraw ok", "bob handoff.withdraw handoff-not-yours"]);
    assert_eq!(rows, "audit_entries+2 facts+1 idempotency_records+1");
    say(&bob, "accept", &handoff).await?.problem(410, "handoff-over")?;
    say(&alice, "withdraw", &handoff).await?.problem(410, "handoff-over")?;
    let record = offer(&alice, &json!({ "to": "nobody" }), &json!({})).await?;
    say(&alice, "withdraw", &record).await?.problem(409, "handoff-not-offered")?;
    say(&bob, "accept", &record).await?.problem(409, "handoff-not-offered")?;
    Ok(())
}

async fn an_offer_expires_and_that_is_told(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob, olga) = (scene.alice.clone(), scene.bob.clone(), scene.olga.clone());
    let lock = alice.take("a").await?;
    scene.look_away().await?;
    let handoff = offer(&alice, &next(), &json!({ "locks": [lock.token], "expires_in_seconds": 1 })).await?;
    let soon = Duration::from_secs(20);
    poll::until("the offer to expire", soon, async || {
        Ok((get(&bob, &handoff).await?["handoff"]["status"] == "expired").then_some(()))
    })
    .await?;
    say(&bob, "accept", &handoff).await?.problem(410, "handoff-over")?;
    assert_eq!(listed(&bob, &[("status", "expired")]).await?, std::slice::from_ref(&handoff));
    let lines = [("operation", "handoff.expire")];
    poll::until("the end to be written down", soon, async || {
        Ok((entries(&olga, &lines).await?.len() == 1).then_some(()))
    })
    .await?;
    let mut told = scene.told().await?.0;
    told.sort();
    assert_eq!(told, ["alice handoff.write ok", "bob handoff.accept handoff-over", "pointsman handoff.expire ok"]);
    alice.renew(&[lock.token], 60).await?.ok()?;
    Ok(())
}

async fn what_makes_no_sense_is_refused_field_by_field(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let bob = scene.bob.clone();
    scene.look_away().await?;
    let many = |count: usize| Value::from(vec!["x"; count]);
    let refused = [
        (json!({}), "summary"),
        (json!({ "summary": "  " }), "summary"),
        (json!({ "summary": "x", "completed": many(101) }), "completed"),
        (json!({ "summary": "x", "next_steps": ["y".repeat(3000)] }), "next_steps[0]"),
        (json!({ "summary": "x", "files": ["a\u{0}b"] }), "files[0]"),
        (json!({ "summary": "x", "links": [{ "kind": "url", "target": "ftp://x" }] }), "links[0].target"),
        (json!({ "summary": "x", "locks": [1] }), "locks"),
        (json!({ "summary": "x", "expires_in_seconds": 60 }), "expires_in_seconds"),
        (json!({ "summary": "x", "offer": next(), "locks": [0] }), "locks[0]"),
        (json!({ "summary": "x", "offer": next(), "expires_in_seconds": 2_592_001 }), "expires_in_seconds"),
        (json!({ "summary": "x", "offer": { "to": "agent" } }), "offer.agent"),
        (json!({ "summary": "x", "offer": { "to": "next", "capability": "rust" } }), "offer.capability"),
        (json!({ "summary": "x", "offer": next(), "tasks": [{ "task_id": "task", "token": 1 }] }), "tasks[0].task_id"),
    ];
    for (body, field) in refused {
        let problem = bob.post("/v1/handoffs", &body).await?.problem(422, "invalid-value")?;
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let filled =
        json!({ "summary": "x", "completed": vec!["y".repeat(2048); 100], "decisions": vec!["y".repeat(2048); 100] });
    bob.post("/v1/handoffs", &filled).await?.problem(422, "invalid-value")?;
    for word in ["accept", "decline", "withdraw"] {
        say(&bob, word, "hnd_00000000000000000000000000000001").await?.problem(404, "handoff-unknown")?;
        say(&bob, word, "hnd_1").await?.problem(422, "invalid-value")?;
    }
    bob.get("/v1/handoffs/hnd_00000000000000000000000000000001").await?.problem(404, "handoff-unknown")?;
    bob.get("/v1/handoffs?q=%20").await?.problem(422, "invalid-value")?;
    bob.get("/v1/handoffs?status=lost").await?.problem(422, "invalid-value")?;
    bob.get("/v1/handoffs?cursor=lost").await?.problem(422, "invalid-value")?;
    assert_eq!(scene.told().await?, (Vec::new(), String::new()), "nothing came of it");
    Ok(())
}
