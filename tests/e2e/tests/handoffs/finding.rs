//! Reading handoffs: the latest, by agent, by file, by words, page by page.

use super::scene::{Scene, id, listed, next, offer, say, write};
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::json;

on_both_stores! {
    handoffs_are_found_by_whom_about_what_and_in_which_words
    pages_tell_each_once_and_the_latest_comes_first
}

async fn handoffs_are_found_by_whom_about_what_and_in_which_words(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let (alice, bob, olga) = (&scene.alice, &scene.bob, &scene.olga);
    let parser = write(
        alice,
        &json!({ "summary": "The PARSER is half done", "next_steps": ["Measure the Lexer"], "files": ["./src//parser.rs"] }),
    )
    .await?;
    let parser = id(&parser["handoff"]);
    let to_bob = offer(alice, &json!({ "to": "agent", "agent": "bob" }), &json!({ "files": ["src/lexer.rs"] })).await?;
    let from_olga = offer(olga, &next(), &json!({ "files": ["src/parser.rs", "/etc/hosts"] })).await?;
    let find = async |query: &[(&str, &str)]| listed(bob, query).await;
    assert_eq!(find(&[]).await?, [from_olga.clone(), to_bob.clone(), parser.clone()], "newest first");
    assert_eq!(find(&[("from", "alice")]).await?, [to_bob.clone(), parser.clone()]);
    assert_eq!(find(&[("file", "src/./parser.rs")]).await?, [from_olga.clone(), parser.clone()]);
    assert_eq!(find(&[("file", "/etc/hosts")]).await?, std::slice::from_ref(&from_olga));
    assert_eq!(find(&[("file", "src/parser.rs"), ("from", "alice")]).await?, std::slice::from_ref(&parser));
    assert_eq!(find(&[("q", "lexer parser")]).await?, std::slice::from_ref(&parser));
    assert_eq!(find(&[("q", "compiler")]).await?, Vec::<String>::new());
    assert_eq!(find(&[("status", "written")]).await?, std::slice::from_ref(&parser));
    assert_eq!(find(&[("to", "bob")]).await?, std::slice::from_ref(&to_bob));
    assert_eq!(find(&[("offered_to_me", "true")]).await?, [from_olga.clone(), to_bob.clone()]);
    say(bob, "accept", &from_olga).await?.ok()?;
    assert_eq!(find(&[("to", "bob")]).await?, [from_olga.clone(), to_bob.clone()], "what he took is his too");
    assert_eq!(find(&[("status", "accepted")]).await?, [from_olga]);
    assert_eq!(find(&[("offered_to_me", "true")]).await?, [to_bob]);
    Ok(())
}

async fn pages_tell_each_once_and_the_latest_comes_first(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let (alice, bob) = (&scene.alice, &scene.bob);
    assert_eq!(bob.get("/v1/handoffs/latest").await?.ok()?, json!({}), "none is an answer");
    let mut written = Vec::new();
    for number in 0..5 {
        let handoff = write(alice, &json!({ "summary": format!("number {number}"), "decisions": ["so"] })).await?;
        written.push(id(&handoff["handoff"]));
    }
    let mut seen = Vec::new();
    let mut path = "/v1/handoffs?limit=2".to_owned();
    loop {
        let page = bob.get(&path).await?.ok()?;
        seen.extend(page["handoffs"].as_array().into_iter().flatten().map(id));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/handoffs?limit=2&cursor={cursor}");
    }
    written.reverse();
    assert_eq!(seen, written);
    let latest = bob.get("/v1/handoffs/latest?from=alice").await?.ok()?;
    assert_eq!(id(&latest["latest"]["handoff"]), written[0]);
    assert_eq!(latest["latest"]["decisions"], json!(["so"]), "with all that is written in it");
    assert_eq!(bob.get("/v1/handoffs/latest?from=bob").await?.ok()?, json!({}));
    Ok(())
}
