//! A crew of clients that hand in, claim, do, drop and cancel work at random on several servers, and what each of them
//! was told.

use super::judge::Told;
use super::{Claimed, task};
use crate::client::{Client, Reply};
use crate::contention::Faults;
use crate::keyring::{Keyring, key_of};
use crate::random::Random;
use crate::{Fault, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How many clients are in a crew, each an agent of its own.
pub const CLIENTS: usize = 16;
/// The longest time somebody works on a task.
const WORK_MS_MAX: usize = 10;
/// How often a call is sent whose effect is not known.
const TRIES_MAX: usize = 50;
/// A server that does not answer is asked again after this time.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Everything that was left behind comes back within this time, and is done soon.
const DONE_WITHIN: Duration = Duration::from_mins(1);
/// How many tasks of the one concurrency key may run at once.
const NARROW: usize = 2;
/// How many of the latest tasks new ones may depend on.
const LATEST: usize = 40;

/// The crew and the auditor.
pub fn keyring() -> Keyring {
    (0..CLIENTS)
        .map(agent)
        .fold(Keyring::default(), |keyring, name| keyring.with(&name, "agent"))
        .with("auditor", "admin")
}

fn agent(number: usize) -> String {
    format!("worker-{number:02}")
}

/// What came of the work.
#[derive(Debug, Default)]
pub struct Report {
    /// What the clients were told, in no order.
    pub told: Vec<Told>,
    /// Answers by what they said, over all clients.
    pub answers: BTreeMap<String, usize>,
}

impl Report {
    fn add(&mut self, other: Self) {
        self.told.extend(other.told);
        for (answer, times) in other.answers {
            *self.answers.entry(answer).or_default() += times;
        }
    }

    /// How often this was answered.
    pub fn answered(&self, answer: &str) -> usize {
        self.answers.get(answer).copied().unwrap_or_default()
    }
}

/// Lets the crew work for a time, and then finish what is left.
pub async fn work(servers: Vec<String>, lasts: Duration, faults: Faults, seed: u64) -> Outcome<Report> {
    let (mut crew, until) = (JoinSet::new(), Instant::now() + lasts);
    let latest = Arc::new(Mutex::new(Vec::new()));
    for number in 0..CLIENTS {
        let session = format!("{}-1", agent(number));
        let worker = Worker {
            number,
            client: Client::new("")?.key(key_of(&agent(number))).session(&session),
            session,
            servers: servers.clone(),
            faults,
            random: Random::new(seed.wrapping_add(u64::try_from(number)?)),
            latest: latest.clone(),
            own: Vec::new(),
            late: Vec::new(),
            calls: 0,
            sessions: 1,
            report: Report::default(),
        };
        crew.spawn(worker.work(until));
    }
    let mut report = Report::default();
    while let Some(worker) = crew.join_next().await {
        report.add(worker??);
    }
    Ok(report)
}

struct Worker {
    number: usize,
    session: String,
    client: Client,
    servers: Vec<String>,
    faults: Faults,
    random: Random,
    latest: Arc<Mutex<Vec<String>>>,
    own: Vec<String>,
    /// What was dropped and is spoken of once more when its time is over.
    late: Vec<(Claimed, Instant)>,
    calls: usize,
    sessions: usize,
    report: Report,
}

impl Worker {
    async fn work(mut self, until: Instant) -> Outcome<Report> {
        while Instant::now() < until {
            self.late_words().await?;
            match self.random.below(100) {
                0..25 => self.hand_in().await?,
                25..36 => self.steer().await?,
                36..39 => self.next_session().await?,
                _ => self.take(false).await?,
            }
        }
        // Nothing is left behind: what was dropped comes back, and somebody finishes it.
        while !self.late.is_empty() || !self.all_is_done().await? {
            self.late_words().await?;
            self.take(true).await?;
            if until.elapsed() > DONE_WITHIN {
                return Err(Fault::new(format!("worker {} still finds something to do", self.number)));
            }
        }
        Ok(self.report)
    }

    async fn all_is_done(&mut self) -> Outcome<bool> {
        let mut last = Fault::new("never asked");
        for turn in 0..TRIES_MAX {
            let url = self.server(turn);
            match self.client.at(&url).get("/v1/tasks/counts").await {
                Ok(reply) if reply.status == 200 => {
                    let counts = reply.body["counts"].as_array().into_iter().flatten();
                    let mut left =
                        counts.filter(|count| count["tasks"] != 0).filter_map(|count| count["status"].as_str());
                    return Ok(left.all(|status| ["succeeded", "dead", "cancelled", "expired"].contains(&status)));
                }
                Ok(reply) if self.faults == Faults::None => return Err(Fault::new(reply.text)),
                Err(fault) if self.faults == Faults::None => return Err(fault),
                Ok(reply) => last = Fault::new(reply.text),
                Err(fault) => last = fault,
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
        Err(last)
    }

    async fn hand_in(&mut self) -> Outcome {
        let known = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let some = 1 + self.random.below(5);
        let mut tasks: Vec<Value> = Vec::new();
        for index in 0..some {
            let mut on: Vec<String> =
                (0..index).filter(|_| self.random.once_in(3)).map(|other| format!("n{other}")).collect();
            if self.random.once_in(3) {
                on.extend(known.get(self.random.below(known.len())).cloned());
            }
            let policy = ["cancel", "run", "cancel"][self.random.below(3)];
            let mut wish = json!({
                "name": format!("n{index}"), "depends_on": on, "on_dependency_failure": policy, "lease_seconds": 5,
                "priority": 1 + self.random.below(10), "max_attempts": 1 + self.random.below(4),
                "backoff_first_seconds": self.random.below(2), "backoff_cap_seconds": 1,
            });
            if self.random.once_in(3) {
                let key =
                    ["src/a.rs", "src/**", "src/b.rs", "docs/a.md", "flag:x", "db:schema:users"][self.random.below(6)];
                let mode = if self.random.once_in(2) { "shared" } else { "exclusive" };
                wish["resources"] = json!([{ "key": key, "mode": mode }]);
            }
            if self.random.once_in(6) {
                wish["concurrency"] = json!({ "key": "narrow", "limit": NARROW });
            }
            tasks.push(task(&format!("by {}", self.session), &wish));
        }
        let reply = self.call("/v1/tasks", &json!({ "tasks": tasks })).await?;
        if self.note("submit", &reply) != 200 {
            return self.refused(&reply, &["submission-refused"]);
        }
        let ids = reply.submitted()?;
        for (id, task) in ids.iter().zip(&tasks) {
            let named = |on: &str| match on.strip_prefix('n').and_then(|index| index.parse::<usize>().ok()) {
                Some(index) => ids.get(index).cloned().unwrap_or_default(),
                None => on.to_owned(),
            };
            let on = task["depends_on"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let after = on.map(named).collect();
            let runs_anyway = task["on_dependency_failure"] == "run";
            let narrow = task["concurrency"]["key"].as_str().map(|key| (key.to_owned(), NARROW));
            self.report.told.push(Told::Submitted { id: id.clone(), after, runs_anyway, narrow });
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.extend(ids.iter().cloned());
        let surplus = latest.len().saturating_sub(LATEST);
        latest.drain(..surplus);
        self.own.extend(ids);
        Ok(())
    }

    async fn take(&mut self, is_tidying: bool) -> Outcome {
        let body = json!({ "max_tasks": 1 + self.random.below(3), "wait_seconds": usize::from(is_tidying) });
        let reply = self.call("/v1/tasks/claim", &body).await?;
        if self.note("claim", &reply) != 200 {
            return self.refused(&reply, &[]);
        }
        let claimed = reply.claimed()?;
        for one in &claimed {
            let (id, token, attempt) = (one.id().to_owned(), one.token, one.attempt);
            self.report.told.push(Told::Claimed { id, token, attempt, session: self.session.clone() });
        }
        for one in claimed {
            let work_ms = self.random.below(WORK_MS_MAX);
            tokio::time::sleep(Duration::from_millis(u64::try_from(work_ms)?)).await;
            let soon = (one.lease_until - chrono::TimeDelta::milliseconds(4_500)).to_rfc3339();
            match if is_tidying { 0 } else { self.random.below(100) } {
                0..60 => self.say("complete", &one, json!({ "result": one.token })).await?,
                60..78 => self.say("fail", &one, json!({ "error": "no luck" })).await?,
                78..82 => self.say("fail", &one, json!({ "error": "for good", "retryable": false })).await?,
                82..87 => self.say("release", &one, json!({})).await?,
                87..90 => self.say("snooze", &one, json!({ "until": soon })).await?,
                90..95 => {
                    self.say("heartbeat", &one, json!({ "progress": 50 })).await?;
                    self.say("complete", &one, json!({})).await?;
                }
                95..97 => {
                    self.say("complete", &one, json!({ "result": 1 })).await?;
                    self.say("fail", &one, json!({ "error": "after all" })).await?;
                }
                _ => self.late.push((one, Instant::now() + Duration::from_millis(5_500))),
            }
        }
        Ok(())
    }

    /// Speaks of what was dropped, when its time is over.
    async fn late_words(&mut self) -> Outcome {
        let now = Instant::now();
        let (over, rest): (Vec<_>, Vec<_>) = self.late.drain(..).partition(|(_, until)| *until <= now);
        self.late = rest;
        for (one, _) in over {
            self.say("complete", &one, json!({ "result": "late" })).await?;
        }
        Ok(())
    }

    async fn say(&mut self, word: &str, one: &Claimed, mut body: Value) -> Outcome {
        body["token"] = json!(one.token);
        let reply = self.call(&format!("/v1/tasks/{}/{word}", one.id()), &body).await?;
        let (id, token) = (one.id().to_owned(), one.token);
        match (self.note(word, &reply), reply.slug()) {
            (200, _) if word == "heartbeat" => {}
            (200, _) => {
                let result = body.get("result").cloned();
                self.report.told.push(Told::Ended { id, token, word: word.to_owned(), result });
            }
            (410, "claim-stale") => self.report.told.push(Told::Stale { id, token }),
            // It slept past the instant it named.
            (422, "time-out-of-reach") if word == "snooze" => {}
            // It speaks in a new session of what an earlier one had.
            (403, "not-holder") => {}
            _ => return self.refused(&reply, &[]),
        }
        Ok(())
    }

    async fn steer(&mut self) -> Outcome {
        // Of its latest, many are still to be done.
        let from = if self.random.once_in(2) { self.own.len().saturating_sub(6) } else { 0 };
        let at = from + self.random.below(self.own.len() - from);
        let Some(id) = self.own.get(at).cloned() else { return Ok(()) };
        let with_dependents = self.random.once_in(3);
        let (word, body) = match self.random.below(5) {
            0 => ("reprioritize", json!({ "priority": 1 + self.random.below(10) })),
            1 => ("reschedule", json!({})),
            2 => ("retry", json!({})),
            _ => ("cancel", json!({ "with_dependents": with_dependents })),
        };
        let reply = self.call(&format!("/v1/tasks/{id}/{word}"), &body).await?;
        self.note(word, &reply);
        self.refused(&reply, &["task-ended", "task-running", "task-not-dead"])
    }

    /// Leaves its session, with all it has, for a new one.
    async fn next_session(&mut self) -> Outcome {
        let reply = self.call("/v1/sessions/end", &json!({})).await?;
        self.note("end", &reply);
        self.refused(&reply, &[])?;
        self.sessions += 1;
        self.session = format!("{}-{}", agent(self.number), self.sessions);
        self.client = self.client.session(&self.session);
        Ok(())
    }

    fn note(&mut self, what: &str, reply: &Reply) -> u16 {
        let answer = format!("{what} {} {}", reply.status, reply.slug());
        *self.report.answers.entry(answer.trim_end().to_owned()).or_default() += 1;
        reply.status
    }

    fn refused(&self, reply: &Reply, allowed: &[&str]) -> Outcome {
        if reply.status == 200 || allowed.contains(&reply.slug()) {
            return Ok(());
        }
        Err(Fault::new(format!("worker {} was answered {} {}", self.number, reply.status, reply.text)))
    }

    /// The server it turns to when it has turned so often.
    fn server(&self, turn: usize) -> String {
        self.servers.get((self.number + turn) % self.servers.len()).cloned().unwrap_or_default()
    }

    /// The same request once more, at another server: the answer is the first one's.
    async fn ask_again(&mut self, client: &Client, path: &str, body: &Value, first: Reply) -> Outcome<Reply> {
        let again = client.post(path, body).await?;
        let bare = |reply: &Reply| {
            let mut body = reply.body.clone();
            if let Some(fields) = body.as_object_mut() {
                fields.remove("request_id");
            }
            (reply.status, body)
        };
        if bare(&again) != bare(&first) {
            return Err(Fault::new(format!("{path} {body}: first {} and then {}", first.text, again.text)));
        }
        *self.report.answers.entry("the same again".to_owned()).or_default() += 1;
        Ok(again)
    }

    /// A call that is sent again under the same idempotency key, at the next server, until it is known what became of it.
    async fn call(&mut self, path: &str, body: &Value) -> Outcome<Reply> {
        self.calls += 1;
        let client = self.client.once(&format!("{}-{}", self.session, self.calls));
        let mut last = Fault::new("never sent");
        for turn in 0..TRIES_MAX {
            let url = self.server(turn);
            match client.at(&url).post(path, body).await {
                Ok(reply) if reply.status == 503 && self.faults == Faults::Outages => {
                    self.note("answer", &reply);
                    last = Fault::new(reply.text);
                }
                Ok(reply) if self.faults == Faults::None && self.random.once_in(10) => {
                    return self.ask_again(&client.at(&self.server(turn + 1)), path, body, reply).await;
                }
                Ok(reply) => return Ok(reply),
                Err(fault) if self.faults == Faults::None => return Err(fault),
                Err(fault) => {
                    *self.report.answers.entry("no answer".to_owned()).or_default() += 1;
                    last = fault;
                }
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
        Err(last)
    }
}
