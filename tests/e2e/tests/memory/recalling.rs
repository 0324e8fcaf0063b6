//! Recalling: what comes first, what is left out, and what filters do.

use super::scene::{Scene, ask, change, ids_of, list, none, note, recall, remember, with, word};
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    what_helped_comes_first_and_what_is_wrong_last
    answers_fit_into_the_budget
    what_stands_beside_the_words_is_found_with_them
    filters_hold_for_what_stands_beside_too
    the_latest_come_without_a_question
    the_same_in_other_words_comes_once
    low_scores_are_left_out_if_asked
}

async fn what_helped_comes_first_and_what_is_wrong_last(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    // Equals but for their rows, so that the newest comes first as long as nobody has said anything.
    let mut made = Vec::new();
    for (stream, word) in [("a", "north"), ("b", "south"), ("c", "west")] {
        let body = with(&note(&format!("The flaky test passes {word} of noon")), &json!({ "stream": stream }));
        made.push(remember(&scene.alice, &body).await?);
    }
    let [first, second, third] = [&made[0], &made[1], &made[2]];
    assert_eq!(recall(&scene.bob, "flaky test", &none()).await?, [third.as_str(), second, first], "the newest first");
    scene.told().await?;
    let rated = change(&scene.bob, first, "feedback", &json!({ "verdict": "helpful" })).await?.ok()?;
    assert_eq!(rated["feedback"], json!({ "helpful": 1, "wrong": 0, "stale": 0 }));
    assert_eq!(scene.told().await?, (vec!["bob memory.rate ok".to_owned()], vec!["memory.rated".to_owned()]));
    change(&scene.bob, first, "feedback", &json!({ "verdict": "helpful" })).await?.ok()?;
    assert_eq!(scene.told().await?, (vec![], vec![]), "to say so again says nothing");
    change(&scene.bob, third, "feedback", &json!({ "verdict": "wrong" })).await?.ok()?;
    change(&scene.olga, third, "feedback", &json!({ "verdict": "stale" })).await?.ok()?;
    assert_eq!(recall(&scene.bob, "flaky test", &none()).await?, [first.as_str(), second, third]);
    let mind_changed = change(&scene.bob, first, "feedback", &json!({ "verdict": "wrong" })).await?.ok()?;
    assert_eq!(mind_changed["feedback"], json!({ "helpful": 0, "wrong": 1, "stale": 0 }), "one verdict of each agent");
    assert_eq!(recall(&scene.bob, "flaky test", &none()).await?, [second.as_str(), first, third]);
    Ok(())
}

async fn answers_fit_into_the_budget(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    for number in 0..8 {
        let filler = format!("{number} ").repeat(if number == 3 { 900 } else { 60 });
        let body = json!({ "stream": format!("s{number}"), "lessons": [filler] });
        remember(&scene.alice, &with(&note(&format!("Deploy number {number} went well")), &body)).await?;
    }
    let all = ask(&scene.bob, "deploy", &none()).await?;
    let cost = |answer: &Value| answer["tokens"].as_u64().unwrap_or_default();
    let each: Vec<u64> = all["memories"].as_array().into_iter().flatten().map(cost).collect();
    assert_eq!((each.len(), all["tokens"].as_u64()), (8, Some(each.iter().sum())));
    let small = each.iter().min().copied().unwrap_or_default();
    let budget = 3 * small + small / 2;
    let packed = ask(&scene.bob, "deploy", &json!({ "token_budget": budget })).await?;
    assert!(packed["tokens"].as_u64() <= Some(budget), "{packed}");
    assert_eq!((ids_of(&packed).len(), &packed["left_out"]["budget"]), (3, &json!(5)), "the large one is passed over");
    let few = ask(&scene.bob, "deploy", &json!({ "limit": 2 })).await?;
    assert_eq!((ids_of(&few).len(), &few["left_out"]["budget"]), (2, &json!(0)));
    let tiny = ask(&scene.bob, "deploy", &json!({ "token_budget": 1 })).await?;
    assert_eq!((ids_of(&tiny).len(), &tiny["tokens"], &tiny["left_out"]["budget"]), (0, &json!(0), &json!(8)));
    Ok(())
}

async fn what_stands_beside_the_words_is_found_with_them(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let mut ids = Vec::new();
    for (by, summary) in [
        (&scene.alice, "Where does the pelican sleep?"),
        (&scene.bob, "Under the jetty, said the keeper"),
        (&scene.alice, "That is cold in winter"),
        (&scene.bob, "They leave in autumn"),
    ] {
        ids.push(remember(by, &with(&note(summary), &json!({ "stream": "talk" }))).await?);
    }
    let apart = remember(&scene.alice, &with(&note("Nothing to do with it"), &json!({ "stream": "else" }))).await?;
    let found = recall(&scene.bob, "pelican", &none()).await?;
    assert_eq!(found.first(), ids.first(), "what has the word itself comes first");
    assert_eq!(found.len(), 3, "two places around it, whoever wrote them: {found:?}");
    assert!(found.contains(&ids[1]) && found.contains(&ids[2]) && !found.contains(&apart), "{found:?}");
    Ok(())
}

async fn filters_hold_for_what_stands_beside_too(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let old = "2026-01-01T00:00:00Z";
    let mut ids = Vec::new();
    for (by, more) in [
        (&scene.alice, json!({ "tags": ["red", "big"], "event_type": "decision" })),
        (&scene.bob, json!({ "tags": ["red"], "happened_at": old })),
        (&scene.alice, json!({ "tags": ["blue"], "event_type": "decision" })),
        (&scene.bob, json!({ "tags": [] })),
    ] {
        let number = ids.len();
        let base = json!({ "event_type": "note", "summary": format!("The heron fishes at {number}"), "stream": "row" });
        ids.push(remember(by, &with(&base, &more)).await?);
    }
    for (filter, wanted) in [
        (json!({ "tags_any": ["red", "blue"] }), vec![0, 1, 2]),
        (json!({ "tags_all": ["red", "BIG"] }), vec![0]),
        (json!({ "event_types": ["decision"] }), vec![0, 2]),
        (json!({ "agents": ["bob"] }), vec![1, 3]),
        (json!({ "agents": ["bob"], "tags_any": ["red"] }), vec![1]),
        (json!({ "happened_until": "2026-01-02T00:00:00Z" }), vec![1]),
        (json!({ "happened_from": "2026-01-02T00:00:00Z" }), vec![0, 2, 3]),
        (json!({ "stream": "row" }), vec![0, 1, 2, 3]),
        (json!({ "stream": "rows" }), vec![]),
        (json!({ "scopes": ["private"] }), vec![]),
        (json!({ "pinned": true }), vec![]),
        (json!({ "tags_any": ["fishes"] }), vec![]),
    ] {
        let mut wanted: Vec<&String> = wanted.iter().map(|at| &ids[*at]).collect();
        wanted.sort_unstable();
        for query in [json!("heron"), json!("heron 0"), Value::Null] {
            let body = with(&filter, &json!({ "query": query }));
            let answer = scene.alice.post("/v1/memories/recall", &body).await?.ok()?;
            let mut found = ids_of(&answer);
            found.sort_unstable();
            assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{body}");
        }
    }
    let newest: Vec<&String> = [3, 2, 0, 1].iter().map(|at| &ids[*at]).collect();
    assert_eq!(list(&scene.alice, &[]).await?.iter().collect::<Vec<_>>(), newest, "by when it happened");
    let page = scene.alice.get("/v1/memories?limit=3").await?.ok()?;
    let cursor = word(&page["next_cursor"]);
    assert_eq!(list(&scene.alice, &[("cursor", &cursor)]).await?, [ids[1].as_str()]);
    assert_eq!(list(&scene.alice, &[("tags_any", "big,blue")]).await?, [ids[2].as_str(), &ids[0]]);
    Ok(())
}

async fn the_latest_come_without_a_question(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let old = with(&note("Long ago"), &json!({ "happened_at": "2025-01-01T00:00:00Z" }));
    let old = remember(&scene.alice, &old).await?;
    let new = remember(&scene.alice, &note("Just now")).await?;
    for query in [none(), json!({ "query": "" }), json!({ "query": " \t" }), json!({ "query": "?!" })] {
        let answer = scene.bob.post("/v1/memories/recall", &query).await?.ok()?;
        assert_eq!((ids_of(&answer), &answer["mode"]), (vec![new.clone(), old.clone()], &json!("latest")), "{query}");
    }
    Ok(())
}

async fn the_same_in_other_words_comes_once(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let text = "the build of the parser broke because the grammar file was generated twice under another name";
    for (stream, by) in [("one", &scene.alice), ("two", &scene.bob)] {
        remember(by, &with(&note(text), &json!({ "stream": stream }))).await?;
    }
    let other = remember(&scene.bob, &with(&note("the parser is fast"), &json!({ "stream": "three" }))).await?;
    let answer = ask(&scene.olga, "parser grammar", &none()).await?;
    assert_eq!((ids_of(&answer).len(), &answer["left_out"]["duplicates"]), (2, &json!(1)), "{answer}");
    assert!(ids_of(&answer).contains(&other));
    Ok(())
}

async fn low_scores_are_left_out_if_asked(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let good = with(&note("zebra crossing repainted"), &json!({ "stream": "a" }));
    let good = remember(&scene.alice, &good).await?;
    let poor =
        with(&note("the crossing of many long rivers on the way home to the far north"), &json!({ "stream": "b" }));
    remember(&scene.alice, &poor).await?;
    let all = ask(&scene.bob, "zebra crossing", &none()).await?;
    let score_at = |at: usize| all["memories"][at]["score"].as_f64().unwrap_or_default();
    assert!(ids_of(&all).len() == 2 && score_at(0) > score_at(1), "{all}");
    let between = f64::midpoint(score_at(0), score_at(1));
    let best = ask(&scene.bob, "zebra crossing", &json!({ "minimum_score": between })).await?;
    assert_eq!((ids_of(&best), &best["left_out"]["minimum_score"]), (vec![good], &json!(1)));
    Ok(())
}
