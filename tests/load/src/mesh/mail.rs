//! How long a message takes, from before it is sent at one server until it is in the hands of whoever waits at the other.

use super::{Pair, SENDERS, send};
use crate::http::Connection;
use crate::statistics::Latencies;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long the last ones may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct Received {
    messages: Vec<InHand>,
}

#[derive(Deserialize)]
struct InHand {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    subject: String,
}

type Begun = Arc<Mutex<HashMap<u32, Instant>>>;

/// Sends to one agent, who waits at the other server, takes what there is, says that it was read, and waits again.
pub(super) async fn measure(pair: &Pair, window: Duration) -> Result<Latencies> {
    let mut inbox = Connection::open(pair.other.address, pair.caller(SENDERS)?).await?;
    // So that the receiver has a record.
    let _: Received = inbox.post("/v1/inbox/receive", "first", "{}".to_owned()).await?;
    let begun = Begun::default();
    let noting = Arc::clone(&begun);
    let note = move |number, at| {
        noting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, at);
    };
    let to = json!({ "agents": [format!("load-agent-{SENDERS}")] });
    let sending = send(pair, &to, window, note);
    let (sent, latencies) = tokio::join!(sending, receive(&mut inbox, &begun, window + PATIENCE));
    let (sent, latencies) = (sent?, latencies?);
    if latencies.count() != u64::from(sent) {
        bail!("{sent} messages were sent and {} received", latencies.count());
    }
    Ok(latencies)
}

async fn receive(inbox: &mut Connection, begun: &Begun, within: Duration) -> Result<Latencies> {
    let mut latencies = Latencies::new()?;
    let deadline = Instant::now() + within;
    let body = json!({ "max_messages": 50, "wait_seconds": 5 }).to_string();
    for turn in 0_u64.. {
        let received: Received = inbox.post("/v1/inbox/receive", &format!("receive-{turn}"), body.clone()).await?;
        let now = Instant::now();
        if received.messages.is_empty() {
            break;
        }
        for InHand { message } in &received.messages {
            let number: u32 = message.subject.parse().context("a subject is a number")?;
            let since = begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
            latencies.record(now - since.context("a message came twice, or before it was sent")?);
        }
        let ids: Vec<&str> = received.messages.iter().map(|one| one.message.id.as_str()).collect();
        let read = json!({ "messages": ids }).to_string();
        let _: Value = inbox.post("/v1/inbox/read", &format!("read-{turn}"), read).await?;
        if now > deadline {
            bail!("messages still came {within:?} after the first was sent");
        }
    }
    Ok(latencies)
}
