//! What is told of memories, to followers and in the audit log: never what they say, and of private ones nothing but that
//! they are there.

use crate::executor::Happening;
use domain::audit::Change;
use domain::memory::realm::Scope;
use domain::memory::record::Memory;
use serde_json::{Value, json};

/// What happened to a memory.
pub(super) fn happening(
    operation: &str,
    kind: &'static str,
    before: Option<&Memory>,
    after: Option<&Memory>,
) -> Option<Happening> {
    let latest = after.or(before)?;
    let change = Change {
        operation: operation.to_owned(),
        target: latest.id.to_string(),
        before: before.map(told),
        after: after.map(told),
    };
    Some(Happening { change, kind, body: told(latest), by_itself: false })
}

/// A memory without its words.
fn told(memory: &Memory) -> Value {
    if memory.scope == Scope::Private {
        return json!({ "id": memory.id, "scope": memory.scope });
    }
    json!({
        "id": memory.id,
        "scope": memory.scope,
        "agent": memory.author.agent,
        "event_type": memory.event_type,
        "stream": memory.place.stream,
        "position": memory.place.position,
        "importance": memory.importance,
        "pinned": memory.pinned,
        "seen": memory.seen,
        "happened_at": memory.happened_at,
        "valid_from": memory.valid_from,
        "valid_until": memory.valid_until,
        "supersedes": memory.supersedes,
        "superseded": memory.superseded,
        "redacted": memory.redacted,
        "feedback": memory.feedback,
        "revision": memory.revision,
    })
}
