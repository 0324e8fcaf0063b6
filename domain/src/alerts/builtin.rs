//! The alerts that the server raises by itself, out of what it sees.

use crate::alerts::alert::Raise;
use crate::alerts::content::{AlertDetail, AlertTitle, DedupKey, Severity};
use crate::events::Fact;
use crate::ids::AgentId;
use crate::locks::key::LockKey;
use crate::locks::lease::Waiter;
use crate::work::content::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the keys of alerts about waits for locks begin with.
pub const LOCK_WAIT: &str = "lock-wait:";

/// What the keys of alerts about dead letters begin with.
const DEAD_LETTER: &str = "dead-letter:";

/// What the keys of alerts about agents that died with work begin with.
const AGENT_DEAD: &str = "agent-dead:";

/// What the keys of alerts about full inboxes begin with.
const INBOX_FULL: &str = "inbox-full:";

/// The kind of the fact that tells of an inbox that has become full.
pub const INBOX_FULL_KIND: &str = "inbox.filled";

/// What the keys of alerts about webhooks that were given up begin with.
const WEBHOOK_DISABLED: &str = "webhook-disabled:";

/// What facts mean for alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// To be raised, each key once.
    pub raised: Vec<Raise>,
    /// To be resolved, if they are there: what they told of is over.
    pub over: BTreeSet<DedupKey>,
}

/// Looks through facts, in their order. `system` is whom the server acts as.
pub fn find(facts: &[Fact], system: &AgentId) -> Findings {
    let mut raised: BTreeMap<DedupKey, Raise> = BTreeMap::new();
    let mut over = BTreeSet::new();
    for fact in facts {
        for raise in [dead_letter(fact), agent_dead(fact, system), inbox_full(fact), webhook_disabled(fact)]
            .into_iter()
            .flatten()
        {
            over.remove(&raise.dedup_key);
            let times = raised.get(&raise.dedup_key).map_or(0, |known| known.times);
            raised.insert(raise.dedup_key.clone(), Raise { times: times.saturating_add(raise.times), ..raise });
        }
        if let Some(key) = over_by(fact) {
            raised.remove(&key);
            over.insert(key);
        }
    }
    Findings { raised: raised.into_values().collect(), over }
}

/// Who has waited for locks for longer than `limit`.
pub fn find_long_waits(waiters: &[Waiter], now: DateTime<Utc>, limit: TimeDelta) -> Vec<Raise> {
    let is_long = |waiter: &&Waiter| now - waiter.joined_at > limit;
    let raise = |waiter: &Waiter| {
        let keys: Vec<&str> = waiter.wants.keys().map(LockKey::as_str).collect();
        let agent = &waiter.holder.agent;
        alert(
            &format!("{LOCK_WAIT}{}", waiter.ticket),
            Severity::Warning,
            &format!("{agent} has waited for locks for more than {} s", limit.num_seconds()),
            &format!("Waits since {} for {}.", waiter.joined_at, keys.join(", ")),
        )
    };
    waiters.iter().filter(is_long).filter_map(raise).collect()
}

/// A task that failed for good.
fn dead_letter(fact: &Fact) -> Option<Raise> {
    let body = &fact.body;
    // What else happens to dead letters, such as another priority, ends no attempt.
    if !fact.kind.starts_with("task.") || body["status"] != "dead" || !body["attempt"].is_object() {
        return None;
    }
    let end = &body["attempt"]["end"];
    let cause = end["error"].as_str().or_else(|| end["how"].as_str()).unwrap_or_default();
    alert(
        &format!("{DEAD_LETTER}{}", fact.subject),
        Severity::Error,
        &format!("A task of type {} is a dead letter", text(&body["type"])),
        &format!("{} ended with attempt {}: {cause}", fact.subject, body["attempt"]["number"]),
    )
}

/// The alert that is over: a dead letter is tried again or thrown away, a webhook goes on or was taken away.
fn over_by(fact: &Fact) -> Option<DedupKey> {
    let prefix = match fact.kind.as_str() {
        "task.retried" | "task.discarded" => DEAD_LETTER,
        "webhook.resumed" | "webhook.removed" => WEBHOOK_DISABLED,
        _ => return None,
    };
    DedupKey::parse(&format!("{prefix}{}", fact.subject)).ok()
}

/// A webhook that was given up.
fn webhook_disabled(fact: &Fact) -> Option<Raise> {
    if fact.kind != "webhook.disabled" {
        return None;
    }
    let webhook = &fact.body["webhook"];
    alert(
        &format!("{WEBHOOK_DISABLED}{}", fact.subject),
        Severity::Error,
        "A webhook was given up",
        &format!(
            "{} to {} tells nothing any more ({}). What it has not told waits until somebody resumes it.",
            fact.subject,
            text(&webhook["origin"]),
            text(&webhook["standing"]["because"])
        ),
    )
}

/// A session that died while it held something: each lock and each task counts.
fn agent_dead(fact: &Fact, system: &AgentId) -> Option<Raise> {
    let body = &fact.body;
    let holder = match fact.kind.as_str() {
        "task.session_died" => &body["attempt"]["holder"],
        // A session that was ended in good order ended its locks itself.
        "lock.session_ended" if fact.agent == *system => &body["lease"]["holder"],
        _ => return None,
    };
    let (agent, session) = (text(&holder["agent"]), text(&holder["session"]));
    alert(
        &format!("{AGENT_DEAD}{session}"),
        Severity::Warning,
        &format!("{agent} died with work in its hands"),
        &format!("Session {session} was not heard from in time. It held {}, which is free again.", fact.subject),
    )
}

/// An inbox that took no more.
fn inbox_full(fact: &Fact) -> Option<Raise> {
    if fact.kind != INBOX_FULL_KIND {
        return None;
    }
    alert(
        &format!("{INBOX_FULL}{}", fact.subject),
        Severity::Warning,
        &format!("The inbox of {} is full", fact.subject),
        "Messages to it are refused until some are read.",
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An alert that happened once. `None` if the key would be none, which no subject leads to.
fn alert(key: &str, severity: Severity, title: &str, detail: &str) -> Option<Raise> {
    Some(Raise {
        dedup_key: DedupKey::parse(key).ok()?,
        severity,
        title: AlertTitle::parse(&cut(title, AlertTitle::BYTES_MAX)).ok()?,
        detail: AlertDetail::parse(&cut(detail, AlertDetail::BYTES_MAX)).ok(),
        times: 1,
    })
}

const _: () = assert!(Fault::BYTES_MAX < AlertDetail::BYTES_MAX, "a fault fits into the detail of an alert");

/// Cuts to so many bytes, without control characters.
fn cut(text: &str, bytes_max: usize) -> String {
    let mut cut: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    while cut.len() > bytes_max {
        cut.pop();
    }
    cut
}

#[cfg(test)]
#[path = "builtin_tests.rs"]
mod tests;
