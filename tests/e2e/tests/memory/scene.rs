//! Where the stories about memory begin: a server, two agents and an orchestrator, and an eye on log and facts.

use e2e::audit::Watch;
use e2e::client::{Client, Reply};
use e2e::server::Server;
use e2e::store::Store;
use e2e::{Fault, Outcome};
use reqwest::Method;
use serde_json::{Value, json};

/// Alice and Bob are agents, Olga is an orchestrator.
pub(crate) struct Scene<'a> {
    pub(crate) server: Server,
    store: &'a Store,
    pub(crate) alice: Client,
    pub(crate) bob: Client,
    pub(crate) olga: Client,
    log: Watch,
    facts: usize,
}

impl<'a> Scene<'a> {
    pub(crate) async fn open(store: &'a Store) -> Outcome<Self> {
        Self::over(store, store.serve().await?).await
    }

    pub(crate) async fn over(store: &'a Store, server: Server) -> Outcome<Self> {
        let (alice, bob, olga) = (server.agent("alice")?, server.agent("bob")?, server.agent("olga")?);
        let log = Watch::new(olga.clone()).await?;
        let facts = kinds(store).await?.len();
        Ok(Self { server, store, alice, bob, olga, log, facts })
    }

    /// The new lines of the audit log, and the kinds of the new facts, sorted.
    pub(crate) async fn told(&mut self) -> Outcome<(Vec<String>, Vec<String>)> {
        let all = kinds(self.store).await?;
        let mut fresh = all.get(self.facts..).unwrap_or_default().to_vec();
        self.facts = all.len();
        fresh.sort_unstable();
        Ok((self.log.told().await?, fresh))
    }
}

async fn kinds(store: &Store) -> Outcome<Vec<String>> {
    store.texts("SELECT kind FROM facts ORDER BY seq").await
}

/// A memory of these words.
pub(crate) fn note(summary: &str) -> Value {
    json!({ "event_type": "discovery", "summary": summary })
}

/// The same with more fields.
pub(crate) fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.clone();
    if let (Some(to), Some(more)) = (body.as_object_mut(), more.as_object()) {
        to.extend(more.clone());
    }
    body
}

/// Remembers something new; answers its id.
pub(crate) async fn remember(by: &Client, body: &Value) -> Outcome<String> {
    let reply = by.post("/v1/memories", body).await?;
    if reply.status == 201 {
        Ok(word(&reply.body["memory"]["id"]))
    } else {
        Err(Fault::new(format!("not stored: {} {}", reply.status, reply.text)))
    }
}

/// Asks a question with options; answers all that came.
pub(crate) async fn ask(by: &Client, query: &str, more: &Value) -> Outcome<Value> {
    by.post("/v1/memories/recall", &with(&json!({ "query": query }), more)).await?.ok()
}

/// The ids of the answers to a question, the best first.
pub(crate) async fn recall(by: &Client, query: &str, more: &Value) -> Outcome<Vec<String>> {
    Ok(ids_of(&ask(by, query, more).await?))
}

pub(crate) fn ids_of(recalled: &Value) -> Vec<String> {
    recalled["memories"].as_array().into_iter().flatten().map(|answer| word(&answer["memory"]["id"])).collect()
}

/// Lists memories; answers their ids.
pub(crate) async fn list(by: &Client, query: &[(&str, &str)]) -> Outcome<Vec<String>> {
    let page = by.send(by.request(Method::GET, "/v1/memories").query(query)).await?.ok()?;
    Ok(page["memories"].as_array().into_iter().flatten().map(|memory| word(&memory["id"])).collect())
}

pub(crate) async fn get(by: &Client, id: &str) -> Outcome<Reply> {
    by.get(&format!("/v1/memories/{id}")).await
}

/// Does something to a memory.
pub(crate) async fn change(by: &Client, id: &str, what: &str, body: &Value) -> Outcome<Reply> {
    by.post(&format!("/v1/memories/{id}/{what}"), body).await
}

/// The lines of an export.
pub(crate) async fn export(by: &Client, query: &[(&str, &str)]) -> Outcome<String> {
    let reply = by.send(by.request(Method::GET, "/v1/memories/export").query(query)).await?;
    if reply.status == 200 && reply.header("content-type") == Some("application/x-ndjson") {
        Ok(reply.text)
    } else {
        Err(Fault::new(format!("no export: {} {}", reply.status, reply.text)))
    }
}

/// Imports lines.
pub(crate) async fn import(by: &Client, lines: impl Into<String>) -> Outcome<Reply> {
    let request = by.request(Method::POST, "/v1/memories/import").header("content-type", "application/x-ndjson");
    by.send(request.body(lines.into())).await
}

pub(crate) fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn none() -> Value {
    json!({})
}
