use super::{AGENT, IDEMPOTENCY_KEY, PROJECT, SESSION};
use domain::idempotency::IdempotencyKey;
use domain::ids::{AgentId, ProjectId, SessionId};
use serde_json::{Value, json};

/// Names the headers of [`super::FrontDoor`] in an `OpenAPI` document: every operation that needs a key reads them.
///
/// They stand here once, as shared parameters, and operations refer to them.
pub fn document_headers(document: &mut Value) {
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("parameters".to_owned(), parameters());
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (method, operation) in paths.into_iter().flatten().filter_map(|(_, path)| path.as_object_mut()).flatten() {
        let needs_key = operation.get("security").and_then(Value::as_array).is_some_and(|schemes| !schemes.is_empty());
        let Some(operation) = operation.as_object_mut().filter(|_| needs_key) else { continue };
        let names: &[&str] = match method.as_str() {
            "get" | "head" => &["Session", "Project", "Agent"],
            _ => &["Session", "Project", "Agent", "IdempotencyKey"],
        };
        let refer = |name: &&str| json!({ "$ref": format!("#/components/parameters/{name}") });
        if let Some(listed) = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut() {
            listed.extend(names.iter().map(refer));
        }
    }
}

fn parameters() -> Value {
    json!({
        "Session": {
            "name": SESSION, "in": "header", "required": false,
            "description": "The session the call runs in; the agent's default session if left out. A session id \
                            belongs to the agent that used it first.",
            "schema": { "type": "string", "minLength": 1, "maxLength": SessionId::BYTES_MAX,
                        "pattern": "^[A-Za-z0-9_.:@/-]+$" },
        },
        "Project": {
            "name": PROJECT, "in": "header", "required": false,
            "description": "The project the call runs in. A key of one project is good in that one only; a key of all \
                            projects runs in `default` if it names none.",
            "schema": { "type": "string", "minLength": 1, "maxLength": ProjectId::BYTES_MAX,
                        "pattern": "^[a-z0-9-]+$" },
        },
        "Agent": {
            "name": AGENT, "in": "header", "required": false,
            "description": "The agent the caller takes itself for. Refused unless it is the one the key is bound to.",
            "schema": { "type": "string", "minLength": 1, "maxLength": AgentId::BYTES_MAX,
                        "pattern": "^[A-Za-z0-9_.:@/-]+$" },
        },
        "IdempotencyKey": {
            "name": IDEMPOTENCY_KEY, "in": "header", "required": false,
            "description": "A name for this request, unique for the agent. The same request sent again under it within \
                            24 h changes nothing and gets the first answer, also if that was a refusal (below 500), \
                            whatever has become of its reason: to try again after one, use a new name. To repeat a \
                            request that was answered 500 or 503, or not at all, use the same name. Other content \
                            under it is refused.",
            "schema": { "type": "string", "minLength": 1, "maxLength": IdempotencyKey::BYTES_MAX,
                        "pattern": "^[!-~]+$" },
        },
    })
}
