//! The calendar: when a time pattern comes round in a time zone.

use chrono::{DateTime, Utc};
use domain::work::schedule::Timing;

/// A pattern or a time zone that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTiming {
    /// A field of the pattern cannot be read.
    #[error("`{cron}` is not a time pattern: {why}")]
    Cron {
        /// The pattern.
        cron: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such time zone.
    #[error("there is no time zone `{zone}`")]
    Zone {
        /// The name that was given.
        zone: String,
    },
}

/// Reads time patterns on the clocks of time zones.
///
/// Where both the day of the month and the day of the week are restricted, either is enough, as in cron. A time that a
/// change of clocks leaves out comes at the first instant after the gap, and one that it repeats comes once, the first
/// time; patterns that come round in every hour of the day follow the clock through both. A field that begins with `*`
/// restricts no days by itself: `*/2` there means that both must fit.
pub trait Calendar: Send + Sync {
    /// The first instant strictly after `after` at which the pattern comes round; `None` if it never does. MUST take a
    /// bounded time, even for patterns such as the 30th of February.
    fn next_after(&self, timing: &Timing, after: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, InvalidTiming>;
}
