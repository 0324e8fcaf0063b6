//! What schedules look like on the wire.

use crate::work::claim::views::OneTaskView;
use crate::work::schedules::bodies::MissedBody;
use crate::work::views::{ConcurrencyView, OnDependencyFailureView, RequiresView, ResourceView};
use chrono::{DateTime, Utc};
use domain::work::content::Payload;
use domain::work::requires::Requires;
use domain::work::schedule::{Missed, Schedule};
use domain::work::submission::TaskDraft;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{ApiResponse, Object};
use serde_json::Value;

/// What a schedule submits.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ScheduledTask", skip_serializing_if_is_none)]
pub struct ScheduledTaskView {
    /// Its kind.
    #[oai(rename = "type")]
    pub task_type: String,
    /// In one line.
    pub title: String,
    /// At length.
    pub description: Option<String>,
    /// Whatever the agent needs to know.
    pub input: Option<Any<Value>>,
    /// How urgent it is: 1 goes first, 10 last.
    pub priority: u8,
    /// Its marks.
    pub labels: Vec<String>,
    /// What it asks of the agent; absent if nothing.
    pub requires: Option<RequiresView>,
    /// The locks it is done under; absent if none.
    pub resources: Option<Vec<ResourceView>>,
    /// How many of its key may run at a time.
    pub concurrency: Option<ConcurrencyView>,
    /// How often it is tried.
    pub max_attempts: u32,
    /// How long a claim lasts without a heartbeat, in seconds.
    pub lease_seconds: u32,
    /// How long it rests at most after the first failure, in seconds.
    pub backoff_first_seconds: u32,
    /// How long it rests at most after any failure, in seconds.
    pub backoff_cap_seconds: u32,
    /// What becomes of it when one it depends on fails.
    pub on_dependency_failure: OnDependencyFailureView,
}

impl From<TaskDraft> for ScheduledTaskView {
    fn from(draft: TaskDraft) -> Self {
        Self {
            requires: (draft.requires != Requires::default()).then(|| (&draft.requires).into()),
            resources: draft.resources.as_ref().map(ResourceView::all),
            concurrency: draft.concurrency.as_ref().map(Into::into),
            task_type: draft.task_type.into(),
            title: draft.content.title.into(),
            description: draft.content.description.map(Into::into),
            input: draft.content.input.map(Payload::into).map(Any),
            priority: draft.priority.number(),
            labels: draft.labels.iter().map(ToString::to_string).collect(),
            max_attempts: draft.retry.attempts_max(),
            lease_seconds: draft.lease.seconds(),
            backoff_first_seconds: draft.retry.backoff_first_seconds(),
            backoff_cap_seconds: draft.retry.backoff_cap_seconds(),
            on_dependency_failure: draft.on_dependency_failure.into(),
        }
    }
}

/// A schedule: submits a task at set times, each time once.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Schedule", skip_serializing_if_is_none)]
pub struct ScheduleView {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// When it fires: minute, hour, day of the month, month and weekday.
    pub cron: String,
    /// The time zone whose clocks it goes by.
    pub time_zone: String,
    /// What becomes of fires that nobody was there for.
    pub missed: MissedBody,
    /// How many missed fires are made up at once, with `all`.
    pub missed_max: Option<u32>,
    /// Whether it rests.
    pub paused: bool,
    /// The next five times it fires; none while it rests.
    pub next_fires: Vec<DateTime<Utc>>,
    /// The time of the latest fire, as the pattern has it.
    pub last_fire: Option<DateTime<Utc>>,
    /// What it submits.
    pub task: ScheduledTaskView,
    /// How long after each fire its task is to be finished, in seconds.
    pub deadline_seconds: Option<u32>,
    /// Who made it; its tasks are submitted by that agent.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl ScheduleView {
    /// A schedule and its coming fires.
    pub fn new(schedule: Schedule, next_fires: Vec<DateTime<Utc>>) -> Self {
        let Schedule {
            id,
            name,
            timing,
            draft,
            deadline_seconds,
            missed,
            paused,
            next_at: _,
            fired_for,
            created_by,
            created_at,
            revision: _,
        } = schedule;
        let (missed, missed_max) = match missed {
            Missed::Skip => (MissedBody::Skip, None),
            Missed::One => (MissedBody::One, None),
            Missed::All { max } => (MissedBody::All, Some(max.fires())),
        };
        Self {
            id: id.to_string(),
            name: name.into(),
            cron: timing.cron.into(),
            time_zone: timing.zone.into(),
            missed,
            missed_max,
            paused,
            next_fires,
            last_fire: fired_for,
            task: draft.into(),
            deadline_seconds,
            created_by: created_by.into(),
            created_at,
        }
    }
}

/// A page of schedules.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SchedulePage", skip_serializing_if_is_none)]
pub struct SchedulePageView {
    /// At most the asked number, by name.
    pub schedules: Vec<ScheduleView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// A schedule that was taken away.
#[derive(Debug, Clone, Object)]
#[oai(rename = "RemovedSchedule")]
pub struct RemovedScheduleView {
    /// Its id.
    pub removed: String,
}

/// An answer to the making of a schedule.
#[derive(ApiResponse)]
pub enum CreatedSchedule {
    /// The schedule.
    #[oai(status = 201)]
    Created(Json<ScheduleView>),
}

/// An answer to a fire by hand.
#[derive(ApiResponse)]
pub enum RanSchedule {
    /// The task it has submitted.
    #[oai(status = 201)]
    Created(Json<OneTaskView>),
}
