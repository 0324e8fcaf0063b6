//! Memories by their meaning: a model behind a real endpoint, which fails in every way that one can, and comes back.

use e2e::client::Client;
use e2e::embedder::{DIMENSION, Embedder, Mood};
use e2e::keyring::Keyring;
use e2e::server::{Launch, Server};
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Long enough for the longest rest after a few failures.
const EMBEDDED_WITHIN: Duration = Duration::from_secs(40);

const QUERY_TIMEOUT: Duration = Duration::from_millis(400);

const KEY: &str = "key-of-the-embedder";

fn launch(store: &Store, embedder: &Embedder) -> Outcome<Launch> {
    let launch = store.launch()?.keys(&Keyring::usual());
    Ok(launch
        .set("EMBEDDER", "openai")
        .set("EMBEDDER_URL", embedder.url())
        .set("EMBEDDER_MODEL", "model-one")
        .set("EMBEDDER_API_KEY", KEY)
        .set("EMBEDDER_TIMEOUT_SECONDS", "1")
        .set("EMBEDDER_QUERY_TIMEOUT_MS", QUERY_TIMEOUT.as_millis().to_string()))
}

async fn remember(by: &Client, summary: &str) -> Outcome<String> {
    let reply = by.post("/v1/memories", &json!({ "event_type": "discovery", "summary": summary })).await?;
    match reply.body["memory"]["id"].as_str() {
        Some(id) if reply.status == 201 => Ok(id.to_owned()),
        _ => Err(Fault::new(format!("not stored: {} {}", reply.status, reply.text))),
    }
}

async fn ask(by: &Client, query: &str, way: &str) -> Outcome<Value> {
    by.post("/v1/memories/recall", &json!({ "query": query, "by": way })).await?.ok()
}

fn ids_of(recalled: &Value) -> Vec<String> {
    let ids = recalled["memories"].as_array().into_iter().flatten().map(|answer| answer["memory"]["id"].as_str());
    ids.flatten().map(str::to_owned).collect()
}

async fn search(server: &Server) -> Outcome<Value> {
    Ok(server.stranger()?.get("/health").await?.ok()?["search"].clone())
}

/// The spaces of the vectors that are stored, and how many there are.
async fn stored(store: &Store) -> Outcome<Vec<String>> {
    store.texts("SELECT space FROM memory_vectors ORDER BY space").await
}

async fn all_embedded(store: &Store, count: usize) -> Outcome {
    poll::until("vectors of all memories", EMBEDDED_WITHIN, async || {
        Ok((stored(store).await?.len() == count).then_some(()))
    })
    .await
}

async fn found_by_meaning(by: &Client, query: &str, id: &str) -> Outcome {
    poll::until("the memory to be found by its meaning", EMBEDDED_WITHIN, async || {
        let recalled = ask(by, query, "vector").await?;
        Ok((ids_of(&recalled).first().map(String::as_str) == Some(id)).then_some(()))
    })
    .await
}

async fn a_memory_is_found_by_its_meaning(store: Store) -> Outcome {
    let embedder = Embedder::open().await?;
    let server = launch(&store, &embedder)?.start().await?;
    let alice = server.agent("alice")?;
    let id = remember(&alice, "the automobile was mended").await?;
    remember(&alice, "lunch is at noon").await?;
    all_embedded(&store, 2).await?;
    assert_eq!(ids_of(&ask(&alice, "car repaired", "lexical").await?), [""; 0], "words alone find it");
    let recalled = ask(&alice, "car repaired", "hybrid").await?;
    assert_eq!((ids_of(&recalled).first(), &recalled["mode"]), (Some(&id), &json!("hybrid")));
    assert!(recalled["memories"][0]["parts"]["semantic"].as_f64().is_some_and(|part| part > 0.0), "{recalled}");
    assert_eq!(recalled["degraded"], Value::Null);
    let search = search(&server).await?;
    assert_eq!((&search["embedder"], &search["model"]), (&json!("reachable"), &json!("model-one")));
    let engines = match store.database() {
        None => ["fts5", "exact"],
        Some(database) => {
            let has = database.sql("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")?;
            ["postgres", if has.trim() == "1" { "pgvector" } else { "exact" }]
        }
    };
    assert_eq!((&search["words"], &search["vectors"]), (&json!(engines[0]), &json!(engines[1])));
    let metrics = server.stranger()?.get("/metrics").await?.text;
    for counter in ["requests", "texts", "tokens"] {
        let line = metrics.lines().find(|line| line.starts_with(&format!("pointsman_embedder_{counter}_total ")));
        let count = line.and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{counter}: {line:?}");
    }
    assert!(embedder.questions().iter().all(|question| question.key == format!("Bearer {KEY}")));
    assert!(!server.logs().everything().contains(KEY), "the key is in the log");
    assert!(!server.logs().everything().contains("automobile"), "a memory is in the log");
    Ok(())
}

async fn without_an_embedder_there_are_words(store: Store) -> Outcome {
    let server = store.serve().await?;
    let alice = server.agent("alice")?;
    let id = remember(&alice, "the automobile was mended").await?;
    assert_eq!(ids_of(&ask(&alice, "mended automobile", "hybrid").await?), [id]);
    let search = search(&server).await?;
    assert_eq!((&search["vectors"], &search["embedder"]), (&json!("none"), &json!("none")));
    assert_eq!(stored(&store).await?, [""; 0]);
    Ok(())
}

async fn a_redacted_memory_leaves_no_vector(store: Store) -> Outcome {
    let embedder = Embedder::open().await?;
    let server = launch(&store, &embedder)?.start().await?;
    let alice = server.agent("alice")?;
    let (gone, kept) = (remember(&alice, "the quarrel was fixed").await?, remember(&alice, "a car").await?);
    all_embedded(&store, 2).await?;
    alice.post(&format!("/v1/memories/{gone}/redact"), &json!({})).await?.ok()?;
    assert_eq!(stored(&store).await?, [format!("{DIMENSION}/model-one")]);
    let due = store.texts("SELECT space FROM memory_vectors_due").await?;
    assert_eq!(due.len(), 1, "it waits for a vector of what it does not say any more");
    assert_eq!(ids_of(&ask(&alice, "conflict vehicle", "vector").await?), [kept]);
    Ok(())
}

/// However the endpoint fails: words find memories at once, it is told, and when it is back, so are the vectors.
async fn outlived(store: &Store, mood: Mood) -> Outcome {
    let embedder = Embedder::open().await?;
    embedder.becomes(mood);
    let server = launch(store, &embedder)?.start().await?;
    let alice = server.agent("alice")?;
    let id = remember(&alice, "the automobile was mended").await?;
    let began = Instant::now();
    let recalled = ask(&alice, "mended", "hybrid").await?;
    assert!(began.elapsed() < QUERY_TIMEOUT * 5, "{mood:?}: {:?}", began.elapsed());
    assert_eq!((ids_of(&recalled), &recalled["mode"]), (vec![id.clone()], &json!("lexical")), "{mood:?}");
    assert!(recalled["degraded"].as_str().is_some_and(|why| why.contains("words")), "{mood:?}: {recalled}");
    poll::until("it to be told", EMBEDDED_WITHIN, async || {
        Ok((search(&server).await?["embedder"] == "unreachable").then_some(()))
    })
    .await?;
    let (code, ready) = (server.stranger()?.get("/health").await?.status, server.stranger()?.get("/ready").await?);
    assert_eq!((code, ready.status), (200, 200), "{mood:?}: it is needed for nothing");
    assert_eq!(stored(store).await?, [""; 0]);
    embedder.becomes(Mood::Answers(DIMENSION));
    found_by_meaning(&alice, "car repaired", &id).await?;
    assert_eq!(search(&server).await?["embedder"], "reachable");
    Ok(())
}

async fn an_endpoint_that_fails_delays_vectors_and_loses_none(store: Store) -> Outcome {
    outlived(&store, Mood::Status(500)).await
}

async fn an_endpoint_that_hangs_delays_vectors_and_loses_none(store: Store) -> Outcome {
    outlived(&store, Mood::Hangs).await
}

async fn an_endpoint_that_refuses_the_key_delays_vectors_and_loses_none(store: Store) -> Outcome {
    outlived(&store, Mood::Status(401)).await
}

async fn an_endpoint_that_is_busy_is_left_alone_for_as_long_as_it_wants(store: Store) -> Outcome {
    let embedder = Embedder::open().await?;
    embedder.becomes(Mood::Busy(4));
    let server = launch(&store, &embedder)?.start().await?;
    let alice = server.agent("alice")?;
    let id = remember(&alice, "the automobile was mended").await?;
    ask(&alice, "mended", "hybrid").await?;
    let first = poll::until("a first question", EMBEDDED_WITHIN, async || Ok(embedder.questions().first().cloned()));
    let first = first.await?;
    embedder.becomes(Mood::Answers(DIMENSION));
    found_by_meaning(&alice, "car repaired", &id).await?;
    let next = embedder.questions()[1].at;
    assert!(next - first.at >= Duration::from_secs(4), "{:?}", next - first.at);
    Ok(())
}

async fn vectors_of_another_dimension_are_not_stored(store: Store) -> Outcome {
    let embedder = Embedder::open().await?;
    let server = launch(&store, &embedder)?.start().await?;
    let alice = server.agent("alice")?;
    let old = remember(&alice, "the quarrel was long").await?;
    found_by_meaning(&alice, "long dispute", &old).await?;
    embedder.becomes(Mood::Answers(DIMENSION / 2));
    let new = remember(&alice, "the automobile was mended").await?;
    poll::until("the wrong vectors", EMBEDDED_WITHIN, async || Ok((embedder.times("mended") > 0).then_some(())))
        .await?;
    let recalled = ask(&alice, "mended", "hybrid").await?;
    assert_eq!((ids_of(&recalled).first(), &recalled["mode"]), (Some(&new), &json!("lexical")));
    assert_eq!(stored(&store).await?, [format!("{DIMENSION}/model-one")]);
    embedder.becomes(Mood::Answers(DIMENSION));
    found_by_meaning(&alice, "car repaired", &new).await
}

async fn an_endpoint_that_went_away_is_found_again(store: Store) -> Outcome {
    let embedder = Embedder::open().await?;
    let mut server = launch(&store, &embedder)?.start().await?;
    let alice = server.agent("alice")?;
    let old = remember(&alice, "the quarrel was long").await?;
    found_by_meaning(&alice, "long dispute", &old).await?;
    let address = embedder.address();
    drop(embedder);
    let new = remember(&alice, "the automobile was mended").await?;
    assert_eq!(ids_of(&ask(&alice, "mended", "hybrid").await?).first(), Some(&new));
    // What waits is not lost with the server either.
    server.kill().await?;
    let launch = server.launch().clone();
    drop(server);
    let server = launch.start().await?;
    let alice = server.agent("alice")?;
    assert_eq!(ids_of(&ask(&alice, "mended", "hybrid").await?).first(), Some(&new));
    let back = Embedder::open_at(address).await?;
    found_by_meaning(&alice, "car repaired", &new).await?;
    assert_eq!(back.times("quarrel"), 0, "what had its vector got another one");
    Ok(())
}

async fn another_model_embeds_everything_again_while_words_find_it(store: Store) -> Outcome {
    let embedder = Embedder::open().await?;
    let mut server = launch(&store, &embedder)?.start().await?;
    let alice = server.agent("alice")?;
    let id = remember(&alice, "the automobile was mended").await?;
    let noon = remember(&alice, "lunch is at noon").await?;
    all_embedded(&store, 2).await?;
    server.stop().await?;
    embedder.becomes(Mood::Dislikes("automobile"));
    let server = launch(&store, &embedder)?.set("EMBEDDER_MODEL", "model-two").start().await?;
    let alice = server.agent("alice")?;
    let spaces = poll::until("the other one to be embedded again", EMBEDDED_WITHIN, async || {
        let spaces = stored(&store).await?;
        Ok(spaces.contains(&format!("{DIMENSION}/model-two")).then_some(spaces))
    });
    assert_eq!(spaces.await?.len(), 1, "the vector of another model is kept though there can be none of this");
    assert_eq!(ids_of(&ask(&alice, "automobile", "lexical").await?).first(), Some(&id));
    found_by_meaning(&alice, "lunch", &noon).await
}

async fn servers_share_the_work(store: Store) -> Outcome {
    let embedder = Embedder::open().await?;
    let one = launch(&store, &embedder)?.start().await?;
    let other = launch(&store, &embedder)?.start().await?;
    let (alice, bob) = (one.agent("alice")?, other.agent("bob")?);
    for number in 0..15 {
        remember(&alice, &format!("alice saw {number} of them")).await?;
        remember(&bob, &format!("bob saw {number} of them")).await?;
    }
    all_embedded(&store, 30).await?;
    assert_eq!((embedder.times("alice saw"), embedder.times("bob saw")), (15, 15), "some were embedded twice");
    Ok(())
}

async fn of_two_models_the_one_that_came_last_is_used(store: Store) -> Outcome {
    let embedder = Embedder::open().await?;
    let one = launch(&store, &embedder)?.start().await?;
    let alice = one.agent("alice")?;
    remember(&alice, "the automobile was mended").await?;
    all_embedded(&store, 1).await?;
    let other = launch(&store, &embedder)?.set("EMBEDDER_MODEL", "model-two").start().await?;
    poll::until("the new model to be used", EMBEDDED_WITHIN, async || {
        Ok((stored(&store).await? == [format!("{DIMENSION}/model-two")]).then_some(()))
    })
    .await?;
    poll::until("the old one to give way", EMBEDDED_WITHIN, async || {
        Ok((search(&one).await?["embedder"] == "overtaken").then_some(()))
    })
    .await?;
    let bob = other.agent("bob")?;
    let id = remember(&bob, "the quarrel was long").await?;
    found_by_meaning(&bob, "long dispute", &id).await?;
    let models: Vec<String> = embedder
        .questions()
        .into_iter()
        .filter(|it| it.texts.iter().any(|text| text.contains("quarrel")))
        .map(|question| question.model)
        .collect();
    assert_eq!(models, ["model-two"]);
    assert_eq!(embedder.times("mended"), 2, "once with each model");
    Ok(())
}

on_both_stores!(
    a_memory_is_found_by_its_meaning
    without_an_embedder_there_are_words
    a_redacted_memory_leaves_no_vector
    an_endpoint_that_fails_delays_vectors_and_loses_none
    an_endpoint_that_hangs_delays_vectors_and_loses_none
    an_endpoint_that_refuses_the_key_delays_vectors_and_loses_none
    an_endpoint_that_is_busy_is_left_alone_for_as_long_as_it_wants
    vectors_of_another_dimension_are_not_stored
    an_endpoint_that_went_away_is_found_again
    another_model_embeds_everything_again_while_words_find_it
    servers_share_the_work
    of_two_models_the_one_that_came_last_is_used
);
