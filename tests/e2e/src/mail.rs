//! What agents say and ask of messages.

use crate::client::Client;
use crate::server::Server;
use crate::store::Store;
use crate::{Fault, Outcome};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// Where messages are sent and looked for.
pub const MESSAGES: &str = "/v1/messages";
/// Where they are received.
pub const RECEIVE: &str = "/v1/inbox/receive";
/// Where it is said that they were read.
pub const READ: &str = "/v1/inbox/read";
/// Where they are acknowledged.
pub const ACKNOWLEDGE: &str = "/v1/inbox/acknowledge";
/// Where they are given back.
pub const RETURN: &str = "/v1/inbox/return";

/// What must happen soon happens within this time, also on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// A server on which Alice, Bob and Olga have records.
pub async fn served(store: &Store) -> Outcome<(Server, [Client; 3])> {
    let server = store.serve().await?;
    let agents = [server.agent("alice")?, server.agent("bob")?, server.agent("olga")?];
    for agent in &agents {
        here(agent).await?;
    }
    Ok((server, agents))
}

/// Makes an agent's record, as its first session does.
pub async fn here(agent: &Client) -> Outcome {
    agent.post(RECEIVE, &json!({})).await?.ok().map(drop)
}

/// A message to agents by name.
pub fn named(agents: &[&str], subject: &str) -> Value {
    json!({ "to": { "agents": agents }, "subject": subject })
}

/// `base` with the members of `more`.
pub fn with(mut base: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        base[name] = value.clone();
    }
    base
}

/// An instant that lies ahead.
#[expect(clippy::disallowed_methods, reason = "the server it is said to shares this machine's clock")]
pub fn in_seconds(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::seconds(seconds)
}

/// Sends a message, which must be taken; answers its id.
pub async fn send(from: &Client, body: &Value) -> Outcome<String> {
    let reply = from.post(MESSAGES, body).await?;
    let id = reply.body["id"].as_str().unwrap_or_default().to_owned();
    if reply.status == 201 { Ok(id) } else { Err(Fault::new(format!("not sent: {} {}", reply.status, reply.text))) }
}

/// Receives what there is.
pub async fn receive(agent: &Client, body: &Value) -> Outcome<Vec<Value>> {
    let mut answer = agent.post(RECEIVE, body).await?.ok()?;
    match answer["messages"].take() {
        Value::Array(messages) => Ok(messages),
        other => Err(Fault::new(format!("no list of messages: {other}"))),
    }
}

/// What the messages are called that were received.
pub fn subjects(received: &[Value]) -> Vec<String> {
    received.iter().map(|one| one["message"]["subject"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What became of a message, as `bob read, carol stored`.
pub async fn became(sender: &Client, id: &str) -> Outcome<String> {
    let ledger = sender.get(&format!("{MESSAGES}/{id}/deliveries")).await?.ok()?;
    let one = |delivery: &Value| {
        let word = |name: &str| delivery[name].as_str().unwrap_or("?").to_owned();
        format!("{} {}", word("agent"), word("status"))
    };
    Ok(ledger["deliveries"].as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(", "))
}
