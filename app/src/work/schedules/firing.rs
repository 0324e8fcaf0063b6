//! Fires schedules: when it is time, and by hand. What a fire submits and that it has happened are saved together, under
//! the project's lock, so each fire happens once, however many servers look.

use crate::call::Call;
use crate::executor::{Defect, Executor, Happening, HotCommand, Ruling, Tables, Touches, Who};
use crate::refusal::{CallError, Refusal};
use crate::work::schedules::commands::told;
use chrono::{DateTime, Utc};
use domain::audit::Change;
use domain::identity::principal::Action;
use domain::ids::{ProjectId, ScheduleId, TaskId};
use domain::work::refusal::{SubmissionFault, WorkRefusal};
use domain::work::schedule::{Fired, Missed, Schedule, ScheduleRefusal};
use domain::work::submission::{Dependencies, Submission, Submit, TaskDraft, Together};
use domain::work::task::Task;
use ports::calendar::Calendar;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most schedules of one turn.
const SCHEDULES_MAX: u32 = 100;

/// The most turns of one round.
const TURNS_MAX: u32 = 20;

/// One round over all projects: fires every schedule whose time has come. One that cannot be fired keeps none of the
/// others from it.
pub async fn fire_due(executor: &Executor, calendar: &Arc<dyn Calendar>) -> Result<(), CallError> {
    for _ in 0..TURNS_MAX {
        let due = due(executor).await?;
        let is_last = due.len() < SCHEDULES_MAX as usize;
        let mut failure = None;
        for Due { project, schedule, is_archived } in due {
            let call = Call::of_system(project, executor.ids().random_name())
                .map_err(|error| CallError::Internal(error.to_string()))?;
            let tasks_max = match schedule.missed {
                Missed::Skip | Missed::One => 1,
                Missed::All { max } => max.fires(),
            };
            let command = FireSchedule {
                id: schedule.id,
                task_ids: (0..tasks_max).map(|_| executor.ids().task_id()).collect(),
                is_archived,
                calendar: calendar.clone(),
            };
            failure = executor.execute_hot(&call, command).await.err().or(failure);
        }
        match failure {
            Some(error) => return Err(error),
            None if is_last => return Ok(()),
            None => {}
        }
    }
    Ok(())
}

/// A schedule whose time has come.
struct Due {
    project: ProjectId,
    schedule: Schedule,
    is_archived: bool,
}

async fn due(executor: &Executor) -> Result<Vec<Due>, CallError> {
    let mut uow = executor.store().begin_read().await?;
    let now = uow.now().await?;
    let due = uow.schedules_due(now, SCHEDULES_MAX).await?;
    let mut archived = BTreeSet::new();
    for project in due.iter().map(|(project, _)| project).collect::<BTreeSet<_>>() {
        if uow.project_find(project).await?.is_none_or(|project| project.archived_at.is_some()) {
            archived.insert(project.clone());
        }
    }
    let due = due.into_iter().map(|(project, schedule)| {
        let is_archived = archived.contains(&project);
        Due { project, schedule, is_archived }
    });
    Ok(due.collect())
}

/// Fires a schedule if its time has come.
#[derive(Clone)]
pub struct FireSchedule {
    /// Which.
    pub id: ScheduleId,
    /// Ids for as many tasks as it may submit at once.
    pub task_ids: Vec<TaskId>,
    /// Whether its project cannot be changed any more: then it rests.
    pub is_archived: bool,
    /// What knows when it fires.
    pub calendar: Arc<dyn Calendar>,
}

impl HotCommand for FireSchedule {
    const OPERATION: &'static str = "schedule.fire";
    const ACTION: Action = Action::SteerWork;
    const IN_SESSION: bool = false;
    const CHANGES_PROJECT: bool = false;
    type Answer = ();

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    fn touches(&self) -> Touches {
        Touches { schedules: vec![self.id], ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, _who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let done = |happenings| Ruling { happenings, ..Ruling::of(Ok::<_, Refusal>(())) };
        // Somebody took it away meanwhile.
        let Some(before) = tables.schedules.get(&self.id).cloned() else { return Ok(done(Vec::new())) };
        let now = tables.locks.now();
        let unreadable = self.calendar.next_after(&before.timing, now).err().map(|error| error.to_string());
        let archived = self.is_archived.then(|| "its project is archived".to_owned());
        let rests_because = archived.or(unreadable);
        let Fired { schedule, tasks } = if rests_because.is_some() {
            Fired { schedule: before.pause(), tasks: Vec::new() }
        } else {
            before.fire(now, |after| self.calendar.next_after(&before.timing, after).ok().flatten())
        };
        let kind = match (&rests_because, tasks.is_empty()) {
            (Some(_), _) => "schedule.paused",
            (None, true) => "schedule.skipped",
            (None, false) => "schedule.fired",
        };
        // Another server was here first.
        if schedule == before {
            return Ok(done(Vec::new()));
        }
        let fires = self.submit(tables, &before, tasks)?;
        let after = json!({ "schedule": told(&schedule), "fires": fires, "rests_because": rests_because });
        let change = Change {
            operation: Self::OPERATION.to_owned(),
            target: self.id.to_string(),
            before: Some(json!({ "schedule": told(&before) })),
            after: Some(after.clone()),
        };
        tables.change_schedule(schedule);
        Ok(done(vec![Happening { change, kind, body: after, by_itself: true }]))
    }
}

impl FireSchedule {
    /// Submits the tasks of the fires; answers what is told of each.
    fn submit(
        &self,
        tables: &mut Tables,
        schedule: &Schedule,
        tasks: Vec<(DateTime<Utc>, TaskDraft)>,
    ) -> Result<Vec<Value>, Defect> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        if tasks.len() > self.task_ids.len() {
            return Err(Defect("a schedule fires more often than it was given ids"));
        }
        let (times, drafts): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
        let answers = submit(tables, schedule, drafts.into_iter().zip(self.task_ids.iter().copied()))?;
        let answers = answers.map_err(|_| Defect("tasks that are submitted each alone were refused together"))?;
        let told = times.into_iter().zip(answers).map(|(time, answer)| match answer {
            Ok(task) => json!({ "for": time, "task": task.id }),
            Err(fault) => json!({ "for": time, "fault": fault.to_string() }),
        });
        Ok(told.collect())
    }
}

/// Fires a schedule once more, now, whether it is time or not.
#[derive(Debug, Clone)]
pub struct RunSchedule {
    /// Which.
    pub id: ScheduleId,
    /// The id its task will have.
    pub task_id: TaskId,
}

impl HotCommand for RunSchedule {
    const OPERATION: &'static str = "schedule.run";
    const ACTION: Action = Action::SteerWork;
    const IN_SESSION: bool = true;
    type Answer = Task;

    fn content(&self) -> Value {
        json!({ "id": self.id })
    }

    fn target(&self) -> String {
        self.id.to_string()
    }

    fn touches(&self) -> Touches {
        Touches { schedules: vec![self.id], ..Touches::default() }
    }

    fn decide(&self, tables: &mut Tables, _who: &Who<'_>) -> Result<Ruling<Self::Answer>, Defect> {
        let Some(schedule) = tables.schedules.get(&self.id).cloned() else {
            return Ok(Ruling::of(Err(ScheduleRefusal::Unknown { id: self.id })));
        };
        let draft = schedule.task(tables.locks.now());
        let answers = submit(tables, &schedule, std::iter::once((draft, self.task_id)))?;
        let task = match answers.map(|mut answers| answers.pop()) {
            Ok(Some(Ok(task))) => task,
            Ok(Some(Err(_)) | None) => return Err(Defect("the task of a schedule cannot be submitted")),
            Err(refusal) => return Ok(Ruling::of(Err(refusal))),
        };
        let after = json!({ "schedule": told(&schedule), "task": task.id });
        let change = Change {
            operation: Self::OPERATION.to_owned(),
            target: self.id.to_string(),
            before: None,
            after: Some(after.clone()),
        };
        let happening = Happening { change, kind: "schedule.run", body: after, by_itself: false };
        Ok(Ruling { happenings: vec![happening], ..Ruling::of(Ok::<_, Refusal>(task)) })
    }
}

/// What became of tasks that were submitted each alone.
type Submitted = Result<Vec<Result<Task, SubmissionFault>>, WorkRefusal>;

/// Submits tasks in the name of whoever made the schedule.
fn submit(
    tables: &mut Tables,
    schedule: &Schedule,
    tasks: impl Iterator<Item = (TaskDraft, TaskId)>,
) -> Result<Submitted, Defect> {
    let item = |(draft, id)| Submission { id, name: None, draft, depends_on: Dependencies::default(), parent: None };
    let submit = Submit::try_new(schedule.created_by.clone(), tasks.map(item).collect(), Together::EachAlone);
    let submit = submit.map_err(|_| Defect("a schedule submits too many tasks at once"))?;
    Ok(tables.work.submit(&submit))
}
