//! Whoever waits for work gets it as soon as there is some, and what a worker leaves behind comes back.

use crate::scene::{Scene, instant};
use chrono::{DateTime, Utc};
use e2e::client::Client;
use e2e::keyring::Keyring;
use e2e::logs::note;
use e2e::store::Store;
use e2e::work::{Claimed, task};
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The promise is 100 ms on the same server and 1 s across servers; a busy machine gets some more.
const AT_ONCE: Duration = Duration::from_millis(400);
const BY_POLLING: Duration = Duration::from_millis(1_500);
/// What is left behind is tidied up every 2 s.
const TIDY: Duration = Duration::from_secs(3);
/// After this time a call that was sent surely waits.
const SETTLED: Duration = Duration::from_millis(200);

on_both_stores! {
    whoever_waits_is_woken_by_whatever_makes_work_ready
    so_many_tasks_serve_so_many_who_wait
}

/// Lets somebody wait for work while something happens: what came of it, and how long after that.
async fn woken_by(
    waiter: &Client,
    wish: &Value,
    happens: impl Future<Output = Outcome>,
) -> Outcome<(Claimed, Duration)> {
    let waiting = async {
        let mut claimed = waiter.claim(wish).await?.claimed()?;
        let at = Instant::now();
        Ok::<_, Fault>((claimed.pop().ok_or_else(|| Fault::new("the wait was in vain"))?, at))
    };
    let change = async {
        tokio::time::sleep(SETTLED).await;
        let began = Instant::now();
        happens.await?;
        Ok::<_, Fault>(began)
    };
    let ((claimed, at), began) = tokio::try_join!(waiting, change)?;
    Ok((claimed, at.saturating_duration_since(began)))
}

async fn whoever_waits_is_woken_by_whatever_makes_work_ready(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let (alice, bob) = (&scene.alice, &scene.bob);
    let wait = json!({ "wait_seconds": 20, "types": ["build"] });
    let mut slowest = Duration::ZERO;
    let mut note_time = |what: &str, took: Duration| {
        note(format_args!("woken by {what} after {took:?}"));
        slowest = slowest.max(took);
    };

    let (first, took) = woken_by(bob, &wait, async {
        // What is of no use to Bob does not end his wait.
        alice.submit_one(&task("other", &json!({ "type": "paint" }))).await?;
        alice.submit_one(&task("first", &json!({ "resources": [{ "key": "a" }] }))).await.map(drop)
    })
    .await?;
    note_time("new work", took);
    let after = json!({ "depends_on": [first.id()] });
    alice.submit_one(&task("after", &after)).await?;
    alice.submit_one(&task("same key", &json!({ "resources": [{ "key": "a" }] }))).await?;
    let (second, took) = woken_by(alice, &wait, async { bob.complete(&first).await.map(drop) }).await?;
    note_time("the end of what was waited for", took);
    let third = bob.claim(&wait).await?.claimed()?.remove(0);

    let (again, took) =
        woken_by(alice, &wait, async { bob.say("release", &third, &json!({})).await?.ok().map(drop) }).await?;
    note_time("a task given back", took);
    assert_eq!((again.id(), again.attempt), (third.id(), 2));
    alice.complete(&again).await?;
    alice.complete(&second).await?;

    let tomorrow = (scene.now().await? + chrono::TimeDelta::days(1)).to_rfc3339();
    let later = alice.submit_one(&task("later", &json!({ "not_before": tomorrow }))).await?;
    let forward = async { alice.steer("reschedule", &later, &json!({})).await?.ok().map(drop) };
    let (claimed, took) = woken_by(bob, &wait, forward).await?;
    note_time("a task brought forward", took);
    assert_eq!(claimed.id(), later);

    let held = scene.olga.take("b").await?;
    alice.submit_one(&task("needs b", &json!({ "resources": [{ "key": "b" }] }))).await?;
    let free = async { scene.olga.release(&[held.token]).await?.ok().map(drop) };
    let (_, took) = woken_by(bob, &wait, free).await?;
    note_time("a lock that became free", took);

    let limit = json!({ "concurrency": { "key": "k", "limit": 1 } });
    alice.submit(&[task("runs", &limit), task("waits", &limit)]).await?;
    let runs = alice.claim(&wait).await?.claimed()?.remove(0);
    let (_, took) = woken_by(bob, &wait, async { alice.complete(&runs).await.map(drop) }).await?;
    note_time("a place of a key", took);

    let short = alice.session("short");
    alice.submit_one(&task("left behind", &json!({}))).await?;
    let left = short.claim(&wait).await?.claimed()?.remove(0);
    let end = async { short.post("/v1/sessions/end", &json!({})).await?.ok().map(drop) };
    let (claimed, took) = woken_by(bob, &wait, end).await?;
    note_time("the end of a session", took);
    assert_eq!(claimed.id(), left.id());

    let soon = scene.now().await? + chrono::TimeDelta::seconds(2);
    alice.submit_one(&task("in a moment", &json!({ "not_before": soon.to_rfc3339() }))).await?;
    let claimed = bob.claim(&wait).await?.claimed()?.remove(0);
    let late = instant(&claimed.task["lease"]["since"])? - soon;
    note(format_args!("handed out {late} after its time had come, by the store's clock"));
    assert!(late >= chrono::TimeDelta::zero() && late.to_std()? < BY_POLLING, "{late}");
    assert!(slowest < AT_ONCE, "woken only after {slowest:?}");

    let began = Instant::now();
    assert_eq!(bob.claim(&json!({ "wait_seconds": 1, "types": ["build"] })).await?.claimed()?, []);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(950) && waited < TIDY, "waited {waited:?} for one second");
    Ok(())
}

async fn so_many_tasks_serve_so_many_who_wait(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let mut waiting = JoinSet::new();
    for number in 0..8 {
        let worker = scene.bob.session(&format!("worker-{number}"));
        waiting.spawn(async move { worker.claim(&json!({ "wait_seconds": 3 })).await?.claimed() });
    }
    tokio::time::sleep(SETTLED).await;
    let mut ids = scene.alice.submit(&["a", "b", "c"].map(|title| task(title, &json!({})))).await?;
    let mut got = Vec::new();
    let mut empty = 0;
    while let Some(claimed) = waiting.join_next().await {
        let claimed: Vec<Claimed> = claimed??;
        assert!(claimed.len() <= 1);
        empty += usize::from(claimed.is_empty());
        got.extend(claimed.iter().map(|one| one.id().to_owned()));
    }
    got.sort_unstable();
    ids.sort_unstable();
    assert_eq!((got, empty), (ids, 5), "each task went to one of them, the others waited in vain");
    Ok(())
}

#[tokio::test]
async fn whoever_waits_at_another_server_is_woken_within_a_second() -> Outcome {
    let store = Store::postgres()?;
    let (one, other) = (store.serve().await?, store.serve().await?);
    let (alice, bob) = (one.agent("alice")?, other.agent("bob")?);
    let mut slowest = Duration::ZERO;
    for round in 0..4 {
        let wish = task(&format!("round {round}"), &json!({}));
        let submit = async { alice.submit_one(&wish).await.map(drop) };
        let (claimed, took) = woken_by(&bob, &json!({ "wait_seconds": 20 }), submit).await?;
        slowest = slowest.max(took);
        bob.complete(&claimed).await?;
    }
    note(format_args!("woken across servers within {slowest:?}"));
    assert!(slowest < BY_POLLING, "woken only after {slowest:?}");
    Ok(())
}

/// The same story on both stores at once, because it takes its time.
async fn at_once<S: Future<Output = Outcome>>(story: impl Fn(Store) -> S) -> Outcome {
    tokio::try_join!(story(Store::sqlite()?), story(Store::postgres()?)).map(drop)
}

#[tokio::test]
async fn poison_work_ends_as_a_dead_letter() -> Outcome {
    at_once(async |store: Store| poison(store).await).await
}

/// A task that kills each worker: whoever takes it is never heard of again.
async fn poison(store: Store) -> Outcome {
    let keyring = (0..3).fold(Keyring::usual(), |keyring, number| keyring.with(&format!("victim-{number}"), "agent"));
    let server = store.launch()?.keys(&keyring).start().await?;
    let alice = server.agent("alice")?;
    let wish = json!({ "lease_seconds": 5, "max_attempts": 2, "resources": [{ "key": "src/a.rs" }] });
    let id = alice.submit_one(&task("poison", &wish)).await?;
    let healthy = alice.submit_one(&task("healthy", &json!({ "not_before": null, "priority": 10 }))).await?;
    let mut last: Option<DateTime<Utc>> = None;
    for number in 0..2 {
        let victim = server.agent(&format!("victim-{number}"))?;
        let claimed = victim.claim(&json!({ "wait_seconds": 10 })).await?.claimed()?.remove(0);
        if claimed.id() == healthy {
            victim.complete(&claimed).await?;
            return Err(Fault::new("the healthy task went first"));
        }
        if let Some(until) = last {
            let late = instant(&claimed.task["lease"]["since"])? - until;
            assert!(late >= chrono::TimeDelta::zero() && late.to_std()? < TIDY, "came back {late} after its time");
        }
        assert_eq!((claimed.id(), claimed.attempt), (id.as_str(), number + 1));
        last = Some(claimed.lease_until);
        if number == 0 {
            // Others are not affected.
            let other = server.agent("victim-2")?.claim_one().await?;
            assert_eq!(other.id(), healthy);
            server.agent("victim-2")?.complete(&other).await?;
        }
    }
    let dead = e2e::poll::until("the poison to be a dead letter", Duration::from_secs(10), async || {
        let task = alice.task(&id).await?;
        Ok((task["status"] == "dead").then_some(task))
    })
    .await?;
    assert_eq!(dead["cause"]["why"], "attempts_used_up");
    let late = instant(&dead["ended_at"])? - last.unwrap_or_default();
    assert!(late >= chrono::TimeDelta::zero() && late.to_std()? < TIDY, "dead {late} after its last time was over");
    let attempts = alice.attempts(&id).await?;
    assert!(attempts.len() == 2 && attempts.iter().all(|one| one["how"] == "lapsed"), "{attempts:?}");
    assert_eq!(alice.status("src/a.rs").await?["holders"], json!([]));
    let lapses = e2e::audit::entries(&server.agent("olga")?, &[("operation", "task.lapse")]).await?;
    assert_eq!(lapses.len(), 2, "each lapse has its line: {lapses:?}");
    assert_eq!(alice.claim(&json!({})).await?.claimed()?, []);
    Ok(())
}

#[tokio::test]
async fn a_deadline_ends_what_waits_and_what_runs() -> Outcome {
    at_once(async |store: Store| deadline(store).await).await
}

async fn deadline(store: Store) -> Outcome {
    let scene = Scene::open(&store).await?;
    let at = scene.now().await? + chrono::TimeDelta::seconds(4);
    let wish = json!({ "deadline": at.to_rfc3339(), "name": "a" });
    let tasks = [
        task("runs", &wish),
        task("waits", &json!({ "deadline": at.to_rfc3339(), "priority": 10 })),
        task("behind", &json!({ "depends_on": ["a"] })),
    ];
    let ids = scene.alice.submit(&tasks).await?;
    let claimed = scene.bob.claim_one().await?;
    assert_eq!(claimed.lease_until, at, "a claim never reaches past the deadline");
    let beat = scene.bob.say("heartbeat", &claimed, &json!({})).await?.ok()?;
    assert_eq!(instant(&beat["lease_until"])?, at);
    let statuses = e2e::poll::until("the deadline to be noticed", Duration::from_secs(12), async || {
        let mut statuses = Vec::new();
        for id in &ids {
            statuses.push(scene.alice.task_status(id).await?);
        }
        Ok((!statuses.iter().any(|status| status == "leased" || status == "ready")).then_some(statuses))
    })
    .await?;
    assert_eq!(statuses, ["expired", "expired", "cancelled"]);
    for id in &ids[..2] {
        assert_eq!(instant(&scene.alice.task(id).await?["ended_at"])?, at);
    }
    scene.bob.say("complete", &claimed, &json!({})).await?.problem(410, "claim-stale")?;
    scene.nothing_to_claim().await
}
