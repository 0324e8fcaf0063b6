//! Work as those see it who hand it in and do it.

pub mod crew;
pub mod history;
pub mod judge;

use crate::client::{Client, Grant, Reply};
use crate::{Fault, Outcome};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

/// A task as it was handed to an agent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Claimed {
    /// The task.
    pub task: Value,
    /// The number of the attempt.
    pub attempt: u32,
    /// Under which token.
    pub token: i64,
    /// Until when.
    pub lease_until: DateTime<Utc>,
    /// What its agent needs to know.
    pub input: Option<Value>,
    /// The locks that came with it.
    pub locks: Vec<Grant>,
    /// The tasks it depended on, and what came of them.
    pub dependencies: Vec<Value>,
}

impl Claimed {
    /// The id of the task.
    pub fn id(&self) -> &str {
        self.task["id"].as_str().unwrap_or_default()
    }

    /// The title of the task.
    pub fn title(&self) -> &str {
        self.task["title"].as_str().unwrap_or_default()
    }
}

/// A task to hand in: of type `build` unless `more`, which wins, says otherwise.
pub fn task(title: &str, more: &Value) -> Value {
    let mut task = json!({ "type": "build", "title": title });
    add(&mut task, more);
    task
}

fn add(to: &mut Value, more: &Value) {
    if let (Some(to), Some(more)) = (to.as_object_mut(), more.as_object()) {
        to.extend(more.clone());
    }
}

impl Client {
    /// Hands tasks in with a whole body.
    pub async fn hand_in(&self, body: &Value) -> Outcome<Reply> {
        self.post("/v1/tasks", body).await
    }

    /// Hands tasks in, all or nothing, expects that, and answers their ids.
    pub async fn submit(&self, tasks: &[Value]) -> Outcome<Vec<String>> {
        self.hand_in(&json!({ "tasks": tasks })).await?.submitted()
    }

    /// Hands one task in, expects that, and answers its id.
    pub async fn submit_one(&self, task: &Value) -> Outcome<String> {
        let none = || Fault::new("no id came of a submission");
        self.submit(std::slice::from_ref(task)).await?.pop().ok_or_else(none)
    }

    /// Asks for work with a whole body.
    pub async fn claim(&self, body: &Value) -> Outcome<Reply> {
        self.post("/v1/tasks/claim", body).await
    }

    /// Asks for one task and expects it.
    #[track_caller]
    pub fn claim_one(&self) -> impl Future<Output = Outcome<Claimed>> {
        let call = self.clone();
        let none = Fault::new("there was nothing to claim");
        async move { call.claim(&json!({})).await?.claimed()?.into_iter().next().ok_or(none) }
    }

    /// Says something about a claimed task: `heartbeat`, `complete`, `fail`, `release` or `snooze`.
    pub async fn say(&self, word: &str, claimed: &Claimed, more: &Value) -> Outcome<Reply> {
        let mut body = json!({ "token": claimed.token });
        add(&mut body, more);
        self.post(&format!("/v1/tasks/{}/{word}", claimed.id()), &body).await
    }

    /// Completes a claimed task and expects that it counts.
    pub async fn complete(&self, claimed: &Claimed) -> Outcome<Value> {
        self.say("complete", claimed, &json!({ "result": { "title": claimed.title() } })).await?.ok()
    }

    /// Steers a task: `cancel`, `reschedule`, `reprioritize`, `retry` or `discard`.
    pub async fn steer(&self, word: &str, id: &str, body: &Value) -> Outcome<Reply> {
        self.post(&format!("/v1/tasks/{id}/{word}"), body).await
    }

    /// A task as it is, with all that is written about it.
    pub async fn task(&self, id: &str) -> Outcome<Value> {
        let mut detail = self.get(&format!("/v1/tasks/{id}")).await?.ok()?;
        let task = detail["task"].take();
        add(&mut detail, &task);
        Ok(detail)
    }

    /// What a task is in.
    pub async fn task_status(&self, id: &str) -> Outcome<String> {
        Ok(self.task(id).await?["status"].as_str().unwrap_or_default().to_owned())
    }

    /// The attempts at a task that are over, the first one first.
    pub async fn attempts(&self, id: &str) -> Outcome<Vec<Value>> {
        let attempts = self.get(&format!("/v1/tasks/{id}/attempts")).await?.ok()?;
        let mut attempts = attempts["attempts"].as_array().cloned().unwrap_or_default();
        attempts.sort_by_key(|attempt| attempt["attempt"].as_u64());
        Ok(attempts)
    }
}

impl Reply {
    /// The ids of tasks that were handed in, each of them.
    #[track_caller]
    pub fn submitted(self) -> Outcome<Vec<String>> {
        let body = self.ok()?;
        let ids = body["tasks"].as_array().into_iter().flatten();
        let ids = ids.map(|one| one["task"]["id"].as_str().map(str::to_owned));
        ids.collect::<Option<_>>().ok_or_else(|| Fault::new(format!("a task was not submitted: {body}")))
    }

    /// The tasks of a claim.
    #[track_caller]
    pub fn claimed(self) -> Outcome<Vec<Claimed>> {
        let mut body = self.ok()?;
        Ok(serde_json::from_value(body["tasks"].take())?)
    }
}
