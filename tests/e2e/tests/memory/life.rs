//! What becomes of memories: superseded, valid for a time, pinned, forgotten, and by whom.

use super::scene::{Scene, change, get, list, none, note, recall, remember, with, word};
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::json;

on_both_stores! {
    what_was_superseded_is_no_answer_but_for_its_time
    nothing_supersedes_in_a_circle_or_across_scopes
    a_memory_holds_for_its_time
    only_its_author_and_orchestrators_say_what_becomes_of_it
    what_is_forgotten_is_gone
}

async fn what_was_superseded_is_no_answer_but_for_its_time(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob) = (scene.alice.clone(), scene.bob.clone());
    let at = |day: &str| json!({ "happened_at": format!("2026-03-{day}T12:00:00Z") });
    let old = remember(&alice, &with(&note("The lease lasts 60 seconds"), &at("01"))).await?;
    scene.told().await?;
    let newer = with(&with(&note("The lease lasts 120 seconds"), &at("05")), &json!({ "supersedes": old }));
    let new = remember(&bob, &newer).await?;
    assert_eq!(
        scene.told().await?,
        (
            vec!["bob memory.remember ok".to_owned(), "bob memory.remember ok".to_owned()],
            vec!["memory.stored".to_owned(), "memory.superseded".to_owned()]
        )
    );
    let question = "how long does a lease last?";
    assert_eq!(recall(&alice, question, &none()).await?, [new.as_str()]);
    assert_eq!(list(&alice, &[]).await?, [new.as_str()]);
    assert_eq!(recall(&alice, question, &json!({ "as_of": "2026-03-03T00:00:00Z" })).await?, [old.as_str()]);
    assert_eq!(recall(&alice, question, &json!({ "as_of": "2026-02-01T00:00:00Z" })).await?, Vec::<String>::new());
    assert_eq!(list(&alice, &[("as_of", "2026-03-03T00:00:00Z")]).await?, [old.as_str()]);
    let mut both = recall(&alice, question, &json!({ "include_ended": true })).await?;
    both.sort_unstable();
    assert_eq!(both, [old.as_str(), &new]);
    let (before, after) = (get(&bob, &old).await?.ok()?, get(&bob, &new).await?.ok()?);
    assert_eq!((&before["superseded"]["by"], &after["supersedes"]), (&json!(new), &json!(old)));
    assert_eq!(before["superseded"]["at"], "2026-03-05T12:00:00+00:00", "from when on the newer one holds");

    let third = remember(&alice, &with(&note("The lease lasts 90 seconds"), &at("07"))).await?;
    scene.told().await?;
    let changed = change(&alice, &new, "supersede", &json!({ "by": third })).await?.ok()?;
    assert_eq!(changed["superseded_by"], json!(third));
    assert_eq!(
        scene.told().await?,
        (vec!["alice memory.supersede ok".to_owned()], vec!["memory.superseded".to_owned()])
    );
    assert_eq!(recall(&bob, question, &none()).await?, [third.as_str()]);
    assert_eq!(get(&bob, &third).await?.ok()?["supersedes"], json!(new));
    Ok(())
}

async fn nothing_supersedes_in_a_circle_or_across_scopes(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let alice = scene.alice.clone();
    let one = remember(&alice, &note("One")).await?;
    let two = remember(&alice, &with(&note("Two"), &json!({ "supersedes": one }))).await?;
    let private = remember(&alice, &with(&note("Mine"), &json!({ "scope": "private" }))).await?;
    let nowhere = "mem_00000000000000000000000000000001";
    scene.told().await?;
    for (old, by, status, slug) in [
        (&two, &one, 409, "memory-superseded"),
        (&one, &two, 409, "memory-superseded"),
        (&two, &two, 422, "invalid-value"),
        (&two, &private, 409, "memory-elsewhere"),
        (&private, &two, 409, "memory-elsewhere"),
        (&two, &nowhere.to_owned(), 404, "memory-unknown"),
        (&nowhere.to_owned(), &two, 404, "memory-unknown"),
    ] {
        change(&alice, old, "supersede", &json!({ "by": by })).await?.problem(status, slug)?;
    }
    for (supersedes, status, slug) in [
        (json!(one), 409, "memory-superseded"),
        (json!(private), 409, "memory-elsewhere"),
        (json!(nowhere), 404, "memory-unknown"),
    ] {
        let body = with(&note("Three"), &json!({ "supersedes": supersedes }));
        alice.post("/v1/memories", &body).await?.problem(status, slug)?;
    }
    assert_eq!(list(&alice, &[]).await?, [private.as_str(), &two], "nothing came of it");
    let (lines, facts) = scene.told().await?;
    assert!(facts.is_empty() && lines.iter().all(|line| !line.ends_with("ok")), "{lines:?}");
    Ok(())
}

async fn a_memory_holds_for_its_time(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let alice = scene.alice.clone();
    let times = json!({ "valid_from": "2026-01-10T00:00:00Z", "valid_until": "2026-01-20T00:00:00Z" });
    let id = remember(&alice, &with(&note("The freeze is on"), &times)).await?;
    let found = |at: &'static str| {
        let bob = scene.bob.clone();
        async move { recall(&bob, "freeze", &json!({ "as_of": at })).await.map(|found| found.len()) }
    };
    for (at, count) in [
        ("2026-01-09T23:59:59.999999Z", 0),
        ("2026-01-10T00:00:00Z", 1),
        ("2026-01-19T23:59:59.999999Z", 1),
        ("2026-01-20T00:00:00Z", 0),
    ] {
        assert_eq!(found(at).await?, count, "{at}");
    }
    assert_eq!(recall(&scene.bob, "freeze", &none()).await?.len(), 0);
    scene.told().await?;
    let never = json!({ "valid_from": "2026-02-01T00:00:00Z", "valid_until": "2026-02-01T00:00:00Z" });
    change(&alice, &id, "validity", &never).await?.problem(422, "invalid-value")?;
    let longer = change(&alice, &id, "validity", &none()).await?.ok()?;
    assert_eq!((&longer["valid_from"], longer.get("valid_until")), (&json!("2026-01-10T00:00:00+00:00"), None));
    assert_eq!(
        scene.told().await?,
        (vec!["alice memory.set_validity ok".to_owned()], vec!["memory.validity_changed".to_owned()])
    );
    assert_eq!(recall(&scene.bob, "freeze", &none()).await?, [id.as_str()]);
    let ahead = with(&note("Not yet"), &json!({ "happened_at": "2999-01-01T00:00:00Z" }));
    alice.post("/v1/memories", &ahead).await?.problem(422, "invalid-value")?;
    Ok(())
}

async fn only_its_author_and_orchestrators_say_what_becomes_of_it(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob, olga) = (scene.alice.clone(), scene.bob.clone(), scene.olga.clone());
    let id = remember(&alice, &note("Hers")).await?;
    let shared = remember(&olga, &with(&note("For all"), &json!({ "scope": "shared" }))).await?;
    scene.told().await?;
    let until = json!({ "valid_until": "2999-01-01T00:00:00Z" });
    for (what, body) in [("pin", none()), ("unpin", none()), ("validity", until), ("redact", none())] {
        change(&bob, &id, what, &body).await?.problem(403, "memory-not-yours")?;
        change(&bob, &shared, what, &body).await?.problem(403, "role-too-low")?;
    }
    let (lines, facts) = scene.told().await?;
    assert_eq!((lines.len(), facts.len()), (8, 0), "each refusal is written down: {lines:?}");
    assert_eq!(change(&alice, &id, "pin", &none()).await?.ok()?["pinned"], true);
    assert_eq!(list(&bob, &[("pinned", "true")]).await?, [id.as_str()]);
    assert_eq!(change(&olga, &id, "unpin", &none()).await?.ok()?["pinned"], false);
    change(&olga, &shared, "pin", &none()).await?.ok()?;
    assert_eq!(scene.told().await?.1, ["memory.pinned", "memory.pinned", "memory.pinned"]);
    bob.post("/v1/memories", &with(&note("For all"), &json!({ "scope": "shared" })))
        .await?
        .problem(403, "role-too-low")?;
    change(&bob, &shared, "feedback", &json!({ "verdict": "helpful" })).await?.ok()?;
    Ok(())
}

async fn what_is_forgotten_is_gone(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob, olga) = (scene.alice.clone(), scene.bob.clone(), scene.olga.clone());
    let tagged =
        |summary: &str, more: &serde_json::Value| with(&with(&note(summary), &json!({ "tags": ["tmp"] })), more);
    let hers = remember(&alice, &tagged("Alice was here", &none())).await?;
    let secret = remember(&alice, &tagged("Alice alone", &json!({ "scope": "private" }))).await?;
    let his = remember(&bob, &tagged("Bob was here", &none())).await?;
    let stays = remember(&alice, &note("Alice stays")).await?;
    scene.told().await?;
    let forget = |by: &e2e::client::Client, body: serde_json::Value| {
        let by = by.clone();
        async move { by.post("/v1/memories/forget", &body).await }
    };
    forget(&alice, none()).await?.problem(422, "invalid-value")?;
    forget(&alice, json!({ "scopes": ["project"] })).await?.problem(422, "invalid-value")?;
    forget(&alice, json!({ "agents": ["bob"] })).await?.problem(403, "role-too-low")?;
    forget(&alice, json!({ "scopes": ["shared"], "tags_any": ["tmp"] })).await?.problem(403, "role-too-low")?;
    scene.told().await?;
    let trial = forget(&alice, json!({ "tags_any": ["tmp"], "dry_run": true })).await?.ok()?;
    let mut ids: Vec<String> = trial["ids"].as_array().into_iter().flatten().map(word).collect();
    ids.sort_unstable();
    assert_eq!((ids, &trial["more"]), (vec![hers.clone(), secret.clone()], &json!(false)));
    assert_eq!(scene.told().await?, (vec![], vec![]), "a trial changes nothing");
    get(&bob, &hers).await?.ok()?;

    let once = alice.once("forget-1");
    let gone = once.post("/v1/memories/forget", &json!({ "tags_any": ["tmp"] })).await?.ok()?;
    assert_eq!(gone["ids"], trial["ids"]);
    assert_eq!(
        scene.told().await?,
        (vec!["alice memory.forget ok".to_owned(); 2], vec!["memory.forgotten".to_owned(); 2])
    );
    assert_eq!(once.post("/v1/memories/forget", &json!({ "tags_any": ["tmp"] })).await?.ok()?, gone, "told again");
    for id in [&hers, &secret] {
        get(&alice, id).await?.problem(404, "memory-unknown")?;
        change(&alice, id, "feedback", &json!({ "verdict": "stale" })).await?.problem(404, "memory-unknown")?;
    }
    assert_eq!(recall(&bob, "alice bob here", &none()).await?.len(), 2);
    assert_eq!(list(&bob, &[]).await?, [stays.as_str(), &his]);
    let others = forget(&olga, json!({ "agents": ["bob"], "tags_all": ["tmp"] })).await?.ok()?;
    assert_eq!(others["ids"], json!([his]), "an orchestrator forgets what others wrote");
    assert_eq!(list(&bob, &[]).await?, [stays.as_str()]);
    Ok(())
}
