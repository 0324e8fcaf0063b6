//! What is told of alerts: to the audit log and to followers, and to every orchestrator as a message of the same commit.

use crate::executor::Happening;
use crate::messages::happenings;
use chrono::{DateTime, TimeDelta, Utc};
use domain::alerts::alert::Alert;
use domain::alerts::content::Severity;
use domain::audit::Change;
use domain::ids::{MessageId, ProjectId};
use domain::messages::audience::Audience;
use domain::messages::changes::Changes;
use domain::messages::content::{Body, Content, Data, Links, MessageKind, Subject};
use domain::messages::message::MessageType;
use domain::messages::sweep::{Announcement, announce};
use domain::work::rank::Priority;
use ports::store::{StoreError, UnitOfWork};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The kind of the messages.
const KIND: &str = "alert";

/// For how long such a message is of use, in days.
const USEFUL_DAYS: i64 = 7;

/// What happened to an alert.
pub(super) fn happening(
    operation: &str,
    kind: &'static str,
    before: Option<&Alert>,
    after: &Alert,
    by_itself: bool,
) -> Happening {
    let change = Change {
        operation: operation.to_owned(),
        target: after.id.to_string(),
        before: before.map(|before| json!(before)),
        after: Some(json!(after)),
    };
    Happening { change, kind, body: json!(after), by_itself }
}

/// A text that must be one, made from an alert's: a defect if it is not.
fn defect(what: &'static str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(format!("the {what} of an alert's message: {error}").into())
}

fn priority(severity: Severity) -> Result<Priority, StoreError> {
    let number = match severity {
        Severity::Critical => 1,
        Severity::Error => 2,
        Severity::Warning => 4,
        Severity::Info => 6,
    };
    Priority::try_new(number).map_err(|error| defect("priority", error))
}

fn content(alert: &Alert) -> Result<Content, StoreError> {
    let line = format!("[{}] {}", alert.severity.as_str(), alert.title.as_str());
    let mut line: String = line;
    while line.len() > Subject::BYTES_MAX {
        line.pop();
    }
    let body = alert.detail.as_ref().map(|detail| Body::parse(detail.as_str())).transpose();
    let data = json!({
        "alert": alert.id, "dedup_key": alert.dedup_key, "severity": alert.severity, "count": alert.count,
        "escalations": alert.escalations, "raised_by": alert.raised_by, "first_at": alert.first_at,
    });
    Ok(Content {
        subject: Subject::parse(&line).map_err(|error| defect("subject", error))?,
        body: body.map_err(|error| defect("body", error))?,
        data: Some(Data::try_new(data).map_err(|error| defect("data", error))?),
        links: Links::default(),
    })
}

/// Tells every orchestrator of these alerts. Takes the project's mail head; `ids` are fresh, one for each at least.
/// Answers what is to be told of that.
pub(super) async fn tell_orchestrators(
    uow: &mut dyn UnitOfWork,
    project: &ProjectId,
    alerts: &[&Alert],
    ids: &[MessageId],
    now: DateTime<Utc>,
) -> Result<Vec<Happening>, StoreError> {
    if alerts.is_empty() {
        return Ok(Vec::new());
    }
    let Some(head) = uow.mail_head_lock(project).await? else { return Ok(Vec::new()) };
    let mut changes = Changes::default();
    let mut number = head.last_number;
    for (alert, id) in alerts.iter().zip(ids) {
        number = number.next();
        let announcement = Announcement {
            audience: Audience::Orchestrators,
            message_type: MessageType::Alert,
            kind: Some(MessageKind::parse(KIND).map_err(|error| defect("kind", error))?),
            priority: priority(alert.severity)?,
            content: content(alert)?,
            about: None,
            ack: None,
            expires_at: Some(now + TimeDelta::days(USEFUL_DAYS)),
        };
        changes.new.push(announce(announcement, *id, number, now, &BTreeSet::new()));
    }
    uow.mail_save(project, &changes).await?;
    Ok(happenings::of(&changes, true))
}

/// What stands in the log of a refusal.
pub(super) fn named(id: impl std::fmt::Display) -> Value {
    json!({ "id": id.to_string() })
}
