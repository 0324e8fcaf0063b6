//! How much there must be to do so that it lasts for a run.

use crate::drive::Measure;
use crate::operation::Operation;
use std::collections::BTreeMap;

/// If nothing like it was measured before.
const FIRST_GUESS: u64 = 5_000;
/// Each client has at least so many.
const LEAST_EACH: u64 = 100;

/// The most that was done in a run of each kind, and the least there is to do whatever was.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    least: u64,
    most: BTreeMap<(u32, Operation), u64>,
}

impl Pace {
    pub(crate) fn at_least(least: u64) -> Self {
        Self { least, most: BTreeMap::new() }
    }

    /// How many a run may need: half as many again as the best one like it did, or, if there was none, twice as many as
    /// any with so many clients did.
    pub(crate) fn need(&self, operation: Operation, clients: u32) -> u64 {
        let of = |operation: Operation| self.most.get(&(clients, operation)).copied();
        let before = Operation::ALL.into_iter().filter_map(of).max();
        let need = of(operation).map_or(before.map_or(FIRST_GUESS, |done| done * 2), |done| done + done / 2);
        need.max(self.least).max(LEAST_EACH * u64::from(clients))
    }

    /// Notes what a run came to for which there was so much to do. Answers whether that was enough.
    pub(crate) fn note(&mut self, operation: Operation, clients: u32, need: u64, run: &Measure) -> bool {
        let most = self.most.entry((clients, operation)).or_default();
        *most = run.acknowledged.max(*most);
        if !run.is_long_enough() {
            *most = need * 2;
        }
        run.is_long_enough()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(acknowledged: u64, window_share: f64) -> Measure {
        let [ops_per_s, p50_ms, p95_ms, p99_ms, server_us, database_us, generator_us] = [1.0; 7];
        Measure { ops_per_s, p50_ms, p95_ms, p99_ms, server_us, database_us, generator_us, acknowledged, window_share }
    }

    #[test]
    fn a_run_gets_more_than_the_best_one_like_it_did() {
        let mut pace = Pace::at_least(2_000);
        assert_eq!(pace.need(Operation::Claim, 1), FIRST_GUESS);
        assert!(pace.note(Operation::Submit, 16, 0, &run(9_000, 1.0)));
        assert_eq!(pace.need(Operation::Claim, 16), 18_000);
        assert_eq!(pace.need(Operation::Claim, 1), FIRST_GUESS);
        assert!(pace.note(Operation::Claim, 16, 18_000, &run(12_000, 1.0)));
        assert!(pace.note(Operation::Claim, 16, 18_000, &run(8_000, 0.9)));
        assert_eq!(pace.need(Operation::Claim, 16), 18_000);
        assert_eq!(pace.need(Operation::Complete, 16), 24_000);
        assert!(pace.note(Operation::Complete, 16, 24_000, &run(20, 1.0)));
        assert_eq!(pace.need(Operation::Complete, 16), 2_000);
        assert!(pace.note(Operation::Complete, 64, 24_000, &run(20, 1.0)));
        assert_eq!(pace.need(Operation::Complete, 64), 6_400);
    }

    #[test]
    fn what_was_not_enough_is_given_thrice() {
        let mut pace = Pace::at_least(10);
        assert!(!pace.note(Operation::Claim, 1, 5_000, &run(5_000, 0.1)));
        assert_eq!(pace.need(Operation::Claim, 1), 15_000);
    }
}
