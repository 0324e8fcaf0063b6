use super::*;
use proptest::prelude::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn priority(number: u8) -> Priority {
    Priority::try_new(number).unwrap()
}

#[test]
fn priorities_are_1_to_10() {
    assert_eq!(Priority::try_new(0), Err(InvalidPriority(0)));
    assert_eq!(Priority::try_new(11).unwrap_err().to_string(), "`priority` is 11: it must be 1 (first) to 10");
}

#[test]
fn the_boost_is_what_the_wait_was_worth() {
    let rank = Rank::new(at(0), priority(7));
    assert_eq!(rank.boost_hundredths(priority(7), at(0)), 0);
    assert_eq!(rank.boost_hundredths(priority(7), at(900)), 150);
    assert_eq!(Rank::new(at(100), priority(7)).boost_hundredths(priority(7), at(0)), 0, "who waits from later on");
}

proptest! {
    #[test]
    fn order_by_rank_is_order_by_priority_less_wait(
        one in (0..100_000_i64, 1..=10_u8), other in (0..100_000_i64, 1..=10_u8), now in 100_000..200_000_i64,
    ) {
        // In seconds, with one step of priority worth 600 of them.
        let worth = |(from, number): (i64, u8)| i64::from(number) * 600 - (now - from);
        let rank = |(from, number): (i64, u8)| Rank::new(at(from), priority(number));
        prop_assert_eq!(rank(one).cmp(&rank(other)), worth(one).cmp(&worth(other)));
    }

    #[test]
    fn another_priority_keeps_the_wait(from in 0..100_000_i64, first in 1..=10_u8, then in 1..=10_u8) {
        let moved = Rank::new(at(from), priority(first)).with_priority(priority(first), priority(then));
        prop_assert_eq!(moved, Rank::new(at(from), priority(then)));
    }
}
