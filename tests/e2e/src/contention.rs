//! Many clients that fight for few keys on several servers, and what each of them was told.

use crate::checker::Acknowledged;
use crate::client::{Client, Reply};
use crate::keyring::{Keyring, key_of};
use crate::random::Random;
use crate::{Fault, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How many clients fight.
pub const CLIENTS: usize = 32;
/// Each agent has this many clients, each in a session of its own.
const SESSIONS_PER_AGENT: usize = 2;
/// The longest time a client works under its locks.
const WORK_MS_MAX: usize = 15;
/// The shortest TTL there is, so that abandoned locks run out during the fight.
const TTL_SECONDS: u32 = 5;
/// Nobody has to fight for longer than this after the end for a first lock.
const SERVED_WITHIN: Duration = Duration::from_secs(20);
/// How long a client keeps trying to tidy up at the end.
const TIDY_WITHIN: Duration = Duration::from_secs(40);
/// How often a call is sent whose effect is not known.
const TRIES_MAX: usize = 3;
/// A server that does not answer is asked again after this time.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The names of the agents that fight, two clients each, and of the auditor.
pub fn keyring() -> Keyring {
    let agents = (0..CLIENTS / SESSIONS_PER_AGENT).map(agent);
    agents.fold(Keyring::default(), |keyring, name| keyring.with(&name, "agent")).with("auditor", "admin")
}

fn agent(number: usize) -> String {
    format!("fighter-{number:02}")
}

/// Fifty keys that overlap: files, the folders they are in, and named resources.
pub fn keys() -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for folder in 0..6 {
        keys.push(format!("src/m{folder}/**"));
        keys.extend((0..5).map(|file| format!("src/m{folder}/f{file}.rs")));
    }
    keys.extend(["src/**", "src/m1", "docs/**", "docs/a/**", "docs/a/b.md"].map(str::to_owned));
    keys.extend(
        ["flag:pay/**", "flag:pay/new", "flag:pay/old", "api:GET /users/**", "api:GET /users/one"].map(str::to_owned),
    );
    keys.extend(["db:schema:users", "db:migration-slot", "env:staging", "event:order.paid"].map(str::to_owned));
    keys
}

/// Which faults a client may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// None: whatever is not a grant or a proper refusal ends the test.
    None,
    /// Servers and databases that go away and come back.
    Outages,
}

/// What came of a fight.
#[derive(Debug, Default)]
pub struct Report {
    /// What the clients were told, in no order.
    pub told: Vec<Acknowledged>,
    /// Calls that were granted, by client.
    pub grants: BTreeMap<usize, usize>,
    /// Answers by what they said, over all clients.
    pub answers: BTreeMap<String, usize>,
    /// When the last grant of each server came.
    pub last_grant: BTreeMap<usize, Instant>,
}

impl Report {
    fn count(&mut self, answer: &str) {
        *self.answers.entry(answer.to_owned()).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.told.extend(other.told);
        for (client, grants) in other.grants {
            *self.grants.entry(client).or_default() += grants;
        }
        for (answer, times) in other.answers {
            *self.answers.entry(answer).or_default() += times;
        }
        for (server, at) in other.last_grant {
            let last = self.last_grant.entry(server).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// How often this was answered.
    pub fn answered(&self, answer: &str) -> usize {
        self.answers.get(answer).copied().unwrap_or_default()
    }
}

/// Lets [`CLIENTS`] clients fight over `servers` for a time, each at its own server unless that does not answer.
pub async fn fight(servers: Vec<String>, lasts: Duration, faults: Faults, seed: u64) -> Outcome<Report> {
    let mut fighters = JoinSet::new();
    let until = Instant::now() + lasts;
    for number in 0..CLIENTS {
        let fighter = Fighter::new(number, servers.clone(), faults, seed)?;
        fighters.spawn(fighter.fight(until));
    }
    let mut report = Report::default();
    while let Some(fighter) = fighters.join_next().await {
        report.add(fighter??);
    }
    Ok(report)
}

struct Fighter {
    number: usize,
    session: String,
    client: Client,
    servers: Vec<String>,
    server: usize,
    faults: Faults,
    random: Random,
    keys: Vec<String>,
    /// What it believes to hold.
    held: Vec<i64>,
    ticket: Option<(Value, String)>,
    calls: usize,
    report: Report,
}

impl Fighter {
    fn new(number: usize, servers: Vec<String>, faults: Faults, seed: u64) -> Outcome<Self> {
        let session = format!("session-{number:02}");
        let server = number % servers.len().max(1);
        let client = Client::new("")?.key(key_of(&agent(number / SESSIONS_PER_AGENT))).session(&session);
        let random = Random::new(seed.wrapping_add(u64::try_from(number)?));
        let (held, ticket, calls, report) = (Vec::new(), None, 0, Report::default());
        Ok(Self { number, session, client, servers, server, faults, random, keys: keys(), held, ticket, calls, report })
    }

    async fn fight(mut self, until: Instant) -> Outcome<Report> {
        while Instant::now() < until {
            self.round().await?;
        }
        // Nobody starves: who has got nothing yet gets it soon.
        while self.report.grants.is_empty() {
            if Instant::now() > until + SERVED_WITHIN {
                return Err(Fault::new(format!("client {} never got anything", self.number)));
            }
            self.round().await?;
        }
        let deadline = Instant::now() + TIDY_WITHIN;
        while !self.tidy().await? {
            if Instant::now() > deadline {
                return Err(Fault::new(format!("client {} could not tidy up", self.number)));
            }
        }
        Ok(self.report)
    }

    async fn round(&mut self) -> Outcome {
        if self.random.once_in(20) {
            // Back home, if an outage drove it away.
            self.server = self.number % self.servers.len().max(1);
        }
        let body = self.wish();
        let Some(reply) = self.call("/v1/locks/acquire", &body).await? else {
            // It is not known what it holds now.
            self.tidy().await?;
            return Ok(());
        };
        let told = format!("acquire {} {}", reply.status, reply.slug());
        self.report.count(told.trim_end());
        match (reply.status, reply.slug()) {
            (200, _) => self.work(reply).await,
            (409, "lock-held") => {
                let ticket = reply.body["ticket"].as_str().map(str::to_owned);
                self.ticket = ticket.filter(|_| !self.random.once_in(40)).map(|ticket| (body, ticket));
                Ok(())
            }
            (410, "ticket-expired") | (409, "deadlock") => {
                // Who holds something while it waits, because it was abandoned, may be part of a circle.
                self.tidy().await?;
                Ok(())
            }
            _ => self.outage(&reply).await,
        }
    }

    /// A few keys in some modes; or the same again with the ticket that came of the wish before.
    fn wish(&mut self) -> Value {
        if let Some((mut body, ticket)) = self.ticket.take() {
            body["ticket"] = json!(ticket);
            return body;
        }
        let some = 1 + self.random.below(2) * self.random.below(4);
        let keys: Vec<Value> = (0..some)
            .map(|_| {
                let key = self.random.below(self.keys.len());
                let mode = if self.random.once_in(3) { "shared" } else { "exclusive" };
                json!({ "key": self.keys.get(key), "mode": mode })
            })
            .collect();
        let wait_seconds = usize::from(self.random.once_in(15));
        json!({ "keys": keys, "ttl_seconds": TTL_SECONDS, "wait_seconds": wait_seconds, "reason": "to fight" })
    }

    async fn work(&mut self, reply: Reply) -> Outcome {
        *self.report.grants.entry(self.number).or_default() += 1;
        self.report.last_grant.insert(self.server, Instant::now());
        let grants = reply.grants()?;
        let tokens: Vec<i64> = grants.iter().map(|grant| grant.token).collect();
        self.report.told.extend(grants.into_iter().map(Acknowledged::Granted));
        self.held.extend(&tokens);
        let work_ms = self.random.below(WORK_MS_MAX);
        tokio::time::sleep(Duration::from_millis(u64::try_from(work_ms)?)).await;
        if self.random.once_in(6) {
            let body = json!({ "tokens": tokens, "ttl_seconds": TTL_SECONDS + 1 });
            match self.call("/v1/locks/renew", &body).await? {
                Some(reply) if reply.status == 200 => {
                    self.report.told.extend(reply.grants()?.into_iter().map(Acknowledged::Granted));
                }
                // It had been held over from an earlier round and ran out.
                Some(reply) if reply.slug() == "token-stale" => {}
                Some(reply) => self.outage(&reply).await?,
                None => {}
            }
        }
        match self.random.below(100) {
            // Abandoned: it runs out.
            0 => Ok(()),
            1..10 => self.tidy().await.map(drop),
            _ => {
                let body = json!({ "tokens": tokens });
                match self.call("/v1/locks/release", &body).await? {
                    Some(reply) if reply.status == 200 => {
                        self.released(&reply);
                        self.held.retain(|token| !tokens.contains(token));
                        Ok(())
                    }
                    Some(reply) if reply.slug() == "token-stale" => Ok(()),
                    Some(reply) => self.outage(&reply).await,
                    None => Ok(()),
                }
            }
        }
    }

    fn released(&mut self, reply: &Reply) {
        let released = reply.body["released"].as_array().into_iter().flatten();
        let tokens = released.filter_map(|one| one["token"].as_i64());
        let session = &self.session;
        self.report.told.extend(tokens.map(|token| Acknowledged::Released { token, session: session.clone() }));
    }

    /// Gives everything back; false if that could not be had.
    async fn tidy(&mut self) -> Outcome<bool> {
        let Some(reply) = self.call("/v1/locks/release-all", &json!({})).await? else { return Ok(false) };
        if reply.status != 200 {
            self.outage(&reply).await?;
            return Ok(false);
        }
        self.released(&reply);
        self.held.clear();
        Ok(true)
    }

    /// A call that is sent again under the same idempotency key, at the next server, as long as it is not known what
    /// became of it; `None` if that stays so and may happen here.
    async fn call(&mut self, path: &str, body: &Value) -> Outcome<Option<Reply>> {
        self.calls += 1;
        let client = self.client.once(&format!("{}-{}", self.session, self.calls));
        let mut unknown = None;
        for _ in 0..TRIES_MAX {
            let url = self.servers.get(self.server).cloned().unwrap_or_default();
            match client.at(&url).post(path, body).await {
                Ok(reply) if reply.slug() == "unavailable" && self.faults == Faults::Outages => {
                    self.report.count("answer 503 unavailable");
                    unknown = Some(reply);
                }
                Ok(reply) => return Ok(Some(reply)),
                Err(fault) if self.faults == Faults::None => return Err(fault),
                Err(_) => {
                    self.report.count("no answer");
                    self.server = (self.server + 1) % self.servers.len();
                    unknown = None;
                }
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
        Ok(unknown)
    }

    /// An answer that only an outage excuses.
    async fn outage(&mut self, reply: &Reply) -> Outcome {
        let is_honest = reply.status == 503 && reply.body["retryable"] == true;
        if self.faults == Faults::Outages && is_honest {
            self.ticket = None;
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
            return Ok(());
        }
        Err(Fault::new(format!("client {} was answered {} {}", self.number, reply.status, reply.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_fight_is_about_fifty_different_keys() {
        let different: BTreeSet<String> = keys().into_iter().collect();
        assert_eq!((different.len(), keys().len()), (50, 50));
    }
}
