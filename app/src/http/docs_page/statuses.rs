//! Which problems each operation may be answered with: the one table that the statuses in the `OpenAPI` document come from.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::problem::Kind;
use crate::http::problem::kinds::{
    AGENT_DEREGISTERED, AGENT_UNKNOWN, ALERT_NOT_YOURS, ALERT_RESOLVED, ALERT_UNKNOWN, ALERTS_FULL, AUDIENCE_EMPTY,
    AUDIENCE_TOO_LARGE, BODY_TOO_LARGE, BUSY, CLAIM_STALE, CLAIM_UNKNOWN, CONVERSATION_NOT_STOPPED,
    CONVERSATION_SLOWED, CONVERSATION_STOPPED, DEADLINE_PASSED, DEADLOCK, DELIVERY_ENDED, EXPIRY_PASSED,
    FOLLOWERS_FULL, GROUP_FULL, GROUPS_FULL, HANDOFF_NOT_FOR_YOU, HANDOFF_NOT_HELD, HANDOFF_NOT_OFFERED,
    HANDOFF_NOT_YOURS, HANDOFF_OVER, HANDOFF_TAKEN, HANDOFF_UNKNOWN, IDEMPOTENCY_KEY_REUSED, IMPORT_REFUSED,
    INBOX_FULL, INTERNAL, INVALID_VALUE, KEY_REVOKED, KEY_UNKNOWN, LINE_FULL, LOCK_HELD, MALFORMED_REQUEST,
    MEMORY_ELSEWHERE, MEMORY_NOT_YOURS, MEMORY_REDACTED, MEMORY_SUPERSEDED, MEMORY_UNKNOWN, MESSAGE_UNKNOWN,
    METHOD_NOT_ALLOWED, NEEDS_ALL_PROJECTS, NOT_HOLDER, NOT_IN_GROUP, NOT_OFFERED, NOT_ON_BEHALF, NOT_YOUR_AGENT,
    NOT_YOUR_MEMBERSHIP, NOT_YOUR_PROJECT, PROCEDURE_CHANGED, PROCEDURE_NOT_YOURS, PROCEDURE_UNKNOWN,
    PROCEDURE_VERSION_UNKNOWN, PROCEDURE_VERSIONS_FULL, PROCEDURES_FULL, PROJECT_ARCHIVED, PROJECT_DEFAULT_STAYS,
    PROJECT_EXISTS, PROJECT_UNKNOWN, RECIPIENTS_UNKNOWN, REPLY_UNKNOWN, ROLE_TOO_LOW, SCHEDULE_EXISTS,
    SCHEDULE_NEVER_FIRES, SCHEDULE_UNKNOWN, SCHEDULES_FULL, SECRET_FOUND, SESSION_ENDED, SESSION_NOT_YOURS,
    SESSION_UNKNOWN, SHUTTING_DOWN, SUBMISSION_REFUSED, TASK_ENDED, TASK_NOT_DEAD, TASK_NOT_HELD, TASK_RUNNING,
    TASK_UNKNOWN, TICKET_EXPIRED, TICKET_MISMATCH, TICKET_NOT_YOURS, TIME_OUT_OF_REACH, TIMEOUT, TOKEN_STALE,
    TOKEN_UNKNOWN, TOKENS_USED_UP, TOO_MANY_FOLLOWERS, UNAUTHENTICATED, UNAVAILABLE, UNSUPPORTED_MEDIA_TYPE,
    WEBHOOK_ADDRESS_REFUSED, WEBHOOK_BACKLOG_FULL, WEBHOOK_DELIVERY_PENDING, WEBHOOK_DELIVERY_UNKNOWN,
    WEBHOOK_NOT_ACTIVE, WEBHOOK_UNKNOWN, WEBHOOKS_FULL, WORKING_ENTRY_CHANGED, WORKING_ENTRY_UNKNOWN,
    WORKING_MEMORY_FULL, WORKING_MEMORY_NOT_YOURS,
};

/// Problems that come together.
type Group = &'static [&'static Kind];

/// Any operation.
const OPEN: Group = &[&METHOD_NOT_ALLOWED, &INTERNAL, &TIMEOUT];
/// Behind a key, and so of an agent that may name a session.
const KEYED: Group = &[
    &UNAUTHENTICATED,
    &NOT_YOUR_AGENT,
    &NOT_YOUR_PROJECT,
    &SESSION_NOT_YOURS,
    &SESSION_ENDED,
    &INVALID_VALUE,
    &METHOD_NOT_ALLOWED,
    &INTERNAL,
    &UNAVAILABLE,
    &TIMEOUT,
];
/// In a project that must be there.
const PROJECT: Group = &[&PROJECT_UNKNOWN];
/// With a body.
const BODY: Group = &[&MALFORMED_REQUEST, &BODY_TOO_LARGE, &UNSUPPORTED_MEDIA_TYPE];
/// Changes something, once for each idempotency key.
const CHANGE: Group = &[&IDEMPOTENCY_KEY_REUSED, &BUSY];
/// Changes something in a project that is not archived.
const WRITE: Group = &[&PROJECT_UNKNOWN, &PROJECT_ARCHIVED, &IDEMPOTENCY_KEY_REUSED, &BUSY];
/// Stands in a lane of its project, which may have closed.
const HOT: Group = &[&SHUTTING_DOWN];
/// Is about tokens of the caller's own.
const OWN_TOKENS: Group = &[&TOKEN_UNKNOWN, &NOT_HOLDER, &TOKEN_STALE];
/// Concerns projects as such.
const ALL_PROJECTS: Group = &[&ROLE_TOO_LOW, &NEEDS_ALL_PROJECTS];
/// Changes a key that is there.
const KNOWN_KEY: Group = &[&ROLE_TOO_LOW, &KEY_UNKNOWN, &KEY_REVOKED];
/// Asks for locks.
const ACQUIRE: Group =
    &[&LOCK_HELD, &DEADLOCK, &LINE_FULL, &TICKET_NOT_YOURS, &TICKET_EXPIRED, &TICKET_MISMATCH, &TOKENS_USED_UP];

/// Is about a claim of the caller's own.
const OWN_CLAIM: Group = &[&TASK_UNKNOWN, &CLAIM_UNKNOWN, &NOT_HOLDER, &CLAIM_STALE];
/// Steers a task.
const STEER: Group = &[&TASK_UNKNOWN, &ROLE_TOO_LOW];

/// Is about an offer.
const OFFER: Group = &[&HANDOFF_UNKNOWN, &HANDOFF_NOT_OFFERED, &HANDOFF_TAKEN, &HANDOFF_OVER];

/// Keeps schedules.
const STEER_SCHEDULES: Group = &[&ROLE_TOO_LOW];

/// Is about messages of the caller's own inbox.
const OWN_MESSAGES: Group = &[&MESSAGE_UNKNOWN, &DELIVERY_ENDED];
/// Moves members of groups.
const MEMBERS: Group = &[&NOT_YOUR_MEMBERSHIP];
/// Sends a message.
const SEND: Group = &[
    &RECIPIENTS_UNKNOWN,
    &AUDIENCE_EMPTY,
    &AUDIENCE_TOO_LARGE,
    &REPLY_UNKNOWN,
    &TASK_NOT_HELD,
    &NOT_ON_BEHALF,
    &TIME_OUT_OF_REACH,
    &INBOX_FULL,
];
/// Answers another agent.
const CONVERSE: Group = &[&CONVERSATION_SLOWED, &CONVERSATION_STOPPED];

/// Lets a memory take the place of another.
const SUPERSEDE: Group = &[&ROLE_TOO_LOW, &MEMORY_UNKNOWN, &MEMORY_SUPERSEDED, &MEMORY_ELSEWHERE, &MEMORY_REDACTED];
/// Says what becomes of a memory of one's own.
const OWN_MEMORY: Group = &[&ROLE_TOO_LOW, &MEMORY_UNKNOWN, &MEMORY_NOT_YOURS, &MEMORY_REDACTED];

/// Reads the working memory of a session.
const READ_WORKING: Group = &[&SESSION_UNKNOWN, &WORKING_MEMORY_NOT_YOURS];
/// Takes a procedure back.
const OWN_PROCEDURE: Group = &[&PROCEDURE_UNKNOWN, &PROCEDURE_NOT_YOURS];

/// Is about a webhook.
const WEBHOOK: Group = &[&ROLE_TOO_LOW, &WEBHOOK_UNKNOWN];
/// Makes a webhook tell something.
const TELL: Group = &[&WEBHOOK_NOT_ACTIVE, &WEBHOOK_BACKLOG_FULL];
/// Takes alerts up.
const STEER_ALERTS: Group = &[&ROLE_TOO_LOW, &ALERT_UNKNOWN];

/// Every operation, by its id.
const OPERATIONS: &[(&str, &[Group])] = &[
    ("accept_handoff", &[KEYED, BODY, WRITE, HOT, OFFER, &[&HANDOFF_NOT_FOR_YOU, &TOKENS_USED_UP]]),
    ("acknowledge_alert", &[KEYED, WRITE, STEER_ALERTS, &[&ALERT_RESOLVED]]),
    ("acknowledge_messages", &[KEYED, BODY, WRITE, OWN_MESSAGES]),
    ("acquire_locks", &[KEYED, BODY, WRITE, HOT, ACQUIRE]),
    ("archive_project", &[KEYED, WRITE, ALL_PROJECTS, &[&PROJECT_DEFAULT_STAYS]]),
    ("cancel_task", &[KEYED, BODY, WRITE, HOT, STEER, &[&TASK_ENDED]]),
    ("change_webhook", &[KEYED, BODY, WRITE, WEBHOOK, &[&WEBHOOK_ADDRESS_REFUSED]]),
    ("check_locks", &[KEYED, BODY, PROJECT]),
    ("claim_tasks", &[KEYED, BODY, WRITE, HOT, &[&TOKENS_USED_UP]]),
    ("complete_task", &[KEYED, BODY, WRITE, HOT, OWN_CLAIM]),
    ("count_agents", &[KEYED, PROJECT]),
    ("count_tasks", &[KEYED, PROJECT]),
    ("count_unread", &[KEYED, PROJECT]),
    ("create_key", &[KEYED, BODY, WRITE, &[&ROLE_TOO_LOW, &NEEDS_ALL_PROJECTS, &EXPIRY_PASSED]]),
    ("create_project", &[KEYED, BODY, WRITE, ALL_PROJECTS, &[&PROJECT_EXISTS]]),
    (
        "create_schedule",
        &[KEYED, BODY, WRITE, STEER_SCHEDULES, &[&SCHEDULE_EXISTS, &SCHEDULES_FULL, &SCHEDULE_NEVER_FIRES]],
    ),
    ("create_webhook", &[KEYED, BODY, WRITE, &[&ROLE_TOO_LOW, &WEBHOOKS_FULL, &WEBHOOK_ADDRESS_REFUSED]]),
    ("decline_handoff", &[KEYED, BODY, WRITE, OFFER, &[&HANDOFF_NOT_FOR_YOU]]),
    ("delete_procedure", &[KEYED, WRITE, OWN_PROCEDURE]),
    ("deregister_agent", &[KEYED, WRITE, &[&ROLE_TOO_LOW, &AGENT_UNKNOWN]]),
    ("discard_task", &[KEYED, WRITE, HOT, STEER, &[&TASK_NOT_DEAD]]),
    ("end_session", &[KEYED, WRITE, HOT]),
    ("export_memories", &[KEYED, PROJECT]),
    ("fail_task", &[KEYED, BODY, WRITE, HOT, OWN_CLAIM]),
    ("follow_events", &[KEYED, PROJECT, &[&TOO_MANY_FOLLOWERS, &FOLLOWERS_FULL]]),
    ("force_release_lock", &[KEYED, BODY, WRITE, HOT, &[&ROLE_TOO_LOW, &TOKEN_UNKNOWN, &TOKEN_STALE]]),
    ("forget_memories", &[KEYED, BODY, WRITE, &[&ROLE_TOO_LOW]]),
    ("get_agent", &[KEYED, PROJECT, &[&AGENT_UNKNOWN]]),
    ("get_alert", &[KEYED, PROJECT, &[&ALERT_UNKNOWN]]),
    ("get_handoff", &[KEYED, PROJECT, &[&HANDOFF_UNKNOWN]]),
    ("get_memory", &[KEYED, PROJECT, &[&MEMORY_UNKNOWN]]),
    ("get_message", &[KEYED, PROJECT, &[&MESSAGE_UNKNOWN]]),
    ("get_procedure", &[KEYED, PROJECT, &[&PROCEDURE_UNKNOWN, &PROCEDURE_VERSION_UNKNOWN]]),
    ("get_schedule", &[KEYED, PROJECT, &[&SCHEDULE_UNKNOWN]]),
    ("get_task", &[KEYED, PROJECT, &[&TASK_UNKNOWN]]),
    ("get_webhook", &[KEYED, PROJECT, WEBHOOK]),
    ("get_working_entry", &[KEYED, PROJECT, READ_WORKING, &[&WORKING_ENTRY_UNKNOWN]]),
    ("graph_task", &[KEYED, PROJECT, &[&TASK_UNKNOWN]]),
    ("health", &[OPEN]),
    ("heartbeat_session", &[KEYED, PROJECT, CHANGE, HOT, &[&SESSION_UNKNOWN]]),
    ("heartbeat_task", &[KEYED, BODY, WRITE, HOT, OWN_CLAIM]),
    ("import_memories", &[KEYED, BODY, WRITE, &[&ROLE_TOO_LOW, &SECRET_FOUND, &IMPORT_REFUSED]]),
    ("join_group", &[KEYED, BODY, WRITE, MEMBERS, &[&RECIPIENTS_UNKNOWN, &GROUPS_FULL, &GROUP_FULL]]),
    ("latest_handoff", &[KEYED, PROJECT]),
    ("leave_group", &[KEYED, BODY, WRITE, MEMBERS, &[&NOT_IN_GROUP]]),
    ("leave_line", &[KEYED, WRITE, HOT, &[&TICKET_NOT_YOURS]]),
    ("limit_working_memory", &[KEYED, BODY, WRITE, HOT, &[&WORKING_MEMORY_FULL]]),
    ("list_agents", &[KEYED, PROJECT]),
    ("list_alerts", &[KEYED, PROJECT]),
    ("list_attempts", &[KEYED, PROJECT, &[&TASK_UNKNOWN]]),
    ("list_audit_entries", &[KEYED, PROJECT, &[&ROLE_TOO_LOW]]),
    ("list_deliveries", &[KEYED, PROJECT, &[&MESSAGE_UNKNOWN]]),
    ("list_groups", &[KEYED, PROJECT]),
    ("list_handoffs", &[KEYED, PROJECT]),
    ("list_inbox", &[KEYED, PROJECT]),
    ("list_keys", &[KEYED, PROJECT, &[&ROLE_TOO_LOW]]),
    ("list_locks", &[KEYED, PROJECT]),
    ("list_members", &[KEYED, PROJECT]),
    ("list_memories", &[KEYED, PROJECT]),
    ("list_messages", &[KEYED, PROJECT]),
    ("list_procedures", &[KEYED, PROJECT]),
    ("list_projects", &[KEYED, ALL_PROJECTS]),
    ("list_schedules", &[KEYED, PROJECT]),
    ("list_sessions", &[KEYED, PROJECT]),
    ("list_tasks", &[KEYED, PROJECT]),
    ("list_webhook_deliveries", &[KEYED, PROJECT, WEBHOOK]),
    ("list_webhooks", &[KEYED, PROJECT, &[&ROLE_TOO_LOW]]),
    ("live", &[OPEN]),
    ("lock_status", &[KEYED, PROJECT]),
    ("me", &[KEYED, PROJECT]),
    ("metrics", &[OPEN]),
    ("pause_schedule", &[KEYED, WRITE, STEER_SCHEDULES, &[&SCHEDULE_UNKNOWN]]),
    ("pause_webhook", &[KEYED, WRITE, WEBHOOK]),
    ("pin_memory", &[KEYED, WRITE, OWN_MEMORY]),
    ("raise_alert", &[KEYED, BODY, WRITE, &[&ALERTS_FULL]]),
    ("rate_memory", &[KEYED, BODY, WRITE, &[&MEMORY_UNKNOWN, &MEMORY_REDACTED]]),
    ("read_messages", &[KEYED, BODY, WRITE, OWN_MESSAGES]),
    ("read_working_memory", &[KEYED, PROJECT, READ_WORKING]),
    ("ready", &[OPEN]),
    ("recall", &[KEYED, BODY, PROJECT]),
    ("receive_messages", &[KEYED, BODY, WRITE, HOT, &[&RECIPIENTS_UNKNOWN]]),
    ("redact_memory", &[KEYED, BODY, WRITE, OWN_MEMORY, &[&SECRET_FOUND]]),
    (
        "redeliver_webhook_delivery",
        &[KEYED, WRITE, WEBHOOK, TELL, &[&WEBHOOK_DELIVERY_UNKNOWN, &WEBHOOK_DELIVERY_PENDING]],
    ),
    ("register_agent", &[KEYED, BODY, WRITE, HOT]),
    ("register_session", &[KEYED, BODY, WRITE, HOT]),
    ("release_all_locks", &[KEYED, WRITE, HOT]),
    ("release_locks", &[KEYED, BODY, WRITE, HOT, OWN_TOKENS]),
    ("release_task", &[KEYED, BODY, WRITE, HOT, OWN_CLAIM]),
    ("remember", &[KEYED, BODY, WRITE, SUPERSEDE, &[&SECRET_FOUND]]),
    ("remove_schedule", &[KEYED, WRITE, STEER_SCHEDULES, &[&SCHEDULE_UNKNOWN]]),
    ("remove_webhook", &[KEYED, CHANGE, WEBHOOK]),
    ("remove_working_entry", &[KEYED, WRITE, HOT, &[&WORKING_ENTRY_UNKNOWN, &WORKING_ENTRY_CHANGED]]),
    ("renew_locks", &[KEYED, BODY, WRITE, HOT, OWN_TOKENS]),
    (
        "report_procedure_outcome",
        &[KEYED, BODY, WRITE, HOT, &[&PROCEDURE_UNKNOWN, &PROCEDURE_VERSION_UNKNOWN, &TASK_UNKNOWN, &SECRET_FOUND]],
    ),
    ("reprioritize_task", &[KEYED, BODY, WRITE, HOT, STEER, &[&TASK_ENDED]]),
    (
        "reschedule_task",
        &[KEYED, BODY, WRITE, HOT, STEER, &[&TASK_ENDED, &TASK_RUNNING, &DEADLINE_PASSED, &TIME_OUT_OF_REACH]],
    ),
    ("resolve_alert", &[KEYED, WRITE, &[&ALERT_UNKNOWN, &ALERT_NOT_YOURS]]),
    ("resume_conversation", &[KEYED, BODY, WRITE, &[&ROLE_TOO_LOW, &CONVERSATION_NOT_STOPPED]]),
    ("resume_schedule", &[KEYED, WRITE, STEER_SCHEDULES, &[&SCHEDULE_UNKNOWN]]),
    ("resume_webhook", &[KEYED, WRITE, WEBHOOK]),
    ("retire_procedure", &[KEYED, BODY, WRITE, OWN_PROCEDURE, &[&SECRET_FOUND]]),
    ("retry_task", &[KEYED, WRITE, HOT, STEER, &[&TASK_NOT_DEAD, &DEADLINE_PASSED]]),
    ("return_messages", &[KEYED, BODY, WRITE, HOT, OWN_MESSAGES, &[&NOT_OFFERED]]),
    ("revoke_key", &[KEYED, PROJECT, CHANGE, KNOWN_KEY]),
    ("rotate_key", &[KEYED, WRITE, KNOWN_KEY]),
    ("rotate_webhook_secret", &[KEYED, WRITE, WEBHOOK]),
    ("run_schedule", &[KEYED, WRITE, HOT, STEER_SCHEDULES, &[&SCHEDULE_UNKNOWN]]),
    ("send_message", &[KEYED, BODY, WRITE, HOT, SEND, CONVERSE]),
    ("set_memory_validity", &[KEYED, BODY, WRITE, OWN_MEMORY]),
    ("snooze_task", &[KEYED, BODY, WRITE, HOT, OWN_CLAIM, &[&TIME_OUT_OF_REACH]]),
    ("stream_inbox", &[KEYED, PROJECT, HOT, &[&PROJECT_ARCHIVED, &RECIPIENTS_UNKNOWN]]),
    ("submit_tasks", &[KEYED, BODY, WRITE, HOT, &[&SUBMISSION_REFUSED]]),
    ("supersede_memory", &[KEYED, BODY, WRITE, SUPERSEDE]),
    ("test_webhook", &[KEYED, WRITE, WEBHOOK, TELL]),
    ("unpin_memory", &[KEYED, WRITE, OWN_MEMORY]),
    ("update_agent", &[KEYED, BODY, WRITE, &[&ROLE_TOO_LOW, &AGENT_UNKNOWN, &AGENT_DEREGISTERED]]),
    ("uptime_agent", &[KEYED, PROJECT, &[&AGENT_UNKNOWN]]),
    ("why_task", &[KEYED, PROJECT, &[&TASK_UNKNOWN]]),
    ("withdraw_handoff", &[KEYED, BODY, WRITE, OFFER, &[&HANDOFF_NOT_YOURS]]),
    ("write_handoff", &[KEYED, BODY, WRITE, &[&HANDOFF_NOT_HELD]]),
    (
        "write_procedure",
        &[KEYED, BODY, WRITE, &[&PROCEDURE_CHANGED, &PROCEDURES_FULL, &PROCEDURE_VERSIONS_FULL, &SECRET_FOUND]],
    ),
    ("write_working_entry", &[KEYED, BODY, WRITE, HOT, &[&WORKING_ENTRY_CHANGED, &WORKING_MEMORY_FULL, &SECRET_FOUND]]),
];

/// Lists, for every operation of the document that is in the table, each status it may be answered with and which
/// problems it stands for. An operation that answers something of its own under such a status keeps that beside it.
pub(super) fn document_statuses(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flatten().filter_map(|(_, path)| path.as_object_mut()).flatten();
    for (_, operation) in operations {
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let listed = slugs_by_status(id);
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        for (status, slugs) in listed {
            insert(responses, status, &slugs);
        }
    }
}

/// The names of the problems an operation may be answered with, by status; empty if it is not in the table.
fn slugs_by_status(id: &str) -> BTreeMap<u16, Vec<&'static str>> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    let groups = OPERATIONS.iter().find(|(operation, _)| *operation == id).map(|(_, groups)| *groups);
    for kind in groups.into_iter().flatten().copied().flatten() {
        let slugs = by_status.entry(kind.status).or_default();
        if !slugs.contains(&kind.slug) {
            slugs.push(kind.slug);
        }
    }
    by_status
}

fn insert(responses: &mut Map<String, Value>, status: u16, slugs: &[&str]) {
    let slugs: Vec<String> = slugs.iter().map(|slug| format!("`{slug}`")).collect();
    let content = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    let response = responses.entry(status.to_string()).or_insert_with(|| json!({ "description": "", "content": {} }));
    let own = response["description"].as_str().map(str::trim).filter(|own| !own.is_empty()).map(str::to_owned);
    let problems = either(&slugs);
    response["description"] = json!(own.map_or_else(|| problems.clone(), |own| format!("{own} Or {problems}.")));
    response["content"]["application/problem+json"] = content;
    if let Some((name, description, schema)) = header(status) {
        response["headers"][name] = json!({ "description": description, "required": false, "schema": schema });
    }
}

/// The header that answers of a status may carry.
fn header(status: u16) -> Option<(&'static str, &'static str, Value)> {
    match status {
        401 => Some(("WWW-Authenticate", "How to send a key", json!({ "type": "string" }))),
        405 => Some(("Allow", "The methods that are known here", json!({ "type": "string" }))),
        429 | 503 => {
            Some(("Retry-After", "Seconds to wait before trying again", json!({ "type": "integer", "minimum": 0 })))
        }
        _ => None,
    }
}

/// `a`, `b` or `c`.
fn either(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests;
