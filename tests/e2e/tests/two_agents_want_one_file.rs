//! Alice and Bob want the same file: who gets it, what the other is told, and what the audit log says of it, on SQLite
//! and on PostgreSQL.

use e2e::audit::{Watch, entries};
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::json;

const FILE: &str = "src/main.rs";

on_both_stores! {
    the_second_is_told_who_holds_it_and_gets_it_after_the_release
    every_change_writes_its_lines_and_reads_write_none
    a_request_sent_twice_under_one_idempotency_key_has_one_effect
    several_keys_are_had_all_or_none_and_trees_cover_files
    the_same_session_gets_the_same_token_again_and_another_session_does_not_hold_it
    a_session_of_another_agent_is_refused
    a_lock_taken_away_is_told_to_its_old_holder
    ending_a_session_gives_everything_back
    only_the_holder_can_renew_or_release
    listings_and_status_show_what_is_held
}

async fn the_second_is_told_who_holds_it_and_gets_it_after_the_release(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let wish = json!({ "keys": [{ "key": "./src//main.rs" }], "ttl_seconds": 60, "reason": "to rename a thing" });
    let first = alice.acquire(&wish).await?.grants()?.remove(0);
    assert_eq!((first.key.as_str(), first.agent.as_str(), first.mode.as_str()), (FILE, "alice", "exclusive"));
    assert_eq!((first.expires_at - first.granted_at).num_seconds(), 60);

    let refusal =
        bob.acquire(&json!({ "keys": [{ "key": FILE, "mode": "shared" }] })).await?.problem(409, "lock-held")?;
    let conflict = &refusal["conflicts"][0];
    assert_eq!(conflict["kind"], "holder");
    assert_eq!((&conflict["wanted"], &conflict["key"]), (&json!(FILE), &json!(FILE)));
    assert_eq!((&conflict["agent"], &conflict["mode"]), (&json!("alice"), &json!("exclusive")));
    assert_eq!((&conflict["session"], &conflict["token"]), (&json!(first.session), &json!(first.token)));
    assert_eq!(conflict["reason"], "to rename a thing");
    assert!(conflict["since"].is_string() && conflict["until"].is_string(), "{conflict}");

    let check = bob.post("/v1/locks/check", &json!({ "keys": [{ "key": FILE }] })).await?.ok()?;
    assert_eq!(check["grantable"], false);

    let released = alice.release(&[first.token]).await?.ok()?;
    assert_eq!(released["released"][0]["already_released"], false);
    let again = alice.release(&[first.token]).await?.ok()?;
    assert_eq!(again["released"][0]["already_released"], true);
    assert_eq!(again["released"][0]["ended_at"], released["released"][0]["ended_at"]);

    let second = bob.take(FILE).await?;
    assert!(second.token > first.token, "{second:?} came after {first:?}");
    assert_eq!(second.agent, "bob");
    Ok(())
}

async fn every_change_writes_its_lines_and_reads_write_none(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let mut log = Watch::new(olga.clone()).await?;

    let two = json!({ "keys": [{ "key": "a" }, { "key": "b" }], "ttl_seconds": 60 });
    let grants = alice.header("x-request-id", "the-first-request").acquire(&two).await?.grants()?;
    let lines = log.fresh().await?;
    assert_eq!(lines.len(), 3, "a session began and two locks were granted: {lines:?}");
    for line in &lines {
        assert_eq!((&line["agent"], &line["request_id"]), (&json!("alice"), &json!("the-first-request")), "{line}");
        assert!(line["key_id"].is_string() && line["at"].is_string() && line["duration_us"].is_u64(), "{line}");
    }
    let granted = lines.iter().find(|line| line["target"] == "b").cloned().unwrap_or_default();
    assert_eq!((&granted["operation"], &granted["outcome"]), (&json!("lock.acquire"), &json!("ok")));
    assert_eq!((&granted["before"], &granted["after"]["key"]), (&json!(null), &json!("b")));

    let tokens: Vec<i64> = grants.iter().map(|grant| grant.token).collect();
    alice.renew(&tokens, 120).await?.ok()?;
    assert_eq!(log.told().await?, ["alice lock.renew ok"; 2]);

    bob.acquire(&two).await?.problem(409, "lock-held")?;
    let told = log.told().await?;
    let refusals = told.iter().filter(|line| *line == "bob lock.acquire lock-held").count();
    assert!(refusals == 1 && told.len() <= 2, "one line for the refusal, and one if a session began: {told:?}");

    alice.get("/v1/locks").await?.ok()?;
    alice.get("/v1/me").await?.ok()?;
    alice.status("a").await?;
    bob.post("/v1/locks/check", &two).await?.problem(422, "invalid-value")?;
    bob.post("/v1/locks/check", &json!({ "keys": two["keys"] })).await?.ok()?;
    bob.acquire(&json!({ "keys": [{ "key": "../up" }] })).await?.problem(422, "invalid-value")?;
    server.stranger()?.acquire(&two).await?.problem(401, "unauthenticated")?;
    bob.release(&[1 << 50]).await?.problem(404, "token-unknown")?;
    assert_eq!(log.told().await?, [""; 0], "reads, bad values and strangers leave no lines");

    alice.release(&tokens).await?.ok()?;
    assert_eq!(log.told().await?, ["alice lock.release ok"; 2]);
    alice.release(&tokens).await?.ok()?;
    assert_eq!(log.told().await?, [""; 0], "releasing twice changes nothing");
    alice.renew(&tokens, 60).await?.problem(410, "token-stale")?;
    assert_eq!(log.told().await?, ["alice lock.renew token-stale"]);

    let own = entries(&alice, &[]).await?;
    assert!(!own.is_empty() && own.iter().all(|line| line["agent"] == "alice"), "an agent reads its own lines");
    alice.get("/v1/audit?agent=bob").await?.problem(403, "role-too-low")?;
    let refused = entries(&olga, &[("agent", "bob"), ("outcome", "lock-held")]).await?;
    assert_eq!(refused.len(), 1);
    Ok(())
}

async fn a_request_sent_twice_under_one_idempotency_key_has_one_effect(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let mut log = Watch::new(server.agent("olga")?).await?;
    let wish = json!({ "keys": [{ "key": FILE }], "ttl_seconds": 60 });
    let first = alice.once("one").acquire(&wish).await?.grants()?;
    log.fresh().await?;
    let again = alice.once("one").acquire(&wish).await?.grants()?;
    assert_eq!(first, again);
    assert_eq!(log.told().await?, [""; 0], "a replay changes nothing");

    let other = json!({ "keys": [{ "key": "src/lib.rs" }], "ttl_seconds": 60 });
    alice.once("one").acquire(&other).await?.problem(409, "idempotency-key-reused")?;
    assert_eq!(log.told().await?, ["alice lock.acquire idempotency-key-reused"]);
    assert_eq!(bob.status("src/lib.rs").await?["holders"], json!([]));

    // The name belongs to the agent: Bob's request of the same name is his own.
    bob.once("one").acquire(&other).await?.grants()?;

    // A refusal is replayed too, even when it would be granted by now.
    bob.once("two").acquire(&wish).await?.problem(409, "lock-held")?;
    alice.once("three").release(&[first[0].token]).await?.ok()?;
    bob.once("two").acquire(&wish).await?.problem(409, "lock-held")?;
    log.fresh().await?;
    let twice = alice.once("three").release(&[first[0].token]).await?.ok()?;
    assert_eq!(twice["released"][0]["already_released"], false, "the first answer is given again");
    assert_eq!(log.told().await?, [""; 0]);
    bob.take(FILE).await?;
    Ok(())
}

async fn several_keys_are_had_all_or_none_and_trees_cover_files(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    alice.take("src/a/**").await?;
    let wish =
        json!({ "keys": [{ "key": "src/a/b.rs" }, { "key": "src/**", "mode": "shared" }, { "key": "src/ab.rs" }] });
    let refusal = bob.acquire(&wish).await?.problem(409, "lock-held")?;
    let mut wanted: Vec<&str> =
        refusal["conflicts"].as_array().into_iter().flatten().filter_map(|one| one["wanted"].as_str()).collect();
    wanted.sort_unstable();
    assert_eq!(wanted, ["src/**", "src/a/b.rs"], "each conflict is told, and only those");
    assert_eq!(bob.status("src/ab.rs").await?["holders"], json!([]), "nothing of a refused request is held");

    bob.acquire(&json!({ "keys": [{ "key": "lib/x", "mode": "shared" }] })).await?.grants()?;
    alice.acquire(&json!({ "keys": [{ "key": "lib/**", "mode": "shared" }] })).await?.grants()?;
    alice.acquire(&json!({ "keys": [{ "key": "lib/**" }] })).await?.problem(409, "lock-held")?;

    let too_many: Vec<_> = (0..65).map(|number| json!({ "key": format!("f{number}") })).collect();
    bob.acquire(&json!({ "keys": too_many })).await?.problem(422, "invalid-value")?;
    let many: Vec<_> = (0..64).map(|number| json!({ "key": format!("f{number}") })).collect();
    let grants = bob.acquire(&json!({ "keys": many })).await?.grants()?;
    assert_eq!(grants.len(), 64);
    for bad in ["", "/etc/passwd", "a/../b", "a\nb", "what:ever", "src/*.rs", &"x".repeat(513)] {
        let refusal = bob.acquire(&json!({ "keys": [{ "key": bad }] })).await?.problem(422, "invalid-value")?;
        assert!(
            refusal["detail"].is_string() || refusal["errors"].is_array(),
            "{bad:?} is refused in words: {refusal}"
        );
    }
    Ok(())
}

async fn the_same_session_gets_the_same_token_again_and_another_session_does_not_hold_it(store: Store) -> Outcome {
    let server = store.serve().await?;
    let alice = server.agent("alice")?;
    let (one, other) = (alice.session("one"), alice.session("other"));
    let first = one.acquire(&json!({ "keys": [{ "key": FILE }], "ttl_seconds": 60 })).await?.grants()?.remove(0);
    let again = one.acquire(&json!({ "keys": [{ "key": FILE }], "ttl_seconds": 90 })).await?.grants()?.remove(0);
    assert_eq!((first.token, first.granted_at), (again.token, again.granted_at));
    assert!(again.expires_at > first.expires_at);
    let shorter = one.renew(&[first.token], 5).await?.grants()?.remove(0);
    assert_eq!(shorter.expires_at, again.expires_at, "a renewal never shortens");

    other.acquire(&json!({ "keys": [{ "key": FILE }] })).await?.problem(409, "lock-held")?;
    other.release(&[first.token]).await?.problem(403, "not-holder")?;
    one.release(&[first.token]).await?.ok()?;
    Ok(())
}

async fn a_session_of_another_agent_is_refused(store: Store) -> Outcome {
    let server = store.serve().await?;
    server.agent("alice")?.session("hers").take(FILE).await?;
    let mut log = Watch::new(server.agent("olga")?).await?;
    let bob = server.agent("bob")?.session("hers");
    bob.acquire(&json!({ "keys": [{ "key": "other" }] })).await?.problem(403, "session-not-yours")?;
    assert_eq!(log.told().await?, ["bob lock.acquire session-not-yours"]);
    bob.post("/v1/locks/release-all", &json!({})).await?.problem(403, "session-not-yours")?;
    let held = server.agent("alice")?.status(FILE).await?;
    assert_eq!(held["holders"][0]["agent"], "alice");
    Ok(())
}

async fn a_lock_taken_away_is_told_to_its_old_holder(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let first = alice.take(FILE).await?;
    let mut log = Watch::new(olga.clone()).await?;
    let force = json!({ "token": first.token, "reason": "alice is on holiday" });
    bob.post("/v1/locks/force-release", &force).await?.problem(403, "role-too-low")?;
    assert_eq!(log.told().await?, ["bob lock.force_release role-too-low"]);
    olga.post("/v1/locks/force-release", &force).await?.ok()?;
    assert_eq!(log.told().await?, ["olga lock.force_release ok"]);
    olga.post("/v1/locks/force-release", &force).await?.problem(410, "token-stale")?;

    let second = bob.take(FILE).await?;
    for refusal in [alice.renew(&[first.token], 60).await?, alice.release(&[first.token]).await?] {
        let stale = refusal.problem(410, "token-stale")?["stale"][0].clone();
        let told = stale.to_string();
        assert!(told.contains("forced") && told.contains("olga") && told.contains("alice is on holiday"), "{told}");
        assert_eq!(stale["holders_now"][0]["token"], second.token, "{told}");
        assert_eq!(stale["holders_now"][0]["agent"], "bob", "{told}");
    }
    Ok(())
}

async fn ending_a_session_gives_everything_back(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?.session("short"), server.agent("bob")?);
    let one = alice.take("a").await?;
    let two = alice.take("b").await?;
    let mut log = Watch::new(server.agent("olga")?).await?;
    let end = alice.post("/v1/sessions/end", &json!({})).await?.ok()?;
    assert_eq!(end["session"], "short");
    assert_eq!(end["released"].as_array().map(Vec::len), Some(2));
    assert_eq!(log.told().await?, ["alice lock.session_end ok", "alice lock.session_end ok", "alice session.end ok"]);
    for (key, before) in [("a", one), ("b", two)] {
        assert!(bob.take(key).await?.token > before.token);
    }
    alice.acquire(&json!({ "keys": [{ "key": "c" }] })).await?.problem(410, "session-ended")?;
    server.agent("alice")?.take("c").await?;
    Ok(())
}

async fn only_the_holder_can_renew_or_release(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let hers = alice.take("hers").await?;
    let his = bob.take("his").await?;
    bob.renew(&[his.token, hers.token], 60).await?.problem(403, "not-holder")?;
    bob.release(&[his.token, hers.token]).await?.problem(403, "not-holder")?;
    assert_eq!(bob.status("his").await?["holders"][0]["token"], his.token, "all or none is released");
    bob.release(&[his.token, hers.token + 1_000]).await?.problem(404, "token-unknown")?;
    let all = bob.post("/v1/locks/release-all", &json!({})).await?.ok()?;
    assert_eq!(all["released"][0]["token"], his.token);
    assert_eq!(all["released"].as_array().map(Vec::len), Some(1));
    Ok(())
}

async fn listings_and_status_show_what_is_held(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?.session("s-alice"), server.agent("bob")?);
    for key in ["src/a", "src/b", "docs/a"] {
        alice.take(key).await?;
    }
    bob.take("src/c").await?;
    let keys = async |query: &str| -> Outcome<Vec<String>> {
        let mut found = Vec::new();
        let mut next = format!("/v1/locks?{query}");
        loop {
            let page = bob.get(&next).await?.ok()?;
            let locks = page["locks"].as_array().cloned().unwrap_or_default();
            found.extend(locks.iter().filter_map(|lock| lock["key"].as_str().map(str::to_owned)));
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("/v1/locks?{query}&cursor={cursor}"),
                None => return Ok(found),
            }
        }
    };
    assert_eq!(keys("").await?, ["docs/a", "src/a", "src/b", "src/c"]);
    assert_eq!(keys("limit=1").await?, ["docs/a", "src/a", "src/b", "src/c"]);
    assert_eq!(keys("agent=alice&key_prefix=src/").await?, ["src/a", "src/b"]);
    assert_eq!(keys("session=s-alice&limit=2").await?, ["docs/a", "src/a", "src/b"]);

    for _ in 0..12 {
        let grant = bob.take("busy").await?;
        bob.release(&[grant.token]).await?.ok()?;
    }
    let status = bob.status("busy").await?;
    let history = status["history"].as_array().cloned().unwrap_or_default();
    assert_eq!(history.len(), 10, "the last ten holders");
    let tokens: Vec<i64> = history.iter().filter_map(|ended| ended["token"].as_i64()).collect();
    assert!(tokens.is_sorted_by(|one, next| one > next), "latest first: {tokens:?}");
    assert!(history.iter().all(|ended| ended["how"] == "released"), "{history:?}");
    Ok(())
}
