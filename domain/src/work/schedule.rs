//! Schedules: submit a task at set times, each time once.
//!
//! When a time pattern next comes round is for a calendar to say, behind a port; what that means is decided here.

use crate::ids::{AgentId, ScheduleId};
use crate::work::name::{ScheduleName, ZoneName};
use crate::work::submission::TaskDraft;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A time pattern of five fields: minute, hour, day of the month, month, day of the week.
///
/// Only the form is checked here; whether the fields mean anything is for the calendar to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron(String);

/// A text that cannot be a time pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`cron` must be five fields with blanks between them, at most {} characters: minute hour day month weekday",
    Cron::BYTES_MAX
)]
pub struct InvalidCron;

impl Cron {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 256;
    /// How many fields there are.
    pub const FIELDS: usize = 5;

    /// Checks the form; blanks between fields become one.
    pub fn parse(text: &str) -> Result<Self, InvalidCron> {
        let accepts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '/' | ',' | '-' | '#' | '?');
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let fits = text.len() <= Self::BYTES_MAX
            && fields.len() == Self::FIELDS
            && fields.iter().all(|field| field.chars().all(accepts));
        if fits { Ok(Self(fields.join(" "))) } else { Err(InvalidCron) }
    }

    /// The fields, with one blank between them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.0
    }
}

impl TryFrom<String> for Cron {
    type Error = InvalidCron;
    fn try_from(text: String) -> Result<Self, InvalidCron> {
        Self::parse(&text)
    }
}

/// When a schedule fires: a pattern, read on the clocks of a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The pattern.
    pub cron: Cron,
    /// The time zone.
    pub zone: ZoneName,
}

/// What becomes of fires that nobody was there for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    Skip,
    /// One makes up for all of them.
    #[default]
    One,
    /// They are made up one by one, the oldest first, as many at once as this; the rest is left out.
    All {
        /// How many.
        max: MissedMax,
    },
}

/// How many missed fires are made up at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct MissedMax(u32);

/// A number out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`max` is {0}: it must be 1 to {max}", max = MissedMax::MAX)]
pub struct InvalidMissedMax(pub u32);

impl MissedMax {
    /// The most fires that are made up at once.
    pub const MAX: u32 = 100;

    /// Checks the bounds.
    pub fn try_new(fires: u32) -> Result<Self, InvalidMissedMax> {
        if (1..=Self::MAX).contains(&fires) { Ok(Self(fires)) } else { Err(InvalidMissedMax(fires)) }
    }

    /// The number.
    pub const fn fires(self) -> u32 {
        self.0
    }
}

impl From<MissedMax> for u32 {
    fn from(max: MissedMax) -> Self {
        max.0
    }
}

impl TryFrom<u32> for MissedMax {
    type Error = InvalidMissedMax;
    fn try_from(fires: u32) -> Result<Self, InvalidMissedMax> {
        Self::try_new(fires)
    }
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// What it is called.
    pub name: ScheduleName,
    /// When it fires.
    pub timing: Timing,
    /// What it submits. Its `not_before` and `deadline` are not looked at.
    pub draft: TaskDraft,
    /// How long after each fire its task is to be finished, in seconds; `None` for ever.
    pub deadline_seconds: Option<u32>,
    /// What becomes of missed fires.
    pub missed: Missed,
    /// Whether it rests.
    pub paused: bool,
    /// When it fires next, or was to; `None` if never again, and while it rests.
    pub next_at: Option<DateTime<Utc>>,
    /// The time of the latest fire, as the pattern has it.
    pub fired_for: Option<DateTime<Utc>>,
    /// Who made it; its tasks are submitted by that agent.
    pub created_by: AgentId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Rises with each change: whoever saves must have read the latest, so that each fire happens once.
    pub revision: u64,
}

/// How late a fire may be and still not count as missed, in seconds.
pub const LATE_SECONDS_MAX: i64 = 60;

/// How many coming fires are shown.
pub const FIRES_SHOWN: usize = 5;

/// The most schedules of a project.
pub const SCHEDULES_MAX: u32 = 1_000;

/// The longest time a task of a schedule may be given, in seconds: ten years.
pub const DEADLINE_SECONDS_MAX: u32 = 10 * 365 * 24 * 3600;

/// What a schedule has to submit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// The schedule now.
    pub schedule: Schedule,
    /// The tasks, each with the time it stands for, in order.
    pub tasks: Vec<(DateTime<Utc>, TaskDraft)>,
}

/// Why a schedule cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ScheduleRefusal {
    /// There is no such schedule in the project.
    #[error("there is no schedule {id} in this project")]
    Unknown {
        /// The schedule that was named.
        id: ScheduleId,
    },
    /// Another schedule has the name.
    #[error("there is a schedule `{name}` already")]
    NameTaken {
        /// The name.
        name: ScheduleName,
    },
    /// The pattern or the time zone means nothing.
    #[error("{why}")]
    Timing {
        /// What is wrong with it.
        why: String,
    },
    /// The pattern never comes round.
    #[error("`{cron}` never comes round")]
    Never {
        /// The pattern.
        cron: String,
    },
    /// There are too many.
    #[error("there are {SCHEDULES_MAX} schedules in this project already")]
    TooMany,
}

impl Schedule {
    /// Takes a new schedule in, next to `others` of its project; `namesake` is the one that has its name.
    pub fn create(wanted: Self, namesake: Option<&Self>, others: u32) -> Result<Self, ScheduleRefusal> {
        if namesake.is_some() {
            return Err(ScheduleRefusal::NameTaken { name: wanted.name });
        }
        if others >= SCHEDULES_MAX {
            return Err(ScheduleRefusal::TooMany);
        }
        if wanted.next_at.is_none() {
            return Err(ScheduleRefusal::Never { cron: wanted.timing.cron.into() });
        }
        Ok(wanted)
    }

    /// Fires what is due. `next_after` answers the first time of the pattern strictly after an instant.
    ///
    /// Time is asked for as often as there are fires to make, never as often as there were missed ones.
    pub fn fire(&self, now: DateTime<Utc>, next_after: impl Fn(DateTime<Utc>) -> Option<DateTime<Utc>>) -> Fired {
        let due = self.next_at.filter(|at| !self.paused && *at <= now);
        let Some(first) = due else { return Fired { schedule: self.clone(), tasks: Vec::new() } };
        let in_time = now - TimeDelta::seconds(LATE_SECONDS_MAX);
        let times = match self.missed {
            Missed::One => vec![first],
            Missed::Skip if first >= in_time => vec![first],
            // What is still in time happens: the first of the pattern that is not too late.
            Missed::Skip => next_after(in_time).filter(|at| *at <= now).into_iter().collect(),
            Missed::All { max } => {
                let coming = std::iter::successors(Some(first), |at| next_after(*at).filter(|next| next > at));
                coming.take_while(|at| *at <= now).take(max.fires() as usize).collect()
            }
        };
        let schedule = Self {
            next_at: next_after(now).filter(|next| *next > now),
            fired_for: times.last().copied().or(self.fired_for),
            revision: self.revision.saturating_add(1),
            ..self.clone()
        };
        let tasks = times.into_iter().map(|at| (at, self.task(now))).collect();
        Fired { schedule, tasks }
    }

    /// The task of one more fire, now, whether it is time or not. The schedule goes on as if nothing had happened.
    pub fn task(&self, now: DateTime<Utc>) -> TaskDraft {
        let deadline = self.deadline_seconds.map(|seconds| now + TimeDelta::seconds(i64::from(seconds)));
        TaskDraft { not_before: None, deadline, ..self.draft.clone() }
    }

    /// Lets it rest. What it misses meanwhile is never made up.
    #[must_use]
    pub fn pause(&self) -> Self {
        if self.paused {
            return self.clone();
        }
        Self { paused: true, next_at: None, revision: self.revision.saturating_add(1), ..self.clone() }
    }

    /// Lets it go on, with the first time of the pattern from now on.
    #[must_use]
    pub fn resume(&self, now: DateTime<Utc>, next_after: impl Fn(DateTime<Utc>) -> Option<DateTime<Utc>>) -> Self {
        if !self.paused {
            return self.clone();
        }
        let revision = self.revision.saturating_add(1);
        Self { paused: false, next_at: next_after(now).filter(|next| *next > now), revision, ..self.clone() }
    }
}

/// The next times of a pattern after an instant, at most [`FIRES_SHOWN`].
pub fn coming(now: DateTime<Utc>, next_after: impl Fn(DateTime<Utc>) -> Option<DateTime<Utc>>) -> Vec<DateTime<Utc>> {
    let next = |at: &DateTime<Utc>| next_after(*at).filter(|next| next > at);
    std::iter::successors(next(&now), next).take(FIRES_SHOWN).collect()
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
