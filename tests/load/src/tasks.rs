//! What clients do with tasks over HTTP.

use crate::drive::Client;
use crate::http::Connection;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// The most that one request submits, and the most that one claims.
const SUBMITTED_MAX: u64 = 1_000;
const CLAIMED_MAX: u64 = 50;

/// A task that a client has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) token: u64,
}

/// What one client holds, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hand(Arc<Mutex<VecDeque<Held>>>);

impl Hand {
    fn put(&self, held: impl IntoIterator<Item = Held>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(held);
    }

    fn take(&self) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// What stands in it behind the first so many.
    pub(crate) fn ids_behind(&self, number: u64) -> Vec<String> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().skip(usize::try_from(number).unwrap_or(usize::MAX)).map(|held| held.id.clone()).collect()
    }
}

#[derive(Deserialize)]
struct Submitted {
    tasks: Vec<SubmittedTask>,
}

#[derive(Deserialize)]
struct SubmittedTask {
    task: Option<TaskView>,
    fault: Option<Value>,
}

#[derive(Deserialize)]
struct TaskView {
    id: String,
    status: String,
}

#[derive(Deserialize)]
struct Claimed {
    tasks: Vec<ClaimedTask>,
}

#[derive(Deserialize)]
struct ClaimedTask {
    task: TaskView,
    attempt: u32,
    token: u64,
    input: Value,
}

#[derive(Deserialize)]
struct Completed {
    task_id: String,
    status: String,
    already: bool,
}

/// One client's requests, each under a name of its own.
pub(crate) struct Requests {
    connection: Connection,
    name: String,
    turn: u64,
}

impl Requests {
    /// `name` differs for each client and run, so that no idempotency key is used twice.
    pub(crate) fn new(connection: Connection, name: String) -> Self {
        Self { connection, name, turn: 0 }
    }

    fn next_name(&mut self) -> String {
        self.turn += 1;
        format!("{}-{}", self.name, self.turn)
    }

    async fn submit(&mut self, tasks: u64) -> Result<()> {
        let name = self.next_name();
        let file = format!("crates/parser/src/file_{}.rs", self.turn % 100);
        let task = json!({ "type": "review", "title": format!("review {file}"), "input": { "file": file } });
        let body = json!({ "tasks": vec![task; usize::try_from(tasks)?] });
        let answer: Submitted = self.connection.post("/v1/tasks", &name, body.to_string()).await?;
        let is_ready = |each: &SubmittedTask| {
            each.fault.is_none() && each.task.as_ref().is_some_and(|task| task.status == "ready")
        };
        if answer.tasks.len() as u64 != tasks || !answer.tasks.iter().all(is_ready) {
            bail!("of {tasks} submitted tasks not all were ready");
        }
        Ok(())
    }

    async fn claim(&mut self, tasks_max: u64) -> Result<Vec<Held>> {
        let name = self.next_name();
        let body = json!({ "types": ["review"], "max_tasks": tasks_max }).to_string();
        let answer: Claimed = self.connection.post("/v1/tasks/claim", &name, body).await?;
        let mut held = Vec::new();
        for ClaimedTask { task, attempt, token, input } in answer.tasks {
            if task.status != "leased" || attempt != 1 || !input.is_object() {
                bail!("task {} was claimed as {}, attempt {attempt}, with input {input}", task.id, task.status);
            }
            held.push(Held { id: task.id, token });
        }
        Ok(held)
    }

    async fn complete(&mut self, held: &Held) -> Result<()> {
        let name = self.next_name();
        let path = format!("/v1/tasks/{}/complete", held.id);
        let body = json!({ "token": held.token, "result": { "verdict": "fine" } }).to_string();
        let answer: Completed = self.connection.post(&path, &name, body).await?;
        if answer.task_id != held.id || answer.status != "succeeded" || answer.already {
            bail!("completing {} was answered {}, {}", held.id, answer.task_id, answer.status);
        }
        Ok(())
    }

    /// Submits so many in as few requests as possible.
    pub(crate) async fn submit_all(&mut self, mut tasks: u64) -> Result<()> {
        while tasks > 0 {
            let now = tasks.min(SUBMITTED_MAX);
            self.submit(now).await?;
            tasks -= now;
        }
        Ok(())
    }

    /// Claims so many in as few requests as possible.
    pub(crate) async fn claim_all(&mut self, mut tasks: u64, hand: &Hand) -> Result<()> {
        while tasks > 0 {
            let held = self.claim(tasks.min(CLAIMED_MAX)).await?;
            if held.is_empty() {
                bail!("the queue is empty, and {tasks} tasks more should be claimed");
            }
            tasks = tasks.saturating_sub(held.len() as u64);
            hand.put(held);
        }
        Ok(())
    }

    /// Completes all there are. Answers how many there were.
    pub(crate) async fn complete_all(&mut self, hand: &Hand) -> Result<u64> {
        let mut completed = 0;
        while let Some(held) = hand.take() {
            self.complete(&held).await?;
            completed += 1;
        }
        Ok(completed)
    }
}

/// Submits one task in each request.
pub(crate) struct Submit(pub(crate) Requests);

#[async_trait]
impl Client for Submit {
    async fn operate(&mut self) -> Result<()> {
        self.0.submit(1).await
    }
}

/// Claims one task in each request, as long as its part of the queue lasts.
pub(crate) struct Claim {
    pub(crate) requests: Requests,
    pub(crate) left: u64,
    pub(crate) hand: Hand,
}

#[async_trait]
impl Client for Claim {
    async fn operate(&mut self) -> Result<()> {
        let held = self.requests.claim(1).await?;
        if held.len() != 1 {
            bail!("{} tasks were claimed instead of one, out of a queue that has enough", held.len());
        }
        self.hand.put(held);
        self.left -= 1;
        Ok(())
    }

    fn has_more(&self) -> bool {
        self.left > 0
    }
}

/// Completes one task in each request, as long as there are some in its hand.
pub(crate) struct Complete {
    pub(crate) requests: Requests,
    pub(crate) hand: Hand,
}

#[async_trait]
impl Client for Complete {
    async fn operate(&mut self) -> Result<()> {
        let held = self.hand.take().context("this client holds nothing")?;
        self.requests.complete(&held).await
    }

    fn has_more(&self) -> bool {
        self.hand.len() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_gives_the_oldest_first_and_tells_the_newest() {
        let hand = Hand::default();
        let held = |id: &str| Held { id: id.to_owned(), token: 1 };
        hand.put(["a", "b", "c"].map(held));
        assert_eq!(hand.take(), Some(held("a")));
        assert_eq!((hand.len(), hand.ids_behind(1)), (2, vec!["c".to_owned()]));
    }
}
