//! What a sender is told of what became of its message.

use crate::identity::principal::Role;
use crate::ids::AgentId;
use crate::messages::delivery::DeliveryStatus;
use crate::messages::message::Message;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Whether somebody may see to whom a message was delivered: its sender, and orchestrators.
pub fn may_see(message: &Message, agent: &AgentId, role: Role) -> bool {
    message.sender.agent() == Some(agent) || role >= Role::Orchestrator
}

/// How many recipients are in which state. `written` counts the deliveries that are there; of a broadcast, those of the
/// `audience` that have none yet are stored, or expired with it. An agent that left the audience after it received the
/// message stays among the recipients.
pub fn counts(
    written: &BTreeMap<DeliveryStatus, u64>,
    message: &Message,
    audience: u64,
    now: DateTime<Utc>,
) -> BTreeMap<DeliveryStatus, u64> {
    let mut counts: BTreeMap<DeliveryStatus, u64> =
        DeliveryStatus::ALL.into_iter().map(|status| (status, written.get(&status).copied().unwrap_or(0))).collect();
    if message.is_broadcast {
        let there: u64 = counts.values().sum();
        let status = if message.is_expired(now) { DeliveryStatus::Expired } else { DeliveryStatus::Stored };
        *counts.entry(status).or_default() += audience.saturating_sub(there);
    }
    counts
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
