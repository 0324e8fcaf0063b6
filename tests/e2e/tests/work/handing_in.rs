//! Handing work in: one, many, all or nothing, each for itself.

use crate::scene::Scene;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    one_task_is_one_row_one_line_and_one_fact
    many_tasks_know_one_another_by_name
    a_fault_in_one_task_refuses_all_and_is_named
    a_circle_is_refused_and_named
    each_task_alone_is_taken_or_refused_by_itself
    a_submission_repeated_under_its_key_has_one_effect
    what_depends_on_a_dead_letter_goes_by_its_own_policy
}

async fn one_task_is_one_row_one_line_and_one_fact(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let input = json!({ "path": "src/main.rs", "nested": { "zero": "\u{0}", "numbers": [1, 2.5, -3] } });
    let wish =
        task("first", &json!({ "input": input, "description": "at length", "priority": 2, "labels": ["b", "a"] }));
    let body = scene.alice.hand_in(&json!({ "tasks": [wish] })).await?.ok()?;
    let one = &body["tasks"][0];
    assert_eq!((&one["index"], &one["fault"]), (&json!(0), &Value::Null), "{one}");
    let view = &one["task"];
    assert_eq!((&view["status"], &view["priority"], &view["type"]), (&json!("ready"), &json!(2), &json!("build")));
    assert_eq!((&view["submitted_by"], &view["labels"]), (&json!("alice"), &json!(["a", "b"])));
    assert_eq!((&view["attempts_made"], &view["attempts_allowed"]), (&json!(0), &json!(3)));
    let id = view["id"].as_str().unwrap_or_default();
    assert!(id.starts_with("tsk_"), "{view}");
    assert_eq!(scene.told().await?, ["alice task.submit ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+1 facts+1 task_states+1 tasks+1");

    let seen = scene.bob.task(id).await?;
    assert_eq!((&seen["input"], &seen["description"]), (&input, &json!("at length")), "others read all of it");
    assert_eq!(scene.rows.change().await?, "", "reading changes nothing");
    Ok(())
}

async fn many_tasks_know_one_another_by_name(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let earlier = scene.alice.submit_one(&task("earlier", &json!({}))).await?;
    scene.told().await?;
    scene.rows.change().await?;
    // Named before it is described, and across calls by id.
    let tasks = [
        task("c", &json!({ "name": "c", "depends_on": ["a", "b"] })),
        task("a", &json!({ "name": "a" })),
        task("b", &json!({ "name": "b", "depends_on": ["a", earlier], "parent": "a" })),
        task("d", &json!({ "not_before": "2100-01-01T00:00:00Z" })),
    ];
    // Far ahead, but no more than ten years are.
    scene.bob.hand_in(&json!({ "tasks": tasks })).await?.problem(422, "submission-refused")?;
    assert_eq!(scene.told().await?, [""; 0], "what cannot be read as a submission leaves no line");
    assert_eq!(scene.rows.change().await?, "");

    let soon = (scene.now().await? + chrono::TimeDelta::hours(1)).to_rfc3339();
    let tasks = [&tasks[0], &tasks[1], &tasks[2], &task("d", &json!({ "not_before": soon }))].map(Clone::clone);
    let ids = scene.bob.submit(&tasks).await?;
    assert_eq!(scene.rows.change().await?, "audit_entries+4 facts+4 task_dependencies+4 task_states+4 tasks+4");
    assert_eq!(scene.told().await?, ["bob task.submit ok"; 4]);
    let mut seen = Vec::new();
    for id in &ids {
        let task = scene.alice.task(id).await?;
        seen.push((task["title"].clone(), task["status"].clone(), task["pending"].clone()));
    }
    let expected = [
        (json!("c"), json!("blocked"), json!(2)),
        (json!("a"), json!("ready"), Value::Null),
        (json!("b"), json!("blocked"), json!(2)),
        (json!("d"), json!("scheduled"), Value::Null),
    ];
    assert_eq!(seen, expected);
    let b = scene.alice.task(&ids[2]).await?;
    assert_eq!(b["parent"], json!(ids[1]));
    let mut on: Vec<&str> = b["depends_on"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    on.sort_unstable();
    let mut expected = [ids[1].as_str(), earlier.as_str()];
    expected.sort_unstable();
    assert_eq!(on, expected);
    Ok(())
}

async fn a_fault_in_one_task_refuses_all_and_is_named(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let unknown = "tsk_01890000000070008000000000000000";
    let tasks = [
        task("fine", &json!({ "name": "fine" })),
        task("by name", &json!({ "depends_on": ["nobody"] })),
        task("by id", &json!({ "depends_on": [unknown] })),
        task("part of nothing", &json!({ "parent": "nobody" })),
        task("the same name", &json!({ "name": "fine" })),
        task("too late", &json!({ "deadline": "2020-01-01T00:00:00Z" })),
        task("depends on a refused one", &json!({ "depends_on": ["late"] })),
        task("late", &json!({ "name": "late", "deadline": "2020-01-01T00:00:00Z" })),
    ];
    let refusal = scene.alice.hand_in(&json!({ "tasks": tasks })).await?.problem(422, "submission-refused")?;
    let errors = refusal["errors"].as_array().cloned().unwrap_or_default();
    let fields: Vec<&str> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
    let expected = [
        "tasks[1].depends_on",
        "tasks[2].depends_on",
        "tasks[3].parent",
        "tasks[4].name",
        "tasks[5].deadline",
        "tasks[6].depends_on",
        "tasks[7].deadline",
    ];
    assert_eq!(fields, expected, "{errors:?}");
    assert!(errors[0]["reason"].as_str().is_some_and(|reason| reason.contains("nobody")), "{errors:?}");
    assert!(errors[1]["reason"].as_str().is_some_and(|reason| reason.contains(unknown)), "{errors:?}");
    assert_eq!(scene.rows.change().await?, "", "nothing of it is there");
    scene.nothing_to_claim().await
}

async fn a_circle_is_refused_and_named(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let ring = |name: &str, on: &str| task(name, &json!({ "name": name, "depends_on": [on] }));
    let tasks = [ring("a", "b"), ring("b", "c"), ring("c", "a"), task("apart", &json!({}))];
    let refusal = scene.alice.hand_in(&json!({ "tasks": tasks })).await?.problem(422, "submission-refused")?;
    let errors = refusal["errors"].as_array().cloned().unwrap_or_default();
    assert_eq!(errors.len(), 3, "{errors:?}");
    for (error, circle) in errors.iter().zip(["a → b → c → a", "b → c → a → b", "c → a → b → c"]) {
        assert!(error["reason"].as_str().is_some_and(|reason| reason.contains(circle)), "{circle}: {error}");
    }
    let own = scene.alice.hand_in(&json!({ "tasks": [ring("a", "a")] })).await?.problem(422, "submission-refused")?;
    assert!(own.to_string().contains("a → a"), "{own}");
    let kin = |name: &str, parent: &str| task(name, &json!({ "name": name, "parent": parent }));
    let parents = json!({ "tasks": [kin("a", "b"), kin("b", "a")] });
    let refusal = scene.alice.hand_in(&parents).await?.problem(422, "submission-refused")?;
    assert_eq!(refusal["errors"][0]["field"], "tasks[0].parent", "{refusal}");
    assert_eq!(scene.rows.change().await?, "");
    scene.nothing_to_claim().await
}

async fn each_task_alone_is_taken_or_refused_by_itself(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let tasks = [
        task("fine", &json!({ "name": "fine" })),
        task("wrong", &json!({ "name": "wrong", "depends_on": ["nobody"] })),
        task("behind wrong", &json!({ "depends_on": ["wrong", "fine"] })),
        task("behind fine", &json!({ "depends_on": ["fine"] })),
        task("circle", &json!({ "name": "circle", "depends_on": ["circle"] })),
    ];
    let body = scene.alice.hand_in(&json!({ "tasks": tasks, "together": "each_alone" })).await?.ok()?;
    let told: Vec<bool> =
        body["tasks"].as_array().into_iter().flatten().map(|one| one["task"]["id"].is_string()).collect();
    assert_eq!(told, [true, false, false, true, false], "{body}");
    assert!(body["tasks"].as_array().into_iter().flatten().all(|one| one["task"].is_null() != one["fault"].is_null()));
    assert!(body["tasks"][1]["fault"].to_string().contains("nobody"), "{body}");
    assert!(body["tasks"][2]["fault"].to_string().contains("wrong"), "{body}");
    assert_eq!((&body["tasks"][0]["name"], &body["tasks"][3]["index"]), (&json!("fine"), &json!(3)));
    assert_eq!(scene.told().await?, ["alice task.submit ok"; 2]);
    assert_eq!(scene.rows.change().await?, "audit_entries+2 facts+2 task_dependencies+1 task_states+2 tasks+2");
    Ok(())
}

async fn a_submission_repeated_under_its_key_has_one_effect(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let body = json!({ "tasks": [task("a", &json!({})), task("b", &json!({}))] });
    let first = scene.alice.once("hand-in").hand_in(&body).await?.ok()?;
    assert_eq!(scene.rows.change().await?, "audit_entries+2 facts+2 idempotency_records+1 task_states+2 tasks+2");
    let claimed = scene.bob.claim_one().await?;
    scene.rows.change().await?;
    let again = scene.alice.once("hand-in").hand_in(&body).await?;
    assert_eq!(again.ok()?, first, "the first answer, though one has been claimed meanwhile");
    assert_eq!(scene.rows.change().await?, "");
    scene.told().await?;

    let other = json!({ "tasks": [task("c", &json!({}))] });
    scene.alice.once("hand-in").hand_in(&other).await?.problem(409, "idempotency-key-reused")?;
    assert_eq!(scene.told().await?, ["alice task.submit idempotency-key-reused"]);
    // The name belongs to the agent.
    scene.bob.once("hand-in").hand_in(&other).await?.submitted()?;

    let wrong = json!({ "tasks": [task("w", &json!({ "depends_on": ["x"] }))] });
    let refusal = scene.alice.once("wrong").hand_in(&wrong).await?.problem(422, "submission-refused")?;
    scene.rows.change().await?;
    let replayed = scene.alice.once("wrong").hand_in(&wrong).await?.problem(422, "submission-refused")?;
    assert_eq!(replayed["errors"], refusal["errors"]);
    assert_eq!(scene.rows.change().await?, "", "a refusal is replayed too");
    scene.bob.complete(&claimed).await?;
    Ok(())
}

async fn what_depends_on_a_dead_letter_goes_by_its_own_policy(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let child = |policy: &str| task(policy, &json!({ "depends_on": ["first"], "on_dependency_failure": policy }));
    let tasks = [task("first", &json!({ "name": "first" })), child("cancel"), child("run"), child("block")];
    let ids = scene.alice.submit(&tasks).await?;
    let first = scene.bob.claim_one().await?;
    assert_eq!(first.title(), "first");
    scene.told().await?;
    scene.rows.change().await?;
    let failed = scene.bob.say("fail", &first, &json!({ "error": "no disk", "retryable": false })).await?.ok()?;
    assert_eq!((&failed["status"], &failed["attempt"]["error"]), (&json!("dead"), &json!("no disk")));
    let told = scene.told().await?;
    assert_eq!(told, ["bob task.fail ok", "pointsman task.cancel ok", "pointsman task.ready ok"]);
    assert_eq!(scene.rows.change().await?, "audit_entries+3 facts+3 task_attempts+1");
    let mut statuses = Vec::new();
    for id in &ids {
        statuses.push(scene.alice.task_status(id).await?);
    }
    assert_eq!(statuses, ["dead", "cancelled", "ready", "blocked"]);
    let cause = scene.alice.task(&ids[1]).await?["cause"].clone();
    assert_eq!((&cause["why"], &cause["task"]), (&json!("dependency"), &json!(ids[0])), "{cause}");

    // A task handed in afterwards is treated as if that one had failed a moment later.
    let late = |policy: &str| task(policy, &json!({ "depends_on": [ids[0]], "on_dependency_failure": policy }));
    let late = scene.alice.submit(&[late("cancel"), late("run"), late("block")]).await?;
    let mut statuses = Vec::new();
    for id in &late {
        statuses.push(scene.alice.task_status(id).await?);
    }
    assert_eq!(statuses, ["cancelled", "ready", "blocked"]);
    Ok(())
}
