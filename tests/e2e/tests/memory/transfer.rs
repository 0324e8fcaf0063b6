//! Taking memories out and in again.

use super::scene::{Scene, ask, export, get, import, list, none, note, recall, remember, with, word};
use e2e::client::Client;
use e2e::store::Store;
use e2e::{Outcome, on_both_stores};
use serde_json::{Value, json};

on_both_stores! {
    what_is_taken_to_another_project_is_recalled_the_same
    all_lines_are_stored_or_none
    lines_name_each_other
    many_lines_go_in_and_out
    only_orchestrators_write_for_others
}

async fn what_is_taken_to_another_project_is_recalled_the_same(store: Store) -> Outcome {
    let server = store.launch()?.start().await?;
    let admin = server.stranger()?.key(store.first_key()?);
    admin.post("/v1/projects", &json!({ "id": "moon" })).await?;
    let mut clients = Vec::new();
    for project in ["default", "moon"] {
        let body = json!({ "agent": "ann", "agent_type": "test", "project": project, "role": "orchestrator" });
        let made = admin.post("/v1/keys", &body).await?;
        clients.push(server.stranger()?.key(word(&made.body["secret"])));
    }
    let (here, there) = (&clients[0], &clients[1]);
    let at = |minute: u32| json!({ "happened_at": format!("2026-04-01T10:{minute:02}:00Z"), "stream": "talk" });
    let old = with(&with(&note("The queue holds 100 jobs"), &at(1)), &json!({ "tags": ["queue"], "importance": 9 }));
    let old = remember(here, &old).await?;
    remember(here, &with(&note("Who said so?"), &at(2))).await?;
    let newer = json!({
        "supersedes": old, "details": { "jobs": 250, "why": ["load", { "p99": 1.5 }] }, "outcome": "success",
        "lessons": ["measure before"], "links": [{ "kind": "file", "target": "src/queue.rs" }], "pinned": true,
    });
    remember(here, &with(&with(&note("The queue holds 250 jobs"), &at(3)), &newer)).await?;
    let ending = json!({ "valid_until": "2026-05-01T00:00:00Z", "scope": "private" });
    remember(here, &with(&with(&note("Only for the trial of the queue"), &at(4)), &ending)).await?;
    remember(here, &with(&note("The queue is called letterbox"), &at(5))).await?;

    let lines = export(here, &[]).await?;
    assert_eq!(lines.lines().count(), 5);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap_or_default())?;
    assert_eq!(
        (&first["ref"], &first["agent"], &first["summary"]),
        (&json!(old), &json!("ann"), &json!("The queue holds 100 jobs"))
    );
    let imported = import(there, lines.clone()).await?.ok()?;
    let stored = imported["memories"].as_array().cloned().unwrap_or_default();
    assert!(stored.len() == 5 && stored.iter().all(|memory| memory["merged"] == false), "{imported}");
    for more in [
        none(),
        json!({ "as_of": "2026-04-01T10:02:30Z" }),
        json!({ "as_of": "2026-04-15T00:00:00Z" }),
        json!({ "include_ended": true }),
        json!({ "scopes": ["private"], "as_of": "2026-04-15T00:00:00Z" }),
        json!({ "tags_any": ["queue"], "include_ended": true }),
    ] {
        // Of one instant, so that all is of the same age.
        let more = with(&json!({ "as_of": "2026-06-01T00:00:00Z" }), &more);
        for query in ["how many jobs does the queue hold?", "measure queue.rs", "letterbox"] {
            assert_eq!(told(there, query, &more).await?, told(here, query, &more).await?, "{query} {more}");
        }
    }
    assert_eq!(without_refs(&export(there, &[]).await?)?, without_refs(&lines)?, "and it goes out again as it came");
    assert_eq!(export(here, &[("tags_all", "queue"), ("include_ended", "false")]).await?, "");
    Ok(())
}

/// Answers as far as they are the same in every project.
async fn told(by: &Client, query: &str, more: &Value) -> Outcome<Vec<Value>> {
    let answer = ask(by, query, more).await?;
    let of = |answer: &Value| {
        let memory = &answer["memory"];
        json!([
            answer["score"],
            answer["parts"],
            answer["snippet"],
            memory["content"],
            memory["position"],
            memory["pinned"]
        ])
    };
    Ok(answer["memories"].as_array().into_iter().flatten().map(of).collect())
}

fn without_refs(lines: &str) -> Outcome<Vec<Value>> {
    let read = |line: &str| {
        let mut line: Value = serde_json::from_str(line)?;
        if let Some(fields) = line.as_object_mut() {
            fields.remove("ref");
            fields.remove("supersedes");
        }
        Ok(line)
    };
    lines.lines().map(read).collect()
}

async fn all_lines_are_stored_or_none(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let good = note("a good line").to_string();
    for (line, field) in [
        ("{", "line 3"),
        ("[1]", "line 3"),
        (r#"{"event_type":"x"}"#, "line 3.summary"),
        (r#"{"event_type":"x","summary":"s","colour":1}"#, "line 3.colour"),
        (r#"{"event_type":"X","summary":"s"}"#, "line 3.event_type"),
        (r#"{"event_type":"x","summary":"s","importance":11}"#, "line 3.importance"),
        (r#"{"event_type":"x","summary":"s","tags":["a b"]}"#, "line 3.tags[0]"),
        (r#"{"event_type":"x","summary":"s","ref":7}"#, "line 3.ref"),
        (r#"{"event_type":"x","summary":"s","supersedes":"nobody"}"#, "line 3.supersedes"),
        (r#"{"event_type":"x","summary":"s","agent":"a b"}"#, "line 3.agent"),
        (r#"{"event_type":"x","summary":"s","happened_at":"2999-01-01T00:00:00Z"}"#, "line 3"),
        (
            r#"{"event_type":"x","summary":"s","valid_from":"2026-01-02T00:00:00Z","valid_until":"2026-01-01T00:00:00Z"}"#,
            "line 3",
        ),
        (r#"{"event_type":"x","summary":"s","supersedes":"mem_00000000000000000000000000000001"}"#, "line 3"),
    ] {
        let lines = format!("{good}\n\n{line}\n{good}\n");
        let refused = import(&scene.alice, lines).await?.problem(422, "import-refused")?;
        let fields: Vec<String> =
            refused["errors"].as_array().into_iter().flatten().map(|e| word(&e["field"])).collect();
        assert_eq!(fields, [field], "{line}: {refused}");
    }
    let bad = format!("{}\n{}\n", r#"{"event_type":"x"}"#, r#"{"summary":"s"}"#);
    let refused = import(&scene.alice, bad).await?.problem(422, "import-refused")?;
    assert_eq!(refused["errors"].as_array().map(Vec::len), Some(2), "every line is told: {refused}");
    import(&scene.alice, "").await?.problem(422, "import-refused")?;
    import(&scene.alice, "{}\n".repeat(501)).await?.problem(422, "import-refused")?;
    import(&scene.alice, " ".repeat(8 * 1024 * 1024 + 1)).await?.problem(413, "body-too-large")?;
    let json = scene.alice.post("/v1/memories/import", &note("as JSON")).await?;
    json.problem(415, "unsupported-media-type")?;
    assert_eq!(list(&scene.alice, &[]).await?, Vec::<String>::new());
    assert_eq!(scene.told().await?, (vec![], vec![]));
    Ok(())
}

async fn lines_name_each_other(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let known = remember(&scene.alice, &note("known before")).await?;
    scene.told().await?;
    let lines = [
        with(&note("first"), &json!({ "ref": "a", "supersedes": "c" })),
        with(&note("second"), &json!({ "ref": "b", "supersedes": known })),
        with(&note("third"), &json!({ "ref": "c", "supersedes": "b" })),
        note("FIRST light"),
        note("first  LIGHT"),
    ];
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let once = scene.alice.once("import-1");
    let imported = import(&once, lines.join("\n")).await?.ok()?;
    let of = |at: usize, field: &str| imported["memories"][at][field].clone();
    assert_eq!(
        (of(0, "superseded"), of(1, "superseded"), of(2, "superseded")),
        (of(2, "id"), json!(known), of(1, "id"))
    );
    assert_eq!(
        (of(4, "id"), of(4, "merged"), of(4, "seen")),
        (of(3, "id"), json!(true), json!(2)),
        "duplicates within"
    );
    assert_eq!(
        scene.told().await?.1,
        [
            "memory.merged",
            "memory.stored",
            "memory.stored",
            "memory.stored",
            "memory.stored",
            "memory.superseded",
            "memory.superseded",
            "memory.superseded"
        ]
    );
    let again = import(&once, lines.join("\n")).await?.ok()?;
    assert_eq!((again, scene.told().await?), (imported.clone(), (vec![], vec![])), "told again, and done once");
    assert_eq!(list(&scene.bob, &[]).await?.len(), 2);
    assert_eq!(recall(&scene.bob, "first", &none()).await?.len(), 2);
    let circle = [
        with(&note("x"), &json!({ "ref": "x", "supersedes": "y" })),
        with(&note("y"), &json!({ "ref": "y", "supersedes": "x" })),
    ];
    let circle: Vec<String> = circle.iter().map(Value::to_string).collect();
    import(&scene.alice, circle.join("\n")).await?.problem(422, "import-refused")?;
    let own = with(&note("z"), &json!({ "ref": "z", "supersedes": "z" })).to_string();
    import(&scene.alice, own).await?.problem(422, "import-refused")?;
    let twice = with(&note("t"), &json!({ "ref": "t" })).to_string();
    let refused = import(&scene.alice, format!("{twice}\n{twice}")).await?.problem(422, "import-refused")?;
    assert_eq!(refused["errors"][0]["field"], "line 2.ref");
    Ok(())
}

async fn many_lines_go_in_and_out(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    for part in 0..3 {
        let lines: Vec<String> = (0..500)
            .map(|number| {
                let at = part * 500 + number;
                let more = json!({ "stream": format!("s{part}"), "happened_at": format!("2026-01-0{}T00:00:{:02}Z", part + 1, number % 60) });
                with(&note(&format!("line {at} of many")), &more).to_string()
            })
            .collect();
        let imported = import(&scene.alice, lines.join("\n")).await?.ok()?;
        assert_eq!(imported["memories"][499]["position"], 500, "in the order of the lines");
    }
    let lines = export(&scene.bob, &[("stream", "s1")]).await?;
    assert_eq!(lines.lines().count(), 500);
    let lines = export(&scene.bob, &[]).await?;
    let times: Vec<String> = lines
        .lines()
        .map(|line| Ok::<_, serde_json::Error>(word(&serde_json::from_str::<Value>(line)?["happened_at"])))
        .collect::<Result<_, _>>()?;
    assert!(times.len() == 1_500 && times.is_sorted(), "the oldest first");
    Ok(())
}

async fn only_orchestrators_write_for_others(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let of_bob = with(&note("Bob found it"), &json!({ "agent": "bob" })).to_string();
    import(&scene.alice, of_bob.clone()).await?.problem(403, "role-too-low")?;
    let shared = with(&note("For all"), &json!({ "scope": "shared" })).to_string();
    import(&scene.alice, shared.clone()).await?.problem(403, "role-too-low")?;
    import(&scene.bob, of_bob.clone()).await?.ok()?;
    let private = with(&note("Bob alone"), &json!({ "agent": "bob", "scope": "private" })).to_string();
    let imported = import(&scene.olga, format!("{of_bob}\n{shared}\n{private}")).await?.ok()?;
    let id = |at: usize| word(&imported["memories"][at]["id"]);
    assert_eq!(imported["memories"][0]["merged"], true, "it is Bob's, in Bob's row");
    assert_eq!(get(&scene.alice, &id(0)).await?.ok()?["agent"], "bob");
    get(&scene.olga, &id(2)).await?.problem(404, "memory-unknown")?;
    assert_eq!(recall(&scene.bob, "Bob alone", &json!({ "scopes": ["private"] })).await?, [id(2)]);
    assert_eq!(recall(&scene.alice, "for all", &json!({ "scopes": ["shared"] })).await?, [id(1)]);
    assert_eq!(recall(&scene.alice, "for all", &none()).await?, Vec::<String>::new(), "only if it is asked for");
    Ok(())
}
