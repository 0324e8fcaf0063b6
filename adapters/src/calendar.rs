//! The calendar: five-field time patterns on the clocks of the IANA time zones.

mod pattern;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use domain::work::schedule::Timing;
use pattern::Pattern;
use ports::calendar::{Calendar, InvalidTiming};

/// How many times of a pattern are looked at for one that is still to come. Only a change of clocks makes it more than
/// one, and none has ever moved them by more than a day.
const TIMES_MAX: usize = 2 * 24 * 60;

const MINUTES_PER_DAY: i64 = 24 * 60;

/// The calendar that is built into the binary.
#[derive(Debug, Clone, Copy, Default)]
pub struct IanaCalendar;

impl Calendar for IanaCalendar {
    fn next_after(&self, timing: &Timing, after: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, InvalidTiming> {
        let name = timing.zone.as_str();
        let zone: Tz = name.parse().map_err(|_| InvalidTiming::Zone { zone: name.to_owned() })?;
        let pattern = Pattern::read(timing.cron.as_str())
            .map_err(|why| InvalidTiming::Cron { cron: timing.cron.as_str().to_owned(), why })?;
        Ok(next(zone, &pattern, after))
    }
}

/// The first instant strictly after another at which a clock of the zone shows a time of the pattern.
fn next(zone: Tz, pattern: &Pattern, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut shown = zone.from_utc_datetime(&after.naive_utc()).naive_local();
    if let LocalResult::Ambiguous(first, second) = zone.from_local_datetime(&shown) {
        // Times that were shown already may be shown again.
        shown = shown.checked_sub_signed(second - first)?;
    }
    let mut repeated = None;
    for _ in 0..TIMES_MAX {
        let Some(time) = pattern.next(shown) else { break };
        let (first, second) = instants(zone, pattern, time);
        if let Some(first) = first.filter(|at| *at > after) {
            return Some(repeated.map_or(first, |repeated| first.min(repeated)));
        }
        repeated = repeated.or(second.filter(|at| *at > after));
        shown = time;
    }
    repeated
}

/// When a time of the pattern is to fire: not at all, once, or twice.
fn instants(zone: Tz, pattern: &Pattern, time: NaiveDateTime) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let follows_clock = pattern.is_every_hour();
    match zone.from_local_datetime(&time) {
        LocalResult::Single(at) => (Some(at.to_utc()), None),
        LocalResult::Ambiguous(first, second) => (Some(first.to_utc()), follows_clock.then(|| second.to_utc())),
        LocalResult::None if follows_clock => (None, None),
        LocalResult::None => (first_after_gap(zone, time), None),
    }
}

/// The first instant after a gap that swallowed a time.
fn first_after_gap(zone: Tz, time: NaiveDateTime) -> Option<DateTime<Utc>> {
    let mut later = (1..=MINUTES_PER_DAY).filter_map(|minutes| time.checked_add_signed(TimeDelta::minutes(minutes)));
    later.find_map(|time| zone.from_local_datetime(&time).earliest()).map(|at| at.to_utc())
}

#[cfg(test)]
mod tests;
