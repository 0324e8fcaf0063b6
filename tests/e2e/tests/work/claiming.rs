//! Handing work out: in order, once, with its locks, to those who can do it.

use crate::scene::Scene;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    the_most_urgent_goes_first_and_then_the_oldest
    a_claim_has_everything_its_agent_needs
    resources_are_taken_with_the_task_and_overlapping_tasks_are_passed_over
    a_lock_of_somebody_else_keeps_a_task_from_everybody
    no_more_of_a_key_run_than_may
    a_task_is_for_those_who_can_do_it
    a_claim_repeated_under_its_key_gets_the_same_tasks
}

async fn titles(scene: &Scene<'_>, filter: Value) -> Outcome<Vec<String>> {
    let claimed = scene.bob.claim(&filter).await?.claimed()?;
    Ok(claimed.iter().map(|one| one.title().to_owned()).collect())
}

async fn the_most_urgent_goes_first_and_then_the_oldest(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let of = |title: &str, priority: u8| task(title, &json!({ "priority": priority, "labels": ["x"] }));
    scene.alice.submit(&[of("late", 9), of("third", 5), of("fourth", 5)]).await?;
    scene.alice.submit(&[of("second", 2), of("first", 1), of("fifth", 5)]).await?;
    let other = [task("elsewhere", &json!({ "type": "review", "priority": 1 })), task("plain", &json!({}))];
    scene.alice.submit(&other).await?;
    scene.look_away().await?;
    let five = json!({ "max_tasks": 5, "types": ["build", "paint"], "labels": ["x"] });
    assert_eq!(titles(&scene, five.clone()).await?, ["first", "second", "third", "fourth", "fifth"]);
    assert_eq!(scene.told().await?, ["bob task.claim ok"; 5]);
    assert_eq!(scene.rows.change().await?, "audit_entries+5 facts+5");
    assert_eq!(titles(&scene, five.clone()).await?, ["late"]);
    assert_eq!(titles(&scene, five).await?, [""; 0]);
    assert_eq!(titles(&scene, json!({ "max_tasks": 50 })).await?, ["elsewhere", "plain"]);
    scene.look_away().await?;
    scene.nothing_to_claim().await?;
    assert_eq!(scene.rows.change().await?, "", "finding nothing changes nothing");
    Ok(())
}

async fn a_claim_has_everything_its_agent_needs(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let (first, second) = (json!({ "answer": [42, null] }), json!({ "of": "second" }));
    let tasks = [
        task("a", &json!({ "name": "a" })),
        task("b", &json!({ "name": "b", "priority": 6 })),
        task("c", &json!({ "depends_on": ["a", "b"], "input": { "deep": [{}] }, "lease_seconds": 60 })),
    ];
    let ids = scene.alice.submit(&tasks).await?;
    let a = scene.bob.claim_one().await?;
    scene.bob.say("complete", &a, &json!({ "result": first })).await?.ok()?;
    let b = scene.alice.claim_one().await?;
    scene.alice.say("complete", &b, &json!({ "result": second })).await?.ok()?;

    let c = scene.bob.claim_one().await?;
    assert_eq!((c.id(), c.attempt, &c.input), (ids[2].as_str(), 1, &Some(json!({ "deep": [{}] }))));
    assert!(c.token > b.token && b.token > a.token, "tokens rise: {} {} {}", a.token, b.token, c.token);
    let lease = &c.task["lease"];
    assert_eq!((&lease["agent"], &lease["attempt"], &lease["token"]), (&json!("bob"), &json!(1), &json!(c.token)));
    let since = chrono::DateTime::parse_from_rfc3339(lease["since"].as_str().unwrap_or_default())?;
    assert_eq!((c.lease_until - since.to_utc()).num_seconds(), 60);
    let mut results = c.dependencies.clone();
    results.sort_by_key(|one| one["task_id"] != json!(ids[0]));
    assert_eq!((&results[0]["result"], &results[1]["result"]), (&first, &second), "{results:?}");
    assert!(results.iter().all(|one| one["status"] == "succeeded"), "{results:?}");
    let longer = scene.alice.submit_one(&task("longer", &json!({ "lease_seconds": 60 }))).await?;
    let claimed = scene.alice.claim(&json!({ "lease_seconds": 600 })).await?.claimed()?.remove(0);
    assert_eq!(claimed.id(), longer);
    assert!((claimed.lease_until - c.lease_until).num_seconds() > 500, "the caller may ask for another length");
    Ok(())
}

async fn resources_are_taken_with_the_task_and_overlapping_tasks_are_passed_over(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let on = |title: &str, resources: Value| task(title, &json!({ "resources": resources }));
    let tasks = [
        on("one", json!([{ "key": "src/a/**" }, { "key": "db:schema:users", "mode": "shared" }])),
        on("same folder", json!([{ "key": "src/a/b.rs" }])),
        on("also reads", json!([{ "key": "db:schema:users", "mode": "shared" }])),
        on("writes", json!([{ "key": "docs/x.md" }, { "key": "db:schema:users" }])),
        on("apart", json!([{ "key": "src/b/c.rs" }])),
    ];
    scene.alice.submit(&tasks).await?;
    scene.look_away().await?;
    let one = scene.bob.claim_one().await?;
    assert_eq!(one.title(), "one");
    let mut keys: Vec<(&str, &str)> = one.locks.iter().map(|lock| (lock.key.as_str(), lock.mode.as_str())).collect();
    keys.sort_unstable();
    assert_eq!(keys, [("db:schema:users", "shared"), ("src/a/**", "exclusive")]);
    assert!(one.locks.iter().all(|lock| lock.agent == "bob" && lock.expires_at == one.lease_until), "{:?}", one.locks);
    assert_eq!(scene.told().await?, ["bob lock.acquire ok", "bob lock.acquire ok", "bob task.claim ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+3 facts+3 leases+2");

    // A session has a lock for one of its tasks at a time, so Bob is kept from what Alice may have.
    for (agent, title, passed_over) in [(&scene.bob, "apart", 3), (&scene.alice, "also reads", 2)] {
        let reply = agent.claim(&json!({ "max_tasks": 3 })).await?;
        assert_eq!(reply.body["passed_over"]["resources"], passed_over, "{}", reply.text);
        let claimed = reply.claimed()?;
        assert_eq!(claimed.iter().map(e2e::work::Claimed::title).collect::<Vec<_>>(), [title]);
    }
    let status = scene.alice.status("docs/x.md").await?;
    assert_eq!(status["holders"], json!([]), "nothing of a task that was passed over is held");
    scene.look_away().await?;
    scene.bob.complete(&one).await?;
    assert_eq!(scene.told().await?, ["bob lock.release ok", "bob lock.release ok", "bob task.complete ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+3 facts+3 leases-2 task_attempts+1");
    let next = scene.bob.claim(&json!({ "max_tasks": 50 })).await?.claimed()?;
    let titles: Vec<&str> = next.iter().map(e2e::work::Claimed::title).collect();
    assert_eq!(titles, ["same folder"], "the other one still waits for its reader");
    Ok(())
}

async fn a_lock_of_somebody_else_keeps_a_task_from_everybody(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let held = scene.olga.take("src/main.rs").await?;
    let resources = json!({ "resources": [{ "key": "lib/x" }, { "key": "src/**" }] });
    scene.alice.submit_one(&task("needs it", &resources)).await?;
    scene.look_away().await?;
    for agent in [&scene.alice, &scene.bob] {
        let reply = agent.claim(&json!({})).await?.ok()?;
        assert_eq!((&reply["tasks"], &reply["passed_over"]["resources"]), (&json!([]), &json!(1)));
    }
    assert_eq!(scene.rows.change().await?, "");
    scene.olga.release(&[held.token]).await?.ok()?;
    let claimed = scene.bob.claim_one().await?;
    // While it is being done, others are told by whom.
    let refusal =
        scene.olga.acquire(&json!({ "keys": [{ "key": "src/main.rs" }] })).await?.problem(409, "lock-held")?;
    assert_eq!(refusal["conflicts"][0]["agent"], "bob");
    let reason = refusal["conflicts"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(claimed.id()), "{refusal}");
    Ok(())
}

async fn no_more_of_a_key_run_than_may(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let of = |title: &str| task(title, &json!({ "concurrency": { "key": "deploy", "limit": 2 } }));
    let tasks = [of("one"), of("two"), of("three"), of("four"), task("free", &json!({ "priority": 10 }))];
    scene.alice.submit(&tasks).await?;
    let claimed = scene.bob.claim(&json!({ "max_tasks": 50 })).await?;
    assert_eq!(claimed.body["passed_over"]["concurrency"], 2);
    let claimed = claimed.claimed()?;
    let titles: Vec<&str> = claimed.iter().map(e2e::work::Claimed::title).collect();
    assert_eq!(titles, ["one", "two", "free"]);
    assert_eq!(scene.alice.claim(&json!({})).await?.claimed()?, []);
    scene.bob.say("fail", &claimed[0], &json!({ "error": "no", "retryable": false })).await?.ok()?;
    assert_eq!(scene.alice.claim_one().await?.title(), "three");
    assert_eq!(scene.alice.claim(&json!({})).await?.claimed()?, []);
    Ok(())
}

async fn a_task_is_for_those_who_can_do_it(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let asks = |title: &str, requires: Value| task(title, &json!({ "requires": requires }));
    let tasks = [
        asks("speaks rust", json!({ "capabilities": ["rust", "sql"] })),
        asks("in staging", json!({ "environment": "staging" })),
        asks("not by alice", json!({ "not_submitter": true })),
        asks("other kind", json!({ "agent_types": ["surgeon"] })),
        asks("of this kind", json!({ "agent_types": ["surgeon", "test"] })),
        asks("trusted most", json!({ "trust_min": 4 })),
    ];
    scene.alice.submit(&tasks).await?;
    let reply = scene.alice.claim(&json!({ "max_tasks": 50 })).await?;
    assert_eq!(reply.body["passed_over"]["lacking"], 5, "{}", reply.text);
    let titles: Vec<String> = reply.claimed()?.iter().map(|one| one.title().to_owned()).collect();
    assert_eq!(titles, ["of this kind"]);
    let claim = async |more: Value| -> Outcome<Vec<String>> {
        let claimed = scene.bob.claim(&more).await?.claimed()?;
        Ok(claimed.iter().map(|one| one.title().to_owned()).collect())
    };
    assert_eq!(claim(json!({ "max_tasks": 50, "capabilities": ["rust"] })).await?, ["not by alice"]);
    assert_eq!(claim(json!({ "capabilities": ["rust", "sql", "go"] })).await?, ["speaks rust"]);
    assert_eq!(claim(json!({ "environment": "production" })).await?, [""; 0]);
    assert_eq!(claim(json!({ "environment": "staging" })).await?, ["in staging"]);
    assert_eq!(claim(json!({ "max_tasks": 50 })).await?, [""; 0], "nobody here is a surgeon, or trusted most");
    Ok(())
}

async fn a_claim_repeated_under_its_key_gets_the_same_tasks(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let of = |title: &str| task(title, &json!({ "input": title, "resources": [{ "key": title }] }));
    scene.alice.submit(&[of("a"), of("b"), of("c")]).await?;
    scene.look_away().await?;
    let two = json!({ "max_tasks": 2 });
    let first = scene.bob.once("mine").claim(&two).await?.ok()?;
    assert_eq!(first["tasks"].as_array().map(Vec::len), Some(2), "{first}");
    assert_eq!(scene.rows.change().await?, "audit_entries+4 facts+4 idempotency_records+1 leases+2");
    let again = scene.bob.once("mine").claim(&two).await?.ok()?;
    assert_eq!(without_clocks(again), without_clocks(first));
    assert_eq!(scene.rows.change().await?, "");
    scene.bob.once("mine").claim(&json!({ "max_tasks": 1 })).await?.problem(409, "idempotency-key-reused")?;
    // Finding nothing is an answer too; asked again under the same key, it stays so.
    let none = json!({ "types": ["paint"] });
    assert_eq!(scene.bob.once("none").claim(&none).await?.claimed()?, []);
    scene.alice.submit_one(&task("paint", &json!({ "type": "paint" }))).await?;
    assert_eq!(scene.bob.once("none").claim(&none).await?.claimed()?, []);
    assert_eq!(scene.bob.claim(&none).await?.claimed()?.len(), 1);
    Ok(())
}

/// What is the same whenever it is told.
fn without_clocks(mut body: Value) -> Value {
    for task in body["tasks"].as_array_mut().into_iter().flatten() {
        for lock in task["locks"].as_array_mut().into_iter().flatten() {
            lock["expires_in_ms"].take();
        }
    }
    body
}
