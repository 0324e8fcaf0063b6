//! The queue of one server: filled beforehand, worked on for a while, and looked at afterwards.

use crate::drive::{Client, Measure};
use crate::operation::Operation;
use crate::pace::Pace;
use crate::target::Target;
use crate::tasks::{Claim, Complete, Hand, Requests, Submit};
use anyhow::{Result, bail};
use std::collections::HashSet;
use tokio::task::JoinSet;

/// Counts the tasks that can be claimed.
pub(crate) const READY: &str = "SELECT count(*) FROM task_states WHERE ready_rank_us IS NOT NULL";
const LEASED: &str = "SELECT count(*) FROM task_states WHERE status = 'leased'";
const ATTEMPTS: &str = "SELECT count(*) FROM task_attempts";
const FURTHER_ATTEMPTS: &str = "SELECT count(*) FROM task_attempts WHERE number <> 1 OR how <> 'succeeded'";

/// Tasks there are at least for a run.
const TASKS_LEAST: u64 = 2_000;
/// So many connections complete together what one client is left with.
const CONNECTIONS_TO_DRAIN: u32 = 4;

/// What the clients of one server have to do with its queue.
pub(crate) struct Queue {
    /// Of each caller.
    hands: Vec<Hand>,
    claimed: HashSet<String>,
    completed: u64,
    attempts_before: u64,
    pace: Pace,
}

impl Queue {
    /// The queue as it is now, of which the clients hold nothing.
    pub(crate) async fn of(target: &Target) -> Result<Self> {
        let attempts_before = target.holding().count(ATTEMPTS).await?;
        Ok(Self {
            hands: Vec::new(),
            claimed: HashSet::new(),
            completed: 0,
            attempts_before,
            pace: Pace::at_least(TASKS_LEAST),
        })
    }

    /// One run of one kind of operation.
    pub(crate) async fn measure(&mut self, target: &mut Target, operation: Operation, clients: u32) -> Result<Measure> {
        self.hands.resize_with(self.hands.len().max(usize::try_from(clients)?), Hand::default);
        loop {
            let need = self.pace.need(operation, clients);
            let measure = match operation {
                Operation::Submit => self.submit(target, clients).await?,
                Operation::Claim => self.claim(target, clients, need).await?,
                Operation::Complete => self.complete(target, clients, need).await?,
                Operation::AcquireRelease => bail!("a lock is no task"),
            };
            let leased = target.holding().count(LEASED).await?;
            let held: u64 = self.hands.iter().map(Hand::len).sum();
            if leased != held {
                bail!("{leased} tasks are leased, and clients hold {held}");
            }
            // If there was too little to do, it is done again with more.
            if self.pace.note(operation, clients, need, &measure) {
                return Ok(measure);
            }
        }
    }

    async fn submit(&mut self, target: &mut Target, clients: u32) -> Result<Measure> {
        let submitters: Vec<Submit> = requests(target, clients).await?.into_iter().map(Submit).collect();
        run(target, Operation::Submit, submitters).await
    }

    async fn claim(&mut self, target: &mut Target, clients: u32, need: u64) -> Result<Measure> {
        fill(target, need).await?;
        let before: Vec<u64> = self.hands.iter().map(Hand::len).collect();
        let left = need / u64::from(clients);
        let requests = requests(target, clients).await?;
        let with_hands = requests.into_iter().zip(self.hands.iter().cloned());
        let claimers: Vec<Claim> = with_hands.map(|(requests, hand)| Claim { requests, left, hand }).collect();
        let measure = run(target, Operation::Claim, claimers).await?;
        self.look_at_claimed(&before)?;
        Ok(measure)
    }

    async fn complete(&mut self, target: &mut Target, clients: u32, need: u64) -> Result<Measure> {
        let each = need / u64::from(clients);
        let missing: Vec<u64> = self.hands.iter().map(|hand| each.saturating_sub(hand.len())).collect();
        fill(target, missing.iter().take(usize::try_from(clients)?).sum()).await?;
        let before: Vec<u64> = self.hands.iter().map(Hand::len).collect();
        let mut claiming = JoinSet::new();
        for (mut requests, (hand, missing)) in
            requests(target, clients).await?.into_iter().zip(self.hands.iter().cloned().zip(missing))
        {
            claiming.spawn(async move { requests.claim_all(missing, &hand).await });
        }
        while let Some(claimed) = claiming.join_next().await {
            claimed??;
        }
        self.look_at_claimed(&before)?;
        let requests = requests(target, clients).await?;
        let with_hands = requests.into_iter().zip(self.hands.iter().cloned());
        let completers: Vec<Complete> = with_hands.map(|(requests, hand)| Complete { requests, hand }).collect();
        let measure = run(target, Operation::Complete, completers).await?;
        self.completed += measure.acknowledged;
        Ok(measure)
    }

    /// Completes what is still held, and holds the whole of it against what the store says.
    pub(crate) async fn drain(&mut self, target: &mut Target) -> Result<()> {
        let mut completing = JoinSet::new();
        let clients = u32::try_from(self.hands.len())?;
        for _ in 0..CONNECTIONS_TO_DRAIN {
            for (mut requests, hand) in requests(target, clients).await?.into_iter().zip(self.hands.iter().cloned()) {
                completing.spawn(async move { requests.complete_all(&hand).await });
            }
        }
        while let Some(completed) = completing.join_next().await {
            self.completed += completed??;
        }
        let store = target.holding();
        let (leased, attempts) = (store.count(LEASED).await?, store.count(ATTEMPTS).await?);
        let further = store.count(FURTHER_ATTEMPTS).await?;
        if leased != 0 || further != 0 {
            bail!("{leased} tasks are still leased, and {further} attempts were not the only one or did not succeed");
        }
        let claimed = self.claimed.len() as u64;
        if attempts - self.attempts_before != self.completed || claimed != self.completed {
            bail!("{claimed} tasks were claimed, {} completed, and {attempts} attempts are there", self.completed);
        }
        Ok(())
    }

    /// No task may have been claimed before.
    fn look_at_claimed(&mut self, before: &[u64]) -> Result<()> {
        for (hand, before) in self.hands.iter().zip(before) {
            for id in hand.ids_behind(*before) {
                if let Some(twice) = self.claimed.replace(id) {
                    bail!("task {twice} was claimed twice");
                }
            }
        }
        Ok(())
    }
}

async fn run<C: Client>(target: &Target, operation: Operation, clients: Vec<C>) -> Result<Measure> {
    target.run_counted(target.holding(), operation, clients).await
}

async fn requests(target: &mut Target, clients: u32) -> Result<Vec<Requests>> {
    let run = target.next_run();
    let connections = target.connections(clients).await?.into_iter().zip(0_u32..);
    Ok(connections.map(|(made, client)| Requests::new(made, format!("load-{run}-{client}"))).collect())
}

/// Makes that there are at least so many tasks in the queue.
async fn fill(target: &mut Target, need: u64) -> Result<()> {
    let ready = target.holding().count(READY).await?;
    for mut one in requests(target, 1).await? {
        one.submit_all(need.saturating_sub(ready)).await?;
    }
    Ok(())
}
