use super::*;
use serde_json::json;

fn task(state: &serde_json::Value) -> Task {
    let terms = json!({
        "task_type": "build", "labels": [], "requires": {}, "resources": null, "concurrency": null, "lease": 900,
        "retry": { "max_attempts": 3, "backoff_first_seconds": 10, "backoff_cap_seconds": 60 },
        "on_dependency_failure": "cancel", "parent": null, "submitted_by": "ann",
        "submitted_at": "2027-01-15T08:00:00Z",
    });
    let task = json!({
        "id": TaskId::new(Uuid::from_u128(1)), "terms": terms, "priority": 5, "rank": 7, "not_before": null,
        "deadline": null, "attempts_made": 1, "attempts_allowed": 3, "untold": false, "state": state,
    });
    serde_json::from_value(task).unwrap()
}

/// Whoever changes one of these texts has to rewrite the rows of all databases there are, in a migration.
#[test]
fn what_is_stored_of_a_task_is_written_as_it_always_was() {
    let at = "2027-01-15T08:00:00.123456Z";
    let head = r#"{"priority":5,"rank":7,"attempts_made":1,"attempts_allowed":3,"state":"#;
    let asked = r#"{"by":"bob","reason":null,"at":"2027-01-15T08:00:00.123456Z","with_dependents":false}"#;
    let states = [
        format!(r#"{{"status":"ready","since":"{at}"}}"#),
        format!(r#"{{"status":"scheduled","until":"{at}","delay":"not_before"}}"#),
        r#"{"status":"blocked","pending":2}"#.to_owned(),
        format!(
            "{}{}{}",
            r#"{"status":"leased","attempt":1,"token":9,"holder":{"agent":"ann","session":"s1"},"#,
            format_args!(r#""since":"{at}","until":"{at}","length":900,"locks":[3,4],"progress":50,"#),
            format_args!(r#""note":"half\nway","cancel":{asked}}}"#),
        ),
        format!(r#"{{"status":"succeeded","at":"{at}"}}"#),
        format!(r#"{{"status":"dead","at":"{at}","cause":"attempts_used_up"}}"#),
        format!(r#"{{"status":"cancelled","at":"{at}","cause":{{"why":"asked",{}}}"#, asked.trim_start_matches('{')),
        format!(r#"{{"status":"expired","at":"{at}"}}"#),
    ];
    for state in states {
        let task = task(&serde_json::from_str(&state).unwrap());
        assert_eq!(state_text(&task).unwrap(), format!("{head}{state}}}"));
    }
    let deadline = "2027-01-15T08:00:00Z".parse().ok();
    let more = Task { not_before: deadline, deadline, untold: true, ..task(&json!({ "status": "expired", "at": at })) };
    assert_eq!(
        state_text(&more).unwrap(),
        format!(
            "{}{}",
            r#"{"priority":5,"rank":7,"not_before":"2027-01-15T08:00:00Z","deadline":"2027-01-15T08:00:00Z","#,
            format_args!(
                r#""attempts_made":1,"attempts_allowed":3,"untold":true,"state":{{"status":"expired","at":"{at}"}}}}"#
            ),
        )
    );
}

#[test]
fn a_label_is_found_whole_among_others() {
    let names = ["a", "a-b", "b"].map(|name| Label::parse(name).unwrap());
    assert_eq!(label_text(names.iter()), " a a-b b ");
    assert_eq!(label_text(names[..1].iter()), " a ");
    assert_eq!(label_text([].iter()), "");
}
