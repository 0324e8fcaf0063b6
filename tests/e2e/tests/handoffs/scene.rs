//! Where the stories about handoffs begin: a server, three who were here before, and an eye on the log and the tables.

use e2e::audit::Watch;
use e2e::client::{Client, Reply};
use e2e::rows::Census;
use e2e::server::Server;
use e2e::store::Store;
use e2e::work::{Claimed, task};
use e2e::{Fault, Outcome};
use serde_json::{Value, json};

/// Alice and Bob are agents, Olga is an orchestrator; each is in a session of its own that began before.
pub(crate) struct Scene<'a> {
    _server: Server,
    pub(crate) alice: Client,
    pub(crate) bob: Client,
    pub(crate) olga: Client,
    rows: Census<'a>,
    log: Watch,
}

impl<'a> Scene<'a> {
    pub(crate) async fn open(store: &'a Store) -> Outcome<Self> {
        let server = store.serve().await?;
        let named = |name: &str| Ok::<_, Fault>(server.agent(name)?.session(&format!("{name}-1")));
        let (alice, bob, olga) = (named("alice")?, named("bob")?, named("olga")?);
        for agent in [&alice, &bob, &olga] {
            agent.claim(&json!({})).await?.ok()?;
        }
        let (rows, log) = (Census::new(store).await?, Watch::new(olga.clone()).await?);
        Ok(Self { _server: server, alice, bob, olga, rows, log })
    }

    /// The new lines of the audit log, and what changed in the tables.
    pub(crate) async fn told(&mut self) -> Outcome<(Vec<String>, String)> {
        Ok((self.log.told().await?, self.rows.change().await?))
    }

    /// Forgets what happened so far.
    pub(crate) async fn look_away(&mut self) -> Outcome {
        self.told().await.map(drop)
    }
}

/// A task with a lock that somebody has claimed.
pub(crate) async fn claimed(by: &Client, key: &str) -> Outcome<Claimed> {
    by.submit_one(&task("half done", &json!({ "resources": [{ "key": key }] }))).await?;
    by.claim_one().await
}

/// Writes a handoff and expects that.
pub(crate) async fn write(by: &Client, body: &Value) -> Outcome<Value> {
    let reply = by.post("/v1/handoffs", body).await?;
    if reply.status == 201 { Ok(reply.body) } else { Err(Fault::new(format!("not written: {}", reply.text))) }
}

/// Writes a handoff that is offered so, and answers its id.
pub(crate) async fn offer(by: &Client, to: &Value, more: &Value) -> Outcome<String> {
    let mut body = json!({ "summary": "half of it is done", "offer": to });
    if let (Some(to), Some(more)) = (body.as_object_mut(), more.as_object()) {
        to.extend(more.clone());
    }
    Ok(id(&write(by, &body).await?["handoff"]))
}

pub(crate) fn id(handoff: &Value) -> String {
    handoff["id"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn next() -> Value {
    json!({ "to": "next" })
}

/// Takes, declines or withdraws a handoff.
pub(crate) async fn say(by: &Client, word: &str, id: &str) -> Outcome<Reply> {
    by.post(&format!("/v1/handoffs/{id}/{word}"), &json!({})).await
}

pub(crate) async fn get(by: &Client, id: &str) -> Outcome<Value> {
    by.get(&format!("/v1/handoffs/{id}")).await?.ok()
}

/// The ids of what a query lists.
pub(crate) async fn listed(by: &Client, query: &[(&str, &str)]) -> Outcome<Vec<String>> {
    let request = by.request(reqwest::Method::GET, "/v1/handoffs").query(query);
    let page = by.send(request).await?.ok()?;
    Ok(page["handoffs"].as_array().into_iter().flatten().map(id).collect())
}

pub(crate) fn number(value: &Value) -> Outcome<i64> {
    value.as_i64().ok_or_else(|| Fault::new(format!("{value} is no number")))
}
