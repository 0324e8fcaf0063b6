//! What an agent says about a task it has, and what becomes of the task.

use crate::scene::{Scene, instant};
use e2e::store::Store;
use e2e::work::task;
use e2e::{Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

on_both_stores! {
    a_heartbeat_extends_the_claim_and_tells_how_far_it_is
    completion_readies_dependents_in_the_same_commit_and_is_answered_once
    under_a_stale_token_nothing_changes_and_the_holder_is_named
    a_failed_task_rests_and_is_tried_again_until_it_is_dead
    a_task_given_back_or_put_off_is_unharmed
    only_the_session_that_has_a_task_speaks_for_it
}

async fn a_heartbeat_extends_the_claim_and_tells_how_far_it_is(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let wish = json!({ "lease_seconds": 60, "resources": [{ "key": "src/a.rs" }, { "key": "src/b.rs" }] });
    let id = scene.alice.submit_one(&task("long", &wish)).await?;
    let claimed = scene.bob.claim_one().await?;
    scene.look_away().await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let beat = scene.bob.say("heartbeat", &claimed, &json!({ "progress": 40, "note": "half way" })).await?.ok()?;
    let until = instant(&beat["lease_until"])?;
    assert!(until > claimed.lease_until, "{beat}");
    assert_eq!((&beat["cancel_requested"], &beat["locks_lost"]), (&json!(false), &json!([])));
    assert!(beat["cancel"].is_null(), "{beat}");
    let told = scene.told().await?;
    let heard = told.iter().filter(|line| *line == "bob task.heartbeat ok").count();
    assert!(heard <= 1 && told.iter().all(|line| line.starts_with("bob ")), "{told:?}");
    let change = scene.rows.change().await?;
    assert!(!change.contains("task") && !change.contains("lease"), "a heartbeat adds no rows of work: {change}");

    // What is not said again stays as it was.
    scene.bob.say("heartbeat", &claimed, &json!({ "note": "further" })).await?.ok()?;
    let lease = scene.alice.task(&id).await?["lease"].clone();
    assert_eq!((&lease["progress"], &lease["note"]), (&json!(40), &json!("further")), "others see it: {lease}");
    let locks = scene.alice.get("/v1/locks?agent=bob").await?.ok()?;
    let ends = locks["locks"].as_array().into_iter().flatten().map(|lock| instant(&lock["expires_at"]));
    let ends: Vec<_> = ends.collect::<Outcome<_>>()?;
    assert!(ends.len() == 2 && ends.iter().all(|end| *end >= until), "its locks last as long: {ends:?}");

    // Somebody with authority takes a lock away: the next heartbeat tells so.
    let lost = claimed.locks[0].token;
    let force = json!({ "token": lost, "reason": "needed elsewhere" });
    scene.olga.post("/v1/locks/force-release", &force).await?.ok()?;
    let beat = scene.bob.say("heartbeat", &claimed, &json!({})).await?.ok()?;
    assert_eq!(beat["locks_lost"], json!([lost]));
    for wrong in [json!({ "progress": 101 }), json!({ "progress": -1 }), json!({ "note": "" })] {
        scene.bob.say("heartbeat", &claimed, &wrong).await?.problem(422, "invalid-value")?;
    }
    Ok(())
}

async fn completion_readies_dependents_in_the_same_commit_and_is_answered_once(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let tasks = [
        task("a", &json!({ "name": "a", "resources": [{ "key": "src/a.rs" }] })),
        task("b", &json!({ "name": "b" })),
        task("after a", &json!({ "depends_on": ["a"] })),
        task("after both", &json!({ "depends_on": ["a", "b"] })),
    ];
    let ids = scene.alice.submit(&tasks).await?;
    let a = scene.bob.claim_one().await?;
    scene.look_away().await?;
    let first = scene.bob.say("complete", &a, &json!({ "result": { "ok": true } })).await?.ok()?;
    assert_eq!((&first["task_id"], &first["status"]), (&json!(ids[0]), &json!("succeeded")));
    assert_eq!((&first["already"], &first["attempt"]["how"]), (&json!(false), &json!("succeeded")));
    assert_eq!(scene.rows.change().await?, "audit_entries+3 facts+3 leases-1 task_attempts+1");
    assert_eq!(scene.told().await?, ["bob lock.release ok", "bob task.complete ok", "pointsman task.ready ok"]);
    assert_eq!(scene.alice.task_status(&ids[2]).await?, "ready");
    assert_eq!(scene.alice.task(&ids[3]).await?["pending"], 1);

    let again = scene.bob.say("complete", &a, &json!({ "result": { "ok": true } })).await?.ok()?;
    assert_eq!((&again["already"], &again["attempt"]), (&json!(true), &first["attempt"]));
    let other = scene.bob.say("complete", &a, &json!({ "result": "another" })).await?.problem(410, "claim-stale")?;
    assert_eq!(other["claim"]["status"], "succeeded");
    scene.bob.say("fail", &a, &json!({ "error": "after all" })).await?.problem(410, "claim-stale")?;
    scene.bob.say("release", &a, &json!({})).await?.problem(410, "claim-stale")?;
    let stale = ["bob task.complete claim-stale", "bob task.fail claim-stale", "bob task.release claim-stale"];
    assert_eq!(scene.told().await?, stale);
    assert_eq!(scene.rows.change().await?, "audit_entries+3", "refusals leave their lines and nothing else");
    assert_eq!(scene.alice.task(&ids[0]).await?["result"], json!({ "ok": true }));

    // The last one that is waited for readies the rest.
    let b = scene.alice.claim_one().await?;
    assert_eq!(b.title(), "b");
    scene.alice.complete(&b).await?;
    assert_eq!(scene.alice.task_status(&ids[3]).await?, "ready");
    Ok(())
}

async fn under_a_stale_token_nothing_changes_and_the_holder_is_named(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let wish = json!({ "lease_seconds": 5, "resources": [{ "key": "src/a.rs" }] });
    let id = scene.alice.submit_one(&task("contested", &wish)).await?;
    let late = scene.bob.claim_one().await?;
    // Its time runs out; somebody who waits gets it then and no earlier.
    let wait = json!({ "wait_seconds": 30, "lease_seconds": 60 });
    let new = scene.alice.claim(&wait).await?.claimed()?.remove(0);
    assert_eq!((new.id(), new.attempt), (late.id(), 2));
    assert!(new.token > late.token);
    let since = instant(&new.task["lease"]["since"])?;
    let after = since - late.lease_until;
    assert!(after >= chrono::TimeDelta::zero(), "given away {after} before its time was over");
    assert!(after.to_std()? < Duration::from_millis(2_500), "and not long after: {after}");
    scene.look_away().await?;

    for (word, more) in [
        ("complete", json!({ "result": 1 })),
        ("fail", json!({ "error": "x" })),
        ("heartbeat", json!({})),
        ("release", json!({})),
        ("snooze", json!({ "until": "2020-01-01T00:00:00Z" })),
    ] {
        let stale = scene.bob.say(word, &late, &more).await?.problem(410, "claim-stale")?;
        let claim = &stale["claim"];
        assert_eq!((&claim["attempt"]["how"], &claim["status"]), (&json!("lapsed"), &json!("leased")), "{stale}");
        assert_eq!((&claim["now_with"]["agent"], &claim["now_with"]["token"]), (&json!("alice"), &json!(new.token)));
        assert_eq!(scene.told().await?, [format!("bob task.{word} claim-stale")]);
        assert_eq!(scene.rows.change().await?, "audit_entries+1");
    }
    let lease = scene.olga.task(&id).await?["lease"].clone();
    assert_eq!((&lease["token"], &lease["agent"]), (&json!(new.token), &json!("alice")));
    let lock = scene.olga.status("src/a.rs").await?["holders"][0].clone();
    assert_eq!((&lock["agent"], &lock["token"]), (&json!("alice"), &json!(new.locks[0].token)));
    scene.alice.complete(&new).await?;

    let attempts = scene.olga.attempts(&id).await?;
    let told: Vec<_> = attempts.iter().map(|one| (one["attempt"].clone(), one["how"].clone())).collect();
    assert_eq!(told, [(json!(1), json!("lapsed")), (json!(2), json!("succeeded"))]);
    Ok(())
}

async fn a_failed_task_rests_and_is_tried_again_until_it_is_dead(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let wish = json!({ "max_attempts": 3, "backoff_first_seconds": 1, "backoff_cap_seconds": 1 });
    let id = scene.alice.submit_one(&task("shaky", &wish)).await?;
    for attempt in 1..=3 {
        let claimed = scene.bob.claim(&json!({ "wait_seconds": 10 })).await?.claimed()?.remove(0);
        assert_eq!((claimed.id(), claimed.attempt), (id.as_str(), attempt));
        scene.look_away().await?;
        let failed = scene.bob.say("fail", &claimed, &json!({ "error": format!("no {attempt}") })).await?.ok()?;
        assert_eq!(scene.told().await?[0], "bob task.fail ok");
        assert!(scene.rows.change().await?.ends_with("task_attempts+1"));
        let again = scene.bob.say("fail", &claimed, &json!({ "error": format!("no {attempt}") })).await?.ok()?;
        assert_eq!((&again["already"], &again["attempt"]), (&json!(true), &failed["attempt"]));
        if attempt == 3 {
            assert_eq!(failed["status"], "dead");
        } else {
            assert_eq!(failed["status"], "failed");
            let ended = instant(&failed["attempt"]["ended_at"])?;
            let rest = instant(&failed["attempt"]["next_at"])? - ended;
            assert!(rest.num_milliseconds() <= 1_000, "{rest} is more than the cap");
        }
    }
    let dead = scene.alice.task(&id).await?;
    assert_eq!((&dead["status"], &dead["cause"]["why"]), (&json!("dead"), &json!("attempts_used_up")));
    let errors: Vec<Value> = scene.alice.attempts(&id).await?.iter().map(|one| one["error"].clone()).collect();
    assert_eq!(errors, [json!("no 1"), json!("no 2"), json!("no 3")]);
    scene.nothing_to_claim().await
}

async fn a_task_given_back_or_put_off_is_unharmed(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let wish = json!({ "max_attempts": 1, "resources": [{ "key": "src/a.rs" }] });
    let id = scene.alice.submit_one(&task("handed round", &wish)).await?;
    let one = scene.bob.claim_one().await?;
    scene.look_away().await?;
    let back = scene.bob.say("release", &one, &json!({ "reason": "not mine" })).await?.ok()?;
    assert_eq!((&back["status"], &back["attempt"]["reason"]), (&json!("ready"), &json!("not mine")));
    assert_eq!(scene.told().await?, ["bob lock.release ok", "bob task.release ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+2 facts+2 leases-1 task_attempts+1");
    assert_eq!(scene.bob.say("release", &one, &json!({ "reason": "not mine" })).await?.ok()?["already"], true);
    scene.look_away().await?;

    let two = scene.alice.claim_one().await?;
    assert_eq!((two.id(), two.attempt), (id.as_str(), 2), "the attempt did not count against the only one allowed");
    let until = scene.now().await? + chrono::TimeDelta::seconds(3);
    let off = scene.alice.say("snooze", &two, &json!({ "until": until.to_rfc3339() })).await?.ok()?;
    assert_eq!((&off["status"], &off["attempt"]["how"]), (&json!("scheduled"), &json!("snoozed")));
    let seen = scene.bob.task(&id).await?;
    assert_eq!((&seen["delay"], instant(&seen["until"])?), (&json!("snooze"), until));
    scene.nothing_to_claim().await?;
    let three = scene.bob.claim(&json!({ "wait_seconds": 10 })).await?.claimed()?.remove(0);
    assert!(instant(&three.task["lease"]["since"])? >= until, "not before {until}");
    assert_eq!(three.attempt, 3);
    let past = json!({ "until": "2020-01-01T00:00:00Z" });
    scene.bob.say("snooze", &three, &past).await?.problem(422, "time-out-of-reach")?;
    let dead = scene.bob.say("fail", &three, &json!({ "error": "no" })).await?.ok()?;
    assert_eq!(dead["status"], "dead", "its only attempt is used up");
    Ok(())
}

async fn only_the_session_that_has_a_task_speaks_for_it(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let id = scene.alice.submit_one(&task("one", &json!({}))).await?;
    let (one, other) = (scene.bob.session("one"), scene.bob.session("other"));
    let claimed = one.claim_one().await?;
    scene.look_away().await?;
    for caller in [&other, &scene.bob, &scene.alice, &scene.olga] {
        caller.say("complete", &claimed, &json!({})).await?.problem(403, "not-holder")?;
        caller.say("heartbeat", &claimed, &json!({})).await?.problem(403, "not-holder")?;
    }
    let mut never = claimed.clone();
    never.token += 1_000;
    one.say("complete", &never, &json!({})).await?.problem(404, "claim-unknown")?;
    never.task["id"] = json!("tsk_01890000000070008000000000000000");
    one.say("complete", &never, &json!({})).await?.problem(404, "task-unknown")?;
    assert_eq!(scene.alice.task_status(&id).await?, "leased");

    // A session that ends hands back what it has; another one of the same agent keeps its own.
    let second = scene.alice.submit_one(&task("two", &json!({}))).await?;
    let kept = other.claim_one().await?;
    assert_eq!(kept.id(), second);
    scene.look_away().await?;
    one.post("/v1/sessions/end", &json!({})).await?.ok()?;
    let told = scene.told().await?;
    assert!(told.contains(&"bob task.session_end ok".to_owned()), "{told:?}");
    assert_eq!(scene.rows.change().await?, "audit_entries+2 facts+2 task_attempts+1");
    one.say("complete", &claimed, &json!({})).await?.problem(410, "session-ended")?;
    let again = scene.alice.claim_one().await?;
    assert_eq!((again.id(), again.attempt), (id.as_str(), 2));
    assert_eq!(scene.alice.attempts(&id).await?[0]["how"], "session_closed");
    other.complete(&kept).await?;
    poll::until("the second task to be done", SOON, async || {
        Ok((scene.alice.task_status(&second).await? == "succeeded").then_some(()))
    })
    .await
}
