//! What is told of procedures, to followers and in the audit log: never what they say.

use crate::executor::Happening;
use domain::audit::Change;
use domain::memory::procedures::Procedure;
use serde_json::{Value, json};

/// What happened to a procedure. `more` is told beside how it is now.
pub(super) fn happening(
    operation: &str,
    kind: &'static str,
    before: Option<&Procedure>,
    after: Option<&Procedure>,
    more: Value,
) -> Happening {
    let name = after.or(before).map(|procedure| procedure.name.to_string()).unwrap_or_default();
    let mut body = after.or(before).map_or(Value::Null, told);
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    let change = Change {
        operation: operation.to_owned(),
        target: name,
        before: before.map(told),
        after: after.map(|_| body.clone()),
    };
    Happening { change, kind, body, by_itself: false }
}

fn told(procedure: &Procedure) -> Value {
    let retired = procedure.retired.as_ref().map(|retired| json!({ "by": retired.by, "at": retired.at }));
    json!({
        "name": procedure.name,
        "version": procedure.version,
        "created": procedure.created,
        "written": procedure.written,
        "retired": retired,
        "reports": procedure.evidence.all,
        "reports_of_version": procedure.evidence.latest,
    })
}
