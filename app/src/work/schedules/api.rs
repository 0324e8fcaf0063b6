//! Schedules over HTTP.

use crate::executor::Executor;
use crate::http::cursor;
use crate::http::json_body::JsonBody;
use crate::http::problem::Problem;
use crate::identity::security::Auth;
use crate::work::claim::views::OneTaskView;
use crate::work::reading::Reader;
use crate::work::schedules::bodies::{CreateScheduleBody, ReadSchedule};
use crate::work::schedules::commands::{CreateSchedule, PauseSchedule, RemoveSchedule, ResumeSchedule, ScheduleAt};
use crate::work::schedules::firing::RunSchedule;
use crate::work::schedules::queries::ScheduleQueries;
use crate::work::schedules::views::{
    CreatedSchedule, RanSchedule, RemovedScheduleView, SchedulePageView, ScheduleView,
};
use domain::ids::ScheduleId;
use domain::work::name::ScheduleName;
use domain::work::schedule::coming;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use ports::calendar::{Calendar, InvalidTiming};
use std::sync::Arc;

/// The operations on schedules.
pub struct SchedulesApi {
    executor: Executor,
    queries: ScheduleQueries,
    reader: Reader,
    calendar: Arc<dyn Calendar>,
}

impl SchedulesApi {
    /// Puts the use cases together.
    pub fn new(executor: Executor, reader: Reader, calendar: Arc<dyn Calendar>) -> Self {
        let queries = ScheduleQueries::new(executor.clone());
        Self { executor, queries, reader, calendar }
    }

    fn view(&self, ScheduleAt { schedule, now }: ScheduleAt) -> ScheduleView {
        // One that the calendar of today cannot read does not fire any more.
        let next_after = |after| self.calendar.next_after(&schedule.timing, after).ok().flatten();
        let next_fires = if schedule.paused { Vec::new() } else { coming(now, next_after) };
        ScheduleView::new(schedule, next_fires)
    }
}

#[OpenApi(prefix_path = "/v1/schedules", tag = "crate::http::tags::Tag::Schedules")]
impl SchedulesApi {
    /// Make a schedule
    ///
    /// Needs the role `orchestrator` or `admin`. From now on it submits its task each time the pattern comes round, once,
    /// however many servers there are. A time that a change of clocks leaves out comes right after the gap, and one that it
    /// repeats comes once; what comes round in every hour of the day follows the clock.
    #[oai(path = "/", method = "post", operation_id = "create_schedule")]
    async fn create(&self, Auth(call): Auth, body: JsonBody<CreateScheduleBody>) -> Result<CreatedSchedule, Problem> {
        let ReadSchedule { name, timing, missed, draft, deadline_seconds } = body.0.read()?;
        self.calendar.next_after(&timing, chrono::DateTime::UNIX_EPOCH).map_err(|invalid| match &invalid {
            InvalidTiming::Cron { .. } => Problem::invalid("cron", &invalid),
            InvalidTiming::Zone { .. } => Problem::invalid("time_zone", &invalid),
        })?;
        let id = self.executor.ids().schedule_id();
        let calendar = self.calendar.clone();
        let command = CreateSchedule { id, name, timing, missed, draft, deadline_seconds, calendar };
        let answer = self.executor.execute(&call, &command).await?.answer;
        Ok(CreatedSchedule::Created(Json(self.view(answer))))
    }

    /// List schedules
    ///
    /// By name.
    #[oai(path = "/", method = "get", operation_id = "list_schedules")]
    async fn list(
        &self,
        Auth(call): Auth,
        /// Rows of the page, 1 to 500; 50 if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "500")))]
        limit: Query<Option<u32>>,
        /// `next_cursor` of the page before.
        #[oai(validator(max_length = 2048))]
        cursor: Query<Option<String>>,
    ) -> Result<Json<SchedulePageView>, Problem> {
        let after: Option<ScheduleName> = cursor.0.as_deref().map(cursor::decode).transpose()?;
        let size = cursor::page_size(limit.0)?;
        let (page, now) = self.queries.list(&call, after.as_ref(), size).await?;
        let view = |schedule| self.view(ScheduleAt { schedule, now });
        Ok(Json(SchedulePageView {
            schedules: page.rows.into_iter().map(view).collect(),
            next_cursor: page.next.as_ref().map(cursor::encode).transpose()?,
        }))
    }

    /// Look at a schedule
    ///
    /// With its next five fires.
    #[oai(path = "/:id", method = "get", operation_id = "get_schedule")]
    async fn get(
        &self,
        Auth(call): Auth,
        /// The schedule.
        id: Path<String>,
    ) -> Result<Json<ScheduleView>, Problem> {
        Ok(Json(self.view(self.queries.find(&call, schedule_id(&id.0)?).await?)))
    }

    /// Take a schedule away
    ///
    /// Needs the role `orchestrator` or `admin`. The tasks it has submitted stay.
    #[oai(path = "/:id", method = "delete", operation_id = "remove_schedule")]
    async fn remove(
        &self,
        Auth(call): Auth,
        /// The schedule.
        id: Path<String>,
    ) -> Result<Json<RemovedScheduleView>, Problem> {
        let command = RemoveSchedule { id: schedule_id(&id.0)? };
        let removed = self.executor.execute(&call, &command).await?.answer.to_string();
        Ok(Json(RemovedScheduleView { removed }))
    }

    /// Let a schedule rest
    ///
    /// Needs the role `orchestrator` or `admin`. What it misses meanwhile is never made up.
    #[oai(path = "/:id/pause", method = "post", operation_id = "pause_schedule")]
    async fn pause(
        &self,
        Auth(call): Auth,
        /// The schedule.
        id: Path<String>,
    ) -> Result<Json<ScheduleView>, Problem> {
        let command = PauseSchedule { id: schedule_id(&id.0)? };
        Ok(Json(self.view(self.executor.execute(&call, &command).await?.answer)))
    }

    /// Let a schedule go on
    ///
    /// Needs the role `orchestrator` or `admin`. It fires next when the pattern comes round from now on.
    #[oai(path = "/:id/resume", method = "post", operation_id = "resume_schedule")]
    async fn resume(
        &self,
        Auth(call): Auth,
        /// The schedule.
        id: Path<String>,
    ) -> Result<Json<ScheduleView>, Problem> {
        let command = ResumeSchedule { id: schedule_id(&id.0)?, calendar: self.calendar.clone() };
        Ok(Json(self.view(self.executor.execute(&call, &command).await?.answer)))
    }

    /// Fire a schedule now
    ///
    /// Needs the role `orchestrator` or `admin`. Submits its task once more, whether it is time or not and even while it
    /// rests; its coming fires stay as they are.
    #[oai(path = "/:id/run", method = "post", operation_id = "run_schedule")]
    async fn run(
        &self,
        Auth(call): Auth,
        /// The schedule.
        id: Path<String>,
    ) -> Result<RanSchedule, Problem> {
        let command = RunSchedule { id: schedule_id(&id.0)?, task_id: self.executor.ids().task_id() };
        let task = self.executor.execute_hot(&call, command).await?.answer;
        let content = self.reader.content(&call.project, &task).await?;
        Ok(RanSchedule::Created(Json(OneTaskView::new(&task, content))))
    }
}

fn schedule_id(text: &str) -> Result<ScheduleId, Problem> {
    ScheduleId::parse(text).map_err(|error| Problem::invalid("id", &error))
}
