//! The server that is asked.

use crate::data::{Collection, Query, Record};
use crate::judging::Judged;
use chrono::{DateTime, Utc};
use e2e::client::Client;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{Fault, Outcome};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Lines of one import.
const BATCH: usize = 500;
/// As deep as answers go.
const DEPTH: usize = 100;
/// All vectors of a collection are made within this time, also on a busy machine.
const EMBEDDED_WITHIN: Duration = Duration::from_mins(30);

/// By what memories are found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Lexical,
    Vector,
    Hybrid,
}

impl Mode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lexical => "lexical",
            Self::Vector => "vector",
            Self::Hybrid => "hybrid",
        }
    }
}

/// A server on one store.
pub(crate) struct Subject {
    server: Server,
    admin: Client,
    embedder: Option<String>,
    stored: usize,
}

/// Where the memories of a collection are.
pub(crate) struct Learned {
    projects: BTreeMap<String, Client>,
    /// Which records each memory of the server stands for: those that say the same become one.
    records: BTreeMap<String, Vec<String>>,
}

impl Learned {
    pub(crate) fn memories(&self) -> usize {
        self.records.len()
    }
}

impl Subject {
    pub(crate) async fn start(store: &Store, embedder: Option<&str>) -> Outcome<Self> {
        let mut launch = store.launch()?;
        if let Some(url) = embedder {
            launch =
                launch.set("EMBEDDER", "openai").set("EMBEDDER_URL", url).set("EMBEDDER_MODEL", "all-MiniLM-L6-v2");
            // What is measured is how good answers are, not how fast a model is on a busy machine.
            launch = launch.set("EMBEDDER_QUERY_TIMEOUT_MS", "10000").set("EMBEDDER_TIMEOUT_SECONDS", "300");
        }
        let server = launch.start().await?;
        // The first key of a server may do everything in every project.
        let admin = server.stranger()?.key(store.first_key()?);
        Ok(Self { server, admin, embedder: embedder.map(str::to_owned), stored: 0 })
    }

    pub(crate) async fn stop(mut self) -> Outcome {
        self.server.stop().await.map(drop)
    }

    /// Stores a collection, each scope in a project of its own, and waits until it can be found.
    pub(crate) async fn learn(&mut self, number: usize, collection: &Collection) -> Outcome<Learned> {
        let now = self.now().await?;
        let mut learned = Learned { projects: BTreeMap::new(), records: BTreeMap::new() };
        for (at, scope) in collection.scopes().into_iter().enumerate() {
            let project = format!("recall-{number}-{at}");
            let made = self.admin.post("/v1/projects", &json!({ "id": project })).await?;
            if made.status != 201 {
                return Err(Fault::new(format!("no project: {} {}", made.status, made.text)));
            }
            let client = self.admin.header("x-project", project);
            let is_here = |record: &&Record| record.scope == scope && record.says_anything();
            let records: Vec<&Record> = collection.memories.iter().filter(is_here).collect();
            let mut ids: BTreeMap<&str, String> = BTreeMap::new();
            for batch in records.chunks(BATCH) {
                let mut lines = String::new();
                for record in batch {
                    let older = record.supersedes.as_deref();
                    let older = older.map(|name| ids.get(name).map_or(name, String::as_str));
                    lines.push_str(&record.line(older, now)?.to_string());
                    lines.push('\n');
                }
                for (record, id) in batch.iter().zip(import(&client, lines, batch.len()).await?) {
                    learned.records.entry(id.clone()).or_default().push(record.id.clone());
                    ids.insert(&record.id, id);
                }
            }
            learned.projects.insert(scope.to_owned(), client);
        }
        self.stored += learned.memories();
        self.embedded().await?;
        Ok(learned)
    }

    /// Asks all questions of a collection.
    pub(crate) async fn examine(&self, collection: &Collection, learned: &Learned, mode: Mode) -> Outcome<Judged> {
        let mut judged = Judged::default();
        for query in &collection.queries {
            let answers = ask(learned, query, mode).await?;
            judged.add(query, &answers);
        }
        Ok(judged)
    }

    /// The time of the server, by which ages are counted.
    async fn now(&self) -> Outcome<DateTime<Utc>> {
        let reply = self.admin.get("/ready").await?;
        let date = reply.header("date").map(DateTime::parse_from_rfc2822).transpose()?;
        date.map(|date| date.to_utc()).ok_or_else(|| Fault::new("an answer has no date"))
    }

    /// Waits until every memory has its vector.
    async fn embedded(&self) -> Outcome {
        if self.embedder.is_none() {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            let metrics = self.admin.get("/metrics").await?.text;
            let texts = sample(&metrics, "pointsman_embedder_texts_total");
            let health = self.admin.get("/health").await?.body;
            let waiting = health["search"]["waiting"].as_u64();
            let is_enough = texts.is_some_and(|texts| texts >= crate::judging::number(self.stored));
            if is_enough && waiting == Some(0) {
                return Ok(());
            }
            if began.elapsed() > EMBEDDED_WITHIN {
                return Err(Fault::new(format!("vectors are missing: {texts:?} made, {waiting:?} waiting")));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// The sum of a metric over its labels.
fn sample(metrics: &str, name: &str) -> Option<f64> {
    let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let values = metrics.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.reduce(|sum, value| sum + value)
}

async fn import(client: &Client, lines: String, count: usize) -> Outcome<Vec<String>> {
    let request = client.request("POST".parse()?, "/v1/memories/import").header("content-type", "application/x-ndjson");
    let body = client.send(request.body(lines)).await?.ok()?;
    let ids: Vec<String> = body["memories"].as_array().into_iter().flatten().filter_map(id).collect();
    if ids.len() == count { Ok(ids) } else { Err(Fault::new(format!("{} ids came of {count} lines", ids.len()))) }
}

fn id(memory: &Value) -> Option<String> {
    memory["id"].as_str().map(str::to_owned)
}

/// The records that the server answers, the best first.
async fn ask(learned: &Learned, query: &Query, mode: Mode) -> Outcome<Vec<String>> {
    let Some(client) = learned.projects.get(&query.scope) else {
        return Err(Fault::new(format!("no project is scope {}", query.scope)));
    };
    let question = json!({ "query": query.text, "by": mode.name(), "limit": DEPTH });
    let body = client.post("/v1/memories/recall", &question).await?.ok()?;
    if !body["degraded"].is_null() {
        return Err(Fault::new(format!("not found by meaning: {}", body["degraded"])));
    }
    let Some(answers) = body["memories"].as_array() else { return Err(Fault::new("an answer has no memories")) };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for answer in answers {
        let records = id(&answer["memory"]).and_then(|id| learned.records.get(&id));
        let records = records.ok_or_else(|| Fault::new("a memory was answered that was never stored"))?;
        found.extend(records.iter().filter(|record| seen.insert((*record).clone())).cloned());
    }
    Ok(found)
}
