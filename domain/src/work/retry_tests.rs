use super::*;
use proptest::prelude::*;

#[test]
fn the_ceiling_doubles_up_to_the_cap() {
    let policy = RetryPolicy::try_new(10, 10, 60).unwrap();
    let seconds: Vec<i64> = (1..=5).map(|failures| policy.ceiling(failures).num_seconds()).collect();
    assert_eq!(seconds, [10, 20, 40, 60, 60]);
    assert_eq!(policy.ceiling(u32::MAX).num_seconds(), 60);
}

#[test]
fn a_policy_has_bounds_and_they_are_named() {
    assert_eq!(RetryPolicy::try_new(0, 0, 0), Err(InvalidRetryPolicy::Attempts(0)));
    assert_eq!(RetryPolicy::try_new(101, 0, 0), Err(InvalidRetryPolicy::Attempts(101)));
    assert_eq!(RetryPolicy::try_new(1, 10, 9), Err(InvalidRetryPolicy::Cap(9)));
    let week = RetryPolicy::BACKOFF_SECONDS_MAX;
    assert!(RetryPolicy::try_new(100, week, week).is_ok());
    assert_eq!(RetryPolicy::try_new(1, week + 1, week), Err(InvalidRetryPolicy::First(week + 1)));
    assert_eq!(RetryPolicy::try_new(3, 10, 3600), Ok(RetryPolicy::DEFAULT));
}

#[test]
fn a_stored_policy_is_checked_when_it_is_read() {
    let written = serde_json::to_value(RetryPolicy::DEFAULT).unwrap();
    assert_eq!(serde_json::from_value::<RetryPolicy>(written).unwrap(), RetryPolicy::DEFAULT);
    let wrong = serde_json::json!({"max_attempts": 0, "backoff_first_seconds": 0, "backoff_cap_seconds": 0});
    assert!(serde_json::from_value::<RetryPolicy>(wrong).is_err());
}

proptest! {
    #[test]
    fn a_rest_is_never_longer_than_its_ceiling(failures in 1..50_u32, bits: u64) {
        let policy = RetryPolicy::DEFAULT;
        let rest = policy.rest(failures, Chance(bits));
        prop_assert!(rest >= TimeDelta::zero() && rest <= policy.ceiling(failures));
    }

    #[test]
    fn more_luck_is_more_rest(failures in 1..50_u32, one: u64, other: u64) {
        let rest = |bits: u64| RetryPolicy::DEFAULT.rest(failures, Chance(bits));
        prop_assert!(rest(one.min(other)) <= rest(one.max(other)));
    }
}
