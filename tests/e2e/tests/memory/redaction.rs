//! Redaction, proven by reading what is on the disk.

use super::scene::{Scene, change, export, get, list, none, note, recall, remember, with, word};
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::json;
use std::path::Path;

on_both_stores! {
    redacted_words_are_nowhere
    a_tombstone_stays
}

/// Words that are nowhere else.
const REDACTED: [&str; 6] = ["xylocarp", "quillwort", "zymurgist", "frabjous", "jabberwock", "snickersnee"];
/// A word that has to be found, or nothing was looked at.
const KEPT: &str = "mimsyborogove";

async fn redacted_words_are_nowhere(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let (alice, olga) = (scene.alice.clone(), scene.olga.clone());
    let words = json!({
        "lessons": ["quillwort grows slowly"], "tags": ["zymurgist"], "outcome": "frabjous",
        "details": { "jabberwock": { "inner": ["snickersnee"] } },
    });
    let mut ids = Vec::new();
    for scope in ["project", "private"] {
        let body = with(&with(&note("xylocarp seeds"), &words), &json!({ "scope": scope }));
        ids.push(remember(&alice.once(&format!("once-{scope}")), &body).await?);
        // Merged, so that the same words are written more than once.
        assert_eq!(alice.post("/v1/memories", &body).await?.status, 200);
    }
    let superseded = with(&with(&note("xylocarp roots"), &words), &json!({ "stream": "roots" }));
    ids.push(remember(&alice, &superseded).await?);
    let newer = with(&note("roots of something"), &json!({ "supersedes": ids[2], "stream": "roots" }));
    remember(&alice, &newer).await?;
    let kept = remember(&alice, &note(KEPT)).await?;
    for word in REDACTED {
        assert!(on_disk(&store, word).await? > 0, "{word} has to be there before");
    }
    let before =
        recall(&alice, "jabberwock", &json!({ "include_ended": true, "scopes": ["private", "project"] })).await?;
    assert!(ids.iter().all(|id| before.contains(id)), "{before:?}");

    for (id, by) in ids.iter().zip([&olga, &alice, &alice]) {
        change(&by.once(&format!("redact-{id}")), id, "redact", &json!({ "reason": "not for us" })).await?.ok()?;
    }
    for word in REDACTED {
        assert_eq!(recall(&alice, word, &json!({ "include_ended": true })).await?, Vec::<String>::new(), "{word}");
    }
    let mut server = scene.server;
    server.stop().await?;
    for word in REDACTED {
        assert_eq!(on_disk(&store, word).await?, 0, "{word} is left");
    }
    assert!(on_disk(&store, KEPT).await? > 0, "nothing was looked at");
    assert!(on_disk(&store, &kept).await? > 0 || store.database().is_none());
    let log = server.logs().everything();
    assert!(REDACTED.iter().all(|word| !log.contains(word)), "nor in the log");
    Ok(())
}

/// How often a word is in what the store keeps: in the bytes of its files, or in all rows of all tables.
async fn on_disk(store: &Store, word: &str) -> Outcome<usize> {
    if store.database().is_none() {
        return files(store.data(), word.as_bytes());
    }
    let tables = "SELECT quote_ident(table_name) FROM information_schema.tables \
                  WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
    let tables = store.texts(tables).await?;
    if tables.len() < 10 {
        return Err(Fault::new(format!("there are only these tables: {tables:?}")));
    }
    let hex = word.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let mut count = 0;
    for table in tables {
        let rows = store.texts(&format!("SELECT CAST(t AS TEXT) FROM {table} t")).await?;
        count += rows.iter().filter(|row| row.contains(word) || row.contains(&hex)).count();
    }
    Ok(count)
}

fn files(folder: &Path, word: &[u8]) -> Outcome<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            count += files(&path, word)?;
        } else {
            let bytes = std::fs::read(&path)?;
            count += bytes.windows(word.len()).filter(|window| window.eq_ignore_ascii_case(word)).count();
        }
    }
    Ok(count)
}

async fn a_tombstone_stays(store: Store) -> Outcome {
    let mut scene = Scene::open(&store).await?;
    let (alice, bob, olga) = (scene.alice.clone(), scene.bob.clone(), scene.olga.clone());
    let first = remember(&alice, &note("before it")).await?;
    let id = remember(&alice, &note("the name of a customer")).await?;
    scene.told().await?;
    let redacted = change(&olga, &id, "redact", &json!({ "reason": "a name" })).await?.ok()?;
    assert!(redacted["redacted_at"].is_string());
    assert_eq!(scene.told().await?, (vec!["olga memory.redact ok".to_owned()], vec!["memory.redacted".to_owned()]));
    let tombstone = get(&bob, &id).await?.ok()?;
    assert_eq!(
        (tombstone.get("content"), word(&tombstone["agent"]), &tombstone["position"]),
        (None, "alice".to_owned(), &json!(2))
    );
    assert_eq!((&tombstone["redacted"]["by"], &tombstone["redacted"]["reason"]), (&json!("olga"), &json!("a name")));
    assert_eq!(list(&alice, &[("include_ended", "true")]).await?, [first.as_str()]);
    assert!(!export(&alice, &[]).await?.contains(&id));
    for (what, body) in [
        ("redact", none()),
        ("pin", none()),
        ("feedback", json!({ "verdict": "helpful" })),
        ("supersede", json!({ "by": first })),
    ] {
        change(&alice, &id, what, &body).await?.problem(410, "memory-redacted")?;
    }
    change(&alice, &first, "supersede", &json!({ "by": id })).await?.problem(410, "memory-redacted")?;
    let again = remember(&alice, &note("the name of a customer")).await?;
    assert_ne!(again, id, "what is said anew is new");
    Ok(())
}
