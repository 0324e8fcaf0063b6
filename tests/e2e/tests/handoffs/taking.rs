//! Taking a handoff, and what goes over with it.

use super::scene::{Scene, claimed, get, id, next, number, offer, say, write};
use e2e::store::Store;
use e2e::work::Claimed;
use e2e::{Fault, Outcome, on_both_stores, poll};
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinSet;

on_both_stores! {
    locks_and_tasks_go_over_and_the_old_tokens_are_stale
    what_is_not_held_cannot_be_handed_over
    what_cannot_go_over_stays_and_is_told
    whoever_waits_in_line_waits_on
    whoever_can_do_it_may_take_it
    the_next_session_of_the_same_agent_may_take_it_and_the_same_one_may_not
}

async fn locks_and_tasks_go_over_and_the_old_tokens_are_stale(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob) = (scene.alice.clone(), scene.bob.clone());
    let lock = alice.take("docs/plan.md").await?;
    let task = claimed(&alice, "src/**").await?;
    scene.look_away().await?;
    let written = write(
        &alice,
        &json!({
            "summary": "The lexer works, the parser does not",
            "completed": ["the lexer"], "in_progress": ["the parser"], "decisions": ["no regular expressions"],
            "next_steps": ["measure it"], "files": ["./src//lexer.rs", "src/parser.rs"],
            "links": [{ "kind": "task", "target": task.id() }, { "kind": "url", "target": "https://example.org/" }],
            "offer": { "to": "agent", "agent": "bob" },
            "locks": [lock.token], "tasks": [{ "task_id": task.id(), "token": task.token }],
        }),
    )
    .await?;
    let handoff = id(&written["handoff"]);
    assert_eq!(written["handoff"]["status"], "offered");
    assert_eq!(written["files"], json!(["src/lexer.rs", "src/parser.rs"]));
    let one_each = "audit_entries+1 facts+1 handoff_files+2 handoffs+1".to_owned();
    assert_eq!(scene.told().await?, (vec!["alice handoff.write ok".to_owned()], one_each));
    assert_eq!(get(&bob, &handoff).await?, written, "everybody reads what was written");
    let latest = bob.get("/v1/handoffs/latest?offered_to_me=true").await?.ok()?;
    assert_eq!(latest["latest"], written);

    let taken = say(&bob, "accept", &handoff).await?.ok()?;
    let accepted = &taken["accepted"];
    assert_eq!(
        (&taken["status"], &accepted["agent"], &accepted["session"]),
        (&json!("accepted"), &json!("bob"), &json!("bob-1"))
    );
    assert_eq!(accepted["not_moved"], json!([]));
    let (moved, moved_task) = (&accepted["locks"][0], &accepted["tasks"][0]);
    assert_eq!((&moved["key"], &moved["from_token"]), (&json!("docs/plan.md"), &json!(lock.token)));
    assert_eq!((&moved_task["task_id"], &moved_task["from_token"]), (&json!(task.id()), &json!(task.token)));
    assert_eq!((&moved_task["attempt"], moved_task["locks"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    let (new_lock, new_claim) = (number(&moved["token"])?, number(&moved_task["token"])?);
    assert!(new_lock > lock.token.max(task.token) && new_claim > task.token, "tokens only grow");
    let (lines, rows) = scene.told().await?;
    assert_eq!(
        lines,
        ["bob handoff.accept ok", "bob lock.hand_over ok", "bob lock.hand_over ok", "bob task.hand_over ok"]
    );
    assert_eq!(rows, "audit_entries+4 facts+4 task_attempts+1", "as many leases as before");

    let stale = alice.renew(&[lock.token], 60).await?.problem(410, "token-stale")?;
    let ended = &stale["stale"][0]["ended"];
    assert_eq!(
        (&ended["how"], &ended["by"], &ended["handoff_id"]),
        (&json!("handed_over"), &json!("bob"), &json!(handoff))
    );
    assert_eq!(stale["stale"][0]["holders_now"][0]["token"], new_lock, "who holds it now is told");
    alice.release(&[lock.token]).await?.problem(410, "token-stale")?;
    let late = alice.say("heartbeat", &task, &json!({})).await?.problem(410, "claim-stale")?;
    assert_eq!(
        (&late["claim"]["attempt"]["how"], &late["claim"]["now_with"]["token"]),
        (&json!("handed_over"), &json!(new_claim))
    );
    alice.say("complete", &task, &json!({})).await?.problem(410, "claim-stale")?;
    scene.look_away().await?;

    let again = say(&bob, "accept", &handoff).await?.ok()?;
    assert_eq!(again, taken, "said once more, it is the same answer");
    let late = say(&scene.olga, "accept", &handoff).await?.problem(409, "handoff-taken")?;
    assert_eq!((&late["taken_by"]["agent"], &late["taken_by"]["session"]), (&json!("bob"), &json!("bob-1")));
    assert_eq!(
        scene.told().await?,
        (vec!["olga handoff.accept handoff-taken".to_owned()], "audit_entries+1".to_owned())
    );
    bob.renew(&[new_lock], 60).await?.ok()?;
    bob.release(&[new_lock]).await?.ok()?;
    let mine = Claimed { token: new_claim, ..task.clone() };
    bob.say("heartbeat", &mine, &json!({ "progress": 70 })).await?.ok()?;
    bob.complete(&mine).await?;
    let detail = alice.task(task.id()).await?;
    assert_eq!((&detail["status"], &detail["attempts_made"]), (&json!("succeeded"), &json!(1)), "it cost no attempt");
    let parts: Vec<_> = alice.attempts(task.id()).await?;
    let mut told: Vec<_> =
        parts.iter().map(|part| (part["agent"].clone(), part["how"].clone(), part["attempt"].clone())).collect();
    told.sort_by_key(|(agent, ..)| agent.to_string());
    assert_eq!(
        told,
        [("alice", "handed_over"), ("bob", "succeeded")].map(|(who, how)| (json!(who), json!(how), json!(1)))
    );
    Ok(())
}

async fn what_is_not_held_cannot_be_handed_over(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob) = (scene.alice.clone(), scene.bob.clone());
    let (mine, theirs) = (alice.take("a").await?, bob.take("b").await?);
    let task = claimed(&alice, "src/**").await?;
    scene.look_away().await?;
    let body = json!({
        "summary": "take it all", "offer": next(), "locks": [mine.token, theirs.token, task.locks[0].token, 999_999],
        "tasks": [{ "task_id": "tsk_00000000000000000000000000000001", "token": 1 }],
    });
    let refused = alice.post("/v1/handoffs", &body).await?.problem(409, "handoff-not-held")?;
    let not_held = refused["not_held"].as_array().cloned().unwrap_or_default();
    let told = not_held.iter().map(|one| (one["token"].clone(), one["why"].clone()));
    let expected =
        [(task.locks[0].token, "of_task"), (theirs.token, "with_other"), (999_999, "unknown"), (1, "unknown")];
    let mut expected = expected.map(|(token, why)| (json!(token), json!(why))).to_vec();
    let mut told: Vec<_> = told.collect();
    for list in [&mut told, &mut expected] {
        list.sort_by_key(|(token, _)| token.as_i64());
    }
    assert_eq!(told, expected, "each of them is named");
    let lines = vec!["alice handoff.write handoff-not-held".to_owned()];
    assert_eq!(scene.told().await?, (lines, "audit_entries+1".to_owned()), "nothing is written");
    let elsewhere = alice.session("alice-2");
    let from_elsewhere = json!({ "summary": "mine", "offer": next(), "locks": [mine.token] });
    elsewhere.post("/v1/handoffs", &from_elsewhere).await?.problem(409, "handoff-not-held")?;
    Ok(())
}

async fn what_cannot_go_over_stays_and_is_told(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let shared = json!({ "keys": [{ "key": "a", "mode": "shared" }], "ttl_seconds": 600 });
    let both = alice.acquire(&shared).await?.grants()?.remove(0);
    let bobs = bob.acquire(&shared).await?.grants()?.remove(0);
    let (gone, tree, file) = (alice.take("b").await?, alice.take("c/**").await?, alice.take("c/d").await?);
    let good = alice.take("e").await?;
    let locks = json!([both.token, gone.token, file.token, good.token]);
    let handoff = offer(alice, &next(), &json!({ "locks": locks })).await?;
    alice.release(&[gone.token]).await?.ok()?;
    let taken = say(bob, "accept", &handoff).await?.ok()?;
    let accepted = &taken["accepted"];
    assert_eq!(accepted["locks"].as_array().map(Vec::len), Some(1), "the rest goes over: {taken}");
    assert_eq!(accepted["locks"][0]["from_token"], good.token);
    let not_moved = accepted["not_moved"].as_array().cloned().unwrap_or_default();
    let why = |token: i64| not_moved.iter().find(|one| one["token"] == token).map(|one| one["why"].clone());
    assert_eq!(why(both.token), Some(json!("taker_holds")));
    assert_eq!(why(gone.token), Some(json!("ended")));
    assert_eq!(why(file.token), Some(json!("tied")));
    for (holder, token) in [(alice, both.token), (alice, tree.token), (alice, file.token), (bob, bobs.token)] {
        holder.renew(&[token], 600).await?.ok()?;
    }
    Ok(())
}

async fn whoever_waits_in_line_waits_on(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let (alice, bob, olga) = (&scene.alice, &scene.bob, scene.olga.clone());
    let lock = alice.take("src/main.rs").await?;
    let handoff = offer(alice, &json!({ "to": "agent", "agent": "bob" }), &json!({ "locks": [lock.token] })).await?;
    let wish = json!({ "keys": [{ "key": "src/main.rs" }], "wait_seconds": 30 });
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { olga.acquire(&wish).await });
    let soon = Duration::from_secs(10);
    poll::until("somebody to stand in line", soon, async || {
        let line = bob.status("src/main.rs").await?["line"].as_array().map_or(0, Vec::len);
        Ok((line == 1).then_some(()))
    })
    .await?;
    let taken = say(bob, "accept", &handoff).await?.ok()?;
    let given = number(&taken["accepted"]["locks"][0]["token"])?;
    let status = bob.status("src/main.rs").await?;
    assert_eq!((&status["holders"][0]["agent"], status["line"].as_array().map(Vec::len)), (&json!("bob"), Some(1)));
    assert_eq!(status["history"][0]["how"], "handed_over");
    assert!(waiting.try_join_next().is_none(), "nobody came in between");
    bob.release(&[given]).await?.ok()?;
    let none = || Fault::new("nobody waited");
    let grant = waiting.join_next().await.ok_or_else(none)???.grants()?.remove(0);
    assert!(grant.token > given && grant.agent == "olga");
    Ok(())
}

async fn whoever_can_do_it_may_take_it(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let (alice, bob, olga) = (&scene.alice, &scene.bob, &scene.olga);
    let handoff = offer(alice, &json!({ "to": "capability", "capability": "rust" }), &json!({})).await?;
    assert_eq!(super::scene::listed(bob, &[("offered_to_me", "true")]).await?, Vec::<String>::new());
    say(bob, "accept", &handoff).await?.problem(403, "handoff-not-for-you")?;
    bob.claim(&json!({ "capabilities": ["rust"] })).await?.ok()?;
    assert_eq!(super::scene::listed(bob, &[("offered_to_me", "true")]).await?, std::slice::from_ref(&handoff));
    let taken = say(bob, "accept", &handoff).await?.ok()?;
    assert_eq!(taken["accepted"]["agent"], "bob", "what his session offers counts");
    let other = offer(alice, &json!({ "to": "capability", "capability": "rust" }), &json!({})).await?;
    let record = olga.post("/v1/agents", &json!({ "capabilities": ["rust", "gpu"] })).await?;
    assert!(record.status < 300, "{}", record.text);
    assert_eq!(super::scene::listed(olga, &[("offered_to_me", "true")]).await?, std::slice::from_ref(&other));
    say(olga, "accept", &other).await?.ok()?;
    Ok(())
}

async fn the_next_session_of_the_same_agent_may_take_it_and_the_same_one_may_not(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let alice = &scene.alice;
    let lock = alice.take("src/main.rs").await?;
    let handoff = offer(alice, &next(), &json!({ "locks": [lock.token] })).await?;
    say(alice, "accept", &handoff).await?.problem(403, "handoff-not-for-you")?;
    let taken = say(&alice.session("alice-2"), "accept", &handoff).await?.ok()?;
    assert_eq!(taken["accepted"]["session"], "alice-2");
    alice.renew(&[lock.token], 60).await?.problem(410, "token-stale")?;
    Ok(())
}
