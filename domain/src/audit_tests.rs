//! What a filter lets through, and when repeats are folded.

use super::*;
use uuid::Uuid;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn entry() -> Entry {
    Entry {
        id: AuditEntryId::new(Uuid::from_u128(1)),
        project: ProjectId::parse("default").unwrap(),
        at: at(10),
        agent: AgentId::parse("ann").unwrap(),
        session: None,
        key: KeyId::parse("key-1").unwrap(),
        change: Change { operation: "lock.acquire".to_owned(), target: "a".to_owned(), before: None, after: None },
        outcome: OUTCOME_OK.to_owned(),
        repeats: 1,
        request_id: "r".to_owned(),
        trace_id: None,
        duration_us: 1,
    }
}

#[test]
fn an_empty_filter_lets_every_line_through() {
    assert!(Filter::default().accepts(&entry()));
}

#[test]
fn each_field_of_a_filter_excludes_by_itself() {
    let none = Filter::default;
    let passing = [
        Filter { agent: Some(entry().agent), ..none() },
        Filter { operation: Some("lock.acquire".to_owned()), ..none() },
        Filter { target: Some("a".to_owned()), ..none() },
        Filter { outcome: Some("ok".to_owned()), ..none() },
        Filter { since: Some(at(10)), ..none() },
        Filter { until: Some(at(11)), ..none() },
    ];
    let failing = [
        Filter { agent: Some(AgentId::parse("bob").unwrap()), ..none() },
        Filter { operation: Some("lock.acquir".to_owned()), ..none() },
        Filter { target: Some("a/b".to_owned()), ..none() },
        Filter { outcome: Some("lock-held".to_owned()), ..none() },
        Filter { since: Some(at(11)), ..none() },
        Filter { until: Some(at(10)), ..none() },
    ];
    for filter in passing {
        assert!(filter.accepts(&entry()), "{filter:?}");
    }
    for filter in failing {
        assert!(!filter.accepts(&entry()), "{filter:?}");
    }
}

#[test]
fn the_first_refusals_of_a_window_are_written_and_the_rest_folded() {
    let mut count = RefusalCount::new(at(0));
    let written = (1..REFUSALS_PER_WINDOW_MAX).filter(|_| count.count()).count();
    assert_eq!(written, 9, "ten with the one that opened the window");
    assert_eq!(count.folded(), 0);
    assert!(!count.count());
    assert!(!count.count());
    assert_eq!(count.folded(), 2);
}

#[test]
fn a_window_is_over_after_a_minute() {
    let count = RefusalCount::new(at(0));
    assert!(!count.is_over(at(REFUSAL_WINDOW_SECONDS) - TimeDelta::microseconds(1)));
    assert!(count.is_over(at(REFUSAL_WINDOW_SECONDS)));
}
