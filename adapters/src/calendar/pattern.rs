//! A time pattern of five fields, as cron reads them.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// How far ahead a day is looked for. No day of the calendar is farther from the next of its kind than the 29th of
/// February over the turn of a century without one: eight years.
const DAYS_MAX: usize = 8 * 366;

/// A time pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

impl Pattern {
    /// Reads the five fields; the error says what is wrong with which.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("it has {} fields, not five", fields.len()));
        };
        let plain = |what, min, max| Kind { what, min, max, names: &[], first_name: 0 };
        let months_kind = Kind { names: &MONTHS, first_name: 1, ..plain("month", 1, 12) };
        // Sunday is 0 and 7.
        let weekdays_kind = Kind { names: &WEEKDAYS, ..plain("weekday", 0, 7) };
        let mut weekdays = weekdays_kind.read(weekdays)?;
        weekdays.set |= weekdays.set >> 7;
        Ok(Self {
            minutes: plain("minute", 0, 59).read(minutes)?,
            hours: plain("hour", 0, 23).read(hours)?,
            days: plain("day of the month", 1, 31).read(days)?,
            months: months_kind.read(months)?,
            weekdays,
        })
    }

    /// Whether it comes round in every hour of its days.
    pub(super) fn is_every_hour(&self) -> bool {
        self.hours.values().count() == 24
    }

    /// The first time of the pattern strictly after another, on a clock that never changes.
    pub(super) fn next(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut days = after.date().iter_days().take(DAYS_MAX).filter(|day| self.has(*day));
        days.find_map(|day| self.times().map(|time| day.and_time(time)).find(|time| *time > after))
    }

    /// Where both the day of the month and the weekday are restricted, either is enough.
    fn has(&self, day: NaiveDate) -> bool {
        let (in_month, in_week) = (self.days.has(day.day()), self.weekdays.has(day.weekday().num_days_from_sunday()));
        let is_day = if self.days.is_open || self.weekdays.is_open { in_month && in_week } else { in_month || in_week };
        is_day && self.months.has(day.month())
    }

    fn times(&self) -> impl Iterator<Item = NaiveTime> {
        self.hours
            .values()
            .flat_map(|hour| self.minutes.values().filter_map(move |minute| NaiveTime::from_hms_opt(hour, minute, 0)))
    }
}

/// The values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    /// A bit for each.
    set: u64,
    /// Whether it begins with `*`, and so restricts no days by itself.
    is_open: bool,
}

impl Field {
    fn has(&self, value: u32) -> bool {
        self.set >> value & 1 == 1
    }

    fn values(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |value| self.has(*value))
    }
}

/// What a field may hold.
#[derive(Clone, Copy)]
struct Kind {
    what: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// What the first name stands for.
    first_name: u32,
}

impl Kind {
    fn read(self, text: &str) -> Result<Field, String> {
        let mut set = 0;
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(self.step(step)?)),
                None => (item, None),
            };
            let (from, to) = match range.split_once('-') {
                Some((from, to)) => (self.value(from)?, self.end(to)?),
                None if range == "*" => (self.min, self.max),
                None if step.is_some() => return Err(format!("a step of the {} needs a range: `{item}`", self.what)),
                None => (self.value(range)?, self.value(range)?),
            };
            if from > to {
                return Err(format!("the {} `{range}` goes backwards", self.what));
            }
            for value in (from..=to).step_by(step.unwrap_or(1)) {
                set |= 1 << value;
            }
        }
        Ok(Field { set, is_open: text.starts_with('*') })
    }

    fn step(self, text: &str) -> Result<usize, String> {
        let fits = |step: &u32| (1..=self.max).contains(step);
        let step = number(text).filter(fits).and_then(|step| usize::try_from(step).ok());
        step.ok_or_else(|| format!("a step of the {} must be 1 to {}, not `{text}`", self.what, self.max))
    }

    /// The upper end of a range, where Sunday ends the week.
    fn end(self, text: &str) -> Result<u32, String> {
        let is_sunday = self.names == WEEKDAYS && text.eq_ignore_ascii_case(WEEKDAYS[0]);
        if is_sunday { Ok(7) } else { self.value(text) }
    }

    fn value(self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + self.first_name);
        let fits = |value: &u32| (self.min..=self.max).contains(value);
        named.or_else(|| number(text).filter(fits)).ok_or_else(|| {
            let or_name = if self.names.is_empty() { "" } else { " or its first three letters" };
            format!("the {} must be {} to {}{or_name}, not `{text}`", self.what, self.min, self.max)
        })
    }
}

/// One or two digits.
fn number(text: &str) -> Option<u32> {
    let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.parse().ok()).flatten()
}
