use std::collections::BTreeSet;

use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::locks::obstacles::CycleStepView;
use crate::refusal::Refusal;
use domain::locks::refusal::LockRefusal;

use super::{FieldError, Kind, Problem, SLUGS, kinds, markdown};

async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.into_body().into_bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn only_what_is_said_is_written() {
    let response = Problem::new(&kinds::NOT_FOUND).into_response();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.content_type(), Some("application/problem+json"));
    let expected = json!({
        "type": "/problems/not-found",
        "title": "There is nothing at this address",
        "status": 404,
        "retryable": false,
    });
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn members_carry_what_they_are_given() {
    let step = CycleStepView {
        agent: "a".to_owned(),
        session: "s".to_owned(),
        waits_for: "src/**".to_owned(),
        held_by: "b".to_owned(),
        held_by_session: "t".to_owned(),
    };
    let problem = Problem::new(&kinds::LOCK_HELD)
        .detail("held")
        .hint("wait")
        .conflicts(Vec::new())
        .stale(Vec::new())
        .ticket("tkt_1")
        .position(2)
        .cycle(vec![step])
        .errors(vec![FieldError { field: "keys".to_owned(), reason: "is missing".to_owned() }])
        .retryable_after_ms(1001);
    let response = problem.into_response();
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    let expected = json!({
        "type": "/problems/lock-held", "title": "The lock is held", "status": 409,
        "detail": "held", "hint": "wait", "retryable": true, "retry_after_ms": 1001,
        "conflicts": [], "stale": [], "ticket": "tkt_1", "position": 2,
        "cycle": [{"agent": "a", "session": "s", "waits_for": "src/**", "held_by": "b", "held_by_session": "t"}],
        "errors": [{"field": "keys", "reason": "is missing"}],
    });
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn a_server_fault_tells_no_tales() {
    let problem = Problem::internal("password hunter2 was refused by 10.0.0.1").detail("hunter2").hint("hunter2");
    let body = body(problem.into_response()).await;
    assert!(!body.to_string().contains("hunter2"), "{body}");
}

#[tokio::test]
async fn an_answer_without_a_key_says_how_to_send_one() {
    let response = Problem::new(&kinds::UNAUTHENTICATED).into_response();
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"pointsman\"");
}

#[test]
fn long_quotes_are_cut_between_characters() {
    let problem = Problem::new(&kinds::INVALID_VALUE).detail("é".repeat(1000));
    assert_eq!(problem.body().detail.as_ref().unwrap().chars().count(), 401);
}

#[test]
fn slugs_are_unique_plain_and_have_an_error_status() {
    let mut seen = BTreeSet::new();
    for kind in SLUGS {
        assert!(seen.insert(kind.slug), "{} stands there twice", kind.slug);
        assert!(kind.slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", kind.slug);
        assert!((400..600).contains(&kind.status), "{}", kind.slug);
        assert!(!kind.meaning.is_empty() && !kind.remedy.is_empty(), "{}", kind.slug);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test, not a setting of the server")]
fn the_committed_page_has_a_heading_for_each_problem_and_no_other() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/problems.md");
    if std::env::var_os("WRITE_DOCUMENTS").is_some() {
        std::fs::write(file, markdown()).unwrap();
    }
    let page = std::fs::read_to_string(file).unwrap_or_default();
    let headings: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let slugs: BTreeSet<&str> = SLUGS.iter().map(|kind| kind.slug).collect();
    assert_eq!(headings, slugs);
    assert_eq!(page, markdown(), "docs/problems.md is stale: run `pointsman docs problems` again");
}

#[test]
fn what_may_be_tried_again_but_is_replayed_says_so() {
    let retryable = [LockRefusal::Held { conflicts: Vec::new(), place: None }, LockRefusal::LineFull];
    for refusal in retryable {
        let problem = Problem::from(Refusal::Lock(refusal));
        assert!(problem.body().retryable);
        let Kind { slug, remedy, .. } = problem.kind();
        assert!(remedy.contains("a new `Idempotency-Key`"), "{slug}: {remedy}");
    }
}
