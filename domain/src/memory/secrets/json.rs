//! Secrets in JSON: in its strings and in the names of its fields.

use super::{Finding, assigned, mask_text, scan_text};
use serde_json::{Map, Value};

/// The longest place that is told, in characters; a longer one loses its end.
pub const PLACE_CHARS_MAX: usize = 200;

/// A secret and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The field, such as `details.env.TOKEN` or `details.steps[2]`. Secrets in it are masked.
    pub place: String,
    /// What was found. Its bytes count within that string, or within the name of the field.
    pub finding: Finding,
}

/// Every secret in the strings of a JSON value and in the names of its fields. `place` is where the value itself stands.
pub fn scan_json(place: &str, value: &Value) -> Vec<Placed> {
    let mut found = Vec::new();
    walk(place, value, &mut found);
    found
}

fn walk(place: &str, value: &Value, found: &mut Vec<Placed>) {
    match value {
        Value::String(text) => told(place, scan_text(text), found),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(&inside(place, &format!("[{at}]")), item, found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let in_name = scan_text(name);
                let place = inside(place, &format!(".{}", mask_text(name, &in_name)));
                told(&place, in_name, found);
                match value {
                    Value::String(text) => told(&place, scan_field(name, text), found),
                    other => walk(&place, other, found),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn inside(place: &str, step: &str) -> String {
    place.chars().chain(step.chars()).take(PLACE_CHARS_MAX).collect()
}

fn told(place: &str, findings: Vec<Finding>, found: &mut Vec<Placed>) {
    found.extend(findings.into_iter().map(|finding| Placed { place: place.to_owned(), finding }));
}

/// The secrets of a string under a name: the name says something of it.
fn scan_field(name: &str, text: &str) -> Vec<Finding> {
    let found = scan_text(text);
    if found.is_empty() && assigned::is_secret_field(name, text) {
        return vec![Finding { rule: assigned::RULE, what: assigned::WHAT, start: 0, end: text.len() }];
    }
    found
}

/// The value with every secret masked. Fields whose names become the same keep apart by a number.
pub fn mask_json(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask_text(text, &scan_text(text))),
        Value::Array(items) => Value::Array(items.iter().map(mask_json).collect()),
        Value::Object(fields) => {
            let mut masked = Map::new();
            for (name, value) in fields {
                let value = match value {
                    Value::String(text) => Value::String(mask_text(text, &scan_field(name, text))),
                    other => mask_json(other),
                };
                let name = mask_text(name, &scan_text(name));
                let free = (2_usize..).map(|number| format!("{name} {number}"));
                let name = core::iter::once(name.clone()).chain(free).find(|name| !masked.contains_key(name));
                masked.extend(name.map(|name| (name, value)));
            }
            Value::Object(masked)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
