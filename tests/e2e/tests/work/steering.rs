//! What others do to tasks: cancel them, move them, look after dead letters; and who may.

use crate::scene::Scene;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    a_waiting_task_is_cancelled_at_once_and_what_depends_on_it_by_policy
    a_cancel_with_dependents_takes_them_all
    an_agent_at_work_is_told_to_stop
    a_task_is_put_off_and_brought_forward
    a_task_becomes_more_or_less_urgent
    a_dead_letter_is_tried_again_or_thrown_away
    only_who_submitted_a_task_or_a_higher_role_steers_it
}

async fn statuses(scene: &Scene<'_>, ids: &[String]) -> Outcome<Vec<String>> {
    let mut statuses = Vec::new();
    for id in ids {
        statuses.push(scene.alice.task_status(id).await?);
    }
    Ok(statuses)
}

async fn a_waiting_task_is_cancelled_at_once_and_what_depends_on_it_by_policy(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let child = |policy: &str| task(policy, &json!({ "depends_on": ["a"], "on_dependency_failure": policy }));
    let tasks = [task("a", &json!({ "name": "a" })), child("cancel"), child("run"), child("block")];
    let ids = scene.alice.submit(&tasks).await?;
    scene.look_away().await?;
    let cancelled = scene.alice.steer("cancel", &ids[0], &json!({ "reason": "not needed" })).await?.ok()?;
    assert_eq!((&cancelled["task"]["status"], &cancelled["already"]), (&json!("cancelled"), &json!(false)));
    assert_eq!(cancelled["cancelled"], json!([ids[0], ids[1]]));
    let told = scene.told().await?;
    assert_eq!(told, ["alice task.cancel ok", "pointsman task.cancel ok", "pointsman task.ready ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+3 facts+3");
    assert_eq!(statuses(&scene, &ids).await?, ["cancelled", "cancelled", "ready", "blocked"]);
    let cause = scene.bob.task(&ids[0]).await?["cause"].clone();
    assert_eq!(
        (&cause["why"], &cause["by"], &cause["reason"]),
        (&json!("asked"), &json!("alice"), &json!("not needed"))
    );

    let again = scene.alice.steer("cancel", &ids[0], &json!({})).await?.ok()?;
    assert_eq!((&again["already"], &again["cancelled"]), (&json!(true), &json!([])));
    assert_eq!(scene.rows.change().await?, "", "cancelling twice changes nothing");
    Ok(())
}

async fn a_cancel_with_dependents_takes_them_all(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let child = |name: &str, on: &str, policy: &str| {
        task(name, &json!({ "name": name, "depends_on": [on], "on_dependency_failure": policy }))
    };
    let tasks = [
        task("a", &json!({ "name": "a" })),
        child("b", "a", "run"),
        child("c", "b", "block"),
        child("d", "c", "run"),
        task("apart", &json!({})),
    ];
    let ids = scene.alice.submit(&tasks).await?;
    scene.look_away().await?;
    let cancelled = scene.alice.steer("cancel", &ids[0], &json!({ "with_dependents": true })).await?.ok()?;
    assert_eq!(cancelled["task"]["status"], "cancelled");
    // Those at some distance may follow by themselves, soon.
    e2e::poll::until("all of them to be cancelled", std::time::Duration::from_secs(10), async || {
        let now = statuses(&scene, &ids).await?;
        Ok((now == ["cancelled", "cancelled", "cancelled", "cancelled", "ready"]).then_some(()))
    })
    .await?;
    assert_eq!(scene.rows.change().await?, "audit_entries+4 facts+4");
    let told = scene.told().await?;
    let by_itself = told.iter().filter(|line| *line == "pointsman task.cancel ok").count();
    assert_eq!((told.len(), by_itself), (4, 3), "{told:?}");
    assert_eq!(scene.bob.claim(&json!({ "max_tasks": 50 })).await?.claimed()?.len(), 1);
    Ok(())
}

async fn an_agent_at_work_is_told_to_stop(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let wish = json!({ "name": "a", "resources": [{ "key": "src/a.rs" }] });
    let tasks = [task("a", &wish), task("after", &json!({ "depends_on": ["a"] }))];
    let ids = scene.alice.submit(&tasks).await?;
    let claimed = scene.bob.claim_one().await?;
    scene.look_away().await?;
    let asked = scene.alice.steer("cancel", &ids[0], &json!({ "reason": "changed my mind" })).await?.ok()?;
    assert_eq!((&asked["task"]["status"], &asked["cancelled"]), (&json!("leased"), &json!([])), "{asked}");
    assert_eq!(asked["task"]["lease"]["cancel_requested"], true);
    assert_eq!(scene.told().await?, ["alice task.request_cancel ok"]);
    let beat = scene.bob.say("heartbeat", &claimed, &json!({})).await?.ok()?;
    assert_eq!((&beat["cancel_requested"], &beat["cancel"]["by"]), (&json!(true), &json!("alice")));
    assert_eq!(beat["cancel"]["reason"], "changed my mind");
    let until = chrono::DateTime::parse_from_rfc3339(beat["lease_until"].as_str().unwrap_or_default())?.to_utc();
    assert!(until < claimed.lease_until, "its time is cut to a grace: {beat}");
    let again = scene.bob.say("heartbeat", &claimed, &json!({})).await?.ok()?;
    assert_eq!(again["lease_until"], beat["lease_until"], "heartbeats do not stretch the grace");
    scene.look_away().await?;
    let released = scene.bob.say("release", &claimed, &json!({})).await?.ok()?;
    assert_eq!(released["status"], "cancelled", "a task that was asked to stop does not go back: {released}");
    assert_eq!(statuses(&scene, &ids).await?, ["cancelled", "cancelled"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+3 facts+3 leases-1 task_attempts+1");

    // Whoever is done in spite of it is done.
    let id = scene.alice.submit_one(&task("b", &json!({}))).await?;
    let claimed = scene.bob.claim_one().await?;
    scene.olga.steer("cancel", &id, &json!({})).await?.ok()?;
    assert_eq!(scene.bob.complete(&claimed).await?["status"], "succeeded");
    scene.olga.steer("cancel", &id, &json!({})).await?.problem(409, "task-ended")?;
    Ok(())
}

async fn a_task_is_put_off_and_brought_forward(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let deadline = (scene.now().await? + chrono::TimeDelta::hours(2)).to_rfc3339();
    let id = scene.alice.submit_one(&task("a", &json!({ "deadline": deadline }))).await?;
    scene.look_away().await?;
    let at = scene.now().await? + chrono::TimeDelta::hours(1);
    let moved = scene.alice.steer("reschedule", &id, &json!({ "not_before": at.to_rfc3339() })).await?.ok()?;
    assert_eq!((&moved["task"]["status"], &moved["task"]["delay"]), (&json!("scheduled"), &json!("not_before")));
    assert_eq!(scene.told().await?, ["alice task.reschedule ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+1 facts+1");
    scene.nothing_to_claim().await?;
    let late = (at + chrono::TimeDelta::hours(2)).to_rfc3339();
    scene.alice.steer("reschedule", &id, &json!({ "not_before": late })).await?.problem(409, "deadline-passed")?;
    for out in ["2020-01-01T00:00:00Z", "2400-01-01T00:00:00Z"] {
        let refusal = scene.alice.steer("reschedule", &id, &json!({ "not_before": out })).await?;
        refusal.problem(422, "time-out-of-reach")?;
    }
    let now = scene.alice.steer("reschedule", &id, &json!({})).await?.ok()?;
    assert_eq!((&now["task"]["status"], &now["task"]["not_before"]), (&json!("ready"), &Value::Null));
    let claimed = scene.bob.claim_one().await?;
    let refusal = scene.alice.steer("reschedule", &id, &json!({})).await?.problem(409, "task-running")?;
    assert_eq!((&refusal["held_by"]["agent"], &refusal["held_by"]["token"]), (&json!("bob"), &json!(claimed.token)));
    scene.bob.complete(&claimed).await?;
    scene.alice.steer("reschedule", &id, &json!({})).await?.problem(409, "task-ended")?;
    Ok(())
}

async fn a_task_becomes_more_or_less_urgent(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let ids = scene.alice.submit(&["a", "b", "c"].map(|title| task(title, &json!({})))).await?;
    scene.look_away().await?;
    let urgent = scene.alice.steer("reprioritize", &ids[2], &json!({ "priority": 1 })).await?.ok()?;
    assert_eq!(urgent["task"]["priority"], 1);
    assert_eq!(scene.told().await?, ["alice task.reprioritize ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+1 facts+1");
    scene.alice.steer("reprioritize", &ids[2], &json!({ "priority": 1 })).await?.ok()?;
    assert_eq!(scene.rows.change().await?, "", "the same once more changes nothing");
    scene.alice.steer("reprioritize", &ids[0], &json!({ "priority": 10 })).await?.ok()?;
    let claimed = scene.bob.claim(&json!({ "max_tasks": 3 })).await?.claimed()?;
    let titles: Vec<&str> = claimed.iter().map(e2e::work::Claimed::title).collect();
    assert_eq!(titles, ["c", "b", "a"]);
    for wrong in [json!({ "priority": 0 }), json!({ "priority": 11 }), json!({}), json!({ "priority": "1" })] {
        scene.alice.steer("reprioritize", &ids[0], &wrong).await?.problem(422, "invalid-value")?;
    }
    Ok(())
}

async fn a_dead_letter_is_tried_again_or_thrown_away(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let fatal = json!({ "error": "no", "retryable": false });
    let ids = scene.alice.submit(&[task("a", &json!({ "max_attempts": 1 })), task("b", &json!({}))]).await?;
    for claimed in scene.bob.claim(&json!({ "max_tasks": 2 })).await?.claimed()? {
        scene.alice.steer("retry", claimed.id(), &json!({})).await?.problem(409, "task-not-dead")?;
        scene.bob.say("fail", &claimed, &fatal).await?.ok()?;
    }
    let letters = scene.olga.get("/v1/tasks?status=dead").await?.ok()?;
    assert_eq!(letters["tasks"].as_array().map(Vec::len), Some(2), "{letters}");
    scene.look_away().await?;

    let retried = scene.alice.steer("retry", &ids[0], &json!({})).await?.ok()?;
    assert_eq!((&retried["task"]["status"], &retried["task"]["attempts_allowed"]), (&json!("ready"), &json!(2)));
    assert_eq!(scene.told().await?, ["alice task.retry ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+1 facts+1");
    let claimed = scene.bob.claim_one().await?;
    assert_eq!((claimed.id(), claimed.attempt), (ids[0].as_str(), 2));
    scene.bob.complete(&claimed).await?;
    scene.look_away().await?;

    let thrown = scene.alice.steer("discard", &ids[1], &json!({})).await?.ok()?;
    assert_eq!(
        (&thrown["task"]["status"], &thrown["task"]["cause"]["why"]),
        (&json!("cancelled"), &json!("discarded"))
    );
    assert_eq!(scene.told().await?, ["alice task.discard ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+1 facts+1");
    for word in ["discard", "retry"] {
        scene.alice.steer(word, &ids[1], &json!({})).await?.problem(409, "task-not-dead")?;
    }
    scene.nothing_to_claim().await
}

async fn only_who_submitted_a_task_or_a_higher_role_steers_it(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let id = scene.alice.submit_one(&task("a", &json!({}))).await?;
    scene.look_away().await?;
    let steps = [
        ("cancel", json!({})),
        ("reschedule", json!({})),
        ("reprioritize", json!({ "priority": 1 })),
        ("retry", json!({})),
        ("discard", json!({})),
    ];
    for (word, body) in &steps {
        scene.bob.steer(word, &id, body).await?.problem(403, "role-too-low")?;
        assert_eq!(scene.told().await?, [format!("bob task.{word} role-too-low")]);
        assert_eq!(scene.rows.change().await?, "audit_entries+1");
        let stranger = scene.server.stranger()?;
        stranger.steer(word, &id, body).await?.problem(401, "unauthenticated")?;
        let nobody = "tsk_01890000000070008000000000000000";
        scene.olga.steer(word, nobody, body).await?.problem(404, "task-unknown")?;
        scene.olga.steer(word, "nonsense", body).await?.problem(422, "invalid-value")?;
        scene.look_away().await?;
    }
    scene.olga.steer("reprioritize", &id, &json!({ "priority": 2 })).await?.ok()?;
    scene.olga.steer("cancel", &id, &json!({})).await?.ok()?;
    assert_eq!(scene.told().await?, ["olga task.cancel ok", "olga task.reprioritize ok"]);
    let cause = scene.alice.task(&id).await?["cause"].clone();
    assert_eq!(cause["by"], "olga", "{cause}");
    Ok(())
}
