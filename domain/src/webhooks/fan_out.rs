//! From facts to deliveries.

use crate::events::{Fact, Position};
use crate::ids::FactId;
use crate::webhooks::delivery::{BODY_BYTES_MAX, Delivery, Stage};
use crate::webhooks::webhook::Webhook;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The kind of a delivery that somebody asked for to try a webhook out.
pub const TEST_KIND: &str = "webhook.test";

/// The kind of a delivery that tells of facts that were forgotten before the webhook had read them.
pub const GAP_KIND: &str = "webhook.gap";

/// A new delivery, and what it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// What is sent, at most [`BODY_BYTES_MAX`] bytes.
    pub body: String,
}

/// What a webhook makes of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    /// The webhook, which has read them.
    pub webhook: Webhook,
    /// What it tells.
    pub deliveries: Vec<NewDelivery>,
}

/// What a delivery tells.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The id that the target knows it by.
    pub id: FactId,
    /// The kind.
    pub kind: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The project it happened in.
    pub project: &'a str,
    /// Everything a follower needs to know.
    pub body: &'a Value,
}

impl Webhook {
    /// Makes deliveries of facts, which come in their order and after its cursor, as long as there is `room`; what finds
    /// none is left for later. Subjects in `waiting` have deliveries that are to be told first.
    pub fn fan_out(
        &self,
        facts: &[(Position, Fact)],
        room: usize,
        waiting: &BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> FanOut {
        let mut webhook = self.clone();
        let (mut deliveries, mut waiting) = (Vec::new(), waiting.clone());
        for (position, fact) in facts {
            if *position <= webhook.cursor {
                continue;
            }
            if self.follows.accepts(fact) {
                if deliveries.len() >= room {
                    break;
                }
                let told = Told {
                    id: fact.id,
                    kind: &fact.kind,
                    subject: &fact.subject,
                    at: fact.at,
                    project: fact.project.as_str(),
                    body: &fact.body,
                };
                let is_first = waiting.insert(fact.subject.clone());
                deliveries.push(webhook.deliver(told, is_first, now));
            }
            webhook.cursor = *position;
        }
        FanOut { webhook, deliveries }
    }

    /// Makes one delivery; `is_first` if none about its subject waits.
    pub fn deliver(&mut self, told: Told<'_>, is_first: bool, now: DateTime<Utc>) -> NewDelivery {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        let delivery = Delivery {
            webhook: self.id,
            number,
            fact: told.id,
            kind: told.kind.to_owned(),
            subject: told.subject.to_owned(),
            created_at: now,
            stage: if is_first { Stage::Due { at: now } } else { Stage::Behind },
            attempts: 0,
            claims: 0,
            log: Vec::new(),
        };
        NewDelivery { delivery, body: told.envelope() }
    }
}

impl Told<'_> {
    /// What is sent: `type`, `timestamp` and `data`, with the id, project and subject beside them. Data that would make it
    /// too long is left out, which `data_omitted` says.
    pub fn envelope(&self) -> String {
        let mut envelope = json!({
            "id": self.id,
            "type": self.kind,
            "timestamp": self.at,
            "project": self.project,
            "subject": self.subject,
            "data": self.body,
        });
        let whole = envelope.to_string();
        if whole.len() <= BODY_BYTES_MAX {
            return whole;
        }
        if let Value::Object(fields) = &mut envelope {
            fields.insert("data".to_owned(), Value::Null);
            fields.insert("data_omitted".to_owned(), Value::Bool(true));
        }
        envelope.to_string()
    }
}
