//! What requests about schedules look like on the wire, and what they mean.

use crate::http::problem::Problem;
use crate::work::bodies::{ReadTask, TaskBody};
use domain::work::name::{ScheduleName, ZoneName};
use domain::work::schedule::{Cron, DEADLINE_SECONDS_MAX, Missed, MissedMax, Timing};
use domain::work::submission::{Dependencies, TaskDraft};
use poem_openapi::{Enum, Object};

/// The time zone of schedules that name none.
const ZONE_DEFAULT: &str = "UTC";

/// What becomes of fires that nobody was there for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enum)]
#[oai(rename = "MissedFires", rename_all = "snake_case")]
pub enum MissedBody {
    /// They are left out, unless they are less than a minute late.
    Skip,
    /// One makes up for all of them.
    #[default]
    One,
    /// They are made up one by one, the oldest first, as many at once as `missed_max`; the rest is left out.
    All,
}

/// A schedule to make.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CreateSchedule", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct CreateScheduleBody {
    /// What it is called, unlike every other of the project: up to 64 letters, digits and `- _ . : @ /`.
    #[oai(validator(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.:@/-]+$"))]
    pub name: String,
    /// When it fires: minute, hour, day of the month, month and weekday, as in cron. `30 9 * * MON-FRI` is at half past
    /// nine on working days. Numbers, names of three letters, `*`, ranges, lists and steps are known.
    #[oai(validator(max_length = 256))]
    pub cron: String,
    /// The IANA name of the time zone whose clocks it goes by, such as `Europe/Berlin`; `UTC` if left out.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub time_zone: Option<String>,
    /// What becomes of fires that nobody was there for; `one` if left out.
    pub missed: Option<MissedBody>,
    /// How many missed fires are made up at once, with `all`; 100 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub missed_max: Option<u32>,
    /// The task that each fire submits. Goes without `name`, `depends_on`, `parent`, `not_before` and `deadline`.
    pub task: TaskBody,
    /// How long after each fire its task is to be finished, in seconds; for ever if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "315360000")))]
    pub deadline_seconds: Option<u32>,
}

/// A schedule to make, read.
#[derive(Debug, Clone)]
pub struct ReadSchedule {
    /// What it is to be called.
    pub name: ScheduleName,
    /// When it is to fire.
    pub timing: Timing,
    /// What becomes of missed fires.
    pub missed: Missed,
    /// What it is to submit.
    pub draft: TaskDraft,
    /// How long after each fire its task is to be finished, in seconds.
    pub deadline_seconds: Option<u32>,
}

impl CreateScheduleBody {
    /// Reads it.
    pub fn read(self) -> Result<ReadSchedule, Problem> {
        let zone = self.time_zone.as_deref().unwrap_or(ZONE_DEFAULT);
        let timing = Timing {
            cron: Cron::parse(&self.cron).map_err(|error| Problem::invalid("cron", &error))?,
            zone: ZoneName::parse(zone).map_err(|error| Problem::invalid("time_zone", &error))?,
        };
        if self.deadline_seconds.is_some_and(|seconds| !(1..=DEADLINE_SECONDS_MAX).contains(&seconds)) {
            return Err(Problem::invalid("deadline_seconds", &format!("must be 1 to {DEADLINE_SECONDS_MAX}")));
        }
        Ok(ReadSchedule {
            name: ScheduleName::parse(&self.name).map_err(|error| Problem::invalid("name", &error))?,
            timing,
            missed: missed(self.missed.unwrap_or_default(), self.missed_max)?,
            draft: draft(self.task)?,
            deadline_seconds: self.deadline_seconds,
        })
    }
}

fn missed(policy: MissedBody, max: Option<u32>) -> Result<Missed, Problem> {
    match (policy, max) {
        (MissedBody::All, max) => {
            let max = MissedMax::try_new(max.unwrap_or(MissedMax::MAX));
            Ok(Missed::All { max: max.map_err(|error| Problem::invalid("missed_max", &error))? })
        }
        (_, Some(_)) => Err(Problem::invalid("missed_max", &"goes only with `missed` set to `all`")),
        (MissedBody::Skip, None) => Ok(Missed::Skip),
        (MissedBody::One, None) => Ok(Missed::One),
    }
}

/// The task, which has nothing that means something only once.
fn draft(body: TaskBody) -> Result<TaskDraft, Problem> {
    let ReadTask { name, draft, depends_on, parent } = body.read("task")?;
    let once = [
        ("name", name.is_some()),
        ("depends_on", depends_on != Dependencies::default()),
        ("parent", parent.is_some()),
        ("not_before", draft.not_before.is_some()),
        ("deadline", draft.deadline.is_some()),
    ];
    match once.into_iter().find(|(_, is_given)| *is_given) {
        Some((field, _)) => Err(Problem::invalid(&format!("task.{field}"), &"has no place in the task of a schedule")),
        None => Ok(draft),
    }
}
