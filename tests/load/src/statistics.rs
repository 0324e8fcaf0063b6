//! Rates, percentiles and medians.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest latency that is told apart from longer ones.
const LATENCY_MAX: Duration = Duration::from_mins(2);

/// Latencies of operations, to three significant digits, in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_max(nanoseconds(LATENCY_MAX), 3)?))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(nanoseconds(latency).max(1));
    }

    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that a share of the operations did not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        Duration::from_nanos(self.0.value_at_quantile(share)).as_secs_f64() * 1e3
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How many per second.
pub(crate) fn per_second(count: u64, window: Duration) -> Result<f64> {
    let count = u32::try_from(count).context("too many operations to count")?;
    Ok(f64::from(count) / window.as_secs_f64())
}

/// Time for each of so many, in microseconds; nothing for none.
pub(crate) fn microseconds_each(time: Duration, count: u64) -> Result<f64> {
    let count = u32::try_from(count).context("too many operations to count")?;
    Ok(time.as_secs_f64() * 1e6 / f64::from(count.max(1)))
}

/// Time in percent of another.
pub(crate) fn percent(time: Duration, of: Duration) -> f64 {
    time.as_secs_f64() / of.as_secs_f64() * 100.0
}

/// The middle value; between the two middle ones when their number is even. Nothing if there are no values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// Rounded to so many decimals, so that the numbers do not claim more than was measured.
pub(crate) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() <= wanted.abs() * 0.002
    }

    #[test]
    fn quantiles_are_those_of_all_that_was_recorded_by_whomever() -> Result<()> {
        let (mut fast, mut slow) = (Latencies::new()?, Latencies::new()?);
        for millisecond in 1..=50 {
            fast.record(Duration::from_millis(millisecond));
            slow.record(Duration::from_millis(millisecond + 50));
        }
        fast.merge(&slow)?;
        assert_eq!(fast.count(), 100);
        assert!(near(fast.quantile_ms(0.50), 50.0), "{}", fast.quantile_ms(0.50));
        assert!(near(fast.quantile_ms(0.95), 95.0), "{}", fast.quantile_ms(0.95));
        assert!(near(fast.quantile_ms(0.99), 99.0), "{}", fast.quantile_ms(0.99));
        Ok(())
    }

    #[test]
    fn a_latency_below_a_microsecond_and_one_beyond_the_scale_are_both_counted() -> Result<()> {
        let mut latencies = Latencies::new()?;
        latencies.record(Duration::from_nanos(800));
        latencies.record(Duration::from_hours(1));
        assert_eq!(latencies.count(), 2);
        assert!(near(latencies.quantile_ms(0.5), 0.0008), "{}", latencies.quantile_ms(0.5));
        assert!(near(latencies.quantile_ms(1.0), 120_000.0), "{}", latencies.quantile_ms(1.0));
        Ok(())
    }

    #[test]
    fn the_median_does_not_depend_on_order_or_outliers() {
        assert_eq!(median([9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median([4.0, 1.0, 1_000.0, 2.0]), Some(3.0));
        assert_eq!(median([7.0]), Some(7.0));
        assert_eq!(median([]), None);
    }

    #[test]
    fn rates_and_shares() -> Result<()> {
        assert!(near(per_second(500, Duration::from_millis(250))?, 2_000.0));
        assert!(near(microseconds_each(Duration::from_millis(30), 100)?, 300.0));
        assert!(near(microseconds_each(Duration::ZERO, 0)? + 1.0, 1.0));
        assert!(per_second(u64::MAX, Duration::from_secs(1)).is_err());
        assert!(near(rounded(1234.5678, 1), 1234.6));
        Ok(())
    }
}
