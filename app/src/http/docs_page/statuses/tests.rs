use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{BODY, KEYED, OPERATIONS, insert};
use crate::http::problem::{Kind, SLUGS};

/// What no operation answers: the address belongs to none.
const OF_NO_OPERATION: &[&str] = &["not-found"];

fn document() -> Value {
    serde_json::from_str(&crate::cli::docs::openapi().unwrap()).unwrap()
}

/// Every operation with its id.
fn operations(document: &Value) -> Vec<(&str, &Value)> {
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    operations.map(|operation| (operation["operationId"].as_str().unwrap(), operation)).collect()
}

fn kinds(id: &str) -> Vec<&'static Kind> {
    let (_, groups) = OPERATIONS.iter().find(|(listed, _)| *listed == id).unwrap();
    groups.iter().flat_map(|group| group.iter().copied()).collect()
}

#[test]
fn the_table_lists_the_operations_of_the_document_each_once() {
    let document = document();
    let mut served: Vec<&str> = operations(&document).into_iter().map(|(id, _)| id).collect();
    served.sort_unstable();
    let listed: Vec<&str> = OPERATIONS.iter().map(|(id, _)| *id).collect();
    assert_eq!(listed, served, "list each operation, by its id, with the problems it may be answered with");
}

#[test]
fn each_status_is_listed_by_itself_with_a_problem_or_an_answer_of_its_own() {
    for (id, operation) in operations(&document()) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let number: u16 = status.parse().unwrap_or_else(|_| panic!("{id} answers the range {status}"));
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(*problem == "#/components/schemas/Problem", number >= 400, "{id} {status}");
        }
        for kind in kinds(id) {
            let description = operation["responses"][kind.status.to_string()]["description"].as_str().unwrap();
            assert!(description.contains(&format!("`{}`", kind.slug)), "{id} {description}");
        }
    }
}

#[test]
fn the_table_and_the_problems_are_about_the_same_names() {
    let named: BTreeSet<&str> = OPERATIONS.iter().flat_map(|(id, _)| kinds(id)).map(|kind| kind.slug).collect();
    let known: BTreeSet<&str> =
        SLUGS.iter().map(|kind| kind.slug).filter(|slug| !OF_NO_OPERATION.contains(slug)).collect();
    assert_eq!(named, known);
}

#[test]
fn what_an_operation_takes_is_what_it_may_refuse() {
    for (id, operation) in operations(&document()) {
        let has = |group: &[&Kind]| group.iter().all(|kind| kinds(id).contains(kind));
        assert_eq!(has(KEYED), operation.get("security").is_some(), "{id}: a key");
        assert_eq!(has(BODY), operation.get("requestBody").is_some(), "{id}: a body");
    }
}

#[test]
fn an_answer_of_the_operations_own_stays_beside_the_problem() {
    let mut responses = json!({ "503": { "description": "Not well.", "content": { "application/json": {} } } });
    insert(responses.as_object_mut().unwrap(), 503, &["busy", "timeout"]);
    assert_eq!(responses["503"]["description"], "Not well. Or `busy` or `timeout`.");
    assert!(responses["503"]["content"]["application/json"].is_object());
    assert!(responses["503"]["content"]["application/problem+json"].is_object());
}
