//! Procedures: how things are done, who says so, and how well that goes.

use e2e::audit::Watch;
use e2e::client::{Client, Reply};
use e2e::keyring::Keyring;
use e2e::server::Server;
use e2e::store::Store;
use e2e::work::task;
use e2e::{Outcome, events, on_both_stores};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

on_both_stores! {
    a_procedure_is_written_found_followed_and_reported_on
    an_agents_last_word_about_a_task_counts_once
    a_new_version_keeps_the_old_and_what_was_reported_of_it
    who_wrote_it_first_takes_it_back_and_so_do_orchestrators
    what_is_proven_comes_first_and_pages_follow_each_other
    many_who_report_at_once_are_all_counted
    nobody_is_told_what_it_says_and_no_secret_gets_in
    rubbish_is_refused_and_changes_nothing
}

async fn serve(store: &Store) -> Outcome<Server> {
    store.launch()?.keys(&Keyring::usual().with("eve", "agent")).start().await
}

async fn put(by: &Client, name: &str, body: &Value) -> Outcome<Reply> {
    by.send(by.request(Method::PUT, &format!("/v1/procedures/{name}")).json(body)).await
}

fn how(title: &str) -> Value {
    json!({ "title": title, "steps": ["look", "mend"], "task_types": ["fix"] })
}

async fn write(by: &Client, name: &str, body: &Value) -> Outcome<Value> {
    let reply = put(by, name, body).await?;
    assert!(matches!(reply.status, 200 | 201), "{} {}", reply.status, reply.text);
    Ok(reply.body)
}

async fn report(by: &Client, name: &str, body: &Value) -> Outcome<Reply> {
    by.post(&format!("/v1/procedures/{name}/outcomes"), body).await
}

async fn get(by: &Client, name: &str) -> Outcome<Value> {
    by.get(&format!("/v1/procedures/{name}")).await?.ok()
}

async fn list(by: &Client, query: &[(&str, &str)]) -> Outcome<Value> {
    by.send(by.request(Method::GET, "/v1/procedures").query(query)).await?.ok()
}

fn names(page: &Value) -> Vec<&str> {
    let found = page["procedures"].as_array().into_iter().flatten();
    found.filter_map(|found| found["procedure"]["name"].as_str()).collect()
}

fn counts(effectiveness: &Value) -> (u64, u64) {
    let count = |name: &str| effectiveness[name].as_u64().unwrap_or(u64::MAX);
    (count("successes"), count("failures"))
}

async fn a_procedure_is_written_found_followed_and_reported_on(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let (alice, bob) = (server.agent("alice")?.session("alice-1"), server.agent("bob")?.session("bob-1"));
    let task_id = alice.submit_one(&task("mend it", &json!({}))).await?;
    bob.claim(&json!({})).await?.ok()?;
    let mut log = Watch::new(server.agent("olga")?).await?;
    let body = json!({
        "title": "Mend a flaky test", "description": "A test that fails now and then.", "task_types": ["fix-test", "review"],
        "preconditions": ["the test is in CI"], "applies_when": "it failed twice in a week",
        "avoid_when": "the whole suite is red", "steps": ["Run it a hundred times", "Look for the clock"], "tags": ["ci"],
    });
    let written = put(&alice, "flaky_tests", &body).await?;
    assert_eq!(written.status, 201, "{}", written.text);
    assert_eq!((&written.body["version"], &written.body["is_new"]), (&json!(1), &json!(true)));
    write(&alice, "roll-back", &json!({ "title": "Take a release back", "steps": ["Deploy the one before"] })).await?;
    assert_eq!(log.told().await?, ["alice procedure.write ok", "alice procedure.write ok"]);

    assert_eq!(names(&list(&bob, &[("task_type", "fix-test")]).await?), ["flaky_tests"]);
    assert_eq!(names(&list(&bob, &[("query", "the tests are flaky again")]).await?), ["flaky_tests"]);
    assert_eq!(names(&list(&bob, &[("query", "released"), ("task_type", "review")]).await?), Vec::<&str>::new());
    assert_eq!(names(&list(&bob, &[("tag", "CI")]).await?), ["flaky_tests"]);
    let shown = get(&bob, "flaky_tests").await?;
    for field in ["title", "description", "preconditions", "applies_when", "avoid_when", "steps", "task_types", "tags"]
    {
        assert_eq!(shown["how_to"][field], body[field], "{field}");
    }
    assert_eq!((&shown["procedure"]["created_by"], &shown["version"]), (&json!("alice"), &json!(1)));

    let said = json!({ "outcome": "success", "task_id": task_id, "note": "it was the clock" });
    let learned = report(&bob, "flaky_tests", &said).await?.ok()?;
    assert_eq!((counts(&learned["effectiveness"]), &learned["replaced"]), ((1, 0), &json!(false)));
    let lower = learned["effectiveness"]["lower"].as_f64().unwrap_or_default();
    assert!((lower - 0.158_114).abs() < 1e-6, "Beta(2, 1) at 2.5 %: {lower}");
    assert_eq!(log.told().await?, ["bob procedure.report ok"]);
    let shown = get(&alice, "flaky_tests").await?;
    let outcome = &shown["outcomes"][0];
    assert_eq!(
        (&outcome["agent"], &outcome["session"], &outcome["task_id"], &outcome["note"]),
        (&json!("bob"), &json!("bob-1"), &json!(task_id), &json!("it was the clock"))
    );
    assert_eq!(counts(&shown["versions"][0]["effectiveness"]), (1, 0));
    Ok(())
}

async fn an_agents_last_word_about_a_task_counts_once(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let ids = alice.submit(&[task("one", &json!({})), task("two", &json!({}))]).await?;
    write(&alice, "p", &how("P")).await?;
    let about = |task: &str, outcome: &str| json!({ "outcome": outcome, "task_id": task });
    let (mut successes, mut replaced) = (Vec::new(), Vec::new());
    for body in
        [about(&ids[0], "success"), about(&ids[0], "success"), about(&ids[1], "success"), about(&ids[0], "failure")]
    {
        let learned = report(&bob, "p", &body).await?.ok()?;
        successes.push(counts(&learned["effectiveness"]));
        replaced.push(learned["replaced"].clone());
    }
    assert_eq!(successes, [(1, 0), (1, 0), (2, 0), (1, 1)]);
    assert_eq!(replaced, [json!(false), json!(true), json!(false), json!(true)]);
    for _ in 0..3 {
        report(&bob.session("bob-1"), "p", &json!({ "outcome": "failure" })).await?.ok()?;
    }
    let learned = report(&bob.session("bob-2"), "p", &json!({ "outcome": "failure" })).await?.ok()?;
    assert_eq!(counts(&learned["effectiveness"]), (1, 3), "without a task, once in each session");
    let learned = report(&alice, "p", &about(&ids[0], "success")).await?.ok()?;
    assert_eq!(counts(&learned["effectiveness"]), (2, 3), "another agent has its own word");
    report(&bob, "p", &about("tsk_00000000000000000000000000000001", "success")).await?.problem(404, "task-unknown")?;
    let once = bob.session("bob-3").once("report-1");
    let first = report(&once, "p", &json!({ "outcome": "success" })).await?.ok()?;
    assert_eq!(report(&once, "p", &json!({ "outcome": "success" })).await?.ok()?, first);
    Ok(())
}

async fn a_new_version_keeps_the_old_and_what_was_reported_of_it(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?.session("bob-1"));
    write(&alice, "p", &how("One")).await?;
    report(&alice, "p", &json!({ "outcome": "failure" })).await?.ok()?;
    let mut log = Watch::new(server.agent("olga")?).await?;
    let same = write(&bob, "p", &how("One")).await?;
    assert_eq!((&same["version"], &same["is_new"]), (&json!(1), &json!(false)));
    assert_eq!(log.told().await?, Vec::<String>::new(), "what says the same is no change");
    let two = json!({ "title": "Two", "steps": ["wait"], "if_version": 1 });
    let second = put(&bob, "p", &two).await?;
    assert_eq!((second.status, &second.body["version"]), (200, &json!(2)));
    put(&bob, "p", &json!({ "title": "Three", "steps": ["wait"], "if_version": 1 }))
        .await?
        .problem(409, "procedure-changed")?;
    assert_eq!(log.told().await?, ["bob procedure.write ok", "bob procedure.write procedure-changed"]);
    let shown = get(&alice, "p").await?;
    assert_eq!((&shown["how_to"]["title"], &shown["procedure"]["task_types"]), (&json!("Two"), &json!([])));
    assert_eq!(counts(&shown["procedure"]["effectiveness"]), (0, 1));
    assert_eq!(counts(&shown["procedure"]["version_effectiveness"]), (0, 0), "the new version starts anew");
    assert_eq!(
        (&shown["procedure"]["created_by"], &shown["procedure"]["written_by"]),
        (&json!("alice"), &json!("bob"))
    );
    let old = alice.get("/v1/procedures/p?version=1").await?.ok()?;
    assert_eq!((&old["how_to"]["title"], &old["version"]), (&json!("One"), &json!(1)));
    alice.get("/v1/procedures/p?version=3").await?.problem(404, "procedure-version-unknown")?;
    let learned = report(&bob, "p", &json!({ "outcome": "success", "version": 1 })).await?.ok()?;
    assert_eq!((counts(&learned["effectiveness"]), counts(&learned["version_effectiveness"])), ((1, 1), (0, 0)));
    report(&bob, "p", &json!({ "outcome": "success", "version": 9 }))
        .await?
        .problem(404, "procedure-version-unknown")?;
    assert_eq!(names(&list(&bob, &[("query", "wait")]).await?), ["p"]);
    assert_eq!(names(&list(&bob, &[("query", "mend")]).await?), Vec::<&str>::new(), "old words are not searched");
    Ok(())
}

async fn who_wrote_it_first_takes_it_back_and_so_do_orchestrators(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    write(&alice, "p", &how("Flaky")).await?;
    write(&bob, "p", &how("Flaky too")).await?;
    let mut log = Watch::new(olga.clone()).await?;
    let retire = "/v1/procedures/p/retire";
    bob.post(retire, &json!({})).await?.problem(403, "procedure-not-yours")?;
    bob.delete("/v1/procedures/p").await?.problem(403, "procedure-not-yours")?;
    alice.post(retire, &json!({ "reason": "there is a better one" })).await?.ok()?;
    alice.post(retire, &json!({ "reason": "said again" })).await?.ok()?;
    assert_eq!(
        log.told().await?,
        [
            "alice procedure.retire ok",
            "bob procedure.delete procedure-not-yours",
            "bob procedure.retire procedure-not-yours"
        ]
    );
    assert_eq!(names(&list(&bob, &[]).await?), Vec::<&str>::new());
    assert_eq!(names(&list(&bob, &[("query", "flaky")]).await?), Vec::<&str>::new());
    assert_eq!(names(&list(&bob, &[("include_retired", "true")]).await?), ["p"]);
    let shown = get(&bob, "p").await?;
    assert_eq!(shown["procedure"]["retired"]["reason"], "there is a better one");
    write(&bob, "p", &how("Flaky too")).await?;
    assert_eq!(names(&list(&bob, &[("query", "flaky")]).await?), ["p"], "written again, it is in use again");
    olga.post(retire, &json!({})).await?.ok()?;
    olga.delete("/v1/procedures/p").await?.ok()?;
    for reply in [
        bob.get("/v1/procedures/p").await?,
        olga.delete("/v1/procedures/p").await?,
        bob.post(retire, &json!({})).await?,
    ] {
        reply.problem(404, "procedure-unknown")?;
    }
    report(&bob, "p", &json!({ "outcome": "success" })).await?.problem(404, "procedure-unknown")?;
    assert_eq!(names(&list(&bob, &[("include_retired", "true")]).await?), Vec::<&str>::new());
    let again = put(&bob, "p", &how("Anew")).await?;
    assert_eq!((again.status, &again.body["version"]), (201, &json!(1)));
    Ok(())
}

async fn what_is_proven_comes_first_and_pages_follow_each_other(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let alice = server.agent("alice")?;
    for (name, outcomes) in [("often", "ssssssssf"), ("once", "s"), ("never", ""), ("badly", "ff")] {
        write(&alice, name, &how("Mend a flaky test")).await?;
        for (at, outcome) in outcomes.chars().enumerate() {
            let session = alice.session(&format!("{name}-{at}"));
            let outcome = if outcome == 's' { "success" } else { "failure" };
            report(&session, name, &json!({ "outcome": outcome })).await?.ok()?;
        }
    }
    let order = ["often", "once", "never", "badly"];
    assert_eq!(names(&list(&alice, &[]).await?), order);
    assert_eq!(names(&list(&alice, &[("query", "flaky test")]).await?), order, "of what fits alike");
    for query in ["", "flaky"] {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let mut asked = vec![("limit", "2".to_owned())];
            asked.extend((!query.is_empty()).then(|| ("query", query.to_owned())));
            asked.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page = alice.send(alice.request(Method::GET, "/v1/procedures").query(&asked)).await?.ok()?;
            seen.extend(names(&page).into_iter().map(str::to_owned));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(seen, order, "{query:?}");
    }
    Ok(())
}

async fn many_who_report_at_once_are_all_counted(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    write(&alice, "p", &how("P")).await?;
    let mut reporters = JoinSet::new();
    for number in 0..12 {
        let by = if number % 2 == 0 { &alice } else { &bob }.session(&format!("s-{number}"));
        reporters.spawn(async move { report(&by, "p", &json!({ "outcome": "success" })).await });
    }
    while let Some(reply) = reporters.join_next().await {
        reply??.ok()?;
    }
    let shown = get(&alice, "p").await?;
    assert_eq!(counts(&shown["procedure"]["effectiveness"]), (12, 0));
    assert_eq!(counts(&shown["versions"][0]["effectiveness"]), (12, 0));
    assert_eq!(shown["outcomes"].as_array().map(Vec::len), Some(12));
    Ok(())
}

async fn nobody_is_told_what_it_says_and_no_secret_gets_in(store: Store) -> Outcome {
    // Put together here, so that nobody who looks for secrets in this file finds one.
    let token = format!("ghp_{}", "x7Kq2ZpLw9Rt4VbN8sYc1MdF6hJg3QaE5uTk");
    let server = serve(&store).await?;
    let (alice, olga) = (server.agent("alice")?.once("write-1"), server.agent("olga")?);
    write(&alice, "p", &json!({ "title": "The quokka", "steps": ["feed the quokka"] })).await?;
    let noted = json!({ "outcome": "failure", "note": "the quokka sleeps" });
    report(&server.agent("alice")?, "p", &noted).await?.ok()?;
    server.agent("alice")?.post("/v1/procedures/p/retire", &json!({ "reason": "no quokka" })).await?.ok()?;
    let facts = json!(events::all(&olga).await?).to_string();
    let lines = json!(e2e::audit::entries(&olga, &[]).await?).to_string();
    let answers = store.texts("SELECT answer FROM idempotency_records").await?.join("\n");
    assert!(facts.contains("procedure.written") && lines.contains("procedure.report") && answers.contains("is_new"));
    for told in [facts, lines, answers] {
        assert!(!told.contains("quokka"), "{told}");
    }
    let alice = server.agent("alice")?;
    let secret = json!({ "title": "Deploy", "steps": ["wait", format!("use {token}")] });
    let refused = put(&alice, "deploy", &secret).await?.problem(422, "secret-found")?;
    assert!(refused["errors"][0]["field"] == "steps[1]" && !refused.to_string().contains(&token), "{refused}");
    alice.get("/v1/procedures/deploy").await?.problem(404, "procedure-unknown")?;
    let note = json!({ "outcome": "success", "note": format!("used {token}") });
    report(&alice, "p", &note).await?.problem(422, "secret-found")?;
    Ok(())
}

async fn rubbish_is_refused_and_changes_nothing(store: Store) -> Outcome {
    let server = serve(&store).await?;
    let alice = server.agent("alice")?;
    write(&alice, "p", &how("P")).await?;
    report(&alice, "p", &json!({ "outcome": "success" })).await?.ok()?;
    let mut log = Watch::new(server.agent("olga")?).await?;
    for body in [
        json!({}),
        json!({ "title": "T" }),
        json!({ "title": "T", "steps": [] }),
        json!({ "title": "", "steps": ["a"] }),
        json!({ "title": " ", "steps": ["a"] }),
        json!({ "title": "T", "steps": [" "] }),
        json!({ "title": "T\u{0}", "steps": ["a"] }),
        json!({ "title": "T", "steps": vec!["a"; 101] }),
        json!({ "title": "T", "steps": ["x".repeat(2_049)] }),
        json!({ "title": "T", "steps": vec!["x".repeat(2_048); 33] }),
        json!({ "title": "T", "steps": ["a"], "task_types": ["a b"] }),
        json!({ "title": "T", "steps": ["a"], "tags": ["a,b"] }),
        json!({ "title": "T", "steps": ["a"], "if_version": -1 }),
        json!({ "title": "T", "steps": ["a"], "other": 1 }),
        json!({ "title": 1, "steps": "a" }),
        json!([]),
    ] {
        put(&alice, "p", &body).await?.problem(422, "invalid-value")?;
    }
    let too_long = "n".repeat(129);
    for name in ["%00", "a%20b", "a%2Fb", "%F0%9F%94%91", "~x", too_long.as_str(), "%27%3B--"] {
        put(&alice, name, &how("X")).await?.problem(422, "invalid-value")?;
        alice.get(&format!("/v1/procedures/{name}")).await?.problem(422, "invalid-value")?;
        alice.delete(&format!("/v1/procedures/{name}")).await?.problem(422, "invalid-value")?;
    }
    for body in [
        json!({}),
        json!({ "outcome": "maybe" }),
        json!({ "outcome": "success", "version": 0 }),
        json!({ "outcome": "success", "task_id": "x" }),
        json!({ "outcome": "success", "note": "x".repeat(1_025) }),
    ] {
        report(&alice, "p", &body).await?.problem(422, "invalid-value")?;
    }
    for query in [
        ("query", "x".repeat(4_097)),
        ("query", " ".to_owned()),
        ("task_type", "a b".to_owned()),
        ("cursor", "x".to_owned()),
    ] {
        let request = alice.request(Method::GET, "/v1/procedures").query(&[query]);
        alice.send(request).await?.problem(422, "invalid-value")?;
    }
    for query in
        ["\" OR 1=1 --", "NEAR(a b) AND *", "'; DROP TABLE procedures; --", "\u{202e}\u{0}🔑 עברית", "%_", "a OR b:c^2"]
    {
        assert_eq!(names(&list(&alice, &[("query", query)]).await?), Vec::<&str>::new(), "{query:?}");
    }
    assert_eq!(log.told().await?, Vec::<String>::new());
    Ok(())
}
