//! Claims in a store that holds a great many finished tasks, beside claims in one that holds none.

use crate::database::Database;
use crate::drive::{Measure, Schedule};
use crate::floor::task::bulk::{self, Became};
use crate::operation::Operation;
use crate::queue::Queue;
use crate::report::{Report, middle};
use crate::say;
use crate::target::{Site, Target};
use anyhow::{Context, Result};
use std::time::Instant;

pub(crate) const NONE_FINISHED: &str = "claim latency, none finished";
pub(crate) const MANY_FINISHED: &str = "claim latency, 1,000,000 finished";
pub(crate) const FEWER_FINISHED: &str = "claim latency, 100,000 finished";

/// How often each side has its turn in a round.
const TURNS_OF_A_ROUND: u32 = 2;
/// Which side has its turn when.
const ORDER: [usize; 2 * TURNS_OF_A_ROUND as usize] = [0, 1, 1, 0];

/// The median latency with a history over that without, in percent of the latter, for so many clients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    pub(crate) store: &'static str,
    pub(crate) clients: u32,
    pub(crate) percent: f64,
}

/// A server and the state of its queue.
struct Side {
    name: &'static str,
    target: Target,
    queue: Queue,
    runs: Vec<Vec<Measure>>,
}

/// Two servers of one store, alike but for what they have behind them.
pub(crate) struct History {
    store: &'static str,
    clients: Vec<u32>,
    sides: [Side; 2],
}

impl History {
    /// Puts so many finished tasks in the second of two new databases, and starts a server over each.
    pub(crate) async fn start(
        site: &Site,
        store: &'static str,
        [none, many]: [Database; 2],
        finished: i64,
        clients: Vec<u32>,
    ) -> Result<Self> {
        // More and shorter turns than elsewhere: what is looked for is a difference, on a machine that may not be quiet.
        let Schedule { warm_up, window } = site.schedule;
        let site = &Site { schedule: Schedule { warm_up, window: window / TURNS_OF_A_ROUND }, ..site.clone() };
        let name = if finished < 1_000_000 { FEWER_FINISHED } else { MANY_FINISHED };
        let began = Instant::now();
        many.migrate(site, store).await?;
        bulk::insert(&many, Became::Succeeded, 1, finished).await?;
        many.settle(finished).await?;
        say(&format!("{store}, {finished} finished tasks put in within {:.0} s", began.elapsed().as_secs_f64()));
        none.migrate(site, store).await?;
        none.settle(0).await?;
        let agents = clients.iter().copied().max().context("there are no clients")?;
        let start = async |name, log, database: Database| {
            let target = Target::start(site, store, log, database.clone(), database, agents).await?;
            let queue = Queue::of(&target).await?;
            anyhow::Ok(Side { name, target, queue, runs: vec![Vec::new(); clients.len()] })
        };
        let sides = [start(NONE_FINISHED, "unused", none).await?, start(name, "used", many).await?];
        Ok(Self { store, clients, sides })
    }

    /// Claims on both by turns.
    pub(crate) async fn measure(&mut self, rounds: usize) -> Result<()> {
        for round in 0..rounds {
            for (at, clients) in self.clients.iter().enumerate() {
                // Each of them first by turns: this way and back.
                for which in ORDER.map(|which| (round + which) % 2) {
                    let side = &mut self.sides[which];
                    let measure = side.queue.measure(&mut side.target, Operation::Claim, *clients).await?;
                    let (store, name, p50) = (self.store, side.name, measure.p50_ms);
                    say(&format!("{store}, round {}, {name}, {clients} clients: {p50:.2} ms", round + 1));
                    side.runs[at].push(measure);
                }
            }
            for side in &mut self.sides {
                side.queue.drain(&mut side.target).await?;
            }
        }
        Ok(())
    }

    /// Adds the medians to the report, stops the servers, and answers what the history changed.
    pub(crate) async fn report(self, report: &mut Report) -> Result<Vec<Change>> {
        let Self { store, clients, sides } = self;
        let mut changes = Vec::new();
        for (at, clients) in clients.into_iter().enumerate() {
            let mut p50s = [0.0; 2];
            for (side, p50) in sides.iter().zip(&mut p50s) {
                let measure = side.runs.get(at).and_then(|runs| middle(runs)).context("nothing was measured")?;
                *p50 = measure.p50_ms;
                report.add_extra(side.name, store, clients, measure);
            }
            let [none, many] = p50s;
            changes.push(Change { store, clients, percent: (many / none - 1.0) * 100.0 });
        }
        for side in sides {
            side.target.stop().await?;
        }
        Ok(changes)
    }
}
