//! Recall out of many memories while others are written, and what it costs to write them.

mod text;

use crate::cpu::Used;
use crate::database::Database;
use crate::drive::{Client, Measure, drive};
use crate::goals::{self, Goal};
use crate::http::Connection;
use crate::plan::Plan;
use crate::say;
use crate::statistics::microseconds_each;
use crate::target::{Site, Target};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, Instant};
use text::Texts;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// What the names of these measures begin with.
pub(crate) const RECALL: &str = "recall";
/// How many ask at the same time.
const CLIENTS: u32 = 16;
/// How many are put in with one request.
const LINES: u32 = 500;
/// How many put in at the same time.
const WRITERS: u32 = 2;
/// How many are written in a second while others are asked for.
const WRITTEN_PER_SECOND: u32 = 50;
/// How many are put in to see what an index costs.
const COMPARED: u32 = 20_000;
const COUNT: &str = "SELECT count(*) FROM memories";

/// What is known of a store that holds so many memories.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recalled {
    pub(crate) store: &'static str,
    pub(crate) memories: u32,
    pub(crate) clients: u32,
    pub(crate) measure: Measure,
    /// The full-text index and what is counted of each term.
    pub(crate) index_mib: u64,
    /// Table, indexes and all.
    pub(crate) all_mib: u64,
}

/// Processor time of server and database to write a memory, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexCost {
    pub(crate) indexed_us: f64,
    pub(crate) bare_us: f64,
}

/// Fills a store, asks it while it is written to, and stops it.
async fn measure(site: &Site, store: &'static str, database: Database, memories: u32) -> Result<Recalled> {
    let target = Target::start(site, store, "recall", database.clone(), database, CLIENTS + 1).await?;
    let (took, used) = fill(&target, memories, 1).await?;
    let each = microseconds_each(used.server + used.database, memories.into())?;
    say(&format!(
        "{store}, {memories} memories put in within {:.0} s, {each:.0} µs of processor time each",
        took.as_secs_f64()
    ));
    target.holding().settle_memories().await?;
    let schedule = site.schedule;
    let writing = write_steadily(&target, schedule.warm_up + schedule.window).await?;
    let mut askers = Vec::new();
    for (seed, connection) in (1_u64..).zip(target.connections(CLIENTS).await?) {
        askers.push(Asker { connection, texts: Texts::new(1_000_000 + seed) });
    }
    let measure = drive(askers, schedule, &target.meter).await?;
    let written: u32 = writing.join_all().await.into_iter().sum::<Result<u32>>()?;
    let there = target.holding().count(COUNT).await?;
    if there != u64::from(memories + written) {
        bail!("{memories} and {written} memories were acknowledged, and {there} are there");
    }
    let [index_mib, all_mib] = target.holding().memory_sizes().await?;
    target.stop().await?;
    Ok(Recalled { store, memories, clients: CLIENTS, measure, index_mib, all_mib })
}

/// What is planned on one store: how many memories, on databases of their own, and what an index costs.
pub(crate) async fn measure_all(
    site: &Site,
    store: &'static str,
    plan: &Plan,
    database: impl AsyncFn(&str) -> Result<Database>,
) -> Result<Vec<Goal>> {
    let mut goals = Vec::new();
    if !plan.has(RECALL) {
        return Ok(goals);
    }
    let sides = [database("memories_indexed").await?, database("memories_bare").await?];
    goals.push(goals::index_cost(store, cost_of_index(site, store, sides).await?));
    for &memories in plan.memories(store) {
        let database = database(&format!("memories_{memories}")).await?;
        let recalled = measure(site, store, database, memories).await?;
        let most = match (store, memories) {
            ("postgres", 1_000_000..) => Some(250.0),
            ("postgres", _) => Some(50.0),
            _ => None,
        };
        goals.push(goals::recall(&recalled, WRITTEN_PER_SECOND, most));
    }
    Ok(goals)
}

async fn cost_of_index(site: &Site, store: &'static str, [indexed, bare]: [Database; 2]) -> Result<IndexCost> {
    bare.migrate(site, store).await?;
    bare.drop_memory_index().await?;
    let cost = async |database: Database| {
        let target = Target::start(site, store, "write", database.clone(), database, WRITERS).await?;
        let (_, used) = fill(&target, COMPARED, 2).await?;
        target.stop().await?;
        microseconds_each(used.server + used.database, COMPARED.into())
    };
    Ok(IndexCost { indexed_us: cost(indexed).await?, bare_us: cost(bare).await? })
}

/// Puts memories in, several writers side by side, each in streams of its own.
async fn fill(target: &Target, memories: u32, seed: u64) -> Result<(Duration, Used)> {
    let before = target.meter.read()?;
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for (writer, mut connection) in (0..WRITERS).zip(target.connections(WRITERS).await?) {
        let mut texts = Texts::new(seed + u64::from(writer) * 1_000);
        let share = memories / WRITERS;
        writers.spawn(async move {
            for first in (0..share).step_by(usize::try_from(LINES)?) {
                let count = LINES.min(share - first);
                let lines: Vec<String> = (0..count).map(|at| line(&mut texts, writer, first + at)).collect();
                let name = format!("fill-{seed}-{writer}-{first}");
                let _: Imported = connection.post_lines("/v1/memories/import", &name, lines.join("\n")).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    Ok((began.elapsed(), target.meter.read()?.since(before)))
}

fn line(texts: &mut Texts, writer: u32, number: u32) -> String {
    let stream = format!("stream-{writer}-{}", number / 100);
    json!({ "event_type": "note", "summary": texts.memory(), "stream": stream }).to_string()
}

/// Writes memories at a steady rate; answers how many it wrote.
async fn write_steadily(target: &Target, window: Duration) -> Result<JoinSet<Result<u32>>> {
    let connections = target.connections(CLIENTS + 1).await?;
    let mut connection = connections.into_iter().next_back().context("there is a writer")?;
    let mut writing = JoinSet::new();
    writing.spawn(async move {
        let mut texts = Texts::new(77);
        let mut ticks = interval(Duration::from_secs(1) / WRITTEN_PER_SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (began, mut written) = (Instant::now(), 0);
        while began.elapsed() < window {
            ticks.tick().await;
            let body = json!({ "event_type": "note", "summary": texts.memory() }).to_string();
            let _: Stored = connection.post("/v1/memories", &format!("written-{written}"), body).await?;
            written += 1;
        }
        Ok(written)
    });
    Ok(writing)
}

#[derive(Deserialize)]
struct Imported {}

#[derive(Deserialize)]
struct Stored {}

#[derive(Deserialize)]
struct Answer {
    memories: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    score: f64,
}

/// Asks again and again, each time something else.
struct Asker {
    connection: Connection,
    texts: Texts,
}

#[async_trait]
impl Client for Asker {
    async fn operate(&mut self) -> Result<()> {
        let body = json!({ "query": self.texts.query(), "limit": 10 }).to_string();
        let answer: Answer = self.connection.ask("/v1/memories/recall", body).await?;
        if answer.memories.is_empty() || answer.memories.windows(2).any(|two| two[0].score < two[1].score) {
            bail!("words of its own were not found, or not the best first");
        }
        Ok(())
    }
}
