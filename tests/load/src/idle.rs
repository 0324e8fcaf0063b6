//! What those cost who wait for work where there is none.

use crate::http::Connection;
use crate::statistics::{percent, rounded};
use crate::target::Target;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long each waits before it asks again: the longest that is allowed.
const WAIT_SECONDS: u32 = 60;
/// Until all are connected and wait, and what they began with is over.
const SETTLE: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct Claimed {
    tasks: Vec<Value>,
}

/// Processor time in percent of one core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Idle {
    pub(crate) server: f64,
    pub(crate) database: f64,
}

/// So many clients wait for a task of an empty queue, each asking again when it was told that there is none.
pub(crate) async fn measure(target: &mut Target, claimers: u32, window: Duration) -> Result<Idle> {
    let run = target.next_run();
    let mut waiting = JoinSet::new();
    for (connection, claimer) in target.connections(claimers).await?.into_iter().zip(0_u32..) {
        // As if they had begun to wait at any time before, so that within any window their share of them asks again.
        let first_seconds = 1 + claimer * WAIT_SECONDS / claimers.max(1);
        waiting.spawn(wait(connection, first_seconds.min(WAIT_SECONDS), format!("load-{run}-{claimer}")));
    }
    let meter = target.meter;
    let metered = async {
        tokio::time::sleep(SETTLE).await;
        let before = meter.read()?;
        tokio::time::sleep(window).await;
        meter.read().map(|used| used.since(before))
    };
    tokio::select! {
        used = metered => {
            let used = used?;
            let of_a_core = |time| rounded(percent(time, window), 2);
            Ok(Idle { server: of_a_core(used.server), database: of_a_core(used.database) })
        }
        ended = waiting.join_next() => {
            ended.context("nobody waits")??.context("waiting for work")?;
            bail!("somebody stopped waiting");
        }
    }
}

/// Waits without end.
async fn wait(mut connection: Connection, first_seconds: u32, name: String) -> Result<()> {
    let mut seconds = first_seconds;
    for turn in 0_u64.. {
        let body = json!({ "wait_seconds": seconds }).to_string();
        let claimed: Claimed = connection.post("/v1/tasks/claim", &format!("{name}-{turn}"), body).await?;
        if !claimed.tasks.is_empty() {
            bail!("the queue was not empty");
        }
        seconds = WAIT_SECONDS;
    }
    Ok(())
}
