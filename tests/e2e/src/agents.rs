//! Agents as others see them.

use crate::Outcome;
use crate::client::Client;
use serde_json::Value;

/// Where agents are.
pub const AGENTS: &str = "/v1/agents";

/// One agent, as it is now.
pub async fn agent(reader: &Client, name: &str) -> Outcome<Value> {
    reader.get(&format!("{AGENTS}/{name}")).await?.ok()
}

/// The names of all pages, and how many pages there were.
pub async fn pages(reader: &Client, query: &str) -> Outcome<(Vec<String>, usize)> {
    let (mut found, mut next, mut pages) = (Vec::new(), format!("{AGENTS}?{query}"), 0);
    loop {
        let page = reader.get(&next).await?.ok()?;
        pages += 1;
        let agents = page["agents"].as_array().cloned().unwrap_or_default();
        found.extend(agents.iter().filter_map(|agent| agent["agent"].as_str().map(str::to_owned)));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{AGENTS}?{query}&cursor={cursor}"),
            None => return Ok((found, pages)),
        }
    }
}

/// The names of all pages.
pub async fn names(reader: &Client, query: &str) -> Outcome<Vec<String>> {
    Ok(pages(reader, query).await?.0)
}
