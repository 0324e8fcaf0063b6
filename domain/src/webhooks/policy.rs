//! How often and how patiently is delivered.

use crate::work::retry::Chance;
use chrono::TimeDelta;

/// How often a delivery is tried, how long it rests in between, and when a webhook is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// Attempts of one delivery.
    pub attempts_max: u32,
    /// The longest rest after the first failure, in seconds. After each further one it is [`GROWTH`] times as long.
    pub backoff_first_seconds: u32,
    /// The longest rest after any failure, in seconds.
    pub backoff_cap_seconds: u32,
    /// Failures in a row before a webhook is disabled.
    pub disable_after_failures: u32,
    /// How long they must have gone on, in seconds.
    pub disable_after_seconds: u32,
    /// How long one attempt may take, from looking up the name to the end of the answer, in seconds.
    pub timeout_seconds: u32,
}

/// How much longer each rest may be than the one before.
pub const GROWTH: u64 = 4;

/// How long somebody else waits for an attempt beyond its timeout before it counts as lost, in seconds.
pub const LEASE_GRACE_SECONDS: u32 = 20;

impl Default for DeliveryPolicy {
    /// Twelve attempts over up to 22 hours.
    fn default() -> Self {
        Self {
            attempts_max: 12,
            backoff_first_seconds: 5,
            backoff_cap_seconds: 4 * 3600,
            disable_after_failures: 20,
            disable_after_seconds: 3600,
            timeout_seconds: 10,
        }
    }
}

impl DeliveryPolicy {
    /// The longest rest after the `failures`-th failed attempt.
    pub fn ceiling(&self, failures: u32) -> TimeDelta {
        let growths = (1..failures).take(32).fold(1_u64, |factor, _| factor.saturating_mul(GROWTH));
        let seconds = u64::from(self.backoff_first_seconds).saturating_mul(growths);
        TimeDelta::seconds(seconds.min(self.backoff_cap_seconds.into()).try_into().unwrap_or(i64::from(u32::MAX)))
    }

    /// The rest after the `failures`-th failed attempt: anything from nothing to the ceiling, as `chance` will have it.
    pub fn rest(&self, failures: u32, chance: Chance) -> TimeDelta {
        let ceiling_us = self.ceiling(failures).num_microseconds().unwrap_or(i64::MAX);
        let share = (i128::from(ceiling_us) * i128::from(chance.0)) >> 64;
        TimeDelta::microseconds(i64::try_from(share).unwrap_or(ceiling_us))
    }

    /// How long an attempt belongs to the server that began it.
    pub fn lease(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.timeout_seconds) + i64::from(LEASE_GRACE_SECONDS))
    }

    /// How long failures must go on before a webhook is disabled.
    pub fn disable_after(&self) -> TimeDelta {
        TimeDelta::seconds(self.disable_after_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_up_to_the_cap_and_last_about_a_day() {
        let policy = DeliveryPolicy::default();
        let ceilings: Vec<i64> = (1..12).map(|failures| policy.ceiling(failures).num_seconds()).collect();
        assert_eq!(ceilings, [5, 20, 80, 320, 1_280, 5_120, 14_400, 14_400, 14_400, 14_400, 14_400]);
        let hours = ceilings.iter().sum::<i64>() / 3600;
        assert!((20..=24).contains(&hours), "{hours}");
        assert_eq!(policy.ceiling(u32::MAX).num_seconds(), 14_400);
    }

    #[test]
    fn a_rest_is_anything_up_to_its_ceiling() {
        let policy = DeliveryPolicy::default();
        assert_eq!(policy.rest(1, Chance(0)), TimeDelta::zero());
        assert_eq!(policy.rest(1, Chance(1 << 63)), TimeDelta::milliseconds(2_500));
        assert!(policy.rest(1, Chance(u64::MAX)) < TimeDelta::seconds(5));
    }
}
