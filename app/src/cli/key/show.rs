use serde_json::Value;

/// What stands where there is nothing.
const NOTHING: &str = "-";

/// A key with a fresh secret, and how an agent gets it.
pub(super) fn issued(answer: &Value) -> String {
    let key = answer.get("key").unwrap_or(&Value::Null);
    let secret = text(answer, "secret");
    format!(
        "key       {id}\nagent     {agent} ({kind})\nrole      {role}\nproject   {project}\nexpires   {expires}\n\
         secret    {secret}\n\nThe secret is shown only now. The agent sends it so:\n\n  \
         export COORDINATION_API_KEY={secret}",
        id = text(key, "id"),
        agent = text(key, "agent"),
        kind = text(key, "agent_type"),
        role = text(key, "role"),
        project = project(key),
        expires = match text(key, "expires_at") {
            NOTHING => "never",
            at => at,
        },
    )
}

/// A key that is good no more.
pub(super) fn revoked(key: &Value) -> String {
    format!("key {} of {} is revoked", text(key, "id"), text(key, "agent"))
}

/// A table of keys.
pub(super) fn keys(answer: &Value) -> String {
    let header = ["KEY", "AGENT", "ROLE", "PROJECT", "EXPIRES", "LAST USED", "REVOKED"].map(str::to_owned);
    let row = |key: &Value| {
        [
            text(key, "id"),
            text(key, "agent"),
            text(key, "role"),
            project(key),
            text(key, "expires_at"),
            text(key, "last_used_at"),
            text(key, "revoked_at"),
        ]
        .map(str::to_owned)
    };
    let listed = answer.get("keys").and_then(Value::as_array).into_iter().flatten().map(row);
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(listed).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or(NOTHING)
}

fn project(key: &Value) -> &str {
    if key.get("all_projects").and_then(Value::as_bool) == Some(true) { "(all)" } else { text(key, "project") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> Value {
        json!({ "id": "k1", "agent": "agent-2", "agent_type": "ci", "role": "agent", "project": "default",
                "all_projects": false, "created_at": "2030-01-01T00:00:00Z" })
    }

    #[test]
    fn an_issued_key_shows_its_secret_and_how_to_send_it() {
        let shown = issued(&json!({ "key": key(), "secret": "pm_k1_s", "secret_shown": true }));
        assert!(shown.contains("agent     agent-2 (ci)"), "{shown}");
        assert!(shown.contains("expires   never"), "{shown}");
        assert!(shown.ends_with("export COORDINATION_API_KEY=pm_k1_s"), "{shown}");
    }

    #[test]
    fn a_list_is_a_table() {
        let mut admin = key();
        admin["all_projects"] = json!(true);
        admin["id"] = json!("a-longer-id");
        let shown = keys(&json!({ "keys": [key(), admin] }));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("KEY          AGENT    ROLE   PROJECT"), "{shown}");
        assert!(lines[1].starts_with("k1           agent-2  agent  default"), "{shown}");
        assert!(lines[2].contains("(all)"), "{shown}");
        assert_eq!(keys(&json!({ "keys": [] })).lines().count(), 1);
    }
}
