//! The changes to schedules, one command each.

use crate::executor::{Command, Decision, Happening, Scene};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::ids::ScheduleId;
use domain::work::name::ScheduleName;
use domain::work::schedule::{Missed, Schedule, ScheduleRefusal, Timing};
use domain::work::submission::TaskDraft;
use ports::calendar::Calendar;
use ports::store::{StoreError, UnitOfWork};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// A schedule, and the store's clock when it was so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScheduleAt {
    /// The schedule.
    pub schedule: Schedule,
    /// The store's clock.
    pub now: DateTime<Utc>,
}

/// Makes a schedule.
#[derive(Clone)]
pub struct CreateSchedule {
    /// The id it will have.
    pub id: ScheduleId,
    /// What it is to be called.
    pub name: ScheduleName,
    /// When it is to fire.
    pub timing: Timing,
    /// What becomes of missed fires.
    pub missed: Missed,
    /// What it is to submit.
    pub draft: TaskDraft,
    /// How long after each fire its task is to be finished, in seconds; `None` for ever.
    pub deadline_seconds: Option<u32>,
    /// What knows when it fires.
    pub calendar: Arc<dyn Calendar>,
}

#[async_trait]
impl Command for CreateSchedule {
    const OPERATION: &'static str = "schedule.create";
    const ACTION: Action = Action::SteerWork;
    type Answer = ScheduleAt;

    fn content(&self) -> Value {
        let Self { id: _, name, timing, missed, draft, deadline_seconds, calendar: _ } = self;
        json!({ "name": name, "timing": timing, "missed": missed, "draft": draft, "deadline_seconds": deadline_seconds })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        // Whoever adds schedules at the same time stands in line here, so that name and number stay true.
        uow.lock_table_lock(project).await?;
        let now = scene.now;
        let next_at = match self.calendar.next_after(&self.timing, now) {
            Ok(next_at) => next_at,
            Err(invalid) => return Ok(Decision::refused(ScheduleRefusal::Timing { why: invalid.to_string() })),
        };
        let wanted = Schedule {
            id: self.id,
            name: self.name.clone(),
            timing: self.timing.clone(),
            draft: self.draft.clone(),
            deadline_seconds: self.deadline_seconds,
            missed: self.missed,
            paused: false,
            next_at,
            fired_for: None,
            created_by: scene.call.principal.agent.clone(),
            created_at: now,
            revision: 1,
        };
        let namesake = uow.schedule_find_named(project, &self.name).await?;
        let others = uow.schedule_count(project).await?;
        let schedule = match Schedule::create(wanted, namesake.as_ref(), others) {
            Ok(schedule) => schedule,
            Err(refusal) => return Ok(Decision::refused(refusal)),
        };
        uow.schedule_add(project, &schedule).await?;
        let happening = happening(Self::OPERATION, "schedule.created", None, Some(&schedule));
        Ok(Decision::answered(ScheduleAt { schedule, now }, vec![happening]))
    }
}

/// Lets a schedule rest.
#[derive(Debug, Clone)]
pub struct PauseSchedule {
    /// Which.
    pub id: ScheduleId,
}

#[async_trait]
impl Command for PauseSchedule {
    const OPERATION: &'static str = "schedule.pause";
    const ACTION: Action = Action::SteerWork;
    type Answer = ScheduleAt;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(before) = uow.schedule_find(&scene.call.project, self.id).await? else {
            return Ok(Decision::refused(ScheduleRefusal::Unknown { id: self.id }));
        };
        let after = before.pause();
        change(uow, scene, (Self::OPERATION, "schedule.paused"), &before, after).await
    }
}

/// Lets a schedule go on.
#[derive(Clone)]
pub struct ResumeSchedule {
    /// Which.
    pub id: ScheduleId,
    /// What knows when it fires.
    pub calendar: Arc<dyn Calendar>,
}

#[async_trait]
impl Command for ResumeSchedule {
    const OPERATION: &'static str = "schedule.resume";
    const ACTION: Action = Action::SteerWork;
    type Answer = ScheduleAt;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let Some(before) = uow.schedule_find(&scene.call.project, self.id).await? else {
            return Ok(Decision::refused(ScheduleRefusal::Unknown { id: self.id }));
        };
        let next_at = match self.calendar.next_after(&before.timing, scene.now) {
            Ok(next_at) => next_at,
            Err(invalid) => return Ok(Decision::refused(ScheduleRefusal::Timing { why: invalid.to_string() })),
        };
        let after = before.resume(scene.now, |_| next_at);
        change(uow, scene, (Self::OPERATION, "schedule.resumed"), &before, after).await
    }
}

/// Takes a schedule away. The tasks it has submitted stay.
#[derive(Debug, Clone)]
pub struct RemoveSchedule {
    /// Which.
    pub id: ScheduleId,
}

#[async_trait]
impl Command for RemoveSchedule {
    const OPERATION: &'static str = "schedule.remove";
    const ACTION: Action = Action::SteerWork;
    type Answer = ScheduleId;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    async fn decide(&self, uow: &mut dyn UnitOfWork, scene: &Scene<'_>) -> Result<Decision<Self::Answer>, StoreError> {
        let project = &scene.call.project;
        let Some(before) = uow.schedule_find(project, self.id).await? else {
            return Ok(Decision::refused(ScheduleRefusal::Unknown { id: self.id }));
        };
        uow.schedule_remove(project, self.id).await?;
        let happening = happening(Self::OPERATION, "schedule.removed", Some(&before), None);
        Ok(Decision::answered(self.id, vec![happening]))
    }
}

/// Saves a schedule if it is another than before.
async fn change(
    uow: &mut dyn UnitOfWork,
    scene: &Scene<'_>,
    (operation, kind): (&'static str, &'static str),
    before: &Schedule,
    schedule: Schedule,
) -> Result<Decision<ScheduleAt>, StoreError> {
    let mut happenings = Vec::new();
    if schedule != *before {
        uow.schedule_save(&scene.call.project, &schedule).await?;
        happenings.push(happening(operation, kind, Some(before), Some(&schedule)));
    }
    Ok(Decision::answered(ScheduleAt { schedule, now: scene.now }, happenings))
}

/// What happened to a schedule.
fn happening(operation: &str, kind: &'static str, before: Option<&Schedule>, after: Option<&Schedule>) -> Happening {
    let target = after.or(before).map(|schedule| schedule.id.to_string()).unwrap_or_default();
    let body = json!({ "id": target, "schedule": after.or(before).map(told) });
    let (before, after) = (before.map(told), after.map(told));
    let change = Change { operation: operation.to_owned(), target, before, after };
    Happening { change, kind, body, by_itself: false }
}

/// A schedule without the words and the JSON that its tasks carry, which can be long.
pub(super) fn told(schedule: &Schedule) -> Value {
    json!({
        "name": schedule.name,
        "timing": schedule.timing,
        "type": schedule.draft.task_type,
        "title": schedule.draft.content.title,
        "deadline_seconds": schedule.deadline_seconds,
        "missed": schedule.missed,
        "paused": schedule.paused,
        "next_at": schedule.next_at,
        "fired_for": schedule.fired_for,
        "created_by": schedule.created_by,
        "revision": schedule.revision,
    })
}
