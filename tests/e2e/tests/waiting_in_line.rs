//! Who waits gets the lock as soon as it is free, in the order of arrival, and whoever goes away leaves the line.

use e2e::audit::{Watch, entries};
use e2e::client::{Client, Grant};
use e2e::keyring::Keyring;
use e2e::logs::note;
use e2e::store::Store;
use e2e::{Fault, Outcome, on_both_stores, poll};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const FILE: &str = "src/main.rs";
const SOON: Duration = Duration::from_secs(5);
/// The promise is 100 ms on the same server; a busy machine gets some more.
const AT_ONCE: Duration = Duration::from_millis(400);
/// The promise across servers, whether word comes through or not.
const ACROSS: Duration = Duration::from_secs(1);

on_both_stores! {
    a_waiter_is_woken_by_a_release
    a_waiter_is_woken_by_an_expiry
    a_wait_that_ends_in_vain_keeps_the_place_by_a_ticket
    the_line_is_served_in_order_of_arrival
    a_wait_that_would_close_a_circle_is_refused_at_once
    a_client_that_goes_away_leaves_the_line
    a_ticket_is_good_for_its_owner_and_its_wish_only
}

fn wait_for(key: &str, mode: &str, seconds: u32) -> Value {
    json!({ "keys": [{ "key": key, "mode": mode }], "ttl_seconds": 60, "wait_seconds": seconds })
}

/// Waits until so many stand in line for a key.
async fn line_of(client: &Client, key: &str, waiters: usize) -> Outcome<Value> {
    poll::until(&format!("{waiters} in line for {key}"), SOON, async || {
        let line = client.status(key).await?["line"].take();
        Ok((line.as_array().map(Vec::len) == Some(waiters)).then_some(line))
    })
    .await
}

/// Starts a wait and comes back when it stands in line; the wait answers the grant and the instant it came.
async fn start_waiting(tasks: &mut JoinSet<Outcome<(Grant, Instant)>>, client: &Client, key: &str) -> Outcome {
    let before = client.status(key).await?["line"].as_array().map_or(0, Vec::len);
    let (waiter, wish) = (client.clone(), wait_for(key, "exclusive", 30));
    tasks.spawn(async move {
        let grant = waiter.acquire(&wish).await?.grants()?.remove(0);
        Ok((grant, Instant::now()))
    });
    line_of(client, key, before + 1).await.map(drop)
}

async fn woken(tasks: &mut JoinSet<Outcome<(Grant, Instant)>>) -> Outcome<(Grant, Instant)> {
    tasks.join_next().await.ok_or_else(|| Fault::new("nobody waits"))??
}

async fn a_waiter_is_woken_by_a_release(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let held = alice.take(FILE).await?;
        let mut waiting = JoinSet::new();
        start_waiting(&mut waiting, &bob, FILE).await?;
        let began = Instant::now();
        alice.release(&[held.token]).await?.ok()?;
        let (grant, at) = woken(&mut waiting).await?;
        assert!(grant.token > held.token && grant.agent == "bob", "{grant:?}");
        slowest = slowest.max(at - began);
        bob.release(&[grant.token]).await?.ok()?;
    }
    note(format_args!("woken after a release within {slowest:?}, the release included"));
    assert!(slowest < AT_ONCE, "woken only after {slowest:?}");
    Ok(())
}

async fn a_waiter_is_woken_by_an_expiry(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let mut log = Watch::new(server.agent("olga")?).await?;
    let held = alice.acquire(&json!({ "keys": [{ "key": FILE }], "ttl_seconds": 5 })).await?.grants()?.remove(0);
    let grant = bob.acquire(&wait_for(FILE, "exclusive", 30)).await?.grants()?.remove(0);
    let late = grant.granted_at - held.expires_at;
    note(format_args!("granted {late} after the expiry, by the store's clock"));
    assert!(late >= chrono::TimeDelta::zero(), "no lock is given away before its time is over: {late}");
    assert!(late.to_std()? < AT_ONCE, "woken only {late} after the expiry");
    let expired = entries(&server.agent("olga")?, &[("operation", "lock.expire")]).await?;
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0]["before"]["token"], held.token);
    assert_ne!(expired[0]["agent"], "bob", "nobody is blamed for what ended by itself");
    assert!(log.told().await?.contains(&"bob lock.acquire ok".to_owned()));
    alice.renew(&[held.token], 60).await?.problem(410, "token-stale")?;
    Ok(())
}

async fn a_wait_that_ends_in_vain_keeps_the_place_by_a_ticket(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let held = alice.take(FILE).await?;
    let began = Instant::now();
    let refusal = bob.acquire(&wait_for(FILE, "exclusive", 1)).await?.problem(409, "lock-held")?;
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_millis(950) && waited < Duration::from_secs(3),
        "waited {waited:?} for one second"
    );
    assert_eq!(refusal["position"], 1);
    let ticket = refusal["ticket"].clone();
    assert!(ticket.is_string(), "{refusal}");

    // Olga comes after Bob, and does not overtake him once the file is free.
    let second = olga.acquire(&wait_for(FILE, "shared", 1)).await?.problem(409, "lock-held")?;
    assert_eq!(second["position"], 2, "{second}");
    alice.release(&[held.token]).await?.ok()?;
    let overtaking = olga.acquire(&json!({ "keys": [{ "key": FILE, "mode": "shared" }] })).await?;
    let conflicts = overtaking.problem(409, "lock-held")?["conflicts"].clone();
    assert_eq!((&conflicts[0]["kind"], &conflicts[0]["agent"]), (&json!("ahead_in_line"), &json!("bob")));

    let mut wish = wait_for(FILE, "exclusive", 0);
    wish["ticket"] = ticket;
    let grant = bob.acquire(&wish).await?.grants()?.remove(0);
    assert!(grant.token > held.token);
    bob.acquire(&wish).await?.problem(410, "ticket-expired")?;
    Ok(())
}

async fn the_line_is_served_in_order_of_arrival(store: Store) -> Outcome {
    let names = ["first", "second", "third", "fourth"];
    let keyring = names.iter().fold(Keyring::usual(), |keyring, name| keyring.with(name, "agent"));
    let server = store.launch()?.keys(&keyring).start().await?;
    let alice = server.agent("alice")?;
    let held = alice.take(FILE).await?;
    let mut waiting = JoinSet::new();
    for name in names {
        start_waiting(&mut waiting, &server.agent(name)?, FILE).await?;
    }
    let line = line_of(&alice, FILE, names.len()).await?;
    let agents: Vec<&Value> = line.as_array().into_iter().flatten().map(|waiter| &waiter["agent"]).collect();
    assert_eq!(agents, names);
    assert_eq!((&line[0]["position"], &line[3]["position"]), (&json!(1), &json!(4)));
    alice.release(&[held.token]).await?.ok()?;
    for name in names {
        let (grant, _) = woken(&mut waiting).await?;
        assert_eq!(grant.agent, name, "first come, first served");
        server.agent(name)?.release(&[grant.token]).await?.ok()?;
    }
    Ok(())
}

async fn a_wait_that_would_close_a_circle_is_refused_at_once(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    let hers = alice.take("a").await?;
    bob.take("b").await?;
    let mut waiting = JoinSet::new();
    start_waiting(&mut waiting, &bob, "a").await?;
    let began = Instant::now();
    let refusal = alice.acquire(&wait_for("b", "exclusive", 30)).await?.problem(409, "deadlock")?;
    assert!(began.elapsed() < SOON, "refused only after {:?}", began.elapsed());
    let cycle = refusal["cycle"].as_array().cloned().unwrap_or_default();
    assert_eq!(cycle.len(), 2, "{cycle:?}");
    assert_eq!((&cycle[0]["agent"], &cycle[0]["waits_for"]), (&json!("alice"), &json!("b")));
    assert_eq!((&cycle[1]["agent"], &cycle[1]["held_by"]), (&json!("bob"), &json!("alice")));
    alice.release(&[hers.token]).await?.ok()?;
    assert_eq!(woken(&mut waiting).await?.0.agent, "bob");
    Ok(())
}

async fn a_client_that_goes_away_leaves_the_line(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    let held = alice.take(FILE).await?;
    let mut waiting = JoinSet::new();
    start_waiting(&mut waiting, &bob, FILE).await?;
    let began = Instant::now();
    waiting.shutdown().await;
    line_of(&alice, FILE, 0).await?;
    note(format_args!("out of the line {:?} after the connection was closed", began.elapsed()));
    alice.release(&[held.token]).await?.ok()?;
    olga.take(FILE).await?;
    Ok(())
}

async fn a_ticket_is_good_for_its_owner_and_its_wish_only(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
    alice.take(FILE).await?;
    let refusal = bob.acquire(&wait_for(FILE, "exclusive", 1)).await?.problem(409, "lock-held")?;
    let ticket = refusal["ticket"].as_str().unwrap_or_default().to_owned();
    let with_ticket = |key: &str| json!({ "keys": [{ "key": key }], "ticket": ticket });
    olga.acquire(&with_ticket(FILE)).await?.problem(403, "ticket-not-yours")?;
    bob.acquire(&with_ticket("other")).await?.problem(422, "ticket-mismatch")?;
    let path = format!("/v1/locks/tickets/{ticket}");
    olga.delete(&path).await?.problem(403, "ticket-not-yours")?;
    assert_eq!(bob.delete(&path).await?.ok()?, json!({ "left": true }));
    assert_eq!(bob.delete(&path).await?.ok()?, json!({ "left": false }));
    bob.acquire(&with_ticket(FILE)).await?.problem(410, "ticket-expired")?;
    Ok(())
}

#[tokio::test]
async fn a_place_that_is_not_taken_up_again_is_lost_after_fifteen_seconds() -> Outcome {
    let store = Store::sqlite()?;
    let server = store.serve().await?;
    let (alice, bob) = (server.agent("alice")?, server.agent("bob")?);
    alice.take(FILE).await?;
    let refusal = bob.acquire(&wait_for(FILE, "exclusive", 1)).await?.problem(409, "lock-held")?;
    let began = Instant::now();
    poll::until("the place to be lost", Duration::from_secs(20), async || {
        let line = alice.status(FILE).await?["line"].take();
        Ok((line == json!([])).then_some(()))
    })
    .await?;
    assert!(began.elapsed() > Duration::from_secs(13), "lost after {:?} already", began.elapsed());
    let mut wish = wait_for(FILE, "exclusive", 0);
    wish["ticket"] = refusal["ticket"].clone();
    bob.acquire(&wish).await?.problem(410, "ticket-expired")?;
    Ok(())
}

/// Ends the connections by which servers send each other word.
const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
     WHERE datname = current_database() AND application_name = 'pointsman bell'";

/// How long it takes at most until a waiter on another server has what was released.
async fn slowest_across(holder: &Client, waiter: &Client, before: impl Fn() -> Outcome) -> Outcome<Duration> {
    let mut slowest = Duration::ZERO;
    for _ in 0..4 {
        let held = holder.take(FILE).await?;
        let mut waiting = JoinSet::new();
        start_waiting(&mut waiting, waiter, FILE).await?;
        before()?;
        let began = Instant::now();
        holder.release(&[held.token]).await?.ok()?;
        let (grant, at) = woken(&mut waiting).await?;
        slowest = slowest.max(at - began);
        waiter.release(&[grant.token]).await?.ok()?;
    }
    Ok(slowest)
}

#[tokio::test]
async fn a_waiter_on_another_server_is_woken_within_a_second() -> Outcome {
    let store = Store::postgres()?;
    let (one, other) = (store.serve().await?, store.serve().await?);
    let (alice, bob) = (one.agent("alice")?, other.agent("bob")?);
    let by_word = slowest_across(&alice, &bob, || Ok(())).await?;
    note(format_args!("woken across servers within {by_word:?}"));
    assert!(by_word < ACROSS, "woken only after {by_word:?}");

    let database = store.database().ok_or_else(|| Fault::new("this story needs PostgreSQL"))?;
    // What was cut may not have been made anew when the next round comes to cut it.
    let cut = Cell::new(false);
    let in_silence = slowest_across(&alice, &bob, || {
        cut.set(cut.get() | (database.sql(CUT)? != "0"));
        Ok(())
    });
    let in_silence = in_silence.await?;
    assert!(cut.get(), "there was a line to cut");
    note(format_args!("woken across servers within {in_silence:?} while no word came through"));
    assert!(in_silence < ACROSS, "woken only after {in_silence:?}");

    let held = alice.acquire(&json!({ "keys": [{ "key": FILE }], "ttl_seconds": 5 })).await?.grants()?.remove(0);
    let grant = bob.acquire(&wait_for(FILE, "exclusive", 30)).await?.grants()?.remove(0);
    let late = grant.granted_at - held.expires_at;
    note(format_args!("granted on the other server {late} after the expiry"));
    assert!(late >= chrono::TimeDelta::zero() && late.to_std()? < ACROSS, "granted {late} after the expiry");
    Ok(())
}
