//! Two servers whose clocks are an hour apart, and both wrong, work on one database: what is due, and for how long
//! something is held, goes by the database's clock alone.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use e2e::client::Client;
use e2e::database::Database;
use e2e::keyring::Keyring;
use e2e::logs::note;
use e2e::server::Server;
use e2e::store::Store;
use e2e::work::{Claimed, task};
use e2e::{Fault, Outcome};
use serde_json::{Value, json};
use std::time::Duration;

/// How far from the database's clock an instant may be that was just drawn from it.
const JUST: TimeDelta = TimeDelta::seconds(3);
/// What comes due is found within this time.
const FOUND_WITHIN: TimeDelta = TimeDelta::milliseconds(2_000);

fn instant(value: &Value) -> Outcome<DateTime<Utc>> {
    Ok(DateTime::parse_from_rfc3339(value.as_str().unwrap_or_default())?.to_utc())
}

fn now(database: &Database) -> Outcome<DateTime<Utc>> {
    let now =
        database.sql("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")?;
    Ok(DateTime::parse_from_rfc3339(&now)?.to_utc())
}

/// What the server itself takes for the time.
async fn own_time(server: &Server) -> Outcome<DateTime<Utc>> {
    let reply = server.stranger()?.get("/live").await?;
    Ok(DateTime::parse_from_rfc2822(reply.header("date").unwrap_or_default())?.to_utc())
}

fn since(claimed: &Claimed) -> Outcome<DateTime<Utc>> {
    instant(&claimed.task["lease"]["since"])
}

/// One claims a task and leaves it, and hands in another one for later. For the other one, at the other server, neither
/// comes before its time by the database's clock, nor much later.
async fn leaves_to(one: &Client, other: &Client, name: &str, database: &Database) -> Outcome {
    let [later, left] = ["later", "left"].map(|kind| format!("{kind}-{name}"));
    let from = now(database)?;
    let due = from + TimeDelta::seconds(3);
    one.submit(&[task("later", &json!({ "type": later, "not_before": due })), task("left", &json!({ "type": left }))])
        .await?;
    let first = one.claim(&json!({ "types": [left], "lease_seconds": 5 })).await?.claimed()?;
    let [first] = first.as_slice() else { return Err(Fault::new(format!("claimed {first:?}"))) };
    assert!((since(first)? - from).abs() < JUST, "claimed at {}", since(first)?);
    assert_eq!(first.lease_until - since(first)?, TimeDelta::seconds(5));
    let nothing = other.claim(&json!({ "types": [left, later] })).await?.claimed()?;
    assert_eq!(nothing, [], "neither is over nor due");

    let wait = |kind: &str| json!({ "types": [kind], "wait_seconds": 20 });
    let (for_later, for_left) = (wait(&later), wait(&left));
    let (later, left) = tokio::try_join!(other.claim(&for_later), other.claim(&for_left))?;
    let (later, left) = (later.claimed()?, left.claimed()?);
    let ([later], [left]) = (later.as_slice(), left.as_slice()) else {
        return Err(Fault::new(format!("claimed {later:?} and {left:?}")));
    };
    for (what, due, claimed) in [("what was for later", due, later), ("what was left", first.lease_until, left)] {
        let late = since(claimed)? - due;
        note(format_args!("{what} was claimed {late} after it was due"));
        assert!(late >= TimeDelta::zero() && late < FOUND_WITHIN, "{what} was claimed {late} after it was due");
    }
    assert_eq!((later.attempt, left.attempt), (1, 2));
    one.say("complete", first, &json!({})).await?.problem(410, "claim-stale")?;
    for done in [later, left] {
        other.complete(done).await?;
    }
    Ok(())
}

#[tokio::test]
async fn two_servers_with_clocks_an_hour_apart_agree_on_what_is_due() -> Outcome {
    let store = Store::postgres()?;
    let database = store.database().ok_or_else(|| Fault::new("this story needs PostgreSQL"))?;
    let keyring = Keyring::usual();
    let ahead = store.launch()?.keys(&keyring).clock("+30m")?.start().await?;
    let behind = store.launch()?.keys(&keyring).clock("-30m")?.start().await?;
    let apart = own_time(&ahead).await? - own_time(&behind).await?;
    assert!((apart - TimeDelta::hours(1)).abs() < JUST, "the clocks are {apart} apart");
    let (alice, bob) = (ahead.agent("alice")?, behind.agent("bob")?);
    let is_now = |at: DateTime<Utc>| Ok::<_, Fault>((at - now(database)?).abs() < JUST);

    // Schedules that the one clock has passed already, and the other is far from.
    for (server, name, minutes) in [(&ahead, "by-ahead", 10), (&behind, "by-behind", 15)] {
        let due = now(database)? + TimeDelta::minutes(minutes);
        let body = json!({ "name": name, "cron": format!("{} * * * *", due.minute()), "missed": "all",
                           "task": { "type": "scheduled", "title": name } });
        let schedule = server.agent("olga")?.post("/v1/schedules", &body).await?;
        assert_eq!(schedule.status, 201, "{}", schedule.text);
        let next = instant(&schedule.body["next_fires"][0])?;
        assert!((due - next).abs() <= TimeDelta::minutes(1), "{next} instead of {due}");
    }

    tokio::try_join!(leaves_to(&alice, &bob, "to-bob", database), leaves_to(&bob, &alice, "to-alice", database))?;

    // Locks and sessions, as well.
    let wish = json!({ "keys": [{ "key": "a" }], "ttl_seconds": 60 });
    let lock = alice.acquire(&wish).await?.grants()?.remove(0);
    assert!(is_now(lock.granted_at)? && lock.expires_at - lock.granted_at == TimeDelta::seconds(60), "{lock:?}");
    bob.acquire(&wish).await?.problem(409, "lock-held")?;

    tokio::time::sleep(Duration::from_millis(500)).await;
    let fired = store.texts("SELECT 'x' FROM tasks WHERE terms LIKE '%scheduled%'").await?;
    assert_eq!(fired.len(), 0, "a schedule has fired before its time");
    let stamps = store
        .texts("SELECT 'x' FROM audit_entries WHERE abs(at_us - extract(epoch FROM clock_timestamp()) * 1e6) > 120e6")
        .await?;
    assert_eq!(stamps.len(), 0, "a line bears a server's own time");
    Ok(())
}
