//! Streams of events, read as a browser would.

use crate::client::{Client, Reply};
use crate::{Fault, Outcome};
use reqwest::{Method, Response};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Where events are followed.
pub const EVENTS: &str = "/v1/events";

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its type; empty for the usual one.
    pub kind: String,
    /// What it says.
    pub data: Value,
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    response: Response,
    buffer: String,
    /// The last id that came: where to go on.
    pub last_id: String,
    /// How many comments came.
    pub comments: usize,
}

impl Stream {
    /// Opens one of events, `query` with its question mark; a fault if it is refused.
    pub async fn open(client: &Client, query: &str) -> Outcome<Self> {
        let mut stream = Self::of(client, &format!("{EVENTS}{query}")).await?;
        // The position comes first, so that nothing is lost from here on.
        while stream.last_id.is_empty() {
            stream.read(Duration::from_secs(10)).await?;
        }
        Ok(stream)
    }

    /// Opens any; a fault if it is refused.
    pub async fn of(client: &Client, path: &str) -> Outcome<Self> {
        let request = client.request(Method::GET, path);
        let response = request.header("accept", "text/event-stream").send().await?;
        let media_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        if response.status() != 200 || media_type != Some("text/event-stream") {
            return Err(Fault::new(format!("no stream: {} {}", response.status(), response.text().await?)));
        }
        Ok(Self { response, buffer: String::new(), last_id: String::new(), comments: 0 })
    }

    /// Opens one that goes on after this one.
    pub async fn again(&self, client: &Client, query: &str) -> Outcome<Self> {
        Self::open(&client.header("last-event-id", self.last_id.clone()), query).await
    }

    /// The next event; `None` if the stream ended, in good order or not. A fault if nothing came in time.
    pub async fn next(&mut self, within: Duration) -> Outcome<Option<Event>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(event) = self.parse()? {
                return Ok(Some(event));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.more(left).await? {
                return Ok(None);
            }
        }
    }

    /// The next event, which must come.
    pub async fn event(&mut self, within: Duration) -> Outcome<Value> {
        match self.next(within).await? {
            Some(Event { kind, data }) if kind.is_empty() => Ok(data),
            other => Err(Fault::new(format!("expected an event, got {other:?}"))),
        }
    }

    /// The events until one of this kind about this thing, and that one.
    pub async fn until(&mut self, kind: &str, subject: &str, within: Duration) -> Outcome<Vec<Value>> {
        let deadline = Instant::now() + within;
        let mut events = Vec::new();
        loop {
            let event = self.event(deadline.saturating_duration_since(Instant::now())).await?;
            let is_last = event["kind"] == kind && event["subject"] == subject;
            events.push(event);
            if is_last {
                return Ok(events);
            }
        }
    }

    /// Reads what comes; a fault if nothing does. Answers whether the stream goes on.
    pub async fn read(&mut self, within: Duration) -> Outcome<bool> {
        let is_open = self.more(within).await?;
        // What is complete but no event, such as a position.
        while self.buffer.contains("\n\n") && !self.holds_event() {
            self.parse()?;
        }
        Ok(is_open)
    }

    fn holds_event(&self) -> bool {
        let block = self.buffer.split("\n\n").next().unwrap_or_default();
        block.lines().any(|line| line.starts_with("data:"))
    }

    async fn more(&mut self, within: Duration) -> Outcome<bool> {
        match tokio::time::timeout(within, self.response.chunk()).await {
            Err(_) => Err(Fault::new(format!("nothing came within {within:?}"))),
            // A server that was killed breaks the stream off.
            Ok(Err(_) | Ok(None)) => Ok(false),
            Ok(Ok(Some(bytes))) => {
                self.buffer.push_str(std::str::from_utf8(&bytes)?);
                Ok(true)
            }
        }
    }

    /// The next event that is complete.
    fn parse(&mut self) -> Outcome<Option<Event>> {
        while let Some((block, rest)) = self.buffer.split_once("\n\n") {
            let (mut kind, mut data, mut id) = (String::new(), None, None);
            let mut comments = 0;
            for line in block.lines() {
                match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
                    Some(("", _)) => comments += 1,
                    Some(("id", value)) => id = Some(value.to_owned()),
                    Some(("event", value)) => value.clone_into(&mut kind),
                    Some(("data", value)) => data = Some(serde_json::from_str(value)?),
                    Some(("retry", _)) => {}
                    _ => return Err(Fault::new(format!("{line:?} is no line of a stream"))),
                }
            }
            let rest = rest.to_owned();
            self.buffer = rest;
            self.comments += comments;
            self.last_id = id.unwrap_or_else(|| std::mem::take(&mut self.last_id));
            if let Some(data) = data {
                return Ok(Some(Event { kind, data }));
            }
        }
        Ok(None)
    }
}

/// Asks for a page of events.
pub async fn ask(client: &Client, query: &str) -> Outcome<Reply> {
    client.get(&format!("{EVENTS}{query}")).await
}

/// Everything that is kept, page by page.
pub async fn all(client: &Client) -> Outcome<Vec<Value>> {
    let (mut events, mut query) = (Vec::new(), "?from=start&limit=50".to_owned());
    loop {
        let page = ask(client, &query).await?.ok()?;
        let some = page["events"].as_array().cloned().unwrap_or_default();
        if some.is_empty() {
            return Ok(events);
        }
        events.extend(some);
        query = format!("?limit=50&after={}", page["next_after"].as_str().unwrap_or_default());
    }
}

/// The positions of events.
pub fn positions(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["position"].as_str().unwrap_or_default().to_owned()).collect()
}
