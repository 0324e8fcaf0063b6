//! Whatever is asked or written, the answer is clean.

use super::scene::{Scene, ids_of, list, none, note, recall, remember, with};
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    any_text_is_a_question
    any_text_is_remembered_or_refused
    values_out_of_bounds_are_refused
}

/// What engines of full-text search take for commands, and what trips those who count bytes.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "\"",
        "'",
        "\"unclosed",
        "a AND",
        "OR b",
        "NOT",
        "NEAR(a b, 2)",
        "a NEAR/3 b",
        "a*",
        "*",
        "^a",
        "col:val",
        "-a",
        "+a",
        "(a",
        "a)",
        "{a} : b",
        "a:*",
        "a & b",
        "a | !b",
        "<->",
        "a <2> b",
        "' OR 1=1 --",
        "'; DROP TABLE memories; --",
        "\\",
        "%",
        "_",
        "$1",
        "?1",
        ":name",
        "@@@",
        "pdb.all()",
        "a\0b",
        "\0",
        "a\u{1}b",
        "\t\r\n",
        "\u{feff}bom",
        "\u{202e}rtl",
        "שלום עולם",
        "مرحبا بالعالم",
        "🦀🚀 crab",
        "👩‍👩‍👧‍👦",
        "漢字かな交じり文",
        "e\u{301}te\u{301}",
        "ﬁle",
        "İstanbul",
        "ẞ",
        "\u{10ffff}",
        "t0123456789abcdef",
        "memories_fts",
        "rank",
        "NULL",
        "true",
        "0",
        "1e999",
        "-0",
        "..",
        "/",
        "::",
        "a.b.c::d/e-f_g",
    ]
    .iter()
    .map(|text| (*text).to_owned())
    .collect();
    texts.push("\"\"".repeat(1_000));
    texts.push("(".repeat(2_000));
    texts
}

async fn any_text_is_a_question(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let known = remember(&scene.alice, &note("crab rank memories col val a b c true null")).await?;
    for text in texts() {
        for more in
            [none(), json!({ "scopes": ["private", "project", "shared"], "explain": true, "token_budget": 10_000 })]
        {
            let reply = scene.bob.post("/v1/memories/recall", &with(&json!({ "query": text }), &more)).await?;
            assert_eq!(reply.status, 200, "{text:?}: {}", reply.text);
            assert!(ids_of(&reply.body).iter().all(|id| *id == known), "{text:?}");
        }
    }
    assert_eq!(recall(&scene.bob, "🦀🚀 crab", &none()).await?, [known.as_str()], "a question all the same");
    for word in ["crab ", "🦀 ", "שלום ", "\" OR ", "a.b/c::d-e_f ", "x\0"] {
        let text = word.repeat(100_000 / word.len());
        let reply = scene.bob.post("/v1/memories/recall", &json!({ "query": text })).await?;
        assert_eq!(reply.status, 200, "100 KB of {word:?}: {}", reply.text);
    }
    let long = "y".repeat(128 * 1024 + 1);
    scene.bob.post("/v1/memories/recall", &json!({ "query": long })).await?.problem(422, "invalid-value")?;
    Ok(())
}

async fn any_text_is_remembered_or_refused(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let mut stored = Vec::new();
    for (number, text) in texts().into_iter().enumerate() {
        let plain = with(
            &note("of any kind"),
            &json!({ "details": { &text: [&text, { "x": &text }] }, "stream": format!("d{number}") }),
        );
        stored.push((text.clone(), remember(&scene.alice, &plain).await?));
        for body in [
            note(&text),
            with(&note("s"), &json!({ "lessons": [text], "stream": format!("l{number}") })),
            with(&note("s"), &json!({ "tags": [text], "stream": format!("t{number}") })),
            with(&note("s"), &json!({ "stream": text })),
            with(&note("s"), &json!({ "outcome": text, "stream": format!("o{number}") })),
            with(&note("s"), &json!({ "links": [{ "kind": "file", "target": text }], "stream": format!("f{number}") })),
            json!({ "event_type": text, "summary": "s" }),
        ] {
            let reply = scene.alice.post("/v1/memories", &body).await?;
            assert!(matches!(reply.status, 200 | 201 | 422), "{body}: {} {}", reply.status, reply.text);
        }
        let filters = [("tags_any", text.as_str()), ("stream", &text), ("agents", &text), ("event_types", &text)];
        for filter in filters {
            let request = scene.bob.request(reqwest::Method::GET, "/v1/memories").query(&[filter]);
            let reply = scene.bob.send(request).await?;
            assert!(matches!(reply.status, 200 | 422), "{filter:?}: {}", reply.text);
        }
    }
    for (text, id) in stored {
        let memory = super::scene::get(&scene.bob, &id).await?.ok()?;
        assert_eq!(
            memory["content"]["details"][&text],
            json!([&text, { "x": &text }]),
            "{text:?} came back as it went in"
        );
    }
    Ok(())
}

async fn values_out_of_bounds_are_refused(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let mut deep = json!(1);
    for _ in 0..33 {
        deep = json!({ "d": deep });
    }
    for (more, field) in [
        (json!({ "summary": "" }), "summary"),
        (json!({ "summary": " \n" }), "summary"),
        (json!({ "summary": "s".repeat(4_097) }), "summary"),
        (json!({ "event_type": "Two Words" }), "event_type"),
        (json!({ "details": { "d": "x".repeat(64 * 1024) } }), "details"),
        (json!({ "details": deep }), "details"),
        (json!({ "details": [] }), "details"),
        (json!({ "lessons": vec!["l"; 51] }), "lessons"),
        (json!({ "tags": (0..51).map(|n| format!("t{n}")).collect::<Vec<_>>() }), "tags"),
        (json!({ "importance": 0 }), "importance"),
        (json!({ "importance": 11 }), "importance"),
        (json!({ "stream": "s".repeat(129) }), "stream"),
        (json!({ "scope": "galaxy" }), "scope"),
        (json!({ "supersedes": "x" }), "supersedes"),
        (json!({ "happened_at": "yesterday" }), "happened_at"),
        (json!({ "links": [{ "kind": "task", "target": "x" }] }), "links[0].target"),
        (json!({ "colour": "red" }), "colour"),
    ] {
        let refused =
            scene.alice.post("/v1/memories", &with(&note("s"), &more)).await?.problem(422, "invalid-value")?;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    for (body, field) in [
        (json!({ "limit": 0 }), "limit"),
        (json!({ "limit": 101 }), "limit"),
        (json!({ "token_budget": 0 }), "token_budget"),
        (json!({ "minimum_score": 1.5 }), "minimum_score"),
        (json!({ "scopes": ["galaxy"] }), "scopes[0]"),
        (json!({ "tags_any": (0..51).map(|n| format!("t{n}")).collect::<Vec<_>>() }), "tags_any"),
        (json!({ "by": "vector" }), "by"),
        (json!({ "by": "magic" }), "by"),
        (json!({ "query": 7 }), "query"),
        (json!({ "agents": ["a b"] }), "agents[0]"),
    ] {
        let refused = scene.alice.post("/v1/memories/recall", &body).await?.problem(422, "invalid-value")?;
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    let refused: Value = scene.alice.get("/v1/memories?scopes=private,galaxy").await?.problem(422, "invalid-value")?;
    assert_eq!(refused["errors"][0]["field"], "scopes");
    scene.alice.get("/v1/memories?cursor=rubbish").await?.problem(422, "invalid-value")?;
    scene.alice.get("/v1/memories/mem_1").await?.problem(422, "invalid-value")?;
    assert_eq!(list(&scene.alice, &[]).await?, Vec::<String>::new());
    assert_eq!(scene.told().await?, (vec![], vec![]));
    Ok(())
}
