//! Processes that hold work and are killed, or hang for longer than they said they would: others get the work, and
//! whoever comes back is told so and changes nothing.

use chrono::{DateTime, TimeDelta, Utc};
use e2e::audit::{Watch, tell};
use e2e::client::Client;
use e2e::keyring::key_of;
use e2e::logs::note;
use e2e::rows::Census;
use e2e::server::Server;
use e2e::store::Store;
use e2e::work::{Claimed, task};
use e2e::{Fault, Outcome, on_both_stores};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The shortest there is.
const LEASE: Duration = Duration::from_secs(5);
/// What has run out is found within this time.
const FOUND_WITHIN: TimeDelta = TimeDelta::milliseconds(2_000);

on_both_stores! {
    work_of_a_process_that_is_killed_or_hangs_goes_to_others
}

/// An agent's process.
struct Worker {
    process: Child,
    words: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// One that claims a task of a type.
    async fn start(server: &Server, session: &str, task_type: &str) -> Outcome<(Self, Claimed)> {
        let lease_seconds = LEASE.as_secs().to_string();
        let arguments = [server.url(), key_of("alice"), session.to_owned(), task_type.to_owned(), lease_seconds];
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let (Some(words), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Fault::new("a process without pipes"));
        };
        let mut worker = Self { process, words, answers: BufReader::new(answers).lines() };
        let mut claim = worker.answer("claim", 200).await?;
        let claimed = serde_json::from_value(claim["tasks"][0].take())?;
        Ok((worker, claimed))
    }

    /// The next answer it got, which must be to this.
    async fn answer(&mut self, said: &str, status: u16) -> Outcome<Value> {
        let line = self.answers.next_line().await?.ok_or_else(|| Fault::new("the worker has ended"))?;
        let mut answer: Value = serde_json::from_str(&line)?;
        if answer["said"] == said && answer["status"] == status {
            Ok(answer["body"].take())
        } else {
            Err(Fault::new(format!("expected {said} {status}, got {line}")))
        }
    }

    fn signal(&self, name: &str) -> Outcome {
        let pid = self.process.id().ok_or_else(|| Fault::new("the worker has ended"))?;
        e2e::database::run(std::process::Command::new("sh").args(["-c", &format!("kill -{name} {pid}")])).map(drop)
    }
}

fn instant(value: &Value) -> Outcome<DateTime<Utc>> {
    Ok(DateTime::parse_from_rfc3339(value.as_str().unwrap_or_default())?.to_utc())
}

/// Waits for a task of a type, and expects it soon after the claim before was over, with all its locks.
async fn next_claim(bob: &Client, task_type: &str, heard: &Value) -> Outcome<Claimed> {
    let wish = json!({ "types": [task_type], "wait_seconds": 20 });
    let mut claimed = bob.claim(&wish).await?.claimed()?;
    let claimed = claimed.pop().ok_or_else(|| Fault::new(format!("the {task_type} task did not come back")))?;
    let (until, since) = (instant(&heard["lease_until"])?, instant(&claimed.task["lease"]["since"])?);
    note(format_args!("the {task_type} task came back {} after its time", since - until));
    assert!(since >= until, "claimed at {since}, and the claim before was until {until}");
    assert!(since - until < FOUND_WITHIN, "claimed at {since}, {} after the claim before was over", since - until);
    assert_eq!((claimed.attempt, claimed.locks.len()), (2, 1));
    assert_eq!(claimed.locks[0].agent, "bob");
    Ok(claimed)
}

async fn work_of_a_process_that_is_killed_or_hangs_goes_to_others(store: Store) -> Outcome {
    let server = store.serve().await?;
    let (bob, olga) = (server.agent("bob")?, server.agent("olga")?);
    for agent in [&bob, &olga] {
        agent.claim(&json!({})).await?.ok()?;
    }
    let of = |kind: &str| task(kind, &json!({ "type": kind, "resources": [{ "key": format!("src/{kind}/**") }] }));
    olga.submit(&[of("killed"), of("stopped")]).await?;
    let (mut killed, first) = Worker::start(&server, "killed", "killed").await?;
    let (mut stopped, second) = Worker::start(&server, "stopped", "stopped").await?;
    assert_eq!((first.attempt, second.attempt), (1, 1));
    let mut log = Watch::new(olga.clone()).await?;

    // Each has said once that it is alive.
    let last_of_killed = killed.answer("heartbeat", 200).await?;
    killed.process.kill().await?;
    let mut last_of_stopped = stopped.answer("heartbeat", 200).await?;
    stopped.signal("STOP")?;
    let stopped_at = Instant::now();
    // What it had sent before it was stopped.
    while let Ok(answer) = tokio::time::timeout(Duration::from_millis(200), stopped.answer("heartbeat", 200)).await {
        last_of_stopped = answer?;
    }
    let held = bob.acquire(&json!({ "keys": [{ "key": "src/killed/a.rs" }] })).await?.problem(409, "lock-held")?;
    assert_eq!(held["conflicts"][0]["session"], "killed", "nobody knows yet: {held}");
    let (one, other) =
        tokio::try_join!(next_claim(&bob, "killed", &last_of_killed), next_claim(&bob, "stopped", &last_of_stopped))?;

    let lines = log.fresh().await?;
    for (old, new) in [(&first, &one), (&second, &other)] {
        assert!(new.token > old.token);
        let of_task = |line: &&Value| line["target"] == new.id() || line["target"] == *new.locks[0].key;
        let mut told: Vec<String> = tell(&lines.iter().filter(of_task).cloned().collect::<Vec<_>>());
        told.retain(|line| !line.ends_with("heartbeat ok") && !line.ends_with("renew ok"));
        let expected =
            ["bob lock.acquire ok", "bob task.claim ok", "pointsman lock.expire ok", "pointsman task.lapse ok"];
        assert_eq!(told, expected, "{}", new.title());
    }

    // It comes back after twice its time, with its word, and speaks under a token that stands for nothing.
    tokio::time::sleep((LEASE * 2).saturating_sub(stopped_at.elapsed())).await;
    let before = bob.task(other.id()).await?;
    let mut rows = Census::new(&store).await?;
    stopped.words.write_all(b"done\n").await?;
    stopped.signal("CONT")?;
    let late = loop {
        // A beat may have been under way when it was stopped.
        match stopped.answer("complete", 410).await {
            Ok(late) => break late,
            Err(fault) if fault.to_string().contains(r#""said":"heartbeat""#) => note(fault),
            Err(fault) => return Err(fault),
        }
    };
    assert_eq!(late["type"], "/problems/claim-stale", "{late}");
    let claim = &late["claim"];
    assert_eq!((&claim["token"], &claim["status"]), (&json!(second.token), &json!("leased")), "{late}");
    assert_eq!((&claim["now_with"]["agent"], &claim["attempt"]["how"]), (&json!("bob"), &json!("lapsed")), "{late}");
    // Only that it was refused is written down, perhaps for its beat too.
    let refused: Vec<String> = log.told().await?;
    let is_refusal = |line: &String| line.starts_with("alice task.") && line.ends_with(" claim-stale");
    assert!((1..=2).contains(&refused.len()) && refused.iter().all(is_refusal), "{refused:?}");
    assert_eq!(rows.change().await?, format!("audit_entries+{}", refused.len()));
    assert_eq!(bob.task(other.id()).await?, before);
    assert!(stopped.process.wait().await?.success());

    for claimed in [&one, &other] {
        assert_eq!(bob.complete(claimed).await?["status"], "succeeded");
        let attempts = bob.attempts(claimed.id()).await?;
        let how: Vec<&str> = attempts.iter().filter_map(|attempt| attempt["how"].as_str()).collect();
        assert_eq!(how, ["lapsed", "succeeded"]);
    }
    olga.take("src/**").await?;
    Ok(())
}
