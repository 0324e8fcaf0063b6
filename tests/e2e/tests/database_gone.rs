//! The database stops, crashes or hangs: the server says so in time, and is well again by itself.

use e2e::client::{Client, Grant};
use e2e::database::Cluster;
use e2e::keyring::Keyring;
use e2e::logs::note;
use e2e::server::{Launch, Server};
use e2e::{Outcome, poll};
use serde_json::json;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the server promises, with some time for a busy machine to connect and answer.
const TOLD_WITHIN: Duration = Duration::from_millis(2_300);
/// Nobody waits longer for an answer 503: the wait for a connection and one for a statement, 5 s each.
const REFUSED_WITHIN: Duration = Duration::from_secs(12);
const WELL_WITHIN: Duration = Duration::from_secs(10);

struct Scene {
    cluster: Cluster,
    server: Server,
    alice: Client,
    held: Grant,
    _data: TempDir,
}

async fn scene() -> Outcome<Scene> {
    let (cluster, data) = (Cluster::start()?, TempDir::new()?);
    let server = Launch::new(data.path())?.postgres(&cluster.dsn).keys(&Keyring::usual()).start().await?;
    let alice = server.agent("alice")?;
    let health = server.stranger()?.get("/health").await?.ok()?;
    assert_eq!((&health["status"], &health["db"]), (&json!("ok"), &json!("connected")));
    assert!(health["version"].is_string());
    let held = alice.take("held").await?;
    Ok(Scene { cluster, server, alice, held, _data: data })
}

impl Scene {
    /// Health, readiness and calls all tell that the database is away, and the server lives.
    async fn tells_that_it_is_gone(&self) -> Outcome {
        let stranger = self.server.stranger()?;
        for path in ["/health", "/ready"] {
            let began = Instant::now();
            let reply = stranger.get(path).await?;
            note(format_args!("{path} answered {} after {:?}", reply.status, began.elapsed()));
            assert_eq!(reply.status, 503, "{}", reply.text);
            assert!(began.elapsed() < TOLD_WITHIN, "{path} answered only after {:?}", began.elapsed());
        }
        let health = stranger.get("/health").await?.body;
        assert_eq!((&health["status"], &health["db"]), (&json!("degraded"), &json!("unreachable")));
        assert_eq!(stranger.get("/live").await?.status, 200);
        assert_eq!(stranger.get("/metrics").await?.status, 200);

        let wish = json!({ "keys": [{ "key": "src/main.rs" }], "wait_seconds": 0 });
        for reply in [
            self.timed("acquire", self.alice.acquire(&wish)).await?,
            self.timed("renew", self.alice.renew(&[self.held.token], 60)).await?,
            self.timed("list", self.alice.get("/v1/locks")).await?,
            self.timed("audit", self.alice.get("/v1/audit")).await?,
        ] {
            assert!(reply.header("retry-after").is_some(), "{:?}", reply.headers);
            let problem = reply.problem(503, "unavailable")?;
            assert_eq!(problem["retryable"], true);
            assert!(problem["retry_after_ms"].is_u64() && problem["detail"].is_null(), "{problem}");
        }
        Ok(())
    }

    async fn timed<R>(&self, what: &str, call: impl Future<Output = Outcome<R>>) -> Outcome<R> {
        let began = Instant::now();
        let reply = call.await?;
        note(format_args!("{what} was answered after {:?}", began.elapsed()));
        assert!(began.elapsed() < REFUSED_WITHIN, "{what} was answered only after {:?}", began.elapsed());
        Ok(reply)
    }

    /// All is well again, in the same process, and what was held is held.
    async fn is_well_again(&mut self) -> Outcome {
        let stranger = self.server.stranger()?;
        let began = Instant::now();
        poll::until("the server to be well again", WELL_WITHIN, async || {
            let well = stranger.get("/health").await?.status == 200 && stranger.get("/ready").await?.status == 200;
            Ok(well.then_some(()))
        })
        .await?;
        note(format_args!("well again after {:?}", began.elapsed()));
        self.alice.renew(&[self.held.token], 600).await?.grants()?;
        assert!(self.alice.take("src/main.rs").await?.token > self.held.token);
        assert!(self.server.still_runs()?);
        Ok(())
    }
}

#[tokio::test]
async fn a_stopped_database_is_told_at_once_and_all_is_well_after_it_returns() -> Outcome {
    let mut scene = scene().await?;
    scene.cluster.stop()?;
    scene.tells_that_it_is_gone().await?;
    scene.cluster.start_again()?;
    scene.is_well_again().await
}

#[tokio::test]
async fn a_database_that_hangs_is_told_in_time_and_all_is_well_after_it_goes_on() -> Outcome {
    let mut scene = scene().await?;
    scene.cluster.pause()?;
    let told = scene.tells_that_it_is_gone().await;
    scene.cluster.resume()?;
    told?;
    scene.is_well_again().await
}

#[tokio::test]
async fn a_crash_of_the_database_loses_no_grant() -> Outcome {
    let mut scene = scene().await?;
    for _ in 0..3 {
        scene.cluster.crash_and_restart()?;
        poll::until("a call to get through", WELL_WITHIN, async || {
            let reply = scene.alice.renew(&[scene.held.token], 600).await?;
            if reply.status == 503 {
                reply.problem(503, "unavailable")?;
                return Ok(None);
            }
            reply.grants().map(Some)
        })
        .await?;
    }
    scene.is_well_again().await
}

#[tokio::test]
async fn a_waiter_outlives_a_database_that_is_away_for_a_moment_or_is_told() -> Outcome {
    let scene = scene().await?;
    let bob = scene.server.agent("bob")?;
    let wish = json!({ "keys": [{ "key": "held" }], "ttl_seconds": 60, "wait_seconds": 20 });
    let waiting = bob.acquire(&wish);
    let breaking = async {
        poll::until("Bob to stand in line", WELL_WITHIN, async || {
            Ok((scene.alice.status("held").await?["line"] != json!([])).then_some(()))
        })
        .await?;
        scene.cluster.crash_and_restart()
    };
    let (reply, broken) = tokio::join!(waiting, breaking);
    broken?;
    let reply = reply?;
    match reply.status {
        503 => assert_eq!(reply.problem(503, "unavailable")?["retryable"], true),
        _ => drop(reply.problem(409, "lock-held")?),
    }
    Ok(())
}

#[tokio::test]
async fn a_server_does_not_start_without_its_database_and_says_why() -> Outcome {
    let (cluster, data) = (Cluster::start()?, TempDir::new()?);
    cluster.stop()?;
    let launch = Launch::new(data.path())?.postgres(&cluster.dsn).keys(&Keyring::usual());
    let said = launch.refused().await?;
    assert!(said.contains("database"), "{said}");
    let password = reqwest::Url::parse(&cluster.dsn)?.password().unwrap_or("?").to_owned();
    assert!(!said.contains(&password), "the password is never printed");
    Ok(())
}
