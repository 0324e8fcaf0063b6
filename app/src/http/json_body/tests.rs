use poem_openapi::{Enum, Object};
use serde_json::{Value, json};

use super::{BodyRefused, JsonBody};

#[derive(Debug, PartialEq, Enum)]
#[oai(rename_all = "snake_case")]
enum Mode {
    Exclusive,
    Shared,
}

#[derive(Debug, PartialEq, Object)]
struct Wanted {
    path: String,
    mode: Option<Mode>,
}

#[derive(Debug, PartialEq, Object)]
#[oai(deny_unknown_fields)]
struct Acquire {
    #[oai(validator(min_items = 1, max_items = 2))]
    keys: Vec<Wanted>,
    #[oai(validator(maximum(value = "60")))]
    wait_seconds: Option<u32>,
    #[oai(validator(max_length = 5))]
    reason: Option<String>,
    #[oai(validator(pattern = "^[a-z]+$"))]
    name: Option<String>,
    token: Option<i64>,
}

fn faults(body: &Value) -> Vec<(String, String)> {
    match JsonBody::<Acquire>::parse(body.to_string().as_bytes()) {
        Err(BodyRefused::Faulty(faults)) => faults.into_iter().map(|fault| (fault.field, fault.reason)).collect(),
        other => panic!("not refused for its fields: {other:?}"),
    }
}

fn fault(field: &str, reason: &str) -> (String, String) {
    (field.to_owned(), reason.to_owned())
}

#[test]
fn a_good_body_is_taken() {
    let body = br#"{"keys":[{"path":"a","mode":"shared"}]}"#;
    let expected = Acquire {
        keys: vec![Wanted { path: "a".into(), mode: Some(Mode::Shared) }],
        wait_seconds: None,
        reason: None,
        name: None,
        token: None,
    };
    assert_eq!(JsonBody::<Acquire>::parse(body).unwrap().0, expected);
}

#[test]
fn every_fault_is_named_by_its_field() {
    let body = json!({
        "keys": [{"path": 7, "mode": "greedy"}, {}],
        "wait_seconds": 61,
        "reason": "too long",
        "name": "A b",
        "token": 1_u64 << 63,
    });
    assert_eq!(
        faults(&body),
        [
            fault("keys[0].path", "must be a string"),
            fault("keys[0].mode", "must be one of exclusive, shared"),
            fault("keys[1].path", "is missing"),
            fault("wait_seconds", "must be at most 60"),
            fault("reason", "must have 0 to 5 characters"),
            fault("name", "must match `^[a-z]+$`"),
            fault("token", "must be at most 9223372036854775807"),
        ]
    );
}

#[test]
fn missing_unknown_and_misshapen_things_are_told_apart() {
    assert_eq!(faults(&json!({})), [fault("keys", "is missing")]);
    assert_eq!(faults(&json!({"keys": []})), [fault("keys", "must have 1 to 2 items")]);
    assert_eq!(faults(&json!({"keys": "a"})), [fault("keys", "must be an array")]);
    assert_eq!(faults(&json!([])), [fault("", "must be an object")]);
    assert_eq!(faults(&json!({"keys": [{"path": "a"}], "ttl": 1})), [fault("ttl", "is not a field here")]);
    let negative = faults(&json!({"keys": [{"path": "a"}], "wait_seconds": -1}));
    assert_eq!(negative, [fault("wait_seconds", "must not be negative")]);
}

#[test]
fn a_flood_of_faults_is_cut() {
    let mut body = serde_json::Map::new();
    for n in 0..1000 {
        body.insert(format!("field{n}"), json!(1));
    }
    assert_eq!(faults(&Value::Object(body)).len(), 20);
}

#[test]
fn what_is_not_json_is_malformed() {
    for body in [&b"{"[..], b"{\"keys\": nope}", b"\xff"] {
        assert!(matches!(JsonBody::<Acquire>::parse(body), Err(BodyRefused::Malformed(_))));
    }
}

#[test]
fn nothing_is_taken_for_another_type() {
    assert_eq!(faults(&json!({"keys": [{"path": 1}]})), [fault("keys[0].path", "must be a string")]);
    assert_eq!(faults(&json!({"keys": [{"path": true}]})), [fault("keys[0].path", "must be a string")]);
    let text = json!({"keys": [{"path": "a"}], "wait_seconds": "5"});
    assert_eq!(faults(&text), [fault("wait_seconds", "must be a whole number")]);
}
