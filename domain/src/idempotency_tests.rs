//! When an answer is given again.

use super::*;
use serde_json::json;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn record() -> Record {
    let name = RequestName {
        project: ProjectId::parse("default").unwrap(),
        agent: AgentId::parse("ann").unwrap(),
        key: IdempotencyKey::parse("k1").unwrap(),
    };
    Record { name, fingerprint: [7; 32], answer: json!({"token": 1}), created_at: now() }
}

#[test]
fn a_request_not_seen_before_is_fresh() {
    assert_eq!(judge(None, &[7; 32], now()), Verdict::Fresh);
}

#[test]
fn the_same_content_gets_the_same_answer_and_another_is_refused() {
    assert_eq!(judge(Some(&record()), &[7; 32], now()), Verdict::Replay(json!({"token": 1})));
    let mut other = [7; 32];
    other[31] = 8;
    assert_eq!(judge(Some(&record()), &other, now()), Verdict::Reused);
}

#[test]
fn a_record_is_forgotten_after_its_time_to_the_microsecond() {
    let end = now() + TimeDelta::hours(KEPT_HOURS);
    let last = end - TimeDelta::microseconds(1);
    assert_eq!(judge(Some(&record()), &[0; 32], last), Verdict::Reused);
    assert_eq!(judge(Some(&record()), &[0; 32], end), Verdict::Fresh);
    assert_eq!(judge(Some(&record()), &[7; 32], end), Verdict::Fresh);
}

#[test]
fn a_key_is_one_to_255_printable_ascii_characters() {
    assert_eq!(IdempotencyKey::parse("a-1_~!").unwrap().as_str(), "a-1_~!");
    assert!(IdempotencyKey::parse(&"x".repeat(IdempotencyKey::BYTES_MAX)).is_ok());
    for wrong in [String::new(), "x".repeat(IdempotencyKey::BYTES_MAX + 1), "a b".into(), "é".into(), "a\n".into()] {
        assert_eq!(IdempotencyKey::parse(&wrong), Err(InvalidIdempotencyKey), "{wrong:?}");
    }
}
