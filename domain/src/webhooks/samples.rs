//! Webhooks and facts for tests.

use crate::events::{Fact, Position};
use crate::ids::{AgentId, FactId, ProjectId, WebhookId};
use crate::webhooks::address::Target;
use crate::webhooks::follows::Follows;
use crate::webhooks::webhook::{Standing, Webhook};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

pub(crate) fn second(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

pub(crate) fn webhook(kinds: &[&str]) -> Webhook {
    Webhook {
        id: WebhookId::new(Uuid::from_u128(1)),
        target: Target::parse("https://hooks.example/in").unwrap(),
        follows: Follows::try_new(kinds.iter().map(|&kind| kind.to_owned()), None).unwrap(),
        standing: Standing::Active,
        failures: 0,
        failing_since: None,
        cursor: Position::START,
        next_number: 1,
        created_by: AgentId::parse("boss").unwrap(),
        created_at: second(0),
        changed_at: second(0),
        old_secret_until: None,
    }
}

pub(crate) fn fact(number: u64, kind: &str, subject: &str) -> (Position, Fact) {
    let fact = Fact {
        id: FactId::new(Uuid::from_u128(number.into())),
        project: ProjectId::parse("p").unwrap(),
        at: second(0),
        agent: AgentId::parse("ada").unwrap(),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        body: json!({ "number": number }),
    };
    (Position::new(1, number), fact)
}
