use super::*;

fn tally(successes: u32, failures: u32) -> Tally {
    Tally { successes, failures }
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 2e-6, "{value} is not {expected}");
}

#[test]
fn the_interval_is_that_of_the_beta_distribution() {
    // The first three can be had by hand; the others were integrated numerically.
    for ((successes, failures), (lower, upper)) in [
        ((0, 0), (0.025, 0.975)),
        ((1, 0), (0.158_114, 0.987_421)),
        ((0, 1), (0.012_579, 0.841_886)),
        ((8, 2), (0.482_244, 0.939_782)),
        ((1, 9), (0.022_831, 0.412_780)),
        ((50, 50), (0.403_643, 0.596_357)),
        ((1_000, 10), (0.981_885, 0.994_556)),
    ] {
        let estimate = tally(successes, failures).estimate();
        near(estimate.lower, lower);
        near(estimate.upper, upper);
    }
    near(tally(8, 2).estimate().mean, 0.75);
    near(tally(0, 0).estimate().mean, 0.5);
}

#[test]
fn the_interval_holds_its_form_for_every_count() {
    for successes in [0, 1, 2, 10, 1_000, 1_000_000, u32::MAX] {
        for failures in [0, 1, 2, 10, 1_000, 1_000_000, u32::MAX] {
            let Estimate { mean, lower, upper } = tally(successes, failures).estimate();
            assert!(
                0.0 <= lower && lower <= mean && mean <= upper && upper <= 1.0,
                "{successes}/{failures}: {lower} {mean} {upper}"
            );
        }
    }
}

#[test]
fn what_is_hardly_known_does_not_stand_above_what_is_proven() {
    let rank = |successes, failures| {
        Evidence { all: tally(successes, failures), latest: tally(successes, failures), ..Evidence::default() }.rank()
    };
    let order = [rank(40, 2), rank(10, 0), rank(8, 2), rank(1, 0), rank(0, 0), rank(1, 9), rank(0, 1), rank(0, 9)];
    assert!(order.is_sorted_by(|better, worse| better > worse), "{order:?}");
}

#[test]
fn reports_of_earlier_versions_count_half_with_each_version_since() {
    let mut evidence = Evidence::default();
    for _ in 0..8 {
        evidence = evidence.with(Verdict::Success, 0);
    }
    let second = evidence.of_next_version();
    assert_eq!((second.all, second.latest), (tally(8, 0), tally(0, 0)));
    let as_four = Evidence { latest: tally(4, 0), ..Evidence::default() };
    assert_eq!(second.rank(), as_four.rank());
    let third = second.with(Verdict::Failure, 0).of_next_version().with(Verdict::Success, 2);
    assert_eq!((third.all, third.latest), (tally(9, 1), tally(0, 0)));
    assert_eq!(third.earlier, Weighted { successes: 2_250_000, failures: 500_000 });
    assert_eq!(third.without(Verdict::Success, 2).earlier, Weighted { successes: 2_000_000, failures: 500_000 });
}
