//! The audit log as a client reads it, page by page.

use crate::client::Client;
use crate::{Fault, Outcome};
use reqwest::Method;
use serde_json::Value;

/// Rows of a page.
const PAGE_ROWS: &str = "500";

/// Every line that passes the filters, oldest first.
pub async fn entries(reader: &Client, filters: &[(&str, &str)]) -> Outcome<Vec<Value>> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut request = reader.request(Method::GET, "/v1/audit").query(&[("limit", PAGE_ROWS)]).query(filters);
        if let Some(cursor) = &cursor {
            request = request.query(&[("cursor", cursor)]);
        }
        let mut page = reader.send(request).await?.ok()?;
        match page["entries"].take() {
            Value::Array(rows) => all.extend(rows),
            other => return Err(Fault::new(format!("a page of the audit log without entries: {other}"))),
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    all.reverse();
    Ok(all)
}

/// Looks at the log again and again and tells what is new.
#[derive(Debug)]
pub struct Watch {
    reader: Client,
    seen: usize,
}

impl Watch {
    /// From now on. The reader's role must let it see everybody's lines.
    pub async fn new(reader: Client) -> Outcome<Self> {
        let seen = entries(&reader, &[]).await?.len();
        Ok(Self { reader, seen })
    }

    /// Goes on at the server of another reader, on the same store.
    pub fn move_to(&mut self, reader: Client) {
        self.reader = reader;
    }

    /// The lines since the last look, oldest first.
    pub async fn fresh(&mut self) -> Outcome<Vec<Value>> {
        let all = entries(&self.reader, &[]).await?;
        let fresh = all.get(self.seen..).ok_or_else(|| Fault::new("the audit log has become shorter"))?.to_vec();
        self.seen = all.len();
        Ok(fresh)
    }

    /// The lines since the last look, told as by [`tell`].
    pub async fn told(&mut self) -> Outcome<Vec<String>> {
        Ok(tell(&self.fresh().await?))
    }
}

/// Lines as `agent operation outcome`, sorted, because lines of one commit have no order.
pub fn tell(lines: &[Value]) -> Vec<String> {
    let word = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let tell = |line: &Value| format!("{} {} {}", word(line, "agent"), word(line, "operation"), word(line, "outcome"));
    let mut told: Vec<String> = lines.iter().map(tell).collect();
    told.sort_unstable();
    told
}
