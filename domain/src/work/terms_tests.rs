use super::*;

#[test]
fn a_lease_is_as_long_as_a_lock_may_be() {
    assert_eq!(LeaseLength::try_new(4), Err(InvalidLeaseLength(4)));
    assert!(LeaseLength::try_new(LeaseLength::SECONDS_DEFAULT).is_ok());
    assert_eq!(
        LeaseLength::try_new(28_801).unwrap_err().to_string(),
        "`lease_seconds` is 28801: it must be 5 to 28800"
    );
}

#[test]
fn at_least_one_of_a_key_may_run() {
    assert_eq!(ConcurrencyLimit::try_new(0), Err(InvalidConcurrencyLimit(0)));
    assert!(ConcurrencyLimit::try_new(ConcurrencyLimit::MAX).is_ok());
    assert!(serde_json::from_str::<ConcurrencyLimit>("10001").is_err());
}

#[test]
fn there_are_at_most_32_labels() {
    let labels = |count: usize| (0..count).map(|n| Label::parse(&format!("l{n}")).unwrap()).collect();
    assert!(Labels::try_new(labels(32)).is_ok());
    assert_eq!(Labels::try_new(labels(33)), Err(InvalidLabels(33)));
    let few = Labels::try_new(labels(2)).unwrap();
    assert!(few.have_all(&Labels::try_new(labels(1)).unwrap()));
    assert!(!few.have_all(&Labels::try_new(labels(3)).unwrap()));
}

#[test]
fn a_policy_has_the_name_it_is_written_with() {
    for policy in [OnDependencyFailure::Cancel, OnDependencyFailure::Run, OnDependencyFailure::Block] {
        assert_eq!(OnDependencyFailure::parse(policy.as_str()), Some(policy));
        assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
    }
    assert_eq!(OnDependencyFailure::default(), OnDependencyFailure::Cancel);
}
